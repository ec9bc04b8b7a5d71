/* The weights' gradient of a 3x3 convolution of stride 1 or 2 by Winograd's method (winograd_vec.h), read backwards:
 * with V = B^T d B of an input tile and Y = A dy A^T of the tile of the output's gradient, dw = G^T (sum over the tiles
 * of V ⊙ Y) G; 36 products a tile, or 81, instead of 144. Points that have the same weight have the same sum. Reads and
 * writes what conv2d_grad_weight does.
 *
 * A work item owns up to GRAD_BLOCKS × GRAD_BLOCKS blocks of channels and one split of the batch's groups of tiles. It
 * transforms some tiles at a time and adds their products to the 36 sums of each weight, which stay in the second-level
 * cache. Where there are several splits each writes a gradient of its own, and conv2d_grad_weight_sum adds them in
 * order: no sum depends on the threads. */
#include "runtime/kernels/conv/winograd_transforms.h"

#define HALF (LANES / 2)

/* What a work item works on: blocks [in, in + ins) and [out, out + outs), groups [group, group_end) of the batch. */
typedef struct WinogradGrad {
  int64_t in, ins, out, outs, split, group, group_end;
} WinogradGrad;

INLINE WinogradGrad winograd_grad(const WinogradGradTiling *u, int64_t item, int64_t n) {
  WinogradGrad g = {.split = item % u->splits};
  item /= u->splits;
  g.in = item % u->in_items * u->ins;
  g.out = item / u->in_items * u->outs;
  g.ins = u->in_blocks % u->ins ? min64(u->ins, u->in_blocks - g.in) : u->ins;
  g.outs = u->out_blocks % u->outs ? min64(u->outs, u->out_blocks - g.out) : u->outs;
  const int64_t groups = ceil_div(n, u->images) * u->bands;
  g.group = groups * g.split / u->splits;
  g.group_end = groups * (g.split + 1) / u->splits;
  return g;
}

INLINE void transform_back(WinogradKind kind, int64_t small, const v16 *y, int64_t step, v16 *to, int64_t to_step) {
  if (kind != WINOGRAD_STRIDE_1) transform_output_strided_back(y, step, to, to_step, small);
  else if (small) transform_output_small_back(y, step, to, to_step);
  else transform_output_back(y, step, to, to_step);
}

/* The gradients at (row, col) of one block, zeros outside of the image → y[points, y_point floats apart]. */
INLINE void make_gradient_tile(TileShape s, int64_t oh, int64_t ow, const float *dy, int64_t row, int64_t col, float *y,
                               int64_t y_point) {
  const int64_t edge = winograd_edge(s.kind), height = 4 - s.low, width = 4 - s.narrow;
  v16 d[16], half[WINOGRAD_MOST_EDGE * 4], out[WINOGRAD_MOST_EDGE];
  UNROLL
  for (int64_t q = 0; q < height * width; q++)
    __builtin_prefetch(dy + ((row + q / width) * ow + col + 2 * width + q % width) * LANES);
  if (row + height <= oh && col + width <= ow) {
    UNROLL
    for (int64_t i = 0; i < height * width; i++)
      d[i] = *(const v16 *)(dy + ((row + i / width) * ow + col + i % width) * LANES);
  } else {
    for (int64_t r = 0; r < height; r++)
      for (int64_t c = 0; c < width; c++)
        d[r * width + c] =
            row + r < oh && col + c < ow ? *(const v16 *)(dy + ((row + r) * ow + col + c) * LANES) : (v16){0};
  }
  UNROLL
  for (int64_t c = 0; c < width; c++) transform_back(s.kind, s.low, d + c, width, half + c, width);
  UNROLL
  for (int64_t r = 0; r < edge; r++) {
    if (winograd_lacks(s.kind, s.low, r)) continue;
    transform_back(s.kind, s.narrow, half + width * r, 1, out, 1);
    UNROLL
    for (int64_t c = 0; c < edge; c++)
      if (!winograd_lacks(s.kind, s.narrow, c)) *(v16 *)(y + (edge * r + c) * y_point) = out[c];
  }
}

