/* Operators that work on single elements: activations, sums, products, dropout; and softmax. What does nothing
 * (Identity, a frozen Dropout) emits nothing: the value takes its input's buffer. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"

Activation node_activation(const Graph *g, NodeId n, double *slope) {
  *slope = 0;
  switch (node_at(g, n)->op) {
  case OP_ReLU:
  case OP_relu: return ACT_RELU;
  case OP_ReLU6: return ACT_RELU6;
  case OP_LeakyReLU: *slope = node_args(g, n)->LeakyReLU.negative_slope; return ACT_LEAKY_RELU;
  case OP_Sigmoid: return ACT_SIGMOID;
  case OP_Tanh:
  case OP_tanh: return ACT_TANH;
  case OP_gelu:
  case OP_GELU: return streq(node_args(g, n)->GELU.approximate, "tanh") ? ACT_GELU_TANH : ACT_GELU;
  default: return ACT_NONE;
  }
}

void lower_activation(Lower *l, NodeId n) {
  ElementwiseParams k = elementwise_constants(value_shape(l, output_value(l, n)));
  k.activation = node_activation(l->g, n, &k.slope);
  BufferId x = value_in_default(l, input_value(l, n));
  node_out(l, n, default_layout(value_shape(l, output_value(l, n))));
  EMIT(l, activation, &k, n, "forward", .x = x, .y = l->node[n].y);
}

void grad_activation(Lower *l, NodeId n) {
  ValueId in = input_value(l, n);
  Layout layout = default_layout(value_shape(l, in));
  ElementwiseParams k = elementwise_constants(value_shape(l, in));
  k.activation = node_activation(l->g, n, &k.slope);
  /* Most derivatives follow from y alone; x is then free to go. */
  bool from_x = k.activation == ACT_GELU || k.activation == ACT_GELU_TANH || k.activation == ACT_LEAKY_RELU;
  BufferId x = from_x ? value_in_default(l, in) : NO_ID;
  BufferId dy = grad_of_group(l, n, layout);
  GradOut dx = grad_begin(l, in, layout);
  k.accumulate = dx.accumulate;
  EMIT(l, activation_grad, &k, n, "grad_input", .x = x,
       .y = from_x && k.activation != ACT_LEAKY_RELU ? NO_ID : l->node[n].y, .dy = dy, .dx = dx.buffer);
  grad_end(l, n, &dx);
}

void lower_identity(Lower *l, NodeId n) { lower_alias(l, n, default_layout(value_shape(l, input_value(l, n)))); }

void grad_identity(Lower *l, NodeId n) {
  pass_gradient(l, n, grad_of_group(l, n, default_layout(value_shape(l, output_value(l, n)))), input_value(l, n));
}

/* ---- sums and products ---- */

bool shape_add(ShapeContext *c) {
  bool equal = shape_equal(&c->in[0], &c->in[1]);
  *c->out = c->in[equal ? 0 : shape_unedited(c, 1)];
  return equal || shape_mismatch(c, 1, "both sides of + must have the same shape");
}

void lower_add(Lower *l, NodeId n) {
  const Node *node = node_at(l->g, n);
  NodeState *state = &l->node[n];
  fuse_epilogue(l, n, false, true);
  ElementwiseParams k = elementwise_constants(value_shape(l, node->output));
  k.activation = state->activation;
  BufferId a = value_in_default(l, node->inputs.at[0]), b = value_in_default(l, node->inputs.at[1]);
  state->y = value_out(l, node_at(l->g, state->last)->output, default_layout(value_shape(l, node->output)));
  EMIT(l, add, &k, n, "forward", .a = a, .b = b, .y = state->y);
}

void grad_add(Lower *l, NodeId n) {
  const Node *node = node_at(l->g, n);
  BufferId dy = grad_before_activation(l, n, default_layout(value_shape(l, node->output)));
  for (size_t i = 0; i < node->inputs.count; i++) pass_gradient(l, n, dy, node->inputs.at[i]);
}

void lower_mul(Lower *l, NodeId n) {
  Layout layout = default_layout(value_shape(l, output_value(l, n)));
  ElementwiseParams k = elementwise_constants(value_shape(l, output_value(l, n)));
  k.slope = node_args(l->g, n)->mul.other;
  BufferId x = value_in_default(l, input_value(l, n));
  node_out(l, n, layout);
  EMIT(l, scale, &k, n, "forward", .x = x, .y = l->node[n].y);
}

void grad_mul(Lower *l, NodeId n) {
  ValueId in = input_value(l, n);
  Layout layout = default_layout(value_shape(l, in));
  ElementwiseParams k = elementwise_constants(value_shape(l, in));
  k.slope = node_args(l->g, n)->mul.other;
  BufferId dy = grad_of_group(l, n, layout);
  GradOut dx = grad_begin(l, in, layout);
  k.accumulate = dx.accumulate;
  EMIT(l, scale, &k, n, "grad_input", .x = dy, .y = dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- dropout ---- */

static DropoutParams dropout_constants(const Lower *l, NodeId n) {
  ElementwiseParams e = elementwise_constants(value_shape(l, output_value(l, n)));
  return (DropoutParams){.count = e.count, .layer = n, .p = node_args(l->g, n)->Dropout.p};
}

void lower_dropout(Lower *l, NodeId n) {
  if (!l->training || !l->t->varies[n]) {
    lower_identity(l, n);
    return;
  }
  DropoutParams k = dropout_constants(l, n);
  BufferId x = value_in_default(l, input_value(l, n)), rng = place_buffer(l, SPACE_RNG, 0, 0, "rng");
  node_out(l, n, default_layout(value_shape(l, output_value(l, n))));
  EMIT(l, dropout, &k, n, "forward", .x = x, .rng = rng, .y = l->node[n].y);
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
  EMIT(l, dropout, &k, n, "grad_input", .x = dy, .rng = rng, .y = dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- softmax ---- */

bool shape_softmax(ShapeContext *c) {
  if (shape_inner_dimension(&c->in[0], c->args->Softmax.dim) < 0)
    return shape_bad_dimension(c, 0, c->args->Softmax.dim, false);
  return shape_same(c);
}

static MeanParams softmax_constants(const Lower *l, NodeId n) {
  Around a = shape_around(value_shape(l, output_value(l, n)), node_args(l->g, n)->Softmax.dim);
  return (MeanParams){.outer = a.outer, .reduce = a.size, .inner = a.inner};
}

void lower_softmax(Lower *l, NodeId n) {
  MeanParams k = softmax_constants(l, n);
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  node_out(l, n, LAYOUT_NCHW);
  EMIT(l, softmax, &k, n, "forward", .x = x, .y = l->node[n].y);
}

void grad_softmax(Lower *l, NodeId n) {
  MeanParams k = softmax_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  k.accumulate = dx.accumulate;
  EMIT(l, softmax_grad, &k, n, "grad_input", .y = l->node[n].y, .dy = dy, .dx = dx.buffer);
  grad_end(l, n, &dx);
}
