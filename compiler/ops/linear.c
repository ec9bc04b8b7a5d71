/* Linear layers, by OpenBLAS in the runtime with the raw weights; and Embedding, which takes rows of a table. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"
#include <inttypes.h>

/* ---- Linear ---- */

ParamValue value_linear_weight(const OpArgs *args) {
  const LinearArgs *a = &args->Linear;
  return value_uniform_fan_in((Shape){.rank = 2, .dim = {a->out_features, a->in_features}}, (double)a->in_features);
}
ParamValue value_linear_bias(const OpArgs *args) {
  const LinearArgs *a = &args->Linear;
  return value_uniform_fan_in(shape_vector(a->out_features), (double)a->in_features);
}

bool shape_linear(ShapeContext *c) {
  const Shape *in = &c->in[0];
  if (in->rank < 1) return shape_wants_rank(c, "(N, features)", "there is nothing to multiply with");
  int64_t features = in->dim[in->rank - 1];
  int64_t declared = c->args->Linear.in_features;
  bool map = in->rank == 3; /* almost always a forgotten Flatten; PyTorch would take the width for the features */
  if (map && (declared == HOLE_VALUE || declared != features)) return shape_wants_rank(c, "(N, features)", NULL);
  bool fits = shape_match_features(c, "input features", &c->args->Linear.in_features, features);
  *c->out = *in;
  c->out->dim[in->rank - 1] = c->args->Linear.out_features;
  return fits;
}

static LinearParams linear_constants(const Lower *l, NodeId n) {
  const LinearArgs *a = &node_args(l->g, n)->Linear;
  return (LinearParams){.rows = shape_count(value_shape(l, output_value(l, n))) / a->out_features,
                        .in = a->in_features,
                        .out = a->out_features,
                        .has_bias = a->bias,
                        .activation = l->node[n].activation};
}

void lower_linear(Lower *l, NodeId n) {
  NodeState *state = &l->node[n];
  fuse_epilogue(l, n, false, false);
  LinearParams k = linear_constants(l, n);
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  state->y = value_out(l, node_at(l->g, state->last)->output, LAYOUT_NCHW);
  EMIT(l, linear, &k, n, "forward", .x = x, .w = param_buffer(l, n, "weight"), .bias = param_buffer(l, n, "bias"),
       .y = state->y);
}

void grad_linear_weight(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LinearParams k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW), x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  BufferId dw = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, linear_grad_weight, &k, n, "grad_weight", .x = x, .dy = dy, .dw = dw);
}

void grad_linear_bias(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  LinearParams k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW), db = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, linear_grad_bias, &k, n, "grad_bias", .dy = dy, .db = db);
}

void grad_linear_input(Lower *l, NodeId n) {
  LinearParams k = linear_constants(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  k.accumulate = dx.accumulate;
  EMIT(l, linear_grad_input, &k, n, "grad_input", .dy = dy, .w = param_buffer(l, n, "weight"), .dx = dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- Embedding: tokens are NCHW, four bytes each as everything else ---- */

/* A negative padding_idx counts from the end, as in PyTorch. */
bool check_embedding(Session *s, OpArgs *args, Span call) {
  EmbeddingArgs *a = &args->Embedding;
  if (a->padding_idx == NONE_VALUE) return true;
  if (a->padding_idx < -a->num_embeddings || a->padding_idx >= a->num_embeddings) {
    front_error(s, DIAG_E0113, call, "Embedding: padding_idx=%" PRId64 " is not one of its %" PRId64 " rows",
                a->padding_idx, a->num_embeddings);
    return false;
  }
  if (a->padding_idx < 0) a->padding_idx += a->num_embeddings;
  return true;
}

ParamValue value_embedding_weight(const OpArgs *args) {
  const EmbeddingArgs *a = &args->Embedding;
  return (ParamValue){{.rank = 2, .dim = {a->num_embeddings, a->embedding_dim}},
                      {.kind = INIT_NORMAL, .value = 1, .zero_row = a->padding_idx != NONE_VALUE}};
}

static bool no_tokens(ShapeContext *c) {
  const Graph *g = c->g;
  bool input = c->node->inputs.at[0] == g->input_value;
  Diag *d = diag_report(&c->s->diags, DIAG_E0311,
                        input && g->input.span.source != SPAN_NO_SOURCE ? g->input.span : shape_blame(c),
                        "%s, an Embedding, wants token numbers (N, T), but %s %s flow in", c->node->name,
                        input ? "the input's numbers" : "hidden states", shape_input_text(c, 0));
  if (!input) shape_label(c, d, 0);
  int64_t tokens = c->in[0].rank > 0 ? c->in[0].dim[0] : 1;
  if (input)
    diag_help(&c->s->diags, d,
              "say that they are tokens, input tokens(%" PRId64 "), or take what follows the embeddings alone", tokens);
  else
    diag_help(&c->s->diags, d,
              "an Embedding stands at the start, behind `input tokens(%" PRId64 ")`; remove it here, or use a Linear",
              tokens);
  return false;
}

static bool too_many_positions(ShapeContext *c) {
  int64_t tokens = c->in[0].dim[0], rows = c->args->Embedding.num_embeddings;
  const Input *input = &c->g->input;
  Diag *d =
      diag_report(&c->s->diags, DIAG_E0315, input->span.source != SPAN_NO_SOURCE ? input->span : shape_blame(c),
                  "%s has %" PRId64 " positions, but a sample has %" PRId64 " tokens", c->node->name, rows, tokens);
  diag_help(&c->s->diags, d, "use at most %" PRId64 " tokens: input tokens(%" PRId64 ")", rows, rows);
  return false;
}

bool shape_embedding(ShapeContext *c) {
  const Shape *in = &c->in[0];
  if (in->dtype != DTYPE_I64 || in->rank != 1) return no_tokens(c);
  NodeId producer = value_at(c->g, c->node->inputs.at[0])->producer;
  bool counted = producer != NO_ID && node_at(c->g, producer)->op == OP_positions;
  if (counted && in->dim[0] > c->args->Embedding.num_embeddings) return too_many_positions(c);
  *c->out = (Shape){.rank = 2, .dim = {in->dim[0], c->args->Embedding.embedding_dim}};
  return true;
}

static EmbeddingParams embedding_constants(const Lower *l, NodeId n) {
  const EmbeddingArgs *a = &node_args(l->g, n)->Embedding;
  return (EmbeddingParams){.rows = shape_count(value_shape(l, input_value(l, n))),
                           .count = a->num_embeddings,
                           .dim = a->embedding_dim,
                           .padding = a->padding_idx == NONE_VALUE ? -1 : a->padding_idx};
}

void lower_embedding(Lower *l, NodeId n) {
  EmbeddingParams k = embedding_constants(l, n);
  BufferId tokens = value_in(l, input_value(l, n), LAYOUT_NCHW);
  EMIT(l, embedding, &k, n, "forward", .tokens = tokens, .w = param_buffer(l, n, "weight"),
       .y = node_out(l, n, LAYOUT_NCHW));
}

void grad_embedding_weight(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  EmbeddingParams k = embedding_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW), dw = grad_param(l, p, &accumulate);
  k.accumulate = accumulate;
  EMIT(l, embedding_grad_weight, &k, n, "grad_weight", .tokens = value_in(l, input_value(l, n), LAYOUT_NCHW), .dy = dy,
       .dw = dw);
}
