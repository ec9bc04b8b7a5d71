/* Batch normalisation against a twin in double: statistics of hard inputs, application, gradients by finite
 * differences through the batch's mean and variance. */
#include "tests/kernels/support.h"

typedef struct Size {
  int64_t n, c, hw, plain;
} Size;
static const Size sizes[] = {{2, 16, 9, 0}, {3, 21, 4, 0}, {5, 1, 1, 0}, {3, 5, 1, 1},
                             {4, 16, 1, 1}, {7, 19, 1, 1}, {1, 3, 30, 0}};
#define SIZES (sizeof sizes / sizeof *sizes)

static int64_t numbers(const Size *s) { return s->n * s->c * s->hw; }
static int64_t stored(const Size *s) { return s->plain ? numbers(s) : stored_count(s->n, s->c, s->hw); }
static float *put(const Size *s, const double *v) {
  return s->plain ? as_floats(v, numbers(s)) : new_nchw16c(v, s->n, s->c, s->hw);
}
static double *get(const Size *s, const float *v) {
  return s->plain ? from_floats(v, numbers(s)) : from_nchw16c(v, s->n, s->c, s->hw);
}
static Out out_floats(float *at, int64_t count) { return (Out){at, (size_t)count * 4}; }

/* ---- statistics ---- */

typedef struct Stats {
  float *mean, *inv_std, *running_mean, *running_var;
  int64_t tracked;
} Stats;

static Stats run_stats(const Size *s, const double *x, const BatchNormParams *k, double start) {
  int64_t padded = BLOCKS(s->c) * LANES;
  Stats st = {new_floats(padded), new_floats(padded), new_floats(s->c), new_floats(s->c), 41};
  for (int64_t c = 0; c < s->c; c++) st.running_mean[c] = (float)start, st.running_var[c] = (float)start;
  run_kernel(KERNEL_batchnorm_stats,
             OPERANDS(batchnorm_stats, .x = put(s, x), .mean = st.mean, .inv_std = st.inv_std,
                      .running_mean = st.running_mean, .running_var = st.running_var,
                      .num_batches_tracked = &st.tracked),
             s->n, k,
             (Out[]){out_floats(st.mean, padded),
                     out_floats(st.inv_std, padded),
                     out_floats(st.running_mean, s->c),
                     out_floats(st.running_var, s->c),
                     {&st.tracked, 8},
                     {0}});
  for (int64_t c = s->c; c < padded; c++) assert_true(st.mean[c] == 0 && st.inv_std[c] == 0);
  return st;
}

static void moments(const Size *s, const double *x, int64_t c, double *mean, double *var) {
  double count = (double)(s->n * s->hw), sum = 0, squares = 0;
  for (int64_t i = 0; i < s->n * s->hw; i++) sum += x[(i / s->hw * s->c + c) * s->hw + i % s->hw];
  for (int64_t i = 0; i < s->n * s->hw; i++) {
    double d = x[(i / s->hw * s->c + c) * s->hw + i % s->hw] - sum / count;
    squares += d * d;
  }
  *mean = sum / count;
  *var = squares / count;
}

/* A channel's values: deviation about a mean, with now and then an outlier, by kind. */
static void fill_hard(const Size *s, double *x, double mean, double deviation, int outlier) {
  for (int64_t i = 0; i < numbers(s); i++) {
    double v = mean + deviation * (random_uniform(-1, 1) + random_uniform(-1, 1));
    x[i] = (float)(outlier && i % (s->hw * s->c) < 1 ? mean + 1000 * deviation : v);
  }
}

