/* Direct convolution of NCHW16c: y = act(conv(x, w) + bias + residual).
 * The input of a band is copied once with its borders (1 × 1 reads in place); then tiles of some 14 output
 * pixels × 2 output blocks stay in registers while input channels and taps go by: each input value is
 * broadcast and multiplied with two vectors of weights. Input blocks pass in chunks whose weights fit the
 * first-level cache; between chunks the sums rest in y. Every output is summed in the same order (chunk,
 * channel, tap) however the work is shared. Called by generated code with constants, which make the tile's
 * shape constant, and by tests without. */
#include "runtime/kernels/conv/tiles.h"
#include "runtime/kernels/conv/conv.h"

#define TILE_PIXELS (sgk_wide_vectors ? 14 : 6) /* × 2 output blocks, or × 1 */
#define MAX_SUMS 28
#define CHUNK_BYTES 20480 /* of weights for a pair of output blocks */
#define MANY_BLOCKS 64    /* of input, from which on fetching the next one's pixels pays: measured */

/* All that a tile needs to know; distances are in floats. */
typedef struct Tile {
  const Conv2dParams *k;
  int64_t cols_max;              /* tile width; several rows where the image is narrow */
  int64_t x_row, x_col, x_block; /* between neighbouring output pixels, between input blocks */
  int64_t x_tap_h, x_tap_w;      /* between taps, in x and in w */
  int64_t w_tap_h, w_tap_w, w_block, w_out;
  int64_t y_row, y_col, y_out;
  int64_t blocks, last_lanes; /* input blocks, and channels in the last of them */
  int64_t in_place;           /* x is the image itself, and may lie far away */
} Tile;

/* What differs from call to call. */
typedef struct Span {
  int64_t taps_h, taps_w;
  int64_t begin, end;  /* the chunk of input blocks */
  int64_t ahead;       /* floats from this chunk's weights to the next one's; 0: all of these are on their way */
  int64_t inputs;      /* floats of an input block that follow the tile's, and are fetched too: the next tile's */
  int64_t line, lines; /* of each tap, 16 for an output block: the first that the next tile fetches, and how many */
} Span;

/* What is needed next comes from far while the sums of a tap (from xp and wp on) are made: a slice of the next chunk's
 * weights, since maps of few pixels leave no other time for them; the next tile's pixels; and those of the next input
 * block where the kernel is 1 × 1, and no other tap waits for them. */
INLINE void fetch_ahead(const Tile *t, const Span *s, const float *xp, const float *wp, int64_t pixels, int64_t cols) {
  if (t->k->kh * t->k->kw == 1 && t->blocks >= MANY_BLOCKS) {
    UNROLL
    for (int64_t j = 0; j < pixels; j++)
      __builtin_prefetch(xp + t->x_block + (j / cols) * t->x_row + (j % cols) * t->x_col);
  }
  if (t->in_place) {
    NO_UNROLL
    for (const float *in = xp + cols * t->x_col, *stop = in + s->inputs; in < stop; in += LANES) __builtin_prefetch(in);
  }
  const float *next = wp + s->ahead + s->line / LANES * t->w_out + s->line % LANES * LANES;
  NO_UNROLL
  for (const float *stop = next + s->lines * LANES; next < stop; next += LANES) __builtin_prefetch(next, 0, 2);
}

INLINE void sum_tile(const Tile *t, const Span *s, const float *x, const float *w, v16 *acc, int64_t rows, int64_t cols,
                     int64_t outs) {
  const int64_t pixels = rows * cols;
  for (int64_t c = s->begin; c < s->end; c++) {
    int64_t lanes = t->k->nchw_x ? 1 : c == t->blocks - 1 ? t->last_lanes : LANES;
    for (int64_t th = 0; th < s->taps_h; th++)
      for (int64_t tw = 0; tw < s->taps_w; tw++) {
        const float *xp = x + c * t->x_block + th * t->x_tap_h + tw * t->x_tap_w;
        const float *wp = w + c * t->w_block + th * t->w_tap_h + tw * t->w_tap_w;
        fetch_ahead(t, s, xp, wp, pixels, cols);
        NO_UNROLL
        for (int64_t i = 0; i < lanes; i++) {
          v16 weights[2];
          UNROLL
          for (int64_t b = 0; b < outs; b++) weights[b] = *(const v16 *)(wp + i * LANES + b * t->w_out);
          UNROLL
          for (int64_t j = 0; j < pixels; j++) {
            float in = xp[(j / cols) * t->x_row + (j % cols) * t->x_col + i];
            UNROLL
            for (int64_t b = 0; b < outs; b++) acc[b * pixels + j] += weights[b] * in;
          }
        }
      }
  }
}

