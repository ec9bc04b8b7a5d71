/* Elementwise operators, reductions and changes of shape. What does nothing (Identity, a frozen Dropout, a
 * flatten of a plain value) emits nothing: the value takes its input's buffer. */
#include "compiler/ops/lower.h"

static ValueId input_value(const Lower *l, NodeId n) { return l->g->nodes.at[n].inputs.at[0]; }
static ValueId output_value(const Lower *l, NodeId n) { return l->g->nodes.at[n].output; }

/* The value is its input under another name, buffer for buffer. */
static void alias(Lower *l, NodeId n, Layout layout) {
  BufferId in = value_in(l, input_value(l, n), layout);
  l->value[output_value(l, n)].at[layout] = in;
  l->node[n].y = in;
}

static ElementwiseParams elementwise(const Shape *shape) {
  if (default_layout(shape) == LAYOUT_NCHW) return (ElementwiseParams){.count = shape_count(shape)};
  int64_t hw = shape->dim[1] * shape->dim[2];
  return (ElementwiseParams){.count = BLOCKS(shape->dim[0]) * LANES * hw, .c = shape->dim[0], .hw = hw};
}

void pass_gradient(Lower *l, NodeId n, BufferId dy, ValueId to) {
  if (!wants_grad(l, to)) return;
  const Shape *shape = value_shape(l, to);
  GradOut dx = grad_begin(l, to, default_layout(shape));
  ElementwiseParams k = elementwise(shape);
  k.accumulate = dx.accumulate;
  EMIT(l, copy, &k, n, "grad_input", dy, dx.buffer);
  grad_end(l, n, &dx);
}

void lower_identity(Lower *l, NodeId n) { alias(l, n, default_layout(value_shape(l, input_value(l, n)))); }

void grad_identity(Lower *l, NodeId n) {
  pass_gradient(l, n, grad_of_group(l, n, default_layout(value_shape(l, output_value(l, n)))), input_value(l, n));
}

void lower_activation(Lower *l, NodeId n) {
  ElementwiseParams k = elementwise(value_shape(l, output_value(l, n)));
  k.activation = node_activation(l->g, n, &k.slope);
  BufferId x = value_in_default(l, input_value(l, n));
  l->node[n].y = value_out(l, output_value(l, n), default_layout(value_shape(l, output_value(l, n))));
  EMIT(l, activation, &k, n, "forward", x, l->node[n].y);
}

void grad_activation(Lower *l, NodeId n) {
  ValueId in = input_value(l, n);
  Layout layout = default_layout(value_shape(l, in));
  ElementwiseParams k = elementwise(value_shape(l, in));
  k.activation = node_activation(l->g, n, &k.slope);
  /* Most derivatives follow from y alone; x is then free to go. */
  bool from_x = k.activation == ACT_GELU || k.activation == ACT_GELU_TANH || k.activation == ACT_LEAKY_RELU;
  BufferId x = from_x ? value_in_default(l, in) : NO_ID;
  BufferId dy = grad_of_group(l, n, layout);
  GradOut dx = grad_begin(l, in, layout);
  k.accumulate = dx.accumulate;
  EMIT(l, activation_grad, &k, n, "grad_input", x, from_x && k.activation != ACT_LEAKY_RELU ? NO_ID : l->node[n].y, dy,
       dx.buffer);
  grad_end(l, n, &dx);
}

void lower_add(Lower *l, NodeId n) {
  const Node *node = &l->g->nodes.at[n];
  NodeState *state = &l->node[n];
  fuse_epilogue(l, n, false, true);
  ElementwiseParams k = elementwise(value_shape(l, node->output));
  k.activation = state->activation;
  BufferId a = value_in_default(l, node->inputs.at[0]), b = value_in_default(l, node->inputs.at[1]);
  state->y = value_out(l, l->g->nodes.at[state->last].output, default_layout(value_shape(l, node->output)));
  EMIT(l, add, &k, n, "forward", a, b, state->y);
}

void grad_add(Lower *l, NodeId n) {
  const Node *node = &l->g->nodes.at[n];
  BufferId dy = grad_before_activation(l, n, default_layout(value_shape(l, node->output)));
  for (size_t i = 0; i < node->inputs.count; i++) pass_gradient(l, n, dy, node->inputs.at[i]);
}

