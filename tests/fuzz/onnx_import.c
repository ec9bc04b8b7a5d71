/* A fuzzer of the ONNX import, the weights reader included: bytes in, a graph or messages out. */
#include "compiler/weights/weights.h"
#include "compiler/model/model.h"
#include "compiler/import/onnx.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  int fd = memfd_create("fuzz", 0);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  Graph *g = import_onnx(s, path, SPAN_NONE, weights_guess_model);
  if ((g == NULL) != (s->diags.errors > 0)) abort();
  for (size_t i = 0; g && i < g->params.count; i++) {
    const Param *p = &g->params.at[i];
    surgery_error err;
    if (p->donor == NO_ID || p->shape.rank < 0 || shape_count(&p->shape) > 1 << 20) continue;
    weights_fill(s, g, NULL, (ParamId)i, arena_alloc(arena, (size_t)shape_count(&p->shape) * 4 + 8), &err);
  }
  if (g && g->donors.at[0].open) surgery_weights_close(g->donors.at[0].open);
  arena_destroy(arena);
  close(fd);
  return 0;
}
