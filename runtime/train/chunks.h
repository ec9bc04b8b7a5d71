/* The numbers of a network cut into pieces of one size, which the threads of sg_parallel share. What is summed up is
 * summed within a piece, and the pieces' sums in their order: no result depends on how many threads there are. Used by
 * optimizer.c and gradients.c. */
#ifndef SURGERY_CHUNKS_H
#define SURGERY_CHUNKS_H
#include "runtime/abi.h"
#include "runtime/net/manifest.h"

typedef struct Chunk {
  int64_t weight, grad; /* bytes; grad counts only for trained values */
  int32_t count, group;
} Chunk;

typedef struct Chunks {
  Chunk *at;
  double *sum; /* [count]: for whoever sums up */
  int64_t count;
} Chunks;

/* Of the tensors that the phase trains; of NULL: of all floats of the state dict, each once. -1: no memory, nothing to
 * free.
 */
int chunks_init(Chunks *chunks, const Manifest *manifest, const ManifestPhase *phase);
void chunks_free(Chunks *chunks);
/* The task for the pieces begin … end; `work` is its buf[0]. */
void chunks_run(const Chunks *chunks, sg_task *task, void *work);
#endif
