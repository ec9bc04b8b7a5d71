/* The rows of grammar/ops.def as tables of the functions that lower an operator and its gradients. Called by
 * compiler/plan. */
#include "compiler/ops/lower.h"

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
#define NO_GRAD no_param_gradient
#define PARAM(name, dtype, role, GRAD, present) GradParamFn GRAD;
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) PARAMS
#include "grammar/ops.def"
#undef OP
#undef PARAM
#undef NO_GRAD
#define NO_GRAD NULL
#define PARAM(name, dtype, role, GRAD, present) GRAD,
GradParamFn *const grad_param_rule[OP_COUNT][MAX_ROLES] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = {PARAMS NULL},
#include "grammar/ops.def"
#undef OP
};
