/* Softmax over the middle of (N, outer, reduce, inner), row-major, and its gradient. A work item is one (sample,
 * outer). With inner == 1 the run lies together and vectors go along it; else they go along inner. Called by generated
 * code and by tests/kernels. */
#include "runtime/kernels/mathf.h"
#include "runtime/kernels/template.h"

/* One run that lies together: y = exp(x - max) / sum. y may be x unless it accumulates. */
SIMD void softmax_row(const float *x, float *y, const MeanParams *k) {
  v16 top = v16_set(-__builtin_inff()), sum = {0};
  int64_t whole = k->reduce & ~(int64_t)15, rest = k->reduce - whole;
  v16i used = v16_first_lanes(rest);
  for (int64_t i = 0; i < whole; i += 16) top = v16_larger(top, v16_load(x + i));
  if (rest) top = v16_larger(top, v16_select(used, v16_load_lanes(x + whole, rest), top));
  v16 max = v16_set(v16_max(top));
  for (int64_t i = 0; i < whole; i += 16) sum += v16_exp(v16_load(x + i) - max);
  if (rest) sum += v16_keep(used, v16_exp(v16_load_lanes(x + whole, rest) - max));
  v16 scale = v16_set(1.0f / v16_sum(sum));
  for (int64_t i = 0; i < k->reduce; i += 16) {
    int64_t lanes = k->reduce - i;
    v16_store_or_add(y + i, v16_exp(v16_load_lanes(x + i, lanes) - max) * scale, lanes, k->accumulate);
  }
}

/* `lanes` runs side by side, a step of inner apart. */
SIMD void softmax_columns(const float *x, float *y, int64_t lanes, const MeanParams *k) {
  v16 max = v16_set(-__builtin_inff()), sum = {0};
  for (int64_t r = 0; r < k->reduce; r++) max = v16_larger(max, v16_load_lanes(x + r * k->inner, lanes));
  for (int64_t r = 0; r < k->reduce; r++) sum += v16_exp(v16_load_lanes(x + r * k->inner, lanes) - max);
  v16 scale = 1.0f / sum;
  for (int64_t r = 0; r < k->reduce; r++)
    v16_store_or_add(y + r * k->inner, v16_exp(v16_load_lanes(x + r * k->inner, lanes) - max) * scale, lanes,
                     k->accumulate);
}

PLAN(softmax) { per_sample(plan, k->outer, 20 * (double)(k->outer * k->reduce * k->inner)); }
/* x → y of the same shape */
TEMPLATE(softmax) {
  for (int64_t item = begin; item < end; item++) {
    const float *x = b->x + item * k->reduce * k->inner;
    float *y = b->y + item * k->reduce * k->inner;
    if (k->inner == 1) {
      softmax_row(x, y, k);
      continue;
    }
    for (int64_t i = 0; i < k->inner; i += 16) softmax_columns(x + i, y + i, k->inner - i, k);
  }
}

PLAN(softmax_grad) { per_sample(plan, k->outer, 4 * (double)(k->outer * k->reduce * k->inner)); }
/* dx = y * (dy - sum over the run of dy * y) */
TEMPLATE(softmax_grad) {
  for (int64_t item = begin; item < end; item++) {
    int64_t at = item * k->reduce * k->inner;
    const float *y = b->y + at, *dy = b->dy + at;
    float *dx = b->dx + at;
    int64_t row = k->inner == 1;
    for (int64_t i = 0; i < k->inner; i += 16) {
      v16 sum = {0};
      int64_t steps = row ? chunks_of(k->reduce, 16) : k->reduce, step = row ? 16 : k->inner;
      for (int64_t r = 0; r < steps; r++) {
        int64_t p = i + r * step, lanes = row ? k->reduce - p : k->inner - i;
        sum += v16_load_lanes(y + p, lanes) * v16_load_lanes(dy + p, lanes);
      }
      if (row) sum = v16_set(v16_sum(sum));
      for (int64_t r = 0; r < steps; r++) {
        int64_t p = i + r * step, lanes = row ? k->reduce - p : k->inner - i;
        v16 g = v16_load_lanes(y + p, lanes) * (v16_load_lanes(dy + p, lanes) - sum);
        v16_store_or_add(dx + p, g, lanes, k->accumulate);
      }
    }
  }
}
