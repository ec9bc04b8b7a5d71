/* What C programs do that a network has to bear: fork between two calls, memory that was planned for fewer
 * threads, NULL. Prints what went wrong; exit status 0 when nothing did. Compiled by c-api/callers.sh with
 * the header of tiny.o. */
#include "tiny.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 2000 };
void surgery_set_threads(int threads);

static int failures;
#define CHECK(what)                                                                                                    \
  do {                                                                                                                 \
    if (!(what)) failures++, printf("line %d: %s\n", __LINE__, #what);                                                 \
  } while (0)

static float x[N * TINY_INPUT_COUNT] __attribute__((aligned(64))), want[N * TINY_OUTPUT_COUNT],
    y[N * TINY_OUTPUT_COUNT];
static int32_t target[N];

/* In a process of its own, which has to end soon. */
static void in_child(bool (*what)(tiny *), tiny *net, int line) {
  int status = 0;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(what(net) ? 0 : 1);
  }
  if (child < 0 || waitpid(child, &status, 0) != child || status)
    failures++, printf("line %d: status %d\n", line, status);
}

static bool forward(tiny *net) {
  memset(y, 0, sizeof y);
  return tiny_forward(net, N, x, y) == 0 && memcmp(y, want, sizeof y) == 0;
}

static bool train(tiny *net) {
  float first, loss = 0;
  if (tiny_train_step(net, N, x, target, &first)) return false;
  for (int i = 0; i < 20; i++)
    if (tiny_train_step(net, N, x, target, &loss)) return false;
  return loss < first;
}

static bool forward_and_fork(tiny *net) { /* a child's child */
  if (!forward(net)) return false;
  in_child(forward, net, __LINE__);
  return failures == 0 && train(net);
}

static void forks(tiny *net) {
  CHECK(tiny_forward(net, N, x, want) == 0); /* the threads are there from here on */
  in_child(forward, net, __LINE__);
  in_child(train, net, __LINE__);
  in_child(forward_and_fork, net, __LINE__);
  CHECK(forward(net));
}

typedef struct Choosing {
  bool over;
  long choices;
} Choosing;

static void *choose_threads(void *argument) {
  Choosing *c = argument;
  for (; !__atomic_load_n(&c->over, __ATOMIC_RELAXED); c->choices++) surgery_set_threads(1 + (int)(c->choices % 8));
  return NULL;
}

/* Another thread chooses meanwhile; the address sanitizer looks at the memory. */
static void threads_change(tiny *net) {
  Choosing c = {false, 0};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, choose_threads, &c) == 0);
  for (int i = 0; i < 50; i++) CHECK(forward(net));
  __atomic_store_n(&c.over, true, __ATOMIC_RELAXED);
  pthread_join(thread, NULL);
  CHECK(c.choices > 0);
}

enum { GUARD = 1 << 20 };
static unsigned char *guarded(size_t bytes) {
  unsigned char *block = aligned_alloc(64, (bytes + GUARD + 63) / 64 * 64);
  memset(block, 0, bytes);
  memset(block + bytes, 0xA5, GUARD);
  return block;
}
static bool is_untouched(const unsigned char *block, size_t bytes) {
  for (size_t i = 0; i < GUARD; i++)
    if (block[bytes + i] != 0xA5) return false;
  return true;
}

/* Memory planned for one thread, used when there are eight; and too little of it. */
static void raw(void) {
  surgery_set_threads(1);
  size_t weights_bytes = TINY_WEIGHTS_BYTES, arena_bytes = TINY_FORWARD_BYTES(N);
  unsigned char *weights = guarded(weights_bytes), *arena = guarded(arena_bytes);
  float *out = (float *)(void *)guarded(sizeof want);
  surgery_set_threads(8);
  CHECK(TINY_FORWARD_BYTES(N) >= arena_bytes);
  CHECK(tiny_pack(weights, weights_bytes) == 0);
  CHECK(tiny_forward_raw(weights, arena, arena_bytes, N, x, out) == 0);
  CHECK(is_untouched(weights, weights_bytes) && is_untouched(arena, arena_bytes) &&
        is_untouched((unsigned char *)out, sizeof want));
  CHECK(tiny_forward_raw(weights, arena, arena_bytes - 1, N, x, out) == SURGERY_SMALL_MEMORY);
  CHECK(tiny_forward_raw(weights, arena, arena_bytes, N + 1, x, out) == SURGERY_SMALL_MEMORY);
  CHECK(tiny_forward_raw(weights, arena, arena_bytes, SIZE_MAX, x, out) == SURGERY_SMALL_MEMORY);
  CHECK(tiny_forward_raw(weights, arena + 4, arena_bytes, 1, x, out) == SURGERY_SMALL_MEMORY);
  CHECK(tiny_pack(weights, weights_bytes - 1) == SURGERY_SMALL_MEMORY && tiny_pack(weights, 0) == SURGERY_SMALL_MEMORY);
  CHECK(tiny_pack(NULL, weights_bytes) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_forward_raw(NULL, arena, arena_bytes, 1, x, out) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_forward_raw(weights, NULL, arena_bytes, 1, x, out) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_forward_raw(weights, arena, arena_bytes, 1, NULL, out) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_forward_raw(weights, arena, arena_bytes, 1, x, NULL) == SURGERY_NULL_ARGUMENT);
  free(weights), free(arena), free(out);
}

static void nulls(tiny *net) {
  surgery_error err;
  float loss;
  CHECK(tiny_forward(NULL, 1, x, y) == SURGERY_NULL_ARGUMENT && tiny_forward(NULL, 0, x, y) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_forward(net, 1, NULL, y) == SURGERY_NULL_ARGUMENT &&
        tiny_forward(net, 1, x, NULL) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_forward_outputs(NULL, 1, x, (float *[]){y}) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_forward_outputs(net, 1, x, NULL) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_train_step(NULL, 1, x, target, &loss) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_train_step(net, 1, NULL, target, &loss) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_train_step(net, 1, x, NULL, &loss) == SURGERY_NULL_ARGUMENT);
  CHECK(tiny_save(NULL, "w.pth", NULL, &err) == -1 && strstr(err.message, "NULL"));
  CHECK(tiny_save(net, NULL, NULL, &err) == -1 && strstr(err.message, "NULL"));
  CHECK(tiny_forward(net, SIZE_MAX, x, y) == SURGERY_NO_MEMORY);
  for (int failure = 0; failure >= SURGERY_OTHER_CPU; failure--)
    CHECK(strcmp(surgery_failure_text(failure), "unknown") != 0);
}

int main(void) {
  for (int i = 0; i < N * TINY_INPUT_COUNT; i++) x[i] = (float)(i * 7919 % 97) / 97 - 0.5f;
  for (int i = 0; i < N; i++) target[i] = i % TINY_CLASSES;
  surgery_set_threads(4);
  tiny *net = tiny_open(NULL, NULL);
  if (!net) return 3;
  nulls(net);
  forks(net);
  threads_change(net);
  tiny_close(net);
  raw();
  printf(failures ? "%d failed\n" : "all as it should be\n", failures);
  return failures != 0;
}
