/* Hover: what the word under the cursor is, in Markdown: layers with their shapes, what a selector picks, what `_`
 * became, and what the tables say of keywords, operators and settings. Called by server.c. */
#include "compiler/driver/lsp/cursor.h"
#include "runtime/base/text.h"
#include <inttypes.h>

/* ---- layers ---- */

LayerNames matching_layers(Arena *arena, const LayerNames *all, const char *path, bool regex) {
  LayerNames found = {0};
  const char *why;
  bool plain = !regex && !strpbrk(path, "*?{");
  Pattern *pattern = plain ? NULL : pattern_compile(regex ? PATTERN_REGEX : PATTERN_GLOB, path, &why);
  for (size_t i = 0; all && i < all->count && (plain || pattern); i++) {
    const LayerName *l = &all->at[i];
    if (l->cut && !plain) continue;
    if (plain ? streq(l->name, path) : pattern_match(pattern, l->name, &why) == MATCH_YES) vec_push(arena, &found, *l);
  }
  pattern_free(pattern);
  return found;
}

/* The first and the last value of what a module computes in its first call. */
static bool shapes_of(const Graph *g, const LayerName *layer, const Shape **in, const Shape **out) {
  *in = *out = NULL;
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    const Node *n = node_at(g, id);
    bool own = layer->function ? id == layer->id : node_within(g, id, layer->id);
    if (!own || (n->alive != !layer->cut)) continue;
    if (!*in && n->inputs.count) *in = &value_at(g, n->inputs.at[0])->shape;
    *out = &value_at(g, n->output)->shape;
    bool leaf = layer->function || module_at(g, layer->id)->op != OP_NONE;
    if (leaf) break; /* of a layer that is called twice: the first call */
  }
  return *out != NULL;
}

/* Floating point operations of a forward in it, for one sample; below 0: not known. */
static double layer_flops(Request *r, Analysis *a, const LayerName *layer) {
  if (a != r->a) return -1;
  const Plan *plan = analysis_plan(a);
  if (!plan) return -1;
  double flops = 0;
  for (size_t i = 0; i < plan->forward.calls.count; i++) {
    const Call *call = &plan->forward.calls.at[i];
    if (call->node == NO_ID) continue;
    if (layer->function ? call->node == layer->id : node_within(plan->graph, call->node, layer->id))
      flops += call->plan.flops_per_sample;
  }
  return flops;
}

static const char *thousands(Arena *arena, int64_t n) {
  char text[32];
  return arena_strdup(arena, text_thousands(n, text));
}

Totals known_totals(const Graph *g, ModuleId module) {
  Totals t = {0};
  for (size_t i = 0; i < g->params.count; i++) {
    const Param *p = param_at(g, (ParamId)i);
    if (p->is_buffer || p->shape.rank < 0 || !module_within(g, p->module, module)) continue;
    if (!module_at(g, p->module)->alive && module_at(g, module)->alive) continue;
    t.all += shape_count(&p->shape);
    t.trained += p->trainable ? shape_count(&p->shape) : 0;
  }
  return t;
}

static const char *parameters_text(Arena *arena, const Graph *g, ModuleId module) {
  Totals t = known_totals(g, module);
  if (t.all == 0) return "";
  return arena_printf(arena, "%s parameters, %s", thousands(arena, t.all),
                      t.trained == t.all ? "trained"
                      : t.trained        ? arena_printf(arena, "%s of them trained", thousands(arena, t.trained))
                                         : "frozen");
}

const char *describe_layer(Request *r, Analysis *a, const LayerName *layer) {
  Arena *arena = r->arena;
  const Graph *g = a->script.graph;
  const char *call = layer->function ? node_text(g, arena, layer->id) : module_text(g, arena, layer->id);
  const char *text = arena_printf(arena, "**%s** `%s`", layer->name, call);
  const Shape *in, *out;
  if (layer->cut) text = arena_printf(arena, "%s, cut off by the take", text);
  if (shapes_of(g, layer, &in, &out) && in && in->rank >= 0 && out->rank >= 0)
    text = arena_printf(arena, "%s\n\n%s → %s", text, shape_text(arena, in), shape_text(arena, out));
  const char *parameters = layer->function ? "" : parameters_text(arena, g, layer->id);
  double flops = layer->cut ? -1 : layer_flops(r, a, layer);
  if (*parameters) text = arena_printf(arena, "%s\n\n%s", text, parameters);
  if (flops > 0)
    text = arena_printf(arena, "%s%s%s a sample", text, *parameters ? " · " : "\n\n", flops_text(arena, flops));
  return text;
}

