/* The measures of a regression and of several labels, against the values of scikit-learn's own examples and
 * of its definitions worked out by hand. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include "runtime/train/metrics.h"
#include "tests/runtime/fake.h"

static surgery_error err;

static Manifest *manifest_of(const char *loss, int outputs) {
  char text[400], train[100];
  snprintf(text, sizeof text,
           "{\"name\": \"m\", \"input\": {\"kind\": \"tensor\", \"shape\": [1]}, \"outputs\": [{\"name\": "
           "\"y\", \"shape\": [%d]}], "
           "\"weights_bytes\": 0, \"packed_bytes\": 0, \"tensors\": []}",
           outputs);
  snprintf(train, sizeof train, "{\"loss\": {\"type\": \"%s\"}}", loss);
  Manifest *manifest = manifest_parse(text, test_recipe(train), &err);
  if (!manifest) fail_msg("%s", err.message);
  return manifest;
}

static bool near(double a, double b) { return fabs(a - b) < 1e-6; }

static void test_regression(void **state) {
  (void)state;
  Metrics m;
  Manifest *one = manifest_of("MSE", 1), *two = manifest_of("L1", 2);
  /* r2_score([3, -0.5, 2, 7], [2.5, 0, 2, 8]) is 0.948…, mean_absolute_error 0.5 */
  const float y[] = {2.5f, 0, 2, 8}, t[] = {3, -0.5f, 2, 7};
  assert_int_equal(metrics_init(&m, one, false, &err), 0);
  metrics_add(&m, 1, y, t); /* batches of any size */
  assert_true(isnan(metrics_summary(&m).value[1]));
  metrics_add(&m, 3, y + 1, t + 1);
  MetricsSummary s = metrics_summary(&m);
  assert_string_equal(s.name[0], "MAE");
  assert_string_equal(s.name[1], "R2");
  assert_true(near(s.value[0], 0.5) && near(s.value[1], 0.9486081370));
  metrics_free(&m);
  /* two outputs: r2_score(…, multioutput='uniform_average') is 0.936800…, mean_absolute_error 0.75 */
  const float y2[] = {0, 2, -1, 2, 8, -5}, t2[] = {0.5f, 1, -1, 1, 7, -6};
  assert_int_equal(metrics_init(&m, two, false, &err), 0);
  metrics_add(&m, 3, y2, t2);
  assert_true(near(metrics_mae(&m, -1), 0.75) && near(metrics_mae(&m, 0), 0.5) && near(metrics_mae(&m, 1), 1));
  assert_true(near(metrics_r2(&m, -1), 0.9368005266));
  metrics_free(&m);
  /* targets that do not differ: 1 where they are met, else 0; large ones keep their spread */
  const float y3[] = {5, 1e6f + 1, 5, 1e6f + 2}, t3[] = {5, 1e6f, 5, 1e6f + 2};
  assert_int_equal(metrics_init(&m, two, false, &err), 0);
  metrics_add(&m, 2, y3, t3);
  assert_true(metrics_r2(&m, 0) == 1 && near(metrics_r2(&m, 1), 0.5));
  metrics_free(&m);
  manifest_free(one), manifest_free(two);
}

static void test_labels(void **state) {
  (void)state;
  Metrics m;
  Manifest *three = manifest_of("BCEWithLogits", 3);
  /* The first label is scikit-learn's example: average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) =
   * 0.8333… The second has two equal scores, which are one threshold: (1/1) · 1/2 + (2/3) · 1/2. The third
   * never occurs. */
  const float y[] = {-0.9f, 3, -1, -0.6f, 1, -1, -0.65f, 1, 2, 0.8f, -2, -1};
  const float t[] = {0, 1, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0};
  assert_int_equal(metrics_init(&m, three, false, &err), 0);
  metrics_add(&m, 1, y, t);
  metrics_add(&m, 3, y + 3, t + 3);
  assert_true(near(metrics_average_precision(&m, 0), 0.8333333333));
  assert_true(near(metrics_average_precision(&m, 1), 0.5 + 1.0 / 3));
  assert_true(isnan(metrics_average_precision(&m, 2)));
  /* over one half: of the first label 1 of 2; of the second both and one too many; of the third a wrong one
   */
  assert_true(near(metrics_f1(&m.label[0]), 2.0 / 3) && near(metrics_f1(&m.label[1]), 0.8) &&
              metrics_f1(&m.label[2]) == 0);
  assert_true(near(metrics_micro_f1(&m), 2.0 * 3 / (3 + 2 + 4)));
  MetricsSummary s = metrics_summary(&m);
  assert_string_equal(s.name[0], "mean AP");
  assert_true(near(s.value[0], (0.8333333333 + 0.8333333333) / 2) && near(s.value[1], (2.0 / 3 + 0.8) / 2));
  metrics_free(&m);
  /* no label at all: nothing can be said; and more batches than there was room for at first */
  const float none[300] = {0};
  assert_int_equal(metrics_init(&m, three, false, &err), 0);
  for (int i = 1; i <= 100; i += 9) metrics_add(&m, i, none, none);
  assert_int_equal(m.scored, 1 + 10 + 19 + 28 + 37 + 46 + 55 + 64 + 73 + 82 + 91 + 100);
  assert_true(isnan(metrics_summary(&m).value[0]) && isnan(metrics_summary(&m).value[1]));
  metrics_free(&m);
  manifest_free(three);
}

int run_metrics_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_regression), cmocka_unit_test(test_labels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
