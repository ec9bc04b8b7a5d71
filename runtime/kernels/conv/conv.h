/* What the convolution kernels share: integer arithmetic, dimensions with dilated input, the target's vectors.
 *
 *   direct.c        conv2d: any kernel, groups of whole channel blocks
 *   winograd.c      3x3 kernels; winograd_grad_weight.c their weights' gradient; winograd_transforms.h,
 * winograd_tiles.h stem.c          the first, large, strided kernel on a few NCHW channels depthwise.c     a kernel for
 * each channel, with its gradients generic.c       any groups at all, slowly, with gradients im2col_runtime.c  by
 * OpenBLAS, for shapes that are not worth compiling for grad_weight.c   the weights' gradient of conv2d, the sum of
 * split-K partial sums, the bias's gradient pack.c          weights in the order in which the others read them tiles.h
 * how conv2d and its weights' gradient are cut into work items target.c        what is known of the CPU */
#ifndef SURGERY_CONV_H
#define SURGERY_CONV_H
#include "runtime/kernels/template.h"

#ifdef SGK_SANITIZED /* every access is checked: inlined many times over it would take minutes to compile */
#define INLINE static inline
#else
#define INLINE static inline __attribute__((always_inline))
#endif
#ifdef SGK_PLANS /* cc */
#define UNROLL
#define NO_UNROLL
#else
#define NO_UNROLL _Pragma("clang loop unroll(disable) vectorize(disable)")
#ifdef SGK_SANITIZED
#define UNROLL
#else
#define UNROLL _Pragma("clang loop unroll(full)")
#endif
#endif

INLINE int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; } /* a ≥ 0 */
INLINE int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }
INLINE int64_t gcd64(int64_t a, int64_t b) {
  while (b) {
    int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

/* One dimension of a convolution whose input may be dilated. Outputs whose index is `phase` modulo
 * `phases` meet the same taps: first, first + every, …; output phase + phases * i meets them at the input
 * indexes i * in_stride + base + t * tap_in. So a strided convolution's gradient multiplies by no zeros. */
typedef struct Axis {
  int64_t kernel, stride, pad, dil, input_dil;
  int64_t phases, every, in_stride, tap_in;
} Axis;
typedef struct Taps {
  int64_t first, count, base;
} Taps;

INLINE Axis conv_axis(int64_t kernel, int64_t stride, int64_t pad, int64_t dil, int64_t input_dil) {
  Axis a = {kernel, stride, pad, dil, input_dil, 1, 1, stride, dil};
  if (input_dil == 1) return a;
  a.phases = stride == 1 ? input_dil : input_dil / gcd64(stride, input_dil);
  a.every = dil == 1 ? input_dil : input_dil / gcd64(dil, input_dil);
  a.in_stride = stride == 1 ? 1 : a.phases * stride / input_dil;
  a.tap_in = dil == 1 ? 1 : a.every * dil / input_dil;
  return a;
}

INLINE Taps axis_taps(const Axis *a, int64_t phase) {
  int64_t at = phase * a->stride - a->pad;
  if (a->input_dil == 1) return (Taps){0, a->kernel, at};
  Taps t = {0, 0, 0};
  while (t.first < a->kernel && (at + t.first * a->dil) % a->input_dil) t.first++;
  if (t.first == a->kernel) return t;
  t.count = (a->kernel - 1 - t.first) / a->every + 1;
  t.base = (at + t.first * a->dil) / a->input_dil;
  return t;
}

/* The first and the last input index that outputs [begin, end) look at, borders included. */
INLINE int64_t axis_low(const Axis *a, int64_t begin) { return floor_div(begin * a->stride - a->pad, a->input_dil); }
INLINE int64_t axis_high(const Axis *a, int64_t end) {
  return floor_div((end - 1) * a->stride - a->pad + (a->kernel - 1) * a->dil, a->input_dil);
}

/* ---- costs ---- */

#define CONV_FLOPS(k)                                                                                                  \
  (2 * (double)(k)->oc * (double)((k)->ic / (k)->groups) * (double)((k)->kh * (k)->kw) * (double)(k)->oh *             \
   (double)(k)->ow)
#define CONV_WEIGHTS_BYTES(k) (4.0 * (double)((k)->oc * ((k)->ic / (k)->groups) * (k)->kh * (k)->kw))
INLINE int64_t scratch_of(int64_t floats) { return round_up_64(4 * floats); }

/* ---- vectors ---- */

/* 1: 32 registers of 16 floats (AVX-512); 0: 16 of 8 or fewer, so that tiles must be smaller. Results and
 * work items do not depend on it. Defined in target.c. */
extern const int64_t sgk_wide_vectors;

/* The activations that are fused; NaN stays NaN, as in PyTorch. */
INLINE v16 activate(v16 x, int64_t activation) {
  if (activation == ACT_RELU || activation == ACT_RELU6) x = (v16)((v16i)x & ~(v16i)(x < 0.0f));
  if (activation == ACT_RELU6) {
    v16i over = x > 6.0f;
    v16 six = (v16){0} + 6.0f;
    x = (v16)((over & (v16i)six) | (~over & (v16i)x));
  }
  return x;
}
#endif