/* Where in y the sum number q of a tile goes: sums are ordered by output block, row, column. */
INLINE int64_t place(const Tile *t, int64_t q, int64_t pixels, int64_t cols) {
  return q / pixels * t->y_out + q % pixels / cols * t->y_row + q % pixels % cols * t->y_col;
}

/* One tile: rows × cols pixels × outs output blocks. */
INLINE void tile(const Tile *t, Span *s, const float *x, const float *w, const float *bias, const float *residual,
                 float *y, int64_t rows, int64_t cols, int64_t outs) {
  v16 acc[MAX_SUMS];
  const int64_t pixels = rows * cols, sums = outs * pixels;
  if (s->begin == 0) {
    /* The output's lines come from far while the sums are made, not when they are stored. */
    UNROLL
    for (int64_t q = 0; q < sums; q++) {
      __builtin_prefetch(y + place(t, q, pixels, cols), 1);
      if (t->k->has_residual)
        __builtin_prefetch(residual + place(t, q, pixels, cols) + (rows > 1 ? rows * t->y_row : cols * t->y_col));
    }
    UNROLL
    for (int64_t q = 0; q < sums; q++) {
      int64_t at = place(t, q, pixels, cols);
      acc[q] = (v16){0};
      if (t->k->has_bias) acc[q] = *(const v16 *)(bias + q / pixels * LANES);
      if (t->k->has_residual) acc[q] += *(const v16 *)(residual + at);
      if (t->k->accumulate) acc[q] += *(const v16 *)(y + at);
    }
  } else {
    UNROLL
    for (int64_t q = 0; q < sums; q++) acc[q] = *(const v16 *)(y + place(t, q, pixels, cols));
  }
  sum_tile(t, s, x, w, acc, rows, cols, outs);
  s->line += s->lines;
  if (s->line == outs * LANES) s->line = s->ahead = 0;
  int64_t activation = s->end == t->blocks ? t->k->activation : ACT_NONE;
  UNROLL
  for (int64_t q = 0; q < sums; q++) *(v16 *)(y + place(t, q, pixels, cols)) = activate(acc[q], activation);
}

INLINE void tile_outs(const Tile *t, Span *s, const float *x, const float *w, const float *bias, const float *residual,
                      float *y, int64_t rows, int64_t cols, int64_t outs) {
  if (outs == 2 && sgk_wide_vectors) tile(t, s, x, w, bias, residual, y, rows, cols, 2);
  else tile(t, s, x, w, bias, residual, y, rows, cols, 1);
}

/* `width` pixels of `rows` rows: tiles side by side. rest_a, rest_b: the constants that
 * width % cols_max may be. */
INLINE void strip(const Tile *t, Span *s, const float *x, const float *w, const float *bias, const float *residual,
                  float *y, int64_t rows, int64_t width, int64_t rest_a, int64_t rest_b, int64_t outs) {
  int64_t c = 0;
  for (; c + t->cols_max <= width; c += t->cols_max)
    tile_outs(t, s, x + c * t->x_col, w, bias, residual + c * t->y_col, y + c * t->y_col, rows, t->cols_max, outs);
  if (c == width) return;
  if (width - c == rest_a)
    tile_outs(t, s, x + c * t->x_col, w, bias, residual + c * t->y_col, y + c * t->y_col, rows, rest_a, outs);
  else tile_outs(t, s, x + c * t->x_col, w, bias, residual + c * t->y_col, y + c * t->y_col, rows, rest_b, outs);
}

