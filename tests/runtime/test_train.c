/* The training loop: convergence, the feature cache, resuming, seeds, broken samples, losses that are no
 * numbers. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "runtime/train/evaluate.h"
#include "runtime/train/loop.h"
#include "tests/runtime/fake.h"

#define ADAM "{\"optimizer\": {\"type\": \"Adam\", \"lr\": 0.005}, \"batch\": 16, \"epochs\": 6, \"seed\": 3}"
#define MOMENTUM                                                                                                       \
  "{\"optimizer\": {\"type\": \"SGD\", \"lr\": 0.05, \"momentum\": 0.9}, \"batch\": 16, \"epochs\": 6, "               \
  "\"seed\": 3}"
#define SAMPLES 300 /* in batches of 16 the last one is partial */

static surgery_error err;

/* A network, a training set in memory and what the loop told. */
typedef struct Run {
  sg_network network;
  surgery_net *net;
  Dataset *set, *val;
  TrainOptions o;
  TrainResult result;
  volatile sig_atomic_t stop;
  int64_t stop_after; /* steps; -1: never */
  int steps, epochs, cached, broken, checkpoints;
  double first_loss;
} Run;

static void observe(void *context, const TrainEvent *event) {
  Run *run = context;
  if (event->kind == TRAIN_STEP && run->steps++ == 0) run->first_loss = event->loss;
  if (event->kind == TRAIN_STEP && event->step == run->stop_after) run->stop = 1;
  run->epochs += event->kind == TRAIN_EPOCH;
  run->cached += event->kind == TRAIN_CACHED;
  run->broken += event->kind == TRAIN_BROKEN;
  run->checkpoints += event->kind == TRAIN_CHECKPOINT;
}

static DatasetSpec spec_of(const surgery_net *net) {
  return (DatasetSpec){
      .input = &net->manifest->input, .target = TARGET_CLASSES, .target_count = 1, .classes = FAKE_CLASSES};
}

static void start_run(Run *run, FakeKind kind, const char *train) {
  *run = (Run){.stop_after = -1};
  test_write_csv("train.csv", 1, SAMPLES);
  test_write_csv("val.csv", 2, 200);
  fake_write_weights(test_path("w.safetensors"), 1);
  run->network = fake_network(&(FakeOptions){.kind = kind, .train = train});
  run->net = surgery_open(&run->network, test_path("w.safetensors"), &err);
  if (!run->net) fail_msg("%s", err.message);
  DatasetSpec spec = spec_of(run->net);
  run->set = dataset_open(test_path("train.csv"), &spec, &err);
  run->val = dataset_open(test_path("val.csv"), &spec, &err);
  if (!run->set || !run->val) fail_msg("%s", err.message);
  const TrainRecipe *t = run->net->manifest->train;
  run->o = (TrainOptions){.epochs = train_epochs(run->net->manifest),
                          .batch = t->stages[0].batch,
                          .lr = -1,
                          .seed = (uint64_t)t->seed,
                          .shuffle = true,
                          .cache = true,
                          .observe = observe,
                          .context = run,
                          .stop = &run->stop};
}

static void must_run(Run *run) {
  if (train_run(run->net, run->set, run->val, &run->o, &run->result, &err)) fail_msg("%s", err.message);
}

static void must_fail(Run *run, const char *part) {
  err.message[0] = 0;
  assert_int_equal(train_run(run->net, run->set, run->val, &run->o, &run->result, &err), -1);
  if (!strstr(err.message, part)) fail_msg("'%s' is not in:\n%s", part, err.message);
}

static void end_run(Run *run) {
  dataset_close(run->set), dataset_close(run->val);
  surgery_close(run->net);
  free((void *)run->network.manifest);
}

static void test_converges(void **state) {
  (void)state;
  for (int kind = FAKE_FULL; kind <= FAKE_HEAD; kind++) {
    Run run;
    start_run(&run, kind, ADAM);
    run.o.epochs = 30;
    must_run(&run);
    assert_int_equal(run.epochs, 30);
    assert_int_equal(run.steps, 30 * ((SAMPLES + 15) / 16));
    assert_true(run.result.loss < 0.3 * run.first_loss);
    assert_true(run.result.accuracy > 0.95);
    assert_true(run.result.val_accuracy > 0.9);
    assert_int_equal(*(int64_t *)(void *)(run.net->weights + 9664 + 0), kind == FAKE_FULL ? run.steps : 0);
    end_run(&run);
  }
}

