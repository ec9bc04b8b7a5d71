/* The weights' gradient of a convolution: dw[o][i][kh][kw] = sum over batch and pixels of dy[o] * x[i] at the
 * tap. A work item owns its weights and sums the whole batch in order, or its split of it, so that the result does not
 * depend on the threads. Sums are held in registers (8 input × 32 output channels, or a kernel row × 32 for NCHW x)
 * while one band of pixels goes by, and rest in scratch between bands; bands of x and dy are sized for the first-level
 * cache. Borders are clipped, not copied. Also the bias' gradient, which is only a sum. Called by generated code with
 * constants, and by tests. */
#include "runtime/kernels/conv/tiles.h"
#include "runtime/kernels/conv/conv.h"

#define HALF (LANES / 2)

/* Output positions of one axis, within [begin, end), whose input for tap `tap` lies in the image. */
typedef struct Range {
  int64_t begin, end;
} Range;
INLINE Range inside(int64_t begin, int64_t end, int64_t tap, int64_t stride, int64_t pad, int64_t dil, int64_t in) {
  int64_t at = tap * dil - pad; /* input = output * stride + at */
  Range r = {at < 0 ? max64(begin, ceil_div(-at, stride)) : begin, end};
  r.end = in - at <= 0 ? r.begin : min64(end, ceil_div(in - at, stride));
  if (r.end < r.begin) r.end = r.begin;
  return r;
}

/* What a work item works on. */
typedef struct GradTile {
  int64_t group, pair, outs; /* outs: output blocks, 1 or 2 */
  int64_t block, block_end;  /* input blocks of the group */
  int64_t tap, tap_end;      /* kernel rows */
  int64_t split;
} GradTile;

INLINE GradTile grad_tile(const GradTiling *u, const Conv2dGradWeightParams *k, int64_t item) {
  GradTile g = {.split = item % u->splits};
  item /= u->splits;
  g.tap = item % u->tap_items * u->taps_h;
  g.tap_end = min64(g.tap + u->taps_h, k->kh);
  item /= u->tap_items;
  g.block = item % u->block_items * u->blocks;
  g.block_end = min64(g.block + u->blocks, u->in_blocks);
  item /= u->block_items;
  g.pair = item % u->pairs;
  g.group = item / u->pairs;
  g.outs = u->out_blocks % 2 ? min64(2, u->out_blocks - 2 * g.pair) : 2;
  return g;
}

/* sums[outs][8] += x (`channels` of 8) × dy (outs blocks) over rows × cols pixels of some images. Distances
 * in floats. */
typedef struct GradSpan {
  int64_t images, x_image, dy_image;
  int64_t rows, x_row, dy_row;
  int64_t cols, x_col;
  int64_t dy_out;
} GradSpan;

INLINE void sum_channels(const GradSpan *s, const float *x, const float *dy, float *sums, int64_t outs,
                         int64_t channels) {
  v16 acc[2 * HALF];
  UNROLL
  for (int64_t q = 0; q < outs * channels; q++)
    acc[q] = *(const v16 *)(sums + (q / channels * HALF + q % channels) * LANES);
  for (int64_t image = 0; image < s->images; image++)
    for (int64_t r = 0; r < s->rows; r++) {
      const float *xp = x + image * s->x_image + r * s->x_row, *dp = dy + image * s->dy_image + r * s->dy_row;
      NO_UNROLL
      for (int64_t c = 0; c < s->cols; c++) {
        v16 d[2];
        UNROLL
        for (int64_t b = 0; b < outs; b++) d[b] = *(const v16 *)(dp + b * s->dy_out + c * LANES);
        UNROLL
        for (int64_t i = 0; i < channels; i++) {
          float in = xp[c * s->x_col + i];
          UNROLL
          for (int64_t b = 0; b < outs; b++) acc[b * channels + i] += d[b] * in;
        }
      }
    }
  UNROLL
  for (int64_t q = 0; q < outs * channels; q++) *(v16 *)(sums + (q / channels * HALF + q % channels) * LANES) = acc[q];
}

INLINE void sum_half(const GradSpan *s, const float *x, const float *dy, float *sums, int64_t outs) {
  if (!sgk_wide_vectors) {
    for (int64_t b = 0; b < outs; b++)
      for (int64_t i = 0; i < HALF; i += HALF / 2)
        sum_channels(s, x + i, dy + b * s->dy_out, sums + (b * HALF + i) * LANES, 1, HALF / 2);
  } else if (outs == 2) sum_channels(s, x, dy, sums, 2, HALF);
  else sum_channels(s, x, dy, sums, 1, HALF);
}