/* Where one image's band lies. */
typedef struct Band {
  const float *x;        /* flat: the band's first pixel; else the scratch copy */
  const float *residual; /* flat: at the band's first pixel, else at the image's start; of output block 0 */
  float *y;
  int64_t begin, end; /* output rows, or pixels when flat */
} Band;

/* Output blocks [out, out + outs) of one band, one chunk of input blocks. w, bias: of the first of these
 * blocks. */
INLINE void convolve_outs(const Tile *t, const ConvTiling *u, const Band *band, Span *s, int64_t out, const float *w,
                          const float *bias, int64_t outs) {
  const Conv2dParams *k = t->k;
  const float *residual = band->residual + out * t->y_out;
  float *y = band->y + out * t->y_out;
  if (u->flat) {
    s->taps_h = s->taps_w = 1;
    strip(t, s, band->x, w, bias, residual, y, 1, band->end - band->begin, u->band % t->cols_max,
          (u->cols - (u->bands - 1) * u->band) % t->cols_max, outs);
    return;
  }
  const Axis v = conv_axis(k->kh, k->stride_h, k->pad_h, k->dil_h, k->input_dil_h);
  const Axis h = conv_axis(k->kw, k->stride_w, k->pad_w, k->dil_w, k->input_dil_w);
  const int64_t rows_max = max64(1, TILE_PIXELS / ceil_div(k->ow, h.phases));
  const int64_t low_h = axis_low(&v, band->begin), low_w = axis_low(&h, 0), lanes = k->nchw_x ? 1 : LANES;
  const int64_t widest = ceil_div(k->ow, h.phases), narrowest = k->ow / h.phases;
  for (int64_t ph = 0; ph < v.phases; ph++)
    for (int64_t pw = 0; pw < h.phases; pw++) {
      Taps tv = axis_taps(&v, ph), th = axis_taps(&h, pw);
      s->taps_h = tv.count;
      s->taps_w = th.count;
      int64_t width = ceil_div(max64(0, k->ow - pw), h.phases);
      int64_t row = ceil_div(max64(0, band->begin - ph), v.phases), stop = ceil_div(max64(0, band->end - ph), v.phases);
      const float *wp = w + tv.first * (t->w_tap_h / v.every) + th.first * (t->w_tap_w / h.every);
      while (row < stop) {
        int64_t at = (ph + row * v.phases) * k->ow * LANES + pw * LANES;
        const float *from = band->x; /* without taps nothing is read */
        if (tv.count && th.count)
          from +=
              ((row * v.in_stride + tv.base - low_h) / u->pick_h * u->in_cols + (th.base - low_w) / u->pick_w) * lanes;
        if (rows_max > 1 && row + rows_max <= stop && width == widest) {
          tile_outs(t, s, from, wp, bias, residual + at, y + at, rows_max, widest, outs);
          row += rows_max;
        } else {
          strip(t, s, from, wp, bias, residual + at, y + at, 1, width, widest % t->cols_max, narrowest % t->cols_max,
                outs);
          row++;
        }
      }
    }
}

INLINE void convolve(const Tile *t, const ConvTiling *u, const Band *band, Span *s, int64_t out, const float *w,
                     const float *bias, int64_t outs) {
  if (sgk_wide_vectors) {
    convolve_outs(t, u, band, s, out, w, bias, outs);
    return;
  }
  for (int64_t b = 0; b < outs; b++) {
    Span own = *s;
    convolve_outs(t, u, band, &own, out + b, w + b * t->w_out, t->k->has_bias ? bias + b * LANES : bias, 1);
  }
}

/* Lines of a tap's weights that each of some tiles fetches so that all are fetched: a power of two. */
INLINE int64_t lines_of_tile(int64_t tiles, int64_t outs) {
  int64_t lines = outs * LANES;
  while (lines > 1 && lines / 2 * tiles >= outs * LANES) lines /= 2;
  return lines;
}

