/* activation, its gradient, add, copy, scale, dropout. */
#include "tests/kernels/support.h"

typedef struct Act {
  int64_t activation;
  double slope;
  int64_t count;
} Act;

static double act(double x, const Act *a) {
  switch (a->activation) {
  case ACT_RELU: return x > 0 ? x : 0;
  case ACT_RELU6: return fmin(fmax(x, 0), 6);
  case ACT_LEAKY_RELU: return x > 0 ? x : x * a->slope;
  case ACT_SIGMOID: return 1 / (1 + exp(-x));
  case ACT_TANH: return tanh(x);
  case ACT_GELU: return x * 0.5 * erfc(-x / sqrt(2));
  case ACT_GELU_TANH: return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  default: return x;
  }
}
static void act_all(const void *context, const double *x, double *y) {
  const Act *a = context;
  for (int64_t i = 0; i < a->count; i++) y[i] = act(x[i], a);
}

/* c == 0: `count` elements; else NCHW16c of (c, hw) */
typedef struct Size {
  int64_t n, c, hw, count;
} Size;
static const Size sizes[] = {{2, 0, 0, 40}, {3, 0, 0, 7}, {1, 0, 0, 1}, {2, 16, 9, 0},  {2, 21, 5, 0},
                             {1, 1, 1, 0},  {0, 0, 0, 9}, {0, 3, 4, 0}, {1, 3, 700, 0}, {1, 0, 0, 20011}};
#define EACH_SIZE(s) for (const Size *s = sizes; s < sizes + sizeof sizes / sizeof *sizes; s++)

static int64_t numbers(const Size *s) { return s->n * (s->c ? s->c * s->hw : s->count); }
static int64_t stored(const Size *s) { return s->c ? stored_count(s->n, s->c, s->hw) : s->n * s->count; }
static float *put(const Size *s, const double *v) {
  return s->c ? new_nchw16c(v, s->n, s->c, s->hw) : as_floats(v, numbers(s));
}
static double *get(const Size *s, const float *v) {
  return s->c ? from_nchw16c(v, s->n, s->c, s->hw) : from_floats(v, numbers(s));
}
static ElementwiseParams constants(const Size *s, int64_t activation, double slope, int64_t accumulate) {
  return (ElementwiseParams){.count = s->c ? BLOCKS(s->c) * s->hw * LANES : s->count,
                             .c = s->c,
                             .hw = s->hw,
                             .activation = activation,
                             .accumulate = accumulate,
                             .slope = slope,
                             .inputs = 1};
}
/* What an output holds before: garbage, or, to be added to, numbers, which are subtracted again by `less`. */
static float *output(const Size *s, int64_t accumulate, double **before) {
  *before = accumulate ? new_random(numbers(s), -1, 1) : new_doubles(numbers(s));
  return accumulate ? put(s, *before) : new_floats(stored(s));
}
static double *plus(double *a, const double *b, int64_t count) {
  for (int64_t i = 0; i < count; i++) a[i] += b[i];
  return a;
}

static const struct {
  const char *label, *grad_label;
  Act act;
} acts[] = {{"relu", "relu gradient", {ACT_RELU, 0, 0}},
            {"relu6", "relu6 gradient", {ACT_RELU6, 0, 0}},
            {"leaky relu", "leaky relu gradient", {ACT_LEAKY_RELU, 0.01, 0}},
            {"leaky relu, slope -2", "leaky relu, slope -2, gradient", {ACT_LEAKY_RELU, -2, 0}},
            {"sigmoid", "sigmoid gradient", {ACT_SIGMOID, 0, 0}},
            {"tanh", "tanh gradient", {ACT_TANH, 0, 0}},
            {"gelu", "gelu gradient", {ACT_GELU, 0, 0}},
            {"gelu tanh", "gelu tanh gradient", {ACT_GELU_TANH, 0, 0}},
            {"no activation", "no activation, gradient", {ACT_NONE, 0, 0}}};
#define ACTS (sizeof acts / sizeof *acts)

static void test_activation(void **state) {
  EACH_SIZE(s)
  for (size_t a = 0; a < ACTS; a++)
    for (int64_t accumulate = 0; accumulate < 2; accumulate++) {
      ElementwiseParams k = constants(s, acts[a].act.activation, acts[a].act.slope, accumulate);
      double *x = new_random(numbers(s), -9, 9), *want = new_doubles(numbers(s)), *before;
      Act twin = {k.activation, k.slope, numbers(s)};
      act_all(&twin, x, want);
      float *y = output(s, accumulate, &before);
      run_kernel(KERNEL_activation, OPERANDS(activation, .x = put(s, x), .y = y), s->n, &k,
                 (Out[]){{y, (size_t)stored(s) * 4}, {0}});
      check_close(acts[a].label, get(s, y), plus(want, before, numbers(s)), numbers(s), 3e-7); /* 8.9e-8 */
    }
}

