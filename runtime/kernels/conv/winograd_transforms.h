/* The transforms of Winograd's minimal filtering (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
 * 2015), of one row or column: of inputs, of three weights, of products, and, for the weights' gradient, which is the
 * same sum read the other way, of the outputs' gradients and of sums.
 *
 * Stride 1 is F(4, 3): six points for four outputs, interpolated at 0, ±5/8, ±3/2 and infinity; at the usual 0, ±1, ±2
 * sums are five times less exact than those of the direct convolution, at these twice. Stride 2 is the sum of a
 * convolution of the even inputs by the outer two weights, F(4, 2), five points at ±1/2, ±5/4 and infinity, and of one
 * of the odd inputs by the middle weight, four points that are those inputs themselves: nine points for four outputs,
 * whose last four have the same weight. Read from outputs to inputs it is the gradient of the input (input dilation):
 * nine points for eight outputs.
 *
 * A small tile has three quarters of the outputs, and lacks the points at -3/2 and -5/4, and an odd input. The weights
 * at the other points are what they are for a full tile, factors included, which the inputs make up for: those at point
 * a are a + 3/2 or a + 5/4 times what they would be. The places of its missing points are left as they are. */
#ifndef SURGERY_WINOGRAD_TRANSFORMS_H
#define SURGERY_WINOGRAD_TRANSFORMS_H
#include "runtime/kernels/conv/winograd_tiles.h"

#define NEAR 0.625f
#define FAR 1.5f
#define NEAR2 (NEAR * NEAR)
#define FAR2 (FAR * FAR)
/* The factors of the weights: one over the product of a point's distances to the others. */
#define AT_ZERO (1 / (NEAR2 * FAR2))
#define AT_NEAR (1 / (2 * NEAR2 * (NEAR2 - FAR2)))
#define AT_FAR (1 / (2 * FAR2 * (FAR2 - NEAR2)))

/* ---- stride 1 ---- */

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

