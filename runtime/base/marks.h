/* The times at which the calls of a program's forward ended; for one thread of use at a time. */
#ifndef SURGERY_MARKS_H
#define SURGERY_MARKS_H
#include <stdint.h>

/* From now on the end of call i is written to to[i], in seconds of the monotonic clock. NULL: no more. */
void marks_start(double *to, int64_t count);
#endif
