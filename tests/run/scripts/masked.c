/* The C interface of a network of tokens: with and without a mask, and tokens that are none. Prints what went wrong;
 * exit status 0 when nothing did. Compiled by c-api/tokens.sh with the header of small.o. */
#include "small.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define CHECK(what)                                                                                                    \
  do {                                                                                                                 \
    if (!(what)) failures++, printf("line %d: %s\n", __LINE__, #what);                                                 \
  } while (0)
#define BYTES (2 * SMALL_OUTPUT_COUNT * sizeof(float))

static void raw(const int32_t *x, const float *want) {
  void *weights, *arena;
  if (posix_memalign(&weights, 64, SMALL_WEIGHTS_BYTES + 64) || posix_memalign(&arena, 64, SMALL_FORWARD_BYTES(2) + 64))
    exit(3);
  float y[2 * SMALL_RAW_OUTPUT_COUNT] __attribute__((aligned(64)));
  int32_t tokens[2 * SMALL_INPUT_COUNT] __attribute__((aligned(64)));
  memset(weights, 0, SMALL_WEIGHTS_BYTES);
  memcpy(tokens, x, sizeof tokens);
  CHECK(small_pack(weights, SMALL_WEIGHTS_BYTES) == 0);
  CHECK(small_forward_raw(weights, arena, SMALL_FORWARD_BYTES(2), 2, tokens, y) == 0);
  CHECK(y[0] == 0); /* all weights are 0 */
  tokens[3] = 1 << 30;
  CHECK(small_forward_raw(weights, arena, SMALL_FORWARD_BYTES(2), 2, tokens, y) == 0);
  CHECK(y[0] != y[0] && want[0] == want[0]);
  free(weights), free(arena);
}

int main(void) {
  const int32_t x[2 * SMALL_INPUT_COUNT] = {3, 4, 5, 0, 0, 0, 7, 8, 9, 10, 0, 0},
                      other[] = {3, 4, 5, 1, 2, 3, 7, 8, 9, 10, 4, 5};
  const int32_t mask[2 * SMALL_INPUT_COUNT] = {1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0}, target[2] = {0, 1};
  float a[2 * SMALL_OUTPUT_COUNT], b[2 * SMALL_OUTPUT_COUNT], first, loss = 0;
  small *net = small_open(NULL, NULL);
  if (!net) return 3;
  CHECK(small_forward(net, 2, x, a) == 0);
  CHECK(small_forward_masked(net, 2, x, NULL, b) == 0 && memcmp(a, b, BYTES) == 0);
  CHECK(small_forward_masked(net, 2, x, mask, b) == 0 && memcmp(a, b, BYTES) != 0);
  CHECK(small_forward_masked(net, 2, other, mask, a) == 0 && memcmp(a, b, BYTES) == 0); /* padding */
  CHECK(small_forward(net, 2, x, a) == 0 && memcmp(a, b, BYTES) != 0);                  /* the mask is not kept */
  CHECK(small_forward_masked(net, 2, x, mask, b) == 0 && small_forward_outputs(net, 2, x, (float *[]){b}) == 0);
  CHECK(memcmp(a, b, BYTES) == 0); /* nor for the outputs */
  static const int32_t wrong[] = {-1, 20, 1 << 30, INT32_MIN};
  for (int i = 0; i < 4; i++) {
    int32_t bad[2 * SMALL_INPUT_COUNT];
    memcpy(bad, x, sizeof bad);
    bad[2 * SMALL_INPUT_COUNT - 1] = wrong[i];
    CHECK(small_forward(net, 2, bad, b) == SURGERY_BAD_TOKEN);
    CHECK(small_forward_masked(net, 2, bad, mask, b) == SURGERY_BAD_TOKEN);
    CHECK(small_train_step(net, 2, bad, target, &loss) == SURGERY_BAD_TOKEN);
    CHECK(small_train_step_masked(net, 2, bad, mask, target, &loss) == SURGERY_BAD_TOKEN);
  }
  CHECK(small_train_step_masked(net, 2, x, mask, target, &first) == 0);
  for (int i = 0; i < 30; i++) CHECK(small_train_step_masked(net, 2, x, mask, target, &loss) == 0);
  CHECK(loss < first);
  raw(x, a);
  small_close(net);
  if (!failures) puts("all as it should be");
  return failures != 0;
}
