/* From f32 to f16 and bf16 for the writers: rounded to nearest, ties to even, as PyTorch's .half() and
 * .bfloat16() do; what is too large becomes infinite and is counted. The way back is dtype.c's. Called by
 * write.c. */
#include "runtime/weights/write.h"

#include <math.h>
#include <stdlib.h>

static inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

/* IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
static inline uint16_t to_half(float x) {
  uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (size >> 13 & 0x3ff)); /* NaN, quiet */
  if (size >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* from 65520, half way past the largest */
  if (size < 0x38800000) /* subnormal: beside 0.5 a float's last place is 2^-24, that of a subnormal half */
    return (uint16_t)(sign | (bits_of(fabsf(x) + 0.5f) - bits_of(0.5f)));
  uint32_t odd = size >> 13 & 1;
  return (uint16_t)(sign | (size - 0x38000000 + 0xfff + odd) >> 13);
}

/* The upper half of a binary32. */
static inline uint16_t to_brain(float x) {
  uint32_t bits = bits_of(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

int64_t dtype_from_f32(surgery_dtype dtype, const float *from, uint16_t *to, size_t count) {
  uint16_t infinity = dtype == SURGERY_F16 ? 0x7c00 : 0x7f80;
  int64_t infinite = 0;
  for (size_t i = 0; i < count; i++) {
    to[i] = dtype == SURGERY_F16 ? to_half(from[i]) : to_brain(from[i]);
    infinite += (to[i] & 0x7fff) == infinity && (bits_of(from[i]) & 0x7fffffff) < 0x7f800000;
  }
  return infinite;
}

int cast_tensors(const char *path, const surgery_tensor_out *tensors, size_t count, surgery_dtype dtype,
                 CastTensors *to, surgery_rounded *rounded, surgery_error *err) {
  size_t total = 0, at = 0;
  for (size_t i = 0; i < count; i++)
    if (tensors[i].dtype == SURGERY_F32) total += out_bytes(&tensors[i]) / 4;
  *to = (CastTensors){malloc(count * sizeof *to->tensors + 1), malloc(total * sizeof *to->values + 1)};
  if (!to->tensors || !to->values) {
    cast_free(to);
    return sg_fail_memory(err, path, count * sizeof *to->tensors + total * sizeof *to->values);
  }
  for (size_t i = 0; i < count; i++) {
    to->tensors[i] = tensors[i];
    if (tensors[i].dtype != SURGERY_F32) continue;
    size_t numbers = out_bytes(&tensors[i]) / 4;
    int64_t infinite = dtype_from_f32(dtype, tensors[i].data, to->values + at, numbers);
    if (infinite && !rounded->tensor) rounded->tensor = tensors[i].name;
    rounded->infinite += infinite;
    to->tensors[i].dtype = dtype;
    to->tensors[i].data = to->values + at;
    at += numbers;
  }
  return 0;
}

void cast_free(CastTensors *cast) {
  free(cast->tensors);
  free(cast->values);
}
