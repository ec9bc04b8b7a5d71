/* Linear layers, by OpenBLAS in the runtime, with the raw weights. */
#include "compiler/analysis/lower.h"

static LinearK linear_constants(const Lower *l, NodeId n) {
  const OpArgs *a = node_args(l->g, n);
  return (LinearK){.rows = shape_count(value_shape(l, l->g->nodes.at[n].output)) / a->out_features,
                   .in = a->in_features,
                   .out = a->out_features,
                   .has_bias = a->bias,
                   .activation = l->node[n].activation};
}

void lower_linear(Lower *l, NodeId n) {
  NodeState *state = &l->node[n];
  fuse_epilogue(l, n, false, false);
  LinearK k = linear_constants(l, n);
  BufferId x = value_in(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_PLAIN);
  state->y = value_out(l, l->g->nodes.at[state->last].output, LAYOUT_PLAIN);
  EMIT(l, linear, &k, n, "forward", x, param_buffer(l, n, "weight"), param_buffer(l, n, "bias"), state->y);
}

void grad_linear_weight(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LinearK k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_PLAIN),
           x = value_in(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_PLAIN);
  BufferId dw = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, linear_grad_weight, &k, n, "grad_weight", x, dy, dw);
}

void grad_linear_bias(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LinearK k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_PLAIN), db = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, linear_grad_bias, &k, n, "grad_bias", dy, db);
}

void grad_linear_input(Lower *l, NodeId n) {
  LinearK k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_PLAIN);
  GradOut dx = grad_begin(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_PLAIN);
  k.accumulate = dx.accumulate;
  EMIT(l, linear_grad_input, &k, n, "grad_input", dy, param_buffer(l, n, "weight"), dx.buffer);
  grad_end(l, n, &dx);
}
