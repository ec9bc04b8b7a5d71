/* The state of a training run in one safetensors file: the weights under their own names, the optimizer's
 * state as `optimizer.exp_avg.NAME`, the position in the metadata. A run resumed from it equals one that was
 * never stopped, bit for bit. Used by loop.c; the file also serves as a weight file. */
#ifndef SURGERY_CHECKPOINT_H
#define SURGERY_CHECKPOINT_H
#include "runtime/train/optimizer.h"

typedef struct TrainPosition {
  int64_t epoch;             /* finished epochs */
  int64_t taken;             /* positions of the running epoch's order that are done with */
  int64_t step;              /* updates of the weights so far */
  int64_t batches;           /* so far; more than steps where gradients are accumulated */
  int64_t phase, phase_step; /* the phase that the optimizer's state is of; its updates */
  double loss_sum;           /* of the running epoch: loss × samples */
  int64_t seen, right;       /* of the running epoch */
  int64_t batch, samples;    /* the batch size of the running phase, the size of the training set */
  int64_t batch_given;       /* by the command line, for all phases; 0: the script's own */
  uint64_t seed;
  bool shuffle;
  double lr;       /* by the command line; negative: the script's own */
  double rate;     /* of the optimizer, before the schedule: the given one or that of the phase; negative: not known */
  int64_t threads; /* 0: not known */
  double best;     /* early_stop: the best value so far */
  int64_t best_epoch, waited; /* counted from 1; epochs without an improvement */
} TrainPosition;

/* What a finished epoch came to; NAN where there is none. */
typedef struct EpochRow {
  float loss, accuracy, val_loss, val_accuracy, lr;
} EpochRow;

/* average: the averaged copy of the weights, or NULL. rows: [position->epoch] */
int checkpoint_write(surgery_net *net, const Optimizer *optimizer, const TrainPosition *position,
                     const unsigned char *average, const EpochRow *rows, const char *path, surgery_error *err);
/* Only the position. */
int checkpoint_peek(const char *path, TrainPosition *position, surgery_error *err);
/* Weights, optimizer state, seed and step into the network and the optimizer, which is of the right phase already.
 * same_phase: the state in the file is of that phase; else the phase begins, with an optimizer and an average of its
 * own. *rows: malloc. */
int checkpoint_read(surgery_net *net, Optimizer *optimizer, TrainPosition *position, unsigned char *average,
                    EpochRow **rows, bool same_phase, const char *path, surgery_error *err);
#endif
