/* Learning rates over time, equal to torch.optim.lr_scheduler's (1.13). Pure functions of the time, so that a resumed
 * run needs no state of them. Used by optimizer.c. */
#ifndef SURGERY_SCHEDULE_RATES_H
#define SURGERY_SCHEDULE_RATES_H
#include "runtime/base/recipe.h"

/* time: epochs done, or or steps done, since the phase began; total: how many it has in all. base: the
 * group's own rate (one_cycle: its max_lr). */
double schedule_lr(const ScheduleConfig *schedule, double base, int64_t time, int64_t total);
/* The momentum (Adam: beta1) where one_cycle sets it; NAN: it stays. */
double schedule_momentum(const ScheduleConfig *schedule, int64_t time, int64_t total);
#endif
