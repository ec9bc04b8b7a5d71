/* Kernels of token sequences: looking up rows, counting, and the gradient of taking one place. Nothing is read by a
 * token without checking it: those of a C caller come here as they are. Called by generated code and by tests/kernels.
 */
#include "runtime/kernels/simd.h"
#include "runtime/kernels/units.h"

SIMD int embedding_has(const EmbeddingParams *k, int32_t token) { return token >= 0 && token < k->count; }

/* tokens (n, rows), w (count, dim) → y (n, rows, dim). A unit is a token. */
void sgk_embedding(SGK_TEMPLATE_ARGS, const EmbeddingParams *k) {
  const int32_t *tokens = buf[0];
  for (int64_t unit = begin; unit < end; unit++) {
    int32_t token = tokens[unit];
    int known = embedding_has(k, token);
    const float *row = (const float *)buf[1] + (known ? token * k->dim : 0);
    float *y = (float *)buf[2] + unit * k->dim;
    for (int64_t i = 0; i < k->dim; i += 16) {
      int64_t lanes = k->dim - i;
      v16 v = known ? v16_load_lanes(row + i, lanes) : v16_set(__builtin_nanf(""));
      v16_store_lanes(y + i, v, lanes);
    }
  }
}

/* dw (count, dim) from dy (n, rows, dim). A unit is a run of columns, so that no two threads meet in a row. */
void sgk_embedding_grad_weight(SGK_TEMPLATE_ARGS, const EmbeddingParams *k) {
  const int32_t *tokens = buf[0];
  for (int64_t unit = begin; unit < end; unit++) {
    UnitRun run = unit_run(unit, k->dim, COLUMN_CHUNK);
    const float *dy = (const float *)buf[1];
    float *dw = buf[2];
    for (int64_t row = 0; row < k->count && !k->accumulate; row++)
      for (int64_t i = run.from; i < run.to; i += 16) v16_store_lanes(dw + row * k->dim + i, (v16){0}, run.to - i);
    for (int64_t t = 0; t < n * k->rows; t++) {
      if (!embedding_has(k, tokens[t]) || tokens[t] == k->padding) continue;
      float *to = dw + tokens[t] * k->dim;
      for (int64_t i = run.from; i < run.to; i += 16)
        v16_store_or_add(to + i, v16_load_lanes(dy + t * k->dim + i, run.to - i), run.to - i, 1);
    }
  }
}

/* y (n, count), int32: 0, step, 2 step … */
void sgk_positions(SGK_TEMPLATE_ARGS, const PositionsParams *k) {
  for (int64_t unit = begin; unit < end; unit++) {
    int32_t *y = (int32_t *)buf[0] + unit * k->count;
    for (int64_t i = 0; i < k->count; i++) y[i] = (int32_t)(i * k->step);
  }
}

/* A unit is one (sample, outer). */
void sgk_select_grad(SGK_TEMPLATE_ARGS, const CatParams *k) {
  for (int64_t unit = begin; unit < end; unit++) {
    const float *dy = (const float *)buf[0] + unit * k->inner;
    float *dx = (float *)buf[1] + unit * k->total * k->inner;
    for (int64_t i = 0; i < k->total * k->inner && !k->accumulate; i += 16)
      v16_store_lanes(dx + i, (v16){0}, k->total * k->inner - i);
    float *to = dx + k->to * k->inner;
    for (int64_t i = 0; i < k->inner; i += 16)
      v16_store_or_add(to + i, v16_load_lanes(dy + i, k->inner - i), k->inner - i, 1);
  }
}
