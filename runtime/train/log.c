/* The training log. Columns: row ("step" or "epoch"), epoch (from 1), step (from 1), loss and lr (step rows),
 * train_loss, train_acc, val_loss, val_acc, seconds (epoch rows). Cells that do not apply are empty;
 * accuracies are 0..1; losses have nine digits, which give an f32 back exactly. */
#include <errno.h>
#include <math.h>
#include "runtime/error.h"
#include "runtime/train/log.h"

int log_open(TrainLog *log, const char *path, bool append, surgery_error *err) {
  *log = (TrainLog){.path = path};
  if (!path) return 0;
  log->file = fopen(path, append ? "ae" : "we");
  if (!log->file) return sg_fail_system(err, errno, "%s: the log cannot be written", path);
  fseek(log->file, 0, SEEK_END);
  if (ftell(log->file) == 0)
    fputs("row,epoch,step,loss,lr,train_loss,train_acc,val_loss,val_acc,seconds\n", log->file);
  return 0;
}

static void cell(TrainLog *log, double value, const char *format) {
  fputc(',', log->file);
  if (!isnan(value)) fprintf(log->file, format, value);
}

void log_step(TrainLog *log, int64_t epoch, int64_t step, double loss, double lr) {
  if (log->file)
    fprintf(log->file, "step,%lld,%lld,%.9g,%.9g,,,,,\n", (long long)epoch, (long long)step, loss, lr);
}

void log_epoch(TrainLog *log, int64_t epoch, int64_t step, double loss, double accuracy, double val_loss,
               double val_accuracy, double seconds) {
  if (!log->file) return;
  fprintf(log->file, "epoch,%lld,%lld,,", (long long)epoch, (long long)step);
  cell(log, loss, "%.9g"), cell(log, accuracy, "%.6f"), cell(log, val_loss, "%.9g"),
      cell(log, val_accuracy, "%.6f"), cell(log, seconds, "%.3f");
  fputc('\n', log->file);
  fflush(log->file);
}

int log_close(TrainLog *log, surgery_error *err) {
  if (!log->file) return 0;
  bool bad = ferror(log->file) != 0;
  errno = 0;
  bad = fclose(log->file) != 0 || bad;
  log->file = NULL;
  return bad ? sg_fail_system(err, errno ? errno : EIO, "%s: the log is incomplete", log->path) : 0;
}
