/* Values: PyTorch's default initialisation, init's distributions, adapt's rule, and what is read
 * from a donor's file. */
#include "tests/edit/script.h"
#include <math.h>

static ParamId find(const Graph *g, const char *name) {
  for (size_t i = 0; i < g->params.count; i++)
    if (streq(g->params.at[i].name, name) && g->modules.at[g->params.at[i].module].alive) return (ParamId)i;
  fail_msg("there is no parameter %s", name);
  return NO_ID;
}

static float *values(Session *s, const Graph *g, const TrainConfig *train, const char *name, int64_t *count) {
  ParamId p = find(g, name);
  *count = shape_count(&g->params.at[p].shape);
  float *to = arena_array(s->arena, float, *count + 1);
  surgery_error err = {0};
  if (!weights_fill(s, g, train, p, to, &err)) fail_msg("%s", err.message);
  return to;
}

static void moments(Session *s, const Graph *g, const char *name, double *mean, double *deviation, double *most) {
  int64_t n;
  const float *x = values(s, g, NULL, name, &n);
  double sum = 0, square = 0;
  *most = 0;
  for (int64_t i = 0; i < n; i++) {
    sum += x[i];
    square += (double)x[i] * x[i];
    if (fabs(x[i]) > *most) *most = fabs(x[i]);
  }
  *mean = sum / (double)n;
  *deviation = sqrt(square / (double)n - *mean * *mean);
}

/* Uniform in ±1/sqrt(fan_in): its deviation is bound/sqrt(3). Batch normalisation begins as the identity. */
static void test_defaults(void **state) {
  Session *s = test_session();
  Graph *g = test_graph(s, "take resnet18 from random\n");
  int64_t n;
  double mean, deviation, most;
  moments(s, g, "layer4.1.conv2.weight", &mean, &deviation, &most);
  double bound = 1 / sqrt(512 * 9);
  assert_true(most <= bound && most > 0.999 * bound && fabs(mean) < 1e-4 && fabs(deviation - bound / sqrt(3)) < 1e-4);
  moments(s, g, "fc.bias", &mean, &deviation, &most);
  bound = 1 / sqrt(512);
  assert_true(most <= bound && most > 0.95 * bound);
  static const struct {
    const char *name;
    float value;
  } constants[] = {{"bn1.weight", 1}, {"bn1.bias", 0}, {"bn1.running_mean", 0}, {"bn1.running_var", 1}};
  for (size_t i = 0; i < 4; i++) {
    const float *x = values(s, g, NULL, constants[i].name, &n);
    for (int64_t k = 0; k < n; k++) assert_true(x[k] == constants[i].value);
  }
  int64_t batches = 7;
  assert_true(weights_fill(s, g, NULL, find(g, "bn1.num_batches_tracked"), &batches, NULL));
  assert_int_equal(batches, 0);
  Initializer init = param_initializer(g, find(g, "fc.bias"));
  assert_int_equal(init.kind, INIT_UNIFORM);
  assert_true(fabs(init.value - bound) < 1e-12);
  test_end(s);
}

/* Values depend on the seed and the name, and on nothing else. */
static void test_seeds(void **state) {
  Session *s = test_session();
  Graph *g = test_graph(s, "take lenet from random\n");
  TrainConfig one = {.recipe.seed = 1}, again = {.recipe.seed = 1}, two = {.recipe.seed = 2};
  int64_t n, m;
  size_t bytes;
  const float *a = values(s, g, &one, "conv1.weight", &n), *b = values(s, g, &again, "conv1.weight", &m);
  bytes = (size_t)n * sizeof *a;
  assert_memory_equal(a, b, bytes);
  assert_memory_not_equal(a, values(s, g, &two, "conv1.weight", &m), bytes);
  assert_memory_not_equal(a, values(s, g, &one, "conv2.weight", &m), bytes);
  test_end(s);
}

static void test_init(void **state) {
  Session *s = test_session();
  Graph *g =
      test_graph(s, "take resnet18 from random\ninit all with kaiming_normal(mode=\"fan_out\", nonlinearity=\"relu\")\n"
                    "init fc.bias with constant(0.5)\ninit layer1.0.conv1 with uniform(2, 3)\ninit layer1.0.conv2 with "
                    "xavier_uniform()\n");
  int64_t n;
  double mean, deviation, most;
  moments(s, g, "layer4.1.conv1.weight", &mean, &deviation, &most);
  assert_true(fabs(mean) < 1e-4 && fabs(deviation - sqrt(2.0 / (512 * 9))) < 1e-4 && most > 3 * deviation);
  moments(s, g, "conv1.weight", &mean, &deviation, &most); /* fan_out: 64 * 49 */
  assert_true(fabs(deviation - sqrt(2.0 / (64 * 49))) < 1e-3);
  moments(s, g, "layer1.0.conv1.weight", &mean, &deviation, &most);
  assert_true(fabs(mean - 2.5) < 1e-2 && most <= 3);
  moments(s, g, "layer1.0.conv2.weight", &mean, &deviation, &most);
  assert_true(most <= sqrt(6.0 / (64 * 9 * 2)) && most > 0.99 * sqrt(6.0 / (64 * 9 * 2)));
  assert_true(values(s, g, NULL, "fc.bias", &n)[3] == 0.5f);
  assert_true(values(s, g, NULL, "bn1.weight", &n)[3] == 1); /* no matrix: kaiming leaves it alone */
  test_end(s);
}

