/* Dropout in training: the share of zeros, the scale of the rest, independence between steps, seeds, samples,
 * neighbours and layers, and the same mask in the gradient. The networks end with the dropout, so that the mask shows
 * in what the step returns. Shares are judged at five standard deviations: with the fixed seeds they are the same each
 * time. */
#include "tests/ops/dropout.h"
#include "tests/ops/check.h"
#include "tests/ops/compile.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDTH 2000 /* numbers in a sample of the vector cases */
static Case cases[] = {
    {"dropout-0.1", 1, {1}, 8, "f = Linear(1, 2000); o = Dropout(0.1)", "o(f(x))", "", "", "case_dropout_1", 0, 0},
    {"dropout-0.5", 1, {1}, 8, "f = Linear(1, 2000); o = Dropout()", "o(f(x))", "", "", "case_dropout_5", 0, 0},
    {"dropout-0.9",
     1,
     {1},
     8,
     "f = Linear(1, 2000); o = Dropout(p=0.9, inplace=true)",
     "o(f(x))",
     "",
     "",
     "case_dropout_9",
     0,
     0},
    {"dropout-map",
     3,
     {1, 20, 30},
     4,
     "c = Conv2d(1, 17, 1); o = Dropout(0.3)",
     "o(c(x))",
     "",
     "",
     "case_dropout_map",
     0,
     0},
    {"dropout-two-layers",
     1,
     {1},
     8,
     "f = Linear(1, 2000); o = Dropout(0.5); p = Dropout(0.5)",
     "y = f(x); return cat([o(y), p(y)], 1)",
     "",
     "",
     "case_dropout_two",
     0,
     0},
    {"dropout-one-layer-twice",
     1,
     {1},
     8,
     "f = Linear(1, 2000); o = Dropout(0.5)",
     "y = f(x); return cat([o(y), o(y)], 1)",
     "",
     "",
     "case_dropout_twice",
     0,
     0},
    {"dropout-differences",
     3,
     {2, 5, 5},
     5,
     "c = Conv2d(2, 17, 1); b = BatchNorm2d(17); o = Dropout(0.4); d = Conv2d(17, 5, 3); f = Linear(45, 7); q = "
     "Dropout(0.2); "
     "h = Linear(7, 2)",
     "h(q(relu(f(flatten(d(o(relu(b(c(x))))), 1)))))",
     "",
     "",
     "case_dropout_differences",
     0,
     0},
};
enum { TENTH, HALF, NINE_TENTHS, MAP, TWO_LAYERS, ONE_TWICE, DIFFERENCES, COUNT };

static void expect_share(const Net *net, const char *what, int64_t hits, int64_t of, double p) {
  double deviation = sqrt(p * (1 - p) / (double)of), share = (double)hits / (double)of;
  if (fabs(share - p) <= 5 * deviation) return;
  printf("%s: %s: a share of %.4f, not %.4f ± %.4f\n", net->c->name, what, share, p, 5 * deviation);
  check_failures++;
}

static float *step_output(Net *net, const Batch *b, uint64_t seed, uint64_t step) {
  float *y;
  net->rng[0] = seed;
  net->rng[1] = step;
  net_step(net, b, &y);
  return y;
}

static int64_t count_zeros(const float *y, int64_t count) {
  int64_t zeros = 0;
  for (int64_t i = 0; i < count; i++) zeros += y[i] == 0;
  return zeros;
}

/* How often the masks of two outputs agree: by chance p^2 + (1 - p)^2. */
static void expect_independent(const Net *net, const char *what, const float *a, const float *b, int64_t count,
                               double p) {
  int64_t same = 0;
  for (int64_t i = 0; i < count; i++) same += (a[i] == 0) == (b[i] == 0);
  expect_share(net, what, same, count, p * p + (1 - p) * (1 - p));
}

