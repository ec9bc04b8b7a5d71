/* The training log: one CSV with a row for each step and each epoch. Written by loop.c. */
#ifndef SURGERY_TRAIN_LOG_H
#define SURGERY_TRAIN_LOG_H
#include <stdio.h>
#include "runtime/surgery.h"

typedef struct TrainLog {
  FILE *file;
  const char *path;
} TrainLog;
/* path NULL: no log, and the others do nothing. append: a resumed run goes on in the same file. */
int log_open(TrainLog *log, const char *path, bool append, surgery_error *err);
void log_step(TrainLog *log, int64_t epoch, int64_t step, double loss, double lr);
/* NAN leaves a cell empty. */
void log_epoch(TrainLog *log, int64_t epoch, int64_t step, double loss, double accuracy, double val_loss,
               double val_accuracy, double seconds);
int log_close(TrainLog *log, surgery_error *err); /* tells of write errors */
#endif
