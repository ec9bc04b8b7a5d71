/* The vector of one block of channels, as the convolution templates use it. No libc, no intrinsics: any
 * target works, narrower ones take several registers for a vector. */
#ifndef SURGERY_CONV_VEC_H
#define SURGERY_CONV_VEC_H
#include "runtime/kernels/conv_axis.h"

#define NO_UNROLL _Pragma("clang loop unroll(disable) vectorize(disable)")

typedef float v16 __attribute__((vector_size(64), may_alias));
typedef double v16d __attribute__((vector_size(128)));
typedef int32_t i16 __attribute__((vector_size(64), may_alias));

/* 1: 32 registers of 16 floats (AVX-512); 0: 16 of 8 or fewer, so that tiles must be smaller. Results and
 * work units do not depend on it. Defined in conv_target.c. */
extern const int64_t sgk_wide_vectors;

/* The activations that are fused; NaN stays NaN, as in PyTorch. */
INLINE v16 activate(v16 x, int64_t activation) {
  if (activation == ACT_RELU || activation == ACT_RELU6) x = (v16)((i16)x & ~(i16)(x < 0.0f));
  if (activation == ACT_RELU6) {
    i16 over = x > 6.0f;
    v16 six = (v16){0} + 6.0f;
    x = (v16)((over & (i16)six) | (~over & (i16)x));
  }
  return x;
}
#endif