void lower_mul(Lower *l, NodeId n) {
  Layout layout = default_layout(value_shape(l, output_value(l, n)));
  ElementwiseParams k = elementwise(value_shape(l, output_value(l, n)));
  k.slope = node_args(l->g, n)->other;
  BufferId x = value_in_default(l, input_value(l, n));
  l->node[n].y = value_out(l, output_value(l, n), layout);
  EMIT(l, scale, &k, n, "forward", x, l->node[n].y);
}

void grad_mul(Lower *l, NodeId n) {
  ValueId in = input_value(l, n);
  Layout layout = default_layout(value_shape(l, in));
  ElementwiseParams k = elementwise(value_shape(l, in));
  k.slope = node_args(l->g, n)->other;
  BufferId dy = grad_of_group(l, n, layout);
  GradOut dx = grad_begin(l, in, layout);
  k.accumulate = dx.accumulate;
  EMIT(l, scale, &k, n, "grad_input", dy, dx.buffer);
  grad_end(l, n, &dx);
}

static DropoutParams dropout_constants(const Lower *l, NodeId n) {
  ElementwiseParams e = elementwise(value_shape(l, output_value(l, n)));
  return (DropoutParams){.count = e.count, .layer = n, .p = node_args(l->g, n)->p};
}

void lower_dropout(Lower *l, NodeId n) {
  if (!l->training || !l->t->varies[n]) {
    lower_identity(l, n);
    return;
  }
  DropoutParams k = dropout_constants(l, n);
  BufferId x = value_in_default(l, input_value(l, n)), rng = place_buffer(l, SPACE_RNG, 0, 0, "rng");
  l->node[n].y = value_out(l, output_value(l, n), default_layout(value_shape(l, output_value(l, n))));
  EMIT(l, dropout, &k, n, "forward", x, rng, l->node[n].y);
}

void grad_dropout(Lower *l, NodeId n) {
  if (!l->t->varies[n]) {
    grad_identity(l, n);
    return;
  }
  DropoutParams k = dropout_constants(l, n);
  ValueId in = input_value(l, n);
  BufferId dy = grad_of_group(l, n, default_layout(value_shape(l, in))), rng = place_buffer(l, SPACE_RNG, 0, 0, "rng");
  GradOut dx = grad_begin(l, in, default_layout(value_shape(l, in)));
  k.accumulate = dx.accumulate;
  EMIT(l, dropout, &k, n, "grad_input", dy, rng, dx.buffer);
  grad_end(l, n, &dx);
}

/* The elements' row-major order does not change, so the plain layout of one is that of the other. */
void lower_flatten(Lower *l, NodeId n) { alias(l, n, LAYOUT_NCHW); }

void grad_flatten(Lower *l, NodeId n) {
  ValueId in = input_value(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, in, LAYOUT_NCHW);
  ElementwiseParams k = {.count = shape_count(value_shape(l, in)), .accumulate = dx.accumulate};
  EMIT(l, copy, &k, n, "grad_input", dy, dx.buffer);
  grad_end(l, n, &dx);
}

static CatParams cat_constants(const Lower *l, NodeId n, size_t input, int64_t to) {
  const Shape *in = value_shape(l, l->g->nodes.at[n].inputs.at[input]), *out = value_shape(l, output_value(l, n));
  Around a = shape_around(out, node_args(l->g, n)->dim);
  bool blocked = out->rank == 3 && a.at == 0;
  return (CatParams){.c = in->dim[a.at],
                     .to = to,
                     .total = a.size,
                     .plain = !blocked,
                     .hw = blocked ? a.inner : 0,
                     .outer = a.outer,
                     .inner = a.inner};
}

void lower_cat(Lower *l, NodeId n) {
  const Node *node = &l->g->nodes.at[n];
  Layout layout = cat_constants(l, n, 0, 0).plain ? LAYOUT_NCHW : LAYOUT_NCHW16C;
  BufferId *in = arena_array(l->arena, BufferId, node->inputs.count + 1);
  for (size_t i = 0; i < node->inputs.count; i++) in[i] = value_in(l, node->inputs.at[i], layout);
  l->node[n].y = value_out(l, node->output, layout);
  int64_t to = 0;
  for (size_t i = 0; i < node->inputs.count; i++) {
    CatParams k = cat_constants(l, n, i, to);
    EMIT(l, cat_copy, &k, n, "forward", in[i], l->node[n].y);
    to += k.c;
  }
}