static const char *list_names(Arena *arena, const char *const *names, size_t count) {
  enum { MOST = 8 };
  const char *text = "";
  for (size_t i = 0; i < count && i < MOST; i++) text = arena_printf(arena, "%s%s`%s`", text, i ? ", " : "", names[i]);
  return count > MOST ? arena_printf(arena, "%s … and %zu more", text, count - MOST) : text;
}

static const char *describe_param(Request *r, Analysis *a, const char *path) {
  const Graph *g = a->script.graph;
  ParamId id = g ? graph_find_param(g, path) : NO_ID;
  if (id == NO_ID) return NULL;
  const Param *p = param_at(g, id);
  const char *shape = p->shape.rank < 0 ? "?" : shape_text_plain(r->arena, &p->shape);
  const char *from = p->donor == NO_ID ? "fresh"
                     : g->donors.at[p->donor].path
                         ? arena_printf(r->arena, "from `%s` in %s", p->donor_key ? p->donor_key : p->name,
                                        g->donors.at[p->donor].path)
                         : "fresh";
  return arena_printf(r->arena, "**%s** %s %s\n\n%s, %s", p->name, p->is_buffer ? "buffer" : "parameter", shape,
                      p->is_buffer   ? "not trained"
                      : p->trainable ? "trained"
                                     : "frozen",
                      from);
}

static const char *hover_path(Request *r, const Cursor *c, bool regex) {
  Analysis *a;
  const Moment *m = request_moment(r, view_statement_begin(c), &a);
  if (!m || !m->layers || !a->script.graph) return NULL;
  const char *path = word_text(r->arena, r->view, c->word);
  size_t length = strlen(path);
  if ((regex || *path == '"') && length >= 2) path = arena_strndup(r->arena, path + 1, length - 2);
  LayerNames found = matching_layers(r->arena, m->layers, path, regex);
  if (found.count == 1) return describe_layer(r, a, &found.at[0]);
  if (found.count == 0) return describe_param(r, a, path);
  const char **names = arena_array(r->arena, const char *, found.count);
  for (size_t i = 0; i < found.count; i++) names[i] = found.at[i].name;
  return arena_printf(r->arena, "%zu layers: %s", found.count, list_names(r->arena, names, found.count));
}

/* ---- selectors ---- */

static const LogMatch *match_at(Request *r, Span *span) {
  const LogMatch *best = NULL;
  for (size_t i = 0; i < r->a->moments.count; i++) {
    const Moment *m = &r->a->moments.at[i];
    if (!span_holds(m->span, r->source, r->offset)) continue;
    const LogStep *step = &r->a->log->steps.at[m->step];
    for (size_t k = 0; k < step->matches.count; k++) {
      const LogMatch *match = &step->matches.at[k];
      bool smaller = !best || match->span.end - match->span.begin < best->span.end - best->span.begin;
      if (span_holds(match->span, r->source, r->offset) && smaller) best = match;
    }
  }
  if (best) *span = best->span;
  return best;
}

static const char *hover_match(Request *r, Span *span) {
  const LogMatch *match = match_at(r, span);
  const Graph *g = r->a->script.graph;
  if (!match || !g || match->names.count == 0) return NULL;
  int64_t count = 0;
  for (size_t i = 0; i < match->params.count; i++) {
    const Shape *shape = &param_at(g, match->params.at[i])->shape;
    if (shape->rank >= 0) count += shape_count(shape);
  }
  const char *what = match->layers ? arena_printf(r->arena, "%zu layer%s", match->layers, match->layers > 1 ? "s" : "")
                                   : arena_printf(r->arena, "%zu tensors", match->params.count);
  return arena_printf(r->arena, "picks %s, %s parameters: %s", what, thousands(r->arena, count),
                      list_names(r->arena, match->names.at, match->names.count));
}

/* ---- `_` ---- */

