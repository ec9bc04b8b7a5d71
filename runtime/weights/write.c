/* Writing weight files: what all formats have in common is checked, then the writer of the suffix is called.
 * Called through surgery.h by checkpoints, `export` and the compiler. */
#include "runtime/weights/write.h"

#include <stdlib.h>

static int check_tensor(const char *path, const surgery_tensor_out *t, surgery_error *err) {
  if (!t->name || !*t->name) return sg_fail(err, SURGERY_BAD_INPUT, "%s: a tensor without a name", path);
  size_t size = surgery_dtype_size(t->dtype);
  if (!size || t->rank < 0 || t->rank > SURGERY_MAX_RANK) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s': dtype %d or rank %d is out of range", path, SG_Q(t->name),
                   (int)t->dtype, t->rank);
  }
  int64_t bytes = (int64_t)size;
  for (int i = 0; i < t->rank; i++) {
    if (t->shape[i] < 0 || __builtin_mul_overflow(bytes, t->shape[i], &bytes)) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s': the shape %s is not possible", path, SG_Q(t->name),
                     SHAPE(t->rank, t->shape));
    }
  }
  if (bytes > 0 && !t->data) return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s' has no data", path, SG_Q(t->name));
  return 0;
}

size_t out_bytes(const surgery_tensor_out *t) {
  size_t bytes = surgery_dtype_size(t->dtype);
  for (int i = 0; i < t->rank; i++) bytes *= (size_t)t->shape[i];
  return bytes;
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(const surgery_tensor_out *const *)a)->name, (*(const surgery_tensor_out *const *)b)->name);
}

static int check_names(const char *path, const surgery_tensor_out *tensors, size_t count, surgery_error *err) {
  const surgery_tensor_out **sorted = calloc(count + 1, sizeof *sorted);
  if (!sorted) return sg_fail_memory(err, path, count * sizeof *sorted);
  for (size_t i = 0; i < count; i++) sorted[i] = &tensors[i];
  qsort(sorted, count, sizeof *sorted, by_name);
  int status = 0;
  for (size_t i = 1; i < count && !status; i++) {
    if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
      status = sg_fail(err, SURGERY_BAD_INPUT, "%s: two tensors are named '%s'", path, SG_Q(sorted[i]->name));
    }
  }
  free(sorted);
  return status;
}

int surgery_weights_can_write(const char *path) { return weights_writer(path) != NULL; }

static int write_by_suffix(const char *path, const surgery_tensor_out *tensors, size_t count,
                           const char *const *metadata, surgery_error *err) {
  WeightWriter *write = weights_writer(path);
  if (write) return write(path, tensors, count, metadata, err);
  return sg_fail(err, SURGERY_BAD_INPUT,
                 "%s: the format of a weight file follows its suffix: .safetensors, .pth, .pt or .npz", path);
}

int surgery_weights_write_as(const char *path, const surgery_tensor_out *tensors, size_t count,
                             const char *const *metadata, surgery_dtype dtype, surgery_rounded *rounded,
                             surgery_error *err) {
  surgery_rounded ignored;
  if (!rounded) rounded = &ignored;
  *rounded = (surgery_rounded){0};
  for (size_t i = 0; i < count; i++) {
    if (check_tensor(path, &tensors[i], err)) return -1;
  }
  if (check_names(path, tensors, count, err)) return -1;
  if (dtype == SURGERY_F32) return write_by_suffix(path, tensors, count, metadata, err);
  if (dtype != SURGERY_F16 && dtype != SURGERY_BF16)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: weights are written as f32, f16 or bf16, not %s", path,
                   surgery_dtype_name(dtype));
  CastTensors cast;
  if (cast_tensors(path, tensors, count, dtype, &cast, rounded, err)) return -1;
  int status = write_by_suffix(path, cast.tensors, count, metadata, err);
  cast_free(&cast);
  return status;
}

int surgery_weights_write(const char *path, const surgery_tensor_out *tensors, size_t count,
                          const char *const *metadata, surgery_error *err) {
  return surgery_weights_write_as(path, tensors, count, metadata, SURGERY_F32, NULL, err);
}