/* One band, all blocks and taps of a work item. sums: [block][tap_h][kw][2 halves][outs][8][16]. */
INLINE void sum_band(const conv2d_grad_weight_operands *b, const Conv2dGradWeightParams *k, const GradTiling *u,
                     const GradTile *g, int64_t image, int64_t images, Range rows, Range cols, float *sums) {
  const int64_t in_row = u->flat ? 0 : k->iw, in_h = u->flat ? 1 : k->ih, in_w = u->flat ? u->cols : k->iw;
  const int64_t x_plane = k->ih * k->iw * LANES, dy_plane = k->oh * k->ow * LANES;
  GradSpan s = {images, BLOCKS(k->ic) * x_plane,      BLOCKS(k->oc) * dy_plane,
                0,      k->stride_h * in_row * LANES, u->cols * LANES,
                0,      k->stride_w * LANES,          dy_plane};
  const float *x = b->x + image * s.x_image + g->group * u->in_blocks * x_plane;
  const float *dy = b->dy + image * s.dy_image + (g->group * u->out_blocks + 2 * g->pair) * dy_plane;
  for (int64_t block = g->block; block < g->block_end; block++)
    for (int64_t th = g->tap; th < g->tap_end; th++) {
      Range v = inside(rows.begin, rows.end, th, k->stride_h, k->pad_h, k->dil_h, in_h);
      for (int64_t tw = 0; tw < k->kw; tw++, sums += 2 * g->outs * HALF * LANES) {
        Range h = inside(cols.begin, cols.end, tw, k->stride_w, k->pad_w, k->dil_w, in_w);
        s.rows = v.end - v.begin;
        s.cols = h.end - h.begin;
        if (!s.rows || !s.cols) continue;
        int64_t row = v.begin * k->stride_h - k->pad_h + th * k->dil_h,
                col = h.begin * k->stride_w - k->pad_w + tw * k->dil_w;
        const float *xp = x + block * x_plane + (row * in_row + col) * LANES;
        const float *dp = dy + (v.begin * u->cols + h.begin) * LANES;
        for (int64_t half = 0; half < 2; half++) {
          sum_half(&s, xp + half * HALF, dp, sums + half * g->outs * HALF * LANES, g->outs);
        }
      }
    }
}

INLINE void put(float *dw, const Conv2dGradWeightParams *k, float value) { *dw = k->accumulate ? *dw + value : value; }

/* Half a block of input channels of one output channel: consecutive weights. from: its sums at the first tap.
 */
INLINE void write_half(float *dw, const Conv2dGradWeightParams *k, int64_t inputs, int64_t taps, int64_t tap_floats,
                       const float *from) {
  for (int64_t i = 0; i < inputs; i++)
    for (int64_t t = 0; t < taps; t++) put(dw + i * k->kh * k->kw + t, k, from[i * LANES + t * tap_floats]);
}

/* In the order of dw, so that its lines are fetched once. */
INLINE void write_nchw16c(float *dw, const Conv2dGradWeightParams *k, const GradTile *g, const float *sums) {
  const int64_t inputs = k->ic / k->groups, outputs = k->oc / k->groups;
  const int64_t tap_floats = 2 * g->outs * HALF * LANES, taps = (g->tap_end - g->tap) * k->kw;
  for (int64_t b = 0; b < g->outs; b++)
    for (int64_t o = 0; o < min64(LANES, outputs - (2 * g->pair + b) * LANES); o++) {
      float *row = dw + (g->group * outputs + (2 * g->pair + b) * LANES + o) * inputs * k->kh * k->kw + g->tap * k->kw;
      for (int64_t block = g->block; block < g->block_end; block++)
        for (int64_t half = 0; half < 2; half++) {
          const int64_t first = block * LANES + half * HALF;
          const float *from = sums + (block - g->block) * taps * tap_floats + (half * g->outs + b) * HALF * LANES + o;
          if (first + HALF <= inputs) write_half(row + first * k->kh * k->kw, k, HALF, taps, tap_floats, from);
          else write_half(row + first * k->kh * k->kw, k, inputs - first, taps, tap_floats, from);
        }
    }
}