INLINE Tile conv_tile(const Conv2dParams *k, const ConvTiling *u) {
  const Axis v = conv_axis(k->kh, k->stride_h, k->pad_h, k->dil_h, k->input_dil_h);
  const Axis h = conv_axis(k->kw, k->stride_w, k->pad_w, k->dil_w, k->input_dil_w);
  const int64_t lanes = k->nchw_x ? 1 : LANES, inputs = k->ic / k->groups;
  const int64_t width = u->flat ? u->band : ceil_div(k->ow, h.phases);
  Tile t = {.k = k};
  t.cols_max = ceil_div(width, ceil_div(width, TILE_PIXELS));
  t.x_col = u->flat ? LANES : h.in_stride / u->pick_w * lanes;
  t.x_row = u->flat ? 0 : v.in_stride / u->pick_h * u->in_cols * lanes;
  t.x_block = u->in_block;
  t.x_tap_w = h.tap_in * lanes;
  t.x_tap_h = v.tap_in * u->in_cols * lanes;
  const int64_t tap = k->nchw_x ? inputs * LANES : LANES * LANES;
  t.w_block = k->nchw_x ? LANES : k->kh * k->kw * tap;
  t.w_tap_w = h.every * tap;
  t.w_tap_h = v.every * k->kw * tap;
  t.w_out = u->in_blocks * k->kh * k->kw * LANES * (k->nchw_x ? 1 : LANES);
  t.y_col = h.phases * LANES;
  t.y_row = v.phases * k->ow * LANES;
  t.y_out = k->oh * k->ow * LANES;
  t.blocks = u->in_blocks;
  t.in_place = u->flat;
  t.last_lanes = k->nchw_x ? 1 : inputs - (u->in_blocks - 1) * LANES;
  return t;
}

/* Copies the rows that a band looks at, with zeros outside the image: x →
 * [in_blocks][in_rows][in_cols][lanes]. */
INLINE void copy_band(const Conv2dParams *k, const ConvTiling *u, const float *x, int64_t begin, int64_t end,
                      float *to) {
  const Axis v = conv_axis(k->kh, k->stride_h, k->pad_h, k->dil_h, k->input_dil_h);
  const Axis h = conv_axis(k->kw, k->stride_w, k->pad_w, k->dil_w, k->input_dil_w);
  const int64_t low_h = axis_low(&v, begin), low_w = axis_low(&h, 0);
  const int64_t rows = (axis_high(&v, end) - low_h) / u->pick_h + 1;
  /* columns of scratch [first, last) that lie in the image */
  const int64_t first = min64(u->in_cols, low_w < 0 ? ceil_div(-low_w, u->pick_w) : 0);
  const int64_t last = max64(first, min64(u->in_cols, ceil_div(max64(0, k->iw - low_w), u->pick_w)));
  const int64_t lanes = k->nchw_x ? 1 : LANES;
  for (int64_t c = 0; c < u->in_blocks; c++)
    for (int64_t r = 0; r < rows; r++) {
      int64_t from_row = low_h + r * u->pick_h;
      float *row = to + c * u->in_block + r * u->in_cols * lanes;
      if (from_row < 0 || from_row >= k->ih) {
        for (int64_t i = 0; i < u->in_cols * lanes; i++) row[i] = 0;
        continue;
      }
      const float *from = x + (c * k->ih + from_row) * k->iw * lanes;
      for (int64_t i = 0; i < first * lanes; i++) row[i] = 0;
      if (k->nchw_x)
        for (int64_t i = first; i < last; i++) row[i] = from[low_w + i * u->pick_w];
      else
        for (int64_t i = first; i < last; i++)
          *(v16 *)(row + i * LANES) = *(const v16 *)(from + (low_w + i * u->pick_w) * LANES);
      for (int64_t i = last * lanes; i < u->in_cols * lanes; i++) row[i] = 0;
    }
}

/* Pairs of output blocks [pair, stop) of one band of `count` images from `image` on; copied: of one group, the band is
 * in scratch. */
