/* Losses and their gradients. */
#include "tests/kernels/support.h"

typedef struct Entropy {
  int64_t n;
  CrossEntropyParams k;
  const int32_t *target;
  const float *weights;
} Entropy;

static void entropy_twin(const void *context, const double *z, double *loss) {
  const Entropy *t = context;
  int64_t classes = t->k.classes, positions = t->k.positions;
  double sum = 0, divisor = 0;
  for (int64_t i = 0; i < t->n * positions; i++) {
    const double *at = z + i / positions * classes * positions + i % positions;
    if (t->target[i] < 0 || t->target[i] >= classes || t->target[i] == t->k.ignore) continue;
    double max = -INFINITY, total = 0;
    for (int64_t c = 0; c < classes; c++) max = fmax(max, at[c * positions]);
    for (int64_t c = 0; c < classes; c++) total += exp(at[c * positions] - max);
    double own = t->weights ? t->weights[t->target[i]] : 1;
    sum += (1 - t->k.smoothing) * own * (log(total) + max - at[t->target[i] * positions]);
    for (int64_t c = 0; c < classes; c++)
      sum +=
          t->k.smoothing / (double)classes * (t->weights ? t->weights[c] : 1) * (log(total) + max - at[c * positions]);
    divisor += own;
  }
  *loss = sum / divisor;
}

static void test_cross_entropy(void **state) {
  static const struct {
    int64_t n, classes, positions;
  } sizes[] = {{5, 10, 1}, {3, 2, 1}, {4, 16, 1}, {2, 37, 1}, {1, 3, 1}, {2, 5, 7}, {1, 4, 33}, {2, 1, 1}, {1, 3, 16}};
  for (size_t i = 0; i < 4 * (sizeof sizes / sizeof *sizes); i++) {
    int64_t n = sizes[i / 4].n, classes = sizes[i / 4].classes, positions = sizes[i / 4].positions;
    int64_t count = n * classes * positions, targets = n * positions;
    int32_t *target = new_buffer((size_t)targets * 4);
    for (int64_t j = 0; j < targets; j++) target[j] = (int32_t)random_uniform(0, (double)classes - 1e-9);
    if (targets > 2) target[1] = -100, target[2] = 1 << 30; /* ignored; and never an address */
    double *w = new_random(classes, 0.5, 2), *z = new_random(count, -6, 6), want;
    Entropy t = {n,
                 {classes, positions, i & 1, i & 2 ? 0.1 : 0, 0, classes > 2 && i % 8 >= 4 ? 0 : -100},
                 target,
                 i & 1 ? as_floats(w, classes) : NULL};
    float *loss = new_floats(1), *dz = new_floats(count), *logits = as_floats(z, count);
    run_kernel(
        KERNEL_cross_entropy,
        OPERANDS(cross_entropy, .logits = logits, .target = target, .weights = t.weights, .loss = loss, .dlogits = dz),
        n, &t.k, (Out[]){{loss, 4}, {dz, (size_t)count * 4}, {0}});
    entropy_twin(&t, z, &want);
    check_close("cross_entropy", from_floats(loss, 1), &want, 1, 3e-7); /* 6.6e-8 */
    if (classes > 1)
      check_gradient("cross_entropy, dlogits", entropy_twin, &t, z, count, (double[]){1}, 1, from_floats(dz, count),
                     5e-7); /* 1.1e-7 */
    float alone = *loss;    /* without the gradient: the same loss */
    run_kernel(KERNEL_cross_entropy,
               OPERANDS(cross_entropy, .logits = logits, .target = target, .weights = t.weights, .loss = loss), n, &t.k,
               (Out[]){{loss, 4}, {0}});
    assert_memory_equal(loss, &alone, 4);
  }
}

static void test_cross_entropy_borders(void **state) {
  CrossEntropyParams k = {3, 1, 0, 0, 0, -100};
  float z[6] = {1e4f, -1e4f, 0, 0, 88, 89}, dz[6], loss;
  int32_t target[2] = {1, -100};
  Out outs[3] = {{&loss, 4}, {dz, sizeof dz}, {0}};
  run_kernel(KERNEL_cross_entropy, OPERANDS(cross_entropy, .logits = z, .target = target, .loss = &loss, .dlogits = dz),
             2, &k, outs);
  assert_true(loss == 2e4f && dz[0] == 1 && dz[1] == -1 && dz[2] == 0 && dz[3] == 0 && dz[4] == 0 && dz[5] == 0);
  target[0] = 3; /* nothing counts: the mean of nothing, and no gradient */
  run_kernel(KERNEL_cross_entropy, OPERANDS(cross_entropy, .logits = z, .target = target, .loss = &loss, .dlogits = dz),
             2, &k, outs);
  assert_true(isnan(loss));
  for (int i = 0; i < 6; i++) assert_true(dz[i] == 0);
  run_kernel(KERNEL_cross_entropy, OPERANDS(cross_entropy, .logits = z, .target = target, .loss = &loss, .dlogits = dz),
             0, &k, outs);
  assert_true(isnan(loss));
}