static void test_activation_in_place(void **state) {
  Size s = {2, 21, 5, 0};
  double *x = new_random(numbers(&s), -9, 9), *want = new_doubles(numbers(&s));
  Act twin = {ACT_SIGMOID, 0, numbers(&s)};
  act_all(&twin, x, want);
  float *y = put(&s, x);
  ElementwiseParams k = constants(&s, ACT_SIGMOID, 0, 0);
  run_kernel(KERNEL_activation, OPERANDS(activation, .x = y, .y = y), s.n, &k,
             (Out[]){{y, (size_t)stored(&s) * 4}, {0}});
  check_close("sigmoid in place", get(&s, y), want, numbers(&s), 3e-7); /* 8.5e-8 */
}

/* The one of x and y that is not to be read is NULL. */
static void test_activation_grad(void **state) {
  EACH_SIZE(s)
  for (size_t a = 0; a < ACTS; a++)
    for (int64_t accumulate = 0; accumulate < 2; accumulate++) {
      int64_t count = numbers(s), activation = acts[a].act.activation;
      ElementwiseParams k = constants(s, activation, acts[a].act.slope, accumulate);
      double *x = new_random(count, -9.01, 9), *y = new_doubles(count), *dy = new_random(count, -1, 1), *before;
      Act twin = {k.activation, k.slope, count};
      act_all(&twin, x, y);
      int reads_x = activation >= ACT_GELU || (activation == ACT_LEAKY_RELU && k.slope <= 0);
      float *dx = output(s, accumulate, &before);
      run_kernel(KERNEL_activation_grad,
                 OPERANDS(activation_grad, .x = reads_x ? put(s, x) : NULL, .y = reads_x ? NULL : put(s, y),
                          .dy = put(s, dy), .dx = dx),
                 s->n, &k, (Out[]){{dx, (size_t)stored(s) * 4}, {0}});
      double *got = get(s, dx);
      for (int64_t i = 0; i < count; i++) {
        twin.count = 1;
        double up, down, step = 1e-5;
        act_all(&twin, (double[]){x[i] + step}, &up);
        act_all(&twin, (double[]){x[i] - step}, &down);
        y[i] = dy[i] * (up - down) / (2 * step) + before[i];
      }
      check_close(acts[a].grad_label, got, y, count, 6e-7); /* 2.0e-7 */
    }
}

static void test_add_and_copy(void **state) {
  EACH_SIZE(s)
  for (size_t a = 0; a < ACTS; a++)
    for (int64_t accumulate = 0; accumulate < 2; accumulate++) {
      int64_t count = numbers(s);
      Out outs[2] = {{0}, {0}};
      double *left = new_random(count, -3, 3), *right = new_random(count, -3, 3), *want = new_doubles(count), *before;
      ElementwiseParams k = constants(s, acts[a].act.activation, acts[a].act.slope, accumulate);
      for (int64_t i = 0; i < count; i++) want[i] = act((float)((float)left[i] + (float)right[i]), &acts[a].act);
      float *y = output(s, accumulate, &before);
      outs[0] = (Out){y, (size_t)stored(s) * 4};
      run_kernel(KERNEL_add, OPERANDS(add, .a = put(s, left), .b = put(s, right), .y = y), s->n, &k, outs);
      check_close("add", get(s, y), plus(want, before, count), count, 4e-7); /* 1.0e-7 */

      k = constants(s, ACT_NONE, 0, accumulate);
      y = output(s, accumulate, &before);
      outs[0].at = y;
      run_kernel(KERNEL_copy, OPERANDS(copy, .x = put(s, left), .y = y), s->n, &k, outs);
      check_close("copy", get(s, y), plus(left, before, count), count, 1e-7); /* 3.9e-8; without accumulate 0 */
    }
}

static void test_scale(void **state) {
  const double factors[] = {0.3, -1, 0, 1e-40, 3e38};
  EACH_SIZE(s)
  for (size_t f = 0; f < sizeof factors / sizeof *factors; f++)
    for (int64_t accumulate = 0; accumulate < 2; accumulate++) {
      int64_t count = numbers(s);
      ElementwiseParams k = constants(s, ACT_NONE, factors[f], accumulate);
      double *x = new_random(count, -1, 1), *want = new_doubles(count), *before;
      for (int64_t i = 0; i < count; i++) want[i] = (double)(float)x[i] * (double)(float)factors[f];
      float *y = output(s, accumulate, &before);
      run_kernel(KERNEL_scale, OPERANDS(scale, .x = put(s, x), .y = y), s->n, &k,
                 (Out[]){{y, (size_t)stored(s) * 4}, {0}});
      check_close("scale", get(s, y), plus(want, before, count), count, 4e-7);
    }
}

