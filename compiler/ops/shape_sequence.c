/* The shape rules of what works on sequences: tokens (N, T), which are whole numbers, and hidden states (N, T, C).
 * With their messages, which are told nowhere else. Called by shape.c. */
#include "compiler/ops/shape.h"
#include <inttypes.h>

static const char *text_of(const ShapeContext *c, size_t input) { return shape_text(c->g->arena, &c->in[input]); }

/* ---- whole numbers ---- */

static bool is_attention(OpId op) { return op == OP_MultiheadAttention || op == OP_scaled_dot_product_attention; }
static bool is_mask(const ShapeContext *c, size_t i) { return c->node->inputs.at[i] == c->g->mask_value; }

/* How many features the layer wants; 0: that does not say. */
static int64_t wanted_width(const ShapeContext *c) {
  const OpArgs *a = c->args;
  int64_t width = c->op == OP_Linear               ? a->in_features
                  : c->op == OP_MultiheadAttention ? a->embed_dim
                  : c->op == OP_LayerNorm          ? a->normalized_shapes.at[0]
                                                   : 0;
  return width > 0 ? width : 0;
}

static bool has_cut_embedding(const Graph *g) {
  for (size_t i = 0; i < g->modules.count; i++)
    if (g->modules.at[i].op == OP_Embedding && g->modules.at[i].cut) return true;
  return false;
}

/* The mistake of feeding an encoder with what its embeddings wanted. */
static bool tokens_in_wrong_place(ShapeContext *c, size_t i) {
  const Graph *g = c->g;
  bool input = c->node->inputs.at[i] == g->input_value && g->input.span.source != SPAN_NO_SOURCE;
  int64_t width = wanted_width(c);
  const char *hidden = arena_printf(g->arena, "%" PRId64 ", %s", c->in[i].dim[0],
                                    width ? arena_printf(g->arena, "%" PRId64, width) : "…");
  Diag *d = diag_report(&c->s->diags, DIAG_E0310, input ? g->input.span : shape_blame(c),
                        "token numbers %s flow into %s, a %s, which wants %s", text_of(c, i), c->node->name,
                        op_info(c->op)->name,
                        width ? arena_printf(g->arena, "hidden states (N, %s)", hidden) : "numbers that were computed");
  diag_caret(&c->s->diags, d, "%s %s", input ? "token numbers" : c->node->name,
             input ? text_of(c, i) : "gets token numbers");
  if (!input) shape_label(c, d, i);
  else if (c->node->origin.source != SPAN_NO_SOURCE)
    diag_label(&c->s->diags, d, c->node->origin, "%s begins with %s",
               has_cut_embedding(g) ? "this part" : "the network", c->node->name);
  if (has_cut_embedding(g))
    diag_help(
        &c->s->diags, d,
        "take the whole %s, whose embeddings make hidden states of tokens, or feed hidden states: input tensor(%s)",
        g->name, hidden);
  else if (width)
    diag_help(&c->s->diags, d,
              "put an Embedding before it, prepend Embedding(VOCABULARY, %" PRId64
              "), or feed hidden states: input tensor(%s)",
              width, hidden);
  else
    diag_help(&c->s->diags, d,
              "tokens go into an Embedding; a network without one takes input image(…) or input tensor(…)");
  return false;
}

bool shape_integers_fit(ShapeContext *c, size_t i) {
  if (is_mask(c, i)) {
    if (is_attention(c->op) && i + 1 == c->in_count && i != 0 && i != 2) return true;
    Diag *d = diag_report(&c->s->diags, DIAG_E0316, shape_blame(c), "the mask flows into %s, which is no place for it",
                          c->node->name);
    diag_help(&c->s->diags, d, "attention takes it as its last value: attn(x, mask), attn(q, k, v, mask)");
    return false;
  }
  bool fits = c->op == OP_Embedding || c->op == OP_Identity || c->op == OP_positions || c->op == OP_zeros_like;
  return fits || tokens_in_wrong_place(c, i);
}

bool shape_output_is_computed(Session *s, const Graph *g) {
  for (size_t i = 0; i < g->outputs.count; i++) {
    if (g->values.at[g->outputs.at[i].value].shape.dtype != DTYPE_I64) continue;
    Diag *d = diag_report(&s->diags, DIAG_E0318, g->modules.at[0].origin,
                          "the network returns token numbers, not numbers that it computed");
    diag_help(&s->diags, d, "keep a layer that makes something of them: an Embedding");
    return false;
  }
  return true;
}

/* ---- embeddings ---- */

static bool no_tokens(ShapeContext *c) {
  const Graph *g = c->g;
  bool input = c->node->inputs.at[0] == g->input_value;
  Diag *d = diag_report(&c->s->diags, DIAG_E0311,
                        input && g->input.span.source != SPAN_NO_SOURCE ? g->input.span : shape_blame(c),
                        "%s, an Embedding, wants token numbers (N, T), but %s %s flow in", c->node->name,
                        input ? "the input's numbers" : "hidden states", text_of(c, 0));
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
  int64_t tokens = c->in[0].dim[0], rows = c->args->num_embeddings;
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
  NodeId producer = c->g->values.at[c->node->inputs.at[0]].producer;
  bool counted = producer != NO_ID && c->g->nodes.at[producer].op == OP_positions;
  if (counted && in->dim[0] > c->args->num_embeddings) return too_many_positions(c);
  *c->out = (Shape){.rank = 2, .dim = {in->dim[0], c->args->embedding_dim}};
  return true;
}

