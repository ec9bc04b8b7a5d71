/* Depthwise convolution (a kernel for each channel), its gradients by x and by w. Blocks of 16 channels are
 * vectors, so a tap is one product for each pixel: memory, not arithmetic, is the limit. Rows and columns at
 * the border are clipped; nothing is copied. The input's gradient is the same sum with the kernel flipped,
 * over dy spread by the stride. A work item is a band of rows of one block of one image; for the weights' gradient
 * one block over the whole batch. */
#include "runtime/kernels/conv/tiles.h"
#include "runtime/kernels/conv/conv.h"

#define PIXELS (sgk_wide_vectors ? 8 : 4) /* of a tile */
#define MAX_PIXELS 8
#define TAPS_W 8 /* sums held at a time in the weights' gradient, twice */

typedef struct Plane { /* constants of one call */
  Axis v, h;
  int64_t ih, iw, oh, ow, flip;
  int64_t activation, has_bias, has_residual, accumulate;
} Plane;

/* Taps [begin, end) of an output whose first tap lies at input index `at` and that stay inside [0, in). */
INLINE void clip(const Axis *a, const Taps *t, int64_t at, int64_t in, int64_t *begin, int64_t *end) {
  *begin = at < 0 ? ceil_div(-at, a->tap_in) : 0;
  *end = in - at <= 0 ? 0 : ceil_div(in - at, a->tap_in);
  if (*end > t->count) *end = t->count;
}

/* `pixels` neighbouring outputs of one phase, taps [v0, v1) × [h0, h1). x: at tap (0, 0)
 * of the first output. */
INLINE void depthwise_tile(const Plane *p, const Taps *tv, const Taps *th, int64_t v0, int64_t v1, int64_t h0,
                           int64_t h1, const float *x, const float *w, const float *bias, const float *residual,
                           float *y, int64_t pixels) {
  v16 acc[MAX_PIXELS];
  /* The output's lines come from far: ask for those of the next row while this one is made. */
  UNROLL
  for (int64_t j = 0; j < pixels; j++) __builtin_prefetch(y + (p->v.phases * p->ow + j * p->h.phases) * LANES, 1);
  UNROLL
  for (int64_t j = 0; j < pixels; j++) {
    acc[j] = (v16){0};
    if (p->has_bias) acc[j] = *(const v16 *)bias;
    if (p->has_residual) acc[j] += *(const v16 *)(residual + j * p->h.phases * LANES);
    if (p->accumulate) acc[j] += *(const v16 *)(y + j * p->h.phases * LANES);
  }
  for (int64_t a = v0; a < v1; a++)
    for (int64_t b = h0; b < h1; b++) {
      int64_t kh = tv->first + a * p->v.every, kw = th->first + b * p->h.every;
      if (p->flip) kh = p->v.kernel - 1 - kh, kw = p->h.kernel - 1 - kw;
      v16 weight = *(const v16 *)(w + (kh * p->h.kernel + kw) * LANES);
      const float *from = x + (a * p->v.tap_in * p->iw + b * p->h.tap_in) * LANES;
      UNROLL
      for (int64_t j = 0; j < pixels; j++) acc[j] += *(const v16 *)(from + j * p->h.in_stride * LANES) * weight;
    }
  UNROLL
  for (int64_t j = 0; j < pixels; j++) *(v16 *)(y + j * p->h.phases * LANES) = activate(acc[j], p->activation);
}

