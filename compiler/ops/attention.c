/* Attention: the function scaled_dot_product_attention, and MultiheadAttention, which is that between four Linears
 * whose weights lie in two tensors. The projections are separate products with the rows of in_proj_weight that they
 * need. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"
#include <inttypes.h>

/* ---- arguments, parameters, shapes ---- */

bool check_multihead(Session *s, OpArgs *a, Span call) {
  if (a->MultiheadAttention.batch_first) return true;
  Diag *d = front_error(s, DIAG_E0113, call,
                        "MultiheadAttention: batch_first=false, (T, N, C), is not a layout of this language");
  diag_help(&s->diags, d,
            "leave it out: here samples come first, (N, T, C), and the weights are the same in both layouts");
  return false;
}

/* As PyTorch begins: in_proj_weight by xavier_uniform, out_proj as a Linear, both biases 0. */
ParamValue value_multihead_in_weight(const OpArgs *args) {
  const MultiheadAttentionArgs *a = &args->MultiheadAttention;
  double rows = 3 * (double)a->embed_dim, width = (double)a->embed_dim;
  return (ParamValue){{.rank = 2, .dim = {a->embed_dim > 0 ? 3 * a->embed_dim : a->embed_dim, a->embed_dim}},
                      {.kind = INIT_UNIFORM, .value = width > 0 ? __builtin_sqrt(6 / (rows + width)) : 0}};
}
ParamValue value_multihead_in_bias(const OpArgs *args) {
  const MultiheadAttentionArgs *a = &args->MultiheadAttention;
  return value_constant(shape_vector(a->embed_dim > 0 ? 3 * a->embed_dim : a->embed_dim), 0);
}
ParamValue value_multihead_out_weight(const OpArgs *args) {
  const MultiheadAttentionArgs *a = &args->MultiheadAttention;
  return value_uniform_fan_in((Shape){.rank = 2, .dim = {a->embed_dim, a->embed_dim}}, (double)a->embed_dim);
}
ParamValue value_multihead_out_bias(const OpArgs *a) {
  return value_constant(shape_vector(a->MultiheadAttention.embed_dim), 0);
}

static bool wrong_attention(ShapeContext *c, size_t values, const char *rule) {
  Arena *arena = c->g->arena;
  const char *text = "";
  static const char *const names[] = {"q", "k", "v", "mask"};
  for (size_t i = 0; i < c->in_count; i++)
    text = arena_printf(arena, "%s%s%s %s", text, i ? ", " : "", values == 1 ? (i ? "mask" : "x") : names[i],
                        shape_input_text(c, i));
  Diag *d = diag_report(&c->s->diags, DIAG_E0314, shape_blame(c), "%s gets %s", c->node->name, text);
  shape_label(c, d, 0);
  diag_help(&c->s->diags, d, "%s", rule);
  return false;
}

/* The number of heads nearest to what was asked for that divides the width. */
static int64_t nearest_divisor(int64_t width, int64_t heads) {
  for (int64_t away = 0; away < width; away++) {
    if (heads - away >= 1 && width % (heads - away) == 0) return heads - away;
    if (heads + away <= width && width % (heads + away) == 0) return heads + away;
  }
  return 1;
}

static bool divides(ShapeContext *c, const char *what, const char *argument, int64_t width, int64_t heads) {
  if (width % heads == 0) return true;
  int64_t better = nearest_divisor(width, heads);
  Diag *d =
      diag_report(&c->s->diags, DIAG_E0312, shape_blame(c),
                  "%s: %s %" PRId64 " cannot be divided among %" PRId64 " heads", c->node->name, what, width, heads);
  diag_help(&c->s->diags, d, "%s=%" PRId64 " makes heads of %" PRId64 " features each", argument, better,
            width / better);
  return false;
}

/* q (T, E), k (S, E), v (S, V), mask (S), at c->in[0 … ]; `values` are one (all three) or three. */
static bool values_meet(ShapeContext *c, size_t values) {
  const Shape *q = &c->in[0], *k = &c->in[values == 1 ? 0 : 1], *v = &c->in[values == 1 ? 0 : 2];
  if (q->rank != 2 || k->rank != 2 || v->rank != 2)
    return wrong_attention(c, values, "attention works on hidden states (N, T, C): one row for each token");
  if (k->dim[1] != q->dim[1]) return wrong_attention(c, values, "q and k have the same number of features");
  if (k->dim[0] != v->dim[0]) return wrong_attention(c, values, "there is one row of v for each row of k");
  if (c->in_count > values && c->in[values].dim[0] != k->dim[0])
    return wrong_attention(c, values, "the mask has a number for each row of k");
  for (size_t i = 0; i < c->in_count; i++) /* OpenBLAS counts in int */
    if (c->in[i].dim[0] > INT32_MAX || c->in[i].dim[1] > INT32_MAX)
      return wrong_attention(c, values, "attention takes less than 2^31 tokens, and features of each");
  return true;
}