void grad_cat(Lower *l, NodeId n) {
  const Node *node = &l->g->nodes.at[n];
  Layout layout = cat_constants(l, n, 0, 0).plain ? LAYOUT_NCHW : LAYOUT_NCHW16C;
  BufferId dy = grad_of_group(l, n, layout);
  int64_t to = 0;
  for (size_t i = 0; i < node->inputs.count; i++) {
    CatParams k = cat_constants(l, n, i, to);
    to += k.c;
    if (!wants_grad(l, node->inputs.at[i])) continue;
    GradOut dx = grad_begin(l, node->inputs.at[i], layout);
    k.accumulate = dx.accumulate;
    EMIT(l, cat_grad, &k, n, "grad_input", dy, dx.buffer);
    grad_end(l, n, &dx);
  }
}

static MeanParams softmax_constants(const Lower *l, NodeId n) {
  Around a = shape_around(value_shape(l, output_value(l, n)), node_args(l->g, n)->dim);
  return (MeanParams){.outer = a.outer, .reduce = a.size, .inner = a.inner};
}

void lower_softmax(Lower *l, NodeId n) {
  MeanParams k = softmax_constants(l, n);
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  l->node[n].y = value_out(l, output_value(l, n), LAYOUT_NCHW);
  EMIT(l, softmax, &k, n, "forward", x, l->node[n].y);
}

void grad_softmax(Lower *l, NodeId n) {
  MeanParams k = softmax_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  k.accumulate = dx.accumulate;
  EMIT(l, softmax_grad, &k, n, "grad_input", l->node[n].y, dy, dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- mean: over each run of neighbouring dimensions in turn, from the last to the first ---- */

typedef struct MeanStep {
  MeanParams k;
  int64_t count; /* of the result */
} MeanStep;

static int mean_steps(const Lower *l, NodeId n, MeanStep *steps) {
  Shape shape = *value_shape(l, input_value(l, n));
  const OpArgs *a = node_args(l->g, n);
  bool gone[MAX_SHAPE_RANK] = {false};
  for (int i = 0; i < a->dims.count; i++) gone[shape_around(&shape, a->dims.at[i]).at] = true;
  int count = 0;
  for (int end = shape.rank; end > 0; end--) {
    if (!gone[end - 1]) continue;
    int begin = end - 1;
    while (begin > 0 && gone[begin - 1]) begin--;
    MeanStep step = {{.outer = 1, .reduce = 1, .inner = 1}, 0};
    for (int i = 0; i < shape.rank; i++)
      *(i < begin ? &step.k.outer : i < end ? &step.k.reduce : &step.k.inner) *= shape.dim[i];
    for (int i = begin; i < end; i++) shape.dim[i] = 1;
    step.count = step.k.outer * step.k.inner;
    steps[count++] = step;
    end = begin + 1;
  }
  return count;
}

void lower_mean(Lower *l, NodeId n) {
  MeanStep steps[MAX_SHAPE_RANK];
  int count = mean_steps(l, n, steps);
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  for (int i = 0; i < count; i++) {
    BufferId y = i + 1 < count ? new_buffer(l, l->g->nodes.at[n].name, true, steps[i].count * 4)
                               : value_out(l, output_value(l, n), LAYOUT_NCHW);
    EMIT(l, mean, &steps[i].k, n, "forward", x, y);
    x = y;
  }
  l->node[n].y = x;
}

void grad_mean(Lower *l, NodeId n) {
  MeanStep steps[MAX_SHAPE_RANK];
  int count = mean_steps(l, n, steps);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  for (int i = count - 1; i > 0; i--) {
    BufferId dx = new_buffer(l, l->g->nodes.at[n].name, true, steps[i - 1].count * 4);
    EMIT(l, mean_grad, &steps[i].k, n, "grad_input", dy, dx);
    dy = dx;
  }
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  steps[0].k.accumulate = dx.accumulate;
  EMIT(l, mean_grad, &steps[0].k, n, "grad_input", dy, dx.buffer);
  grad_end(l, n, &dx);
}
