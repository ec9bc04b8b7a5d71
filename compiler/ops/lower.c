/* Buffers, calls, layouts and gradient bookkeeping for the lowering families. Emits no kernel of its own but
 * layout conversions and the sums of gradients. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"

/* Place 0 is nobody's, so that an operand that EMIT does not name is none. */
static BufferId add_buffer(Lower *l, Buffer b) {
  if (l->s->buffers.count == 0) vec_push(l->arena, &l->s->buffers, (Buffer){.name = "none"});
  vec_push(l->arena, &l->s->buffers, b);
  return (BufferId)(l->s->buffers.count - 1);
}

BufferId new_buffer(Lower *l, const char *name, bool per_sample, int64_t bytes) {
  return add_buffer(
      l, (Buffer){.name = name, .space = SPACE_ARENA, .per_sample = per_sample, .bytes = round_up_64(bytes)});
}

BufferId place_buffer(Lower *l, Space space, int index, int64_t offset, const char *name) {
  struct Place {
    int64_t offset;
    int32_t space, index;
  } place = {offset, space, index};
  MapEntry *entry = map_add(l->arena, &l->s->places, &place, sizeof place);
  if (entry->value >= 0) return entry->value;
  entry->key = memcpy(arena_new(l->arena, struct Place), &place, sizeof place);
  return entry->value = add_buffer(l, (Buffer){.name = name, .space = space, .index = index, .offset = offset});
}

void emit_call(Lower *l, KernelId kernel, const void *k, NodeId n, const char *role, const void *buffers) {
  const KernelInfo *info = kernel_info(kernel);
  const BufferId *buf = buffers;
  Call call = {.kernel = kernel,
               .buf_count = info->operand_count,
               .word_count = info->words,
               .shared = l->inspecting && info->is_template,
               .plan = kernel_plan(kernel, k),
               .node = n,
               .role = role};
  for (int i = 0; i < info->operand_count; i++) call.buf[i] = buf[i] ? buf[i] : NO_ID;
  memcpy(call.word, k, (size_t)info->words * sizeof *call.word);
  vec_push(l->arena, &l->s->calls, call);
}

static KernelChoice *find_choice(KernelChoices *choices, KernelId usual, const void *k, size_t k_bytes,
                                 int64_t samples) {
  for (size_t i = 0; i < choices->list.count; i++) {
    KernelChoice *c = &choices->list.at[i];
    if (c->usual == usual && c->samples == samples && memcmp(c->word, k, k_bytes) == 0) return c;
  }
  return NULL;
}

KernelId choose_kernel(Lower *l, const void *k, size_t k_bytes, NodeId n, const char *role, KernelId usual,
                       KernelId other) {
  KernelChoices *choices = l->plan->choices;
  int64_t samples = l->s == &l->plan->first->forward ? 1 : l->plan->batch;
  if (!choices || samples == 0) return usual;
  KernelChoice *c = find_choice(choices, usual, k, k_bytes, samples);
  if (!c) {
    KernelChoice new = {.usual = usual,
                        .other = other,
                        .taken = usual,
                        .word_count = (int)(k_bytes / 8),
                        .samples = samples,
                        .call = arena_printf(choices->arena, "%s %s", node_at(l->g, n)->name, role)};
    memcpy(new.word, k, k_bytes);
    vec_push(choices->arena, &choices->list, new);
    c = &choices->list.at[choices->list.count - 1];
  }
  c->calls++;
  return c->taken;
}

const Shape *value_shape(const Lower *l, ValueId v) { return &value_at(l->g, v)->shape; }

Around shape_around(const Shape *shape, int64_t dim) {
  Around a = {.at = shape_inner_dimension(shape, dim), .outer = 1, .inner = 1};
  ASSERT(a.at >= 0);
  a.size = shape->dim[a.at];
  for (int i = 0; i < a.at; i++) a.outer *= shape->dim[i];
  for (int i = a.at + 1; i < shape->rank; i++) a.inner *= shape->dim[i];
  return a;
}

Layout default_layout(const Shape *shape) { return shape->rank == 3 ? LAYOUT_NCHW16C : LAYOUT_NCHW; }

int64_t layout_bytes(const Shape *shape, Layout layout) {
  int64_t count =
      layout == LAYOUT_NCHW16C ? nchw16c_count(shape->dim[0], shape->dim[1] * shape->dim[2]) : shape_count(shape);
  return round_up_64(count * 4);
}