/* One output row, one column phase. x: the plane; residual, y: the row. */
INLINE void depthwise_row(const Plane *p, const Taps *tv, int64_t row_at, int64_t pw, const float *x, const float *w,
                          const float *bias, const float *residual, float *y) {
  const Taps th = axis_taps(&p->h, pw);
  const int64_t width = ceil_div(max64(0, p->ow - pw), p->h.phases), s = p->h.in_stride;
  int64_t v0, v1;
  clip(&p->v, tv, row_at, p->ih, &v0, &v1);
  /* outputs [from, to) have all their column taps inside */
  int64_t from = min64(width, th.base < 0 ? ceil_div(-th.base, s) : 0);
  int64_t room = p->iw - th.base - (th.count - 1) * p->h.tap_in;
  int64_t to = max64(from, min64(width, room <= 0 ? 0 : ceil_div(room, s)));
  if (v1 <= v0 || th.count == 0) from = to = width;
  for (int64_t i = 0; i < width;) {
    float *out = y + (pw + i * p->h.phases) * LANES;
    const float *res = residual + (pw + i * p->h.phases) * LANES;
    int64_t h0 = 0, h1 = th.count, at = row_at * p->iw + th.base + i * s;
    if (i >= from && i + PIXELS <= to) {
      depthwise_tile(p, tv, &th, v0, v1, h0, h1, x + at * LANES, w, bias, res, out, PIXELS);
      i += PIXELS;
      continue;
    }
    if (i >= from && i + PIXELS / 2 <= to) {
      depthwise_tile(p, tv, &th, v0, v1, h0, h1, x + at * LANES, w, bias, res, out, PIXELS / 2);
      i += PIXELS / 2;
      continue;
    }
    if (i < from || i >= to) clip(&p->h, &th, th.base + i * s, p->iw, &h0, &h1);
    depthwise_tile(p, tv, &th, v0, v1, h0, h1, x + at * LANES, w, bias, res, out, 1);
    i++;
  }
}

INLINE void depthwise_items(const Plane *p, int64_t channels, const float *x, const float *w, const float *bias,
                            const float *residual, float *y, int64_t begin, int64_t end) {
  const int64_t bands = depthwise_bands(channels, p->oh), rows = ceil_div(p->oh, bands);
  for (int64_t item = begin; item < end; item++) {
    int64_t plane = item / bands, block = plane % BLOCKS(channels), first = item % bands * rows;
    for (int64_t row = first; row < min64(first + rows, p->oh); row++) {
      int64_t at = (plane * p->oh + row) * p->ow * LANES;
      const Taps tv = axis_taps(&p->v, row % p->v.phases);
      for (int64_t pw = 0; pw < p->h.phases; pw++)
        depthwise_row(p, &tv, tv.base + row / p->v.phases * p->v.in_stride, pw, x + plane * p->ih * p->iw * LANES,
                      w + block * p->v.kernel * p->h.kernel * LANES, p->has_bias ? bias + block * LANES : bias,
                      p->has_residual ? residual + at : y + at, y + at);
    }
  }
}

PLAN(depthwise) { per_sample(plan, BLOCKS(k->oc) * depthwise_bands(k->oc, k->oh), CONV_FLOPS(k)); }
TEMPLATE(depthwise) {
  const Plane p = {.v = conv_axis(k->kh, k->stride_h, k->pad_h, k->dil_h, k->input_dil_h),
                   .h = conv_axis(k->kw, k->stride_w, k->pad_w, k->dil_w, k->input_dil_w),
                   .ih = k->ih,
                   .iw = k->iw,
                   .oh = k->oh,
                   .ow = k->ow,
                   .activation = k->activation,
                   .has_bias = k->has_bias,
                   .has_residual = k->has_residual,
                   .accumulate = k->accumulate};
  depthwise_items(&p, k->oc, b->x, b->w, b->bias, b->residual, b->y, begin, end);
}

PLAN(depthwise_grad_input) { per_sample(plan, BLOCKS(k->ic) * depthwise_bands(k->ic, k->ih), CONV_FLOPS(k)); }
TEMPLATE(depthwise_grad_input) {
  const Plane p = {.v = conv_axis(k->kh, 1, k->dil_h * (k->kh - 1) - k->pad_h, k->dil_h, k->stride_h),
                   .h = conv_axis(k->kw, 1, k->dil_w * (k->kw - 1) - k->pad_w, k->dil_w, k->stride_w),
                   .ih = k->oh,
                   .iw = k->ow,
                   .oh = k->ih,
                   .ow = k->iw,
                   .flip = 1,
                   .accumulate = k->accumulate};
  depthwise_items(&p, k->ic, b->dy, b->w, NULL, NULL, b->dx, begin, end);
}

/* ---- weights' gradient ---- */

/* sums[taps] += x at `taps` neighbouring taps × dy over outputs [begin, end) of a row; two sums a tap, in
 * turn. */
