/* The rows of grammar/ops.def as tables of functions: what judges an operator's arguments, what its parameters are,
 * what lowers it and its gradients. Called by compiler/lang, compiler/weights and compiler/plan. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"

LowerFn *const lower_rule[OP_COUNT] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = LOWER,
#include "grammar/ops.def"
#undef OP
};
LowerFn *const grad_rule[OP_COUNT] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = GRAD,
#include "grammar/ops.def"
#undef OP
};
bool op_passes_gradient(OpId op) { return grad_rule[op] != no_gradient; }

#define PARAMS(...) __VA_ARGS__
#define PARAM(name, dtype, role, VALUE, GRAD, present) GRAD,
#define NO_GRAD NULL
GradParamFn *const grad_param_rule[OP_COUNT][MAX_ROLES] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = {PARAMS NULL},
#include "grammar/ops.def"
#undef OP
};
#undef PARAM

#define PARAM(name, dtype, role, VALUE, GRAD, present) VALUE,
static ParamValueFn *const value_rule[OP_COUNT][MAX_ROLES] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = {PARAMS NULL},
#include "grammar/ops.def"
#undef OP
};

ParamValue op_param_value(OpId op, const OpArgs *args, int role) { return value_rule[op][role](args); }

#define ARGS(...) __VA_ARGS__
#define ARG(...)
#define CHECK(function) function,
static CheckFn *const check_rule[OP_COUNT][2] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = {ARGS NULL},
#include "grammar/ops.def"
#undef OP
};

/* Past this bound no tensor fits into any memory, and byte counts still fit into 64 bits. A `_` counts as 1. */
static bool weight_fits(Session *s, OpId op, const OpArgs *args, Span call) {
  const OpInfo *info = op_info(op);
  OpArgs known = *args;
  for (const ArgInfo *arg = info->args; arg->name; arg++) {
    int64_t *at = (int64_t *)((char *)&known + arg->offset);
    if (arg->hole && *at == HOLE_VALUE) *at = 1;
  }
  Shape shape = op_param_value(op, &known, 0).shape;
  double count = 1;
  for (int i = 0; i < shape.rank; i++) count *= shape.dim[i] > 0 ? (double)shape.dim[i] : 1;
  if (count <= (double)(INT64_C(1) << 40)) return true;
  front_error(s, DIAG_E0113, call, "%s: its weight would have %.3g numbers: at most 2^40", info->name, count);
  return false;
}

bool op_check(Session *s, OpId op, OpArgs *args, Span call) {
  if (check_rule[op][0] && !check_rule[op][0](s, args, call)) return false;
  return !value_rule[op][0] || weight_fits(s, op, args, call);
}