typedef struct Squares {
  int64_t count;
  const double *target;
} Squares;
static void mse_twin(const void *context, const double *x, double *loss) {
  const Squares *t = context;
  *loss = 0;
  for (int64_t i = 0; i < t->count; i++) *loss += (x[i] - t->target[i]) * (x[i] - t->target[i]) / (double)t->count;
}
static void test_mse(void **state) {
  static const int64_t sizes[][2] = {{1, 1}, {3, 7}, {2, 16}, {5, 33}};
  for (size_t i = 0; i < 4; i++) {
    int64_t n = sizes[i][0], count = n * sizes[i][1];
    double *x = new_random(count, -1, 1), *target = new_random(count, -1, 1.5), want;
    Squares t = {count, target};
    RegressionParams k = {.count = sizes[i][1]};
    float *loss = new_floats(1), *dx = new_floats(count);
    run_kernel(KERNEL_mse,
               OPERANDS(mse, .x = as_floats(x, count), .target = as_floats(target, count), .loss = loss, .dx = dx), n,
               &k, (Out[]){{loss, 4}, {dx, (size_t)count * 4}, {0}});
    mse_twin(&t, x, &want);
    check_close("mse", from_floats(loss, 1), &want, 1, 2e-7);                                          /* 4.3e-8 */
    check_gradient("mse, dx", mse_twin, &t, x, count, (double[]){1}, 1, from_floats(dx, count), 1e-6); /* 1.1e-7 */
  }
}

static void l1_twin(const void *context, const double *x, double *loss) {
  const Squares *t = context;
  *loss = 0;
  for (int64_t i = 0; i < t->count; i++) *loss += fabs(x[i] - t->target[i]) / (double)t->count;
}
static void test_l1(void **state) {
  static const int64_t sizes[][2] = {{1, 1}, {3, 7}, {2, 16}, {5, 33}};
  for (size_t i = 0; i < 4; i++) {
    int64_t n = sizes[i][0], count = n * sizes[i][1];
    double *x = new_random(count, -1, 1), *target = new_random(count, 1.5, 2), want;
    for (int64_t j = 0; j < count; j += 2) target[j] -= 3; /* both signs, and far from the kink */
    Squares t = {count, target};
    RegressionParams k = {.count = sizes[i][1]};
    float *loss = new_floats(1), *dx = new_floats(count);
    run_kernel(KERNEL_l1,
               OPERANDS(l1, .x = as_floats(x, count), .target = as_floats(target, count), .loss = loss, .dx = dx), n,
               &k, (Out[]){{loss, 4}, {dx, (size_t)count * 4}, {0}});
    l1_twin(&t, x, &want);
    check_close("l1", from_floats(loss, 1), &want, 1, 1e-7);                                         /* 3.4e-8 */
    check_gradient("l1, dx", l1_twin, &t, x, count, (double[]){1}, 1, from_floats(dx, count), 1e-7); /* 3.1e-8 */
  }
  /* equal: no gradient; NaN goes through; an infinite difference has a sign too */
  float x[4] = {1, 2, NAN, 0}, target[4] = {1, 3, 0, INFINITY}, loss, dx[4];
  RegressionParams k = {.count = 4};
  run_kernel(KERNEL_l1, OPERANDS(l1, .x = x, .target = target, .loss = &loss, .dx = dx), 1, &k,
             (Out[]){{&loss, 4}, {dx, sizeof dx}, {0}});
  assert_true(dx[0] == 0 && dx[1] == -0.25f && isnan(dx[2]) && dx[3] == -0.25f && isnan(loss));
}

