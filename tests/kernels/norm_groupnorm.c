/* Group normalisation of both layouts and its gradients. */
#include "tests/kernels/support.h"

typedef struct Norm {
  int64_t n;
  GroupNormParams k;
  const double *x, *weight, *bias; /* for the twins: what is not their argument */
} Norm;
static const Norm sizes[] = {
    /* n, groups, c, hw, row_major, accumulate, eps */
    {2, {2, 6, 12, 0, 0, 1e-5}, 0, 0, 0},  {1, {8, 32, 9, 0, 0, 1e-5}, 0, 0, 0}, {2, {3, 9, 17, 0, 0, 1e-3}, 0, 0, 0},
    {1, {1, 20, 5, 0, 0, 1e-5}, 0, 0, 0},  {1, {2, 64, 4, 0, 0, 1e-5}, 0, 0, 0}, {1, {5, 40, 3, 0, 0, 1e-5}, 0, 0, 0},
    {1, {2, 2, 300, 0, 0, 1e-5}, 0, 0, 0}, {0, {2, 4, 3, 0, 0, 1e-5}, 0, 0, 0},  {3, {2, 6, 1, 1, 0, 1e-5}, 0, 0, 0},
    {2, {4, 12, 17, 1, 0, 1e-5}, 0, 0, 0}, {2, {1, 3, 16, 1, 0, 1e-3}, 0, 0, 0}, {0, {2, 4, 3, 1, 0, 1e-5}, 0, 0, 0},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void apply(const Norm *t, const double *x, const double *weight, const double *bias, double *y) {
  const int64_t hw = t->k.hw, each = t->k.c / t->k.groups * hw;
  for (int64_t g = 0; g < t->n * t->k.groups; g++) {
    const double *group = x + g * each;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < each; i++) mean += group[i] / (double)each;
    for (int64_t i = 0; i < each; i++) variance += (group[i] - mean) * (group[i] - mean) / (double)each;
    for (int64_t i = 0; i < each; i++) {
      int64_t c = (g * each + i) / hw % t->k.c;
      y[g * each + i] = (group[i] - mean) / sqrt(variance + t->k.eps) * (weight ? weight[c] : 1) + (bias ? bias[c] : 0);
    }
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
static void of_bias(const void *context, const double *bias, double *y) {
  const Norm *t = context;
  apply(t, t->x, t->weight, bias, y);
}

static int64_t stored(const Norm *t) {
  return t->k.row_major ? t->n * t->k.c * t->k.hw : stored_count(t->n, t->k.c, t->k.hw);
}
static float *put(const Norm *t, const double *v) {
  return t->k.row_major ? as_floats(v, t->n * t->k.c * t->k.hw) : new_nchw16c(v, t->n, t->k.c, t->k.hw);
}
static double *take(const Norm *t, const float *v) {
  return t->k.row_major ? from_floats(v, t->n * t->k.c * t->k.hw) : from_nchw16c(v, t->n, t->k.c, t->k.hw);
}
static double *less(double *got, const double *before, int64_t count) {
  for (int64_t i = 0; i < count; i++) got[i] -= before[i];
  return got;
}

/* bits: 1 without weight and bias, 2 accumulate */
static void check_norm(Norm t, int bits) {
  int64_t c = t.k.c, count = t.n * c * t.k.hw;
  double *x = new_random(count, -1, 3), *dy = new_random(count, -1, 1), *want = new_doubles(count);
  double *w = bits & 1 ? NULL : new_random(c, 0.5, 2), *b = bits & 1 ? NULL : new_random(c, -1, 1);
  float *fw = w ? as_floats(w, c) : NULL, *fb = b ? as_floats(b, c) : NULL;
  as_floats(x, count), as_floats(dy, count); /* rounded */
  float *fx = put(&t, x), *fdy = put(&t, dy), *y = new_floats(stored(&t)), *stats = new_floats(2 * t.n * t.k.groups);
  t.x = x, t.weight = w, t.bias = b;
  run_kernel(KERNEL_groupnorm, OPERANDS(groupnorm, .x = fx, .weight = fw, .bias = fb, .y = y, .stats = stats), t.n,
             &t.k, (Out[]){{y, (size_t)stored(&t) * 4}, {stats, (size_t)(t.n * t.k.groups) * 8}, {0}});
  of_x(&t, x, want);
  check_close("groupnorm", take(&t, y), want, count, 3e-7); /* 1.0e-7 */
  float *without = new_floats(stored(&t));
  run_kernel(KERNEL_groupnorm, OPERANDS(groupnorm, .x = fx, .weight = fw, .bias = fb, .y = without), t.n, &t.k,
             (Out[]){{without, (size_t)stored(&t) * 4}, {0}});
  assert_memory_equal(without, y, (size_t)stored(&t) * 4);
  t.k.accumulate = bits >> 1;
  bool add = t.k.accumulate;
  double *dx0 = add ? new_random(count, -1, 1) : new_doubles(count), *dw0 = add ? new_random(c, -1, 1) : new_doubles(c),
         *db0 = add ? new_random(c, -1, 1) : new_doubles(c);
  as_floats(dx0, count);
  float *dx = add ? put(&t, dx0) : new_floats(stored(&t)), *dw = add ? as_floats(dw0, c) : new_floats(c),
        *db = add ? as_floats(db0, c) : new_floats(c);
  run_kernel(KERNEL_groupnorm_grad_input,
             OPERANDS(groupnorm_grad_input, .x = fx, .dy = fdy, .weight = fw, .stats = stats, .dx = dx), t.n, &t.k,
             (Out[]){{dx, (size_t)stored(&t) * 4}, {0}});
  check_gradient("groupnorm_grad_input", of_x, &t, x, count, dy, count, less(take(&t, dx), dx0, count),
                 6e-7); /* 1.8e-7 */
  run_kernel(KERNEL_groupnorm_grad_params,
             OPERANDS(groupnorm_grad_params, .x = fx, .dy = fdy, .stats = stats, .dweight = dw, .dbias = db), t.n, &t.k,
             (Out[]){{dw, (size_t)c * 4}, {db, (size_t)c * 4}, {0}});
  double *at_w = w ? w : new_doubles(c), *at_b = b ? b : new_doubles(c);
  for (int64_t i = 0; i < c && !w; i++) at_w[i] = 1;
  check_gradient("groupnorm_grad_params, weight", of_weight, &t, at_w, c, dy, count, less(from_floats(dw, c), dw0, c),
                 4e-7); /* 1.3e-7 */
  check_gradient("groupnorm_grad_params, bias", of_bias, &t, at_b, c, dy, count, less(from_floats(db, c), db0, c),
                 2e-7); /* 5.7e-8 */
}

static void test_groupnorm(void **state) {
  for (int i = 0; i < 4 * SIZES; i++) {
    check_norm(sizes[i / 4], i % 4);
    free_buffers();
  }
}

/* Nothing may cancel where the mean is large beside the deviation. */
static void test_groupnorm_shifted(void **state) {
  for (int row_major = 0; row_major <= 1; row_major++) {
    Norm t = {1, {2, 4, 48, row_major, 0, 1e-5}, 0, 0, 0};
    double *x = new_random(4 * 48, 4095, 4097), *want = new_doubles(4 * 48);
    float *y = new_floats(stored(&t));
    as_floats(x, 4 * 48);
    run_kernel(KERNEL_groupnorm, OPERANDS(groupnorm, .x = put(&t, x), .y = y), 1, &t.k,
               (Out[]){{y, (size_t)stored(&t) * 4}, {0}});
    of_x(&t, x, want);
    check_close("groupnorm, shifted", take(&t, y), want, 4 * 48, 2e-7); /* 5.9e-8 */
    free_buffers();
  }
}

static const struct CMUnitTest tests[] = {TEST(test_groupnorm), TEST(test_groupnorm_shifted)};
GROUP(groupnorm_group, tests);
