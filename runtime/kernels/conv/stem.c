/* The first convolution of a network for images, up to 7x7 with stride 2 on up to 4 NCHW channels, by Winograd's
 * minimal filtering. The even and odd rows and columns of the input are four planes, in each of which the kernel, of 4
 * or 3 taps a dimension, has stride 1; all planes of all channels are transformed at the same points, F(4x4, 4x4), so
 * that their products are summed before the one transform back. 3 taps have no product at infinity: 169 products a
 * channel for 16 outputs instead of 784. Same layouts, packed weights and epilogue as conv2d. The weights are
 * transformed here, once a call. Sums are made in the same order however the work is shared. */
#include "runtime/kernels/conv/conv.h"

/* ---- the tiling ----
 * A tile is 4 × 4 outputs. A work item is a band of tile rows of one image: as many as make its halo cheap, few enough
 * that one image keeps several threads busy. */

#define STEM_TILES 56 /* of a work item, about */
#define STEM_SIDE 7   /* points in one dimension, the last at infinity */
#define STEM_POINTS (STEM_SIDE * STEM_SIDE)
#define STEM_WIDE 14  /* tiles whose sums are held at a time, at most */
#define STEM_NARROW 6 /* with narrow vectors */

typedef struct StemTiling {
  int64_t tile_rows, tile_cols; /* of an image */
  int64_t bands, band;          /* of an image; tile rows of a band */
  int64_t block, blocks;      /* tiles whose sums are held at a time, in a tile row; the last block may pass its end */
  int64_t in_rows, groups;    /* input rows of a band; vectors of tiles, one tile further than the blocks */
  int64_t planes, out_blocks; /* 4 phases × channels */
  int64_t pitch, v_pitch;     /* floats from one column of eight, and from one plane, to the next */
  int64_t v_row, m_point;     /* floats of a tile row's transformed input; between the points of the products */
  int64_t padded, split, half, v, u, m, scratch; /* where each part begins, in floats; the whole */
} StemTiling;

/* most: STEM_WIDE or STEM_NARROW. */
INLINE StemTiling stem_tiling(const Conv2dParams *k, int64_t most) {
  StemTiling u = {0};
  u.tile_rows = ceil_div(k->oh, 4);
  u.tile_cols = ceil_div(k->ow, 4);
  u.bands = ceil_div(u.tile_rows, max64(1, STEM_TILES / u.tile_cols));
  u.band = ceil_div(u.tile_rows, u.bands);
  u.bands = ceil_div(u.tile_rows, u.band);
  u.blocks = ceil_div(u.tile_cols, most);
  u.block = ceil_div(u.tile_cols, u.blocks);
  u.in_rows = 8 * u.band + 5;
  u.groups = ceil_div(u.blocks * u.block + 1, LANES);
  u.planes = 4 * k->ic;
  u.out_blocks = BLOCKS(k->oc);
  u.v_pitch = ceil_div(u.blocks * u.block, LANES) * LANES;
  u.pitch = u.groups * LANES + LANES;
  u.v_row = STEM_POINTS * u.planes * u.v_pitch;
  u.m_point = u.block * 2 * LANES + LANES;
  u.split = u.padded + u.groups * 8 * LANES;
  u.half = u.split + u.in_rows * 8 * u.pitch;
  u.v = u.half + (2 * STEM_SIDE - 1) * 8 * u.pitch;
  u.u = u.v + u.band * u.v_row;
  u.m = u.u + u.out_blocks * STEM_POINTS * u.planes * LANES;
  u.scratch = u.m + STEM_SIDE * (1 + 4) * u.m_point;
  return u;
}

#define STEM_PREPARING 36 /* transforming the weights counts as reading this many times their bytes */
#define BLOCK_TILES (sgk_wide_vectors ? STEM_WIDE : STEM_NARROW)

/* ---- the transforms of one row or column ----
 * Interpolation at ±5/16, ±7/8, ±15/8 and infinity: of all symmetric points with few bits these lose the least, 3.4
 * times the rounding of the direct convolution on white noise, less than it on images. */
#define NEAR 0.3125f
#define MIDDLE 0.875f
#define FAR 1.875f
#define NEAR2 (NEAR * NEAR)
#define MIDDLE2 (MIDDLE * MIDDLE)
#define FAR2 (FAR * FAR)

