/* Pooling of NCHW16c activations, and the mean of row-major tensors: maximum, mean, adaptive mean, and their gradients.
 * A forward item is one row of the output of a channel block; a gradient's item is a whole plane of a channel block,
 * since windows overlap. Windows and borders are PyTorch's. Called by generated code and by tests/kernels. */
#include "runtime/kernels/template.h"

static inline double pool_flops(const Pool2dParams *k) {
  return (double)(k->c * k->oh * k->ow) * (double)(k->kh * k->kw);
}

/* The positions of a window that lie inside the input: first, first + step, …, `count` of them. */
typedef struct Window {
  int64_t first, count;
} Window;

SIMD Window window_at(int64_t out, int64_t stride, int64_t pad, int64_t dilation, int64_t size, int64_t kernel) {
  int64_t start = out * stride - pad;
  int64_t skip = start < 0 ? (-start + dilation - 1) / dilation : 0;
  int64_t end = start < size ? (size - 1 - start) / dilation + 1 : 0;
  if (end > kernel) end = kernel;
  return (Window){start + skip * dilation, end > skip ? end - skip : 0};
}

SIMD void clear_plane(float *plane, int64_t pixels) {
  for (int64_t i = 0; i < pixels; i++) v16_store(plane + i * LANES, v16_set(0));
}

/* ---- maximum ---- */

/* rows, cols: how many of the window; NaN wins. */
SIMD v16 window_max(const float *at, const Pool2dParams *k, int64_t rows, int64_t cols) {
  v16 best = v16_set(-__builtin_inff());
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) {
      v16 v = v16_load(at + (i * k->dil_h * k->iw + j * k->dil_w) * LANES);
      best = v16_select((v > best) | (v != v), v, best);
    }
  return best;
}

PLAN(maxpool2d) { per_sample(plan, BLOCKS(k->c) * k->oh, pool_flops(k)); }
/* x: (n, c, ih, iw) → y: (n, c, oh, ow) */
TEMPLATE(maxpool2d) {
  const float *x = b->x;
  float *y = b->y;
  for (int64_t item = begin; item < end; item++) {
    int64_t plane = item / k->oh, oh = item % k->oh;
    v16i used = v16_first_lanes(block_lanes(plane % BLOCKS(k->c), k->c));
    const float *from = x + plane * k->ih * k->iw * LANES;
    float *to = y + item * k->ow * LANES;
    Window h = window_at(oh, k->stride_h, k->pad_h, k->dil_h, k->ih, k->kh);
    for (int64_t ow = 0; ow < k->ow; ow++) {
      Window w = window_at(ow, k->stride_w, k->pad_w, k->dil_w, k->iw, k->kw);
      const float *at = from + (h.first * k->iw + w.first) * LANES;
      v16 v =
          h.count == k->kh && w.count == k->kw ? window_max(at, k, k->kh, k->kw) : window_max(at, k, h.count, w.count);
      v = v16_keep(used, v); /* a window without an input has -inf, as in PyTorch, but not in the pad lanes */
      v16_store_or_add(to + ow * LANES, v, LANES, k->accumulate);
    }
  }
}

/* Adds dy to the place of each lane's maximum: the first one in row-major order, or the last NaN. */
SIMD void window_max_grad(const float *x, v16 dy, float *dx, const Pool2dParams *k, int64_t rows, int64_t cols) {
  v16 best = v16_set(-__builtin_inff());
  v16i place = {0};
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) {
      v16 v = v16_load(x + (i * k->dil_h * k->iw + j * k->dil_w) * LANES);
      v16i better = (v > best) | (v != v);
      best = v16_select(better, v, best);
      place = v16i_select(better, v16i_set((int32_t)(i * cols + j)), place);
    }
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) {
      float *to = dx + (i * k->dil_h * k->iw + j * k->dil_w) * LANES;
      v16_store(to, v16_load(to) + v16_keep(place == (int32_t)(i * cols + j), dy));
    }
}