INLINE void sum_row(const Conv2dGradWeightParams *k, const float *x, const float *dy, int64_t begin, int64_t end,
                    float *sums, int64_t taps) {
  v16 acc[2 * TAPS_W];
  UNROLL
  for (int64_t t = 0; t < taps; t++) {
    acc[t] = *(const v16 *)(sums + t * LANES);
    acc[TAPS_W + t] = (v16){0};
  }
  int64_t c = begin;
  NO_UNROLL
  for (; c + 2 <= end; c += 2) {
    const float *xp = x + c * k->stride_w * LANES, *dp = dy + c * LANES;
    UNROLL
    for (int64_t q = 0; q < 2 * taps; q++)
      acc[q / taps * TAPS_W + q % taps] += *(const v16 *)(dp + q / taps * LANES) *
                                           *(const v16 *)(xp + (q / taps * k->stride_w + q % taps * k->dil_w) * LANES);
  }
  if (c < end) {
    v16 d = *(const v16 *)(dy + c * LANES);
    UNROLL
    for (int64_t t = 0; t < taps; t++) acc[t] += d * *(const v16 *)(x + (c * k->stride_w + t * k->dil_w) * LANES);
  }
  UNROLL
  for (int64_t t = 0; t < taps; t++) *(v16 *)(sums + t * LANES) = acc[t] + acc[TAPS_W + t];
}

/* Outputs [begin, end) of an axis for which taps [0, taps) from `tap` on all lie inside. */
INLINE void tap_range(int64_t tap, int64_t taps, int64_t stride, int64_t pad, int64_t dil, int64_t in, int64_t out,
                      int64_t *begin, int64_t *end) {
  int64_t low = tap * dil - pad, room = in - low - (taps - 1) * dil;
  *begin = min64(out, low < 0 ? ceil_div(-low, stride) : 0);
  *end = max64(*begin, min64(out, room <= 0 ? 0 : ceil_div(room, stride)));
}

/* `taps` kernel columns from `tap` on: the inner outputs together, those at the border tap by tap. */
INLINE void sum_taps(const Conv2dGradWeightParams *k, const float *x, const float *dy, int64_t tap, int64_t taps,
                     float *sums) {
  int64_t begin, end;
  tap_range(tap, taps, k->stride_w, k->pad_w, k->dil_w, k->iw, k->ow, &begin, &end);
  sum_row(k, x + (tap * k->dil_w - k->pad_w) * LANES, dy, begin, end, sums, taps);
  for (int64_t t = tap; t < tap + taps; t++) {
    int64_t first, last;
    const float *from = x + (t * k->dil_w - k->pad_w) * LANES;
    tap_range(t, 1, k->stride_w, k->pad_w, k->dil_w, k->iw, k->ow, &first, &last);
    sum_row(k, from, dy, first, min64(begin, last), sums + (t - tap) * LANES, 1);
    sum_row(k, from, dy, max64(end, first), last, sums + (t - tap) * LANES, 1);
  }
}

PLAN(depthwise_grad_weight) {
  per_call(plan, BLOCKS(k->oc), CONV_FLOPS(k));
  plan->scratch_bytes = scratch_of(k->kh * k->kw * LANES);
}
TEMPLATE(depthwise_grad_weight) {
  float *sums = scratch, *dw = b->dw;
  const int64_t taps = k->kh * k->kw;
  for (int64_t block = begin; block < end; block++) {
    for (int64_t i = 0; i < taps * LANES; i++) sums[i] = 0;
    for (int64_t image = 0; image < n; image++) {
      const float *x = b->x + (image * BLOCKS(k->ic) + block) * k->ih * k->iw * LANES;
      const float *dy = b->dy + (image * BLOCKS(k->oc) + block) * k->oh * k->ow * LANES;
      for (int64_t row = 0; row < k->oh; row++)
        for (int64_t th = 0; th < k->kh; th++) {
          int64_t in = row * k->stride_h - k->pad_h + th * k->dil_h, t = 0;
          if (in < 0 || in >= k->ih) continue;
          const float *x_row = x + in * k->iw * LANES, *dy_row = dy + row * k->ow * LANES;
          float *to = sums + th * k->kw * LANES;
          for (; t + TAPS_W <= k->kw; t += TAPS_W) sum_taps(k, x_row, dy_row, t, TAPS_W, to + t * LANES);
          if (k->kw % TAPS_W) sum_taps(k, x_row, dy_row, t, k->kw % TAPS_W, to + t * LANES);
        }
    }
    for (int64_t lane = 0; lane < min64(LANES, k->oc - block * LANES); lane++)
      for (int64_t t = 0; t < taps; t++) {
        float *to = dw + (block * LANES + lane) * taps + t;
        *to = k->accumulate ? *to + sums[t * LANES + lane] : sums[t * LANES + lane];
      }
  }
}