/* With the cache the prefix runs once for each sample, and the result is the same to the bit. */
static void test_feature_cache(void **state) {
  (void)state;
  Run cached, plain, tight;
  start_run(&cached, FAKE_HEAD, ADAM);
  fake_prefixes = 0;
  must_run(&cached);
  assert_int_equal(fake_prefixes, SAMPLES + 200);
  assert_int_equal(cached.cached, 2);
  start_run(&plain, FAKE_HEAD, ADAM);
  plain.o.cache = false;
  fake_prefixes = 0;
  must_run(&plain);
  assert_int_equal(fake_prefixes, 6 * (SAMPLES + 200));
  assert_memory_equal(cached.net->weights, plain.net->weights, 9664);
  assert_true(cached.result.val_loss == plain.result.val_loss);
  start_run(&tight, FAKE_HEAD, ADAM);
  tight.o.cache_limit = SAMPLES * 128; /* room for the training set alone: the other runs each time */
  fake_prefixes = 0;
  must_run(&tight);
  assert_int_equal(tight.cached, 1);
  assert_int_equal(fake_prefixes, SAMPLES + 6 * 200);
  assert_memory_equal(cached.net->weights, tight.net->weights, 9664);
  end_run(&cached), end_run(&plain), end_run(&tight);
}

static void test_seeds(void **state) {
  (void)state;
  Run a, b, c, ordered;
  start_run(&a, FAKE_FULL, ADAM), start_run(&b, FAKE_FULL, ADAM), start_run(&c, FAKE_FULL, ADAM),
      start_run(&ordered, FAKE_FULL, ADAM);
  c.o.seed = 4;
  ordered.o.shuffle = false;
  must_run(&a), must_run(&b), must_run(&c), must_run(&ordered);
  assert_memory_equal(a.net->weights, b.net->weights, 9664);
  assert_memory_not_equal(a.net->weights, c.net->weights, 9664);
  assert_memory_not_equal(a.net->weights, ordered.net->weights, 9664);
  net_init_fresh(a.net, 8), net_init_fresh(b.net, 8), net_init_fresh(c.net, 9);
  assert_memory_equal(a.net->weights + 8320, b.net->weights + 8320, 1280);
  assert_memory_not_equal(a.net->weights + 8320, c.net->weights + 8320, 1280);
  end_run(&a), end_run(&b), end_run(&c), end_run(&ordered);
}

#define FLOATS (9664 / 4) /* of the network, in front of its integers */

/* The weights behind `steps` steps of a train block. */
static const float *train_steps(Run *run, const char *train, int64_t steps) {
  start_run(run, FAKE_FULL, train);
  run->o.steps = steps;
  must_run(run);
  assert_int_equal(run->result.steps, steps);
  return (const float *)(const void *)run->net->weights;
}

static double distance(const float *a, const float *b) {
  double squares = 0;
  for (int i = 0; i < FLOATS; i++) squares += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
  return sqrt(squares);
}

#define PLAIN "{\"optimizer\": {\"type\": \"SGD\", \"lr\": 0.1}, \"epochs\": 3, \"seed\": 3, "