PLAN(maxpool2d_grad) { per_sample(plan, BLOCKS(k->c), 2 * pool_flops(k)); }
TEMPLATE(maxpool2d_grad) {
  for (int64_t plane = begin; plane < end; plane++) {
    const float *x = b->x + plane * k->ih * k->iw * LANES;
    const float *dy = b->dy + plane * k->oh * k->ow * LANES;
    float *dx = b->dx + plane * k->ih * k->iw * LANES;
    if (!k->accumulate) clear_plane(dx, k->ih * k->iw);
    for (int64_t oh = 0; oh < k->oh; oh++) {
      Window h = window_at(oh, k->stride_h, k->pad_h, k->dil_h, k->ih, k->kh);
      for (int64_t ow = 0; ow < k->ow; ow++) {
        Window w = window_at(ow, k->stride_w, k->pad_w, k->dil_w, k->iw, k->kw);
        int64_t at = (h.first * k->iw + w.first) * LANES;
        v16 g = v16_load(dy + (oh * k->ow + ow) * LANES);
        if (h.count == k->kh && w.count == k->kw) window_max_grad(x + at, g, dx + at, k, k->kh, k->kw);
        else window_max_grad(x + at, g, dx + at, k, h.count, w.count);
      }
    }
  }
}

/* ---- mean ---- */

/* What a window's sum is divided by. With count_include_pad the padding counts, but not what ceil_mode lets
 * hang over it. */
SIMD float avg_divisor(const Pool2dParams *k, int64_t oh, int64_t ow, Window h, Window w) {
  if (!k->count_include_pad) return (float)(h.count * w.count);
  int64_t rows = k->ih + k->pad_h - (oh * k->stride_h - k->pad_h);
  int64_t cols = k->iw + k->pad_w - (ow * k->stride_w - k->pad_w);
  return (float)((rows < k->kh ? rows : k->kh) * (cols < k->kw ? cols : k->kw));
}

SIMD v16 window_sum(const float *at, int64_t iw, int64_t rows, int64_t cols) {
  v16 sum = {0};
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) sum += v16_load(at + (i * iw + j) * LANES);
  return sum;
}

PLAN(avgpool2d) { per_sample(plan, BLOCKS(k->c) * k->oh, pool_flops(k)); }
/* x: (n, c, ih, iw) → y: (n, c, oh, ow); a window without an input gives 0. Dilation is not read. */
TEMPLATE(avgpool2d) {
  for (int64_t item = begin; item < end; item++) {
    int64_t oh = item % k->oh;
    const float *x = b->x + item / k->oh * k->ih * k->iw * LANES;
    float *y = b->y + item * k->ow * LANES;
    Window h = window_at(oh, k->stride_h, k->pad_h, 1, k->ih, k->kh);
    for (int64_t ow = 0; ow < k->ow; ow++) {
      Window w = window_at(ow, k->stride_w, k->pad_w, 1, k->iw, k->kw);
      v16 v = {0};
      if (h.count && w.count) {
        const float *at = x + (h.first * k->iw + w.first) * LANES;
        v = h.count == k->kh && w.count == k->kw ? window_sum(at, k->iw, k->kh, k->kw)
                                                 : window_sum(at, k->iw, h.count, w.count);
        v /= avg_divisor(k, oh, ow, h, w);
      }
      v16_store_or_add(y + ow * LANES, v, LANES, k->accumulate);
    }
  }
}

SIMD void add_to_window(float *at, v16 v, int64_t iw, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) {
      float *to = at + (i * iw + j) * LANES;
      v16_store(to, v16_load(to) + v);
    }
}

PLAN(avgpool2d_grad) { per_sample(plan, BLOCKS(k->c), pool_flops(k)); }
TEMPLATE(avgpool2d_grad) {
  for (int64_t plane = begin; plane < end; plane++) {
    const float *dy = b->dy + plane * k->oh * k->ow * LANES;
    float *dx = b->dx + plane * k->ih * k->iw * LANES;
    if (!k->accumulate) clear_plane(dx, k->ih * k->iw);
    for (int64_t oh = 0; oh < k->oh; oh++) {
      Window h = window_at(oh, k->stride_h, k->pad_h, 1, k->ih, k->kh);
      for (int64_t ow = 0; ow < k->ow; ow++) {
        Window w = window_at(ow, k->stride_w, k->pad_w, 1, k->iw, k->kw);
        if (!h.count || !w.count) continue;
        v16 g = v16_load(dy + (oh * k->ow + ow) * LANES) / avg_divisor(k, oh, ow, h, w);
        add_to_window(dx + (h.first * k->iw + w.first) * LANES, g, k->iw, h.count, w.count);
      }
    }
  }
}

/* ---- adaptive mean ---- */

/* Output i averages inputs floor(i * in / out) … ceil((i + 1) * in / out). */
SIMD Window adaptive_window(int64_t i, int64_t in, int64_t out) {
  int64_t first = i * in / out, end = ((i + 1) * in + out - 1) / out;
  return (Window){first, end - first};
}

