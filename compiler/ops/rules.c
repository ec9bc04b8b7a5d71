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

#define NO_GRAD NULL
#define PARAM(name, dtype, role, GRAD, present) GRAD,
#define PARAMS(...) __VA_ARGS__
GradParamFn grad_conv2d_weight, grad_conv2d_bias, grad_linear_weight, grad_linear_bias, grad_batchnorm_weight,
    grad_batchnorm_bias, grad_embedding_weight, grad_layernorm_weight, grad_layernorm_bias, grad_multihead_in_weight,
    grad_multihead_in_bias, grad_multihead_out_weight, grad_multihead_out_bias;
GradParamFn *const grad_param_rule[OP_COUNT][MAX_ROLES] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc) [OP_##NAME] = {PARAMS NULL},
#include "grammar/ops.def"
#undef OP
};