INLINE void grad_nchw16c(const conv2d_grad_weight_operands *b, const Conv2dGradWeightParams *k, const GradTiling *u,
                         const GradTile *g, int64_t n, float *sums) {
  const int64_t all = (g->block_end - g->block) * (g->tap_end - g->tap) * k->kw * 2 * g->outs * HALF * LANES;
  for (int64_t i = 0; i < all; i += LANES) *(v16 *)(sums + i) = (v16){0};
  for (int64_t image = 0; image < n; image += u->images)
    for (int64_t r = 0; r < u->rows; r += u->band_rows)
      for (int64_t c = 0; c < u->cols; c += u->band_cols)
        sum_band(b, k, u, g, image, min64(u->images, n - image), (Range){r, min64(r + u->band_rows, u->rows)},
                 (Range){c, min64(c + u->band_cols, u->cols)}, sums);
  write_nchw16c(b->dw, k, g, sums);
}

/* ---- NCHW x ---- */

/* Channel's rows that a band looks at, with zeros outside: [in_rows][in_cols]. */
INLINE void copy_nchw(const float *x, const Conv2dGradWeightParams *k, const GradTiling *u, int64_t low, int64_t rows,
                      float *to) {
  const int64_t first = min64(u->in_cols, max64(0, k->pad_w)), last = max64(first, min64(u->in_cols, k->iw + k->pad_w));
  for (int64_t r = 0; r < rows; r++, to += u->in_cols) {
    int64_t row = low + r;
    int64_t from = row < 0 || row >= k->ih ? u->in_cols : first, stop = row < 0 || row >= k->ih ? u->in_cols : last;
    for (int64_t i = 0; i < from; i++) to[i] = 0;
    for (int64_t i = from; i < stop; i++) to[i] = x[row * k->iw + i - k->pad_w];
    for (int64_t i = stop; i < u->in_cols; i++) to[i] = 0;
  }
}

/* sums[taps][outs] += x at `taps` neighbouring taps × dy, over a band's rows. pitch: output blocks in sums.
 */
INLINE void sum_taps(const Conv2dGradWeightParams *k, const float *x, const float *dy, int64_t rows, int64_t x_row,
                     float *sums, int64_t taps, int64_t outs, int64_t pitch) {
  v16 acc[2 * GRAD_TAPS_W];
  UNROLL
  for (int64_t j = 0; j < taps * outs; j++) acc[j] = *(const v16 *)(sums + (j / outs * pitch + j % outs) * LANES);
  for (int64_t r = 0; r < rows; r++, x += x_row, dy += k->ow * LANES) NO_UNROLL
  for (int64_t c = 0; c < k->ow; c++) {
    v16 d[2];
    UNROLL
    for (int64_t b = 0; b < outs; b++) d[b] = *(const v16 *)(dy + b * k->oh * k->ow * LANES + c * LANES);
    UNROLL
    for (int64_t t = 0; t < taps; t++) {
      float in = x[c * k->stride_w + t * k->dil_w];
      UNROLL
      for (int64_t b = 0; b < outs; b++) acc[t * outs + b] += d[b] * in;
    }
  }
  UNROLL
  for (int64_t j = 0; j < taps * outs; j++) *(v16 *)(sums + (j / outs * pitch + j % outs) * LANES) = acc[j];
}

INLINE void sum_kernel_row(const Conv2dGradWeightParams *k, const GradTiling *u, const float *x, const float *dy,
                           int64_t rows, float *sums, int64_t outs, int64_t pitch) {
  const int64_t most = sgk_wide_vectors ? GRAD_TAPS_W : GRAD_TAPS_W / 2, x_row = k->stride_h * u->in_cols;
  int64_t t = 0;
  for (; t + most <= k->kw; t += most)
    sum_taps(k, x + t * k->dil_w, dy, rows, x_row, sums + t * pitch * LANES, most, outs, pitch);
  if (k->kw % most) sum_taps(k, x + t * k->dil_w, dy, rows, x_row, sums + t * pitch * LANES, k->kw % most, outs, pitch);
}