/* Shares, and the scale of what is left: the output of evaluation, where dropout passes everything, over 1 - p. */
static void check_mask(Net *net, const Batch *b, double p) {
  int64_t count = b->n * net->outputs;
  float *y = step_output(net, b, 1, 0), *plain = net_eval(net, NET_FORWARD, b->n, b->x, b->mask);
  expect_share(net, "zeros", count_zeros(y, count), count, p);
  if (count_zeros(plain, count) > 0) check_error(net, ERROR_FORWARD, "zeros in evaluation", NAN);
  double worst = 0;
  for (int64_t i = 0; i < count; i++)
    if (y[i] != 0) worst = fmax(worst, fabs(y[i] * (1 - p) / plain[i] - 1));
  check_error(net, ERROR_FORWARD, "the scale of what is kept", worst);
  float *again = step_output(net, b, 1, 0), *step = step_output(net, b, 1, 1), *seed = step_output(net, b, 2, 0);
  for (int64_t i = 0; i < count; i++)
    if (y[i] != again[i]) check_error(net, ERROR_FORWARD, "the same seed and step", NAN);
  expect_independent(net, "two steps", y, step, count, p);
  expect_independent(net, "two seeds", y, seed, count, p);
  expect_independent(net, "two samples", y, y + net->outputs, net->outputs, p);
  expect_independent(net, "neighbours", y, y + 1, count - 1, p);
  expect_independent(net, "numbers 16 apart", y, y + 16, count - 16, p);
  guard_free(net, "y", y), guard_free(net, "y", again), guard_free(net, "y", step), guard_free(net, "y", seed);
  guard_free(net, "y", plain);
}

/* d MSE / d bias_j is the sum over the samples of 2 (y - t) / count, times the scale where the number was kept. */
static void check_gradient_mask(Net *net, const Batch *b, double p) {
  float *y = step_output(net, b, 1, 0), *target = b->target;
  const ManifestTensor *bias = &net->m->tensors[1];
  double worst = 0, largest = 0;
  for (int64_t j = 0; j < WIDTH; j++) {
    double want = 0;
    for (int64_t s = 0; s < b->n; s++) {
      int64_t at = s * WIDTH + j;
      if (y[at] != 0) want += 2 * ((double)y[at] - target[at]) / (double)(b->n * WIDTH) / (1 - p);
    }
    largest = fmax(largest, fabs(want));
    worst = fmax(worst, fabs(net->grads[grad_of(net, bias) / 4 + j] - want));
  }
  check_error(net, ERROR_GRADIENT, "the mask of the gradient", worst / largest);
  guard_free(net, "y", y);
}

static void check_two_masks(Net *net, const Batch *b) {
  float *y = step_output(net, b, 1, 0);
  int64_t same = 0;
  for (int64_t s = 0; s < b->n; s++)
    for (int64_t i = 0; i < WIDTH; i++) same += (y[s * 2 * WIDTH + i] == 0) == (y[(s * 2 + 1) * WIDTH + i] == 0);
  expect_share(net, "the masks of two calls agree", same, b->n * WIDTH, 0.5);
  guard_free(net, "y", y);
}

int check_dropout(const char *folder) {
  const sg_network *code[COUNT];
  static const double p[COUNT] = {[TENTH] = 0.1, [HALF] = 0.5, [NINE_TENTHS] = 0.9, [MAP] = 0.3};
  CaseTable table = {cases, COUNT};
  compile_cases(&table, folder, 2, code);
  for (int i = 0; i < COUNT; i++) {
    if (!code[i]) return 1;
    Net net = net_open_case(&cases[i], code[i]);
    Batch b = net_batch(&net, 0, cases[i].n);
    if (p[i] > 0) check_mask(&net, &b, p[i]);
    if (p[i] > 0 && i != MAP) check_gradient_mask(&net, &b, p[i]);
    if (i == TWO_LAYERS || i == ONE_TWICE) check_two_masks(&net, &b);
    if (i == DIFFERENCES) check_differences(&net, &b);
  }
  return check_report() > 0;
}
