/* A network with three outputs from C: names, shapes, all values at once and one after the other. Reads x.raw, writes
 * NAME.raw for each output. Compiled by c-api/outputs.sh with the header of multi.o. */
#include "multi.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 5 };
#define CHECK(what) ((what) ? 0 : (printf("line %d: %s\n", __LINE__, #what), failures++))

static int failures;

int main(void) {
  static const char *const names[MULTI_OUTPUTS] = MULTI_OUTPUT_NAMES;
  static const size_t shapes[MULTI_OUTPUTS][MULTI_OUTPUT_MAX_RANK] = MULTI_OUTPUT_SHAPES;
  static const size_t counts[MULTI_OUTPUTS] = MULTI_OUTPUT_COUNTS;
  static const int ranks[MULTI_OUTPUTS] = MULTI_OUTPUT_RANKS;
  static float x[N * MULTI_INPUT_COUNT];
  FILE *file = fopen("x.raw", "rb");
  CHECK(file && fread(x, sizeof x, 1, file) == 1 && fclose(file) == 0);
  multi *net = multi_open(NULL, NULL);
  CHECK(net != NULL);
  if (failures) return 1;
  size_t all = 0;
  float *y[MULTI_OUTPUTS], *some[MULTI_OUTPUTS] = {NULL}, *first = malloc(N * MULTI_OUTPUT_COUNT * sizeof *first);
  for (int i = 0; i < MULTI_OUTPUTS; i++) {
    size_t count = 1;
    for (int k = 0; k < MULTI_OUTPUT_MAX_RANK; k++) count *= k < ranks[i] ? shapes[i][k] : 1;
    CHECK(count == counts[i]);
    all += count;
    y[i] = malloc(N * count * sizeof(float));
    some[i] = i == 1 ? malloc(N * count * sizeof(float)) : NULL;
  }
  CHECK(all == MULTI_RAW_OUTPUT_COUNT && counts[0] == MULTI_OUTPUT_COUNT);
  CHECK(multi_forward_outputs(net, 0, x, y) == 0);
  CHECK(multi_forward_outputs(net, N, x, y) == 0);
  CHECK(multi_forward_outputs(net, N, x, some) == 0); /* those that are wanted */
  CHECK(memcmp(y[1], some[1], N * counts[1] * sizeof(float)) == 0);
  CHECK(multi_forward(net, N, x, first) == 0);
  CHECK(memcmp(y[0], first, N * counts[0] * sizeof(float)) == 0);
  for (int i = 0; i < MULTI_OUTPUTS; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s.raw", names[i]);
    file = fopen(name, "wb");
    CHECK(file && fwrite(y[i], N * counts[i] * sizeof(float), 1, file) == 1 && fclose(file) == 0);
    free(y[i]), free(some[i]);
  }
  free(first);
  multi_close(net);
  return failures != 0;
}
