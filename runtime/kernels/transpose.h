/* The transposition of 16 vectors, for kernels that change layouts. */
#ifndef SURGERY_TRANSPOSE_H
#define SURGERY_TRANSPOSE_H
#include "runtime/kernels/simd.h"

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