SIMD v16 adaptive_sum(const float *plane, const AdaptivePoolParams *k, Window h, Window w) {
  const float *at = plane + (h.first * k->iw + w.first) * LANES;
  if (w.count == k->iw) return v16_sum_run(at, h.count * w.count); /* whole rows lie together */
  v16 sum = {0};
  for (int64_t i = 0; i < h.count; i++) sum += v16_sum_run(at + i * k->iw * LANES, w.count);
  return sum;
}

PLAN(adaptive_avgpool2d) { per_sample(plan, BLOCKS(k->c), (double)(k->c * k->ih * k->iw)); }
/* x: (n, c, ih, iw) → y: (n, c, oh, ow); a work item is a plane */
TEMPLATE(adaptive_avgpool2d) {
  for (int64_t plane = begin; plane < end; plane++) {
    const float *x = b->x + plane * k->ih * k->iw * LANES;
    float *y = b->y + plane * k->oh * k->ow * LANES;
    for (int64_t o = 0; o < k->oh * k->ow; o++) {
      Window h = adaptive_window(o / k->ow, k->ih, k->oh), w = adaptive_window(o % k->ow, k->iw, k->ow);
      v16 v = adaptive_sum(x, k, h, w) / (float)(h.count * w.count);
      v16_store_or_add(y + o * LANES, v, LANES, k->accumulate);
    }
  }
}

PLAN(adaptive_avgpool2d_grad) { per_sample(plan, BLOCKS(k->c), (double)(k->c * k->ih * k->iw)); }
TEMPLATE(adaptive_avgpool2d_grad) {
  for (int64_t plane = begin; plane < end; plane++) {
    const float *dy = b->dy + plane * k->oh * k->ow * LANES;
    float *dx = b->dx + plane * k->ih * k->iw * LANES;
    if (!k->accumulate) clear_plane(dx, k->ih * k->iw);
    for (int64_t o = 0; o < k->oh * k->ow; o++) {
      Window h = adaptive_window(o / k->ow, k->ih, k->oh), w = adaptive_window(o % k->ow, k->iw, k->ow);
      v16 g = v16_load(dy + o * LANES) / (float)(h.count * w.count);
      add_to_window(dx + (h.first * k->iw + w.first) * LANES, g, k->iw, h.count, w.count);
    }
  }
}

/* ---- mean over a run of dimensions ----
 * Of a row-major tensor seen as (N, outer, reduce, inner); a work item is one (sample, outer). With inner == 1 the run
 * lies together and vectors go along it; else they go along inner. */

PLAN(mean) { per_sample(plan, k->outer, (double)(k->outer * k->reduce * k->inner)); }
/* x → y: (N, outer, inner) */
TEMPLATE(mean) {
  for (int64_t item = begin; item < end; item++) {
    const float *x = b->x + item * k->reduce * k->inner;
    float *y = b->y + item * k->inner;
    if (k->inner == 1) {
      v16d sum = {0};
      for (int64_t i = 0; i < k->reduce; i += 16) sum += v16_widen(v16_load_lanes(x + i, k->reduce - i));
      float mean = (float)(v16d_sum(sum) / (double)k->reduce);
      *y = k->accumulate ? *y + mean : mean;
      continue;
    }
    for (int64_t i = 0; i < k->inner; i += 16) {
      v16d sum = {0};
      for (int64_t r = 0; r < k->reduce; r++) sum += v16_widen(v16_load_lanes(x + r * k->inner + i, k->inner - i));
      v16_store_or_add(y + i, v16_narrow(sum / (double)k->reduce), k->inner - i, k->accumulate);
    }
  }
}

PLAN(mean_grad) { per_sample(plan, k->outer, (double)(k->outer * k->reduce * k->inner)); }
TEMPLATE(mean_grad) {
  float count = (float)k->reduce;
  for (int64_t item = begin; item < end; item++) {
    const float *dy = b->dy + item * k->inner;
    float *dx = b->dx + item * k->reduce * k->inner;
    if (k->inner == 1) {
      v16 g = v16_set(*dy / count);
      for (int64_t i = 0; i < k->reduce; i += 16) v16_store_or_add(dx + i, g, k->reduce - i, k->accumulate);
      continue;
    }
    for (int64_t i = 0; i < k->inner; i += 16) {
      v16 g = v16_load_lanes(dy + i, k->inner - i) / count;
      for (int64_t r = 0; r < k->reduce; r++) v16_store_or_add(dx + r * k->inner + i, g, k->inner - i, k->accumulate);
    }
  }
}
