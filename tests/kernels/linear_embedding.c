/* Tokens: rows of a table, their gradient, counting, and the gradient of taking one place. */
#include "tests/kernels/support.h"
#include <stdbool.h>

typedef struct Table {
  int64_t n;
  EmbeddingParams k;
} Table;
static const Table tables[] = {{2, {3, 5, 17, -1, 0}}, {3, {7, 11, 64, 0, 0}}, {1, {1, 1, 1, -1, 0}},
                               {2, {9, 4, 130, 3, 0}}, {0, {3, 5, 16, -1, 0}}, {5, {6, 2, 3, -1, 0}}};

/* Tokens with repetitions, and (`wrong`) some outside of the table. */
static int32_t *new_tokens(const Table *t, bool wrong) {
  int32_t *tokens = new_buffer((size_t)(t->n * t->k.rows * 4));
  for (int64_t i = 0; i < t->n * t->k.rows; i++) tokens[i] = (int32_t)(random_uniform(0, 0.999) * (double)t->k.count);
  if (wrong && t->n) tokens[0] = -1, tokens[t->n * t->k.rows - 1] = (int32_t)t->k.count;
  return tokens;
}

static void test_embedding(void **state) {
  for (size_t i = 0; i < 2 * sizeof tables / sizeof *tables; i++) {
    const Table *t = &tables[i / 2];
    int64_t ws = t->k.count * t->k.dim, ys = t->n * t->k.rows * t->k.dim;
    double *w = new_random(ws, -1, 1), *want = new_doubles(ys);
    int32_t *tokens = new_tokens(t, i % 2);
    float *y = new_floats(ys);
    run_kernel(KERNEL_embedding, OPERANDS(embedding, .tokens = tokens, .w = as_floats(w, ws), .y = y), t->n, &t->k,
               (Out[]){{y, (size_t)ys * 4}, {0}});
    for (int64_t j = 0; j < ys; j++) {
      int32_t token = tokens[j / t->k.dim];
      want[j] = token < 0 || token >= t->k.count ? NAN : w[token * t->k.dim + j % t->k.dim];
    }
    check_close("embedding", from_floats(y, ys), want, ys, 0);
  }
}

static void test_embedding_grad(void **state) {
  for (size_t i = 0; i < 4 * sizeof tables / sizeof *tables; i++) {
    Table t = tables[i / 4];
    t.k.accumulate = i % 2;
    int64_t ws = t.k.count * t.k.dim, ys = t.n * t.k.rows * t.k.dim;
    double *dy = new_random(ys, -1, 1), *want = t.k.accumulate ? new_random(ws, -1, 1) : new_doubles(ws);
    int32_t *tokens = new_tokens(&t, i / 2 % 2);
    float *dw = t.k.accumulate ? as_floats(want, ws) : new_floats(ws);
    run_kernel(KERNEL_embedding_grad_weight,
               OPERANDS(embedding_grad_weight, .tokens = tokens, .dy = as_floats(dy, ys), .dw = dw), t.n, &t.k,
               (Out[]){{dw, (size_t)ws * 4}, {0}});
    for (int64_t j = 0; j < ys; j++) {
      int32_t token = tokens[j / t.k.dim];
      if (token >= 0 && token < t.k.count && token != t.k.padding) want[token * t.k.dim + j % t.k.dim] += dy[j];
    }
    check_close("embedding_grad_weight", from_floats(dw, ws), want, ws, 3e-7); /* 1.6e-7 */
  }
}

static void test_positions(void **state) {
  for (int64_t step = 0; step < 3; step++) {
    PositionsParams k = {19, step};
    int32_t *y = new_buffer(3 * 19 * 4);
    run_kernel(KERNEL_positions, OPERANDS(positions, .y = y), 3, &k, (Out[]){{y, 3 * 19 * 4}, {0}});
    for (int64_t i = 0; i < 3 * 19; i++) assert_int_equal(y[i], i % 19 * step);
  }
}

static void test_select_grad(void **state) {
  static const CatParams sizes[] = {
      {1, 0, 5, 0, 1, 1, 7, 0}, {1, 4, 5, 0, 1, 3, 33, 0}, {1, 2, 3, 0, 1, 4, 1, 0}, {1, 0, 1, 0, 1, 1, 1, 0}};
  for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
    CatParams k = sizes[i / 2];
    k.accumulate = i % 2;
    int64_t n = 2, ys = n * k.outer * k.inner, xs = ys * k.total;
    double *dy = new_random(ys, -1, 1), *want = k.accumulate ? new_random(xs, -1, 1) : new_doubles(xs);
    float *dx = k.accumulate ? as_floats(want, xs) : new_floats(xs);
    run_kernel(KERNEL_select_grad, OPERANDS(select_grad, .dy = as_floats(dy, ys), .dx = dx), n, &k,
               (Out[]){{dx, (size_t)xs * 4}, {0}});
    for (int64_t j = 0; j < ys; j++) want[(j / k.inner * k.total + k.to) * k.inner + j % k.inner] += dy[j];
    check_close("select_grad", from_floats(dx, xs), want, xs, 1e-7); /* 4.5e-8 */
  }
}

static const struct CMUnitTest tests[] = {TEST(test_embedding), TEST(test_embedding_grad), TEST(test_positions),
                                          TEST(test_select_grad)};
GROUP(sequence_group, tests);