bool shape_attention(ShapeContext *c) {
  if (c->in_count == 4 && !shape_is_mask(c, 3))
    return wrong_attention(c, 3, "the fourth value is the mask: input tensor(…, mask=true) and forward x, mask");
  if (!values_meet(c, 3)) return false;
  int64_t heads = c->args->scaled_dot_product_attention.heads;
  if (!divides(c, "the width of q and k,", "heads", c->in[0].dim[1], heads)) return false;
  if (!divides(c, "the width of v,", "heads", c->in[2].dim[1], heads)) return false;
  *c->out = (Shape){.rank = 2, .dim = {c->in[0].dim[0], c->in[2].dim[1]}};
  return true;
}

bool shape_multihead(ShapeContext *c) {
  bool masked = shape_is_mask(c, c->in_count - 1);
  size_t values = c->in_count - masked;
  if (values != 1 && values != 3)
    return wrong_attention(c, values,
                           "call it with x, with x and the mask, with q, k, v, or with q, k, v and the mask");
  if (!values_meet(c, values)) return false;
  if (c->args->MultiheadAttention.embed_dim == HOLE_VALUE) c->args->MultiheadAttention.embed_dim = c->in[0].dim[1];
  int64_t width = c->args->MultiheadAttention.embed_dim;
  if (c->in[0].dim[1] != width) return shape_wants_features(c, "features", width, c->in[0].dim[1]);
  if (values == 3 && c->in[2].dim[1] != width)
    return wrong_attention(c, values, "q, k and v all have embed_dim features; kdim and vdim are not there");
  if (!divides(c, "embed_dim", "num_heads", width, c->args->MultiheadAttention.num_heads)) return false;
  *c->out = (Shape){.rank = 2, .dim = {c->in[0].dim[0], width}};
  return true;
}

/* ---- the function ---- */

/* q, k, v of a call that gives one value for all three, or each. */
static ValueId operand(const Lower *l, NodeId n, int which) {
  const Node *node = node_at(l->g, n);
  return node->inputs.at[node->inputs.count >= 3 ? which : 0];
}

/* The mask is the call's last value; where the input gives none, all is attended to. */
static BufferId mask_buffer(Lower *l, NodeId n) {
  const Node *node = node_at(l->g, n);
  bool masked = node->inputs.at[node->inputs.count - 1] == l->g->mask_value && l->g->input.mask;
  return masked ? place_buffer(l, SPACE_MASK, 0, 0, "mask") : NO_ID;
}

static AttentionParams constants(const Lower *l, NodeId n, int64_t heads, double p) {
  const Shape *q = value_shape(l, operand(l, n, 0)), *k = value_shape(l, operand(l, n, 1)),
              *v = value_shape(l, operand(l, n, 2));
  AttentionParams a = {.heads = heads,
                       .tq = q->dim[0],
                       .tk = k->dim[0],
                       .dim = q->dim[1] / heads,
                       .value_dim = v->dim[1] / heads,
                       .layer = n};
  a.scale = 1 / __builtin_sqrt((double)a.dim);
  a.p = l->training && l->t->varies[n] ? p : 0;
  return a;
}

static BufferId noise_buffer(Lower *l, const AttentionParams *k) {
  return k->p > 0 ? place_buffer(l, SPACE_RNG, 0, 0, "rng") : NO_ID;
}

static BufferId new_rows(Lower *l, NodeId n, const char *what, int64_t floats) {
  return new_buffer(l, arena_printf(l->arena, "%s %s", what, node_at(l->g, n)->name), true, floats * 4);
}

/* qkv → context; keeps what the gradients need. */
static void emit_attention(Lower *l, NodeId n, const AttentionParams *k, const BufferId qkv[3], BufferId context) {
  NodeState *state = &l->node[n];
  if (l->training && wants_grad(l, output_value(l, n))) state->sums = new_rows(l, n, "sums", k->heads * k->tq * 2);
  EMIT(l, attention, k, n, "forward", .q = qkv[0], .k = qkv[1], .v = qkv[2], .mask = mask_buffer(l, n),
       .rng = noise_buffer(l, k), .y = context, .sums = state->sums);
}