static const char *value_name(const Lower *l, ValueId v) {
  NodeId producer = value_at(l->g, v)->producer;
  return producer == NO_ID ? "input" : node_at(l->g, producer)->name;
}

BufferId value_out(Lower *l, ValueId v, Layout layout) {
  l->value[v].at[layout] = new_buffer(l, value_name(l, v), true, layout_bytes(value_shape(l, v), layout));
  return l->value[v].at[layout];
}

BufferId node_out(Lower *l, NodeId n, Layout layout) { return l->node[n].y = value_out(l, output_value(l, n), layout); }

static LayoutParams layout_constants(const Shape *shape, bool accumulate) {
  return (LayoutParams){.c = shape->dim[0], .h = shape->dim[1], .w = shape->dim[2], .accumulate = accumulate};
}

BufferId value_in(Lower *l, ValueId v, Layout layout) {
  ValueState *state = &l->value[v];
  if (state->at[layout] != NO_ID) return state->at[layout];
  BufferId from = state->at[1 - layout];
  if (from == NO_ID) BUG("%s is used before it is made", value_name(l, v));
  BufferId to = value_out(l, v, layout);
  LayoutParams k = layout_constants(value_shape(l, v), false);
  NodeId producer = value_at(l->g, v)->producer;
  if (layout == LAYOUT_NCHW16C) EMIT(l, to_nchw16c, &k, producer, "layout", .x = from, .y = to);
  else EMIT(l, to_nchw, &k, producer, "layout", .x = from, .y = to);
  return to;
}

BufferId value_in_default(Lower *l, ValueId v) { return value_in(l, v, default_layout(value_shape(l, v))); }

ParamId find_param(const Graph *g, NodeId n, const char *role) {
  const Module *m = module_at(g, node_at(g, n)->module);
  for (size_t i = 0; i < m->params.count; i++)
    if (streq(op_info(m->op)->params[param_at(g, m->params.at[i])->role].name, role)) return m->params.at[i];
  return NO_ID;
}

BufferId param_buffer(Lower *l, NodeId n, const char *role) {
  ParamId p = find_param(l->g, n, role);
  if (p == NO_ID) return NO_ID;
  return place_buffer(l, SPACE_WEIGHTS, 0, l->plan->weight_offset.at[p], param_at(l->g, p)->name);
}

/* ---- gradients ---- */

bool wants_grad(const Lower *l, ValueId v) { return l->t->needs_grad[v]; }

static ElementwiseParams elementwise_of(const Shape *shape, Layout layout, bool accumulate) {
  bool blocked = layout == LAYOUT_NCHW16C;
  return (ElementwiseParams){.count = blocked ? nchw16c_count(shape->dim[0], shape->dim[1] * shape->dim[2])
                                              : shape_count(shape),
                             .c = blocked ? shape->dim[0] : 0,
                             .hw = blocked ? shape->dim[1] * shape->dim[2] : 0,
                             .accumulate = accumulate};
}

static ValueId group_value(const Lower *l, NodeId n) { return node_at(l->g, l->node[n].last)->output; }

BufferId grad_of_group(Lower *l, NodeId n, Layout layout) {
  ValueId v = group_value(l, n);
  const Shape *shape = value_shape(l, v);
  BufferId grad = l->value[v].grad;
  if (default_layout(shape) == layout) return grad;
  BufferId other = new_buffer(l, arena_printf(l->arena, "d %s", value_name(l, v)), true, layout_bytes(shape, layout));
  LayoutParams k = layout_constants(shape, false);
  if (layout == LAYOUT_NCHW16C) EMIT(l, to_nchw16c, &k, n, "layout", .x = grad, .y = other);
  else EMIT(l, to_nchw, &k, n, "layout", .x = grad, .y = other);
  return other;
}

BufferId grad_before_activation(Lower *l, NodeId n, Layout layout) {
  NodeState *state = &l->node[n];
  if (state->dz != NO_ID) return state->dz;
  BufferId dy = grad_of_group(l, n, layout);
  state->dz = dy;
  if (state->activation == ACT_NONE) return dy;
  ElementwiseParams k = elementwise_of(value_shape(l, group_value(l, n)), layout, false);
  k.activation = state->activation;
  /* In place: the gradient of the group's value is used by this group alone. */
  EMIT(l, activation_grad, &k, n, "grad_activation", .y = state->y, .dy = dy, .dx = dy);
  return dy;
}