typedef struct Binary {
  int64_t n;
  BinaryParams k;
  const double *target;
  const float *weights;
} Binary;
static void binary_twin(const void *context, const double *x, double *loss) {
  const Binary *b = context;
  int64_t one = b->k.classes * b->k.positions, count = b->n * one;
  *loss = 0;
  for (int64_t i = 0; i < count; i++) {
    double w = b->weights ? b->weights[i % one / b->k.positions] : 1, t = b->target[i];
    double positive = log1p(exp(-fabs(x[i]))) + fmax(-x[i], 0), negative = positive + x[i];
    *loss += (w * t * positive + (1 - t) * negative) / (double)count;
  }
}
static void test_bce_with_logits(void **state) {
  static const struct {
    int64_t n, classes, positions;
  } sizes[] = {{1, 1, 1}, {3, 5, 1}, {2, 16, 1}, {4, 37, 1}, {2, 3, 7}, {1, 2, 33}};
  for (size_t i = 0; i < 2 * (sizeof sizes / sizeof *sizes); i++) {
    BinaryParams k = {sizes[i / 2].classes, sizes[i / 2].positions, i & 1};
    int64_t n = sizes[i / 2].n, count = n * k.classes * k.positions;
    double *x = new_random(count, -8, 8), *target = new_random(count, 0, 1), want;
    for (int64_t j = 0; j < count; j += 3) target[j] = (double)(j & 1);
    float *targets = as_floats(target, count), *weights = as_floats(new_random(k.classes, 0.2, 4), k.classes);
    float *loss = new_floats(1), *dx = new_floats(count);
    Binary b = {n, k, from_floats(targets, count), i & 1 ? weights : NULL};
    run_kernel(KERNEL_bce_with_logits,
               OPERANDS(bce_with_logits, .x = as_floats(x, count), .target = targets, .weights = b.weights,
                        .loss = loss, .dx = dx),
               n, &k, (Out[]){{loss, 4}, {dx, (size_t)count * 4}, {0}});
    binary_twin(&b, x, &want);
    check_close("bce_with_logits", from_floats(loss, 1), &want, 1, 1e-7); /* 4.1e-8 */
    check_gradient("bce_with_logits, dx", binary_twin, &b, x, count, (double[]){1}, 1, from_floats(dx, count),
                   3e-7); /* 1.3e-7 */
  }
  float x[2] = {1e4f, -1e4f}, target[2] = {0, 1}, loss, dx[2]; /* nothing overflows */
  BinaryParams k = {2, 1, 0};
  run_kernel(KERNEL_bce_with_logits, OPERANDS(bce_with_logits, .x = x, .target = target, .loss = &loss, .dx = dx), 1,
             &k, (Out[]){{&loss, 4}, {dx, sizeof dx}, {0}});
  assert_true(loss == 1e4f && dx[0] == 0.5f && dx[1] == -0.5f);
}

/* Probabilities as targets: one-hot ones give what classes give; mixed ones against the definition in double. */
typedef struct Soft {
  int64_t n;
  CrossEntropyParams k;
  const double *target;
  const float *weights;
} Soft;
static void soft_twin(const void *context, const double *z, double *loss) {
  const Soft *s = context;
  int64_t classes = s->k.classes, positions = s->k.positions;
  *loss = 0;
  for (int64_t i = 0; i < s->n * positions; i++) {
    int64_t at = i / positions * classes * positions + i % positions;
    double max = -INFINITY, total = 0;
    for (int64_t c = 0; c < classes; c++) max = fmax(max, z[at + c * positions]);
    for (int64_t c = 0; c < classes; c++) total += exp(z[at + c * positions] - max);
    for (int64_t c = 0; c < classes; c++)
      *loss += (s->weights ? s->weights[c] : 1) *
               ((1 - s->k.smoothing) * s->target[at + c * positions] + s->k.smoothing / (double)classes) *
               (log(total) + max - z[at + c * positions]) / (double)(s->n * positions);
  }
}
static void test_soft_targets(void **state) {
  static const struct {
    int64_t n, classes, positions;
  } sizes[] = {{5, 10, 1}, {3, 2, 1}, {4, 16, 1}, {2, 37, 1}, {2, 5, 7}, {1, 17, 3}};
  for (size_t i = 0; i < 4 * (sizeof sizes / sizeof *sizes); i++) {
    CrossEntropyParams k = {sizes[i / 4].classes, sizes[i / 4].positions, i & 1, i & 2 ? 0.1 : 0, 1, -100};
    int64_t n = sizes[i / 4].n, count = n * k.classes * k.positions;
    double *z = new_random(count, -6, 6), *target = new_random(count, 0, 1), want;
    float *targets = as_floats(target, count), *weights = as_floats(new_random(k.classes, 0.5, 2), k.classes);
    float *loss = new_floats(1), *dz = new_floats(count);
    Soft s = {n, k, from_floats(targets, count), i & 1 ? weights : NULL};
    run_kernel(KERNEL_cross_entropy,
               OPERANDS(cross_entropy, .logits = as_floats(z, count), .target = targets, .weights = s.weights,
                        .loss = loss, .dlogits = dz),
               n, &k, (Out[]){{loss, 4}, {dz, (size_t)count * 4}, {0}});
    soft_twin(&s, z, &want);
    check_close("cross_entropy, soft", from_floats(loss, 1), &want, 1, 1e-7); /* 4.9e-8 */
    check_gradient("cross_entropy, soft, dlogits", soft_twin, &s, z, count, (double[]){1}, 1, from_floats(dz, count),
                   2e-7); /* 9.7e-8 */
  }
}

static const struct CMUnitTest tests[] = {
    TEST(test_cross_entropy),   TEST(test_cross_entropy_borders), TEST(test_mse), TEST(test_l1),
    TEST(test_bce_with_logits), TEST(test_soft_targets)};
GROUP(loss_group, tests);
