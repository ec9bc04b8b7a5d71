/* Scaled dot-product attention and its gradients, one head of one sample at a time, its scores in the thread's scratch:
 * only the largest score and the sum of each row are kept, and the gradient makes the probabilities again (Dao and
 * others, "FlashAttention", 2022, section 3.1). Products are OpenBLAS's, through sg_gemm. Called by generated code and
 * by tests/kernels. */
#include "runtime/kernels/mathf.h"
#include "runtime/kernels/noise.h"
#include "runtime/abi.h"

#define QUERY_CHUNK 128 /* queries whose scores an attention holds at once */

static inline int64_t score_bytes(const AttentionParams *k) { return QUERY_CHUNK * chunks_of(k->tk, 16) * 64; }
static inline double scores(const AttentionParams *k) { /* more than 64 bits hold, of sequences as long as may be */
  return (double)k->heads * (double)k->tq * (double)k->tk;
}
static inline double product_flops(const AttentionParams *k, double products) {
  return products * scores(k) * (double)(k->dim + k->value_dim);
}

/* One head of one sample. */
typedef struct Head {
  const float *q, *k, *v;
  const int32_t *mask; /* [tk], or NULL */
  int64_t used;        /* keys up to the last that is attended to */
  uint64_t noise;      /* of its first score, among those of the batch */
} Head;

static inline int64_t score_pitch(const AttentionParams *k) { return (k->tk + 15) / 16 * 16; }

SIMD int64_t keys_in_use(const int32_t *mask, int64_t tk) {
  while (mask && tk > 0 && !mask[tk - 1]) tk--;
  return tk;
}

/* The operands that both kernels have. */
SIMD Head head_at(const float *q, const float *key, const float *v, const int32_t *mask, int64_t sample, int64_t head,
                  const AttentionParams *k) {
  int64_t width = k->heads * k->dim, value_width = k->heads * k->value_dim;
  if (mask) mask += sample * k->tk;
  return (Head){.q = q + sample * k->tq * width + head * k->dim,
                .k = key + sample * k->tk * width + head * k->dim,
                .v = v + sample * k->tk * value_width + head * k->value_dim,
                .mask = mask,
                .used = keys_in_use(mask, k->tk),
                .noise = (uint64_t)((sample * k->heads + head) * k->tq) * (uint64_t)k->tk};
}

/* Which of 16 keys from i on are attended to. */
SIMD v16i attended(const Head *h, int64_t i) {
  int64_t lanes = h->used - i;
  if (!h->mask) return v16_first_lanes(lanes);
  v16i mask = {0};
  if (lanes >= 16) {
    typedef int32_t v16i_unaligned __attribute__((vector_size(64), aligned(4), may_alias));
    mask = *(const v16i_unaligned *)(h->mask + i);
  } else {
    for (int64_t l = 0; l < lanes; l++) mask[l] = h->mask[i + l];
  }
  return mask != 0;
}

/* s (rows, used): scores of the queries from `from` on. */
SIMD void head_scores(const Head *h, int64_t from, int64_t rows, float *s, const AttentionParams *k) {
  int64_t width = k->heads * k->dim;
  sg_gemm(0, 1, rows, h->used, k->dim, (float)k->scale, h->q + from * width, width, h->k, width, 0.0f, s,
          score_pitch(k));
}

/* 1 / (1 - p) or 0 for 16 elements of a row of probabilities. */
SIMD v16 kept(const Head *h, DropoutKey key, int64_t row, int64_t i, const AttentionParams *k) {
  v16i bits = dropout_bits(key, h->noise + (uint64_t)(row * k->tk + i));
  return v16_keep(bits >= dropout_limit(k->p), v16_set(dropout_scale(k->p)));
}

/* Scores → probabilities with the noise on them, in place; the lanes past the keys become 0. */
SIMD void softmax_scores(const Head *h, float *s, int64_t row, float *sums, DropoutKey key, const AttentionParams *k) {
  v16 top = v16_set(-__builtin_inff()), sum = {0};
  for (int64_t i = 0; i < h->used; i += 16) top = v16_larger(top, v16_select(attended(h, i), v16_load(s + i), top));
  float max = v16_max(top);
  if (max == -__builtin_inff()) max = 0; /* nothing is attended to */
  for (int64_t i = 0; i < h->used; i += 16) {
    v16 e = v16_keep(attended(h, i), v16_exp(v16_load(s + i) - max));
    v16_store(s + i, e);
    sum += e;
  }
  float total = v16_sum(sum), scale = total > 0 || total != total ? 1.0f / total : 0.0f;
  if (sums) sums[0] = max, sums[1] = scale;
  for (int64_t i = 0; i < h->used; i += 16) {
    v16 p = v16_load(s + i) * scale;
    if (k->p > 0) p *= kept(h, key, row, i, k);
    v16_store(s + i, p);
  }
}

