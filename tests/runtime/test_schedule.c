/* Thirty rates of every schedule against PyTorch's (goldens/, made by make_goldens.py), and the
 * borders that no golden reaches. */
#include <jansson.h>
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

#define STEPS 30
#define BASE 0.1

static void close_to(const char *name, int step, double got, double want) {
  /* closed forms against products and differences of many steps: measured 2e-15 */
  if (!(fabs(got - want) <= 1e-12 * fmax(fabs(want), 1e-3)))
    fail_msg("%s, step %d: %.17g instead of %.17g", name, step, got, want);
}

/* And the same schedule in a training shorter or longer than it thinks: finite rates, never a crash. */
static void test_golden(void *config, void *golden) {
  const ScheduleConfig *s = config;
  const char *name = json_string_value(json_object_get(golden, "name"));
  double lr[STEPS], momentum[STEPS];
  json_t *cycled = json_object_get(golden, "momentum");
  assert_int_equal(golden_numbers(json_object_get(golden, "lr"), lr, STEPS), STEPS);
  if (cycled) assert_int_equal(golden_numbers(cycled, momentum, STEPS), STEPS);
  for (int t = 0; t < STEPS; t++) {
    close_to(name, t, schedule_lr(s, BASE, t, STEPS), lr[t]);
    if (cycled) close_to(name, t, schedule_momentum(s, t, STEPS), momentum[t]);
    else assert_true(isnan(schedule_momentum(s, t, STEPS)));
  }
  for (int64_t total = 0; total < 4; total++)
    for (int64_t t = 0; t < 50; t++) {
      double rate = schedule_lr(s, 1, t, total);
      if (!(rate >= 0 && rate <= 1.0000001)) fail_msg("%s: step %d of %d: %g", name, (int)t, (int)total, rate);
    }
}

static void test_goldens(void **state) {
  (void)state;
  test_goldens_of("schedule", schedule_rows, true, test_golden);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_goldens), cmocka_unit_test(test_beta),
                                     cmocka_unit_test(test_mixing)};
  return cmocka_run_group_tests_name("schedules", tests, NULL, NULL);
}
