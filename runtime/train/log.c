/* The training log. Columns: row ("step" or "epoch"), epoch (from 1), step (from 1), loss and lr (step rows),
 * train_loss, train_acc, val_loss, val_acc, seconds (epoch rows). Cells that do not apply are empty;
 * accuracies are 0..1; losses have nine digits, which give an f32 back exactly. Rows are written whole: what a full
 * disk took of the last one is taken back. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/base/error.h"
#include "runtime/train/log.h"

enum { BUFFER = 1 << 16, ROW = 512 };

struct TrainLog {
  int fd; /* -1: the log has ended with an error */
  int reason;
  bool told;
  const char *path;
  off_t end; /* of the rows in the file */
  size_t filled;
  char buffer[BUFFER];
};

/* The bytes of whole rows among the first `count`. */
static size_t whole_rows(const char *rows, size_t count) {
  while (count > 0 && rows[count - 1] != '\n') count--;
  return count;
}

/* No more rows after one that could not be written: a log with a hole would look like a whole one. */
static void end_log(TrainLog *log, int reason) {
  struct stat st;
  if (fstat(log->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > log->end) (void)!ftruncate(log->fd, log->end);
  close(log->fd);
  log->fd = -1, log->reason = reason;
}

static void flush(TrainLog *log) {
  size_t done = 0, count = log->filled;
  log->filled = 0;
  while (log->fd >= 0 && done < count) {
    ssize_t n = write(log->fd, log->buffer + done, count - done);
    if (n < 0 && errno == EINTR) continue;
    int reason = n < 0 ? errno : EIO;
    if (n > 0) done += (size_t)n;
    if (n > 0 && done < count) continue;
    log->end += (off_t)whole_rows(log->buffer, done);
    if (n <= 0) end_log(log, reason);
  }
}

static void add(TrainLog *log, const char *row) {
  size_t length = strlen(row);
  if (log->filled + length > BUFFER) flush(log);
  memcpy(log->buffer + log->filled, row, length);
  log->filled += length;
}

int log_open(TrainLog **to, const char *path, bool append, surgery_error *err) {
  struct stat st;
  *to = NULL;
  if (!path) return 0;
  TrainLog *log = calloc(1, sizeof *log);
  if (!log) return sg_fail_memory(err, path, sizeof *log);
  log->path = path;
  log->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (append ? 0 : O_TRUNC), 0666);
  if (log->fd < 0) {
    free(log);
    return sg_fail_system(err, errno, "%s: the log cannot be written", path);
  }
  if (fstat(log->fd, &st) == 0 && S_ISREG(st.st_mode)) log->end = st.st_size;
  if (log->end == 0) add(log, "row,epoch,step,loss,lr,train_loss,train_acc,val_loss,val_acc,seconds\n");
  flush(log); /* where there is no room for the first row, that is said before the first step */
  *to = log;
  if (log->fd >= 0) return 0;
  log_failed(log, err);
  free(log);
  *to = NULL;
  return -1;
}

void log_step(TrainLog *log, int64_t epoch, int64_t step, double loss, double lr) {
  char row[ROW];
  if (!log || log->fd < 0) return;
  snprintf(row, sizeof row, "step,%lld,%lld,%.9g,%.9g,,,,,\n", (long long)epoch, (long long)step, loss, lr);
  add(log, row);
}

static void cell(char row[ROW], double value, const char *format) {
  size_t used = strlen(row);
  row[used++] = ',', row[used] = 0;
  if (!isnan(value)) snprintf(row + used, ROW - used, format, value);
}

void log_epoch(TrainLog *log, int64_t epoch, int64_t step, double loss, double accuracy, double val_loss,
               double val_accuracy, double seconds) {
  char row[ROW];
  if (!log || log->fd < 0) return;
  snprintf(row, sizeof row, "epoch,%lld,%lld,,", (long long)epoch, (long long)step);
  cell(row, loss, "%.9g"), cell(row, accuracy, "%.6f"), cell(row, val_loss, "%.9g"), cell(row, val_accuracy, "%.6f"),
      cell(row, seconds, "%.3f");
  strcat(row, "\n");
  add(log, row);
  flush(log);
}

bool log_failed(TrainLog *log, surgery_error *why) {
  if (!log || log->fd >= 0 || log->told) return false;
  log->told = true;
  sg_fail_system(why, log->reason, "%s: the log cannot be written any further", log->path);
  return true;
}

bool log_close(TrainLog *log, surgery_error *why) {
  if (!log) return false;
  flush(log);
  if (log->fd >= 0 && close(log->fd)) log->reason = errno;
  log->fd = -1;
  bool failed = log->reason && log_failed(log, why);
  free(log);
  return failed;
}