/* Two batches of 8 make the step of one of 16; a clipped step is as long as rate and norm say; the average follows. */
static void test_between_gradients_and_step(void **state) {
  (void)state;
  Run start, whole, halves, one, clipped, loose, averaged;
  start_run(&start, FAKE_FULL, PLAIN "\"batch\": 16}");
  const float *first = (const float *)(const void *)start.net->weights;
  const float *a = train_steps(&whole, PLAIN "\"batch\": 16}", 12);
  const float *b = train_steps(&halves, PLAIN "\"batch\": 8, \"accumulate\": 2}", 12);
  assert_int_equal(halves.steps, 12);
  assert_true(distance(a, first) > 0.1);
  assert_true(distance(a, b) < 1e-6); /* measured: 1.5e-7 */
  const float *w = train_steps(&one, PLAIN "\"batch\": 16}", 1);
  const float *c = train_steps(&clipped, PLAIN "\"batch\": 16, \"clip_norm\": 0.01}", 1);
  assert_true(distance(w, first) > 0.002);
  assert_true(fabs(distance(c, first) / 0.001 - 1) < 1e-6); /* 0.1 × 0.01; measured: 8.6e-8 */
  const float *l = train_steps(&loose, PLAIN "\"batch\": 16, \"clip_norm\": 1000}", 1);
  assert_memory_equal(l, w, 9664);
  const float *e = train_steps(&averaged, PLAIN "\"batch\": 16, \"ema\": 0.75}", 1);
  for (int i = 0; i < FLOATS; i++) assert_true(e[i] == first[i] + 0.25f * (w[i] - first[i]));
  end_run(&start), end_run(&whole), end_run(&halves), end_run(&one), end_run(&clipped), end_run(&loose),
      end_run(&averaged);
}

/* Stopped after `stop` steps and resumed: the same bits as without, in weights, optimizer state and figures.
 */
static void resume_after(FakeKind kind, const char *train, int64_t stop) {
  Run whole, part, rest;
  start_run(&whole, kind, train);
  whole.o.checkpoint = test_path("whole-checkpoint.safetensors"), whole.o.checkpoint_every = whole.o.epochs;
  must_run(&whole);
  start_run(&part, kind, train);
  part.stop_after = stop;
  part.o.checkpoint = test_path("resume-checkpoint.safetensors");
  must_run(&part);
  assert_true(part.result.interrupted);
  assert_int_equal(part.result.steps, stop);
  start_run(&rest, kind, train);
  net_init_fresh(rest.net, 77); /* what the network held before does not matter */
  rest.o.resume = part.o.checkpoint;
  rest.o.checkpoint = test_path("rest-checkpoint.safetensors"), rest.o.checkpoint_every = rest.o.epochs;
  must_run(&rest);
  assert_int_equal(part.steps + rest.steps, whole.steps);
  assert_memory_equal(whole.net->weights, rest.net->weights, whole.net->manifest->weights_bytes);
  assert_true(whole.result.val_loss == rest.result.val_loss && whole.result.loss == rest.result.loss);
  assert_true(whole.result.accuracy == rest.result.accuracy);
  size_t size, same;
  char *a = test_read("whole-checkpoint.safetensors", &size), *b = test_read("rest-checkpoint.safetensors", &same);
  assert_true(a && b && size == same);
  assert_memory_equal(a, b, size);
  free(a), free(b);
  end_run(&whole), end_run(&part), end_run(&rest);
}

static void test_resume(void **state) {
  (void)state;
  resume_after(FAKE_FULL, ADAM, 30);     /* within the second epoch */
  resume_after(FAKE_FULL, ADAM, 19);     /* with the last step of an epoch, before its validation */
  resume_after(FAKE_HEAD, MOMENTUM, 50); /* from the feature cache */
  resume_after(FAKE_FULL, MOMENTUM, 1);
}

static void test_checkpoint_every(void **state) {
  (void)state;
  Run whole, rest;
  start_run(&whole, FAKE_FULL, ADAM);
  whole.o.checkpoint = test_path("every.safetensors");
  whole.o.checkpoint_every = 4;
  must_run(&whole);
  assert_int_equal(whole.checkpoints, 1);
  start_run(&rest, FAKE_FULL, ADAM);
  rest.o.resume = whole.o.checkpoint;
  must_run(&rest);
  assert_int_equal(rest.epochs, 2);
  assert_memory_equal(whole.net->weights, rest.net->weights, whole.net->manifest->weights_bytes);
  end_run(&whole);
  rest.o.batch = 8;
  must_fail(&rest, "batch 16, seed 3, shuffled");
  rest.o.batch = 16, rest.set->count = 299;
  must_fail(&rest, "made with 300 training samples");
  rest.set->count = SAMPLES;
  rest.o.resume = test_path("w.safetensors");
  must_fail(&rest, "no checkpoint");
  end_run(&rest);
  start_run(&rest, FAKE_FULL, MOMENTUM);
  rest.o.resume = test_path("every.safetensors");
  must_fail(&rest, "the checkpoint's optimizer is Adam");
  end_run(&rest);
}

