/* 3x3 convolutions of stride 1 and 2, and the input's gradient of the latter, by Winograd's minimal filtering
 * (winograd_vec.h): 36 products for 16 outputs instead of 144; 81 of stride 2, and 81 for its 64 gradients; fewer in
 * small tiles. Reads and writes the same layouts as conv2d, packed weights included, and does the same epilogue, so
 * that either can do a call of the other. The weights are transformed here, for each group of tiles again: that takes a
 * tenth of the time, and saves four times their memory. Sums are made in the same order however the work is shared. */
#include "runtime/kernels/conv/tiles.h"
#include "runtime/kernels/conv/winograd_transforms.h"

#define BLOCK_TILES (sgk_wide_vectors ? WINOGRAD_WIDE : WINOGRAD_NARROW)
#define MAX_SUMS 28
#define WEIGHTS_PREPARING 5 /* measured: transforming them takes as long as reading this many times their bytes */

/* ---- the three slices ---- */

/* The window of inputs at (row, col) of one block of channels of ih × iw, zeros outside of the image, transformed to
 * v[points, v_point floats apart]. */
INLINE void make_input_tile(TileShape s, int64_t ih, int64_t iw, const float *x, int64_t row, int64_t col, float *v,
                            int64_t v_point) {
  const int64_t height = winograd_window(s.kind, s.low), width = winograd_window(s.kind, s.narrow),
                edge = winograd_edge(s.kind);
  v16 copy[WINOGRAD_MOST_EDGE * WINOGRAD_MOST_EDGE], half[WINOGRAD_MOST_EDGE * WINOGRAD_MOST_EDGE],
      out[WINOGRAD_MOST_EDGE];
  const v16 *d = (const v16 *)(x + (row * iw + col) * LANES);
  int64_t step = iw;
  if (row < 0 || col < 0 || row + height > ih || col + width > iw) {
    for (int64_t r = 0; r < height; r++)
      for (int64_t c = 0; c < width; c++) {
        const int64_t inside = row + r >= 0 && row + r < ih && col + c >= 0 && col + c < iw;
        copy[r * width + c] = inside ? *(const v16 *)(x + ((row + r) * iw + col + c) * LANES) : (v16){0};
      }
    d = copy;
    step = width;
  }
  /* The next tile's. */
  UNROLL
  for (int64_t q = 0; q < 4 * height; q++)
    __builtin_prefetch(x + ((row + q / 4) * iw + col + winograd_step(s.kind) + width - 4 + q % 4) * LANES);
  UNROLL
  for (int64_t c = 0; c < width; c++) transform_in(s.kind, s.low, d + c, step, half + c, width);
  UNROLL
  for (int64_t r = 0; r < edge; r++) {
    if (winograd_lacks(s.kind, s.low, r)) continue;
    transform_in(s.kind, s.narrow, half + width * r, 1, out, 1);
    UNROLL
    for (int64_t c = 0; c < edge; c++)
      if (!winograd_lacks(s.kind, s.narrow, c)) *(v16 *)(v + (edge * r + c) * v_point) = out[c];
  }
}

