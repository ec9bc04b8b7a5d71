/* Layer normalisation and its gradients. */
#include "tests/kernels/support.h"

typedef struct Norm {
  int64_t n;
  LayerNormParams k;
  const double *x, *weight, *bias; /* for the twins: what is not their argument */
} Norm;
static const Norm sizes[] = {{2, {3, 17, 0, 1e-5}, 0, 0, 0}, {1, {1, 16, 0, 1e-12}, 0, 0, 0},
                             {3, {9, 5, 0, 1e-5}, 0, 0, 0},  {1, {20, 48, 0, 1e-3}, 0, 0, 0},
                             {2, {1, 2, 0, 1e-5}, 0, 0, 0},  {0, {3, 4, 0, 1e-5}, 0, 0, 0}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void apply(const Norm *t, const double *x, const double *weight, const double *bias, double *y) {
  for (int64_t r = 0; r < t->n * t->k.rows; r++) {
    const double *row = x + r * t->k.c;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < t->k.c; i++) mean += row[i] / (double)t->k.c;
    for (int64_t i = 0; i < t->k.c; i++) variance += (row[i] - mean) * (row[i] - mean) / (double)t->k.c;
    for (int64_t i = 0; i < t->k.c; i++)
      y[r * t->k.c + i] = (row[i] - mean) / sqrt(variance + t->k.eps) * (weight ? weight[i] : 1) + (bias ? bias[i] : 0);
  }
}
static void of_x(const void *context, const double *x, double *y) {
  const Norm *t = context;
  apply(t, x, t->weight, t->bias, y);
}
static void of_weight(const void *context, const double *weight, double *y) {
  const Norm *t = context;
  apply(t, t->x, weight, t->bias, y);
}

/* bits: 1 without weight and bias, 2 accumulate */
static void check_norm(Norm t, int bits) {
  int64_t c = t.k.c, rows = t.n * t.k.rows, count = rows * c;
  double *x = new_random(count, -1, 3), *dy = new_random(count, -1, 1), *want = new_doubles(count);
  double *w = bits & 1 ? NULL : new_random(c, 0.5, 2), *b = bits & 1 ? NULL : new_random(c, -1, 1);
  float *fx = as_floats(x, count), *fdy = as_floats(dy, count), *fw = w ? as_floats(w, c) : NULL,
        *fb = b ? as_floats(b, c) : NULL;
  float *y = new_floats(count), *stats = new_floats(2 * rows);
  t.x = x, t.weight = w, t.bias = b;
  run_kernel(KERNEL_layernorm, OPERANDS(layernorm, .x = fx, .weight = fw, .bias = fb, .y = y, .stats = stats), t.n,
             &t.k, (Out[]){{y, (size_t)count * 4}, {stats, (size_t)rows * 8}, {0}});
  of_x(&t, x, want);
  check_close("layernorm", from_floats(y, count), want, count, 6e-7); /* 2.7e-7 */
  float *alone = new_floats(count);
  run_kernel(KERNEL_layernorm, OPERANDS(layernorm, .x = fx, .weight = fw, .bias = fb, .y = alone), t.n, &t.k,
             (Out[]){{alone, (size_t)count * 4}, {0}});
  assert_memory_equal(alone, y, (size_t)count * 4);
  t.k.accumulate = bits >> 1;
  double *dx0 = t.k.accumulate ? new_random(count, -1, 1) : new_doubles(count),
         *dw0 = t.k.accumulate ? new_random(c, -1, 1) : new_doubles(c);
  float *dx = t.k.accumulate ? as_floats(dx0, count) : new_floats(count),
        *dw = t.k.accumulate ? as_floats(dw0, c) : new_floats(c);
  run_kernel(KERNEL_layernorm_grad_input,
             OPERANDS(layernorm_grad_input, .x = fx, .dy = fdy, .weight = fw, .stats = stats, .dx = dx), t.n, &t.k,
             (Out[]){{dx, (size_t)count * 4}, {0}});
  double *got = from_floats(dx, count);
  for (int64_t i = 0; i < count; i++) got[i] -= dx0[i];
  if (c > 2) check_gradient("layernorm_grad_input", of_x, &t, x, count, dy, count, got, 1.2e-6); /* 5.5e-7 */
  run_kernel(KERNEL_layernorm_grad_weight,
             OPERANDS(layernorm_grad_weight, .x = fx, .dy = fdy, .stats = stats, .dweight = dw), t.n, &t.k,
             (Out[]){{dw, (size_t)c * 4}, {0}});
  got = from_floats(dw, c);
  for (int64_t i = 0; i < c; i++) got[i] -= dw0[i];
  double *one = new_doubles(c);
  for (int64_t i = 0; i < c; i++) one[i] = 1;
  if (t.n) check_gradient("layernorm_grad_weight", of_weight, &t, one, c, dy, count, got, 4e-7); /* 1.5e-7 */
}

static void test_layernorm(void **state) {
  for (int i = 0; i < 4 * SIZES; i++) {
    check_norm(sizes[i / 4], i % 4);
    free_buffers();
  }
}

/* Nothing may cancel where the mean is large beside the deviation. */
static void test_layernorm_shifted(void **state) {
  Norm t = {1, {1, 64, 0, 1e-5}, 0, 0, 0};
  double *x = new_random(64, 4095, 4097), *want = new_doubles(64);
  float *y = new_floats(64), *fx = as_floats(x, 64);
  run_kernel(KERNEL_layernorm, OPERANDS(layernorm, .x = fx, .y = y), 1, &t.k, (Out[]){{y, 256}, {0}});
  of_x(&t, x, want);
  check_close("layernorm, shifted", from_floats(y, 64), want, 64, 1e-7); /* 3.6e-8 */
}

static const struct CMUnitTest tests[] = {TEST(test_layernorm), TEST(test_layernorm_shifted)};
GROUP(layernorm_group, tests);
