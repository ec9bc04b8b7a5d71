/* Lowering: from nodes to kernel calls. A Lower builds one schedule; the lower_* functions of the families emit
 * a node's forward calls, the grad_* functions its gradients, one function for each, so that what is frozen is
 * simply not called. Called by compiler/plan.
 *
 * Values of rank 3, (C, H, W), are at home in the blocked layout, others in the plain one; a value is converted
 * where a kernel wants the other layout, once. Gradients live in the home layout. */
#ifndef SURGERY_LOWER_H
#define SURGERY_LOWER_H
#include "compiler/ops/program.h"

/* False for what reads or returns whole numbers, whose row has no_gradient: nothing before it is trained through it. */
bool op_passes_gradient(OpId op);

typedef enum Layout { LAYOUT_NCHW, LAYOUT_NCHW16C } Layout;

typedef struct ValueState {
  BufferId at[2];    /* by Layout; NO_ID until it is there */
  BufferId grad;     /* in the home layout */
  bool grad_written; /* false: the next contribution overwrites */
  int uses;          /* by used nodes and outputs, in this schedule */
  NodeId only_user;  /* where uses == 1 */
} ValueState;

/* What a node became. A head (conv, batch normalisation, linear, add) takes along the nodes that follow it alone. */
typedef struct NodeState {
  bool lowered, fused;    /* fused: done by another node's call */
  NodeId last;            /* the last node of its group: its output is the group's */
  NodeId bn;              /* folded into a convolution */
  Activation activation;  /* in the call's epilogue */
  ValueId residual;       /* added before the activation; NO_ID: none */
  BufferId y;             /* what the group returns */
  BufferId packed;        /* weights in the kernel's layout, kept for grad_input */
  BufferId mean, inv_std; /* batch normalisation; layer normalisation has both of each row in mean */
  BufferId sums;          /* its reductions, once backward has asked for them; attention: of each row of scores */
  BufferId dz;            /* the gradient before the activation, once backward has asked for it */
  BufferId qkv[3], context,
      d_qkv[3]; /* multi-head attention: its projections, what goes into the last one, their gradients */
} NodeState;

typedef struct PackRecord { /* one entry of the packed weights, shared by all schedules */
  ModuleId conv_module, bn_module;
  bool plain, transposed; /* plain: for an input in the plain layout; a layer called twice may need both */
  int64_t offset, bias_offset;
} PackRecord;

typedef struct Lower {
  Arena *arena;
  Plan *plan;
  const Graph *g;
  const Trainability *t;
  Program *s;
  bool training;   /* the step: batch statistics, noise, activations kept for backward */
  bool inspecting; /* nothing is fused, and templates share their code among all shapes: it must be cheap to compile */
  ValueState *value;   /* by ValueId */
  NodeState *node;     /* by NodeId */
  bool *param_written; /* by ParamId: a gradient has been written in this step */
  VEC(NodeId) heads;   /* lowered groups, in order */
  VEC(PackRecord) *packs;
} Lower;

typedef void LowerFn(Lower *l, NodeId n);
/* What a loss is lowered from: x and target as the row of train.def says, both row-major. */
typedef struct LossCall {
  const struct LossConfig *own;          /* its arguments */
  int64_t classes, count;                /* of a sample: of dimension 1; elements */
  bool soft;                             /* a probability for each class takes the place of classes */
  BufferId x, target, loss, weights, dx; /* weights: one a class; dx: the gradient; NO_ID: none */
} LossCall;
typedef void LossFn(Lower *l, const LossCall *call);
#define LOSS(name, ...) LossFn lower_loss_##name;
#include "grammar/train.def"
typedef void GradParamFn(Lower *l, NodeId n, ParamId p);

/* ---- rules.c: what the rows of ops.def name ---- */
#define MAX_ROLES 8
extern LowerFn *const lower_rule[OP_COUNT];
extern LowerFn *const grad_rule[OP_COUNT];
extern GradParamFn *const grad_param_rule[OP_COUNT][MAX_ROLES]; /* by the parameter's role */

/* ---- lower.c: buffers and calls ---- */
BufferId new_buffer(Lower *l, const char *name, bool per_sample, int64_t bytes);
BufferId place_buffer(Lower *l, Space space, int index, int64_t offset, const char *name);
/* The operands of each kernel, as NAME_operands of kernels.h, but buffers of the program. */
#define OPERAND(type, name, access, required) BufferId name;
#define KERNEL(name, params, kind, operands)                                                                           \
  typedef struct name##_buffers {                                                                                      \
    operands                                                                                                           \
  } name##_buffers;
