/* The state of a training run in one safetensors file: the weights under their own names, the optimizer's
 * state as `optimizer.exp_avg.NAME`, the position in the metadata. A run resumed from it equals one that was
 * never stopped, bit for bit. Used by loop.c; the file also serves as a weight file. */
#ifndef SURGERY_CHECKPOINT_H
#define SURGERY_CHECKPOINT_H
#include "runtime/net.h"

typedef struct TrainPosition {
  int64_t epoch;          /* finished epochs */
  int64_t taken;          /* positions of the running epoch's order that are done with */
  int64_t step;           /* updates of the weights so far */
  double loss_sum;        /* of the running epoch: loss × samples */
  int64_t seen, right;    /* of the running epoch */
  int64_t batch, samples; /* the batch size, the size of the training set */
  uint64_t seed;
  bool shuffle;
  double lr;
} TrainPosition;

int checkpoint_write(surgery_net *net, const TrainPosition *position, const char *path, surgery_error *err);
/* The position alone. */
int checkpoint_peek(const char *path, TrainPosition *position, surgery_error *err);
/* Weights, optimizer state, seed and step into the network. */
int checkpoint_read(surgery_net *net, TrainPosition *position, const char *path, surgery_error *err);
#endif
