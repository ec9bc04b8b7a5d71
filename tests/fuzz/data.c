/* Fuzzing of data sets: the input's first byte chooses the format and the kind of network, the rest is the
 * file. Every sample is loaded. The working folder is a scratch one. */
#include "runtime/data/dataset.h"
#include "runtime/base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"samples.csv", "data_batch_1.bin",    "train-images-idx3-ubyte", "samples.npy",
                                    "samples.npz", "samples.safetensors", "train-labels-idx1-ubyte"};
enum { NAMES = sizeof names / sizeof *names, IMAGES = 2, LABELS = 6, TOKENS = 3 /* of the inputs */ };

static void write_plain(const char *name, const void *data, size_t size) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd)) abort();
}

/* IDX sets are pairs: the other half is a good one of two samples. */
static void write_other_half(int kind) {
  static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 0};
  static const unsigned char images[16 + 8] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 9};
  if (kind == IMAGES) write_plain(names[LABELS], labels, sizeof labels);
  if (kind == LABELS) write_plain(names[IMAGES], images, sizeof images);
}

static void load_all(Dataset *set, const DatasetSpec *spec) {
  float *x = malloc((size_t)spec->input->shape.count * sizeof *x);
  int64_t target[8];
  char name[300];
  surgery_error err;
  for (int64_t i = 0; i < set->count && i < 100; i++) {
    int status = set->load(set, i, DATASET_NO_AUGMENT, x, target, &err);
    const int32_t *mask = set->mask ? set->mask(set, i) : NULL;
    if (mask && (mask[0] | mask[spec->input->shape.dim[0] - 1]) >> 1) abort();
    if (!set->name(set, i, name, sizeof name) || (status && !err.message[0])) abort();
  }
  free(x);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  static const ManifestInput inputs[] = {{.kind = INPUT_TENSOR, .shape = {1, {4}, 4}},
                                         {.kind = INPUT_IMAGE, .shape = {3, {1, 2, 2}, 4}},
                                         {.kind = INPUT_IMAGE, .shape = {3, {3, 32, 32}, 3072}},
                                         {.kind = INPUT_TOKENS, .shape = {1, {4}, 4}, .mask = true, .vocabulary = 100}};
  if (size == 0) return 0;
  int kind = data[0] % NAMES, shape = data[0] / NAMES % 3, target = data[0] / NAMES / 3 % 3;
  if (data[0] / NAMES / 9 % 2) shape = TOKENS;
  DatasetSpec spec = {.input = &inputs[shape], .target = (TargetKind)target, .target_count = 1, .classes = 3};
  spec.raw = data[0] / NAMES / 18 % 2;
  if (target == TARGET_VALUES) spec.target_count = 2, spec.classes = 0;
  static char *labels[] = {"cat", "dog", "3"};
  if (size % 2) spec.labels = labels, spec.label_count = 3, spec.may_rename = size % 4 == 1;
  if (target == TARGET_CLASSES && size % 8 >= 4) spec.values_too = spec.classes;
  const char *name = kind == 0 && shape == 1 && size % 2 ? "samples.lst" : names[kind]; /* a text too */
  write_plain(name, data + 1, size - 1);
  write_other_half(kind);
  const char *path = kind == LABELS ? names[IMAGES] : name;
  surgery_error err = {0};
  Dataset *set = target == TARGET_NONE ? dataset_open_inputs(&path, 1, &spec, &err) : dataset_open(path, &spec, &err);
  if (set) load_all(set, &spec);
  else if (!err.message[0]) abort();
  dataset_close(set);
  return 0;
}
