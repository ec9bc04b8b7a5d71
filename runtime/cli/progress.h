/* What a person sees of a training: a bar that is drawn again and again where stderr is a terminal, a line
 * for each epoch where it is not. Called by cli/train.c as the loop's observer. */
#ifndef SURGERY_PROGRESS_H
#define SURGERY_PROGRESS_H
#include "runtime/cli/cli.h"
#include "runtime/train/loop.h"

typedef struct Progress {
  Cli *cli;
  bool terminal; /* stderr is one, and not --quiet */
  double drawn;  /* when the bar was drawn last, seconds */
  bool bar;      /* one is on the line */
} Progress;

Progress progress_new(Cli *cli);
void progress_event(void *progress, const TrainEvent *event);
/* Takes the bar away before something else is printed. */
void progress_clear(Progress *progress);
#endif
