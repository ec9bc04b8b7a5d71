/* Integer arithmetic of the convolutions: what the templates and plan_conv.c share. No vectors, no libc. */
#ifndef SURGERY_CONV_AXIS_H
#define SURGERY_CONV_AXIS_H
#include "runtime/kernels/kernels.h"

#ifdef SGK_SANITIZED /* every access is checked: inlined many times over it would take minutes to compile */
#define INLINE static inline
#define UNROLL
#else
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
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

/* One dimension of a convolution whose input may be spread by `up`. Outputs whose index is `phase` modulo
 * `phases` meet the same taps: first, first + every, …; output phase + phases * i meets them at the input
 * indexes i * in_stride + base + t * tap_in. So a strided convolution's gradient multiplies by no zeros. */
typedef struct Axis {
  int64_t kernel, stride, pad, dil, up;
  int64_t phases, every, in_stride, tap_in;
} Axis;
typedef struct Taps {
  int64_t first, count, base;
} Taps;

INLINE Axis conv_axis(int64_t kernel, int64_t stride, int64_t pad, int64_t dil, int64_t up) {
  Axis a = {kernel, stride, pad, dil, up, 1, 1, stride, dil};
  if (up == 1) return a;
  a.phases = stride == 1 ? up : up / gcd64(stride, up);
  a.every = dil == 1 ? up : up / gcd64(dil, up);
  a.in_stride = stride == 1 ? 1 : a.phases * stride / up;
  a.tap_in = dil == 1 ? 1 : a.every * dil / up;
  return a;
}

INLINE Taps axis_taps(const Axis *a, int64_t phase) {
  int64_t at = phase * a->stride - a->pad;
  if (a->up == 1) return (Taps){0, a->kernel, at};
  Taps t = {0, 0, 0};
  while (t.first < a->kernel && (at + t.first * a->dil) % a->up) t.first++;
  if (t.first == a->kernel) return t;
  t.count = (a->kernel - 1 - t.first) / a->every + 1;
  t.base = (at + t.first * a->dil) / a->up;
  return t;
}

/* The first and the last input index that outputs [begin, end) look at, borders included. */
INLINE int64_t axis_low(const Axis *a, int64_t begin) { return floor_div(begin * a->stride - a->pad, a->up); }
INLINE int64_t axis_high(const Axis *a, int64_t end) {
  return floor_div((end - 1) * a->stride - a->pad + (a->kernel - 1) * a->dil, a->up);
}
#endif