static void test_stats(void **state) {
  static const Size big[] = {{3, 5, 400, 0}, {2, 17, 130, 0}, {40, 3, 7, 0}, {300, 6, 1, 1}, {2, 3, 12544, 0}};
  static const struct {
    double mean, deviation;
    int outlier;
  } kinds[] = {{0, 1, 0}, {1000, 0.01, 0}, {-30000, 1, 0}, {0, 1, 1}, {1e-17, 1e-15, 0}, {5, 0, 0}, {1e6, 100, 1}};
  for (size_t i = 0; i < SIZES + sizeof big / sizeof *big; i++)
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
      const Size *s = i < SIZES ? &sizes[i] : &big[i - SIZES];
      BatchNormParams k = {
          .c = s->c, .hw = s->hw, .row_major = s->plain, .eps = kind == 4 ? 1e-40 : 1e-5, .momentum = 0.1};
      double *x = new_doubles(numbers(s)), got[2], want[2];
      fill_hard(s, x, kinds[kind].mean, kinds[kind].deviation, kinds[kind].outlier);
      Stats st = run_stats(s, x, &k, 0);
      assert_int_equal(st.tracked, 42);
      double m = (double)(s->n * s->hw);
      for (int64_t c = 0; c < s->c; c++) {
        double mean, var;
        moments(s, x, c, &mean, &var);
        /* a mean is judged by itself or by the deviation, whichever is larger: hence pairs */
        got[0] = st.mean[c], want[0] = mean, got[1] = want[1] = sqrt(var);
        check_close("batchnorm_stats, mean", got, want, 2, 2e-7); /* 6.0e-8 */
        got[0] = st.running_mean[c], want[0] = 0.1 * mean, got[1] = want[1] = 0.1 * sqrt(var);
        check_close("batchnorm_stats, running_mean", got, want, 2, 2e-7); /* 6.0e-8 */
        got[0] = st.inv_std[c], want[0] = 1 / sqrt(var + k.eps);
        check_close("batchnorm_stats, inv_std", got, want, 1, 1e-6); /* 1.4e-7 */
        got[0] = st.running_var[c], want[0] = 0.1 * (m > 1 ? var * m / (m - 1) : 0);
        check_close("batchnorm_stats, running_var", got, want, 1, 1e-6); /* 2.5e-7 */
      }
      free_buffers();
    }
}

static void test_stats_of_little(void **state) {
  Size one = {1, 3, 1, 1}, none = {0, 3, 4, 0};
  const double x[3] = {5, -7, 1e30};
  BatchNormParams k = {.c = 3, .hw = 1, .row_major = 1, .eps = 1e-5, .momentum = 0.1};
  Stats st = run_stats(&one, x, &k, 2);
  for (int i = 0; i < 3; i++) {
    assert_true(st.mean[i] == (float)x[i] && fabs(st.inv_std[i] - 1 / sqrt(1e-5)) < 1e-3);
    assert_true(fabs(st.running_var[i] - 1.8) < 1e-6);
  }
  k = (BatchNormParams){.c = 3, .hw = 4, .eps = 1e-5, .momentum = 0.1};
  st = run_stats(&none, x, &k, 2);
  for (int i = 0; i < 3; i++)
    assert_true(st.mean[i] == 0 && isfinite(st.inv_std[i]) && st.running_mean[i] == 2 && st.running_var[i] == 2);
  assert_int_equal(st.tracked, 41);
}

/* ---- application and gradients ---- */

/* What stands still while one input of the whole function is moved. */
typedef struct Layer {
  Size s;
  BatchNormParams k;
  const double *x, *weight, *bias, *residual, *mean, *var; /* mean, var: the running ones */
  int moved;                                               /* 0 x, 1 weight, 2 bias, 3 residual */
} Layer;

static double activated(double z, int64_t activation) {
  switch (activation) {
  case ACT_RELU: return z > 0 ? z : 0;
  case ACT_RELU6: return fmin(fmax(z, 0), 6);
  case ACT_SIGMOID: return 1 / (1 + exp(-z));
  case ACT_TANH: return tanh(z);
  case ACT_GELU: return z * 0.5 * erfc(-z / sqrt(2));
  default: return z;
  }
}

static void layer_twin(const void *context, const double *moved, double *y) {
  Layer l = *(const Layer *)context;
  *(l.moved == 0 ? &l.x : l.moved == 1 ? &l.weight : l.moved == 2 ? &l.bias : &l.residual) = moved;
  for (int64_t c = 0; c < l.s.c; c++) {
    double mean, var;
    if (l.k.use_running) mean = l.mean[c], var = l.var[c];
    else moments(&l.s, l.x, c, &mean, &var);
    for (int64_t i = 0; i < l.s.n * l.s.hw; i++) {
      int64_t at = (i / l.s.hw * l.s.c + c) * l.s.hw + i % l.s.hw;
      double z = (l.x[at] - mean) / sqrt(var + l.k.eps);
      if (l.k.affine) z = z * l.weight[c] + l.bias[c];
      if (l.k.has_residual) z += l.residual[at];
      y[at] = activated(z, l.k.activation);
    }
  }
}

