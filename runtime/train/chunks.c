/* The cutting of chunks.h. Does no input or output. */
#include <stdlib.h>
#include "runtime/train/chunks.h"

#define CHUNK 8192   /* numbers for one unit of work */
#define FEW_CHUNKS 4 /* so few are done sooner than other threads are woken */

/* Counts where there is no memory yet. */
static void cut(Chunks *c, const Manifest *m, const ManifestPhase *phase) {
  c->count = 0;
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    if (phase ? phase->grad[i] < 0 : t->i64 || t->shared) continue;
    for (int64_t at = 0; at < t->shape.count; at += CHUNK, c->count++)
      if (c->at)
        c->at[c->count] = (Chunk){.weight = t->offset + 4 * at,
                                  .grad = (phase ? phase->grad[i] : 0) + 4 * at,
                                  .count = (int32_t)(t->shape.count - at < CHUNK ? t->shape.count - at : CHUNK),
                                  .group = phase ? phase->group[i] : 0};
  }
}

int chunks_init(Chunks *c, const Manifest *m, const ManifestPhase *phase) {
  *c = (Chunks){0};
  cut(c, m, phase);
  c->at = calloc((size_t)c->count + 1, sizeof *c->at);
  c->sum = calloc((size_t)c->count + 1, sizeof *c->sum);
  if (c->at && c->sum) {
    cut(c, m, phase);
    return 0;
  }
  chunks_free(c);
  return -1;
}

void chunks_free(Chunks *c) {
  free(c->at), free(c->sum);
  *c = (Chunks){0};
}

void chunks_run(const Chunks *c, sg_task *task, void *work) {
  void *const buf[] = {work};
  if (c->count <= FEW_CHUNKS) task(buf, 1, 0, c->count, NULL);
  else sg_parallel(task, buf, 1, c->count, sg_threads(), NULL, 0);
}
