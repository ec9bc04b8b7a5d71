/* Normalisations. Batch normalisation takes the batch's own statistics in training, the stored ones when frozen or in
 * evaluation; a following sum and relu are done in the same pass. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"
#include <inttypes.h>

/* ---- batch normalisation ---- */

ParamValue value_batchnorm_ones(const OpArgs *a) {
  return value_constant(shape_vector(a->BatchNorm2d.num_features), 1);
}
ParamValue value_batchnorm_zeros(const OpArgs *a) {
  return value_constant(shape_vector(a->BatchNorm2d.num_features), 0);
}
ParamValue value_batchnorm_count(const OpArgs *a) { return value_constant((Shape){.rank = 0, .dtype = DTYPE_I64}, 0); }

bool shape_batchnorm1d(ShapeContext *c) {
  if (c->in[0].rank != 1) return shape_wants_rank(c, "(N, C)", "BatchNorm2d is the one for maps");
  bool fits = shape_match_features(c, "features", &c->args->BatchNorm2d.num_features, c->in[0].dim[0]);
  *c->out = c->in[0];
  c->out->dim[0] = c->args->BatchNorm2d.num_features;
  return fits;
}

bool shape_batchnorm2d(ShapeContext *c) {
  if (c->in[0].rank != 3) return shape_wants_rank(c, "(N, C, H, W)", "BatchNorm1d is the one behind a flatten");
  bool fits = shape_match_features(c, "channels", &c->args->BatchNorm2d.num_features, c->in[0].dim[0]);
  *c->out = c->in[0];
  c->out->dim[0] = c->args->BatchNorm2d.num_features;
  return fits;
}

static BatchNormParams norm_constants(const Lower *l, NodeId n) {
  const BatchNorm2dArgs *a = &node_args(l->g, n)->BatchNorm2d;
  const Shape *shape = value_shape(l, output_value(l, n));
  const NodeState *state = &l->node[n];
  bool plain = shape->rank != 3, use_running = !l->training || !l->t->varies[n];
  bool no_y =
      !use_running && state->residual == NO_ID && (state->activation == ACT_RELU || state->activation == ACT_RELU6);
  return (BatchNormParams){.c = shape->dim[0],
                           .hw = plain ? 1 : shape->dim[1] * shape->dim[2],
                           .row_major = plain,
                           .affine = a->affine,
                           .activation = state->activation,
                           .has_residual = state->residual != NO_ID,
                           .use_running = use_running,
                           .no_y = no_y,
                           .eps = a->eps,
                           .momentum = a->momentum};
}

void lower_batchnorm(Lower *l, NodeId n) {
  const Node *node = node_at(l->g, n);
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
    EMIT(l, batchnorm_stats, &k, n, "statistics", .x = x, .mean = state->mean, .inv_std = state->inv_std,
         .running_mean = param_buffer(l, n, "running_mean"), .running_var = param_buffer(l, n, "running_var"),
         .num_batches_tracked = param_buffer(l, n, "num_batches_tracked"));
  }
  BufferId residual = k.has_residual ? value_in(l, state->residual, LAYOUT_NCHW16C) : NO_ID;
  state->y = value_out(l, node_at(l->g, state->last)->output, layout);
  EMIT(l, batchnorm_apply, &k, n, "forward", .x = x, .mean = state->mean, .inv_std = state->inv_std,
       .weight = param_buffer(l, n, "weight"), .bias = param_buffer(l, n, "bias"), .residual = residual, .y = state->y);
}

/* sum dz and sum dz * xhat, which all three gradients are made of. */
static BufferId norm_sums(Lower *l, NodeId n) {
  NodeState *state = &l->node[n];
  if (state->sums != NO_ID) return state->sums;
  BatchNormParams k = norm_constants(l, n);
  Layout layout = k.row_major ? LAYOUT_NCHW : LAYOUT_NCHW16C;
  state->sums =
      new_buffer(l, arena_printf(l->arena, "sums %s", node_at(l->g, n)->name), false, 2 * BLOCKS(k.c) * LANES * 4);
  EMIT(l, batchnorm_grad_sums, &k, n, "grad_sums", .x = value_in(l, input_value(l, n), layout),
       .dy = grad_of_group(l, n, layout), .y = k.activation && !k.no_y ? state->y : NO_ID, .mean = state->mean,
       .inv_std = state->inv_std, .weight = k.no_y ? param_buffer(l, n, "weight") : NO_ID,
       .bias = k.no_y ? param_buffer(l, n, "bias") : NO_ID, .sums = state->sums);
  return state->sums;
}