void lower_attention(Lower *l, NodeId n) {
  const scaled_dot_product_attentionArgs *a = &node_args(l->g, n)->scaled_dot_product_attention;
  AttentionParams k = constants(l, n, a->heads, a->dropout_p);
  BufferId qkv[3];
  for (int i = 0; i < 3; i++) qkv[i] = value_in(l, operand(l, n, i), LAYOUT_NCHW);
  node_out(l, n, LAYOUT_NCHW);
  emit_attention(l, n, &k, qkv, l->node[n].y);
}

/* One call makes the gradients that are wanted. A value that is two of q, k, v gets the second one by way of a buffer.
 */
void grad_attention(Lower *l, NodeId n) {
  const scaled_dot_product_attentionArgs *a = &node_args(l->g, n)->scaled_dot_product_attention;
  AttentionParams k = constants(l, n, a->heads, a->dropout_p);
  int64_t *accumulate[3] = {&k.accumulate_q, &k.accumulate_k, &k.accumulate_v};
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW), qkv[3], d[3];
  GradOut out[3];
  bool again[3] = {false};
  for (int i = 0; i < 3; i++) {
    ValueId value = operand(l, n, i);
    qkv[i] = value_in(l, value, LAYOUT_NCHW);
    d[i] = NO_ID;
    if (!wants_grad(l, value)) continue;
    for (int j = 0; j < i; j++) again[i] |= operand(l, n, j) == value;
    if (again[i]) {
      d[i] = new_rows(l, n, "d", shape_count(value_shape(l, value)));
      continue;
    }
    out[i] = grad_begin(l, value, LAYOUT_NCHW);
    d[i] = out[i].buffer;
    *accumulate[i] = out[i].accumulate;
  }
  EMIT(l, attention_grad, &k, n, "grad_input", .q = qkv[0], .k = qkv[1], .v = qkv[2], .mask = mask_buffer(l, n),
       .rng = noise_buffer(l, &k), .sums = l->node[n].sums, .dy = dy, .dq = d[0], .dk = d[1], .dv = d[2]);
  for (int i = 0; i < 3; i++)
    if (d[i] != NO_ID && !again[i]) grad_end(l, n, &out[i]);
  for (int i = 0; i < 3; i++)
    if (again[i]) pass_gradient(l, n, d[i], operand(l, n, i));
}

/* ---- the layer ---- */

/* The projection that makes q, k or v (0, 1, 2), or the one behind the attention (3). */
static LinearParams projection(const Lower *l, NodeId n, int which) {
  int64_t width = node_args(l->g, n)->MultiheadAttention.embed_dim;
  int64_t rows = value_shape(l, which < 3 ? operand(l, n, which) : output_value(l, n))->dim[0];
  return (LinearParams){
      .rows = rows, .in = width, .out = width, .has_bias = node_args(l->g, n)->MultiheadAttention.bias};
}

/* Its share of the weight (or, with bias, of the bias): in the weights, or in the gradients. */
static int64_t share_offset(const Lower *l, NodeId n, int which, bool bias) {
  int64_t width = node_args(l->g, n)->MultiheadAttention.embed_dim;
  return which < 3 ? which * width * (bias ? 1 : width) * 4 : 0;
}

static ParamId projection_param(const Lower *l, NodeId n, int which, bool bias) {
  return find_param(l->g, n,
                    which < 3 ? bias ? "in_proj_bias" : "in_proj_weight"
                    : bias    ? "out_proj.bias"
                              : "out_proj.weight");
}

static BufferId weight_share(Lower *l, NodeId n, int which, bool bias) {
  ParamId p = projection_param(l, n, which, bias);
  if (p == NO_ID) return NO_ID;
  return place_buffer(l, SPACE_WEIGHTS, 0, l->plan->weight_offset.at[p] + share_offset(l, n, which, bias),
                      param_at(l->g, p)->name);
}

void lower_multihead(Lower *l, NodeId n) {
  const MultiheadAttentionArgs *a = &node_args(l->g, n)->MultiheadAttention;
  NodeState *state = &l->node[n];
  AttentionParams k = constants(l, n, a->num_heads, a->dropout);
  static const char *const names[] = {"q", "k", "v"};
  for (int i = 0; i < 3; i++) {
    LinearParams linear = projection(l, n, i);
    BufferId x = value_in(l, operand(l, n, i), LAYOUT_NCHW);
    state->qkv[i] = new_rows(l, n, names[i], linear.rows * linear.out);
    EMIT(l, linear, &linear, n, "forward", .x = x, .w = weight_share(l, n, i, false),
         .bias = weight_share(l, n, i, true), .y = state->qkv[i]);
  }
  state->context = new_rows(l, n, "context", k.tq * a->embed_dim);
  emit_attention(l, n, &k, state->qkv, state->context);
  LinearParams linear = projection(l, n, 3);
  node_out(l, n, LAYOUT_NCHW);
  EMIT(l, linear, &linear, n, "forward", .x = state->context, .w = weight_share(l, n, 3, false),
       .bias = weight_share(l, n, 3, true), .y = state->y);
}

