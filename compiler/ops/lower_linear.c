/* Linear layers, by OpenBLAS in the runtime, with the raw weights. */
#include "compiler/ops/lower.h"

static LinearParams linear_constants(const Lower *l, NodeId n) {
  const OpArgs *a = node_args(l->g, n);
  return (LinearParams){.rows = shape_count(value_shape(l, l->g->nodes.at[n].output)) / a->out_features,
                        .in = a->in_features,
                        .out = a->out_features,
                        .has_bias = a->bias,
                        .activation = l->node[n].activation};
}

void lower_linear(Lower *l, NodeId n) {
  NodeState *state = &l->node[n];
  fuse_epilogue(l, n, false, false);
  LinearParams k = linear_constants(l, n);
  BufferId x = value_in(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_NCHW);
  state->y = value_out(l, l->g->nodes.at[state->last].output, LAYOUT_NCHW);
  EMIT(l, linear, &k, n, "forward", x, param_buffer(l, n, "weight"), param_buffer(l, n, "bias"), state->y);
}

void grad_linear_weight(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LinearParams k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW), x = value_in(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_NCHW);
  BufferId dw = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, linear_grad_weight, &k, n, "grad_weight", x, dy, dw);
}

void grad_linear_bias(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LinearParams k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW), db = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, linear_grad_bias, &k, n, "grad_bias", dy, db);
}

void grad_linear_input(Lower *l, NodeId n) {
  LinearParams k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_NCHW);
  k.accumulate = dx.accumulate;
  EMIT(l, linear_grad_input, &k, n, "grad_input", dy, param_buffer(l, n, "weight"), dx.buffer);
  grad_end(l, n, &dx);
}
