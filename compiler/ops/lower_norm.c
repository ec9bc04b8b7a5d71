/* Batch normalisation: with the batch's own statistics in training, with the stored ones when frozen or in
 * evaluation; a following sum and relu are done in the same pass. */
#include "compiler/ops/lower.h"

static BatchNormParams norm_constants(const Lower *l, NodeId n) {
  const OpArgs *a = node_args(l->g, n);
  const Shape *shape = value_shape(l, l->g->nodes.at[n].output);
  const NodeState *state = &l->node[n];
  bool plain = shape->rank != 3, use_running = !l->training || !l->t->varies[n];
  bool no_y =
      !use_running && state->residual == NO_ID && (state->activation == ACT_RELU || state->activation == ACT_RELU6);
  return (BatchNormParams){.c = shape->dim[0],
                           .hw = plain ? 1 : shape->dim[1] * shape->dim[2],
                           .plain = plain,
                           .affine = a->affine,
                           .activation = state->activation,
                           .has_residual = state->residual != NO_ID,
                           .use_running = use_running,
                           .no_y = no_y,
                           .eps = a->eps,
                           .momentum = a->momentum};
}

void lower_batchnorm(Lower *l, NodeId n) {
  const Node *node = &l->g->nodes.at[n];
  NodeState *state = &l->node[n];
  Layout layout = default_layout(value_shape(l, node->output));
  fuse_epilogue(l, n, layout == LAYOUT_NCHW16C, true);
  BatchNormParams k = norm_constants(l, n);
  BufferId x = value_in(l, node->inputs.at[0], layout);
  if (k.use_running) {
    state->mean = param_buffer(l, n, "running_mean");
    state->inv_std = param_buffer(l, n, "running_var");
  } else {
    state->mean = new_buffer(l, arena_printf(l->arena, "mean %s", node->name), false, BLOCKS(k.c) * LANES * 4);
    state->inv_std = new_buffer(l, arena_printf(l->arena, "inv_std %s", node->name), false, BLOCKS(k.c) * LANES * 4);
    EMIT(l, batchnorm_stats, &k, n, "statistics", x, state->mean, state->inv_std, param_buffer(l, n, "running_mean"),
         param_buffer(l, n, "running_var"), param_buffer(l, n, "num_batches_tracked"));
  }
  BufferId residual = k.has_residual ? value_in(l, state->residual, LAYOUT_NCHW16C) : NO_ID;
  state->y = value_out(l, l->g->nodes.at[state->last].output, layout);
  EMIT(l, batchnorm_apply, &k, n, "forward", x, state->mean, state->inv_std, param_buffer(l, n, "weight"),
       param_buffer(l, n, "bias"), residual, state->y);
}

/* sum dz and sum dz * xhat, which all three gradients are made of. */
static BufferId norm_sums(Lower *l, NodeId n) {
  NodeState *state = &l->node[n];
  if (state->sums != NO_ID) return state->sums;
  BatchNormParams k = norm_constants(l, n);
  Layout layout = k.plain ? LAYOUT_NCHW : LAYOUT_NCHW16C;
  state->sums =
      new_buffer(l, arena_printf(l->arena, "sums %s", l->g->nodes.at[n].name), false, 2 * BLOCKS(k.c) * LANES * 4);
  EMIT(l, batchnorm_grad_sums, &k, n, "grad_sums", value_in(l, l->g->nodes.at[n].inputs.at[0], layout),
       grad_of_group(l, n, layout), k.activation && !k.no_y ? state->y : NO_ID, state->mean, state->inv_std,
       k.no_y ? param_buffer(l, n, "weight") : NO_ID, k.no_y ? param_buffer(l, n, "bias") : NO_ID, state->sums);
  return state->sums;
}

static void grad_norm_param(Lower *l, NodeId n, ParamId p, bool weight) {
  bool accumulate;
  BufferId sums = norm_sums(l, n), to = grad_param(l, p, &accumulate);
  BatchNormParams k = norm_constants(l, n);
  k.accumulate = accumulate;
  EMIT(l, batchnorm_grad_params, &k, n, weight ? "grad_weight" : "grad_bias", sums, weight ? to : NO_ID,
       weight ? NO_ID : to);
}

void grad_batchnorm_weight(Lower *l, NodeId n, ParamId p) { grad_norm_param(l, n, p, true); }
void grad_batchnorm_bias(Lower *l, NodeId n, ParamId p) { grad_norm_param(l, n, p, false); }

/* Only the other side of the fused sum wants a gradient: dy behind the activation's mask. */
static void grad_residual_alone(Lower *l, NodeId n, BufferId dy) {
  NodeState *state = &l->node[n];
  GradOut out = grad_begin(l, state->residual, LAYOUT_NCHW16C);
  const Shape *shape = value_shape(l, state->residual);
  ElementwiseParams k = {.count = BLOCKS(shape->dim[0]) * LANES * shape->dim[1] * shape->dim[2],
                         .c = shape->dim[0],
                         .hw = shape->dim[1] * shape->dim[2],
                         .activation = state->activation,
                         .accumulate = out.accumulate};
  if (state->activation) EMIT(l, activation_grad, &k, n, "grad_residual", NO_ID, state->y, dy, out.buffer);
  else EMIT(l, copy, &k, n, "grad_residual", dy, out.buffer);
  grad_end(l, n, &out);
}

void grad_batchnorm_input(Lower *l, NodeId n) {
  const Node *node = &l->g->nodes.at[n];
  NodeState *state = &l->node[n];
  BatchNormParams k = norm_constants(l, n);
  Layout layout = k.plain ? LAYOUT_NCHW : LAYOUT_NCHW16C;
  bool residual = state->residual != NO_ID && wants_grad(l, state->residual);
  BufferId dy = grad_of_group(l, n, layout);
  if (!wants_grad(l, node->inputs.at[0])) {
    if (residual) grad_residual_alone(l, n, dy);
    return;
  }
  BufferId sums = k.use_running ? NO_ID : norm_sums(l, n);
  GradOut side = {NO_ID, false, NO_ID, layout};
  if (residual) side = grad_begin(l, state->residual, layout);
  GradOut dx = grad_begin(l, node->inputs.at[0], layout);
  /* bn(x) + x: both gradients are of the same value; the kernel writes dx first. */
  if (residual && state->residual == node->inputs.at[0]) side.accumulate = true;
  k.accumulate = dx.accumulate;
  k.has_residual = residual;
  k.residual_accumulate = side.accumulate;
  EMIT(l, batchnorm_grad_input, &k, n, "grad_input", value_in(l, node->inputs.at[0], layout), dy,
       k.activation && !k.no_y ? state->y : NO_ID, state->mean, state->inv_std, param_buffer(l, n, "weight"),
       k.no_y ? param_buffer(l, n, "bias") : NO_ID, sums, dx.buffer, side.buffer);
  if (residual) grad_end(l, n, &side);
  grad_end(l, n, &dx);
}
