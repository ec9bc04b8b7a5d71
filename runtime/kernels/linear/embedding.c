/* Looking up rows by tokens, and the gradient of the table. Nothing is read by a token without checking it: those of a
 * C caller come here as they are. Called by generated code and by tests/kernels. */
#include "runtime/kernels/template.h"

SIMD int embedding_has(const EmbeddingParams *k, int32_t token) { return token >= 0 && token < k->count; }

PLAN(embedding) { per_sample(plan, k->rows, 0); }
/* tokens (n, rows), w (count, dim) → y (n, rows, dim). A work item is a token. */
TEMPLATE(embedding) {
  const int32_t *tokens = b->tokens;
  for (int64_t item = begin; item < end; item++) {
    int32_t token = tokens[item];
    int known = embedding_has(k, token);
    const float *row = b->w + (known ? token * k->dim : 0);
    float *y = b->y + item * k->dim;
    for (int64_t i = 0; i < k->dim; i += 16) {
      int64_t lanes = k->dim - i;
      v16 v = known ? v16_load_lanes(row + i, lanes) : v16_set(__builtin_nanf(""));
      v16_store_lanes(y + i, v, lanes);
    }
  }
}

PLAN(embedding_grad_weight) { per_call(plan, chunks_of(k->dim, COLUMN_CHUNK), (double)(k->rows * k->dim)); }
/* dw (count, dim) from dy (n, rows, dim). A work item is a run of columns, so that no two threads meet in a row. */
TEMPLATE(embedding_grad_weight) {
  const int32_t *tokens = b->tokens;
  for (int64_t item = begin; item < end; item++) {
    ItemRun run = item_run(item, k->dim, COLUMN_CHUNK);
    const float *dy = b->dy;
    float *dw = b->dw;
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