static void test_steps_and_log(void **state) {
  (void)state;
  Run run;
  start_run(&run, FAKE_FULL, ADAM);
  run.o.steps = 22;
  run.o.log = test_path("log.csv");
  must_run(&run);
  assert_int_equal(run.result.steps, 22);
  char *log = test_read("log.csv", NULL);
  assert_non_null(strstr(log, "row,epoch,step,loss,lr,train_loss,train_acc,val_loss,val_acc,seconds\nstep,1,1,"));
  assert_non_null(strstr(log, "\nstep,2,22,"));
  assert_non_null(strstr(log, ",0.005,,,,,\nepoch,1,19,,,"));
  assert_non_null(strstr(log, "\nepoch,2,22,,,"));
  int lines = 0;
  for (char *c = log; *c; c++) lines += *c == '\n';
  assert_int_equal(lines, 1 + 22 + 2);
  free(log);
  end_run(&run);
  start_run(&run, FAKE_FULL, ADAM);
  run.o.log = "/nonexistent/log.csv";
  must_fail(&run, "/nonexistent/log.csv");
  run.o.log = "/dev/full";
  must_fail(&run, "/dev/full");
  end_run(&run);
}

static void test_not_finite(void **state) {
  (void)state;
  Run run;
  start_run(&run, FAKE_FULL, ADAM);
  ((float *)(void *)(run.net->weights + 8320))[0] = NAN; /* in fc2 */
  unsigned char before[9664];
  memcpy(before, run.net->weights, sizeof before);
  must_fail(&run, "diverged");
  assert_memory_equal(before, run.net->weights, sizeof before); /* no update was made of it */
  end_run(&run);
}

static void test_odd_sets(void **state) {
  (void)state;
  Run run;
  start_run(&run, FAKE_FULL, ADAM);
  for (int i = 0; i < SAMPLES; i++) run.set->labels[i] = 4;
  must_fail(&run, "all 300 samples are of one class");
  run.set->count = 0;
  must_fail(&run, "nothing to train on");
  end_run(&run);
  start_run(&run, FAKE_FROZEN, NULL);
  must_fail(&run, "nothing in this network is trainable");
  end_run(&run);
  start_run(&run, FAKE_FULL, ADAM); /* fewer samples than a batch; no validation set */
  run.set->count = 5;
  Dataset *val = run.val;
  run.val = NULL;
  must_run(&run);
  assert_int_equal(run.result.steps, 6);
  assert_true(isnan(run.result.val_loss));
  run.o.epochs = 0; /* nothing to do is no mistake */
  must_run(&run);
  run.val = val;
  end_run(&run);
}

static void test_batchnorm_of_one(void **state) {
  (void)state;
  Run run;
  start_run(&run, FAKE_FULL, ADAM);
  sg_network other =
      fake_network(&(FakeOptions){.kind = FAKE_FULL,
                                  .train = ADAM,
                                  .layers = "[{\"name\": \"bn\", \"type\": \"BatchNorm1d\", \"shape\": [32], "
                                            "\"parameters\": 64, \"frozen\": false},"
                                            " {\"name\": \"bn2\", \"type\": \"BatchNorm2d\", \"shape\": [32, "
                                            "2, 2], \"parameters\": 64, \"frozen\": false}]"});
  surgery_net *net = surgery_open(&other, test_path("w.safetensors"), &err), *own = run.net;
  assert_non_null(net);
  run.net = net;
  run.o.batch = 23; /* 300 = 13 × 23 + 1 */
  must_fail(&run, "'bn' expects more than 1 value per channel");
  run.o.batch = 16;
  must_run(&run);
  float x[64] = {0}, loss;
  int32_t target = 1;
  assert_int_equal(surgery_train_step(net, 1, x, &target, &loss), SURGERY_SMALL_BATCH);
  run.net = own;
  surgery_close(net);
  free((void *)other.manifest);
  end_run(&run);
}