typedef struct Run {
  Layer l;
  float *x, *mean, *inv_std, *weight, *bias, *residual, *y;
  double *twin;
} Run;

/* True when moving an input by a small step could carry a value over a kink of relu or relu6. */
static int near_kink(const Layer *l) {
  Layer before = *l;
  double *z = new_doubles(numbers(&l->s));
  int near = 0;
  before.k.activation = ACT_NONE;
  layer_twin(&before, l->x, z);
  for (int64_t i = 0; i < numbers(&l->s); i++) near |= fabs(z[i]) < 1e-3 || fabs(z[i] - 6) < 1e-3;
  return near && (l->k.activation == ACT_RELU || l->k.activation == ACT_RELU6);
}

static Run run_forward(const Size *s, const BatchNormParams *k) {
  int64_t count = numbers(s);
  double *x = new_random(count, -2, 4), *weight = new_random(s->c, 0.5, 1.5), *bias = new_random(s->c, -1, 1);
  for (int64_t i = 0; i < count; i++) x[i] = (float)(x[i] + 0.07 * x[i] * x[i]); /* no value is its channel's mean */
  double *residual = new_random(count, -1, 1), *mean = new_random(s->c, 0, 1), *var = new_random(s->c, 0.5, 2);
  Run r = {{*s, *k, x, weight, bias, residual, mean, var, 0}, put(s, x), 0, 0, 0, 0, 0, 0, new_doubles(count)};
  if (k->use_running) r.mean = as_floats(mean, s->c), r.inv_std = as_floats(var, s->c);
  else {
    Stats st = run_stats(s, x, k, 0);
    r.mean = st.mean, r.inv_std = st.inv_std;
  }
  if (k->affine) r.weight = as_floats(weight, s->c), r.bias = as_floats(bias, s->c);
  if (k->has_residual) r.residual = put(s, residual);
  double *before = k->accumulate ? new_random(count, -1, 1) : new_doubles(count);
  r.y = k->accumulate ? put(s, before) : new_floats(stored(s));
  run_kernel(KERNEL_batchnorm_apply,
             OPERANDS(batchnorm_apply, .x = r.x, .mean = r.mean, .inv_std = r.inv_std, .weight = r.weight,
                      .bias = r.bias, .residual = r.residual, .y = r.y),
             s->n, k, (Out[]){out_floats(r.y, stored(s)), {0}});
  layer_twin(&r.l, x, r.twin);
  double *want = new_doubles(count);
  for (int64_t i = 0; i < count; i++) want[i] = r.twin[i] + before[i];
  check_close("batchnorm_apply", get(s, r.y), want, count, 1e-6); /* 2.1e-7 */
  return r;
}