static void test_scale_in_place(void **state) {
  Size s = {2, 21, 5, 0};
  double *x = new_random(numbers(&s), -9, 9), *want = new_doubles(numbers(&s));
  for (int64_t i = 0; i < numbers(&s); i++) want[i] = -2 * (double)(float)x[i];
  float *y = put(&s, x);
  ElementwiseParams k = constants(&s, ACT_NONE, -2, 0);
  run_kernel(KERNEL_scale, OPERANDS(scale, .x = y, .y = y), s.n, &k, (Out[]){{y, (size_t)stored(&s) * 4}, {0}});
  check_close("scale in place", get(&s, y), want, numbers(&s), 0);
}

static void test_not_a_number(void **state) {
  Size s = {1, 0, 0, 3};
  float x[3] = {NAN, INFINITY, -INFINITY};
  for (size_t a = 0; a < ACTS; a++) {
    ElementwiseParams k = constants(&s, acts[a].act.activation, 0.01, 0);
    float *y = new_floats(3);
    run_kernel(KERNEL_activation, OPERANDS(activation, .x = x, .y = y), 1, &k, (Out[]){{y, 12}, {0}});
    assert_true(isnan(y[0]));
    assert_true(y[1] == (float)act(INFINITY, &acts[a].act));
  }
}

/* ---- dropout ---- */

static float *dropped(int64_t n, const DropoutParams *k, uint64_t seed, uint64_t step, const float *x) {
  float *y = new_floats(n * k->count);
  uint64_t rng[2] = {seed, step};
  run_kernel(KERNEL_dropout, OPERANDS(dropout, .x = x, .rng = rng, .y = y), n, k,
             (Out[]){{y, (size_t)(n * k->count) * 4}, {0}});
  return y;
}

static void test_dropout(void **state) {
  const double rates[] = {0, 0.1, 0.5, 0.9, 1};
  int64_t n = 3, count = 33333, all = n * count;
  float *x = new_floats(all), *x2 = new_floats(all);
  for (int64_t i = 0; i < all; i++) x[i] = 1 + (float)(i % 7), x2[i] = 2 * x[i];
  for (size_t r = 0; r < 5; r++) {
    DropoutParams k = {.count = count, .layer = 4, .p = rates[r]};
    float *y = dropped(n, &k, 7, 100, x), *again = dropped(n, &k, 7, 100, x2);
    int64_t zeros = 0, pairs = 0;
    for (int64_t i = 0; i < all; i++) {
      zeros += y[i] == 0;
      pairs += i > 0 && y[i] == 0 && y[i - 1] == 0;
      if (y[i] != 0) assert_true(fabs(y[i] - x[i] / (1 - rates[r])) <= 1e-6 * fabs(y[i]));
      assert_true(again[i] == 2 * y[i]); /* the same mask for another input: the gradient's */
    }
    double p = rates[r], share = (double)zeros / (double)all, both = (double)pairs / (double)(all - 1);
    double five_sigma = 5 * sqrt(p * (1 - p) / (double)all);
    assert_true(fabs(share - p) <= five_sigma);
    assert_true(fabs(both - p * p) <= 2 * five_sigma + 1e-4); /* neighbours are independent */
  }
}

static void test_dropout_streams(void **state) {
  int64_t count = 4096;
  float *x = new_floats(count);
  for (int64_t i = 0; i < count; i++) x[i] = 1;
  DropoutParams k = {.count = count, .layer = 1, .p = 0.5}, other_layer = {.count = count, .layer = 2, .p = 0.5};
  const float *y[4] = {dropped(1, &k, 1, 1, x), dropped(1, &k, 2, 1, x), dropped(1, &k, 1, 2, x),
                       dropped(1, &other_layer, 1, 1, x)};
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < a; b++) {
      int64_t same = 0;
      for (int64_t i = 0; i < count; i++) same += y[a][i] == y[b][i];
      assert_true(llabs(same - count / 2) < 5 * 32); /* five standard deviations of fair coins */
    }
  k.accumulate = 1;
  float *sum = new_floats(count);
  memcpy(sum, x, (size_t)count * 4);
  uint64_t rng[2] = {1, 1};
  run_kernel(KERNEL_dropout, OPERANDS(dropout, .x = x, .rng = rng, .y = sum), 1, &k,
             (Out[]){{sum, (size_t)count * 4}, {0}});
  for (int64_t i = 0; i < count; i++) assert_true(sum[i] == y[0][i] + 1);
  x[5] = NAN; /* what is dropped is zero, whatever it was */
  x[6] = INFINITY;
  k = (DropoutParams){.count = count, .p = 1};
  float *none = dropped(1, &k, 1, 1, x);
  for (int64_t i = 0; i < count; i++) assert_true(none[i] == 0);
}

static const struct CMUnitTest tests[] = {
    TEST(test_activation),     TEST(test_activation_in_place), TEST(test_activation_grad), TEST(test_add_and_copy),
    TEST(test_scale),          TEST(test_scale_in_place),      TEST(test_not_a_number),    TEST(test_dropout),
    TEST(test_dropout_streams)};
GROUP(elementwise_group, tests);
