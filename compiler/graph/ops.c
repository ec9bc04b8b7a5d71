/* The table of operators, made from the rows of grammar/ops.def: names, arguments, parameters, and what
 * differs in training. It holds no logic of any operator; shapes and code generation have their own
 * expansions of the same rows. Used by everything that looks at an OpId. */
#include "compiler/graph/graph.h"
#include <float.h>

/* How a row's words become initialisers. A default is a literal, or one of the three sentinels. */
#define REQUIRED .fallback = NULL
#define HOLE .fallback = NULL, .hole = true
#define NONE .fallback = "none"
#define RANGE(from, to) .min = from, .max = to
#define ONE_OF(...) .words = {__VA_ARGS__}
#define ARG(name, type, fallback, ...)                                                                                 \
  {#name, ARG_##type, offsetof(Row, name), fallback, RANGE(1, INT32_MAX), __VA_ARGS__},
#define CHECK(function)
#define ARGS(...) __VA_ARGS__
#define DTYPE_f32 DTYPE_F32
#define DTYPE_i64 DTYPE_I64
#define ROLE_PARAMETER false
#define ROLE_BUFFER true
#define ALWAYS SIZE_MAX
#define IF(argument) offsetof(Row, argument)
#define PARAM(name, dtype, role, value, grad, present) {#name, DTYPE_##dtype, ROLE_##role, present},
#define PARAMS(...) __VA_ARGS__

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Woverride-init" /* a RANGE in the row replaces the usual one */
#define KIND_LAYER true
#define KIND_FUNCTION false
#define INPUTS_1 1, 1
#define INPUTS_2 2, 2
#define INPUTS_1_TO_4 1, 4
#define INPUTS_3_TO_4 3, 4
#define INPUTS_MANY_ INPUTS_MANY, INPUTS_MANY
#define MANY MANY_
#define CONCAT(a, b) a##b
#define INPUTS(n) CONCAT(INPUTS_, n)
#define OP(NAME, kind, inputs, arg_list, param_list, shape, lower, grad, batch, doc)                                   \
  case OP_##NAME: {                                                                                                    \
    typedef NAME##Args Row;                                                                                            \
    static const ArgInfo args[] = {arg_list{0}};                                                                       \
    static const ParamInfo params[] = {param_list{0}};                                                                 \
    static const OpInfo info = {#NAME, KIND_##kind, INPUTS(inputs), args, params, BATCH_##batch, doc};                 \
    _Static_assert(sizeof(Row) <= offsetof(OpArgs, arg_span), "in the union");                                         \
    return &info;                                                                                                      \
  }

const OpInfo *op_info(OpId op) {
  static const ArgInfo no_args[] = {{0}};
  static const ParamInfo no_params[] = {{0}};
  static const OpInfo container = {"", false, 0, 0, no_args, no_params, BATCH_SAME, "a container"};
  switch (op) {
#include "grammar/ops.def"
  case OP_NONE: return &container;
  case OP_COUNT: break;
  }
  BUG("operator %d is none", (int)op);
}
#undef OP

OpId op_find(const char *name, bool layer) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
    const OpInfo *info = op_info((OpId)op);
    if (info->is_layer == layer && streq(info->name, name)) return (OpId)op;
  }
  return OP_NONE;
}

/* The rows that share what their lists have in common. */
#define ALIKE(a, b, field)                                                                                             \
  _Static_assert(offsetof(OpArgs, a.field) == offsetof(OpArgs, b.field), #a " and " #b " share " #field)
ALIKE(BatchNorm1d, BatchNorm2d, affine);
ALIKE(MaxPool2d, AvgPool2d, padding);
ALIKE(AdaptiveAvgPool2d, adaptive_avg_pool2d, output_size);
ALIKE(Flatten, flatten, end_dim);
ALIKE(Softmax, softmax, dim);
ALIKE(GELU, gelu, approximate);

bool op_same_args(OpId op, const OpArgs *a, const OpArgs *b) {
  for (const ArgInfo *arg = op_info(op)->args; arg->name; arg++) {
    const char *x = (const char *)a + arg->offset, *y = (const char *)b + arg->offset;
    bool same = true;
    switch (arg->type) {
    case ARG_INT: same = memcmp(x, y, sizeof(int64_t)) == 0; break;
    case ARG_PAIR: same = memcmp(x, y, 2 * sizeof(int64_t)) == 0; break;
    case ARG_FLOAT: same = memcmp(x, y, sizeof(double)) == 0; break;
    case ARG_BOOL: same = *(const bool *)x == *(const bool *)y; break;
    case ARG_TEXT: same = streq(*(const char *const *)x, *(const char *const *)y); break;
    case ARG_INTS: same = memcmp(x, y, sizeof(IntList)) == 0; break;
    }
    if (!same) return false;
  }
  return true;
}