static const char *hover_hole(Request *r) {
  const Graph *g = r->a->script.graph;
  if (!g) return NULL;
  for (size_t i = 0; i < g->modules.count; i++) {
    const Module *m = module_at(g, i);
    if (m->op == OP_NONE) continue;
    const ArgInfo *info = op_info(m->op)->args;
    for (size_t k = 0; info[k].name && k < LENGTH(m->args.arg_span); k++) {
      Span span = m->args.arg_span[k];
      if (span.end == 0 || !span_holds(span, r->source, r->offset)) continue;
      const char *value = arg_text(r->arena, &info[k], &m->args);
      if (streq(value, "_")) return arena_printf(r->arena, "`%s` of %s: not known yet", info[k].name, m->name);
      return arena_printf(r->arena, "`%s=%s` of %s, inferred from what flows in", info[k].name, value, m->name);
    }
  }
  return NULL;
}

/* ---- models: what a declaration makes, what a forward calls ---- */

/* Those that begin at `begin`, with their shapes: the modules whose arguments are there, or the calls. */
static const char *describe_made(Request *r, uint32_t begin, bool calls) {
  enum { MOST = 3 };
  const Graph *g = r->a->script.graph;
  const char *text = NULL;
  size_t count = 0;
  for (size_t i = 0; g && i < (calls ? g->nodes.count : g->modules.count); i++) {
    const Node *n = calls ? node_at(g, (NodeId)i) : NULL;
    ModuleId module = calls ? n->module : (ModuleId)i;
    Span span = calls ? n->place : module_at(g, module)->args_span;
    bool alive = calls ? n->alive : module_at(g, module)->alive;
    if (!alive || span.source != r->source || span.begin != begin || span.end <= begin || ++count > MOST) continue;
    LayerName layer = {.function = module == NO_ID, .id = module == NO_ID ? (int32_t)i : module};
    layer.name = module == NO_ID ? n->name : module_at(g, module)->name;
    const char *one = describe_layer(r, r->a, &layer);
    text = text ? arena_printf(r->arena, "%s\n\n%s", text, one) : one;
  }
  return count > MOST ? arena_printf(r->arena, "%s\n\n… and %zu more", text, count - MOST) : text;
}

/* On the name of `conv1 = Conv2d(3, 64, 7)` in a model. */
static const char *hover_declaration(Request *r, const Cursor *c) {
  size_t value = (size_t)c->word + 2;
  bool declares = r->view->words.at[c->word].first && word_is(r->view, c->word + 1, "=");
  return declares && value < r->view->words.count ? describe_made(r, r->view->words.at[value].span.begin, false) : NULL;
}

/* ---- words of the tables ---- */

static const char *hover_callable(Request *r, const Cursor *c, const char *name) {
  Callable call = find_callable(r, c, name);
  if (!call.known) return NULL;
  const char *text = arena_printf(r->arena, "```surgery\n%s\n```", callable_text(r->arena, &call, NULL, NULL));
  if (call.doc && *call.doc) text = arena_printf(r->arena, "%s\n%s", text, call.doc);
  if (call.torch && *call.torch) text = arena_printf(r->arena, "%s (torch: `%s`)", text, call.torch);
  const char *made = describe_made(r, r->view->words.at[c->word].span.begin, false);
  return made ? arena_printf(r->arena, "%s\n\n%s", text, made) : text;
}

static const char *hover_setting(Request *r, const Cursor *c, const char *name) {
  for (int i = 0; c->block == BLOCK_INPUT && i < PREPROCESS_STEPS; i++) {
    const PreprocessStep *p = &preprocess_steps[i];
    if (streq(p->name, name)) return arena_printf(r->arena, "```surgery\n%s %s\n```\n%s", name, p->value, p->doc);
  }
  for (int i = 0; i < SETTING_KINDS; i++) {
    const TrainSetting *s = &train_settings[i];
    if (!streq(s->arg.name, name)) continue;
    const char *usual = s->arg.fallback ? arena_printf(r->arena, " (default: %s)", s->arg.fallback) : "";
    return arena_printf(r->arena, "**%s**%s\n\n%s", name, usual, s->doc);
  }
  return NULL;
}

static const char *hover_argument(Request *r, const Cursor *c, const char *name) {
  const char *of = c->call > 0 ? word_text(r->arena, r->view, c->call - 1) : "";
  Callable call = find_callable(r, c, of);
  for (size_t i = 0; i < call.args.count; i++) {
    const CallArg *a = &call.args.at[i];
    if (!streq(a->name, name)) continue;
    const char *usual = a->fallback ? arena_printf(r->arena, ", default %s", a->fallback) : ", required";
    const char *text = arena_printf(r->arena, "`%s` of %s: %s%s", name, of, a->type, usual);
    for (int k = 0; k < 4 && a->words[k]; k++)
      text = arena_printf(r->arena, "%s%s\"%s\"", text, k ? " or " : ": ", a->words[k]);
    return text;
  }
  return NULL;
}

