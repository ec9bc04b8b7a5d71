/* Ten steps of every variant against PyTorch's numbers (optimizer_goldens.h, made by make_goldens.py). */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "runtime/train/optimizer.h"
#include "tests/runtime/fake.h"
#include "tests/runtime/optimizer_goldens.h"

#define NUMBERS 16
#define TOLERANCE 1e-6 /* relative to the larger of the number and 1; measured: 1.2e-7 (adam_amsgrad) */

static char *manifest_of(const char *optimizer, const char *group) {
  char *text;
  if (asprintf(&text,
               "{\"name\": \"o\", \"input\": {\"kind\": \"tensor\", \"shape\": [1]}, \"outputs\": "
               "[{\"name\": \"y\", \"shape\": [1]}],"
               " \"weights_bytes\": 64, \"packed_bytes\": 0, \"grads_bytes\": 128, \"tensors\": ["
               " {\"name\": \"w\", \"shape\": [12], \"dtype\": \"f32\", \"offset\": 0, \"trainable\": true, "
               "\"grad\": 64, \"group\": 0},"
               " {\"name\": \"b\", \"shape\": [4], \"dtype\": \"f32\", \"offset\": 48, \"trainable\": true, "
               "\"grad\": 0, \"group\": 1}],"
               " \"train\": {\"optimizer\": {%s}, \"groups\": [{}, {%s}]}}",
               optimizer, group) < 0)
    abort();
  return text;
}

static double difference(const float *a, const float *b) {
  double worst = 0;
  for (int i = 0; i < NUMBERS; i++) worst = fmax(worst, fabs((double)a[i] - b[i]) / fmax(1, fabs(b[i])));
  return worst;
}

static void test_goldens(void **state) {
  (void)state;
  for (size_t v = 0; v < sizeof optimizer_goldens / sizeof *optimizer_goldens; v++) {
    const struct OptimizerGolden *golden = &optimizer_goldens[v];
    char *text = manifest_of(golden->optimizer, golden->group);
    surgery_error err = {.message = ""};
    Manifest *m = manifest_parse(text, &err);
    if (!m) fail_msg("%s: %s", golden->name, err.message);
    Optimizer *o = optimizer_new(m, &m->train.phases[0], &err);
    if (!o) fail_msg("%s: %s", golden->name, err.message);
    float w[NUMBERS], grads[32] = {0};
    memcpy(w, golden_start, sizeof w);
    for (int step = 1; step <= 10; step++) {
      for (int i = 0; i < 12; i++) grads[16 + i] = golden_scale[i] * w[i] - golden_shift[i];
      for (int i = 12; i < NUMBERS; i++) grads[i - 12] = golden_scale[i] * w[i] - golden_shift[i];
      optimizer_apply(o, (unsigned char *)w, (unsigned char *)grads);
      double far = step == 1 ? difference(w, golden->first) : step == 10 ? difference(w, golden->last) : 0;
      if (far > TOLERANCE) fail_msg("%s: step %d: off by %g", golden->name, step, far);
    }
    optimizer_free(o);
    manifest_free(m);
    free(text);
  }
}

#define COPIES 20000 /* of the first twelve numbers: enough work to be shared by threads */

static void test_threads(void **state) {
  (void)state;
  char *text;
  if (asprintf(&text,
               "{\"name\": \"o\", \"input\": {\"kind\": \"tensor\", \"shape\": [1]}, \"outputs\": "
               "[{\"name\": \"y\", \"shape\": [1]}],"
               " \"weights_bytes\": %d, \"packed_bytes\": 0, \"grads_bytes\": %d, \"tensors\": [{\"name\": "
               "\"w\", \"shape\": [%d, 12],"
               " \"dtype\": \"f32\", \"offset\": 0, \"trainable\": true, \"grad\": 0}], \"train\": "
               "{\"optimizer\": {%s}}}",
               48 * COPIES, 48 * COPIES, COPIES, "\"type\": \"AdamW\", \"lr\": 0.01") < 0)
    abort();
  surgery_error err;
  Manifest *m = manifest_parse(text, &err);
  assert_non_null(m);
  Optimizer *o = optimizer_new(m, &m->train.phases[0], &err);
  static float w[12 * COPIES], grads[12 * COPIES];
  for (int i = 0; i < 12 * COPIES; i++) w[i] = golden_start[i % 12];
  surgery_set_threads(3);
  for (int step = 0; step < 10; step++) {
    for (int i = 0; i < 12 * COPIES; i++) grads[i] = golden_scale[i % 12] * w[i] - golden_shift[i % 12];
    optimizer_apply(o, (unsigned char *)w, (unsigned char *)grads);
  }
  surgery_set_threads(0);
  for (int i = 0; i < 12 * COPIES; i++)
    if (fabs((double)w[i] - golden_adamw_last[i % 12]) > TOLERANCE * fmax(1, fabs(w[i])))
      fail_msg("number %d: %g", i, (double)w[i]);
  optimizer_free(o);
  manifest_free(m);
  free(text);
}

static void refuses(const char *optimizer) {
  char *text = manifest_of(optimizer, "");
  surgery_error err = {.message = ""};
  Manifest *m = manifest_parse(text, &err);
  Optimizer *o = m ? optimizer_new(m, &m->train.phases[0], &err) : NULL;
  assert_null(o);
  assert_true(strlen(err.message) > 10);
  manifest_free(m);
  free(text);
}

static void test_refused(void **state) { /* what torch.optim refuses too */
  (void)state;
  refuses("\"type\": \"SGD\", \"lr\": -1");
  refuses("\"type\": \"SGD\", \"lr\": 0.1, \"nesterov\": true");
  refuses("\"type\": \"SGD\", \"lr\": 0.1, \"nesterov\": true, \"momentum\": 0.9, \"dampening\": 0.1");
  refuses("\"type\": \"Adam\", \"betas\": [1.0, 0.9]");
  refuses("\"type\": \"Adagrad\"");
}

int run_optimizer_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_goldens), cmocka_unit_test(test_threads),
                                     cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests_name("optimizers", tests, NULL, NULL);
}
