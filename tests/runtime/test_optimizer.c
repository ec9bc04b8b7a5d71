/* Ten steps of every variant against PyTorch's numbers (goldens/, made by make_goldens.py). */
#include <jansson.h>
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

#define NUMBERS 16
#define TOLERANCE 1e-6 /* relative to the larger of the number and 1; measured: 1.2e-7 (adam_amsgrad) */

static struct Problem { /* the gradient is scale * p - shift */
  double start[NUMBERS], scale[NUMBERS], shift[NUMBERS];
} problem;

static int read_problem(void **state) {
  json_t *json = json_load_file(TRAIN_GOLDENS "/problem.json", 0, NULL);
  bool good = golden_numbers(json_object_get(json, "start"), problem.start, NUMBERS) == NUMBERS &&
              golden_numbers(json_object_get(json, "scale"), problem.scale, NUMBERS) == NUMBERS &&
              golden_numbers(json_object_get(json, "shift"), problem.shift, NUMBERS) == NUMBERS;
  json_decref(json);
  return !good;
}

static const char two_tensors[] =
    "{\"name\": \"o\", \"input\": {\"kind\": \"tensor\", \"shape\": [1]}, \"outputs\": [{\"name\": \"y\", \"shape\": "
    "[1]}], \"weights_bytes\": 64, \"packed_bytes\": 0, \"grads_bytes\": 128, \"tensors\": ["
    " {\"name\": \"w\", \"shape\": [12], \"dtype\": \"f32\", \"offset\": 0, \"trainable\": true, \"grad\": 64, "
    "\"group\": 0},"
    " {\"name\": \"b\", \"shape\": [4], \"dtype\": \"f32\", \"offset\": 48, \"trainable\": true, \"grad\": 0, "
    "\"group\": 1}]}";

typedef struct Training { /* a recipe with one stage of two groups */
  TrainRecipe recipe;
  StageRecipe stage;
  Args_Group groups[2];
} Training;

static void training_of(Training *t, const OptimizerConfig *optimizer, json_t *group) {
  t->recipe = recipe_unsaid, t->stage = recipe_unsaid.stages[0];
  recipe_arguments(group_row.args(), NULL, &t->groups[0]);
  recipe_arguments(group_row.args(), group, &t->groups[1]);
  t->stage.optimizer = *optimizer;
  t->stage.groups = (GroupList){t->groups, 2};
  t->recipe.stages = &t->stage;
}

static double difference(const float *a, const double *b) {
  double worst = 0;
  for (int i = 0; i < NUMBERS; i++) worst = fmax(worst, fabs((double)a[i] - b[i]) / fmax(1, fabs(b[i])));
  return worst;
}

static void test_golden(void *config, void *golden) {
  const char *name = json_string_value(json_object_get(golden, "name"));
  double first[NUMBERS], last[NUMBERS];
  Training t;
  training_of(&t, config, json_object_get(golden, "group"));
  assert_int_equal(golden_numbers(json_object_get(golden, "first"), first, NUMBERS), NUMBERS);
  assert_int_equal(golden_numbers(json_object_get(golden, "last"), last, NUMBERS), NUMBERS);
  surgery_error err = {.message = ""};
  Manifest *m = manifest_parse(two_tensors, &t.recipe, &err);
  if (!m) fail_msg("%s: %s", name, err.message);
  Optimizer *o = optimizer_new(m, &m->phases[0], &err);
  if (!o) fail_msg("%s: %s", name, err.message);
  float w[NUMBERS], grads[32] = {0};
  for (int i = 0; i < NUMBERS; i++) w[i] = (float)problem.start[i];
  for (int step = 1; step <= 10; step++) {
    for (int i = 0; i < NUMBERS; i++)
      grads[i < 12 ? 16 + i : i - 12] = (float)problem.scale[i] * w[i] - (float)problem.shift[i];
    optimizer_apply(o, (unsigned char *)w, (unsigned char *)grads);
    double far = step == 1 ? difference(w, first) : step == 10 ? difference(w, last) : 0;
    if (!(far <= TOLERANCE)) fail_msg("%s: step %d: off by %g", name, step, far);
  }
  optimizer_free(o);
  manifest_free(m);
}

static void test_goldens(void **state) {
  (void)state;
  test_goldens_of("optimizer", optimizer_rows, true, test_golden);
}

#define COPIES 20000 /* of the first twelve numbers: enough work to be shared by threads */

/* The numbers of one thread, whatever the number of threads. */
static void test_threads(void **state) {
  (void)state;
  char *text;
  if (asprintf(&text,
               "{\"name\": \"o\", \"input\": {\"kind\": \"tensor\", \"shape\": [1]}, \"outputs\": "
               "[{\"name\": \"y\", \"shape\": [1]}],"
               " \"weights_bytes\": %d, \"packed_bytes\": 0, \"grads_bytes\": %d, \"tensors\": [{\"name\": "
               "\"w\", \"shape\": [%d, 12],"
               " \"dtype\": \"f32\", \"offset\": 0, \"trainable\": true, \"grad\": 0}]}",
               48 * COPIES, 48 * COPIES, COPIES) < 0)
    abort();
  json_t *golden = json_load_file(TRAIN_GOLDENS "/AdamW.json", 0, NULL);
  double last[NUMBERS];
  json_t *one = json_array_get(json_object_get(golden, "cases"), 0);
  assert_string_equal(json_string_value(json_object_get(one, "name")), "adamw"); /* AdamW(lr=0.01) */
  assert_int_equal(golden_numbers(json_object_get(one, "last"), last, NUMBERS), NUMBERS);
  surgery_error err;
  Manifest *m = manifest_parse(text, test_recipe("{\"optimizer\": {\"type\": \"AdamW\", \"lr\": 0.01}}"), &err);
  assert_non_null(m);
  Optimizer *o = optimizer_new(m, &m->phases[0], &err);
  static float w[12 * COPIES], grads[12 * COPIES];
  for (int i = 0; i < 12 * COPIES; i++) w[i] = (float)problem.start[i % 12];
  surgery_set_threads(3);
  for (int step = 0; step < 10; step++) {
    for (int i = 0; i < 12 * COPIES; i++) grads[i] = (float)problem.scale[i % 12] * w[i] - (float)problem.shift[i % 12];
    optimizer_apply(o, (unsigned char *)w, (unsigned char *)grads);
  }
  surgery_set_threads(0);
  for (int i = 0; i < 12 * COPIES; i++)
    if (fabs((double)w[i] - last[i % 12]) > TOLERANCE * fmax(1, fabs(w[i]))) fail_msg("number %d: %g", i, (double)w[i]);
  optimizer_free(o);
  manifest_free(m);
  json_decref(golden);
  free(text);
}

/* What torch.optim refuses too, and no row can say: a group's momentum under nesterov. */
static void test_refused(void **state) {
  (void)state;
  const OptimizerConfig nesterov = {OPTIMIZER_SGD, {.SGD = {.lr = 0.1, .momentum = 0.9, .nesterov = true}}};
  Training t;
  json_t *group = json_pack("{s:f}", "momentum", 0.0);
  surgery_error err = {.message = ""};
  training_of(&t, &nesterov, group);
  Manifest *m = manifest_parse(two_tensors, &t.recipe, &err);
  assert_non_null(m);
  assert_null(optimizer_new(m, &m->phases[0], &err));
  assert_non_null(strstr(err.message, "nesterov requires a momentum"));
  manifest_free(m);
  json_decref(group);
}

int run_optimizer_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_goldens), cmocka_unit_test(test_threads),
                                     cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests_name("optimizers", tests, read_problem, NULL);
}
