/* Vectors of 16 floats for the kernel templates, in plain C with vector extensions (clang and gcc). Holds
 * loads, stores and selections and nothing that computes; no libc. Included by every template.
 *
 * A vector register of the target may be smaller than 16 floats: the compiler then splits the operations.
 * Everything is inlined, so that no vector crosses a call whose convention depends on the target. */
#ifndef SURGERY_KERNELS_SIMD_H
#define SURGERY_KERNELS_SIMD_H
#include <stdint.h>
#include <stddef.h>

#ifdef __clang__
#pragma clang diagnostic ignored "-Wpsabi"
#else
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define SIMD static inline __attribute__((always_inline))

typedef float v16 __attribute__((vector_size(64), may_alias));
typedef int32_t v16i __attribute__((vector_size(64), may_alias));
typedef uint32_t v16u __attribute__((vector_size(64), may_alias));
typedef double v16d __attribute__((vector_size(128), may_alias));
typedef float v16_unaligned __attribute__((vector_size(64), aligned(4), may_alias));

SIMD v16 v16_set(float value) { return (v16){0} + value; }
SIMD v16i v16i_set(int32_t value) { return (v16i){0} + value; }
SIMD v16 v16_load(const float *p) { return *(const v16_unaligned *)p; }
SIMD void v16_store(float *p, v16 v) { *(v16_unaligned *)p = v; }
SIMD v16i v16_lane_numbers(void) { return (v16i){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }

/* The first `lanes` of 16, for the end of a row: nothing beyond is touched, the other lanes are zero.
 */
SIMD v16 v16_load_lanes(const float *p, int64_t lanes) {
  if (lanes >= 16) return v16_load(p);
  v16 v = {0};
  for (int64_t i = 0; i < lanes; i++) v[i] = p[i];
  return v;
}
SIMD void v16_store_lanes(float *p, v16 v, int64_t lanes) {
  if (lanes >= 16) {
    v16_store(p, v);
    return;
  }
  for (int64_t i = 0; i < lanes; i++) p[i] = v[i];
}
/* `accumulate` as everywhere: 0 overwrites, else adds. */
SIMD void v16_store_or_add(float *p, v16 v, int64_t lanes, int64_t accumulate) {
  if (accumulate) v += v16_load_lanes(p, lanes);
  v16_store_lanes(p, v, lanes);
}

/* mask ? a : b, lane by lane; a mask is a comparison's result, all ones or zeros. */
SIMD v16 v16_select(v16i mask, v16 a, v16 b) { return (v16)((mask & (v16i)a) | (~mask & (v16i)b)); }
SIMD v16i v16i_select(v16i mask, v16i a, v16i b) { return (mask & a) | (~mask & b); }
/* v where mask, else +0 (also where v is not a number). */
SIMD v16 v16_keep(v16i mask, v16 v) { return (v16)(mask & (v16i)v); }
SIMD v16i v16_first_lanes(int64_t lanes) { return v16_lane_numbers() < (int32_t)(lanes < 16 ? lanes : 16); }
/* Where v is not a number (v16_larger: either), the result is not. */
SIMD v16 v16_at_least(v16 v, float bound) { return v16_select(v < bound, v16_set(bound), v); }
SIMD v16 v16_at_most(v16 v, float bound) { return v16_select(v > bound, v16_set(bound), v); }
SIMD v16 v16_larger(v16 a, v16 b) { return v16_select((b > a) | (b != b), b, a); }
SIMD v16 v16_abs(v16 v) { return (v16)((v16i)v & 0x7fffffff); }
SIMD v16 v16_with_sign(v16 v, v16 sign) { return (v16)(((v16i)v & 0x7fffffff) | ((v16i)sign & INT32_MIN)); }

SIMD v16d v16_widen(v16 v) { return __builtin_convertvector(v, v16d); }
SIMD v16 v16_narrow(v16d v) { return __builtin_convertvector(v, v16); }
SIMD v16d v16d_sqrt(v16d v) {
#ifdef __clang__
  return __builtin_elementwise_sqrt(v);
#else
  for (int i = 0; i < 16; i++) v[i] = __builtin_sqrt(v[i]);
  return v;
#endif
}

/* Over the lanes, always in the same order. */
SIMD float v16_sum(v16 v) {
  float s[8];
  for (int i = 0; i < 8; i++) s[i] = v[i] + v[i + 8];
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}
SIMD double v16d_sum(v16d v) {
  double s[8];
  for (int i = 0; i < 8; i++) s[i] = v[i] + v[i + 8];
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}
/* The largest lane; not a number when any lane is not. */
SIMD float v16_max(v16 v) {
  float m = v[0];
  for (int i = 1; i < 16; i++) m = v[i] > m || v[i] != v[i] ? v[i] : m;
  return m;
}

/* The sum of `count` vectors that lie one after the other. Blocks of 256 are added up apart, so that the
 * rounding error of a long sum stays that of a short one. */
SIMD v16 v16_sum_run(const float *p, int64_t count) {
  v16 total = {0};
  for (int64_t from = 0; from < count; from += 256) {
    int64_t to = from + 256 < count ? from + 256 : count, i = from;
    v16 a = {0}, b = {0}, c = {0}, d = {0};
    for (; i + 4 <= to; i += 4) {
      a += v16_load(p + 16 * i);
      b += v16_load(p + 16 * i + 16);
      c += v16_load(p + 16 * i + 32);
      d += v16_load(p + 16 * i + 48);
    }
    for (; i < to; i++) a += v16_load(p + 16 * i);
    total += (a + b) + (c + d);
  }
  return total;
}

/* ---- the transposition of 16 vectors, for kernels that change layouts ---- */

/* One step of a transposition: pairs of rows `step` apart exchange their off-diagonal parts. */
#define INTERLEAVE(step, low, high)                                                                                    \
  for (int i = 0; i < 16; i++) {                                                                                       \
    if (i & step) continue;                                                                                            \
    v16 a = m[i], b = m[i + step];                                                                                     \
    m[i] = low;                                                                                                        \
    m[i + step] = high;                                                                                                \
  }
#define SHUFFLE(...) __builtin_shufflevector(a, b, __VA_ARGS__)

/* m[i][j] ↔ m[j][i] */
SIMD void transpose16(v16 m[16]) {
  INTERLEAVE(8, SHUFFLE(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
             SHUFFLE(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
  INTERLEAVE(4, SHUFFLE(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
             SHUFFLE(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
  INTERLEAVE(2, SHUFFLE(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
             SHUFFLE(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
  INTERLEAVE(1, SHUFFLE(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
             SHUFFLE(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
}
#undef INTERLEAVE
#undef SHUFFLE
#endif
