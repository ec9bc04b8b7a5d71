/* Fuzzing of the files of features: a good file is written, the input says what becomes of it (cut off, bytes changed,
 * the hash of its head made right again), or is the whole file. Whatever is taken out of it must be what was put in.
 * The working folder is a scratch one. */
#include "runtime/abi.h"
#include "runtime/kernels/blas.h"
#include "runtime/base/io.h"
#include "runtime/train/feature_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 11, BLOCK = 4, BLOCKS = 3, BYTES = 8, HEAD = 64, ENTRY = 32 };

/* The pool and OpenBLAS are left out. */
int sg_threads(void) { return 1; }
void sg_parallel(sg_task *task, void *const *buf, int64_t n, int64_t units, int64_t threads, void *scratch,
                 int64_t scratch_bytes) {
  if (units > 0) task(buf, n, 0, units, scratch);
}
const char *blas_name(void) { return "none"; }

static int load(Dataset *set, int64_t index, uint64_t seed, float *x, void *target, surgery_error *err) {
  *x = (float)index, *(int32_t *)target = (int32_t)index % 3;
  return 0;
}

static unsigned char feature(int64_t at) { return (unsigned char)(at * 37 + 11); }

static unsigned char features[SAMPLES * BYTES], targets[SAMPLES * 4];
static uint8_t good[SAMPLES];
static const FeaturePlaces places = {features, targets, good};

static FeatureFile *open_file(Dataset *set) {
  static char name[] = "net";
  static ManifestPhase phase = {.features_bytes = BYTES};
  static Manifest manifest = {.name = name, .train = &recipe_unsaid, .phases = &phase};
  static const sg_network network = {.manifest = "{}"};
  surgery_net net = {.network = &network, .manifest = &manifest};
  surgery_error err;
  char *note;
  memset(good, 0, sizeof good), memset(features, 0, sizeof features);
  FeatureFile *file = feature_file_open(&net, &phase, set, "kept", BLOCK, &places, &note, &err);
  if (!file) abort();
  free(note);
  return file;
}

static void write_plain(const char *path, const void *data, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd)) abort();
}

/* The good file's bytes, made with the first input; *path: where it is. */
static uint8_t *good_file(Dataset *set, size_t *size, char path[300]) {
  static uint8_t *bytes;
  static size_t bytes_size;
  static char where[300];
  surgery_error err;
  if (!bytes) {
    FeatureFile *file = open_file(set);
    snprintf(where, sizeof where, "%s", feature_file_path(file));
    for (int64_t i = 0; i < SAMPLES * BYTES; i++) features[i] = feature(i);
    memset(good, 1, sizeof good);
    if (feature_file_write(file, &places, &err)) abort();
    feature_file_close(file);
    if (sg_read_file(where, &bytes, &bytes_size, &err)) abort();
  }
  *size = bytes_size;
  memcpy(path, where, sizeof where);
  uint8_t *copy = malloc(bytes_size);
  return copy ? memcpy(copy, bytes, bytes_size) : (abort(), NULL);
}

/* Three bytes a change: its place, the new value. */
static void change(uint8_t *bytes, size_t size, const unsigned char *data, size_t length) {
  for (size_t i = 0; i + 3 <= length; i += 3) bytes[(data[i] | (size_t)data[i + 1] << 8) % size] = data[i + 2];
  ContentHash sum =
      content_hash(content_hash((ContentHash){{0}}, bytes, HEAD), bytes + HEAD + sizeof sum, BLOCKS * ENTRY);
  if (length % 2) memcpy(bytes + HEAD, &sum, sizeof sum);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  static const ManifestInput input = {.kind = INPUT_TENSOR, .shape = {1, {1}, 1}};
  static char folder[] = "samples";
  Dataset set = {.path = folder,
                 .count = SAMPLES,
                 .load = load,
                 .spec = {.input = &input, .target = TARGET_CLASSES, .target_count = 1, .classes = 3}};
  char path[300];
  size_t whole;
  uint8_t *bytes = good_file(&set, &whole, path);
  if (size < 2) return free(bytes), 0;
  if (data[0] == 0) {
    write_plain(path, data + 1, size - 1);
  } else {
    change(bytes, whole, data + 2, size - 2);
    write_plain(path, bytes, data[0] == 1 ? data[1] % whole : whole);
  }
  FeatureFile *file = open_file(&set);
  int64_t right = 0;
  for (int64_t i = 0; i < SAMPLES; i++) {
    right += good[i];
    for (int64_t k = 0; good[i] && k < BYTES; k++)
      if (features[i * BYTES + k] != feature(i * BYTES + k)) abort();
  }
  if (right != feature_file_right(file)) abort();
  feature_file_close(file);
  free(bytes);
  return 0;
}
