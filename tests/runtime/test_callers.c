/* Several networks in several threads: every call has what it was given and nothing of another thread's call,
 * and every training ends as it does alone. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "runtime/base/random.h"
#include "runtime/train/loop.h"
#include "tests/runtime/fake.h"

#define READS "\"pack_reads\": [[0]], \"eval_reads\": [1, 2, 3], "

enum { CALLERS = 6, SAMPLES = 2, CALLS = 100 };
typedef struct Caller {
  const sg_network *network;
  int number;
  const float *x, *want; /* want: of a network that is not masked */
  const char *weights;
  const char *wrong;
} Caller;

/* The sum of what the mask lets through, as every output. */
static void forward_masked(const sg_run *run) {
  for (int64_t n = 0; n < run->n; n++) {
    float sum = 0;
    for (int64_t i = 0; i < FAKE_INPUT; i++)
      if (!run->mask || run->mask[n * FAKE_INPUT + i]) sum += ((const float *)run->x)[n * FAKE_INPUT + i];
    sched_yield(); /* other callers come in between */
    for (int c = 0; c < FAKE_CLASSES; c++) ((float *)run->y[0])[n * FAKE_CLASSES + c] = sum;
  }
}

/* Every third input, from another one on in each thread; then all of them. */
static void call_masked(Caller *caller, surgery_net *net) {
  int32_t mask[SAMPLES * FAKE_INPUT];
  float y[SAMPLES * FAKE_CLASSES], sum[2] = {0};
  for (int i = 0; i < SAMPLES * FAKE_INPUT; i++) mask[i] = i % 3 == caller->number % 3;
  for (int i = 0; i < FAKE_INPUT; i++) sum[0] += mask[i] ? caller->x[i] : 0, sum[1] += caller->x[i];
  for (int i = 0; i < CALLS; i++) {
    if (surgery_forward_masked(net, SAMPLES, caller->x, i % 2 ? NULL : mask, y)) caller->wrong = "a call failed";
    if (y[0] != sum[i % 2]) caller->wrong = "a call had another one's mask";
  }
}

/* Packed anew for each network, from its own file. */
static void *call_network(void *argument) {
  Caller *caller = argument;
  float y[SAMPLES * FAKE_CLASSES];
  surgery_net *net = net_open_to_eval(caller->network, caller->weights, NULL);
  if (!net) return caller->wrong = "no network", NULL;
  if (caller->number % 2) call_masked(caller, net);
  for (int i = 0; caller->number % 2 == 0 && i < CALLS; i++)
    if (surgery_forward(net, SAMPLES, caller->x, y) || memcmp(y, caller->want, sizeof y) != 0)
      caller->wrong = "packed from what another network reads";
  surgery_close(net);
  return NULL;
}

static void test_callers_apart(void **state) {
  (void)state;
  static float x[SAMPLES * FAKE_INPUT], want[SAMPLES * FAKE_CLASSES];
  const char *weights = test_path("callers.safetensors");
  fake_write_weights(weights, 9);
  random_fill_uniform(6, "x", 1, x, SAMPLES * FAKE_INPUT);
  sg_network plain = fake_network(&(FakeOptions){.kind = FAKE_HEAD, .reads = READS});
  sg_network masked = fake_network(&(FakeOptions){
      .kind = FAKE_HEAD, .reads = READS, .input = "{\"kind\": \"tensor\", \"shape\": [64], \"mask\": true}"});
  masked.forward = forward_masked;
  surgery_error err;
  surgery_net *net = surgery_open(&plain, weights, &err);
  if (!net) fail_msg("%s", err.message);
  assert_int_equal(surgery_forward(net, SAMPLES, x, want), 0);
  surgery_close(net);
  pthread_t thread[CALLERS];
  Caller caller[CALLERS];
  for (int i = 0; i < CALLERS; i++) {
    caller[i] = (Caller){.network = i % 2 ? &masked : &plain, .number = i, .x = x, .want = want, .weights = weights};
    assert_int_equal(pthread_create(&thread[i], NULL, call_network, &caller[i]), 0);
  }
  for (int i = 0; i < CALLERS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < CALLERS; i++)
    if (caller[i].wrong) fail_msg("thread %d: %s", i, caller[i].wrong);
  free((void *)plain.manifest), free((void *)masked.manifest);
}

/* ---- trainings ---- */

#define WEIGHTS 9664 /* bytes of the network's floats */
#define STEP "\"step\": {\"per_sample\": 128, \"fixed\": 64, \"scratch\": 64}"
/* head: fc2 after the frozen fc1; then both layers. */
#define PHASES                                                                                                         \
  "\"phases\": [{\"tensors\": [[2, 0, 0], [3, 1280, 0]], \"frozen_layers\": [0], \"grads_bytes\": 1344,"               \
  " \"repack\": false, \"features\": {\"bytes\": 128, \"shape\": [32]}, \"functions\": {" STEP ","                     \
  " \"prefix\": {\"per_sample\": 0, \"fixed\": 64, \"scratch\": 0},"                                                   \
  " \"tail\": {\"per_sample\": 0, \"fixed\": 64, \"scratch\": 0}}},"                                                   \
  " {\"tensors\": [[0, 0, 0], [1, 8192, 0], [2, 8320, 0], [3, 9600, 0]], \"grads_bytes\": 9664,"                       \
  " \"functions\": {" STEP "}, \"features\": null}], "

