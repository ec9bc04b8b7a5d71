/* The functions of surgery.h that run and train a network: arguments are checked here, since they come from
 * other people's programs, and each failure has a number of its own. Called by C programs, by themselves or
 * through NAME_forward and its like (compiler/codegen/exports.c). */
#include "runtime/net/net.h"
#include <stdlib.h>
#include <string.h>

const char *surgery_failure_text(int failure) {
  switch (failure) {
  case 0: return "done";
  case SURGERY_NO_MEMORY: return "no memory; a smaller batch takes less";
  case SURGERY_NULL_ARGUMENT: return "a pointer that is needed is NULL";
  case SURGERY_NOT_TRAINABLE: return "nothing in this network is trainable: all of it is frozen";
  case SURGERY_BAD_TARGET: return "a target is no class of the network";
  case SURGERY_BAD_TOKEN: return "a token is not in the vocabulary";
  case SURGERY_SMALL_BATCH: return "a trainable BatchNorm gets one value per channel: the batch needs more samples";
  case SURGERY_SMALL_MEMORY:
    return "the memory that was given is smaller than the header's macro says for this batch, or not 64-byte "
           "aligned";
  case SURGERY_OTHER_CPU: return "this processor lacks what the code needs";
  }
  return "unknown";
}

static bool is_too_large(size_t n) { return n > INT64_MAX / 64; }

static bool reads_tokens(const surgery_net *net) { return net->manifest->input.kind == INPUT_TOKENS; }

int net_check_input(const surgery_net *net, size_t n, const void *x, const void *other) {
  if (!net || (n && (!x || !other))) return SURGERY_NULL_ARGUMENT;
  if (is_too_large(n)) return SURGERY_NO_MEMORY;
  return reads_tokens(net) && net_wrong_token(net->manifest, (int64_t)n, x) >= 0 ? SURGERY_BAD_TOKEN : SURGERY_OK;
}

int surgery_forward(surgery_net *net, size_t n, const float *x, float *y) {
  return surgery_forward_masked(net, n, x, NULL, y);
}

int surgery_forward_masked(surgery_net *net, size_t n, const void *x, const int32_t *mask, float *y) {
  int failure = net_check_input(net, n, x, y);
  if (failure) return failure;
  return net_forward(net, (int64_t)n, x, mask, y, NULL) ? SURGERY_NO_MEMORY : SURGERY_OK;
}

int surgery_forward_outputs(surgery_net *net, size_t n, const float *x, float *const *y) {
  int failure = net_check_input(net, n, x, y);
  if (failure || n == 0) return failure;
  const void *aligned_x = net_stage(net, (int64_t)n, x, NULL);
  if (!aligned_x || net_run(net, &(NetRun){NET_FORWARD, .n = (int64_t)n, .x = aligned_x}, NULL))
    return SURGERY_NO_MEMORY;
  for (size_t i = 0; i < net->manifest->output_count; i++)
    if (y[i]) memcpy(y[i], net->outputs[i], (size_t)net->manifest->outputs[i].shape.count * n * 4);
  return SURGERY_OK;
}

/* ---- for callers with memory of their own, NAME_pack and NAME_forward_raw: nothing is written outside it ---- */

/* Bytes of arena on one thread; -1: more than an int64 holds. */
static int64_t least_bytes(int64_t n, int64_t per_sample, int64_t fixed, int64_t scratch) {
  int64_t sum;
  if (n < 0 || __builtin_mul_overflow(n, per_sample, &sum) || __builtin_add_overflow(sum, fixed, &sum) ||
      __builtin_add_overflow(sum, scratch, &sum))
    return -1;
  return sum;
}

static bool is_aligned(const void *p) { return ((uintptr_t)p & 63) == 0; }

int32_t sg_raw_begin(sg_run *run, int64_t bytes, int64_t per_sample, int64_t fixed, int64_t scratch, int32_t outputs) {
  int64_t least = least_bytes(run->n, per_sample, fixed, scratch);
  if (!run->weights || (least > 0 && !run->arena)) return SURGERY_NULL_ARGUMENT;
  if (least < 0 || bytes < least || !is_aligned(run->weights) || !is_aligned(run->arena)) return SURGERY_SMALL_MEMORY;
  if (outputs && run->n && (!run->x || !run->y[0])) return SURGERY_NULL_ARGUMENT;
  if (outputs && (!is_aligned(run->x) || !is_aligned(run->y[0]))) return SURGERY_SMALL_MEMORY;
  int64_t fit = scratch ? 1 + (bytes - least) / scratch : INT64_MAX, threads = sg_threads();
  run->threads = fit < threads ? fit : threads;
  return 0;
}
