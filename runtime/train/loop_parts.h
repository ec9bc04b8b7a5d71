/* The running training, as the two files of the loop share it: loop_begin.c checks, opens and resumes, loop.c steps and
 * ends epochs. Nobody else includes this. */
#ifndef SURGERY_LOOP_PARTS_H
#define SURGERY_LOOP_PARTS_H
#include "runtime/train/gradients.h"
#include "runtime/train/log.h"
#include "runtime/train/loop.h"
#include "runtime/train/metrics.h"
#include "runtime/train/optimizer.h"

typedef struct Loop {
  surgery_net *net;
  Dataset *train_set;
  const TrainOptions *o;
  BatchSource *train, *val;
  TrainPosition at;
  EpochRow *rows; /* [at.epoch], and one more when that one has ended */
  TrainLog *log;
  Dataset *val_set;
  int64_t *order;
  Metrics accuracy;       /* of one batch: only its counts are used */
  size_t phase;           /* its place in the script */
  Optimizer *optimizer;   /* of the phase */
  int64_t phase_start;    /* its first epoch */
  unsigned char *sum;     /* of the gradients of an unfinished step; NULL: every batch is one */
  unsigned char *average; /* of the weights; NULL: none */
  Chunks averaged;
  int64_t window, window_seen; /* batches and samples of the unfinished step */
  double window_loss;          /* loss × samples */
  int64_t window_right, window_targets;
  double run_start, epoch_start;
  int64_t first_step, first_seen; /* where this process took over: for rates and the time left */
  TrainResult *result;
  surgery_error *err;
} Loop;

const ManifestPhase *loop_phase(const Loop *loop); /* the running one */
void loop_observe(const Loop *loop, const TrainEvent *event);

/* ---- loop_begin.c ---- */
/* Up to the first step: what the script wants and the data cannot give is found here, a checkpoint is read. */
int loop_prepare(Loop *loop);
/* The phase of the position begins, with an optimizer and an average of its own. */
int loop_begin_phase(Loop *loop);
/* The running phase's data, where they are not open yet. */
int loop_open_feeds(Loop *loop);
size_t loop_phase_of(const Manifest *manifest, int64_t epoch, int64_t *start); /* start: the phase's first epoch */
int64_t loop_steps(const Loop *loop, int64_t samples);                         /* that so many samples make */
/* Tells the schedule where the training is. */
void loop_set_time(Loop *loop);
#endif