#define GRADIENT_TILE(KIND, LOW, NARROW)                                                                               \
  SHARED static void gradient_tile_##KIND##LOW##NARROW(int64_t oh, int64_t ow, const float *dy, int64_t row,           \
                                                       int64_t col, float *y, int64_t y_point) {                       \
    make_gradient_tile((TileShape){WINOGRAD_##KIND, LOW, NARROW}, oh, ow, dy, row, col, y, y_point);                   \
  }
EACH_TILE_SHAPE_OF(STRIDE_1, GRADIENT_TILE)
EACH_TILE_SHAPE_OF(STRIDE_2, GRADIENT_TILE)

INLINE void gradient_tile(TileShape s, int64_t oh, int64_t ow, const float *dy, int64_t row, int64_t col, float *y,
                          int64_t y_point){
#define CALL_GRADIENT_TILE(KIND, LOW, NARROW)                                                                          \
  if (s.kind == WINOGRAD_##KIND && s.low == LOW && s.narrow == NARROW)                                                 \
    gradient_tile_##KIND##LOW##NARROW(oh, ow, dy, row, col, y, y_point);
    EACH_TILE_SHAPE_OF(STRIDE_1, CALL_GRADIENT_TILE) EACH_TILE_SHAPE_OF(STRIDE_2, CALL_GRADIENT_TILE)}

INLINE void transform_run(TileShape s, const conv2d_grad_weight_wino_operands *b, const Conv2dGradWeightParams *k,
                          const WinogradGradTiling *u, const WinogradGrad *g, const Group *tiles, float *v, float *y) {
  const int64_t x_plane = k->ih * k->iw * LANES, dy_plane = k->oh * k->ow * LANES, stride = winograd_step(s.kind) / 4;
  const Run run = group_run(s, &u->grid, tiles);
  for (int64_t i = 0; i < tiles->images * run.rows * run.cols; i++) {
    const int64_t image = tiles->image + i / (run.rows * run.cols);
    float *to_v = v + (run.first + i) * u->ins * LANES, *to_y = y + (run.first + i) * u->outs * LANES;
    const int64_t row = winograd_begin(u->grid.full_rows, run.row + i / run.cols % run.rows),
                  col = winograd_begin(u->grid.full_cols, run.col + i % run.cols);
    const float *x = b->x + (image * u->in_blocks + g->in) * x_plane;
    const float *dy = b->dy + (image * u->out_blocks + g->out) * dy_plane;
    NO_UNROLL
    for (int64_t b = 0; b < g->ins; b++)
      input_tile(s, k->ih, k->iw, x + b * x_plane, row * stride - k->pad_h, col * stride - k->pad_w, to_v + b * LANES,
                 u->v_point);
    NO_UNROLL
    for (int64_t b = 0; b < g->outs; b++)
      gradient_tile(s, k->oh, k->ow, dy + b * dy_plane, row, col, to_y + b * LANES, u->v_point);
  }
}

/* s [channels][u->outs][16 oc] += v (`channels` of a tile) × y (`outs` blocks), over `tiles` tiles. */
INLINE void sum_products(const WinogradGradTiling *u, const float *v, const float *y, float *s, int64_t tiles,
                         int64_t channels, int64_t outs) {
  v16 acc[2 * HALF];
  const int64_t pitch = u->outs * LANES;
  UNROLL
  for (int64_t q = 0; q < outs * channels; q++) acc[q] = *(const v16 *)(s + q / outs * pitch + q % outs * LANES);
  NO_UNROLL
  for (const float *end = y + tiles * pitch; y < end; v += u->ins * LANES, y += pitch) {
    v16 d[2];
    UNROLL
    for (int64_t b = 0; b < outs; b++) d[b] = *(const v16 *)(y + b * LANES);
    UNROLL
    for (int64_t i = 0; i < channels; i++) {
      UNROLL
      for (int64_t b = 0; b < outs; b++) acc[i * outs + b] += d[b] * v[i];
    }
  }
  UNROLL
  for (int64_t q = 0; q < outs * channels; q++) *(v16 *)(s + q / outs * pitch + q % outs * LANES) = acc[q];
}

/* All points. sums: [36 points of the weights][16 × u->ins ic][u->outs][16 oc]. */
INLINE void multiply_tiles(WinogradKind kind, const WinogradGradTiling *u, const WinogradGrad *g, const Group *tiles,
                           const float *v, const float *y, float *sums) {
  const int64_t step = sgk_wide_vectors ? HALF : HALF / 2;
  NO_UNROLL
  for (int64_t p = 0; p < u->points; p++) {
    int64_t first, end;
    group_tiles(kind, tiles, p, &first, &end);
    if (first >= end) continue;
    for (int64_t i = 0; i < g->ins * LANES; i += step) {
      float *s = sums + winograd_weight(kind, p) * u->s_point + i * u->outs * LANES;
      const float *vp = v + p * u->v_point + first * u->ins * LANES + i,
                  *yp = y + p * u->v_point + first * u->outs * LANES;
      int64_t b = 0;
      if (sgk_wide_vectors)
        for (; b + 2 <= g->outs; b += 2) sum_products(u, vp, yp + b * LANES, s + b * LANES, end - first, HALF, 2);
      for (; b < g->outs; b++) sum_products(u, vp, yp + b * LANES, s + b * LANES, end - first, step, 1);
    }
  }
}

INLINE void transform_three_back(WinogradKind kind, const v16 *s, int64_t step, v16 *to, int64_t to_step) {
  if (kind == WINOGRAD_STRIDE_1) transform_weights_back(s, step, to, to_step);
  else transform_weights_strided_back(s, step, to, to_step);
}

/* The sums of one output block to rows of dw: [16 × ins ic][9 taps][16 oc] in `turned`, then 16 by 16 to [oc][ic][9].
 */
INLINE void write_block(WinogradKind kind, const Conv2dGradWeightParams *k, const WinogradGradTiling *u,
                        const WinogradGrad *g, int64_t b, const float *sums, float *turned, float *dw,
                        int64_t accumulate) {
  const int64_t inputs = min64(k->ic - g->in * LANES, g->ins * LANES), floats = inputs * 9;
  NO_UNROLL
  for (int64_t i = 0; i < inputs; i++) {
    const float *s = sums + (i * u->outs + b) * LANES;
    v16 d[36], half[18], out[3];
    UNROLL
    for (int64_t p = 0; p < WINOGRAD_WEIGHTS; p++) d[p] = *(const v16 *)(s + p * u->s_point);
    UNROLL
    for (int64_t c = 0; c < 6; c++) transform_three_back(kind, d + c, 6, half + c, 6);
    UNROLL
    for (int64_t r = 0; r < 3; r++) {
      transform_three_back(kind, half + 6 * r, 1, out, 1);
      UNROLL
      for (int64_t c = 0; c < 3; c++) *(v16 *)(turned + (i * 9 + 3 * r + c) * LANES) = out[c];
    }
  }
  const int64_t out = (g->out + b) * LANES, outputs = min64(LANES, k->oc - out);
  float *to = dw + (out * k->ic + g->in * LANES) * 9;
  for (int64_t q = 0; q < floats; q += LANES) {
    v16 m[LANES];
    for (int64_t i = 0; i < LANES; i++) m[i] = q + i < floats ? *(const v16 *)(turned + (q + i) * LANES) : (v16){0};
    transpose16(m);
    for (int64_t o = 0; o < LANES; o++)
      if (o < outputs) v16_store_or_add(to + o * k->ic * 9 + q, m[o], floats - q, accumulate);
  }
}

INLINE void run_item(WinogradKind kind, const conv2d_grad_weight_wino_operands *b, const Conv2dGradWeightParams *k,
                     const WinogradGradTiling *u, const WinogradGrad *g, int64_t n, float *scratch) {
  float *v = scratch, *y = v + u->points * u->v_point, *sums = y + u->points * u->v_point;
  for (int64_t i = 0; i < WINOGRAD_WEIGHTS * u->s_point; i += LANES) *(v16 *)(sums + i) = (v16){0};
  for (int64_t t = g->group; t < g->group_end; t++) {
    const int64_t image = t / u->bands * u->images, row = t % u->bands * u->grid.rows / u->bands;
    const int64_t stop = (t % u->bands + 1) * u->grid.rows / u->bands;
    const Group tiles = group_of(&u->grid, image, min64(u->images, n - image), row, stop - row);
#define TRANSFORM(SHAPE) transform_run(SHAPE, b, k, u, g, &tiles, v, y)
    EACH_SHAPE_OF_GRID(kind, &u->grid, TRANSFORM);
    multiply_tiles(kind, u, g, &tiles, v, y, sums);
  }
  float *dw = u->splits > 1 ? b->dw + g->split * k->oc * k->ic * 9 : b->dw;
  for (int64_t b = 0; b < g->outs; b++) write_block(kind, k, u, g, b, sums, v, dw, u->splits == 1 && k->accumulate);
}

PLAN(conv2d_grad_weight_wino) {
  WinogradGradTiling u = winograd_grad_tiling(k);
  *plan = (CallPlan){.items_fixed = u.items,
                     .scratch_bytes = scratch_of(u.scratch),
                     .splits = u.splits,
                     .flops_per_sample = CONV_FLOPS(k)};
}
TEMPLATE(conv2d_grad_weight_wino) {
  const WinogradGradTiling u = winograd_grad_tiling(k);
  for (int64_t item = begin; item < end; item++) {
    const WinogradGrad g = winograd_grad(&u, item, n);
    if (u.grid.kind == WINOGRAD_STRIDE_1) run_item(WINOGRAD_STRIDE_1, b, k, &u, &g, n, scratch); /* as in winograd.c */
    else run_item(WINOGRAD_STRIDE_2, b, k, &u, &g, n, scratch);
  }
}

PLAN(conv2d_grad_weight_sum) { per_call(plan, chunks_of(k->count, ELEMENTWISE_CHUNK), 0); }
/* dw = or += the split-K partial sums, in order; a work item is a run of weights. */
TEMPLATE(conv2d_grad_weight_sum) {
  const float *partial = b->partial;
  float *dw = b->dw;
  for (int64_t item = begin; item < end; item++) {
    const int64_t from = item * ELEMENTWISE_CHUNK, to = min64(k->count, from + ELEMENTWISE_CHUNK);
    for (int64_t i = from; i < to; i += LANES) {
      v16 sum = v16_load_lanes(partial + i, to - i);
      for (int64_t s = 1; s < k->splits; s++) sum += v16_load_lanes(partial + s * k->count + i, to - i);
      v16_store_or_add(dw + i, sum, to - i, k->accumulate);
    }
  }
}