/* Of a small tile: five inputs. */
INLINE void transform_input_small(const v16 *d, int64_t step, v16 *to, int64_t to_step) {
  v16 odd = d[3 * step] - NEAR2 * d[step], even = d[2 * step] - FAR * d[step];
  to[0] = FAR * (odd - FAR * d[2 * step]) + FAR2 * NEAR2 * d[0];
  to[to_step] = (FAR + NEAR) * (d[3 * step] - FAR * d[2 * step] + NEAR * even);
  to[2 * to_step] = (FAR - NEAR) * (d[3 * step] - FAR * d[2 * step] - NEAR * even);
  to[3 * to_step] = 2 * FAR * odd;
  to[5 * to_step] = d[4 * step] - NEAR2 * d[2 * step] - FAR * odd;
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

/* Of a small tile: three outputs. */
INLINE void transform_output_small(const v16 *m, int64_t step, v16 *to, int64_t to_step) {
  v16 sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
  to[0] = m[0] + sum + m[3 * step];
  to[to_step] = NEAR * difference + FAR * m[3 * step];
  to[2 * to_step] = m[5 * step] + NEAR2 * sum + FAR2 * m[3 * step];
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

/* Of a small tile: three gradients. */
INLINE void transform_output_small_back(const v16 *y, int64_t step, v16 *to, int64_t to_step) {
  v16 even = y[0] + NEAR2 * y[2 * step];
  to[0] = y[0];
  to[to_step] = even + NEAR * y[step];
  to[2 * to_step] = even - NEAR * y[step];
  to[3 * to_step] = y[0] + FAR * y[step] + FAR2 * y[2 * step];
  to[5 * to_step] = y[2 * step];
}

/* ---- stride 2 ---- */

#define NEAR_S 0.5f
#define FAR_S 1.25f
#define NEAR_S2 (NEAR_S * NEAR_S)
#define FAR_S2 (FAR_S * FAR_S)
#define AT_NEAR_S (1 / (2 * NEAR_S * (NEAR_S2 - FAR_S2)))
#define AT_FAR_S (1 / (2 * FAR_S * (FAR_S2 - NEAR_S2)))

/* B^T of F(4, 2): five inputs. */
INLINE void transform_five(const v16 *e, int64_t step, v16 *to, int64_t to_step) {
  v16 odd = e[3 * step] - FAR_S2 * e[step], even = e[2 * step] - FAR_S2 * e[0];
  v16 odd2 = e[3 * step] - NEAR_S2 * e[step], even2 = e[2 * step] - NEAR_S2 * e[0];
  to[0] = odd + NEAR_S * even;
  to[to_step] = odd - NEAR_S * even;
  to[2 * to_step] = odd2 + FAR_S * even2;
  to[3 * to_step] = odd2 - FAR_S * even2;
  to[4 * to_step] = NEAR_S2 * FAR_S2 * e[0] + (e[4 * step] - (NEAR_S2 + FAR_S2) * e[2 * step]);
}

/* Of a small tile: four inputs. */
INLINE void transform_four(const v16 *e, int64_t step, v16 *to, int64_t to_step) {
  v16 even = e[2 * step] - FAR_S * e[step], odd = e[step] - FAR_S * e[0], near = e[2 * step] - NEAR_S2 * e[0];
  to[0] = (FAR_S + NEAR_S) * (even + NEAR_S * odd);
  to[to_step] = (FAR_S - NEAR_S) * (even - NEAR_S * odd);
  to[2 * to_step] = 2 * FAR_S * near;
  to[4 * to_step] = e[3 * step] - NEAR_S2 * e[step] - FAR_S * near;
}

/* Nine inputs: the even ones, and the odd ones as they are. Of a small tile: seven. */
INLINE void transform_input_strided(const v16 *d, int64_t step, v16 *to, int64_t to_step, int64_t small) {
  if (small) transform_four(d, 2 * step, to, to_step);
  else transform_five(d, 2 * step, to, to_step);
  UNROLL
  for (int64_t j = 0; j < 4 - small; j++) to[(5 + j) * to_step] = d[(2 * j + 1) * step];
}

/* Five inputs: for the odd outputs, and the first four as they are for the even ones. Of a small tile: four. */
INLINE void transform_input_dilated(const v16 *d, int64_t step, v16 *to, int64_t to_step, int64_t small) {
  if (small) transform_four(d, step, to, to_step);
  else transform_five(d, step, to, to_step);
  UNROLL
  for (int64_t j = 0; j < 4 - small; j++) to[(5 + j) * to_step] = d[j * step];
}

/* Three weights to six: of the five points, and the middle one. */
INLINE void transform_weights_strided(v16 g0, v16 g1, v16 g2, v16 *to, int64_t to_step) {
  v16 near = AT_NEAR_S * g0, far = AT_FAR_S * g0;
  to[0] = AT_NEAR_S * NEAR_S * g2 + near;
  to[to_step] = AT_NEAR_S * NEAR_S * g2 - near;
  to[2 * to_step] = AT_FAR_S * FAR_S * g2 + far;
  to[3 * to_step] = AT_FAR_S * FAR_S * g2 - far;
  to[4 * to_step] = g2;
  to[5 * to_step] = g1;
}

INLINE void transform_weights_strided_back(const v16 *s, int64_t step, v16 *to, int64_t to_step) {
  to[0] = AT_NEAR_S * (s[0] - s[step]) + AT_FAR_S * (s[2 * step] - s[3 * step]);
  to[to_step] = s[5 * step];
  to[2 * to_step] =
      AT_NEAR_S * NEAR_S * (s[0] + s[step]) + (AT_FAR_S * FAR_S * (s[2 * step] + s[3 * step]) + s[4 * step]);
}

/* Nine products to four outputs; to eight, where the last four belong to the even ones. Of a small tile: three or six.
 */
INLINE void transform_output_strided(const v16 *m, int64_t step, v16 *to, int64_t to_step, int64_t dilated,
                                     int64_t small) {
  v16 sum = m[0] + m[step], difference = m[0] - m[step];
  v16 sum2 = m[2 * step], difference2 = m[2 * step], five[4];
  if (!small) sum2 += m[3 * step], difference2 -= m[3 * step];
  five[0] = sum + sum2;
  five[1] = NEAR_S * difference + FAR_S * difference2;
  five[2] = NEAR_S2 * sum + FAR_S2 * sum2;
  if (small) five[2] += m[4 * step];
  else five[3] = m[4 * step] + NEAR_S2 * NEAR_S * difference + FAR_S2 * FAR_S * difference2;
  UNROLL
  for (int64_t j = 0; j < 4 - small; j++) {
    if (dilated) {
      to[(2 * j + 1) * to_step] = five[j];
      to[2 * j * to_step] = m[(5 + j) * step];
    } else to[j * to_step] = five[j] + m[(5 + j) * step];
  }
}

/* The gradients of four outputs to nine; of a small tile, of three to seven. */
INLINE void transform_output_strided_back(const v16 *y, int64_t step, v16 *to, int64_t to_step, int64_t small) {
  v16 even = y[0] + NEAR_S2 * y[2 * step], odd = y[step], even2 = y[0] + FAR_S2 * y[2 * step], odd2 = y[step];
  if (!small) odd += NEAR_S2 * y[3 * step], odd2 += FAR_S2 * y[3 * step];
  to[0] = even + NEAR_S * odd;
  to[to_step] = even - NEAR_S * odd;
  to[2 * to_step] = even2 + FAR_S * odd2;
  if (!small) to[3 * to_step] = even2 - FAR_S * odd2;
  to[4 * to_step] = y[(3 - small) * step];
  UNROLL
  for (int64_t j = 0; j < 4 - small; j++) to[(5 + j) * to_step] = y[j * step];
}

/* ---- tiles ---- */

INLINE void transform_in(WinogradKind kind, int64_t small, const v16 *d, int64_t step, v16 *to, int64_t to_step) {
  if (kind == WINOGRAD_STRIDE_2) transform_input_strided(d, step, to, to_step, small);
  else if (kind == WINOGRAD_DILATED) transform_input_dilated(d, step, to, to_step, small);
  else if (small) transform_input_small(d, step, to, to_step);
  else transform_input(d, step, to, to_step);
}

/* A function for each shape of tile, which all convolutions of a network share: unrolled, they are most of the code
 * that the compiler has to work on, and constant sizes gain little here. */
#define EACH_TILE_SHAPE_OF(KIND, OF) OF(KIND, 0, 0) OF(KIND, 0, 1) OF(KIND, 1, 0) OF(KIND, 1, 1)
#define EACH_TILE_SHAPE(OF)                                                                                            \
  EACH_TILE_SHAPE_OF(STRIDE_1, OF) EACH_TILE_SHAPE_OF(STRIDE_2, OF) EACH_TILE_SHAPE_OF(DILATED, OF)
#define SHARED __attribute__((noinline, unused))
#define DECLARE_INPUT_TILE(KIND, LOW, NARROW)                                                                          \
  void sgk_input_tile_##KIND##LOW##NARROW(int64_t ih, int64_t iw, const float *x, int64_t row, int64_t col, float *v,  \
                                          int64_t v_point);
EACH_TILE_SHAPE(DECLARE_INPUT_TILE) /* winograd.c */

INLINE void input_tile(TileShape s, int64_t ih, int64_t iw, const float *x, int64_t row, int64_t col, float *v,
                       int64_t v_point) {
#define CALL_INPUT_TILE(KIND, LOW, NARROW)                                                                             \
  if (s.kind == WINOGRAD_##KIND && s.low == LOW && s.narrow == NARROW)                                                 \
    sgk_input_tile_##KIND##LOW##NARROW(ih, iw, x, row, col, v, v_point);
  EACH_TILE_SHAPE(CALL_INPUT_TILE)
}
#endif
