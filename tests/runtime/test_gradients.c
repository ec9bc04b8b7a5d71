/* Adding, clipping and averaging against the plain loops, and their bits for one, two and three threads. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "runtime/base/random.h"
#include "runtime/train/gradients.h"
#include "tests/runtime/fake.h"

/* Two trained tensors with a gap before the second one's gradients, a frozen one, an integer one, and the frozen one
 * under a second name. The large one has more chunks than one thread takes. */
#define LARGE 100003
#define SMALL 5
#define FROZEN 9
#define GAP 3
enum { FLOATS = LARGE + SMALL + FROZEN, GRADS = LARGE + GAP + SMALL, BYTES = 4 * FLOATS + 4 + 8 };

static Manifest *make_manifest(void) {
  char *text;
  MUST(BYTES % 8 == 0);
  if (asprintf(
          &text,
          "{\"name\": \"g\", \"input\": {\"kind\": \"tensor\", \"shape\": [1]}, \"outputs\": [{\"name\": \"y\", "
          "\"shape\": [1]}],"
          " \"weights_bytes\": %d, \"packed_bytes\": 0, \"grads_bytes\": %d, \"tensors\": ["
          "{\"name\": \"a\", \"shape\": [%d], \"dtype\": \"f32\", \"offset\": 0, \"trainable\": true, \"grad\": 0},"
          "{\"name\": \"b\", \"shape\": [%d], \"dtype\": \"f32\", \"offset\": %d, \"trainable\": true, \"grad\": %d},"
          "{\"name\": \"c\", \"shape\": [%d], \"dtype\": \"f32\", \"offset\": %d},"
          "{\"name\": \"d\", \"shape\": [%d], \"dtype\": \"f32\", \"offset\": %d, \"shared\": true},"
          "{\"name\": \"n\", \"shape\": [1], \"dtype\": \"i64\", \"offset\": %d, \"buffer\": true}]}",
          BYTES, 4 * GRADS, LARGE, SMALL, 4 * LARGE, 4 * (LARGE + GAP), FROZEN, 4 * (LARGE + SMALL), FROZEN,
          4 * (LARGE + SMALL), BYTES - 8) < 0)
    abort();
  surgery_error err;
  Manifest *m = manifest_parse(text, NULL, &err);
  if (!m) fail_msg("%s", err.message);
  free(text);
  return m;
}

static float *numbers(uint64_t seed, int64_t count) {
  float *to = malloc((size_t)count * sizeof *to + 16);
  MUST(to);
  random_fill_uniform(seed, "numbers", 2, to, count);
  return to;
}

static bool trained(int64_t k) { return k < LARGE || k >= LARGE + GAP; }

static void test_adds(void **state) {
  (void)state;
  Manifest *m = make_manifest();
  Chunks chunks;
  assert_int_equal(chunks_init(&chunks, m, &m->phases[0]), 0);
  for (int threads = 1; threads <= 3; threads++) {
    float *a = numbers(1, GRADS), *b = numbers(2, GRADS), *sum = numbers(3, GRADS), *before = numbers(3, GRADS);
    surgery_set_threads(threads);
    gradients_add(&chunks, (unsigned char *)sum, (unsigned char *)a, 0.25, true);
    gradients_add(&chunks, (unsigned char *)sum, (unsigned char *)b, 0.25, false);
    for (int64_t k = 0; k < GRADS; k++) assert_true(sum[k] == (trained(k) ? 0.25f * a[k] + 0.25f * b[k] : before[k]));
    free(a), free(b), free(sum), free(before);
  }
  surgery_set_threads(0);
  chunks_free(&chunks);
  manifest_free(m);
}

static void test_clips(void **state) {
  (void)state;
  Manifest *m = make_manifest();
  Chunks chunks;
  assert_int_equal(chunks_init(&chunks, m, &m->phases[0]), 0);
  float *before = numbers(1, GRADS), *first = NULL;
  long double squares = 0;
  for (int64_t k = 0; k < GRADS; k++) squares += trained(k) ? (long double)before[k] * before[k] : 0;
  double norm = (double)sqrtl(squares), first_norm = 0;
  for (int threads = 1; threads <= 3; threads++) {
    float *grads = numbers(1, GRADS);
    surgery_set_threads(threads);
    assert_true(gradients_clip(&chunks, (unsigned char *)grads, norm * 1.001) > 0);
    assert_memory_equal(grads, before, GRADS * sizeof *grads); /* short enough */
    double got = gradients_clip(&chunks, (unsigned char *)grads, 0.5);
    assert_true(fabs(got - norm) <= 1e-14 * norm); /* measured: 3.2e-16 */
    float factor = (float)(0.5 / (got + 1e-6));
    for (int64_t k = 0; k < GRADS; k++) assert_true(grads[k] == (trained(k) ? before[k] * factor : before[k]));
    if (!first) first = grads, first_norm = got;
    assert_true(got == first_norm);
    assert_memory_equal(grads, first, GRADS * sizeof *grads);
    if (grads != first) free(grads);
  }
  surgery_set_threads(0);
  free(first), free(before);
  chunks_free(&chunks);
  manifest_free(m);
}

/* A tensor under two names is averaged once. */
static void test_averages(void **state) {
  (void)state;
  Manifest *m = make_manifest();
  Chunks chunks;
  assert_int_equal(chunks_init(&chunks, m, NULL), 0);
  for (int threads = 1; threads <= 3; threads++) {
    float *weights = numbers(1, BYTES / 4), *average = numbers(2, BYTES / 4), *before = numbers(2, BYTES / 4);
    surgery_set_threads(threads);
    weights_average(m, &chunks, (unsigned char *)average, (unsigned char *)weights, 0.75);
    for (int64_t k = 0; k < FLOATS; k++) assert_true(average[k] == before[k] + 0.25f * (weights[k] - before[k]));
    assert_memory_equal((char *)average + BYTES - 8, (char *)weights + BYTES - 8, 8);
    free(weights), free(average), free(before);
  }
  surgery_set_threads(0);
  chunks_free(&chunks);
  manifest_free(m);
}

int run_gradient_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_adds), cmocka_unit_test(test_clips),
                                     cmocka_unit_test(test_averages)};
  return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