/* A donor's file with the numbers 0, 1, 2, … in each tensor. */
static void write_donor(const char *path) {
  static float x[256];
  for (int i = 0; i < 256; i++) x[i] = (float)i;
  static const int64_t batches = 42;
  surgery_tensor_out tensors[] = {{"conv.weight", SURGERY_F32, 4, {2, 3, 1, 2}, x},
                                  {"bn.weight", SURGERY_F32, 1, {2}, x},
                                  {"bn.bias", SURGERY_F32, 1, {2}, x},
                                  {"bn.running_mean", SURGERY_F32, 1, {2}, x},
                                  {"bn.running_var", SURGERY_F32, 1, {2}, x},
                                  {"bn.num_batches_tracked", SURGERY_I64, 0, {0}, &batches}};
  surgery_error err = {0};
  if (surgery_weights_write(path, tensors, 6, NULL, &err) != 0) fail_msg("%s", err.message);
}

#define MODEL                                                                                                          \
  "model M() {\n conv = Conv2d(3, 2, (1, 2), bias=false)\n bn = BatchNorm2d(2)\n}\n"                                   \
  "input image(3, 4, 4) { }\ntake M from \"donor.safetensors\"\n"

static void test_donor(void **state) {
  Session *s = test_session();
  write_donor("donor.safetensors");
  Graph *g = test_graph(s, MODEL);
  int64_t n, batches = 0;
  const float *x = values(s, g, NULL, "conv.weight", &n);
  assert_int_equal(n, 12);
  for (int64_t i = 0; i < n; i++) assert_true(x[i] == (float)i);
  assert_true(weights_fill(s, g, NULL, find(g, "bn.num_batches_tracked"), &batches, NULL));
  assert_int_equal(batches, 42);
  weights_close(g);
  assert_true(values(s, g, NULL, "bn.weight", &n)[1] == 1); /* opened again */
  weights_close(g);
  test_end(s);
}

/* timm's adapt_input_conv: one channel sums the old three; six repeat them, halved; four take the first
 * again. */
static void test_adapt(void **state) {
  static const struct {
    int channels;
    float wanted[12];
  } cases[] = {{1, {0 + 2 + 4, 1 + 3 + 5}},
               {6, {0, 0.5, 1, 1.5, 2, 2.5, 0, 0.5, 1, 1.5, 2, 2.5}},
               {4, {0, 0.75, 1.5, 2.25, 3, 3.75, 0, 0.75}},
               {3, {0, 1, 2, 3, 4, 5}}};
  write_donor("donor.safetensors");
  for (size_t k = 0; k < 4; k++) {
    Session *s = test_session();
    Graph *g = test_graph(s, arena_printf(s->arena, MODEL "adapt conv to channels %d\ninput tensor(%d, 4, 4)\n",
                                          cases[k].channels, cases[k].channels));
    int64_t n;
    const float *x = values(s, g, NULL, "conv.weight", &n);
    assert_int_equal(n, cases[k].channels * 4);
    for (int i = 0; i < cases[k].channels * 2; i++) assert_true(fabsf(x[i] - cases[k].wanted[i]) < 1e-6f);
    weights_close(g);
    test_end(s);
  }
}

/* A layer keeps its donor's tensor through rename; a replaced one does not. */
static void test_binding(void **state) {
  Session *s = test_session();
  write_donor("donor.safetensors");
  Graph *g = test_graph(s, MODEL "rename conv to first\nreplace bn with BatchNorm2d(2)\n");
  const Param *kept = &g->params.at[find(g, "first.weight")], *fresh = &g->params.at[find(g, "bn.weight")];
  assert_string_equal(kept->donor_key, "conv.weight");
  assert_int_equal(kept->donor, 0);
  assert_int_equal(fresh->donor, NO_ID);
  int64_t n;
  assert_true(values(s, g, NULL, "first.weight", &n)[5] == 5);
  weights_close(g);
  test_end(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_defaults), cmocka_unit_test(test_seeds),
                                     cmocka_unit_test(test_init),     cmocka_unit_test(test_donor),
                                     cmocka_unit_test(test_adapt),    cmocka_unit_test(test_binding)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