typedef struct Training {
  const sg_network *network;
  const char *weights, *data;
  uint64_t seed;
  int phases;                 /* that began */
  unsigned char out[WEIGHTS]; /* the weights afterwards */
  TrainResult result;
  surgery_error err;
  bool failed;
} Training;

static void observe(void *context, const TrainEvent *event) {
  ((Training *)context)->phases += event->kind == TRAIN_PHASE;
}

/* A whole training, from opening to closing. */
static void *train_network(void *argument) {
  Training *t = argument;
  t->failed = true;
  surgery_net *net = surgery_open(t->network, t->weights, &t->err);
  if (!net) return NULL;
  DatasetSpec spec = {
      .input = &net->manifest->input, .target = TARGET_CLASSES, .target_count = 1, .classes = FAKE_CLASSES};
  Dataset *set = dataset_open(t->data, &spec, &t->err);
  TrainOptions o = {.epochs = train_epochs(net->manifest),
                    .lr = -1,
                    .seed = t->seed,
                    .shuffle = true,
                    .cache = true,
                    .observe = observe,
                    .context = t};
  if (set) t->failed = train_run(net, set, set, &o, &t->result, &t->err) != 0;
  memcpy(t->out, net->weights, WEIGHTS);
  dataset_close(set);
  surgery_close(net);
  return NULL;
}

/* Trainings of three networks, one in two phases, at once: each ends with the bits that it ends with alone. The phases
 * of two trainings of one network overlap at different places, since their seeds and the threads' times differ. */
static void test_trainings_apart(void **state) {
  (void)state;
  enum { NETWORKS = 3, TRAININGS = 6 };
  static const char adam[] = "{\"optimizer\": {\"type\": \"Adam\", \"lr\": 0.005}, \"batch\": 16, \"epochs\": 4}";
  static const char sgd[] =
      "{\"optimizer\": {\"type\": \"SGD\", \"lr\": 0.05, \"momentum\": 0.9}, \"batch\": 8, \"epochs\": 2}";
  sg_network full = fake_network(&(FakeOptions){.kind = FAKE_FULL, .train = sgd});
  sg_network head = fake_network(&(FakeOptions){.kind = FAKE_HEAD, .train = adam});
  sg_network both = fake_network(&(FakeOptions){.kind = FAKE_HEAD, .train = adam, .reads = PHASES});
  StageRecipe stages[] = {*test_recipe(adam)->stages, *test_recipe(sgd)->stages};
  TrainRecipe recipe = *both.train;
  stages[0].name = "head", stages[1].name = "all";
  recipe.stages = stages, recipe.stage_count = 2;
  both.train = &recipe, both.later_phases = 1, both.phases = &(sg_phase){.step = full.step};
  const sg_network *const networks[NETWORKS] = {&both, &full, &head};
  static Training alone[TRAININGS], together[TRAININGS];
  pthread_t thread[TRAININGS];
  test_write_csv("trainings.csv", 1, 200);
  const char *data = test_path("trainings.csv"), *weights = test_path("trainings.safetensors");
  fake_write_weights(weights, 4);
  for (int i = 0; i < TRAININGS; i++) {
    alone[i] = together[i] =
        (Training){.network = networks[i % NETWORKS], .weights = weights, .data = data, .seed = (uint64_t)i};
    train_network(&alone[i]);
    if (alone[i].failed) fail_msg("training %d: %s", i, alone[i].err.message);
    assert_int_equal(alone[i].phases, i % NETWORKS == 0 ? 2 : 0);
  }
  for (int i = 0; i < TRAININGS; i++)
    assert_int_equal(pthread_create(&thread[i], NULL, train_network, &together[i]), 0);
  for (int i = 0; i < TRAININGS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < TRAININGS; i++) {
    if (together[i].failed) fail_msg("thread %d: %s", i, together[i].err.message);
    assert_memory_equal(together[i].out, alone[i].out, WEIGHTS);
    assert_true(together[i].result.loss == alone[i].result.loss);
    assert_true(together[i].result.val_loss == alone[i].result.val_loss);
    for (int k = 0; k < i; k++) assert_memory_not_equal(alone[i].out, alone[k].out, WEIGHTS);
  }
  for (int i = 0; i < NETWORKS; i++) free((void *)networks[i]->manifest);
}

int run_caller_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_callers_apart), cmocka_unit_test(test_trainings_apart)};
  return cmocka_run_group_tests_name("callers", tests, NULL, NULL);
}