INLINE void run_band(const conv2d_operands *b, const Conv2dParams *k, const ConvTiling *u, int64_t image, int64_t count,
                     int64_t band, int64_t pair, int64_t stop, float *scratch, int copied) {
  const float *residual = k->has_residual ? b->residual : b->y; /* never read; the tile only moves it along */
  const Tile t = conv_tile(k, u);
  const int64_t x_image = k->nchw_x ? k->ic * k->ih * k->iw : BLOCKS(k->ic) * k->ih * k->iw * LANES;
  const int64_t y_image = BLOCKS(k->oc) * t.y_out;
  const int64_t group_pairs = u->pairs / k->groups, loaded_floats = u->in_blocks * k->ih * k->iw * LANES;
  const int64_t chunk = k->nchw_x ? u->in_blocks : max64(1, CHUNK_BYTES / (2 * 64 * LANES * k->kh * k->kw));
  const int64_t from = u->flat ? band * u->band : 0;
  Band at = {.begin = band * u->band, .end = min64((band + 1) * u->band, u->flat ? u->cols : u->rows)};
  for (int64_t g = pair / group_pairs; g * group_pairs < stop; g++) {
    if (!u->flat && !copied)
      for (int64_t i = 0; i < count; i++)
        copy_band(k, u, b->x + (image + i) * x_image + (k->groups > 1 ? g * loaded_floats : 0), at.begin, at.end,
                  scratch + i * u->in_image);
    int64_t p = max64(pair - g * group_pairs, 0), last = min64(stop - g * group_pairs, group_pairs);
    for (; p < last; p++) {
      /* An even number is said to be one, so that no code is made for a last single block. */
      int64_t out = g * u->out_blocks + 2 * p, outs = u->out_blocks % 2 ? min64(2, u->out_blocks - 2 * p) : 2;
      const int64_t lines = lines_of_tile(ceil_div(count * (at.end - at.begin) * (u->flat ? 1 : k->ow), TILE_PIXELS),
                                          sgk_wide_vectors ? outs : 1);
      for (int64_t c = 0; c < u->in_blocks; c += chunk) {
        Span s = {.begin = c, .end = min64(c + chunk, u->in_blocks), .lines = k->nchw_x ? 0 : lines};
        if (t.in_place && p == pair) s.inputs = t.cols_max * LANES;
        s.ahead = s.end < u->in_blocks ? (s.end - c) * t.w_block : 2 * t.w_out - c * t.w_block;
        for (int64_t i = 0; i < count; i++) {
          at.x = u->flat ? b->x + (image + i) * x_image + g * loaded_floats + from * LANES : scratch + i * u->in_image;
          at.residual = residual + (image + i) * y_image + from * LANES;
          at.y = b->y + (image + i) * y_image + from * LANES;
          convolve(&t, u, &at, &s, out, b->w + out * t.w_out, k->has_bias ? b->bias + out * LANES : b->bias, outs);
        }
      }
    }
  }
}

PLAN(conv2d) {
  ConvTiling u = conv_tiling(k);
  *plan = (CallPlan){.items_per_sample = u.bands * u.slices,
                     .scratch_bytes = u.flat ? 0 : scratch_of(HELD_FLOATS + u.images * u.in_image),
                     .weights_bytes = CONV_WEIGHTS_BYTES(k),
                     /* the gradient of a strided convolution multiplies by no zeros */
                     .flops_per_sample = CONV_FLOPS(k) / (double)(k->input_dil_h * k->input_dil_w)};
}
TEMPLATE(conv2d) {
  const ConvTiling u = conv_tiling(k);
  const int64_t in_group = u.images * u.bands * u.slices;
  while (begin < end) {
    int64_t image = begin / in_group * u.images, local = begin % in_group;
    int64_t count = min64(u.images, n - image);
    int64_t slices = u.slices * count; /* several images or several bands, never both */
    int64_t band = local / slices, slice = local % slices;
    int64_t stop = min64(slices, slice + (end - begin));
    int64_t first = u.pairs * slice / slices, last = u.pairs * stop / slices;
    if (first < last) {
      const int copied = !u.flat && k->groups == 1 && held_in_scratch(scratch, image * u.bands + band + 1, begin);
      run_band(b, k, &u, image, count, band, first, last, (float *)scratch + HELD_FLOATS, copied);
    }
    begin += stop - slice;
  }
}
