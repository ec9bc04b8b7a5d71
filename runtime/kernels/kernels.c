/* The table of kernels, from kernels.def: names, symbols, operands, and the function that plans a call. Called by the
 * compiler to plan, to check and to find the template; holds no knowledge of any one kernel. */
#include "runtime/kernels/kernels.h"

#define KERNEL(name, ...) void plan_##name(const void *k, CallPlan *plan);
#include "runtime/kernels/kernels.def"

#define OPERAND(type, name, access, required) {#name, access, required},
#define KERNEL(name, params, kind, operands) static const Operand operands_of_##name[] = {operands};
#include "runtime/kernels/kernels.def"

#define SYMBOL_TEMPLATE "sgk_"
#define SYMBOL_RUNTIME "sg_"
#define IS_TEMPLATE_TEMPLATE true
#define IS_TEMPLATE_RUNTIME false
#define COUNT_OF(name) (sizeof operands_of_##name / sizeof *operands_of_##name)

static const KernelInfo kernels[KERNEL_COUNT] = {
#define KERNEL(name, params, kind, ...)                                                                                \
  [KERNEL_##name] = {#name,          SYMBOL_##kind #name, IS_TEMPLATE_##kind, operands_of_##name,                      \
                     COUNT_OF(name), sizeof(params) / 8,  plan_##name},
#include "runtime/kernels/kernels.def"
};

/* The constants travel as an array of words, the operands as an array of pointers. */
#define KERNEL(name, params, ...)                                                                                      \
  _Static_assert(sizeof(params) % 8 == 0 && sizeof(params) / 8 <= MAX_CALL_WORDS, #name ": too many constants");       \
  _Static_assert(COUNT_OF(name) <= MAX_CALL_BUFFERS && sizeof(name##_operands) == COUNT_OF(name) * sizeof(void *),     \
                 #name ": too many operands");
#include "runtime/kernels/kernels.def"

const KernelInfo *kernel_info(KernelId kernel) { return (unsigned)kernel < KERNEL_COUNT ? &kernels[kernel] : NULL; }

CallPlan kernel_plan(KernelId kernel, const void *k) {
  CallPlan plan;
  kernels[kernel].plan(k, &plan);
  return plan;
}