static void grad_norm_param(Lower *l, NodeId n, ParamId p, bool weight) {
  bool accumulate;
  BufferId sums = norm_sums(l, n), to = grad_param(l, p, &accumulate);
  BatchNormParams k = norm_constants(l, n);
  k.accumulate = accumulate;
  EMIT(l, batchnorm_grad_params, &k, n, weight ? "grad_weight" : "grad_bias", .sums = sums,
       .dweight = weight ? to : NO_ID, .dbias = weight ? NO_ID : to);
}

void grad_batchnorm_weight(Lower *l, NodeId n, ParamId p) { grad_norm_param(l, n, p, true); }
void grad_batchnorm_bias(Lower *l, NodeId n, ParamId p) { grad_norm_param(l, n, p, false); }

/* Only the other side of the fused sum wants a gradient: dy behind the activation's mask. */
static void grad_residual_alone(Lower *l, NodeId n, BufferId dy) {
  NodeState *state = &l->node[n];
  GradOut out = grad_begin(l, state->residual, LAYOUT_NCHW16C);
  const Shape *shape = value_shape(l, state->residual);
  ElementwiseParams k = {.count = nchw16c_count(shape->dim[0], shape->dim[1] * shape->dim[2]),
                         .c = shape->dim[0],
                         .hw = shape->dim[1] * shape->dim[2],
                         .activation = state->activation,
                         .accumulate = out.accumulate};
  if (state->activation) EMIT(l, activation_grad, &k, n, "grad_residual", .y = state->y, .dy = dy, .dx = out.buffer);
  else EMIT(l, copy, &k, n, "grad_residual", .x = dy, .y = out.buffer);
  grad_end(l, n, &out);
}

void grad_batchnorm_input(Lower *l, NodeId n) {
  const Node *node = node_at(l->g, n);
  NodeState *state = &l->node[n];
  BatchNormParams k = norm_constants(l, n);
  Layout layout = k.row_major ? LAYOUT_NCHW : LAYOUT_NCHW16C;
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
  EMIT(l, batchnorm_grad_input, &k, n, "grad_input", .x = value_in(l, node->inputs.at[0], layout), .dy = dy,
       .y = k.activation && !k.no_y ? state->y : NO_ID, .mean = state->mean, .inv_std = state->inv_std,
       .weight = param_buffer(l, n, "weight"), .bias = k.no_y ? param_buffer(l, n, "bias") : NO_ID, .sums = sums,
       .dx = dx.buffer, .dresidual = side.buffer);
  if (residual) grad_end(l, n, &side);
  grad_end(l, n, &dx);
}

/* ---- layer normalisation ---- */

/* Its weight has the shape that it normalises, which need not be any value's where the layer is never called. */
bool check_layernorm(Session *s, OpArgs *args, Span call) {
  const LayerNormArgs *a = &args->LayerNorm;
  if (a->normalized_shape.count <= MAX_SHAPE_RANK) return true;
  front_error(s, DIAG_E0113, call, "LayerNorm: normalized_shape has %d sizes: at most %d", a->normalized_shape.count,
              MAX_SHAPE_RANK);
  return false;
}

static Shape normalised(const LayerNormArgs *a) {
  Shape shape = {.rank = a->normalized_shape.count};
  memcpy(shape.dim, a->normalized_shape.at, (size_t)shape.rank * sizeof *shape.dim);
  return shape;
}
ParamValue value_layernorm_weight(const OpArgs *a) { return value_constant(normalised(&a->LayerNorm), 1); }
ParamValue value_layernorm_bias(const OpArgs *a) { return value_constant(normalised(&a->LayerNorm), 0); }