PLAN(attention) {
  *plan = (CallPlan){.items_per_sample = k->heads * chunks_of(k->tq, QUERY_CHUNK),
                     .scratch_bytes = score_bytes(k),
                     .flops_per_sample = product_flops(k, 2) + 20.0 * scores(k)};
}
/* A work item is up to QUERY_CHUNK queries of one head of one sample. */
TEMPLATE(attention) {
  int64_t blocks = chunks_of(k->tq, QUERY_CHUNK), width = k->heads * k->value_dim, pitch = score_pitch(k);
  DropoutKey key = {0, 0};
  if (k->p > 0) key = dropout_key(b->rng, k->layer);
  for (int64_t item = begin; item < end; item++) {
    int64_t sample = item / blocks / k->heads, head = item / blocks % k->heads, from = item % blocks * QUERY_CHUNK;
    int64_t rows = k->tq - from < QUERY_CHUNK ? k->tq - from : QUERY_CHUNK;
    Head h = head_at(b->q, b->k, b->v, b->mask, sample, head, k);
    float *y = b->y + (sample * k->tq + from) * width + head * k->value_dim, *s = scratch, *sums = b->sums;
    if (sums) sums += 2 * ((sample * k->heads + head) * k->tq + from);
    head_scores(&h, from, rows, s, k);
    for (int64_t r = 0; r < rows; r++) softmax_scores(&h, s + r * pitch, from + r, sums ? sums + 2 * r : NULL, key, k);
    sg_gemm(0, 0, rows, k->value_dim, h.used, 1.0f, s, pitch, h.v, width, 0.0f, y, width);
    for (int64_t r = 0; r < rows && h.used == 0; r++)
      for (int64_t i = 0; i < k->value_dim; i++) y[r * width + i] = 0;
  }
}

/* One row: scores s → probabilities with noise in p; dp, the gradient of these → the gradient of the scores, in place.
 */
SIMD void grad_scores(const Head *h, float *s, float *dp, int64_t row, const float *sums, DropoutKey key,
                      const AttentionParams *k) {
  v16 along = {0};
  for (int64_t i = 0; i < h->used; i += 16) {
    v16 p = v16_keep(attended(h, i), v16_exp(v16_load(s + i) - sums[0]) * sums[1]), noisy = p;
    if (dp) {
      v16 g = v16_keep(v16_first_lanes(h->used - i), v16_load(dp + i));
      if (k->p > 0) g *= kept(h, key, row, i, k);
      along += p * g;
      v16_store(dp + i, g * p); /* less p times the sum, below */
    }
    if (k->p > 0) noisy *= kept(h, key, row, i, k);
    v16_store(s + i, dp ? p : noisy);
  }
  if (!dp) return;
  float sum = v16_sum(along);
  for (int64_t i = 0; i < h->used; i += 16) {
    v16 p = v16_load(s + i);
    v16_store(dp + i, (v16_load(dp + i) - p * sum) * (float)k->scale);
    if (k->p > 0) v16_store(s + i, p * kept(h, key, row, i, k));
  }
}

/* Rows of keys that nothing attends to have no gradient. */
SIMD void clear_rows(float *to, int64_t from, int64_t rows, int64_t dim, int64_t width) {
  for (int64_t r = from; r < rows; r++)
    for (int64_t i = 0; i < dim; i++) to[r * width + i] = 0;
}

PLAN(attention_grad) {
  *plan = (CallPlan){.items_per_sample = k->heads,
                     .scratch_bytes = 2 * score_bytes(k),
                     .flops_per_sample = product_flops(k, 5) + 30.0 * scores(k)};
}
/* A work item is one head of one sample: its dk and dv are sums over all its queries. */
TEMPLATE(attention_grad) {
  int64_t width = k->heads * k->dim, value_width = k->heads * k->value_dim, pitch = score_pitch(k);
  DropoutKey key = {0, 0};
  if (k->p > 0) key = dropout_key(b->rng, k->layer);
  for (int64_t item = begin; item < end; item++) {
    int64_t sample = item / k->heads, head = item % k->heads;
    Head h = head_at(b->q, b->k, b->v, b->mask, sample, head, k);
    const float *sums = b->sums + 2 * item * k->tq;
    const float *dy = b->dy + sample * k->tq * value_width + head * k->value_dim;
    float *dq = b->dq, *dk = b->dk, *dv = b->dv, *s = scratch, *dp = NULL;
    if (dq || dk) dp = s + QUERY_CHUNK * pitch;
    if (dq) dq += sample * k->tq * width + head * k->dim;
    if (dk) dk += sample * k->tk * width + head * k->dim;
    if (dv) dv += sample * k->tk * value_width + head * k->value_dim;
    if (dq && !k->accumulate_q && h.used == 0) clear_rows(dq, 0, k->tq, k->dim, width);
    if (dk && !k->accumulate_k) clear_rows(dk, h.used, k->tk, k->dim, width);
    if (dv && !k->accumulate_v) clear_rows(dv, h.used, k->tk, k->value_dim, value_width);
    if (h.used == 0) continue;
    for (int64_t from = 0; from < k->tq; from += QUERY_CHUNK) {
      int64_t rows = k->tq - from < QUERY_CHUNK ? k->tq - from : QUERY_CHUNK;
      const float *dy_rows = dy + from * value_width;
      head_scores(&h, from, rows, s, k);
      if (dp) sg_gemm(0, 1, rows, h.used, k->value_dim, 1.0f, dy_rows, value_width, h.v, value_width, 0.0f, dp, pitch);
      for (int64_t r = 0; r < rows; r++)
        grad_scores(&h, s + r * pitch, dp ? dp + r * pitch : NULL, from + r, sums + 2 * (from + r), key, k);
      if (dv)
        sg_gemm(1, 0, h.used, k->value_dim, rows, 1.0f, s, pitch, dy_rows, value_width,
                from || k->accumulate_v ? 1.0f : 0.0f, dv, value_width);
      if (dq)
        sg_gemm(0, 0, rows, k->dim, h.used, 1.0f, dp, pitch, h.k, width, k->accumulate_q ? 1.0f : 0.0f,
                dq + from * width, width);
      if (dk)
        sg_gemm(1, 0, h.used, k->dim, rows, 1.0f, dp, pitch, h.q + from * width, width,
                from || k->accumulate_k ? 1.0f : 0.0f, dk, width);
    }
  }
}
