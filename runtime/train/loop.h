/* The training loop: epochs over a data set with validation, log, checkpoints. Prints nothing: the commands
 * watch it through an observer. Called by cli/train.c and by tests. */
#ifndef SURGERY_LOOP_H
#define SURGERY_LOOP_H
#include "runtime/train/checkpoint.h"
#include "runtime/train/batch_source.h"
#include "runtime/train/metrics.h"

typedef enum TrainEventKind {
  TRAIN_FEATURES, /* done of total samples through the frozen prefix, after `seconds` */
  TRAIN_CACHED,   /* the feature cache is full: total samples, bytes, seconds; done of them were read from the file text
                   */
  TRAIN_REMARK,   /* text: about the files of features */
  TRAIN_STEP,     /* a step is done */
  TRAIN_VALIDATION, /* done of total samples of the validation */
  TRAIN_EPOCH,      /* an epoch is done, its validation too */
  TRAIN_PAST,       /* the same of one before the checkpoint that the run was resumed from */
  TRAIN_BROKEN,     /* text: a sample that is left out */
  TRAIN_LOST,       /* text: a log or a checkpoint between epochs could not be written, and why; the training goes on */
  TRAIN_CHECKPOINT, /* text: the file */
  TRAIN_PHASE,      /* text: its name: it begins, with epoch … epochs */
  TRAIN_EARLY       /* early_stop ends the training: epoch is the best one */
} TrainEventKind;

typedef struct TrainEvent {
  TrainEventKind kind;
  const char *text;
  int64_t epoch, epochs;     /* epoch counts from 1 */
  int64_t step, done, total; /* done of total samples of this epoch */
  int64_t bytes;
  double loss, accuracy;         /* of the step; of the epoch; accuracy NAN: no classifier */
  double val_loss, val_accuracy; /* NAN: no validation */
  MetricsSummary val;            /* of a validation whose targets are no classes */
  double lr;                     /* of the step; of the epoch's last one */
  double seconds, rate, left;    /* of the epoch so far; samples a second; seconds left of the whole run */
} TrainEvent;

typedef struct TrainOptions {
  int64_t epochs; /* in all: train_epochs() where nothing else is wanted */
  int64_t batch;  /* in all phases; 0: each phase's own */
  double lr;      /* negative: each phase's own; else of those that do not set it themselves */
  int64_t steps;  /* stop after so many steps in all; 0: no such limit */
  uint64_t seed;
  bool shuffle, cache;
  int64_t cache_limit;        /* bytes for training and validation set together; 0: half of the machine's memory */
  const char *feature_folder; /* where features are kept for the next training; NULL: nowhere */
  const char *resume;         /* a checkpoint to go on from, or NULL */
  const char *checkpoint;     /* where checkpoints go */
  int64_t checkpoint_every;   /* epochs; 0: only when stopped */
  const char *log;            /* CSV, or NULL; see train/log.c for its columns */
  const volatile sig_atomic_t *stop; /* set by a signal: finish the step, save a checkpoint, return */
  void (*observe)(void *context, const TrainEvent *event);
  void *context;
} TrainOptions;

typedef struct TrainResult {
  int64_t epochs, steps;
  double loss, accuracy, val_loss, val_accuracy; /* of the last epoch; NAN where there is none */
  MetricsSummary val;
  const ManifestPhase *phase; /* the one that it ended in */
  int64_t broken;             /* samples left out, of both sets */
  int64_t lost;               /* logs and checkpoints between epochs that could not be written */
  bool interrupted;           /* stopped, with a checkpoint in options->checkpoint */
} TrainResult;

/* The epochs of all phases together. */
int64_t train_epochs(const Manifest *manifest);

/* val may be NULL. The network holds the trained weights afterwards (with ema their average). A loss that is not finite
 * stops it with an error, before the weights are touched. */
int train_run(surgery_net *net, Dataset *train, Dataset *val, const TrainOptions *options, TrainResult *result,
              surgery_error *err);
#endif