/* The gradients of the projected q, k and v, once. */
static const BufferId *projected_gradients(Lower *l, NodeId n) {
  const MultiheadAttentionArgs *a = &node_args(l->g, n)->MultiheadAttention;
  NodeState *state = &l->node[n];
  if (state->d_qkv[0] != NO_ID) return state->d_qkv;
  AttentionParams k = constants(l, n, a->num_heads, a->dropout);
  LinearParams out = projection(l, n, 3);
  BufferId d_context = new_rows(l, n, "d context", k.tq * a->embed_dim);
  EMIT(l, linear_grad_input, &out, n, "grad_context", .dy = grad_of_group(l, n, LAYOUT_NCHW),
       .w = weight_share(l, n, 3, false), .dx = d_context);
  for (int i = 0; i < 3; i++) state->d_qkv[i] = new_rows(l, n, "d qkv", projection(l, n, i).rows * a->embed_dim);
  EMIT(l, attention_grad, &k, n, "grad_attention", .q = state->qkv[0], .k = state->qkv[1], .v = state->qkv[2],
       .mask = mask_buffer(l, n), .rng = noise_buffer(l, &k), .sums = state->sums, .dy = d_context,
       .dq = state->d_qkv[0], .dk = state->d_qkv[1], .dv = state->d_qkv[2]);
  return state->d_qkv;
}

static BufferId grad_share(Lower *l, NodeId n, ParamId p, int which, bool bias) {
  return place_buffer(l, SPACE_GRADS, 0, l->plan->grad_offset.at[p] + share_offset(l, n, which, bias),
                      arena_printf(l->arena, "d %s", param_at(l->g, p)->name));
}

/* Of the tensor that holds all three projections: each has its share. */
static void grad_in(Lower *l, NodeId n, ParamId p, bool bias) {
  bool accumulate;
  const BufferId *d = projected_gradients(l, n);
  grad_param(l, p, &accumulate);
  for (int i = 0; i < 3; i++) {
    LinearParams k = projection(l, n, i);
    k.accumulate = accumulate;
    BufferId share = grad_share(l, n, p, i, bias);
    if (bias) EMIT(l, linear_grad_bias, &k, n, "grad_in_bias", .dy = d[i], .db = share);
    else
      EMIT(l, linear_grad_weight, &k, n, "grad_in_weight", .x = value_in(l, operand(l, n, i), LAYOUT_NCHW), .dy = d[i],
           .dw = share);
  }
}
void grad_multihead_in_weight(Lower *l, NodeId n, ParamId p) { grad_in(l, n, p, false); }
void grad_multihead_in_bias(Lower *l, NodeId n, ParamId p) { grad_in(l, n, p, true); }

static void grad_out(Lower *l, NodeId n, ParamId p, bool bias) {
  bool accumulate;
  LinearParams k = projection(l, n, 3);
  BufferId to = grad_param(l, p, &accumulate), dy = grad_of_group(l, n, LAYOUT_NCHW);
  k.accumulate = accumulate;
  if (bias) EMIT(l, linear_grad_bias, &k, n, "grad_out_bias", .dy = dy, .db = to);
  else EMIT(l, linear_grad_weight, &k, n, "grad_out_weight", .x = l->node[n].context, .dy = dy, .dw = to);
}
void grad_multihead_out_weight(Lower *l, NodeId n, ParamId p) { grad_out(l, n, p, false); }
void grad_multihead_out_bias(Lower *l, NodeId n, ParamId p) { grad_out(l, n, p, true); }

void grad_multihead_input(Lower *l, NodeId n) {
  const BufferId *d = projected_gradients(l, n);
  for (int i = 0; i < 3; i++) {
    if (!wants_grad(l, operand(l, n, i))) continue;
    LinearParams k = projection(l, n, i);
    GradOut dx = grad_begin(l, operand(l, n, i), LAYOUT_NCHW);
    k.accumulate = dx.accumulate;
    EMIT(l, linear_grad_input, &k, n, "grad_input", .dy = d[i], .w = weight_share(l, n, i, false), .dx = dx.buffer);
    grad_end(l, n, &dx);
  }
}
