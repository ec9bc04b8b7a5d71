/* Tokens, their tables, layer normalisation, and taking one token out. Tokens lie in the plain layout, four bytes each
 * as everything else. */
#include "compiler/ops/lower.h"

static ValueId input_value(const Lower *l, NodeId n) { return l->g->nodes.at[n].inputs.at[0]; }

static BufferId output_plain(Lower *l, NodeId n) {
  return l->node[n].y = value_out(l, l->g->nodes.at[n].output, LAYOUT_NCHW);
}

/* Whole numbers have no gradient: op_passes_gradient() keeps backward from asking for it. */
void no_gradient(Lower *l, NodeId n) {
  BUG("a gradient of the token numbers that flow into %s", l->g->nodes.at[n].name);
}

/* ---- tokens ---- */

static EmbeddingParams embedding_constants(const Lower *l, NodeId n) {
  const OpArgs *a = node_args(l->g, n);
  return (EmbeddingParams){.rows = shape_count(value_shape(l, input_value(l, n))),
                           .count = a->num_embeddings,
                           .dim = a->embedding_dim,
                           .padding = a->padding_idx == NONE_VALUE ? -1 : a->padding_idx};
}

void lower_embedding(Lower *l, NodeId n) {
  EmbeddingParams k = embedding_constants(l, n);
  BufferId tokens = value_in(l, input_value(l, n), LAYOUT_NCHW);
  EMIT(l, embedding, &k, n, "forward", tokens, param_buffer(l, n, "weight"), output_plain(l, n));
}

void grad_embedding_weight(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  EmbeddingParams k = embedding_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW), dw = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, embedding_grad_weight, &k, n, "grad_weight", value_in(l, input_value(l, n), LAYOUT_NCHW), dy, dw);
}

/* positions and zeros_like: of what flows in only the shape matters. */
void lower_positions(Lower *l, NodeId n) {
  PositionsParams k = {.count = value_shape(l, l->g->nodes.at[n].output)->dim[0],
                       .step = l->g->nodes.at[n].op == OP_positions};
  EMIT(l, positions, &k, n, "forward", output_plain(l, n));
}

/* ---- layer normalisation ---- */

static LayerNormParams norm_constants(const Lower *l, NodeId n) {
  const OpArgs *a = node_args(l->g, n);
  LayerNormParams k = {.c = 1, .eps = a->eps};
  for (int i = 0; i < a->normalized_shapes.count; i++) k.c *= a->normalized_shapes.at[i];
  k.rows = shape_count(value_shape(l, input_value(l, n))) / k.c;
  return k;
}

void lower_layernorm(Lower *l, NodeId n) {
  LayerNormParams k = norm_constants(l, n);
  NodeState *state = &l->node[n];
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW), y = output_plain(l, n);
  bool keeps = l->training && wants_grad(l, l->g->nodes.at[n].output);
  if (keeps) state->mean = new_buffer(l, arena_printf(l->arena, "stats %s", l->g->nodes.at[n].name), true, k.rows * 8);
  EMIT(l, layernorm, &k, n, "forward", x, param_buffer(l, n, "weight"), param_buffer(l, n, "bias"), y,
       keeps ? state->mean : NO_ID);
}

void grad_layernorm_weight(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LayerNormParams k = norm_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW), dw = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, layernorm_grad_weight, &k, n, "grad_weight", value_in(l, input_value(l, n), LAYOUT_NCHW), dy, l->node[n].mean,
       dw);
}

/* A sum over rows, as a Linear's. */
void grad_layernorm_bias(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LayerNormParams norm = norm_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW), db = grad_param(l, p, &accumulate);
  LinearParams k = {.rows = norm.rows, .in = norm.c, .out = norm.c, .accumulate = accumulate};
  EMIT(l, linear_grad_bias, &k, n, "grad_bias", dy, db);
}

void grad_layernorm_input(Lower *l, NodeId n) {
  LayerNormParams k = norm_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  k.accumulate = dx.accumulate;
  EMIT(l, layernorm_grad_input, &k, n, "grad_input", value_in(l, input_value(l, n), LAYOUT_NCHW), dy,
       param_buffer(l, n, "weight"), l->node[n].mean, dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- select ---- */

static CatParams select_constants(const Lower *l, NodeId n) {
  const OpArgs *args = node_args(l->g, n);
  Around a = shape_around(value_shape(l, input_value(l, n)), args->dim);
  return (CatParams){.c = 1,
                     .to = args->index < 0 ? args->index + a.size : args->index,
                     .total = a.size,
                     .plain = 1,
                     .outer = a.outer,
                     .inner = a.inner};
}

/* The gradient of a cat takes one part out of many: that is what is wanted here. */
void lower_select(Lower *l, NodeId n) {
  CatParams k = select_constants(l, n);
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  EMIT(l, cat_grad, &k, n, "forward", x, output_plain(l, n));
}

void grad_select(Lower *l, NodeId n) {
  CatParams k = select_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  k.accumulate = dx.accumulate;
  EMIT(l, select_grad, &k, n, "grad_input", dy, dx.buffer);
  grad_end(l, n, &dx);
}
