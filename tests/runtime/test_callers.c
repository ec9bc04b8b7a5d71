/* Several networks in several threads: every call has what it was given and nothing of another thread's call. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "runtime/base/random.h"
#include "runtime/net/net.h"
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

int run_caller_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_callers_apart)};
  return cmocka_run_group_tests_name("callers", tests, NULL, NULL);
}