#include "runtime/kernels/kernels.def"
/* buffers: a NAME_buffers of the kernel, or of one that has the same operands. */
void emit_call(Lower *l, KernelId kernel, const void *k, NodeId n, const char *role, const void *buffers);
/* EMIT(l, linear, &k, n, "forward", .x = x, .w = w, .y = y): a call with constants k and the operands that are named;
 * the others are none, and program_check() knows which must not be. */
#define EMIT(l, kernel, k, n, role, ...)                                                                               \
  emit_call((l), KERNEL_##kernel, 1 ? (k) : (const kernel##_params *)NULL, (n), (role),                                \
            &(kernel##_buffers){__VA_ARGS__})

/* Of two kernels that can do the same call the one that is to do it: `usual`, or what Plan.choices says. */
KernelId choose_kernel(Lower *l, const void *k, size_t k_bytes, NodeId n, const char *role, KernelId usual,
                       KernelId other);

static inline ValueId input_value(const Lower *l, NodeId n) { return node_at(l->g, n)->inputs.at[0]; }
static inline ValueId output_value(const Lower *l, NodeId n) { return node_at(l->g, n)->output; }
const Shape *value_shape(const Lower *l, ValueId v);
typedef struct Around { /* a shape seen from one of its dimensions: (outer, size, inner) */
  int at;
  int64_t outer, size, inner;
} Around;
/* dim: as scripts count, with the batch as 0 or from the end. */
Around shape_around(const Shape *shape, int64_t dim);
Layout default_layout(const Shape *shape);
int64_t layout_bytes(const Shape *shape, Layout layout); /* for one sample, a multiple of 64 */
/* The value in that layout, converted first when it is only there in the other. */
BufferId value_in(Lower *l, ValueId v, Layout layout);
BufferId value_in_default(Lower *l, ValueId v);
/* A new buffer for a value that is about to be written. */
BufferId value_out(Lower *l, ValueId v, Layout layout);
/* The same for what the node returns, where nothing that follows it is done in its call. */
BufferId node_out(Lower *l, NodeId n, Layout layout);
/* The node's value is its input's under another name, buffer for buffer. */
void lower_alias(Lower *l, NodeId n, Layout layout);
/* The constants of a kernel that works on each element, in the default layout. */
ElementwiseParams elementwise_constants(const Shape *shape);
/* The raw tensor of a layer by its name; NO_ID when the layer has none of it. */
BufferId param_buffer(Lower *l, NodeId n, const char *role);
ParamId find_param(const Graph *g, NodeId n, const char *role);

/* ---- lower.c: gradients ---- */
bool wants_grad(const Lower *l, ValueId v);
/* The gradient of what the node's group returns, complete when backward reaches the node. */
BufferId grad_of_group(Lower *l, NodeId n, Layout layout);
/* The same before the group's activation: makes and remembers it. */
BufferId grad_before_activation(Lower *l, NodeId n, Layout layout);
typedef struct GradOut {
  BufferId buffer;
  bool accumulate;
  ValueId value;
  Layout layout;
} GradOut;
/* Where a gradient of `v` is to be written, in which way; grad_end() must follow the call that writes it. */
GradOut grad_begin(Lower *l, ValueId v, Layout layout);
void grad_end(Lower *l, NodeId n, const GradOut *out);
/* `dy` as it is becomes a gradient of `to`, where one is wanted; in the home layout of the shape that both have. */
void pass_gradient(Lower *l, NodeId n, BufferId dy, ValueId to);
/* Where a parameter's gradient goes; sets *accumulate when one was written before (a layer called twice). */
BufferId grad_param(Lower *l, ParamId p, bool *accumulate);

/* ---- fusion: what follows a head alone and can be done in its call ---- */
/* The one node that uses what `n`'s group returns; NO_ID when others do too, or an output or the frozen_boundary is in
 * between. */
NodeId only_follower(const Lower *l, NodeId n);
/* Takes along `add` (with its other side already there) and then relu or relu6, as allowed. */
void fuse_epilogue(Lower *l, NodeId n, bool residual, bool relu6);
Activation node_activation(const Graph *g, NodeId n, double *slope);

#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc)                                           \
  LowerFn LOWER, GRAD;                                                                                                 \
  PARAMS
#define PARAMS(...) __VA_ARGS__
#define PARAM(name, dtype, role, VALUE, GRAD, present) GradParamFn GRAD;
#define NO_GRAD no_param_gradient
#include "grammar/ops.def"
#undef OP
#undef PARAMS
#undef PARAM
#undef NO_GRAD
#endif