static const char *norm_text(Arena *arena, const int64_t *dim, int count) {
  const char *text = "";
  for (int i = 0; i < count; i++) text = arena_printf(arena, "%s%s%" PRId64, text, i ? ", " : "", dim[i]);
  return count == 1 ? text : arena_printf(arena, "[%s]", text);
}

bool shape_layernorm(ShapeContext *c) {
  const Shape *in = &c->in[0];
  IntList *list = &c->args->LayerNorm.normalized_shape;
  if (in->rank < 1) return shape_wants_rank(c, "(N, …, features)", "there is nothing to normalise");
  if (list->at[0] == HOLE_VALUE) list->at[0] = in->dim[in->rank - 1];
  bool fits = list->count <= in->rank;
  for (int i = 0; i < list->count && fits; i++) fits = list->at[i] == in->dim[in->rank - list->count + i];
  *c->out = *in;
  if (fits) return true;
  Arena *arena = c->g->arena;
  int shown = list->count <= in->rank ? list->count : 1;
  const char *wants = norm_text(arena, list->at, list->count),
             *got = norm_text(arena, in->dim + in->rank - shown, shown);
  Diag *d = diag_report(&c->s->diags, DIAG_E0313, shape_blame(c), "LayerNorm normalises %s but %s flows in", wants,
                        shape_input_text(c, 0));
  diag_caret(&c->s->diags, d, "%s wants (N, …, %s)", c->node->name, norm_text(arena, list->at, list->count));
  shape_label(c, d, 0);
  diag_help(&c->s->diags, d, "LayerNorm(%s), or LayerNorm(_) to have it inferred", got);
  return false;
}

static LayerNormParams layernorm_constants(const Lower *l, NodeId n) {
  const LayerNormArgs *a = &node_args(l->g, n)->LayerNorm;
  LayerNormParams k = {.c = 1, .eps = a->eps};
  for (int i = 0; i < a->normalized_shape.count; i++) k.c *= a->normalized_shape.at[i];
  k.rows = shape_count(value_shape(l, input_value(l, n))) / k.c;
  return k;
}

void lower_layernorm(Lower *l, NodeId n) {
  LayerNormParams k = layernorm_constants(l, n);
  NodeState *state = &l->node[n];
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW), y = node_out(l, n, LAYOUT_NCHW);
  bool keeps = l->training && wants_grad(l, output_value(l, n));
  if (keeps) state->mean = new_buffer(l, arena_printf(l->arena, "stats %s", node_at(l->g, n)->name), true, k.rows * 8);
  EMIT(l, layernorm, &k, n, "forward", .x = x, .weight = param_buffer(l, n, "weight"),
       .bias = param_buffer(l, n, "bias"), .y = y, .stats = keeps ? state->mean : NO_ID);
}

void grad_layernorm_weight(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LayerNormParams k = layernorm_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW), dw = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, layernorm_grad_weight, &k, n, "grad_weight", .x = value_in(l, input_value(l, n), LAYOUT_NCHW), .dy = dy,
       .stats = l->node[n].mean, .dweight = dw);
}

/* A sum over rows, as a Linear's. */
void grad_layernorm_bias(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LayerNormParams norm = layernorm_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW), db = grad_param(l, p, &accumulate);
  LinearParams k = {.rows = norm.rows, .in = norm.c, .out = norm.c, .accumulate = accumulate};
  EMIT(l, linear_grad_bias, &k, n, "grad_bias", .dy = dy, .db = db);
}