/* Two rows of B^T, those of the points ±p, where q2 and r2 are the squares of the others. */
INLINE void input_pair(const v16 *d, float p, float q2, float r2, v16 *to) {
  v16 even = d[4] - (q2 + r2) * d[2] + q2 * r2 * d[0], odd = d[5] - (q2 + r2) * d[3] + q2 * r2 * d[1];
  to[0] = odd + p * even;
  to[1] = odd - p * even;
}

/* B^T: `count` inputs, 7, or 6 without infinity. */
INLINE void transform_input(const v16 *d, int64_t count, v16 *to) {
  input_pair(d, NEAR, MIDDLE2, FAR2, to);
  input_pair(d, MIDDLE, NEAR2, FAR2, to + 2);
  input_pair(d, FAR, NEAR2, MIDDLE2, to + 4);
  if (count == STEM_SIDE)
    to[6] = d[6] - (NEAR2 + MIDDLE2 + FAR2) * d[4] + (NEAR2 * MIDDLE2 + NEAR2 * FAR2 + MIDDLE2 * FAR2) * d[2] -
            NEAR2 * MIDDLE2 * FAR2 * d[0];
}

/* Two rows of G: 1 / (product of the point's distances to the others) times the powers of ±p. */
INLINE void weights_pair(const v16d *g, double p, double q2, double r2, v16d *to) {
  const double p2 = p * p, even = 1 / (2 * p * (p2 - q2) * (p2 - r2)), odd = even * p;
  v16d e = even * g[0] + even * p2 * g[2], o = odd * g[1] + odd * p2 * g[3];
  to[0] = o + e;
  to[1] = o - e;
}

/* G: four weights to seven. */
INLINE void transform_weights(const v16d *g, v16d *to) {
  weights_pair(g, NEAR, MIDDLE2, FAR2, to);
  weights_pair(g, MIDDLE, NEAR2, FAR2, to + 2);
  weights_pair(g, FAR, NEAR2, MIDDLE2, to + 4);
  to[6] = g[3];
}

/* A^T: seven products to four outputs. */
INLINE void transform_output(const v16 *m, v16 *to) {
  v16 sum_a = m[0] + m[1], sum_b = m[2] + m[3], sum_c = m[4] + m[5];
  v16 a = m[0] - m[1], b = m[2] - m[3], c = m[4] - m[5];
  to[0] = sum_a + sum_b + sum_c;
  to[1] = NEAR * a + MIDDLE * b + FAR * c;
  to[2] = NEAR2 * sum_a + MIDDLE2 * sum_b + FAR2 * sum_c;
  to[3] = m[6] + NEAR2 * NEAR * a + MIDDLE2 * MIDDLE * b + FAR2 * FAR * c;
}

/* The planes lie so that those which a point at infinity needs, of even rows, of even columns or of both, are one run:
 * even rows of odd columns, even of even, odd of even, odd of odd. */
INLINE int64_t plane_of(const Conv2dParams *k, int64_t odd_row, int64_t odd_col, int64_t c) {
  return (odd_row ? 2 + odd_col : 1 - odd_col) * k->ic + c;
}

/* ---- the weights ---- */

/* One input channel of one phase for one output block, rounded once:
 * w [KH][KW][IC][16 oc] → u [49 points][planes][16 oc]. */
INLINE void weights_plane(const Conv2dParams *k, int64_t planes, const float *w, int64_t odd_row, int64_t odd_col,
                          float *u) {
  v16d half[STEM_SIDE * 4], g[4], out[STEM_SIDE];
  UNROLL
  for (int64_t col = 0; col < 4; col++) {
    UNROLL
    for (int64_t row = 0; row < 4; row++) {
      const int64_t r = 2 * row + odd_row, c = 2 * col + odd_col;
      g[row] = (v16d){0};
      if (r < k->kh && c < k->kw)
        g[row] = __builtin_convertvector(*(const v16 *)(w + (r * k->kw + c) * k->ic * LANES), v16d);
    }
    transform_weights(g, out);
    UNROLL
    for (int64_t i = 0; i < STEM_SIDE; i++) half[i * 4 + col] = out[i];
  }
  UNROLL
  for (int64_t i = 0; i < STEM_SIDE; i++) {
    transform_weights(half + 4 * i, out);
    UNROLL
    for (int64_t j = 0; j < STEM_SIDE; j++)
      *(v16 *)(u + (i * STEM_SIDE + j) * planes * LANES) = __builtin_convertvector(out[j], v16);
  }
}