GradOut grad_begin(Lower *l, ValueId v, Layout layout) {
  const Shape *shape = value_shape(l, v);
  ValueState *state = &l->value[v];
  const char *name = arena_printf(l->arena, "d %s", value_name(l, v));
  if (layout != default_layout(shape))
    return (GradOut){new_buffer(l, name, true, layout_bytes(shape, layout)), false, v, layout};
  if (state->grad == NO_ID) state->grad = new_buffer(l, name, true, layout_bytes(shape, layout));
  GradOut out = {state->grad, state->grad_written, v, layout};
  return out;
}

void grad_end(Lower *l, NodeId n, const GradOut *out) {
  const Shape *shape = value_shape(l, out->value);
  if (out->layout != default_layout(shape)) {
    GradOut home = grad_begin(l, out->value, default_layout(shape));
    LayoutParams k = layout_constants(shape, home.accumulate);
    if (home.layout == LAYOUT_NCHW16C) EMIT(l, to_nchw16c, &k, n, "layout", .x = out->buffer, .y = home.buffer);
    else EMIT(l, to_nchw, &k, n, "layout", .x = out->buffer, .y = home.buffer);
  }
  l->value[out->value].grad_written = true;
}

BufferId grad_param(Lower *l, ParamId p, bool *accumulate) {
  *accumulate = l->param_written[p];
  l->param_written[p] = true;
  return place_buffer(l, SPACE_GRADS, 0, l->plan->grad_offset.at[p],
                      arena_printf(l->arena, "d %s", param_at(l->g, p)->name));
}

/* ---- what many families do ---- */

void lower_alias(Lower *l, NodeId n, Layout layout) {
  BufferId in = value_in(l, input_value(l, n), layout);
  l->value[output_value(l, n)].at[layout] = in;
  l->node[n].y = in;
}

ElementwiseParams elementwise_constants(const Shape *shape) {
  if (default_layout(shape) == LAYOUT_NCHW) return (ElementwiseParams){.count = shape_count(shape)};
  int64_t hw = shape->dim[1] * shape->dim[2];
  return (ElementwiseParams){.count = nchw16c_count(shape->dim[0], hw), .c = shape->dim[0], .hw = hw};
}

void pass_gradient(Lower *l, NodeId n, BufferId dy, ValueId to) {
  if (!wants_grad(l, to)) return;
  const Shape *shape = value_shape(l, to);
  GradOut dx = grad_begin(l, to, default_layout(shape));
  ElementwiseParams k = elementwise_constants(shape);
  k.accumulate = dx.accumulate;
  EMIT(l, copy, &k, n, "grad_input", .x = dy, .y = dx.buffer);
  grad_end(l, n, &dx);
}

/* Whole numbers have no gradient: op_passes_gradient() keeps backward from asking for it. */
void no_gradient(Lower *l, NodeId n) {
  BUG("a gradient of the token numbers that flow into %s", node_at(l->g, n)->name);
}

/* ---- fusion: a follower is taken along only when it is the one user of the value, so that nobody misses what is never
 * written ---- */

NodeId only_follower(const Lower *l, NodeId n) {
  const ValueState *state = &l->value[node_at(l->g, l->node[n].last)->output];
  if (l->inspecting) return NO_ID;
  return state->uses == 1 ? state->only_user : NO_ID;
}

static void take_along(Lower *l, NodeId head, NodeId follower) {
  l->node[follower].fused = l->node[follower].lowered = true;
  l->node[head].last = follower;
}

void fuse_epilogue(Lower *l, NodeId n, bool residual, bool relu6) {
  NodeState *state = &l->node[n];
  NodeId next = only_follower(l, n);
  if (residual && next != NO_ID && node_at(l->g, next)->op == OP_add) {
    const Node *add = node_at(l->g, next);
    ValueId mine = node_at(l->g, state->last)->output;
    ValueId other = add->inputs.at[0] == mine ? add->inputs.at[1] : add->inputs.at[0];
    const ValueState *there = &l->value[other];
    if (other != mine && (there->at[LAYOUT_NCHW16C] != NO_ID || there->at[LAYOUT_NCHW] != NO_ID)) {
      state->residual = other;
      take_along(l, n, next);
      next = only_follower(l, n);
    }
  }
  if (next == NO_ID) return;
  double slope;
  Activation activation = node_activation(l->g, next, &slope);
  if (activation == ACT_RELU || (activation == ACT_RELU6 && relu6)) {
    state->activation = activation;
    take_along(l, n, next);
  }
}
