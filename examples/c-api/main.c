/* Uses a compiled network from C: runs it forward, trains it for some steps, saves it, and runs the caller-owned
 * memory variant. Built by cc alone; see build.sh. */
#include "digits.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS = 8 * 8, BATCH = 20 };

static int largest(const float *y) {
  int best = 0;
  for (int i = 1; i < DIGITS_CLASSES; i++)
    if (y[i] > y[best]) best = i;
  return best;
}

/* Blocks of light that move with the class: easy to learn, and no file is needed. */
static void make_batch(float *x, int32_t *target) {
  memset(x, 0, sizeof(float) * BATCH * PIXELS);
  for (int i = 0; i < BATCH; i++) {
    target[i] = i % DIGITS_CLASSES;
    for (int k = 0; k < 12; k++) x[i * PIXELS + (target[i] * 6 + k) % PIXELS] = 1.0f + 0.01f * (float)(i % 3);
  }
}

/* The same forward without the library's memory: weights and arena belong to the caller. */
static int check_raw(const char *weights_file, const float *x, const float *want) {
  (void)weights_file;
  size_t bytes = DIGITS_FORWARD_BYTES(BATCH);
  void *arena = aligned_alloc(64, (bytes + 63) / 64 * 64);
  float y[BATCH * DIGITS_CLASSES];
  if (!arena) return 1;
  digits_forward_raw(digits_weights(), arena, BATCH, x, y);
  free(arena);
  return memcmp(y, want, sizeof y) != 0;
}

int main(int argc, char **argv) {
  surgery_error err;
  const char *weights = argc > 1 ? argv[1] : NULL; /* NULL: the file that surgeryc wrote */
  digits *net = digits_open(weights, &err);
  if (!net) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  float x[BATCH * PIXELS], y[BATCH * DIGITS_CLASSES], loss = 0, first = 0;
  int32_t target[BATCH];
  make_batch(x, target);
  for (int step = 0; step < 60; step++) {
    if (digits_train_step(net, BATCH, x, target, &loss) != 0) return 1;
    if (step == 0) first = loss;
  }
  if (digits_forward(net, BATCH, x, y) != 0) return 1;
  int right = 0;
  for (int i = 0; i < BATCH; i++) right += largest(y + i * DIGITS_CLASSES) == target[i];
  printf("loss %.3f -> %.3f, %d of %d right\n", first, loss, right, BATCH);
  if (digits_save(net, "c-api-digits.safetensors", "fc", &err) != 0) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  digits_close(net);
  return right == BATCH && loss < first ? 0 : 1;
}
