/* Thirty rates of every schedule against PyTorch's (schedule_goldens.h, made by make_schedule_goldens.py), and the
 * borders that no golden reaches. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "runtime/train/mixup.h"
#include "runtime/train/schedule.h"
#include "tests/runtime/fake.h"
#include "tests/runtime/schedule_goldens.h"

static Manifest *manifest_with(const char *schedule) {
  char *text;
  surgery_error err = {.message = ""};
  if (asprintf(&text,
               "{\"name\": \"s\", \"input\": {\"kind\": \"tensor\", \"shape\": [1]}, \"outputs\": [{\"name\": \"y\", "
               "\"shape\": [1]}],"
               " \"weights_bytes\": 0, \"packed_bytes\": 0, \"tensors\": [], \"train\": {\"schedule\": %s}}",
               schedule) < 0)
    abort();
  Manifest *m = manifest_parse(text, &err);
  free(text);
  return m;
}

static void close_to(const char *name, int step, double got, double want) {
  /* closed forms against products and differences of many steps: measured 2e-15 */
  if (!(fabs(got - want) <= 1e-12 * fmax(fabs(want), 1e-3)))
    fail_msg("%s, step %d: %.17g instead of %.17g", name, step, got, want);
}

static void test_goldens(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof schedule_goldens / sizeof *schedule_goldens; i++) {
    const struct ScheduleGolden *g = &schedule_goldens[i];
    Manifest *m = manifest_with(g->json);
    assert_non_null(m);
    const ScheduleSettings *s = &m->train.phases[0].schedule;
    for (int t = 0; t < SCHEDULE_STEPS; t++) {
      close_to(g->name, t, schedule_lr(s, SCHEDULE_BASE, t, SCHEDULE_STEPS), g->lr[t]);
      double momentum = schedule_momentum(s, t, SCHEDULE_STEPS);
      if (g->momentum[t] == 0) assert_true(isnan(momentum));
      else close_to(g->name, t, momentum, g->momentum[t]);
    }
    manifest_free(m);
  }
}

/* A training shorter or longer than the schedule thinks: finite rates, never a crash. */
static void test_borders(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof schedule_goldens / sizeof *schedule_goldens; i++) {
    Manifest *m = manifest_with(schedule_goldens[i].json);
    for (int64_t total = 0; total < 4; total++)
      for (int64_t t = 0; t < 50; t++) {
        double lr = schedule_lr(&m->train.phases[0].schedule, 1, t, total);
        if (!(lr >= 0 && lr <= 1.0000001))
          fail_msg("%s: step %d of %d: %g", schedule_goldens[i].name, (int)t, (int)total, lr);
      }
    manifest_free(m);
  }
}

static void test_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"{\"type\": \"plateau\"}", "{\"type\": \"step\", \"step_size\": 0}",
                                    "{\"type\": \"multistep\", \"milestones\": [5, 3]}", "{\"type\": \"one_cycle\"}",
                                    "{\"type\": \"cosine\", \"warmup\": -1}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_null(manifest_with(bad[i]));
}

/* Beta(alpha, alpha): mean 1/2, variance 1 / (4 (2 alpha + 1)); within four standard deviations of so many draws. */
static void test_beta(void **state) {
  (void)state;
  static const double alphas[] = {0.05, 0.2, 1, 4};
  enum { DRAWS = 20000 };
  for (int k = 0; k < 4; k++) {
    Random random = random_stream(7, (uint64_t)k);
    double sum = 0, squares = 0, fourth = 0, want = 1 / (4 * (2 * alphas[k] + 1));
    for (int i = 0; i < DRAWS; i++) {
      double d = mixup_beta(&random, alphas[k]) - 0.5;
      assert_true(d >= -0.5 && d <= 0.5);
      sum += d, squares += d * d, fourth += d * d * d * d;
    }
    double variance = squares / DRAWS, slack = 4 * sqrt((fourth / DRAWS - variance * variance) / DRAWS);
    print_message("Beta(%g): mean %.4f, variance %.4f of %.4f\n", alphas[k], sum / DRAWS + 0.5, variance, want);
    assert_true(fabs(sum / DRAWS) < 4 * sqrt(want / DRAWS));
    assert_true(fabs(variance - want) < slack);
  }
}

static void test_mixing(void **state) {
  (void)state;
  float x[6] = {1, 2, 3, 4, 5, 6}, y[6];
  int64_t other[3] = {1, 2, 0};
  mixup_rows(x, 3, 2, 0.75, other, y);
  assert_true(y[0] == 0.75f * 1 + 0.25f * 3 && y[1] == 0.75f * 2 + 0.25f * 4 && y[5] == 0.75f * 6 + 0.25f * 2);
  int seen = 0;
  double sum = 0, squares = 0;
  for (uint64_t k = 0; k < 200; k++) {
    Random random = random_stream(3, k);
    double share = mixup_draw(&random, 0.4, 3, other);
    assert_true(share >= 0 && share <= 1);
    sum += share, squares += share * share;
    assert_int_equal((1 << other[0]) | (1 << other[1]) | (1 << other[2]), 7);
    seen |= 1 << (other[0] * 3 + other[1]);
  }
  assert_int_equal(__builtin_popcount((unsigned)seen), 6); /* every order occurs */
  assert_true(fabs(sum / 200 - 0.5) < 0.105); /* as Beta(0.4, 0.4): four deviations of the mean; variance 0.139 */
  assert_true(squares / 200 - sum / 200 * (sum / 200) > 0.1);
}

int run_schedule_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_goldens), cmocka_unit_test(test_borders),
                                     cmocka_unit_test(test_refused), cmocka_unit_test(test_beta),
                                     cmocka_unit_test(test_mixing)};
  return cmocka_run_group_tests_name("schedules", tests, NULL, NULL);
}