/* ---- broken samples ---- */

static int (*real_load)(Dataset *, int64_t, uint64_t, float *, void *, surgery_error *);
static int broken_every;

static int load_some(Dataset *set, int64_t index, uint64_t seed, float *x, void *target, surgery_error *failure) {
  if (index % broken_every == 0)
    return snprintf(failure->message, sizeof failure->message, "picture %lld is broken", (long long)index), 1;
  return real_load(set, index, seed, x, target, failure);
}

static void test_broken_samples(void **state) {
  (void)state;
  Run cached, plain;
  broken_every = 10;
  start_run(&cached, FAKE_HEAD, ADAM), start_run(&plain, FAKE_HEAD, ADAM);
  real_load = cached.set->load;
  cached.set->load = plain.set->load = load_some;
  plain.o.cache = false;
  must_run(&cached), must_run(&plain);
  assert_int_equal(cached.broken, 30); /* each told once, though every epoch meets it */
  assert_int_equal(plain.broken, 30);
  assert_int_equal(plain.result.broken, 30);
  assert_memory_equal(cached.net->weights, plain.net->weights, 9664);
  broken_every = 1;
  must_fail(&cached, "none of the 300 samples can be used");
  must_fail(&plain, "none of the 300 samples can be used");
  end_run(&cached), end_run(&plain);
}

/* ---- metrics: a batch's mean loss counts by the weights of its targets, as torch's cross_entropy has it ---- */

static void test_metrics(void **state) {
  (void)state;
  const char *text = "{\"name\": \"m\", \"input\": {\"kind\": \"tensor\", \"shape\": [1]}, \"outputs\": "
                     "[{\"name\": \"y\", \"shape\": [3]}],"
                     " \"weights_bytes\": 0, \"packed_bytes\": 0, \"tensors\": []}";
  const char *train = "{\"loss\": {\"type\": \"CrossEntropy\", \"label_smoothing\": 0.1, \"weight\": [1, 2, 0.5]}}";
  const float y[6] = {1, 2, -1, 0.5f, -0.25f, 0.125f}, values[3] = {1, 1, 1};
  const int32_t target[2] = {2, 0};
  Manifest *manifest = manifest_parse(text, test_recipe(train), &err);
  if (!manifest) fail_msg("%s", err.message);
  Metrics m;
  assert_int_equal(metrics_init(&m, manifest, true, &err), 0);
  assert_true(isnan(metrics_loss(&m)));
  metrics_add(&m, 2, y, target);
  metrics_add_loss(&m, 2, target, 1); /* of weights 0.5 and 1 */
  metrics_add_loss(&m, 1, target + 1, 4);
  assert_true(fabs(metrics_loss(&m) - (1.5 * 1 + 1 * 4) / 2.5) < 1e-12);
  assert_int_equal(m.top1, 1);
  assert_int_equal(m.top5, 2);
  assert_int_equal(m.confusion[2 * 3 + 1], 1);
  assert_int_equal(m.right[0], 1);
  metrics_free(&m);
  manifest->train = test_recipe("{\"loss\": {\"type\": \"MSE\"}}");
  assert_int_equal(metrics_init(&m, manifest, false, &err), 0);
  metrics_add(&m, 1, y, values);
  metrics_add_loss(&m, 1, values, 2.5);
  assert_true(fabs(metrics_loss(&m) - 2.5) < 1e-12);
  assert_true(isnan(metrics_top1(&m)));
  metrics_free(&m);
  manifest_free(manifest);
}

int run_train_tests(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_converges),      cmocka_unit_test(test_feature_cache),
      cmocka_unit_test(test_seeds),          cmocka_unit_test(test_between_gradients_and_step),
      cmocka_unit_test(test_resume),         cmocka_unit_test(test_checkpoint_every),
      cmocka_unit_test(test_steps_and_log),  cmocka_unit_test(test_not_finite),
      cmocka_unit_test(test_odd_sets),       cmocka_unit_test(test_batchnorm_of_one),
      cmocka_unit_test(test_broken_samples), cmocka_unit_test(test_metrics)};
  return cmocka_run_group_tests_name("training", tests, NULL, NULL);
}
