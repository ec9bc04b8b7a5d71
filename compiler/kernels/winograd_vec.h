/* The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015), of one row or column: of six inputs, three weights, six products, and, for the weights' gradient, which
 * is the same sum read the other way, of four outputs' gradients and of six sums. Interpolation is at 0, ±5/8, ±3/2 and
 * infinity: at the usual 0, ±1, ±2 sums are five times less exact than those of the direct convolution, at these twice. */
#ifndef SURGERY_WINOGRAD_VEC_H
#define SURGERY_WINOGRAD_VEC_H
#include "compiler/kernels/conv_vec.h"

#define NEAR 0.625f
#define FAR 1.5f
#define NEAR2 (NEAR * NEAR)
#define FAR2 (FAR * FAR)
/* The factors of the weights: one over the product of a point's distances to the others. */
#define AT_ZERO (1 / (NEAR2 * FAR2))
#define AT_NEAR (1 / (2 * NEAR2 * (NEAR2 - FAR2)))
#define AT_FAR (1 / (2 * FAR2 * (FAR2 - NEAR2)))

/* B^T: six inputs. */
INLINE void transform_input(const v16 *d, int64_t step, v16 *to, int64_t to_step) {
  v16 even = d[4 * step] - FAR2 * d[2 * step], odd = d[3 * step] - FAR2 * d[step];
  v16 even2 = d[4 * step] - NEAR2 * d[2 * step], odd2 = d[3 * step] - NEAR2 * d[step];
  to[0] = NEAR2 * FAR2 * d[0] + (d[4 * step] - (NEAR2 + FAR2) * d[2 * step]);
  to[to_step] = even + NEAR * odd;
  to[2 * to_step] = even - NEAR * odd;
  to[3 * to_step] = even2 + FAR * odd2;
  to[4 * to_step] = even2 - FAR * odd2;
  to[5 * to_step] = NEAR2 * FAR2 * d[step] + (d[5 * step] - (NEAR2 + FAR2) * d[3 * step]);
}

/* G: three weights to six. */
INLINE void transform_weights(v16 g0, v16 g1, v16 g2, v16 *to, int64_t to_step) {
  v16 even = AT_NEAR * g0 + AT_NEAR * NEAR2 * g2, even2 = AT_FAR * g0 + AT_FAR * FAR2 * g2;
  to[0] = AT_ZERO * g0;
  to[to_step] = even + AT_NEAR * NEAR * g1;
  to[2 * to_step] = even - AT_NEAR * NEAR * g1;
  to[3 * to_step] = even2 + AT_FAR * FAR * g1;
  to[4 * to_step] = even2 - AT_FAR * FAR * g1;
  to[5 * to_step] = g2;
}

/* G^T: six sums to the gradients of three weights. */
INLINE void transform_weights_back(const v16 *s, int64_t step, v16 *to, int64_t to_step) {
  v16 even = AT_NEAR * (s[step] + s[2 * step]), odd = AT_NEAR * NEAR * (s[step] - s[2 * step]);
  v16 even2 = AT_FAR * (s[3 * step] + s[4 * step]), odd2 = AT_FAR * FAR * (s[3 * step] - s[4 * step]);
  to[0] = AT_ZERO * s[0] + (even + even2);
  to[to_step] = odd + odd2;
  to[2 * to_step] = NEAR2 * even + (FAR2 * even2 + s[5 * step]);
}

/* A^T: six products to four outputs. */
INLINE void transform_output(const v16 *m, int64_t step, v16 *to, int64_t to_step) {
  v16 sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
  v16 sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
  to[0] = m[0] + sum + sum2;
  to[to_step] = NEAR * difference + FAR * difference2;
  to[2 * to_step] = NEAR2 * sum + FAR2 * sum2;
  to[3 * to_step] = m[5 * step] + NEAR2 * NEAR * difference + FAR2 * FAR * difference2;
}

/* A: the gradients of four outputs to six. */
INLINE void transform_output_back(const v16 *y, int64_t step, v16 *to, int64_t to_step) {
  v16 even = y[0] + NEAR2 * y[2 * step], odd = y[step] + NEAR2 * y[3 * step];
  v16 even2 = y[0] + FAR2 * y[2 * step], odd2 = y[step] + FAR2 * y[3 * step];
  to[0] = y[0];
  to[to_step] = even + NEAR * odd;
  to[2 * to_step] = even - NEAR * odd;
  to[3 * to_step] = even2 + FAR * odd2;
  to[4 * to_step] = even2 - FAR * odd2;
  to[5 * to_step] = y[3 * step];
}

/* The 6 x 6 inputs at (row, col) of one block of channels of ih × iw, zeros outside of the image, transformed to
 * v[36 points, v_point floats apart]. */
INLINE void input_tile(int64_t ih, int64_t iw, const float *x, int64_t row, int64_t col, float *v, int64_t v_point) {
  v16 d[36], half[36], out[6];
  UNROLL
  for (int64_t q = 0; q < 24; q++) __builtin_prefetch(x + ((row + q / 4) * iw + col + 10 + q % 4) * LANES);
  if (row >= 0 && col >= 0 && row + 6 <= ih && col + 6 <= iw) {
    UNROLL
    for (int64_t i = 0; i < 36; i++) d[i] = *(const v16 *)(x + ((row + i / 6) * iw + col + i % 6) * LANES);
  } else {
    for (int64_t r = 0; r < 6; r++)
      for (int64_t c = 0; c < 6; c++) {
        const int64_t inside = row + r >= 0 && row + r < ih && col + c >= 0 && col + c < iw;
        d[r * 6 + c] = inside ? *(const v16 *)(x + ((row + r) * iw + col + c) * LANES) : (v16){0};
      }
  }
  UNROLL
  for (int64_t c = 0; c < 6; c++) transform_input(d + c, 6, half + c, 6);
  UNROLL
  for (int64_t r = 0; r < 6; r++) {
    transform_input(half + 6 * r, 1, out, 1);
    UNROLL
    for (int64_t c = 0; c < 6; c++) *(v16 *)(v + (6 * r + c) * v_point) = out[c];
  }
}
#endif
