/* What every file of kernels begins with: the macros that begin a kernel's functions, and how calls are cut into work
 * items.
 *
 *   PLAN(name) { … }      fills *plan from the constants *k: work items, scratch, cost. It runs in the compiler.
 *   TEMPLATE(name) { … }  does the work items [begin, end) of a call: operands *b, batch n, constants *k, `scratch`.
 *   RUNTIME(name) { … }   does a whole call on `threads` threads, in the runtime: operands *b, batch n, constants *k.
 *
 * A file is compiled to bitcode and natively for its templates (or into the runtime), and by cc with SGK_PLANS for its
 * plans: each time the other functions are left out. Cuts never depend on the number of threads. */
#ifndef SURGERY_KERNELS_TEMPLATE_H
#define SURGERY_KERNELS_TEMPLATE_H
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/simd.h"

#ifdef SGK_PLANS
#define TEMPLATE(name) static __attribute__((unused)) void unused_##name(TEMPLATE_ARGS(name))
#define RUNTIME(name) static __attribute__((unused)) void unused_##name(RUNTIME_ARGS(name))
#define PLAN(name)                                                                                                     \
  static void fill_plan_##name(const name##_params *k, CallPlan *plan);                                                \
  void plan_##name(const void *k, CallPlan *plan);                                                                     \
  void plan_##name(const void *k, CallPlan *plan) { fill_plan_##name(k, plan); }                                       \
  static void fill_plan_##name(const name##_params *k, CallPlan *plan)
#else
#define TEMPLATE(name) void sgk_##name(TEMPLATE_ARGS(name))
#define RUNTIME(name) void sg_##name(RUNTIME_ARGS(name))
#define PLAN(name) static inline __attribute__((unused)) void fill_plan_##name(const name##_params *k, CallPlan *plan)
#endif

/* ---- what most plans are ---- */

static inline void per_sample(CallPlan *plan, int64_t items, double flops) {
  *plan = (CallPlan){.items_per_sample = items, .flops_per_sample = flops};
}
static inline void per_call(CallPlan *plan, int64_t items, double flops) {
  *plan = (CallPlan){.items_fixed = items, .flops_per_sample = flops};
}

/* ---- cuts that several kernels have ---- */

#define ELEMENTWISE_CHUNK 8192 /* 32 KiB */
#define COLUMN_CHUNK 64        /* of a sum over all rows: four vectors */
#define PIXEL_CHUNK 1024       /* of a channel block: 64 KiB */

static inline int64_t chunks_of(int64_t count, int64_t chunk) { return (count + chunk - 1) / chunk; }

/* A run [from, to) of one sample. */
typedef struct ItemRun {
  int64_t sample, from, to;
} ItemRun;
static inline ItemRun item_run(int64_t item, int64_t count, int64_t chunk) {
  int64_t per_sample = chunks_of(count, chunk), from = item % per_sample * chunk;
  return (ItemRun){item / per_sample, from, from + chunk < count ? from + chunk : count};
}

/* A run of pixels [from, to) of one channel block of one sample. */
typedef struct ItemPixels {
  int64_t sample, block, from, to;
} ItemPixels;
static inline ItemPixels item_pixels(int64_t item, int64_t blocks, int64_t hw) {
  int64_t chunks = chunks_of(hw, PIXEL_CHUNK), from = item % chunks * PIXEL_CHUNK;
  return (ItemPixels){item / chunks / blocks, item / chunks % blocks, from,
                      from + PIXEL_CHUNK < hw ? from + PIXEL_CHUNK : hw};
}
static inline int64_t items_of_pixels(int64_t blocks, int64_t hw) { return blocks * chunks_of(hw, PIXEL_CHUNK); }

/* Lanes in use of a channel block: 16, or what is left of c. */
static inline int64_t block_lanes(int64_t block, int64_t c) {
  return c - block * LANES < LANES ? c - block * LANES : LANES;
}
#endif