#define INPUT_TILE(KIND, LOW, NARROW)                                                                                  \
  SHARED void sgk_input_tile_##KIND##LOW##NARROW(int64_t ih, int64_t iw, const float *x, int64_t row, int64_t col,     \
                                                 float *v, int64_t v_point) {                                          \
    make_input_tile((TileShape){WINOGRAD_##KIND, LOW, NARROW}, ih, iw, x, row, col, v, v_point);                       \
  }
#ifndef SGK_PLANS
EACH_TILE_SHAPE(INPUT_TILE)
#endif

/* One input block, for `outs` output blocks: w [outs][3][3][16 ic][16 oc], w_out floats from one
 * output block to the next → u [36][ic][outs][16 oc]. */
INLINE void transform_three(WinogradKind kind, v16 g0, v16 g1, v16 g2, v16 *to, int64_t to_step) {
  if (kind == WINOGRAD_STRIDE_1) transform_weights(g0, g1, g2, to, to_step);
  else transform_weights_strided(g0, g1, g2, to, to_step);
}
INLINE void make_weights_block(WinogradKind kind, const float *w, int64_t w_out, int64_t outs, float *u,
                               int64_t u_point) {
  NO_UNROLL
  for (int64_t i = 0; i < LANES; i++) {
    NO_UNROLL
    for (int64_t b = 0; b < outs; b++) {
      const float *g = w + b * w_out + i * LANES;
      v16 half[18], out[6];
      /* The next block's: 18 short runs of lines are more than the hardware follows. */
      UNROLL
      for (int64_t tap = 0; tap < 9; tap++) __builtin_prefetch(g + (9 + tap) * LANES * LANES);
      UNROLL
      for (int64_t c = 0; c < 3; c++)
        transform_three(kind, *(const v16 *)(g + c * LANES * LANES), *(const v16 *)(g + (3 + c) * LANES * LANES),
                        *(const v16 *)(g + (6 + c) * LANES * LANES), half + c, 3);
      UNROLL
      for (int64_t r = 0; r < 6; r++) {
        transform_three(kind, half[3 * r], half[3 * r + 1], half[3 * r + 2], out, 1);
        UNROLL
        for (int64_t c = 0; c < 6; c++) *(v16 *)(u + (6 * r + c) * u_point + (i * outs + b) * LANES) = out[c];
      }
    }
  }
}

#define WEIGHTS_BLOCK(KIND, OUTS)                                                                                      \
  SHARED static void weights_block_##KIND##_##OUTS(const float *w, int64_t w_out, float *u, int64_t u_point) {         \
    make_weights_block(WINOGRAD_##KIND, w, w_out, OUTS, u, u_point);                                                   \
  }
WEIGHTS_BLOCK(STRIDE_1, 1)
WEIGHTS_BLOCK(STRIDE_1, 2)
WEIGHTS_BLOCK(STRIDE_2, 1)
WEIGHTS_BLOCK(STRIDE_2, 2)

INLINE void weights_block(WinogradKind kind, const float *w, int64_t w_out, int64_t outs, float *u, int64_t u_point) {
  if (kind == WINOGRAD_STRIDE_1)
    (outs == 1 ? weights_block_STRIDE_1_1 : weights_block_STRIDE_1_2)(w, w_out, u, u_point);
  else (outs == 1 ? weights_block_STRIDE_2_1 : weights_block_STRIDE_2_2)(w, w_out, u, u_point);
}

/* One point: m [tiles][outs][16] = or += v [blocks][all tiles][16 ic] times u [blocks][16 ic][outs][16 oc]. */
INLINE void products(const float *v, const float *u, float *m, int64_t all, int64_t blocks, int64_t tiles, int64_t outs,
                     int64_t first) {
  v16 acc[MAX_SUMS];
  const int64_t sums = tiles * outs;
  UNROLL
  for (int64_t q = 0; q < sums; q++) acc[q] = first ? (v16){0} : *(const v16 *)(m + q * LANES);
  /* By pointers: from indexes below 16 the optimiser makes an address for every tile, and has no registers left. */
  for (int64_t c = 0; c < blocks; c++) {
    UNROLL
    for (int64_t j = 0; j < tiles; j++) __builtin_prefetch(v + ((c + 1) * all + j) * LANES);
    NO_UNROLL
    for (const float *in = v + c * all * LANES, *end = in + LANES; in < end; in++, u += outs * LANES) {
      v16 weights[2];
      UNROLL
      for (int64_t b = 0; b < outs; b++) weights[b] = *(const v16 *)(u + b * LANES);
      UNROLL
      for (int64_t j = 0; j < tiles; j++) {
        UNROLL
        for (int64_t b = 0; b < outs; b++) acc[j * outs + b] += weights[b] * in[j * LANES];
      }
    }
  }
  UNROLL
  for (int64_t q = 0; q < sums; q++) *(v16 *)(m + q * LANES) = acc[q];
}

/* All points and tiles of one chunk of input blocks. */
INLINE void multiply(WinogradKind kind, const WinogradTiling *u, const Group *g, const float *v, const float *weights,
                     float *m, int64_t blocks, int64_t outs, int64_t first) {
  NO_UNROLL
  for (int64_t p = 0; p < winograd_edge(kind) * winograd_edge(kind); p++) {
    const float *vp = v + p * u->v_point, *up = weights + winograd_weight(kind, p) * u->u_point;
    float *mp = m + p * u->m_point;
    int64_t t, end;
    group_tiles(kind, g, p, &t, &end);
    for (; end - t > u->rest_b; t += u->block)
      products(vp + t * LANES, up, mp + t * outs * LANES, u->tiles, blocks, u->block, outs, first);
    if (t >= end) continue;
    if (end - t <= u->rest_a)
      products(vp + t * LANES, up, mp + t * outs * LANES, u->tiles, blocks, u->rest_a, outs, first);
    else products(vp + t * LANES, up, mp + t * outs * LANES, u->tiles, blocks, u->rest_b, outs, first);
  }
}

INLINE void transform_out(WinogradKind kind, int64_t small, const v16 *m, int64_t step, v16 *to, int64_t to_step) {
  if (kind != WINOGRAD_STRIDE_1) transform_output_strided(m, step, to, to_step, kind == WINOGRAD_DILATED, small);
  else if (small) transform_output_small(m, step, to, to_step);
  else transform_output(m, step, to, to_step);
}

/* The outputs of one tile and one output block, from m [points]. */
INLINE void make_output_tile(TileShape s, const float *m, int64_t m_point, v16 *to) {
  const int64_t edge = winograd_edge(s.kind), outputs = winograd_outputs(s.kind);
  const int64_t height = outputs * (4 - s.low) / 4, width = outputs * (4 - s.narrow) / 4;
  v16 d[WINOGRAD_MOST_EDGE], half[WINOGRAD_MOST_EDGE * 8];
  UNROLL
  for (int64_t c = 0; c < edge; c++) {
    if (winograd_lacks(s.kind, s.narrow, c)) continue;
    UNROLL
    for (int64_t r = 0; r < edge; r++)
      if (!winograd_lacks(s.kind, s.low, r)) d[r] = *(const v16 *)(m + (r * edge + c) * m_point);
    transform_out(s.kind, s.low, d, 1, half + c, edge);
  }
  UNROLL
  for (int64_t r = 0; r < height; r++) transform_out(s.kind, s.narrow, half + edge * r, 1, to + r * width, 1);
}

#define OUTPUT_TILE(KIND, LOW, NARROW)                                                                                 \
  SHARED static void output_tile_##KIND##LOW##NARROW(const float *m, int64_t m_point, v16 *to) {                       \
    make_output_tile((TileShape){WINOGRAD_##KIND, LOW, NARROW}, m, m_point, to);                                       \
  }
EACH_TILE_SHAPE(OUTPUT_TILE)

/* Residual and y at the image's block. */
INLINE void output_tile(TileShape s, const Conv2dParams *k, const float *m, int64_t m_point, v16 bias,
                        const float *residual, float *y, int64_t row, int64_t col) {
  const int64_t height = winograd_outputs(s.kind) * (4 - s.low) / 4,
                width = winograd_outputs(s.kind) * (4 - s.narrow) / 4;
  v16 out[64];
#define CALL_OUTPUT_TILE(KIND, LOW, NARROW)                                                                            \
  if (s.kind == WINOGRAD_##KIND && s.low == LOW && s.narrow == NARROW) output_tile_##KIND##LOW##NARROW(m, m_point, out);
  EACH_TILE_SHAPE(CALL_OUTPUT_TILE)
  const int64_t rows = min64(height, k->oh - row), cols = min64(width, k->ow - col);
  NO_UNROLL
  for (int64_t r = 0; r < rows; r++) {
    float *to = y + ((row + r) * k->ow + col) * LANES;
    const float *add = k->has_residual ? residual + (to - y) : NULL;
    NO_UNROLL
    for (int64_t c = 0; c < cols; c++) {
      v16 sum = out[r * width + c] + bias;
      if (k->has_residual) sum += *(const v16 *)(add + c * LANES);
      if (k->accumulate) sum += *(const v16 *)(to + c * LANES);
      *(v16 *)(to + c * LANES) = activate(sum, k->activation);
      /* The next tile's come from far meanwhile. */
      __builtin_prefetch(to + (width + c) * LANES, 1);
      if (k->has_residual) __builtin_prefetch(add + (width + c) * LANES);
    }
  }
}

/* ---- a group ---- */

INLINE void run_input(TileShape s, const Conv2dParams *k, const WinogradTiling *u, const Group *g, const float *x,
                      float *v) {
  const int64_t block = k->ih * k->iw * LANES, quarter = winograd_step(s.kind) / 4;
  /* WINOGRAD_DILATED: of a padding of 1; the first window begins at the first input. */
  const int64_t pad_h = s.kind == WINOGRAD_DILATED ? 0 : k->pad_h, pad_w = s.kind == WINOGRAD_DILATED ? 0 : k->pad_w;
  const Run run = group_run(s, &u->grid, g);
  for (int64_t i = 0; i < g->images; i++)
    for (int64_t c = 0; c < u->in_blocks; c++)
      for (int64_t r = 0; r < run.rows; r++)
        for (int64_t t = 0; t < run.cols; t++)
          input_tile(s, k->ih, k->iw, x + ((g->image + i) * u->in_blocks + c) * block,
                     winograd_begin(u->grid.full_rows, run.row + r) * quarter - pad_h,
                     winograd_begin(u->grid.full_cols, run.col + t) * quarter - pad_w,
                     v + (c * u->tiles + run.first + (i * run.rows + r) * run.cols + t) * LANES, u->v_point);
}

/* Of image i of the group and output block b of `outs`; residual and y at the image's block. */
INLINE void run_output(TileShape s, const Conv2dParams *k, const WinogradTiling *u, const Group *g, int64_t i,
                       int64_t b, int64_t outs, const float *m, v16 bias, const float *residual, float *y) {
  const int64_t quarter = winograd_outputs(s.kind) / 4;
  const Run run = group_run(s, &u->grid, g);
  for (int64_t r = 0; r < run.rows; r++)
    for (int64_t t = 0; t < run.cols; t++)
      output_tile(s, k, m + ((run.first + (i * run.rows + r) * run.cols + t) * outs + b) * LANES, u->m_point, bias,
                  residual, y, winograd_begin(u->grid.full_rows, run.row + r) * quarter,
                  winograd_begin(u->grid.full_cols, run.col + t) * quarter);
}

/* `outs` output blocks from `out` on; outs is a constant. */
INLINE void group_outputs(WinogradKind kind, const conv2d_wino_operands *b, const Conv2dParams *k,
                          const WinogradTiling *u, const Group *g, int64_t out, int64_t outs, float *v, float *weights,
                          float *m) {
  const float *w = b->w, *bias = b->bias, *residual = b->residual;
  float *y = b->y;
  const int64_t w_out = u->in_blocks * 9 * LANES * LANES, y_block = k->oh * k->ow * LANES;
  for (int64_t c = 0; c < u->in_blocks; c += WINOGRAD_CHUNK) {
    const int64_t blocks = min64(WINOGRAD_CHUNK, u->in_blocks - c);
    for (int64_t i = 0; i < blocks; i++)
      weights_block(kind, w + out * w_out + (c + i) * 9 * LANES * LANES, w_out, outs,
                    weights + i * LANES * outs * LANES, u->u_point);
    multiply(kind, u, g, v + c * u->tiles * LANES, weights, m, blocks, outs, c == 0);
  }
  for (int64_t b = 0; b < outs; b++) {
    v16 add = k->has_bias ? *(const v16 *)(bias + (out + b) * LANES) : (v16){0};
    for (int64_t i = 0; i < g->images; i++) {
      const int64_t at = ((g->image + i) * u->out_blocks + out + b) * y_block;
#define OUTPUT(SHAPE) run_output(SHAPE, k, u, g, i, b, outs, m, add, k->has_residual ? residual + at : residual, y + at)
      EACH_SHAPE_OF_GRID(kind, &u->grid, OUTPUT);
    }
  }
}

INLINE void run_pairs(WinogradKind kind, const conv2d_wino_operands *b, const Conv2dParams *k, const WinogradTiling *u,
                      const Group *g, int64_t first, int64_t last, float *v, int transformed) {
  float *weights = v + u->points * u->v_point, *m = weights + WINOGRAD_WEIGHTS * u->u_point;
#define INPUT(SHAPE) run_input(SHAPE, k, u, g, b->x, v)
  if (!transformed) EACH_SHAPE_OF_GRID(kind, &u->grid, INPUT);
  for (int64_t pair = first; pair < last; pair++) {
    /* An even number is said to be one, so that no code is made for a last single block. */
    if (sgk_wide_vectors && (u->out_blocks % 2 == 0 || 2 * pair + 2 <= u->out_blocks)) {
      group_outputs(kind, b, k, u, g, 2 * pair, 2, v, weights, m);
      continue;
    }
    for (int64_t out = 2 * pair; out < min64(2 * pair + 2, u->out_blocks); out++)
      group_outputs(kind, b, k, u, g, out, 1, v, weights, m);
  }
}

/* The same part of the work items of the direct convolution. */
INLINE void run_direct(TEMPLATE_ARGS(conv2d_wino), int64_t items) {
  const ConvTiling d = conv_tiling(k);
  const int64_t direct = n * d.bands * d.slices;
  const conv2d_operands all = {.x = b->x, .w = b->w, .bias = b->bias, .residual = b->residual, .y = b->y};
  sgk_conv2d(&all, n, begin * direct / items, end * direct / items, scratch, k);
}

PLAN(conv2d_wino) { /* Scratch for whichever vectors the program will have; items do not depend on them. The arithmetic
                     * is that of the convolution, whatever the method. */
  WinogradTiling u = winograd_tiling(k, WINOGRAD_WIDE), narrow = winograd_tiling(k, WINOGRAD_NARROW);
  const CallPlan direct = kernel_plan(KERNEL_conv2d, k); /* which it falls back to for few tiles */
  *plan = (CallPlan){.items_per_sample = u.bands * u.slices,
                     .scratch_bytes =
                         max64(scratch_of(HELD_FLOATS + max64(u.scratch, narrow.scratch)), direct.scratch_bytes),
                     .flops_per_sample = CONV_FLOPS(k),
                     .weights_bytes = WEIGHTS_PREPARING * CONV_WEIGHTS_BYTES(k),
                     .weights_samples = u.images};
}
TEMPLATE(conv2d_wino) {
  const WinogradTiling u = winograd_tiling(k, BLOCK_TILES);
  if (begin >= end) return;
  if (n * u.grid.rows * u.grid.cols < WINOGRAD_FEW) {
    run_direct(b, n, begin, end, scratch, k, n * u.bands * u.slices);
    return;
  }
  const int64_t per_group = u.images * u.bands * u.slices; /* several images or several bands, never both */
  while (begin < end) {
    const int64_t image = begin / per_group * u.images, local = begin % per_group;
    const int64_t images = min64(u.images, n - image);
    const int64_t slices = u.slices * images;
    const int64_t band = local / slices, slice = local % slices, stop = min64(slices, slice + (end - begin));
    const int64_t first = u.pairs * slice / slices, last = u.pairs * stop / slices;
    const int64_t row = band * u.grid.rows / u.bands, stop_row = (band + 1) * u.grid.rows / u.bands;
    const Group g = group_of(&u.grid, image, images, row, stop_row - row);
    if (first < last) {
      float *v = (float *)scratch + HELD_FLOATS;
      const int held = held_in_scratch(scratch, image * u.bands + band + 1, begin);
      /* by constants: their loops are then unrolled before the compiler has other constants */
      if (u.grid.kind == WINOGRAD_STRIDE_1) run_pairs(WINOGRAD_STRIDE_1, b, k, &u, &g, first, last, v, held);
      else if (u.grid.kind == WINOGRAD_STRIDE_2) run_pairs(WINOGRAD_STRIDE_2, b, k, &u, &g, first, last, v, held);
      else run_pairs(WINOGRAD_DILATED, b, k, &u, &g, first, last, v, held);
    }
    begin += stop - slice;
  }
}