void grad_layernorm_input(Lower *l, NodeId n) {
  LayerNormParams k = layernorm_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  k.accumulate = dx.accumulate;
  EMIT(l, layernorm_grad_input, &k, n, "grad_input", .x = value_in(l, input_value(l, n), LAYOUT_NCHW), .dy = dy,
       .weight = param_buffer(l, n, "weight"), .stats = l->node[n].mean, .dx = dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- group normalisation ---- */

ParamValue value_groupnorm_weight(const OpArgs *a) {
  return value_constant(shape_vector(a->GroupNorm.num_channels), 1);
}
ParamValue value_groupnorm_bias(const OpArgs *a) { return value_constant(shape_vector(a->GroupNorm.num_channels), 0); }

/* Do the groups divide the channels, where those are known? */
bool check_groupnorm(Session *s, OpArgs *args, Span call) {
  const GroupNormArgs *a = &args->GroupNorm;
  if (a->num_channels == HOLE_VALUE || a->num_channels % a->num_groups == 0) return true;
  front_error(s, DIAG_E0113, args->arg_span[0].end ? args->arg_span[0] : call,
              "GroupNorm: num_groups=%" PRId64 " does not divide num_channels=%" PRId64, a->num_groups,
              a->num_channels);
  return false;
}

bool shape_groupnorm(ShapeContext *c) {
  if (c->in[0].rank < 1) return shape_wants_rank(c, "(N, C, …)", "there is nothing to normalise");
  bool hole = c->args->GroupNorm.num_channels == HOLE_VALUE,
       fits = shape_match_features(c, "channels", &c->args->GroupNorm.num_channels, c->in[0].dim[0]);
  *c->out = c->in[0];
  c->out->dim[0] = c->args->GroupNorm.num_channels;
  return fits && (!hole || check_groupnorm(c->s, c->args, c->node->origin));
}

static GroupNormParams groupnorm_constants(const Lower *l, NodeId n) {
  const GroupNormArgs *a = &node_args(l->g, n)->GroupNorm;
  const Shape *shape = value_shape(l, output_value(l, n));
  return (GroupNormParams){.groups = a->num_groups,
                           .c = shape->dim[0],
                           .hw = shape_count(shape) / shape->dim[0],
                           .row_major = default_layout(shape) == LAYOUT_NCHW,
                           .eps = a->eps};
}

void lower_groupnorm(Lower *l, NodeId n) {
  GroupNormParams k = groupnorm_constants(l, n);
  NodeState *state = &l->node[n];
  Layout layout = default_layout(value_shape(l, output_value(l, n)));
  BufferId x = value_in(l, input_value(l, n), layout), y = node_out(l, n, layout);
  bool keeps = l->training && wants_grad(l, output_value(l, n));
  if (keeps)
    state->mean = new_buffer(l, arena_printf(l->arena, "stats %s", node_at(l->g, n)->name), true, k.groups * 8);
  EMIT(l, groupnorm, &k, n, "forward", .x = x, .weight = param_buffer(l, n, "weight"),
       .bias = param_buffer(l, n, "bias"), .y = y, .stats = keeps ? state->mean : NO_ID);
}

static void grad_groupnorm_param(Lower *l, NodeId n, ParamId p, bool weight) {
  bool accumulate;
  GroupNormParams k = groupnorm_constants(l, n);
  Layout layout = default_layout(value_shape(l, output_value(l, n)));
  BufferId dy = grad_of_group(l, n, layout), to = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, groupnorm_grad_params, &k, n, weight ? "grad_weight" : "grad_bias",
       .x = value_in(l, input_value(l, n), layout), .dy = dy, .stats = l->node[n].mean, .dweight = weight ? to : NO_ID,
       .dbias = weight ? NO_ID : to);
}

void grad_groupnorm_weight(Lower *l, NodeId n, ParamId p) { grad_groupnorm_param(l, n, p, true); }
void grad_groupnorm_bias(Lower *l, NodeId n, ParamId p) { grad_groupnorm_param(l, n, p, false); }

void grad_groupnorm_input(Lower *l, NodeId n) {
  GroupNormParams k = groupnorm_constants(l, n);
  Layout layout = default_layout(value_shape(l, output_value(l, n)));
  BufferId dy = grad_of_group(l, n, layout);
  GradOut dx = grad_begin(l, input_value(l, n), layout);
  k.accumulate = dx.accumulate;
  EMIT(l, groupnorm_grad_input, &k, n, "grad_input", .x = value_in(l, input_value(l, n), layout), .dy = dy,
       .weight = param_buffer(l, n, "weight"), .stats = l->node[n].mean, .dx = dx.buffer);
  grad_end(l, n, &dx);
}
