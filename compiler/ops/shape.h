/* Shape rules, one for each SHAPE of ops.def. Called by shape.c alone. */
#ifndef SURGERY_SHAPE_H
#define SURGERY_SHAPE_H
#include "compiler/graph/graph.h"
#include "compiler/graph/session.h"

/* What the layer's arguments say of one of its parameters; while an argument is `_` only the kind of initial value is.
 */
typedef struct ParamValue {
  Shape shape;
  Initializer initial; /* PyTorch's default */
} ParamValue;
typedef ParamValue ParamValueFn(const OpArgs *args);
/* Judges the arguments of a layer or function together, and settles what depends on others; `call`: where it is made.
 */
typedef bool CheckFn(Session *s, OpArgs *args, Span call);

/* ---- rules.c ---- */
/* `role` is the index into op_info(op)->params. */
ParamValue op_param_value(OpId op, const OpArgs *args, int role);
/* False with a diagnostic where the arguments do not go together, or a parameter would be too large for any memory. */
bool op_check(Session *s, OpId op, OpArgs *args, Span call);

/* Fills in every value's and parameter's shape and every `_`. False with diagnostics that blame the edit. */
bool infer_shapes(Session *s, Graph *g);
/* The same, but each `_` stays one. */
bool look_at_shapes(Session *s, Graph *g);
/* The shapes of those parameters alone that follow from their layer's arguments, where no value's shape is known. */
void fill_known_params(Graph *g);

typedef struct ShapeContext {
  Session *s;
  Graph *g;
  Node *node;
  OpId op;
  OpArgs *args;    /* of the layer or the function; a rule fills in its `_` */
  const Shape *in; /* shapes of the inputs, without N */
  size_t in_count;
  Shape *out; /* to be set */
} ShapeContext;

/* False with a diagnostic that blames the statement which brought the node here; *out may be set all the same, to what
 * the layer's own arguments say. */
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, BATCH, doc)                                           \
  bool SHAPE(ShapeContext *c);                                                                                         \
  ARGS PARAMS
#define ARGS(...) __VA_ARGS__
#define ARG(...)
#define CHECK(function) CheckFn function;
#define PARAMS(...) __VA_ARGS__
#define PARAM(name, dtype, role, VALUE, GRAD, present) ParamValueFn VALUE;
#include "grammar/ops.def"
#undef OP
#undef ARGS
#undef ARG
#undef CHECK
#undef PARAMS
#undef PARAM

static inline Shape shape_vector(int64_t size) { return (Shape){.rank = 1, .dim = {size}}; }
static inline ParamValue value_constant(Shape shape, double value) {
  return (ParamValue){shape, {.kind = INIT_CONSTANT, .value = value}};
}
/* U(-1/sqrt(fan_in), 1/sqrt(fan_in)): torch's kaiming_uniform(a = sqrt(5)) for weights, and what it gives biases. */
static inline ParamValue value_uniform_fan_in(Shape shape, double fan_in) {
  return (ParamValue){shape, {.kind = INIT_UNIFORM, .value = fan_in > 0 ? 1 / __builtin_sqrt(fan_in) : 0}};
}

/* Expected-against-got messages, built in one place (shape_errors.c). Each returns false. */
bool shape_wants_features(ShapeContext *c, const char *what, int64_t wants, int64_t got);
bool shape_wants_rank(ShapeContext *c, const char *wants, const char *help);
bool shape_window_too_large(ShapeContext *c, int dimension, int64_t window, int64_t size); /* 0: height, 1: width */
bool shape_mismatch(ShapeContext *c, size_t other, const char *rule);
/* Fills in `_`, or compares what the layer was declared with to what flows in. */
bool shape_match_features(ShapeContext *c, const char *what, int64_t *declared, int64_t got);
/* A dimension counted with the batch as 0, negative from the end → one counted without it; -1: not there. */
int shape_inner_dimension(const Shape *shape, int64_t dim);
/* `argument` is the place of `dim` in the operator's row, `twice` when it was named before. */
bool shape_bad_dimension(ShapeContext *c, int argument, int64_t dim, bool twice);
/* Of two values that do not fit together the one that the edit to blame did not change: what is behind goes on with
 * it, so that one mistake gives one message. */
size_t shape_unedited(const ShapeContext *c, size_t other);

/* ---- shared by shape_errors.c and shape_cures.c ---- */
/* In a file that the user can change. */
bool shape_in_script(const ShapeContext *c, Span span);
const char *shape_source_text(const ShapeContext *c, Span span); /* "" where there is none */
/* A Linear gets a map: says what is missing, with the fix that puts it there (shape_cures.c). */
void shape_cure_flatten(ShapeContext *c, Diag *d);
/* A statement behind the one in which `span` stands. */
void shape_fix_behind(ShapeContext *c, Diag *d, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* For the messages of a single rule: where to report, and what flows in. The layer's arguments
 * where they stand in the script, when its own statement came last; else the edit to blame. */
Span shape_blame(const ShapeContext *c);
void shape_label(ShapeContext *c, Diag *d, size_t input);
static inline const char *shape_input_text(const ShapeContext *c, size_t input) {
  return shape_text(c->g->arena, &c->in[input]);
}
/* Is it the network's mask? */
static inline bool shape_is_mask(const ShapeContext *c, size_t i) { return c->node->inputs.at[i] == c->g->mask_value; }
/* Whether input `i` may hold whole numbers (tokens, or the mask) in this operator; reports where it may not. */
bool shape_integers_fit(ShapeContext *c, size_t i);
/* Positions of the tokens in the network's output: none may be left. */
bool shape_output_is_computed(Session *s, const Graph *g);
#endif