/* One band: all channels and taps. sums: [channel][tap_h][kw][outs][16] */
INLINE void sum_nchw(const Conv2dGradWeightParams *k, const GradTiling *u, const GradTile *g, const float *x,
                     const float *dy, int64_t row, int64_t rows, float *copy, float *sums) {
  const int64_t dy_plane = k->oh * k->ow * LANES;
  for (int64_t channel = 0; channel < u->in_blocks; channel++, x += k->ih * k->iw) {
    copy_nchw(x, k, u, row * k->stride_h - k->pad_h, (rows - 1) * k->stride_h + (k->kh - 1) * k->dil_h + 1, copy);
    for (int64_t th = 0; th < k->kh; th++, sums += k->kw * g->outs * LANES) {
      const float *from = copy + th * k->dil_h * u->in_cols;
      if (g->outs == 2 && sgk_wide_vectors) sum_kernel_row(k, u, from, dy, rows, sums, 2, 2);
      else
        for (int64_t b = 0; b < g->outs; b++)
          sum_kernel_row(k, u, from, dy + b * dy_plane, rows, sums + b * LANES, 1, g->outs);
    }
  }
}

INLINE void grad_nchw(const conv2d_grad_weight_operands *b, const Conv2dGradWeightParams *k, const GradTiling *u,
                      const GradTile *g, int64_t n, float *sums) {
  const int64_t outputs = k->oc / k->groups, weights = u->in_blocks * k->kh * k->kw,
                bands = ceil_div(u->rows, u->band_rows);
  float *copy = sums + u->sums;
  for (int64_t i = 0; i < weights * g->outs * LANES; i++) sums[i] = 0;
  for (int64_t band = n * bands * g->split / u->splits; band < n * bands * (g->split + 1) / u->splits; band++) {
    const int64_t image = band / bands, row = band % bands * u->band_rows;
    const float *x = b->x + (image * k->ic + g->group * u->in_blocks) * k->ih * k->iw;
    const float *dy =
        b->dy + ((image * BLOCKS(k->oc) + g->group * u->out_blocks + 2 * g->pair) * k->oh + row) * k->ow * LANES;
    sum_nchw(k, u, g, x, dy, row, min64(u->band_rows, u->rows - row), copy, sums);
  }
  float *dw = b->dw + (g->split * k->oc + g->group * outputs + 2 * g->pair * LANES) * weights;
  for (int64_t i = 0; i < weights; i++)
    for (int64_t o = 0; o < min64(g->outs * LANES, outputs - 2 * g->pair * LANES); o++) {
      float *to = dw + o * weights + i;
      *to = u->splits == 1 && k->accumulate ? *to + sums[i * g->outs * LANES + o] : sums[i * g->outs * LANES + o];
    }
}

PLAN(conv2d_grad_weight) {
  GradTiling u = grad_tiling(k);
  *plan = (CallPlan){.items_fixed = u.items,
                     .scratch_bytes = scratch_of(u.sums + (k->nchw_x ? u.in_rows * u.in_cols : 0)),
                     .splits = u.splits,
                     .flops_per_sample = CONV_FLOPS(k)};
}
TEMPLATE(conv2d_grad_weight) {
  const GradTiling u = grad_tiling(k);
  for (int64_t item = begin; item < end; item++) {
    GradTile g = grad_tile(&u, k, item);
    if (k->nchw_x) grad_nchw(b, k, &u, &g, n, scratch);
    else grad_nchw16c(b, k, &u, &g, n, scratch);
  }
}

PLAN(channel_sum) { per_call(plan, BLOCKS(k->c), (double)k->c * (double)k->hw); }
/* ---- the bias' gradient ---- a work item is a block; sum: [c] */
TEMPLATE(channel_sum) {
  const float *x = b->x;
  float *sum = b->sum;
  for (int64_t block = begin; block < end; block++) {
    v16 acc[4] = {{0}}; /* four sums, so that additions do not wait for each other */
    for (int64_t image = 0; image < n; image++) {
      const float *from = x + (image * BLOCKS(k->c) + block) * k->hw * LANES;
      int64_t i = 0;
      for (; i + 4 <= k->hw; i += 4) UNROLL
      for (int64_t j = 0; j < 4; j++) acc[j] += *(const v16 *)(from + (i + j) * LANES);
      for (; i < k->hw; i++) acc[0] += *(const v16 *)(from + i * LANES);
    }
    v16 total = (acc[0] + acc[1]) + (acc[2] + acc[3]);
    for (int64_t lane = 0; lane < min64(LANES, k->c - block * LANES); lane++) {
      float *to = sum + block * LANES + lane;
      *to = k->accumulate ? *to + total[lane] : total[lane];
    }
  }
}
