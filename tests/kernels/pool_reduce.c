/* mean and softmax over the middle of (N, outer, reduce, inner). */
#include "tests/kernels/support.h"

typedef struct Reduce {
  int64_t n;
  MeanParams k;
} Reduce;
static const Reduce sizes[] = {{2, {3, 5, 1, 0}},  {1, {2, 16, 1, 0}}, {2, {1, 33, 1, 0}},
                               {1, {3, 4, 16, 0}}, {2, {2, 3, 19, 0}}, {1, {1, 1, 1, 0}},
                               {1, {1, 1, 5, 0}},  {0, {2, 3, 4, 0}},  {1, {2, 100, 3, 0}}};
#define SIZES (sizeof sizes / sizeof *sizes)

static void mean_twin(const void *context, const double *x, double *y) {
  const Reduce *t = context;
  for (int64_t i = 0; i < t->n * t->k.outer * t->k.inner; i++) {
    y[i] = 0;
    for (int64_t r = 0; r < t->k.reduce; r++)
      y[i] += x[(i / t->k.inner * t->k.reduce + r) * t->k.inner + i % t->k.inner] / (double)t->k.reduce;
  }
}
static void softmax_twin(const void *context, const double *x, double *y) {
  const Reduce *t = context;
  for (int64_t i = 0; i < t->n * t->k.outer * t->k.inner; i++) {
    int64_t at = i / t->k.inner * t->k.reduce * t->k.inner + i % t->k.inner;
    double max = -INFINITY, sum = 0;
    for (int64_t r = 0; r < t->k.reduce; r++) max = fmax(max, x[at + r * t->k.inner]);
    for (int64_t r = 0; r < t->k.reduce; r++) sum += exp(x[at + r * t->k.inner] - max);
    for (int64_t r = 0; r < t->k.reduce; r++) y[at + r * t->k.inner] = exp(x[at + r * t->k.inner] - max) / sum;
  }
}

/* Output of `count`: garbage, or numbers to be added to. */
static float *output(int64_t count, int64_t accumulate, double **before) {
  *before = accumulate ? new_random(count, -1, 1) : new_doubles(count);
  return accumulate ? as_floats(*before, count) : new_floats(count);
}

static void test_mean(void **state) {
  for (size_t i = 0; i < 2 * SIZES; i++) {
    Reduce t = sizes[i / 2];
    t.k.accumulate = i % 2;
    int64_t ys = t.n * t.k.outer * t.k.inner, xs = ys * t.k.reduce;
    double *x = new_random(xs, -1, 2), *dy = new_random(ys, -1, 1), *want = new_doubles(ys), *y0, *dx0;
    float *y = output(ys, i % 2, &y0), *dx = output(xs, i % 2, &dx0);
    run_kernel(KERNEL_mean, OPERANDS(mean, .x = as_floats(x, xs), .y = y), t.n, &t.k,
               (Out[]){{y, (size_t)ys * 4}, {0}});
    mean_twin(&t, x, want);
    for (int64_t j = 0; j < ys; j++) want[j] += y0[j];
    check_close("mean", from_floats(y, ys), want, ys, 2e-7); /* 5.7e-8 */
    run_kernel(KERNEL_mean_grad, OPERANDS(mean_grad, .dy = as_floats(dy, ys), .dx = dx), t.n, &t.k,
               (Out[]){{dx, (size_t)xs * 4}, {0}});
    double *got = from_floats(dx, xs);
    for (int64_t j = 0; j < xs; j++) got[j] -= dx0[j];
    check_gradient("mean_grad", mean_twin, &t, x, xs, dy, ys, got, 1e-5); /* 1.0e-6, of small numbers added to large */
  }
}

static void test_softmax(void **state) {
  for (size_t i = 0; i < 2 * SIZES; i++) {
    Reduce t = sizes[i / 2];
    t.k.accumulate = i % 2;
    int64_t count = t.n * t.k.outer * t.k.inner * t.k.reduce;
    double *x = new_random(count, -8, 8), *dy = new_random(count, -1, 1), *want = new_doubles(count), *y0, *dx0;
    float *y = output(count, i % 2, &y0), *dx = output(count, i % 2, &dx0);
    run_kernel(KERNEL_softmax, OPERANDS(softmax, .x = as_floats(x, count), .y = y), t.n, &t.k,
               (Out[]){{y, (size_t)count * 4}, {0}});
    softmax_twin(&t, x, want);
    float *exact = as_floats(want, count);
    for (int64_t j = 0; j < count; j++) want[j] += y0[j];
    check_close("softmax", from_floats(y, count), want, count, 4e-7); /* 2.5e-7 */
    run_kernel(KERNEL_softmax_grad, OPERANDS(softmax_grad, .y = exact, .dy = as_floats(dy, count), .dx = dx), t.n, &t.k,
               (Out[]){{dx, (size_t)count * 4}, {0}});
    double *got = from_floats(dx, count);
    for (int64_t j = 0; j < count; j++) got[j] -= dx0[j];
    if (t.k.reduce > 1) check_gradient("softmax_grad", softmax_twin, &t, x, count, dy, count, got, 3e-6); /* 5.3e-7 */
  }
}

/* Large logits must not overflow. */
static void test_softmax_large(void **state) {
  MeanParams k = {1, 3, 1, 0};
  float x[3] = {30000, 29999, -30000}, y[3];
  run_kernel(KERNEL_softmax, OPERANDS(softmax, .x = x, .y = y), 1, &k, (Out[]){{y, sizeof y}, {0}});
  check_close("softmax, large", from_floats(y, 3), (double[]){1 / (1 + exp(-1)), exp(-1) / (1 + exp(-1)), 0}, 3, 2e-7);
}

static const struct CMUnitTest tests[] = {TEST(test_mean), TEST(test_softmax), TEST(test_softmax_large)};
GROUP(reduce_group, tests);
