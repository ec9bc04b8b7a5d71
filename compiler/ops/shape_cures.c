/* The cures of shape mistakes that put something into the script: a missing Flatten, a statement after another; where
 * it goes follows from the text around the layer. And the messages about tokens where hidden states are needed. Called
 * by shape_errors.c, infer.c and the rules. */
#include "compiler/ops/shape.h"
#include "compiler/base/diag.h"
#include <ctype.h>
#include <inttypes.h>

void shape_fix_behind(ShapeContext *c, Diag *d, Span span, const char *format, ...) {
  const Span take = module_at(c->g, 0)->origin;
  if (span.source >= c->s->sources.files.count) return;
  if (take.source == span.source && take.end > span.end) span = take; /* an `input` before the take */
  const Source *source = &c->s->sources.files.at[span.source];
  uint32_t end = text_statement_end(source->text, source->length, span.end);
  va_list args;
  va_start(args, format);
  const char *statement = arena_vprintf(c->s->arena, format, args);
  va_end(args);
  diag_fix(&c->s->diags, d, (Span){span.source, end, end}, "\n%s", statement);
}

/* ---- a Linear that gets a map ---- */

typedef struct Missing {
  const char *layers; /* "AdaptiveAvgPool2d(1), Flatten()" */
  const char *linear; /* the layer with the number that fits then */
  bool fits;          /* it is the layer as it stands */
  bool pooled;
} Missing;

static Missing what_is_missing(const ShapeContext *c, Span args) {
  const Shape *in = &c->in[0];
  int64_t channels = in->dim[0], flat = channels * in->dim[1] * in->dim[2], declared = c->args->Linear.in_features;
  bool pool = flat != channels && declared != flat;
  int64_t wants = pool ? channels : flat;
  Missing m = {pool ? "AdaptiveAvgPool2d(1), Flatten()" : "Flatten()", NULL,
               declared == wants || declared == HOLE_VALUE, pool};
  m.linear = m.fits && shape_in_script(c, args) ? shape_source_text(c, args)
                                                : arena_printf(c->s->arena, "Linear(%lld, %lld)", (long long)wants,
                                                               (long long)c->args->Linear.out_features);
  return m;
}

/* fc(x) in a forward of the user's: what stands between the brackets is flattened. */
static bool cure_in_forward(ShapeContext *c, Diag *d, const Missing *m, Span args) {
  Span call = c->node->place;
  const char *text = shape_source_text(c, call), *open = strchr(text, '('), *close = strrchr(text, ')');
  bool called = shape_in_script(c, call) && call.begin != args.begin && open && close > open &&
                islower((unsigned char)*text) && call.begin != c->node->origin.begin;
  if (!called) return false;
  const char *inside = arena_strndup(c->s->arena, open + 1, (size_t)(close - open - 1));
  const char *made = m->pooled ? arena_printf(c->s->arena, "mean(%s, [2, 3])", inside)
                               : arena_printf(c->s->arena, "flatten(%s, 1)", inside);
  const char *whole = arena_printf(c->s->arena, "%.*s(%s)", (int)(open - text), text, made);
  diag_help(&c->s->diags, d, m->pooled ? "pool and flatten it first: %s" : "a flatten is missing: %s", whole);
  diag_label(&c->s->diags, d, call, "called here");
  if (m->fits) diag_fix(&c->s->diags, d, call, "%s", whole);
  return true;
}

/* In a model whose layers run in order: a statement before the layer's own. */
static void fix_before_statement(ShapeContext *c, Diag *d, const Missing *m, Span args) {
  const char *text = c->s->sources.files.at[args.source].text;
  uint32_t start = args.begin;
  while (start > 0 && !strchr("\n;{", text[start - 1])) start--;
  uint32_t line = start;
  while (start < args.begin && isspace((unsigned char)text[start])) start++;
  bool alone = line == 0 || text[line - 1] == '\n';
  const char *indent = alone ? arena_strndup(c->s->arena, text + line, start - line) : "";
  const char *end = alone ? arena_printf(c->s->arena, "\n%s", indent) : "; ";
  diag_fix(&c->s->diags, d, (Span){args.source, start, start}, "%s%sFlatten()%s",
           m->pooled ? "AdaptiveAvgPool2d(1)" : "", m->pooled ? end : "", end);
}

void shape_cure_flatten(ShapeContext *c, Diag *d) {
  const Module *module = module_at(c->g, c->node->module);
  Span args = module->args_span;
  Missing m = what_is_missing(c, args);
  if (cure_in_forward(c, d, &m, args)) return;
  diag_help(&c->s->diags, d,
            m.pooled ? "pool and flatten it first: Sequential(%s, %s)" : "a Flatten is missing: Sequential(%s, %s)",
            m.layers, m.linear);
  if (!shape_in_script(c, args) || d->span.begin != args.begin || d->span.source != args.source) return;
  const char *text = c->s->sources.files.at[args.source].text;
  uint32_t before = args.begin;
  while (before > 0 && isspace((unsigned char)text[before - 1])) before--;
  bool listed = before > 0 && (text[before - 1] == ',' || text[before - 1] == '(');
  bool in_edit =
      module->origin.source == args.source && module->origin.begin <= args.begin && args.end <= module->origin.end;
  if (listed) diag_fix(&c->s->diags, d, args, "%s, %s", m.layers, m.linear);
  else if (in_edit) diag_fix(&c->s->diags, d, args, "Sequential(%s, %s)", m.layers, m.linear);
  else if (m.fits) fix_before_statement(c, d, &m, args);
}

/* ---- whole numbers ---- */

static bool is_attention(OpId op) { return op == OP_MultiheadAttention || op == OP_scaled_dot_product_attention; }

/* How many features the layer wants; 0: that does not say. */
static int64_t wanted_width(const ShapeContext *c) {
  const OpArgs *a = c->args;
  int64_t width = c->op == OP_Linear               ? a->Linear.in_features
                  : c->op == OP_MultiheadAttention ? a->MultiheadAttention.embed_dim
                  : c->op == OP_LayerNorm          ? a->LayerNorm.normalized_shape.at[0]
                                                   : 0;
  return width > 0 ? width : 0;
}

static bool has_cut_embedding(const Graph *g) {
  for (size_t i = 0; i < g->modules.count; i++)
    if (module_at(g, i)->op == OP_Embedding && module_at(g, i)->cut) return true;
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
                        "token numbers %s flow into %s, a %s, which wants %s", shape_input_text(c, i), c->node->name,
                        op_info(c->op)->name,
                        width ? arena_printf(g->arena, "hidden states (N, %s)", hidden) : "numbers that were computed");
  diag_caret(&c->s->diags, d, "%s %s", input ? "token numbers" : c->node->name,
             input ? shape_input_text(c, i) : "gets token numbers");
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
  if (shape_is_mask(c, i)) {
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
    if (value_at(g, g->outputs.at[i].value)->shape.dtype != DTYPE_I64) continue;
    Diag *d = diag_report(&s->diags, DIAG_E0318, module_at(g, 0)->origin,
                          "the network returns token numbers, not numbers that it computed");
    diag_help(&s->diags, d, "keep a layer that makes something of them: an Embedding");
    return false;
  }
  return true;
}
