/* For the plan_*.c whose kernels are cut along one count: a function for each kernel, which fills in the CallPlan. */
#ifndef SURGERY_KERNELS_PLAN_H
#define SURGERY_KERNELS_PLAN_H
#include "runtime/kernels/units.h"

#define PLAN(name)                                                                                                     \
  void plan_##name(const void *constants, CallPlan *plan);                                                             \
  void plan_##name(const void *constants, CallPlan *plan)

static inline void per_sample(CallPlan *plan, int64_t units, double flops) {
  *plan = (CallPlan){.units_per_sample = units, .flops_per_sample = flops};
}
static inline void fixed(CallPlan *plan, int64_t units, double flops) {
  *plan = (CallPlan){.units_fixed = units, .flops_per_sample = flops};
}
#endif
