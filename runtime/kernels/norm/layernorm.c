/* Layer normalisation over the last run of dimensions, (N*rows, c), and its gradients. A row's variance is computed
 * from the differences to its mean, so that nothing cancels. Called by generated code and by tests/kernels. */
#include "runtime/kernels/template.h"

#define ROW_CHUNK 8 /* rows of a work item */

static inline double norm_flops(const LayerNormParams *k, double each) { return each * (double)(k->rows * k->c); }

typedef struct RowStats {
  float mean, scale; /* scale: 1 / sqrt(var + eps) */
} RowStats;

SIMD RowStats row_stats(const float *x, const LayerNormParams *k) {
  int64_t whole = k->c & ~(int64_t)15, rest = k->c - whole;
  v16i used = v16_first_lanes(rest);
  v16 sum = {0}, squares = {0};
  for (int64_t i = 0; i < whole; i += 16) sum += v16_load(x + i);
  if (rest) sum += v16_load_lanes(x + whole, rest);
  float mean = v16_sum(sum) / (float)k->c;
  for (int64_t i = 0; i < whole; i += 16) {
    v16 d = v16_load(x + i) - mean;
    squares += d * d;
  }
  if (rest) {
    v16 d = v16_keep(used, v16_load_lanes(x + whole, rest) - mean);
    squares += d * d;
  }
  double variance = v16_sum(squares) / (double)k->c;
  return (RowStats){mean, (float)(1.0 / __builtin_sqrt(variance + k->eps))};
}

PLAN(layernorm) { per_sample(plan, chunks_of(k->rows, ROW_CHUNK), norm_flops(k, 8)); }
/* x (n*rows, c), weight and bias [c] → y, and stats [n*rows][2] where there is room for them */
TEMPLATE(layernorm) {
  const float *weight = b->weight, *bias = b->bias;
  for (int64_t item = begin; item < end; item++) {
    ItemRun run = item_run(item, k->rows, ROW_CHUNK);
    for (int64_t r = run.sample * k->rows + run.from; r < run.sample * k->rows + run.to; r++) {
      const float *x = b->x + r * k->c;
      float *y = b->y + r * k->c, *stats = b->stats;
      RowStats s = row_stats(x, k);
      if (stats) stats[2 * r] = s.mean, stats[2 * r + 1] = s.scale;
      for (int64_t i = 0; i < k->c; i += 16) {
        int64_t lanes = k->c - i;
        v16 v = (v16_load_lanes(x + i, lanes) - s.mean) * s.scale;
        if (weight) v *= v16_load_lanes(weight + i, lanes);
        if (bias) v += v16_load_lanes(bias + i, lanes);
        v16_store_lanes(y + i, v, lanes);
      }
    }
  }
}

PLAN(layernorm_grad_input) { per_sample(plan, chunks_of(k->rows, ROW_CHUNK), norm_flops(k, 13)); }
/* dx = scale (g - mean(g) - xhat mean(g xhat)) with g = dy weight, xhat = (x - mean) scale */
TEMPLATE(layernorm_grad_input) {
  const float *weight = b->weight, *stats = b->stats;
  for (int64_t item = begin; item < end; item++) {
    ItemRun run = item_run(item, k->rows, ROW_CHUNK);
    for (int64_t r = run.sample * k->rows + run.from; r < run.sample * k->rows + run.to; r++) {
      const float *x = b->x + r * k->c, *dy = b->dy + r * k->c;
      float *dx = b->dx + r * k->c, mean = stats[2 * r], scale = stats[2 * r + 1];
      v16 sum = {0}, along = {0};
      for (int64_t i = 0; i < k->c; i += 16) {
        int64_t lanes = k->c - i; /* dy, and so g, is 0 in the lanes past the end */
        v16 g = v16_load_lanes(dy + i, lanes);
        if (weight) g *= v16_load_lanes(weight + i, lanes);
        sum += g;
        along += g * ((v16_load_lanes(x + i, lanes) - mean) * scale);
      }
      float g_mean = v16_sum(sum) / (float)k->c, g_along = v16_sum(along) / (float)k->c;
      for (int64_t i = 0; i < k->c; i += 16) {
        int64_t lanes = k->c - i;
        v16 g = v16_load_lanes(dy + i, lanes);
        if (weight) g *= v16_load_lanes(weight + i, lanes);
        v16 hat = (v16_load_lanes(x + i, lanes) - mean) * scale;
        v16_store_or_add(dx + i, (g - g_mean - hat * g_along) * scale, lanes, k->accumulate);
      }
    }
  }
}

PLAN(layernorm_grad_weight) { per_call(plan, chunks_of(k->c, COLUMN_CHUNK), norm_flops(k, 4)); }
/* dweight[c] = sum over all rows of dy xhat, in double. A work item is a run of columns. */
TEMPLATE(layernorm_grad_weight) {
  const float *stats = b->stats;
  for (int64_t item = begin; item < end; item++) {
    ItemRun run = item_run(item, k->c, COLUMN_CHUNK);
    for (int64_t i = run.from; i < run.to; i += 16) {
      int64_t lanes = run.to - i;
      v16d sum = {0};
      for (int64_t r = 0; r < n * k->rows; r++) {
        v16 hat = (v16_load_lanes(b->x + r * k->c + i, lanes) - stats[2 * r]) * stats[2 * r + 1];
        sum += v16_widen(v16_load_lanes(b->dy + r * k->c + i, lanes) * hat);
      }
      v16_store_or_add(b->dweight + i, v16_narrow(sum), lanes, k->accumulate);
    }
  }
}
