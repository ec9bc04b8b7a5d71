/* Two networks in one program, each used by a thread of its own: the same numbers as one after the other.
 * Prints what went wrong; exit status 0 when nothing did. Compiled by c-api/networks.sh with the headers of
 * tiny.o and other.o. */
#include "other.h"
#include "tiny.h"
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 13, STEPS = 40 };

static int failures;
#define CHECK(what)                                                                                                    \
  do {                                                                                                                 \
    if (!(what)) failures++, printf("line %d: %s\n", __LINE__, #what);                                                 \
  } while (0)

typedef struct Run {
  int other; /* which network */
  float losses[STEPS], y[N * 5];
  int status;
} Run;

static void fill(float *x, int32_t *target, int count, int classes) {
  uint32_t state = 7;
  for (int i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = (float)(state >> 8) / (float)(1 << 24) - 0.5f;
  }
  for (int i = 0; i < N; i++) target[i] = i % classes;
}

static void *use_tiny(Run *r) {
  float x[N * TINY_INPUT_COUNT];
  int32_t target[N];
  fill(x, target, N * TINY_INPUT_COUNT, TINY_CLASSES);
  tiny *net = tiny_open(NULL, NULL);
  r->status = net ? 0 : -1;
  for (int i = 0; net && i < STEPS; i++) r->status |= tiny_train_step(net, N, x, target, &r->losses[i]);
  if (net) r->status |= tiny_forward(net, N, x, r->y);
  tiny_close(net);
  return NULL;
}

static void *use_other(Run *r) {
  float x[N * OTHER_INPUT_COUNT];
  int32_t target[N];
  fill(x, target, N * OTHER_INPUT_COUNT, OTHER_CLASSES);
  other *net = other_open(NULL, NULL);
  r->status = net ? 0 : -1;
  for (int i = 0; net && i < STEPS; i++) r->status |= other_train_step(net, N, x, target, &r->losses[i]);
  if (net) r->status |= other_forward(net, N, x, r->y);
  other_close(net);
  return NULL;
}

static void *use(void *run) {
  Run *r = run;
  return r->other ? use_other(r) : use_tiny(r);
}

static void threads(void) {
  static Run alone[2] = {{.other = 0}, {.other = 1}}, together[4];
  pthread_t thread[4];
  for (int i = 0; i < 2; i++) use(&alone[i]);
  for (int i = 0; i < 4; i++) { /* two of each */
    together[i].other = i % 2;
    CHECK(pthread_create(&thread[i], NULL, use, &together[i]) == 0);
  }
  for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < 2; i++) {
    CHECK(alone[i].status == 0);
    CHECK(alone[i].losses[STEPS - 1] < 0.5f * alone[i].losses[0]);
  }
  for (int i = 0; i < 4; i++) {
    CHECK(together[i].status == 0);
    CHECK(memcmp(together[i].losses, alone[i % 2].losses, sizeof together[i].losses) == 0);
    CHECK(memcmp(together[i].y, alone[i % 2].y, sizeof together[i].y) == 0);
  }
}

/* What cannot be done is answered, and nothing is read or written then. */
static void mistakes(void) {
  surgery_error err;
  float x[TINY_INPUT_COUNT] = {0}, y[TINY_OUTPUT_COUNT], loss = 9;
  int32_t target = TINY_CLASSES;
  CHECK(!tiny_open("nowhere.safetensors", &err) && strstr(err.message, "nowhere.safetensors"));
  CHECK(!tiny_open("nowhere.safetensors", NULL));
  CHECK(!tiny_open("other.safetensors", &err) && err.status == SURGERY_BAD_INPUT && strstr(err.message, "fc.weight"));
  tiny *net = tiny_open(NULL, &err);
  CHECK(net != NULL);
  if (!net) return;
  CHECK(tiny_forward(net, 0, x, y) == 0);
  CHECK(tiny_train_step(net, 1, x, &target, &loss) == SURGERY_BAD_TARGET); /* a class that there is not */
  target = -1;
  CHECK(tiny_train_step(net, 1, x, &target, &loss) == SURGERY_BAD_TARGET);
  CHECK(tiny_save(net, "no/such/folder.safetensors", NULL, &err) == -1 && err.status == SURGERY_ENVIRONMENT);
  CHECK(tiny_save(net, "w.txt", NULL, &err) == -1 && strstr(err.message, "w.txt"));
  CHECK(tiny_save(net, "w.safetensors", "fcc", &err) == -1 && strstr(err.message, "fcc"));
  tiny_close(net);
  tiny_close(NULL);
}

/* x and y need no alignment with the library's own memory. */
static void alignment(void) {
  float room[TINY_INPUT_COUNT + 1], x[TINY_INPUT_COUNT], y[TINY_OUTPUT_COUNT], out[TINY_OUTPUT_COUNT + 1];
  int32_t target[N];
  (void)target;
  for (int i = 0; i < TINY_INPUT_COUNT; i++) x[i] = room[i + 1] = 0.01f * (float)i;
  tiny *net = tiny_open(NULL, NULL);
  CHECK(net && tiny_forward(net, 1, x, y) == 0 && tiny_forward(net, 1, room + 1, out + 1) == 0);
  CHECK(memcmp(y, out + 1, sizeof y) == 0);
  tiny_close(net);
}

/* The caller's memory: as large as the header says and not a byte more is touched. */
static void raw(void) {
  enum { GUARD = 4096 };
  size_t sizes[3] = {TINY_WEIGHTS_BYTES, TINY_FORWARD_BYTES(N), N * TINY_RAW_OUTPUT_COUNT * sizeof(float)};
  unsigned char *block[3];
  for (int i = 0; i < 3; i++) {
    block[i] = aligned_alloc(64, (sizes[i] + GUARD + 63) / 64 * 64);
    memset(block[i], 0, sizes[i]);
    memset(block[i] + sizes[i], 0xA5, GUARD);
  }
  float *x = aligned_alloc(64, (N * TINY_INPUT_COUNT * sizeof(float) + 63) / 64 * 64);
  for (int i = 0; i < N * TINY_INPUT_COUNT; i++) x[i] = 0.01f * (float)(i % 97);
  CHECK(tiny_pack(block[0], sizes[0]) == 0); /* all weights 0: then the outputs are the bias, 0 */
  CHECK(tiny_forward_raw(block[0], block[1], sizes[1], N, x, (float *)(void *)block[2]) == 0);
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < GUARD; k++)
      if (block[i][sizes[i] + k] != 0xA5) {
        printf("block %d was written at byte %d behind its end\n", i, k);
        failures++;
        break;
      }
  for (int i = 0; i < N * TINY_OUTPUT_COUNT; i++) CHECK(((float *)(void *)block[2])[i] == 0);
  for (int i = 0; i < 3; i++) free(block[i]);
  free(x);
}

int main(void) {
  CHECK(TINY_PARAMETERS == 743 && TINY_TRAINABLE_PARAMETERS == 699 && TINY_CLASSES == 3 && OTHER_CLASSES == 5);
  threads();
  mistakes();
  alignment();
  raw();
  printf(failures ? "%d failed\n" : "all as it should be\n", failures);
  return failures != 0;
}
