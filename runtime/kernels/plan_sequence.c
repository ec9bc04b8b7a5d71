/* As plan_other.c, for the kernels of sequences: tokens, layer normalisation, attention, whose scores lie in the
 * thread's scratch. */
#include "runtime/kernels/plan.h"

PLAN(select_grad) {
  const CatParams *k = constants;
  per_sample(plan, k->outer, 0);
}
PLAN(embedding) {
  const EmbeddingParams *k = constants;
  per_sample(plan, k->rows, 0);
}
PLAN(embedding_grad_weight) {
  const EmbeddingParams *k = constants;
  fixed(plan, units_of(k->dim, COLUMN_CHUNK), (double)(k->rows * k->dim));
}
PLAN(positions) { per_sample(plan, 1, 0); }

/* ---- layernorm.c ---- */

static double norm_flops(const LayerNormParams *k, double each) { return each * (double)(k->rows * k->c); }
PLAN(layernorm) {
  const LayerNormParams *k = constants;
  per_sample(plan, units_of(k->rows, ROW_CHUNK), norm_flops(k, 8));
}
PLAN(layernorm_grad_input) {
  const LayerNormParams *k = constants;
  per_sample(plan, units_of(k->rows, ROW_CHUNK), norm_flops(k, 13));
}
PLAN(layernorm_grad_weight) {
  const LayerNormParams *k = constants;
  fixed(plan, units_of(k->c, COLUMN_CHUNK), norm_flops(k, 4));
}

/* ---- attention.c ---- */

static int64_t score_bytes(const AttentionParams *k) { return QUERY_CHUNK * units_of(k->tk, 16) * 64; }
static double scores(const AttentionParams *k) { /* more than 64 bits hold, where sequences are as long as may be */
  return (double)k->heads * (double)k->tq * (double)k->tk;
}
static double product_flops(const AttentionParams *k, double products) {
  return products * scores(k) * (double)(k->dim + k->value_dim);
}
PLAN(attention) {
  const AttentionParams *k = constants;
  *plan = (CallPlan){.units_per_sample = k->heads * units_of(k->tq, QUERY_CHUNK),
                     .scratch_bytes = score_bytes(k),
                     .flops_per_sample = product_flops(k, 2) + 20.0 * scores(k)};
}
PLAN(attention_grad) {
  const AttentionParams *k = constants;
  *plan = (CallPlan){.units_per_sample = k->heads,
                     .scratch_bytes = 2 * score_bytes(k),
                     .flops_per_sample = product_flops(k, 5) + 30.0 * scores(k)};
}
