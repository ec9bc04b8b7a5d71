/* The table of operators, made from the rows of grammar/ops.def: names, arguments, parameters, and what
 * differs in training. It holds no logic of any operator; shapes and code generation have their own
 * expansions of the same rows. Used by everything that looks at an OpId. */
#include "compiler/graph/graph.h"
#include <float.h>

/* How a row's words become initialisers. A default is a literal, or one of the three sentinels. */
#define REQUIRED .fallback = NULL
#define HOLE .fallback = NULL, .hole = true
#define NONE .fallback = "none"
#define OFFSET_INT(name) offsetof(OpArgs, name)
#define OFFSET_PAIR(name) offsetof(OpArgs, name)
#define OFFSET_FLOAT(name) offsetof(OpArgs, name)
#define OFFSET_BOOL(name) offsetof(OpArgs, name)
#define OFFSET_TEXT(name) offsetof(OpArgs, name)
#define OFFSET_INTS(name) offsetof(OpArgs, name##s) /* `dim` as a list is the field dims */
#define RANGE(from, to) .min = from, .max = to
#define ONE_OF(...) .words = {__VA_ARGS__}
#define ARG(name, type, fallback, ...)                                                                                 \
  {#name, ARG_##type, OFFSET_##type(name), fallback, RANGE(1, INT32_MAX), __VA_ARGS__},
#define CHECK(function)
#define ARGS(...) __VA_ARGS__
#define DTYPE_f32 DTYPE_F32
#define DTYPE_i64 DTYPE_I64
#define ROLE_PARAMETER false
#define ROLE_BUFFER true
#define ALWAYS SIZE_MAX
#define IF(argument) offsetof(OpArgs, argument)
#define PARAM(name, dtype, role, value, grad, present) {#name, DTYPE_##dtype, ROLE_##role, present},
#define PARAMS(...) __VA_ARGS__

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Woverride-init" /* a RANGE in the row replaces the usual one */
#define OP(NAME, kind, inputs, args, params, ...)                                                                      \
  static const ArgInfo args_##NAME[] = {args{0}};                                                                      \
  static const ParamInfo params_##NAME[] = {params{0}};
#include "grammar/ops.def"
#undef OP

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
#define OP(NAME, kind, inputs, args, params, shape, lower, grad, batch, doc)                                           \
  [OP_##NAME] = {#NAME, KIND_##kind, INPUTS(inputs), args_##NAME, params_##NAME, BATCH_##batch, doc},
static const ArgInfo no_args[] = {{0}};
static const ParamInfo no_params[] = {{0}};
static const OpInfo table[OP_COUNT] = {
    [OP_NONE] = {"", false, 0, 0, no_args, no_params, BATCH_SAME, "a container"},
#include "grammar/ops.def"
};
#undef OP

const OpInfo *op_info(OpId op) {
  ASSERT(op >= OP_NONE && op < OP_COUNT);
  return &table[op];
}

OpId op_find(const char *name, bool layer) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++)
    if (table[op].is_layer == layer && streq(table[op].name, name)) return (OpId)op;
  return OP_NONE;
}