static void run_backward(const Size *s, const BatchNormParams *k, Run *r) {
  int64_t count = numbers(s), padded = BLOCKS(s->c) * LANES;
  double *dy = new_random(count, -1, 1.3); /* no sum of them is 0 */
  float *fdy = put(s, dy), *y = k->activation && !k->no_y ? put(s, r->twin) : NULL, *sums = new_floats(2 * padded);
  run_kernel(KERNEL_batchnorm_grad_sums,
             OPERANDS(batchnorm_grad_sums, .x = r->x, .dy = fdy, .y = y, .mean = r->mean, .inv_std = r->inv_std,
                      .weight = r->weight, .bias = r->bias, .sums = sums),
             s->n, k, (Out[]){out_floats(sums, 2 * padded), {0}});
  for (int64_t c = s->c; c < padded; c++) assert_true(sums[c] == 0 && sums[padded + c] == 0);

  double *before_c = k->accumulate ? new_random(s->c, -1, 1) : new_doubles(s->c);
  float *dweight = as_floats(before_c, s->c), *dbias = as_floats(before_c, s->c);
  run_kernel(KERNEL_batchnorm_grad_params,
             OPERANDS(batchnorm_grad_params, .sums = sums, .dweight = dweight, .dbias = dbias), s->n, k,
             (Out[]){out_floats(dweight, s->c), out_floats(dbias, s->c), {0}});
  double *before = k->accumulate ? new_random(count, -1, 1) : new_doubles(count);
  float *dx = k->accumulate ? put(s, before) : new_floats(stored(s));
  double *before_r = k->residual_accumulate ? new_random(count, -1, 1) : new_doubles(count);
  float *dr = k->residual_accumulate ? put(s, before_r) : new_floats(stored(s));
  if (!k->has_residual) dr = NULL;
  Out outs[3] = {out_floats(dx, stored(s)), dr ? out_floats(dr, stored(s)) : (Out){0}, {0}};
  run_kernel(KERNEL_batchnorm_grad_input,
             OPERANDS(batchnorm_grad_input, .x = k->use_running ? NULL : r->x, .dy = fdy, .y = y, .mean = r->mean,
                      .inv_std = r->inv_std, .weight = r->weight, .bias = r->bias, .sums = k->use_running ? NULL : sums,
                      .dx = dx, .dresidual = dr),
             s->n, k, outs);

  double *got = get(s, dx), *got_w = from_floats(dweight, s->c), *got_b = from_floats(dbias, s->c);
  for (int64_t i = 0; i < count; i++) got[i] -= before[i];
  for (int64_t c = 0; c < s->c; c++) got_w[c] -= before_c[c], got_b[c] -= before_c[c];
  check_gradient("batchnorm dx", layer_twin, &r->l, r->l.x, count, dy, count, got, 3e-6); /* 7.0e-7 */
  if (k->affine) {
    r->l.moved = 1;
    check_gradient("batchnorm dweight", layer_twin, &r->l, r->l.weight, s->c, dy, count, got_w, 3e-6); /* 3.7e-7 */
    r->l.moved = 2;
    check_gradient("batchnorm dbias", layer_twin, &r->l, r->l.bias, s->c, dy, count, got_b,
                   3e-6); /* 1.7e-6, of sums near 0 */
  }
  if (!k->has_residual) return;
  r->l.moved = 3;
  got = get(s, dr);
  for (int64_t i = 0; i < count; i++) got[i] -= before_r[i];
  check_gradient("batchnorm dresidual", layer_twin, &r->l, r->l.residual, count, dy, count, got, 2e-6); /* 2.3e-7 */
}

static void test_layer(void **state) {
  static const int64_t activations[] = {ACT_NONE, ACT_RELU, ACT_RELU6, ACT_SIGMOID, ACT_TANH, ACT_GELU};
  for (size_t i = 0; i < SIZES; i++)
    for (int bits = 0; bits < 16; bits++)
      for (size_t a = 0; a < 6; a++) {
        BatchNormParams k = {.c = sizes[i].c,
                             .hw = sizes[i].hw,
                             .row_major = sizes[i].plain,
                             .affine = bits & 1,
                             .activation = activations[a],
                             .has_residual = bits >> 1 & 1,
                             .use_running = bits >> 2 & 1,
                             .accumulate = bits >> 3,
                             .residual_accumulate = (bits ^ bits >> 3) & 1,
                             .eps = 1e-3,
                             .momentum = 0.1};
        seed_random((uint64_t)(i * 100 + (size_t)bits * 6 + a));
        Run r = run_forward(&sizes[i], &k);
        for (int tries = 0; near_kink(&r.l); tries++) {
          assert_true(tries < 100);
          free_buffers();
          r = run_forward(&sizes[i], &k);
        }
        if (activations[a] != ACT_GELU) run_backward(&sizes[i], &k, &r);
        k.no_y = 1;
        r.l.moved = 0;
        if ((activations[a] == ACT_RELU || activations[a] == ACT_RELU6) && !k.has_residual && !k.use_running)
          run_backward(&sizes[i], &k, &r);
        free_buffers();
      }
}

/* A batch of none: nothing is touched, the sums are zero. */
static void test_empty(void **state) {
  Size s = {0, 5, 3, 0};
  BatchNormParams k = {.c = 5, .hw = 3, .affine = 1, .eps = 1e-5, .momentum = 0.1};
  Run r = run_forward(&s, &k);
  float *sums = new_floats(32);
  run_kernel(KERNEL_batchnorm_grad_sums,
             OPERANDS(batchnorm_grad_sums, .x = r.x, .dy = r.x, .mean = r.mean, .inv_std = r.inv_std, .sums = sums), 0,
             &k, (Out[]){out_floats(sums, 32), {0}});
  for (int i = 0; i < 32; i++) assert_true(sums[i] == 0);
}

static const struct CMUnitTest tests[] = {TEST(test_stats), TEST(test_stats_of_little), TEST(test_layer),
                                          TEST(test_empty)};
GROUP(norm_group, tests);
