/* A network for several CPUs by its C interface and in memory of one's own: the same numbers both ways, and a few steps
 * that learn. Compiled by program/levels*.sh with the header of tiny.o; argument: the file of its weights. */
#include "surgery.h"
#include "tiny.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, Y = N * TINY_OUTPUT_COUNT };

static int failures;
#define CHECK(what)                                                                                                    \
  do {                                                                                                                 \
    if (!(what)) failures++, printf("line %d: %s\n", __LINE__, #what);                                                 \
  } while (0)

static void *aligned(size_t bytes) {
  void *memory = NULL;
  if (posix_memalign(&memory, 64, (bytes + 63) / 64 * 64)) abort();
  return memset(memory, 0, bytes);
}

static void read_weights(const char *path, unsigned char *to) {
  surgery_weights *file = surgery_weights_open(path, NULL);
  CHECK(file);
  if (!file) return;
  enum { f32, i64 };
#define READ(name, dtype, offset, count)                                                                               \
  if (dtype == f32)                                                                                                    \
    CHECK(surgery_weights_read(file, surgery_weights_find(file, name), (float *)(void *)(to + (offset)), count,        \
                               NULL) == 0);
  TINY_TENSORS(READ)
#undef READ
  surgery_weights_close(file);
}

int main(int argc, char **argv) {
  surgery_error err;
  float *x = aligned(sizeof *x * N * TINY_INPUT_COUNT), *y = aligned(sizeof *y * Y), own[Y] = {0}, first = 0, loss = 0;
  int32_t target[N] = {0, 1, 2};
  unsigned char *weights = aligned(TINY_WEIGHTS_BYTES), *arena = aligned(TINY_FORWARD_BYTES(N));
  for (int i = 0; i < N * TINY_INPUT_COUNT; i++) x[i] = (float)(i * 37 % 101) / 101 - 0.5f;
  read_weights(argc > 1 ? argv[1] : "tiny.safetensors", weights);
  int packed = tiny_pack(weights, TINY_WEIGHTS_BYTES);
  int ran = tiny_forward_raw(weights, arena, TINY_FORWARD_BYTES(N), N, x, y);
  free(weights), free(arena);
  tiny *net = tiny_open(NULL, &err);
  if (!net) {
    printf("open: %s\nin memory of our own: %d %d\n", err.message, packed, ran);
    free(x), free(y);
    return 1;
  }
  CHECK(packed == 0 && ran == 0);
  CHECK(tiny_forward(net, N, x, own) == 0);
  for (int i = 0; i < Y; i++) CHECK(own[i] != 0 && fabsf(y[i] - own[i]) < 1e-6f);
  for (int i = 0; i < 20; i++) CHECK(tiny_train_step(net, N, x, target, i ? &loss : &first) == 0);
  CHECK(loss < first);
  tiny_close(net);
  free(x), free(y);
  if (!failures) puts("all as it should be");
  return failures != 0;
}
