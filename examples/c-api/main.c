/* Uses a compiled network from C: trains it for some steps, runs it forward, saves a part of it, and does the
 * same forward in memory that this program owns. Built by cc alone; see build.sh. */
#include "digits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "surgery.h" /* readers of weight files, for run_raw; the network itself needs digits.h alone */

enum { PIXELS = DIGITS_INPUT_COUNT, BATCH = 20 };

static int largest(const float *y) {
  int best = 0;
  for (int i = 1; i < DIGITS_CLASSES; i++)
    if (y[i] > y[best]) best = i;
  return best;
}

/* Blocks of light that move with the class: easy to learn, and no file is needed. x: (BATCH, 1, 8, 8). */
static void make_batch(float *x, int32_t *target) {
  memset(x, 0, sizeof(float) * BATCH * PIXELS);
  for (int i = 0; i < BATCH; i++) {
    target[i] = i % DIGITS_CLASSES;
    for (int k = 0; k < 12; k++) x[i * PIXELS + (target[i] * 6 + k) % PIXELS] = 1.0f + 0.01f * (float)(i % 3);
  }
}

/* One call a row of DIGITS_TENSORS: every tensor to its place in the caller's memory. */
static int read_tensor(surgery_weights *file, const char *name, int whole, void *to, int64_t count) {
  surgery_error err;
  const surgery_tensor *tensor = surgery_weights_find(file, name);
  if (!tensor) return fprintf(stderr, "there is no %s\n", name), 1;
  int status = whole ? surgery_weights_read_i64(file, tensor, to, count, &err)
                     : surgery_weights_read(file, tensor, to, count, &err);
  if (status) fprintf(stderr, "%s\n", err.message);
  return status;
}

static int read_weights(const char *path, unsigned char *weights) {
  surgery_error err;
  surgery_weights *file = surgery_weights_open(path, &err);
  if (!file) return fprintf(stderr, "%s\n", err.message), 1;
  enum { f32, i64 }; /* the words in the table */
  int failed = 0;
#define READ(name, dtype, offset, count) failed |= read_tensor(file, name, dtype == i64, weights + (offset), count);
  DIGITS_TENSORS(READ)
#undef READ
  surgery_weights_close(file);
  return failed;
}

static void *memory(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

/* The same forward without the library's memory. What is allocated here could as well be static: the sizes
 * are known when this file is compiled, but for the number of threads. The functions are told how much there is, and
 * take no more threads than that is enough for. */
static int run_raw(const char *weights_file, const float *x, float *y) {
  size_t weights_bytes = DIGITS_WEIGHTS_BYTES, arena_bytes = DIGITS_FORWARD_BYTES(BATCH);
  unsigned char *weights = memory(weights_bytes), *arena = memory(arena_bytes);
  int failed = !weights || !arena || read_weights(weights_file, weights);
  if (!failed) failed = digits_pack(weights, weights_bytes); /* once, and again whenever the tensors change */
  if (!failed) failed = digits_forward_raw(weights, arena, arena_bytes, BATCH, x, y);
  free(weights), free(arena);
  return failed;
}

static int train(digits *net, const float *x, const int32_t *target, float *first, float *last) {
  for (int step = 0; step < 60; step++) {
    int failure = digits_train_step(net, BATCH, x, target, last);
    if (failure) return failure;
    if (step == 0) *first = *last;
  }
  return 0;
}

int main(int argc, char **argv) {
  static _Alignas(64) float x[BATCH * PIXELS], y[BATCH * DIGITS_CLASSES], y_raw[BATCH * DIGITS_CLASSES];
  const char *weights = argc > 1 ? argv[1] : NULL; /* NULL: the file that surgeryc wrote */
  const char *saved = "c-api-digits.safetensors";
  int32_t target[BATCH];
  float first = 0, last = 0;
  surgery_error err;
  digits *net = digits_open(weights, &err);
  if (!net) return fprintf(stderr, "%s\n", err.message), 1;
  make_batch(x, target);
  int failure = train(net, x, target, &first, &last);
  if (!failure) failure = digits_forward(net, BATCH, x, y);
  if (failure) return fprintf(stderr, "%s\n", surgery_failure_text(failure)), 3;
  int right = 0;
  for (int i = 0; i < BATCH; i++) right += largest(y + i * DIGITS_CLASSES) == target[i];
  printf("%d parameters, %d trained\n", DIGITS_PARAMETERS, DIGITS_TRAINABLE_PARAMETERS);
  printf("loss %.3f -> %.3f, %d of %d right\n", first, last, right, BATCH);
  if (digits_save(net, "c-api-head.safetensors", "fc", &err) != 0 || digits_save(net, saved, NULL, &err) != 0)
    return fprintf(stderr, "%s\n", err.message), 1;
  digits_close(net);
  if (run_raw(saved, x, y_raw) != 0) return 1;
  int same = memcmp(y, y_raw, sizeof y) == 0;
  printf("in memory of our own: %s\n", same ? "the same outputs" : "other outputs");
  return right == BATCH && last < first && same ? 0 : 1;
}
