/* The table of kernels, from kernels.def: names, symbols, and the function that plans a call. Called by the
 * analysis (to plan) and by codegen (to find the template); holds no knowledge of any one kernel. */
#include "runtime/kernels/kernels.h"

#define KERNEL(name, K, kind, buffers) void plan_##name(const void *k, CallPlan *plan);
#include "runtime/kernels/kernels.def"
#undef KERNEL

#define SYMBOL_TEMPLATE "sgk_"
#define SYMBOL_RUNTIME "sgr_"
#define IS_TEMPLATE_TEMPLATE 1
#define IS_TEMPLATE_RUNTIME 0

static const KernelInfo kernels[KERNEL_COUNT] = {
#define KERNEL(name, K, kind, buffers)                                                                                 \
  [KERNEL_##name] = {#name, SYMBOL_##kind #name, IS_TEMPLATE_##kind, buffers, sizeof(K) / 8, plan_##name},
#include "runtime/kernels/kernels.def"
#undef KERNEL
};

/* The constants travel as an array of at most MAX_CALL_WORDS words. */
#define KERNEL(name, K, kind, buffers)                                                                                 \
  _Static_assert(sizeof(K) % 8 == 0 && sizeof(K) / 8 <= MAX_CALL_WORDS, #name ": too many constants");
#include "runtime/kernels/kernels.def"
#undef KERNEL

const KernelInfo *kernel_info(KernelId kernel) { return (unsigned)kernel < KERNEL_COUNT ? &kernels[kernel] : NULL; }
