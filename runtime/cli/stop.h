/* Signals that end a training in order: Ctrl-C, SIGTERM, a terminal that was closed. */
#ifndef SURGERY_CLI_STOP_H
#define SURGERY_CLI_STOP_H
#include <signal.h>
#include <stdbool.h>

/* A signal came: the training finishes its step and saves. */
extern volatile sig_atomic_t stop_requested;
/* From `true` to `false` the first SIGINT, SIGTERM or SIGHUP sets stop_requested, and one after half a second ends the
 * program at once. */
void stop_watch(bool on);
#endif
