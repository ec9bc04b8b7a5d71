/* The training log: one CSV with a row for each step and each epoch. Written by loop.c. A log that cannot be written
 * any further ends there and stops no training. */
#ifndef SURGERY_TRAIN_LOG_H
#define SURGERY_TRAIN_LOG_H
#include "runtime/surgery.h"

typedef struct TrainLog TrainLog;
/* path NULL: no log, *log is NULL, and the others do nothing. append: a resumed run goes on in the same file. */
int log_open(TrainLog **log, const char *path, bool append, surgery_error *err);
void log_step(TrainLog *log, int64_t epoch, int64_t step, double loss, double lr);
/* NAN leaves a cell empty. */
void log_epoch(TrainLog *log, int64_t epoch, int64_t step, double loss, double accuracy, double val_loss,
               double val_accuracy, double seconds);
/* Whether the log has ended with a write error that nobody has been told of yet: *why says it, once. */
bool log_failed(TrainLog *log, surgery_error *why);
/* Frees it. What shows at the end is told as by log_failed. */
bool log_close(TrainLog *log, surgery_error *why);
#endif
