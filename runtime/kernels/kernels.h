/* The contract of the kernels, shared by the templates (clang, to bitcode), the compiler that calls them with
 * constants, the runtime, and the tests that call them natively. It holds only sizes and declarations: cc and clang
 * compile it, without libc. The kernels themselves are in a folder for each family: conv, linear, norm, pool,
 * pointwise, shape, attention, loss.
 *
 * Layouts. NCHW is row-major as in PyTorch; tensors of other ranks are row-major too. NCHW16c is for (N, C, H, W):
 * [N][CB][H][W][16] with CB = ceil(C / 16); the lanes after C hold zeros in every activation and gradient, always (each
 * kernel that writes one keeps it so). All buffers are 64-byte aligned; a pixel of a channel block is a whole cache
 * line.
 *
 * A template does the work items [begin, end) of a call; items are independent of each other, so that any number of
 * threads may take them, and no result depends on which thread took which. `n` is the batch. `k` points to constants:
 * in compiled programs the optimiser sees their values, in tests they are ordinary memory. `b` points to the operands,
 * NULL where a call has none of that name. `scratch` is private to the thread, 64-byte aligned, of the size that the
 * plan asked for. Its first 8 bytes are 0 when a thread takes its first items of a call, unless these begin with item
 * 0; the rest may hold anything. So a template can leave there what it has prepared, for items that the thread takes
 * later (conv.h, held_in_scratch).
 *
 * A new kernel: a row in kernels.def, and in a file of its family a PLAN and a TEMPLATE (template.h). */
#ifndef SURGERY_KERNELS_H
#define SURGERY_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include "runtime/abi.h"
#include <stdint.h>

#define LANES 16
#define BLOCKS(c) (((c) + LANES - 1) / LANES)
/* Elements of (c, hw) in NCHW16c, pad lanes included. */
static inline int64_t nchw16c_count(int64_t c, int64_t hw) { return BLOCKS(c) * LANES * hw; }
/* Bytes in whole cache lines. */
static inline int64_t round_up_64(int64_t bytes) { return (bytes + 63) / 64 * 64; }

typedef enum Activation {
  ACT_NONE,
  ACT_RELU,
  ACT_RELU6,
  ACT_LEAKY_RELU,
  ACT_SIGMOID,
  ACT_TANH,
  ACT_GELU,
  ACT_GELU_TANH
} Activation;

/* How a call is cut into work items, and what it costs; filled by the kernel's PLAN on the compiler's side. */
typedef struct CallPlan {
  int64_t items_per_sample, items_fixed; /* the call has items_per_sample * n + items_fixed work items */
  int64_t scratch_bytes;                 /* for each thread */
  double flops_per_sample;               /* 2 for a multiply-add */
  /* Estimates, 0 where they do not matter: bytes of weights that the call reads once for `weights_samples` samples (0:
   * for the whole batch); what preparing them costs is counted as if more were read. */
  double weights_bytes;
  int64_t weights_samples;
  int64_t splits; /* > 1: the output is [splits][the output], split-K partial sums that another kernel adds up */
  int64_t workspace_bytes; /* of an operand that only holds what the kernel computes on the way */
} CallPlan;

/* ---- from kernels.def: the constants, the operands, the declarations ---- */

#define PARAMS(name, ...)                                                                                              \
  typedef struct name {                                                                                                \
    __VA_ARGS__                                                                                                        \
  } name;
#include "runtime/kernels/kernels.def"

#define OPERAND(type, name, access, required) type *name;
#define KERNEL(name, params, kind, operands)                                                                           \
  typedef params name##_params;                                                                                        \
  typedef struct name##_operands {                                                                                     \
    operands                                                                                                           \
  } name##_operands;
#include "runtime/kernels/kernels.def"

typedef enum KernelId {
#define KERNEL(name, ...) KERNEL_##name,
#include "runtime/kernels/kernels.def"
  KERNEL_COUNT
} KernelId;

#define TEMPLATE_ARGS(name)                                                                                            \
  const name##_operands *b, int64_t n, int64_t begin, int64_t end, void *scratch, const name##_params *k
#define RUNTIME_ARGS(name) const name##_operands *b, int64_t n, int64_t threads, const name##_params *k
#define DECLARE_TEMPLATE(name) void sgk_##name(TEMPLATE_ARGS(name));
#define DECLARE_RUNTIME(name) SG_API void sg_##name(RUNTIME_ARGS(name));
#define KERNEL(name, params, kind, ...) DECLARE_##kind(name)
#include "runtime/kernels/kernels.def"
#undef DECLARE_TEMPLATE
#undef DECLARE_RUNTIME

/* ---- the table ---- */

typedef enum Access { OPERAND_IN, OPERAND_OUT, OPERAND_INOUT } Access;
typedef struct Operand {
  const char *name;
  Access access;
  bool required;
} Operand;

#define MAX_CALL_BUFFERS 12
#define MAX_CALL_WORDS 32
typedef struct KernelInfo {
  const char *name;   /* "conv2d" */
  const char *symbol; /* "sgk_conv2d", or "sg_linear" */
  bool is_template;
  const Operand *operands;
  int operand_count;
  int words;                                   /* of 8 bytes, in the constants */
  void (*plan)(const void *k, CallPlan *plan); /* the kernel's PLAN */
} KernelInfo;
const KernelInfo *kernel_info(KernelId kernel);
CallPlan kernel_plan(KernelId kernel, const void *k);

/* ---- the templates as LLVM bitcode, embedded at build time ----
 * Codegen parses it, adds a wrapper with constants for each call and lets the optimiser specialise. */
extern const unsigned char kernels_bc[];
extern const size_t kernels_bc_size; /* in bytes; one 0 byte follows the module */
/* The same with smaller tiles, for targets without AVX-512: 16 vector registers of 8 floats or fewer. */
extern const unsigned char kernels_bc_narrow[];
extern const size_t kernels_bc_narrow_size;
#endif
