/* The handlers of stop.h. GNU timeout and shells signal a program and its group, so that it gets two signals at once:
 * the second is the same wish, and must not take the checkpoint. Called by train.c. */
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include "runtime/cli/stop.h"

#define HALF_A_SECOND 500000000

volatile sig_atomic_t stop_requested;
static _Atomic int64_t
    first; /* when that was set, in nanoseconds; 0: it is not. Two threads may be in the handler at once */

static void request_stop(int number) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec, was = 0;
  if (atomic_compare_exchange_strong(&first, &was, now)) {
    stop_requested = 1;
  } else if (now - was >= HALF_A_SECOND) {
    signal(number, SIG_DFL);
    raise(number); /* once the handler has returned */
  }
}

void stop_watch(bool on) {
  static const int watched[] = {SIGINT, SIGTERM, SIGHUP};
  enum { COUNT = sizeof watched / sizeof *watched };
  static struct sigaction before[COUNT];
  if (on) stop_requested = 0, first = 0;
  for (int i = 0; i < COUNT; i++) {
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    if (!on) {
      sigaction(watched[i], &before[i], NULL);
      continue;
    }
    sigaction(watched[i], NULL, &before[i]);
    /* nohup: a closed terminal is to be survived */
    if (watched[i] != SIGHUP || before[i].sa_handler != SIG_IGN) sigaction(watched[i], &action, NULL);
  }
}