bool shape_positions(ShapeContext *c) {
  if (c->in[0].rank < 1) return shape_wants_rank(c, "(N, T)", "there are no tokens to count");
  *c->out = (Shape){.rank = 1, .dim = {c->in[0].dim[0]}, .dtype = DTYPE_I64};
  return true;
}

bool shape_zeros_like(ShapeContext *c) {
  *c->out = c->in[0];
  if (c->in[0].dtype == DTYPE_I64) return true;
  c->out->rank = -1;
  if (c->s->diags.errors > 0) return false; /* an Embedding beside it has said so */
  return shape_wants_rank(c, "token numbers (N, T)",
                          "zeros_like makes token numbers of token numbers: the types of the tokens");
}

/* ---- normalisation ---- */

static const char *norm_text(Arena *arena, const int64_t *dim, int count) {
  const char *text = "";
  for (int i = 0; i < count; i++) text = arena_printf(arena, "%s%s%" PRId64, text, i ? ", " : "", dim[i]);
  return count == 1 ? text : arena_printf(arena, "[%s]", text);
}

bool shape_layernorm(ShapeContext *c) {
  const Shape *in = &c->in[0];
  IntList *list = &c->args->normalized_shapes;
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
                        text_of(c, 0));
  diag_caret(&c->s->diags, d, "%s wants (N, …, %s)", c->node->name, norm_text(arena, list->at, list->count));
  shape_label(c, d, 0);
  diag_help(&c->s->diags, d, "LayerNorm(%s), or LayerNorm(_) to have it inferred", got);
  return false;
}

/* ---- attention ---- */

static bool wrong_attention(ShapeContext *c, size_t values, const char *rule) {
  Arena *arena = c->g->arena;
  const char *text = "";
  static const char *const names[] = {"q", "k", "v", "mask"};
  for (size_t i = 0; i < c->in_count; i++)
    text = arena_printf(arena, "%s%s%s %s", text, i ? ", " : "", values == 1 ? (i ? "mask" : "x") : names[i],
                        text_of(c, i));
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
  if (c->in_count == 4 && !is_mask(c, 3))
    return wrong_attention(c, 3, "the fourth value is the mask: input tensor(…, mask=true) and forward x, mask");
  if (!values_meet(c, 3)) return false;
  int64_t heads = c->args->heads;
  if (!divides(c, "the width of q and k,", "heads", c->in[0].dim[1], heads)) return false;
  if (!divides(c, "the width of v,", "heads", c->in[2].dim[1], heads)) return false;
  *c->out = (Shape){.rank = 2, .dim = {c->in[0].dim[0], c->in[2].dim[1]}};
  return true;
}

bool shape_multihead(ShapeContext *c) {
  bool masked = is_mask(c, c->in_count - 1);
  size_t values = c->in_count - masked;
  if (values != 1 && values != 3)
    return wrong_attention(c, values,
                           "call it with x, with x and the mask, with q, k, v, or with q, k, v and the mask");
  if (!values_meet(c, values)) return false;
  if (c->args->embed_dim == HOLE_VALUE) c->args->embed_dim = c->in[0].dim[1];
  int64_t width = c->args->embed_dim;
  if (c->in[0].dim[1] != width) return shape_wants_features(c, "features", width, c->in[0].dim[1]);
  if (values == 3 && c->in[2].dim[1] != width)
    return wrong_attention(c, values, "q, k and v all have embed_dim features; kdim and vdim are not there");
  if (!divides(c, "embed_dim", "num_heads", width, c->args->num_heads)) return false;
  *c->out = (Shape){.rank = 2, .dim = {c->in[0].dim[0], width}};
  return true;
}

/* ---- select ---- */

bool shape_select(ShapeContext *c) {
  const Shape *in = &c->in[0];
  int dim = shape_inner_dimension(in, c->args->dim);
  if (dim < 0) return shape_bad_dimension(c, 0, c->args->dim, false);
  int64_t size = in->dim[dim], index = c->args->index;
  if (index < -size || index >= size) {
    Diag *d = diag_report(&c->s->diags, DIAG_E0317, shape_blame(c), "%s: dimension %d of %s has no place %" PRId64,
                          c->node->name, dim + 1, text_of(c, 0), index);
    shape_label(c, d, 0);
    diag_help(&c->s->diags, d, "its places are 0 to %" PRId64 ", or -1 to -%" PRId64 " from the end", size - 1, size);
    return false;
  }
  *c->out = (Shape){.rank = in->rank - 1, .dtype = in->dtype};
  for (int i = 0, to = 0; i < in->rank; i++)
    if (i != dim) c->out->dim[to++] = in->dim[i];
  return true;
}
