/* What each call of a program's forward takes: generated code tells behind each of them that it is done, and while
 * somebody wants to know (cli/inspect_time.c) the time is noted. Otherwise a mark costs a load and a branch. */
#include "runtime/base/marks.h"
#include "runtime/abi.h"
#include <time.h>

static double *times; /* by number of the call; NULL: nobody wants to know */
static int64_t times_count;

void marks_start(double *to, int64_t count) { times = to, times_count = count; }

void sg_mark(int64_t call) {
  if (!times || call < 0 || call >= times_count) return;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  times[call] = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
