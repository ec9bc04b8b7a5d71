/* Reductions over one run of dimensions of a plain tensor seen as (N, outer, reduce, inner): mean, softmax
 * and their gradients. A unit is one (sample, outer). Called by generated code and by tests/kernels.
 *
 * With inner == 1 the run lies together and vectors go along it; else they go along inner. */
#include "runtime/kernels/mathf.h"
#include "runtime/kernels/units.h"

/* x → y: (N, outer, inner) */
void sgk_mean(SGK_TEMPLATE_ARGS, const MeanParams *k) {
  for (int64_t unit = begin; unit < end; unit++) {
    const float *x = (const float *)buf[0] + unit * k->reduce * k->inner;
    float *y = (float *)buf[1] + unit * k->inner;
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

void sgk_mean_grad(SGK_TEMPLATE_ARGS, const MeanParams *k) {
  float count = (float)k->reduce;
  for (int64_t unit = begin; unit < end; unit++) {
    const float *dy = (const float *)buf[0] + unit * k->inner;
    float *dx = (float *)buf[1] + unit * k->reduce * k->inner;
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

/* ---- softmax ---- */

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

/* x → y of the same shape */
void sgk_softmax(SGK_TEMPLATE_ARGS, const MeanParams *k) {
  for (int64_t unit = begin; unit < end; unit++) {
    const float *x = (const float *)buf[0] + unit * k->reduce * k->inner;
    float *y = (float *)buf[1] + unit * k->reduce * k->inner;
    if (k->inner == 1) {
      softmax_row(x, y, k);
      continue;
    }
    for (int64_t i = 0; i < k->inner; i += 16) softmax_columns(x + i, y + i, k->inner - i, k);
  }
}

/* dx = y * (dy - sum over the run of dy * y) */
void sgk_softmax_grad(SGK_TEMPLATE_ARGS, const MeanParams *k) {
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t at = unit * k->reduce * k->inner;
    const float *y = (const float *)buf[0] + at, *dy = (const float *)buf[1] + at;
    float *dx = (float *)buf[2] + at;
    int64_t row = k->inner == 1;
    for (int64_t i = 0; i < k->inner; i += 16) {
      v16 sum = {0};
      int64_t steps = row ? units_of(k->reduce, 16) : k->reduce, step = row ? 16 : k->inner;
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