/* u: [OCB][49 points][planes][16 oc] */
INLINE void all_weights(const Conv2dParams *k, const StemTiling *s, const float *w, float *u) {
  NO_UNROLL
  for (int64_t out = 0; out < s->out_blocks; out++) {
    NO_UNROLL
    for (int64_t c = 0; c < k->ic; c++) {
      NO_UNROLL
      for (int64_t phase = 0; phase < 4; phase++)
        weights_plane(k, s->planes, w + (out * k->kh * k->kw * k->ic + c) * LANES, phase / 2, phase % 2,
                      u + (out * STEM_POINTS * s->planes + plane_of(k, phase / 2, phase % 2, c)) * LANES);
    }
  }
}

/* ---- the input ---- */

/* 128 values dealt out by eight: d[i][t] = those of d at 8 t + i. */
INLINE void deal(v16 *d) {
  v16 to[8];
  UNROLL
  for (int64_t step = 4; step;
       step /= 2) { /* those of even places before those of odd ones, in each run of 2 step vectors */
    UNROLL
    for (int64_t i = 0; i < 8; i += 2) {
      const int64_t at = i / (2 * step) * (2 * step) + i % (2 * step) / 2;
      to[at] = __builtin_shufflevector(d[i], d[i + 1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
      to[at + step] =
          __builtin_shufflevector(d[i], d[i + 1], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    }
    UNROLL
    for (int64_t i = 0; i < 8; i++) d[i] = to[i];
  }
  UNROLL
  for (int64_t i = 0; i < 8; i++) d[i] = to[i / 4 + i % 4 / 2 * 2 + i % 2 * 4]; /* its three bits reversed */
}

/* Input row `row` of one channel, with zeros outside of the image, its columns dealt out by eight, so that neighbouring
 * tiles lie side by side: to [8][groups × 16]. `padded` holds the row meanwhile. */
INLINE void split_row(const Conv2dParams *k, const StemTiling *s, const float *x, int64_t row, float *padded,
                      float *to) {
  const int64_t width = s->groups * 8 * LANES, first = min64(width, k->pad_w), last = min64(width, first + k->iw);
  const int64_t inside = row >= 0 && row < k->ih;
  if (inside) {
    for (int64_t i = 0; i < first; i++) padded[i] = 0;
    for (int64_t i = first; i < last; i++) padded[i] = x[row * k->iw + i - first];
    for (int64_t i = last; i < width; i++) padded[i] = 0;
  }
  NO_UNROLL
  for (int64_t g = 0; g < s->groups; g++) {
    v16 d[8];
    UNROLL
    for (int64_t i = 0; i < 8; i++) d[i] = inside ? *(const v16 *)(padded + (g * 8 + i) * LANES) : (v16){0};
    deal(d);
    UNROLL
    for (int64_t i = 0; i < 8; i++) *(v16 *)(to + i * s->pitch + g * LANES) = d[i];
  }
}

/* The 13 rows that a tile row looks at, transformed down: split [13][8][pitch] → half [7 of even rows, 6 of
 * odd][8][pitch] */
INLINE void transform_down(const StemTiling *s, const float *split, float *half) {
  const int64_t row = 8 * s->pitch;
  NO_UNROLL
  for (int64_t i = 0; i < 8; i++) {
    NO_UNROLL
    for (int64_t g = 0; g < s->groups; g++) {
      const int64_t at = i * s->pitch + g * LANES;
      v16 d[STEM_SIDE], out[STEM_SIDE];
      UNROLL
      for (int64_t r = 0; r < 7; r++) d[r] = *(const v16 *)(split + 2 * r * row + at);
      transform_input(d, 7, out);
      UNROLL
      for (int64_t r = 0; r < 7; r++) *(v16 *)(half + r * row + at) = out[r];
      UNROLL
      for (int64_t r = 0; r < 6; r++) d[r] = *(const v16 *)(split + (2 * r + 1) * row + at);
      transform_input(d, 6, out);
      UNROLL
      for (int64_t r = 0; r < 6; r++) *(v16 *)(half + (7 + r) * row + at) = out[r];
    }
  }
}

/* One row of `half` transformed across, even or odd columns (7 or 6 of them): to [points][v_point]. */
INLINE void across(const StemTiling *s, const float *half, int64_t odd_col, float *v, int64_t v_point) {
  const int64_t count = STEM_SIDE - odd_col;
  NO_UNROLL
  for (int64_t t = 0; t < s->v_pitch; t += LANES) {
    v16 d[STEM_SIDE], out[STEM_SIDE];
    UNROLL
    for (int64_t i = 0; i < count; i++) {
      const int64_t col = 2 * i + odd_col;
      d[i] = *(const v16_unaligned *)(half + col % 8 * s->pitch + t + col / 8);
    }
    transform_input(d, count, out);
    UNROLL
    for (int64_t i = 0; i < count; i++) *(v16 *)(v + i * v_point + t) = out[i];
  }
}

/* v: [tile rows][49 points][planes][v_pitch tiles] of `rows` tile rows from `first` on. */
INLINE void band_input(const Conv2dParams *k, const StemTiling *s, const float *x, int64_t first, int64_t rows,
                       float *scratch) {
  float *split = scratch + s->split, *half = scratch + s->half;
  const int64_t v_point = s->planes * s->v_pitch;
  NO_UNROLL
  for (int64_t c = 0; c < k->ic; c++) {
    NO_UNROLL
    for (int64_t r = 0; r < 8 * rows + 5; r++)
      split_row(k, s, x + c * k->ih * k->iw, 8 * first + r - k->pad_h, scratch + s->padded, split + r * 8 * s->pitch);
    NO_UNROLL
    for (int64_t row = 0; row < rows; row++) {
      transform_down(s, split + row * 64 * s->pitch, half);
      NO_UNROLL
      for (int64_t i = 0; i < 2 * STEM_SIDE - 1; i++) {
        const int64_t odd_row = i >= STEM_SIDE;
        float *v = scratch + s->v + row * s->v_row + (i - odd_row * STEM_SIDE) * STEM_SIDE * v_point;
        across(s, half + i * 8 * s->pitch, 0, v + plane_of(k, odd_row, 0, c) * s->v_pitch, v_point);
        across(s, half + i * 8 * s->pitch, 1, v + plane_of(k, odd_row, 1, c) * s->v_pitch, v_point);
      }
    }
  }
}

/* ---- products and outputs ---- */

/* One point of one block of tiles: m [tiles][outs][16] = v [count planes][v_pitch] times u [count][16 oc], u_out floats
 * from one output block to the next. */
INLINE void products(const float *v, int64_t v_pitch, const float *u, int64_t u_out, int64_t count, float *m,
                     int64_t tiles, int64_t outs) {
  v16 acc[2 * STEM_WIDE];
  UNROLL
  for (int64_t q = 0; q < tiles * outs; q++) acc[q] = (v16){0};
  NO_UNROLL
  for (const float *end = v + count * v_pitch; v < end; v += v_pitch, u += LANES) {
    v16 weights[2];
    UNROLL
    for (int64_t b = 0; b < outs; b++) weights[b] = *(const v16 *)(u + b * u_out);
    UNROLL
    for (int64_t j = 0; j < tiles; j++) {
      UNROLL
      for (int64_t b = 0; b < outs; b++) acc[j * outs + b] += weights[b] * v[j];
    }
  }
  UNROLL
  for (int64_t q = 0; q < tiles * outs; q++) *(v16 *)(m + q * LANES) = acc[q];
}

/* All points of one block of tiles, each row of them transformed across while it is near: half [7][4][tiles][outs][16].
 * m: [7][m_point]. y, at the block's first output, is only fetched. */
INLINE void multiply(const Conv2dParams *k, const StemTiling *s, const float *v, const float *u, float *m, float *half,
                     const float *y, int64_t outs) {
  NO_UNROLL
  for (int64_t row = 0; row < STEM_SIDE; row++) {
    NO_UNROLL
    for (int64_t col = 0; col < STEM_SIDE; col++) {
      const int64_t p = row * STEM_SIDE + col, far_row = row == STEM_SIDE - 1, far_col = col == STEM_SIDE - 1;
      if (p < s->block * outs) { /* the outputs' lines come from far while the products are made, a tile's at a time */
        const float *next = y + p % outs * k->oh * k->ow * LANES + p / outs * 4 * LANES;
        UNROLL
        for (int64_t i = 0; i < 16; i++) __builtin_prefetch(next + (i / 4 * k->ow + i % 4) * LANES, 1);
      }
      const int64_t first = far_col ? k->ic : 0, last = (far_row ? 2 : far_col ? 3 : 4) * k->ic;
      products(v + (p * s->planes + first) * s->v_pitch, s->v_pitch, u + (p * s->planes + first) * LANES,
               STEM_POINTS * s->planes * LANES, last - first, m + col * s->m_point, s->block, outs);
    }
    NO_UNROLL
    for (int64_t q = 0; q < s->block * outs; q++) {
      v16 d[STEM_SIDE], out[4];
      UNROLL
      for (int64_t i = 0; i < STEM_SIDE; i++) d[i] = *(const v16 *)(m + i * s->m_point + q * LANES);
      transform_output(d, out);
      UNROLL
      for (int64_t i = 0; i < 4; i++) *(v16 *)(half + (row * 4 + i) * s->m_point + q * LANES) = out[i];
    }
  }
}

/* The outputs of one tile and one output block, from half [7][4]; residual and y at the image's block. */
INLINE void output_tile(const Conv2dParams *k, const float *half, int64_t m_point, v16 bias, const float *residual,
                        float *y, int64_t row, int64_t col) {
  v16 d[STEM_SIDE], out[16];
  UNROLL
  for (int64_t c = 0; c < 4; c++) {
    UNROLL
    for (int64_t r = 0; r < STEM_SIDE; r++) d[r] = *(const v16 *)(half + (r * 4 + c) * m_point);
    transform_output(d, out + 4 * c);
  }
  const int64_t rows = min64(4, k->oh - row), cols = min64(4, k->ow - col);
  UNROLL
  for (int64_t r = 0; r < 4; r++) {
    if (r >= rows) break;
    const int64_t at = ((row + r) * k->ow + col) * LANES;
    UNROLL
    for (int64_t c = 0; c < 4; c++) {
      if (c >= cols) break;
      v16 sum = out[4 * c + r] + bias;
      if (k->has_residual) sum += *(const v16 *)(residual + at + c * LANES);
      if (k->accumulate) sum += *(const v16 *)(y + at + c * LANES);
      *(v16 *)(y + at + c * LANES) = activate(sum, k->activation);
    }
  }
}

/* `outs` output blocks from `out` on, of one band; outs is a constant. */
INLINE void band_outputs(const conv2d_stem_operands *b, const Conv2dParams *k, const StemTiling *s, int64_t image,
                         int64_t first, int64_t rows, int64_t out, int64_t outs, float *scratch) {
  const float *bias = b->bias, *residual = b->residual, *u = scratch + s->u + out * STEM_POINTS * s->planes * LANES;
  float *y = b->y, *m = scratch + s->m, *half = m + STEM_SIDE * s->m_point;
  const int64_t y_block = k->oh * k->ow * LANES, at = (image * s->out_blocks + out) * y_block;
  NO_UNROLL
  for (int64_t row = 0; row < rows; row++) {
    NO_UNROLL
    for (int64_t t = 0; t < s->tile_cols; t += s->block) {
      multiply(k, s, scratch + s->v + row * s->v_row + t, u, m, half,
               y + at + ((first + row) * 4 * k->ow + t * 4) * LANES, outs);
      NO_UNROLL
      for (int64_t b = 0; b < outs; b++) {
        v16 add = k->has_bias ? *(const v16 *)(bias + (out + b) * LANES) : (v16){0};
        NO_UNROLL
        for (int64_t j = 0; j < min64(s->block, s->tile_cols - t); j++)
          output_tile(k, half + (j * outs + b) * LANES, s->m_point, add,
                      k->has_residual ? residual + at + b * y_block : residual, y + at + b * y_block, (first + row) * 4,
                      (t + j) * 4);
      }
    }
  }
}

PLAN(conv2d_stem) {
  StemTiling u = stem_tiling(k, STEM_WIDE), narrow = stem_tiling(k, STEM_NARROW);
  *plan = (CallPlan){.items_per_sample = u.bands,
                     .scratch_bytes = scratch_of(max64(u.scratch, narrow.scratch)),
                     .flops_per_sample = CONV_FLOPS(k),
                     .weights_bytes = STEM_PREPARING * CONV_WEIGHTS_BYTES(k)};
}
TEMPLATE(conv2d_stem) {
  const StemTiling s = stem_tiling(k, BLOCK_TILES);
  if (begin >= end) return;
  float *memory = scratch;
  all_weights(k, &s, b->w, memory + s.u);
  for (; begin < end; begin++) {
    const int64_t image = begin / s.bands, first = begin % s.bands * s.band, rows = min64(s.band, s.tile_rows - first);
    band_input(k, &s, b->x + image * k->ic * k->ih * k->iw, first, rows, memory);
    const int64_t pairs = sgk_wide_vectors ? s.out_blocks / 2 : 0;
    NO_UNROLL
    for (int64_t pair = 0; pair < pairs; pair++) band_outputs(b, k, &s, image, first, rows, 2 * pair, 2, memory);
    NO_UNROLL
    for (int64_t out = 2 * pairs; out < s.out_blocks; out++) band_outputs(b, k, &s, image, first, rows, out, 1, memory);
  }
}
