/* Kernels that treat every element alone: activation and its gradient, add, copy, scale, dropout. A unit is a run of
 * one sample's elements. The output may be one of the inputs (in place): each vector is read before it is
 * written. Called by generated code and by tests/kernels. */
#include "runtime/kernels/mathf.h"
#include "runtime/kernels/noise.h"
#include "runtime/kernels/units.h"

typedef v16 Map(v16 a, v16 b, v16 c, const ElementwiseParams *k);

/* y = f(a, b, c) over the units; inputs that are NULL read as zeros. */
SIMD void map_units(Map *f, const float *a, const float *b, const float *c, float *y, int64_t begin, int64_t end,
                    const ElementwiseParams *k) {
  /* only the sigmoid makes something of the zeros in the pad lanes */
  int64_t pad_from = INT64_MAX;
  if (k->c % LANES && k->activation == ACT_SIGMOID) pad_from = (BLOCKS(k->c) - 1) * k->hw * LANES;
  v16i used = v16_first_lanes(k->c % LANES);
  v16 zero = {0};
  for (int64_t unit = begin; unit < end; unit++) {
    UnitRun run = unit_run(unit, k->count, ELEMENTWISE_CHUNK);
    int64_t base = run.sample * k->count, i = run.from;
    for (; i + 16 <= run.to; i += 16) {
      int64_t at = base + i;
      v16 v = f(a ? v16_load(a + at) : zero, b ? v16_load(b + at) : zero, c ? v16_load(c + at) : zero, k);
      if (i >= pad_from) v = v16_keep(used, v);
      v16_store_or_add(y + at, v, 16, k->accumulate);
    }
    if (i == run.to) continue;
    int64_t at = base + i, lanes = run.to - i; /* plain only: blocked counts are multiples of 16 */
    v16 v = f(a ? v16_load_lanes(a + at, lanes) : zero, b ? v16_load_lanes(b + at, lanes) : zero,
              c ? v16_load_lanes(c + at, lanes) : zero, k);
    v16_store_or_add(y + at, v, lanes, k->accumulate);
  }
}

SIMD v16 map_activate(v16 x, v16 b, v16 c, const ElementwiseParams *k) {
  return v16_activate(x, k->activation, k->slope);
}
/* x: (n, count) → y = act(x) */
void sgk_activation(SGK_TEMPLATE_ARGS, const ElementwiseParams *k) {
  map_units(map_activate, buf[0], NULL, NULL, buf[1], begin, end, k);
}

SIMD v16 map_activate_grad(v16 x, v16 y, v16 dy, const ElementwiseParams *k) {
  return v16_activate_grad(x, y, dy, k->activation, k->slope);
}
/* dx = dy * act'(x). Reads y alone for relu, relu6, sigmoid, tanh and for leaky relu of a positive slope; x
 * alone for both GELUs and for leaky relu of any other slope; the one that is not read may be NULL. */
void sgk_activation_grad(SGK_TEMPLATE_ARGS, const ElementwiseParams *k) {
  const float *x = activation_grad_reads_x(k->activation, k->slope) ? buf[0] : NULL;
  const float *y = activation_grad_reads_y(k->activation, k->slope) ? buf[1] : NULL;
  map_units(map_activate_grad, x, y, buf[2], buf[3], begin, end, k);
}

SIMD v16 map_add(v16 a, v16 b, v16 c, const ElementwiseParams *k) {
  return v16_activate(a + b, k->activation, k->slope);
}
/* y = act(a + b) */
void sgk_add(SGK_TEMPLATE_ARGS, const ElementwiseParams *k) {
  map_units(map_add, buf[0], buf[1], NULL, buf[2], begin, end, k);
}

SIMD v16 map_copy(v16 x, v16 b, v16 c, const ElementwiseParams *k) { return x; }
/* y = x, or y += x; k->activation must be ACT_NONE */
void sgk_copy(SGK_TEMPLATE_ARGS, const ElementwiseParams *k) {
  map_units(map_copy, buf[0], NULL, NULL, buf[1], begin, end, k);
}

SIMD v16 map_scale(v16 x, v16 b, v16 c, const ElementwiseParams *k) { return x * (float)k->slope; }
/* y = slope * x, or y += slope * x; k->activation must be ACT_NONE. The gradient is the same call with dy for x. */
void sgk_scale(SGK_TEMPLATE_ARGS, const ElementwiseParams *k) {
  map_units(map_scale, buf[0], NULL, NULL, buf[1], begin, end, k);
}

/* ---- dropout ---- */

/* y = x * mask / (1 - p). The mask is a function of rng (seed, step), the layer and the element's place in
 * the batch, so the gradient is the same call with dy for x. */
void sgk_dropout(SGK_TEMPLATE_ARGS, const DropoutParams *k) {
  const float *x = buf[0];
  const uint64_t *rng = buf[1];
  float *y = buf[2];
  DropoutKey key = dropout_key(rng, k->layer);
  int32_t dropped = dropout_limit(k->p);
  float scale = dropout_scale(k->p);
  for (int64_t unit = begin; unit < end; unit++) {
    UnitRun run = unit_run(unit, k->count, ELEMENTWISE_CHUNK);
    int64_t base = run.sample * k->count;
    for (int64_t i = run.from; i < run.to; i += 16) {
      int64_t at = base + i, lanes = run.to - i;
      v16 v = v16_load_lanes(x + at, lanes) * scale;
      v = v16_keep(dropout_bits(key, (uint64_t)at) >= dropped, v);
      v16_store_or_add(y + at, v, lanes, k->accumulate);
    }
  }
}