static const char *hover_variable(Request *r, const char *name) {
  const Const *value = r->a->script.constants ? scope_get(r->a->script.constants, name) : NULL;
  if (!value || value->kind == CONST_MODEL || value->kind == CONST_UNKNOWN) return NULL;
  return arena_printf(r->arena, "`%s = %s`", name, const_text(r->arena, value));
}

static const char *joining_doc(const char *word) {
  static const char *const docs[][2] = {
      {"with", "what takes its place"},
      {"every", "all layers of a type: `every Conv2d in layer3`"},
      {"except", "all of the first but not the second"},
      {"from", "the weight file, or `random`"},
      {"under", "what the names in the file have in front"},
      {"allow", "what a load may lack: `allow missing /re/`, `unexpected`, `shape`, `dtype`"},
      {"parameters", "`parameters of SELECTOR`: their gradient only, as PyTorch's `requires_grad = False`"},
      {"all", "everything in the network"},
      {"backbone", "all stages"},
      {"head", "what follows the last stage"},
      {"_", "inferred from what flows in"}};
  for (size_t i = 0; i < LENGTH(docs); i++)
    if (streq(docs[i][0], word)) return docs[i][1];
  return NULL;
}

static const char *hover_keyword(Request *r, const Cursor *c, const char *word) {
  StmtKind kind = word_keyword(r->view, c->word);
  bool begins = r->view->words.at[c->word].first;
  if (kind == STMT_KINDS || !begins) {
    const char *doc = joining_doc(word);
    return doc ? arena_printf(r->arena, "**%s** — %s", word, doc) : NULL;
  }
  return arena_printf(r->arena, "**%s** — %s\n```surgery\n%s\n```", word, keywords[kind].doc, keywords[kind].form);
}

uint32_t view_statement_begin(const Cursor *c) {
  return c->first >= 0  ? c->view->words.at[c->first].span.begin
         : c->word >= 0 ? c->view->words.at[c->word].span.begin
                        : c->offset;
}

static const char *hover_text(Request *r, const Cursor *c, Span *span) {
  const char *word = word_text(r->arena, r->view, c->word), *text = NULL;
  switch (r->view->words.at[c->word].kind) {
  case WORD_KEYWORD: return hover_keyword(r, c, word);
  case WORD_TYPE:
  case WORD_FUNCTION: {
    const char *call = describe_made(r, r->view->words.at[c->word].span.begin, true);
    text = hover_callable(r, c, word);
    if (call) text = text ? arena_printf(r->arena, "%s\n\n%s", text, call) : call;
    break;
  }
  case WORD_SETTING: text = hover_setting(r, c, word); break;
  case WORD_ARGUMENT: text = hover_argument(r, c, word); break;
  case WORD_VARIABLE:
    text = hover_variable(r, word);
    if (!text) text = hover_callable(r, c, word);
    break;
  case WORD_LAYER:
    text = hover_declaration(r, c);
    if (!text) text = hover_path(r, c, false);
    break;
  case WORD_REGEX: text = hover_path(r, c, true); break;
  case WORD_STRING: text = hover_path(r, c, false); break;
  case WORD_CONSTANT:
    if (streq(word, "_") && (text = hover_hole(r))) return text;
    break;
  default: break;
  }
  if (!text) text = hover_match(r, span);
  if (text) return text;
  const char *doc = joining_doc(word);
  return doc ? arena_printf(r->arena, "**%s** — %s", word, doc) : NULL;
}

json_t *answer_hover(Request *r) {
  Cursor c = cursor_at(r->view, r->offset);
  if (c.word < 0 && r->offset < r->view->text.length) c = cursor_at(r->view, r->offset + 1); /* at a word's beginning */
  if (c.word < 0 || c.in_comment) return NULL;
  Span span = r->view->words.at[c.word].span;
  const char *text = hover_text(r, &c, &span);
  if (!text) return NULL;
  return json_pack("{s:{s:s, s:o}, s:o}", "contents", "kind", "markdown", "value", json_clean(text), "range",
                   request_range(r, span));
}
