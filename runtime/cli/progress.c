/* The bar and the lines of progress.h. */
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "runtime/cli/progress.h"

#define BAR 20     /* characters */
#define REDRAW 0.1 /* seconds */

Progress progress_new(Cli *cli) { return (Progress){.cli = cli, .terminal = !cli->quiet && isatty(STDERR_FILENO)}; }

void progress_clear(Progress *p) {
  if (p->bar) fputs("\r\033[K", stderr);
  p->bar = false;
}

static const char *clock_text(double seconds, char to[32]) {
  long long s = seconds > 0 && seconds < 1e9 ? (long long)(seconds + 0.5) : 0;
  if (s >= 3600) snprintf(to, 32, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  else snprintf(to, 32, "%lld:%02lld", s / 60, s % 60);
  return to;
}

static bool due(Progress *p, bool last) {
  double now = seconds_now();
  if (!p->terminal || (!last && now - p->drawn < REDRAW)) return false;
  p->drawn = now;
  p->bar = true;
  return true;
}

static int columns(void) {
  struct winsize size;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

static void draw_bar(int64_t done, int64_t total) {
  int filled = total > 0 ? (int)(done * BAR / total) : 0;
  fputs("\r\033[K[", stderr);
  for (int i = 0; i < BAR; i++) fputc(i < filled ? '#' : '.', stderr);
  fputs("] ", stderr);
}

static void tell_features(Progress *p, const TrainEvent *e) {
  if (!due(p, e->done == e->total)) return;
  draw_bar(e->done, e->total);
  fprintf(stderr, "features: %lld of %lld images, %.1f s", (long long)e->done, (long long)e->total, e->seconds);
}

static void tell_cached(Progress *p, const TrainEvent *e) {
  char bytes[32];
  progress_clear(p);
  if (p->cli->quiet) return;
  if (e->done == e->total) {
    cli_print(stderr, "features: %lld images read from %s: the frozen part does not run\n", (long long)e->total,
              e->text);
    return;
  }
  cli_print(stderr, "features: %lld images in %.1f s, kept in %s: the frozen part does not run again\n",
            (long long)e->total, e->seconds, cli_bytes((double)e->bytes, bytes));
  if (e->done) cli_print(stderr, "features: %lld of them read from %s\n", (long long)e->done, e->text);
}

static void tell_step(Progress *p, const TrainEvent *e) {
  char left[32];
  if (!due(p, false)) return;
  char line[300];
  int width = columns(),
      used = snprintf(line, sizeof line, "epoch %lld/%lld ", (long long)e->epoch, (long long)e->epochs);
  int bar = width >= 80 ? BAR : width >= 60 ? BAR / 2 : 0, filled = (int)(e->done * bar / e->total);
  for (int i = 0; i < bar; i++) line[used++] = i < filled ? '#' : '.';
  used += snprintf(line + used, sizeof line - (size_t)used, "%sloss %.4f", bar ? " " : "", e->loss);
  if (!isnan(e->accuracy)) used += snprintf(line + used, sizeof line - (size_t)used, "  acc %.3f", e->accuracy);
  snprintf(line + used, sizeof line - (size_t)used, "  %.1f images/s  %s left", e->rate, clock_text(e->left, left));
  fprintf(stderr, "\r\033[K%.*s", width - 1, line); /* a line that wraps cannot be drawn over */
}

static void tell_validation(Progress *p, const TrainEvent *e) {
  if (!due(p, false)) return;
  draw_bar(e->done, e->total);
  fprintf(stderr, "validation");
}

static void tell_epoch(Progress *p, const TrainEvent *e) {
  progress_clear(p);
  if (p->cli->quiet) return;
  fprintf(stderr, "epoch %lld/%lld: loss %.4f", (long long)e->epoch, (long long)e->epochs, e->loss);
  if (!isnan(e->accuracy)) fprintf(stderr, ", accuracy %.4f", e->accuracy);
  if (!isnan(e->val_loss)) fprintf(stderr, "; validation loss %.4f", e->val_loss);
  if (!isnan(e->val_accuracy)) fprintf(stderr, ", accuracy %.4f", e->val_accuracy);
  for (int i = 0; i < 2; i++)
    if (e->val.name[i]) fprintf(stderr, ", %s %.4f", e->val.name[i], e->val.value[i]);
  fprintf(stderr, "; %.2f s, %.0f images/s\n", e->seconds, e->rate);
}

void progress_event(void *progress, const TrainEvent *event) {
  Progress *p = progress;
  switch (event->kind) {
  case TRAIN_FEATURES: tell_features(p, event); break;
  case TRAIN_CACHED: tell_cached(p, event); break;
  case TRAIN_STEP: tell_step(p, event); break;
  case TRAIN_VALIDATION: tell_validation(p, event); break;
  case TRAIN_EPOCH: tell_epoch(p, event); break;
  case TRAIN_PAST: /* it was told when it ended */ break;
  case TRAIN_BROKEN:
    progress_clear(p);
    cli_broken(p->cli, event->text);
    break;
  case TRAIN_LOST:
    progress_clear(p);
    cli_message(p->cli, "%s; the training goes on", event->text);
    break;
  case TRAIN_REMARK:
    progress_clear(p);
    if (!p->cli->quiet) cli_message(p->cli, "%s", event->text);
    break;
  case TRAIN_PHASE:
    progress_clear(p);
    if (p->cli->quiet) break;
    cli_print(stderr, event->epoch == event->epochs ? "phase %s: epoch %lld\n" : "phase %s: epochs %lld to %lld\n",
              event->text, (long long)event->epoch, (long long)event->epochs);
    break;
  case TRAIN_EARLY:
    progress_clear(p);
    if (!p->cli->quiet)
      fprintf(stderr, "stopped early: no improvement in %lld epochs; the best one was epoch %lld\n",
              (long long)event->epochs, (long long)event->epoch);
    break;
  case TRAIN_CHECKPOINT:
    progress_clear(p);
    if (!p->cli->quiet) cli_message(p->cli, "checkpoint: %s", event->text);
    break;
  }
}
