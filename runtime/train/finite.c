/* The search of finite.h. Called by the training loop and by the commands when a number is not finite. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/train/finite.h"

/* The first that is not finite; -1: none. */
static int64_t first_wild(const float *values, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (!isfinite(values[i])) return i;
  return -1;
}

static bool blame(Dataset *set, int64_t index, const char *what, const float *values, int64_t count, char *to,
                  size_t size) {
  int64_t at = first_wild(values, count);
  char name[1200];
  if (at < 0) return false;
  set->name(set, index, name, sizeof name);
  snprintf(to, size, "%.500s: value %lld of the %s is %g", name, (long long)at, what, (double)values[at]);
  return true;
}

bool finite_blame_data(Dataset *set, const int64_t *order, int64_t begin, int64_t end, char *to, size_t size) {
  int64_t inputs = set->spec.input->kind == INPUT_TOKENS ? 0 : set->spec.input->shape.count;
  int64_t targets = set->spec.target == TARGET_VALUES ? set->spec.target_count : 0;
  float *x = malloc((size_t)set->spec.input->shape.count * sizeof *x + 64);
  void *target = set->spec.target_count ? calloc((size_t)set->spec.target_count, 8) : NULL;
  bool found = false;
  for (int64_t i = begin; x && i < end && i < set->count && !found; i++) {
    int64_t index = order ? order[i] : i;
    surgery_error ignored;
    if (set->load(set, index, DATASET_NO_AUGMENT, x, target, &ignored)) continue;
    found = blame(set, index, "sample", x, inputs, to, size) ||
            (target && blame(set, index, "target", target, targets, to, size));
  }
  free(x), free(target);
  return found;
}

static bool blame_tensor(surgery_weights *file, const ManifestTensor *t, const char *path, char *to, size_t size) {
  surgery_error ignored;
  const surgery_tensor *have = t->i64 ? NULL : surgery_weights_find(file, t->name);
  float *values = have && have->count == t->shape.count ? malloc((size_t)have->count * sizeof *values + 1) : NULL;
  int64_t at = values && surgery_weights_read(file, have, values, have->count, &ignored) == 0
                   ? first_wild(values, have->count)
                   : -1;
  if (at >= 0) snprintf(to, size, "%.500s: value %lld of '%s' is %g", path, (long long)at, t->name, (double)values[at]);
  free(values);
  return at >= 0;
}

bool finite_blame_weights(const surgery_net *net, char *to, size_t size) {
  surgery_error ignored;
  const Manifest *m = net->manifest;
  bool embedded = !net->weights_files, found = false;
  surgery_weights *file = embedded ? surgery_weights_open_memory(net->levels->embedded, net->levels->embedded_bytes,
                                                                 "the weights", &ignored)
                                   : surgery_weights_open(net->weights_path, &ignored);
  for (size_t i = 0; file && i < m->tensor_count && !found; i++)
    found = blame_tensor(file, &m->tensors[i], embedded ? "the weights in the program" : net->weights_path, to, size);
  surgery_weights_close(file);
  return found;
}
