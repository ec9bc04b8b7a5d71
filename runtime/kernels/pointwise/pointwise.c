/* Kernels that treat each element by itself: activation and its gradient, add, copy, scale, dropout. A work item is a
 * run of one sample's elements. The output may be one of the inputs (in place): each vector is read before it is
 * written. Called by generated code and by tests/kernels. */
#include "runtime/kernels/mathf.h"
#include "runtime/kernels/noise.h"

static inline void pointwise(const ElementwiseParams *k, CallPlan *plan, double flops) {
  per_sample(plan, chunks_of(k->count, ELEMENTWISE_CHUNK), flops * (double)k->count);
}
static inline double activation_flops(int64_t activation) {
  return activation == ACT_NONE ? 0 : activation <= ACT_LEAKY_RELU ? 1 : 20;
}

typedef v16 Map(v16 a, v16 b, v16 c, const ElementwiseParams *k);

/* y = f(a, b, c) over the items; inputs that are NULL read as zeros. */
SIMD void map_items(Map *f, const float *a, const float *b, const float *c, float *y, int64_t begin, int64_t end,
                    const ElementwiseParams *k) {
  /* only the sigmoid makes something of the zeros in the pad lanes */
  int64_t pad_from = INT64_MAX;
  if (k->c % LANES && k->activation == ACT_SIGMOID) pad_from = (BLOCKS(k->c) - 1) * k->hw * LANES;
  v16i used = v16_first_lanes(k->c % LANES);
  v16 zero = {0};
  for (int64_t item = begin; item < end; item++) {
    ItemRun run = item_run(item, k->count, ELEMENTWISE_CHUNK);
    int64_t base = run.sample * k->count, i = run.from;
    for (; i + 16 <= run.to; i += 16) {
      int64_t at = base + i;
      v16 v = f(a ? v16_load(a + at) : zero, b ? v16_load(b + at) : zero, c ? v16_load(c + at) : zero, k);
      if (i >= pad_from) v = v16_keep(used, v);
      v16_store_or_add(y + at, v, 16, k->accumulate);
    }
    if (i == run.to) continue;
    int64_t at = base + i, lanes = run.to - i; /* never of NCHW16c, whose counts are multiples of 16 */
    v16 v = f(a ? v16_load_lanes(a + at, lanes) : zero, b ? v16_load_lanes(b + at, lanes) : zero,
              c ? v16_load_lanes(c + at, lanes) : zero, k);
    v16_store_or_add(y + at, v, lanes, k->accumulate);
  }
}

SIMD v16 map_activate(v16 x, v16 b, v16 c, const ElementwiseParams *k) {
  return v16_activate(x, k->activation, k->slope);
}
PLAN(activation) { pointwise(k, plan, activation_flops(k->activation)); }
/* x: (n, count) → y = act(x) */
TEMPLATE(activation) { map_items(map_activate, b->x, NULL, NULL, b->y, begin, end, k); }

SIMD v16 map_activate_grad(v16 x, v16 y, v16 dy, const ElementwiseParams *k) {
  return v16_activate_grad(x, y, dy, k->activation, k->slope);
}
PLAN(activation_grad) { pointwise(k, plan, 1 + activation_flops(k->activation)); }
/* dx = dy * act'(x). Reads only y for relu, relu6, sigmoid, tanh and for leaky relu of a positive slope; only x
 * for both GELUs and for leaky relu of any other slope; the one that is not read may be NULL. */
TEMPLATE(activation_grad) {
  const float *x = activation_grad_reads_x(k->activation, k->slope) ? b->x : NULL;
  const float *y = activation_grad_reads_y(k->activation, k->slope) ? b->y : NULL;
  map_items(map_activate_grad, x, y, b->dy, b->dx, begin, end, k);
}

SIMD v16 map_add(v16 a, v16 b, v16 c, const ElementwiseParams *k) {
  return v16_activate(a + b, k->activation, k->slope);
}
PLAN(add) { pointwise(k, plan, 1 + activation_flops(k->activation)); }
/* y = act(a + b) */
TEMPLATE(add) { map_items(map_add, b->a, b->b, NULL, b->y, begin, end, k); }

SIMD v16 map_copy(v16 x, v16 b, v16 c, const ElementwiseParams *k) { return x; }
PLAN(copy) { pointwise(k, plan, 0); }
/* y = x, or y += x; k->activation must be ACT_NONE */
TEMPLATE(copy) { map_items(map_copy, b->x, NULL, NULL, b->y, begin, end, k); }

SIMD v16 map_scale(v16 x, v16 b, v16 c, const ElementwiseParams *k) { return x * (float)k->slope; }
PLAN(scale) { pointwise(k, plan, 1); }
/* y = slope * x, or y += slope * x; k->activation must be ACT_NONE. The gradient is the same call with dy for x. */
TEMPLATE(scale) { map_items(map_scale, b->x, NULL, NULL, b->y, begin, end, k); }

/* ---- dropout ---- */

PLAN(dropout) { per_sample(plan, chunks_of(k->count, ELEMENTWISE_CHUNK), 10.0 * (double)k->count); }
/* y = x * mask / (1 - p). The mask is a function of rng (seed, step), the layer and the element's place in
 * the batch, so the gradient is the same call with dy for x. */
TEMPLATE(dropout) {
  const float *x = b->x;
  const uint64_t *rng = b->rng;
  float *y = b->y;
  DropoutKey key = dropout_key(rng, k->layer);
  int32_t dropped = dropout_limit(k->p);
  float scale = dropout_scale(k->p);
  for (int64_t item = begin; item < end; item++) {
    ItemRun run = item_run(item, k->count, ELEMENTWISE_CHUNK);
    int64_t base = run.sample * k->count;
    for (int64_t i = run.from; i < run.to; i += 16) {
      int64_t at = base + i, lanes = run.to - i;
      v16 v = v16_load_lanes(x + at, lanes) * scale;
      v = v16_keep(dropout_bits(key, (uint64_t)at) >= dropped, v);
      v16_store_or_add(y + at, v, lanes, k->accumulate);
    }
  }
}
