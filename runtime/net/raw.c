/* What the functions for callers with memory of their own need, NAME_pack and NAME_forward_raw: nothing is
 * written outside that memory, whatever it was planned for. Called by generated code
 * (compiler/codegen/exports.c). */
#include "runtime/abi.h"
#include "runtime/surgery.h"
#include "runtime/base/threads.h"

/* Bytes of arena on one thread; -1: more than an int64 holds. */
static int64_t least_bytes(int64_t n, int64_t per_sample, int64_t fixed, int64_t scratch) {
  int64_t sum;
  if (n < 0 || __builtin_mul_overflow(n, per_sample, &sum) || __builtin_add_overflow(sum, fixed, &sum) ||
      __builtin_add_overflow(sum, scratch, &sum))
    return -1;
  return sum;
}

static bool is_aligned(const void *p) { return ((uintptr_t)p & 63) == 0; }

int32_t sg_raw_begin(const sg_run *run, int64_t bytes, int64_t per_sample, int64_t fixed, int64_t scratch,
                     int32_t outputs) {
  int64_t least = least_bytes(run->n, per_sample, fixed, scratch);
  if (!run->weights || (least > 0 && !run->arena)) return SURGERY_NULL_ARGUMENT;
  if (least < 0 || bytes < least || !is_aligned(run->weights) || !is_aligned(run->arena)) return SURGERY_SMALL_MEMORY;
  if (outputs && run->n && (!run->x || !run->y[0])) return SURGERY_NULL_ARGUMENT;
  if (outputs && (!is_aligned(run->x) || !is_aligned(run->y[0]))) return SURGERY_SMALL_MEMORY;
  return threads_hold(scratch ? 1 + (bytes - least) / scratch : INT64_MAX);
}

void sg_raw_end(int32_t before) { threads_release(before); }
