/* What an editor shows beside the text without being asked: shapes and the sizes of selectors at the ends of lines, the
 * network's totals above the take; and the arguments of the call that is being typed. Called by server.c. */
#include "compiler/driver/lsp/cursor.h"
#include "runtime/abi.h"
#include "runtime/base/text.h"
#include "runtime/surgery.h"

/* ---- inlay hints ---- */

typedef struct Hints {
  Request *r;
  json_t *list;
  uint32_t begin, end; /* what the editor shows */
} Hints;

static void add_hint(Hints *h, uint32_t at, const char *label, const char *tooltip) {
  if (at < h->begin || at > h->end) return;
  json_t *hint = json_pack("{s:o, s:s, s:b}", "position", text_position(&h->r->view->text, h->r->server->encoding, at),
                           "label", label, "paddingLeft", 1);
  if (tooltip) json_object_set_new(hint, "tooltip", json_string(tooltip));
  json_array_append_new(h->list, hint);
}

static void hint_matches(Hints *h, const Moment *m) {
  const LogStep *step = &h->r->a->log->steps.at[m->step];
  for (size_t i = 0; i < step->matches.count; i++) {
    const LogMatch *match = &step->matches.at[i];
    size_t count = match->layers ? match->layers : match->params.count;
    if (match->span.source != h->r->source || count < 2) continue;
    bool again = false; /* a statement may resolve a selector twice */
    for (size_t k = 0; k < i; k++) again = again || memcmp(&step->matches.at[k].span, &match->span, sizeof(Span)) == 0;
    const char *what = match->layers ? "layers" : "tensors";
    if (!again) add_hint(h, match->span.end, arena_printf(h->r->arena, "%zu %s", count, what), NULL);
  }
}

/* Where a line's last word that is no comment ends. */
static uint32_t line_end_of(const SourceView *view, uint32_t from) {
  uint32_t end = from;
  const char *newline = memchr(view->text.at + from, '\n', view->text.length - from);
  uint32_t most = newline ? (uint32_t)(newline - view->text.at) : (uint32_t)view->text.length;
  for (size_t i = 0; i < view->words.count; i++) {
    const ScriptWord *w = &view->words.at[i];
    if (w->span.begin >= most) break;
    if (w->span.end > end && w->span.end <= most && w->kind != WORD_COMMENT) end = w->span.end;
  }
  return end;
}

static bool in_statement(const Analysis *a, Span span) {
  for (size_t i = 0; i < a->moments.count; i++)
    if (span_holds(a->moments.at[i].span, span.source, span.begin)) return true;
  return false;
}

typedef struct LineShape { /* the outermost call on a line of a model */
  uint32_t end;
  Span span;
  Shape shape;
  bool several; /* its calls have others, too */
} LineShape;

/* The lines of models: what flows out of the layer, or of the call in a forward. */
static void hint_models(Hints *h) {
  const Graph *g = h->r->a->script.graph;
  VEC(LineShape) lines = {0};
  Map places = {0};
  for_each_alive_node(g, n) {
    const Shape *shape = &value_at(g, n->output)->shape;
    Span spans[2] = {n->place, n->module != NO_ID ? module_at(g, n->module)->args_span : SPAN_NONE};
    for (int i = 0; i < 2 && shape->rank >= 0; i++) {
      Span span = spans[i];
      if (span.source != h->r->source || span.end <= span.begin || span.begin < h->begin || span.begin > h->end)
        continue;
      if (i == 1 && memcmp(&spans[0], &spans[1], sizeof(Span)) == 0) continue;
      size_t line, character;
      text_place(&h->r->view->text, ENCODING_UTF8, span.begin, &line, &character);
      uint32_t *key = arena_new(h->r->arena, uint32_t);
      *key = (uint32_t)line;
      MapEntry *entry = map_add(h->r->arena, &places, key, sizeof *key);
      if (entry->value < 0) {
        if (in_statement(h->r->a, span)) continue;
        entry->value = (int32_t)lines.count;
        vec_push(h->r->arena, &lines, (LineShape){line_end_of(h->r->view, span.begin), span, *shape, false});
        continue;
      }
      LineShape *known = &lines.at[entry->value];
      bool outer = span.begin <= known->span.begin && span.end >= known->span.end;
      bool same = memcmp(&span, &known->span, sizeof span) == 0;
      if (same) known->several = known->several || !shape_equal(&known->shape, shape);
      else if (outer) *known = (LineShape){known->end, span, *shape, false};
    }
  }
  for (size_t i = 0; i < lines.count; i++)
    add_hint(
        h, lines.at[i].end,
        arena_printf(h->r->arena, "%s%s", shape_text(h->r->arena, &lines.at[i].shape), lines.at[i].several ? " …" : ""),
        lines.at[i].several ? "of its first call; others have other shapes" : NULL);
}

static uint32_t offset_in(const Request *r, const char *end, uint32_t missing) {
  const json_t *position = json_object_get(json_object_get(r->params, "range"), end);
  const json_t *line = json_object_get(position, "line");
  if (!json_is_integer(line)) return missing;
  return (uint32_t)text_offset(&r->view->text, r->server->encoding, json_integer_value(line),
                               json_integer_value(json_object_get(position, "character")));
}

json_t *answer_inlay_hints(Request *r) {
  Hints h = {r, json_array(), offset_in(r, "start", 0), offset_in(r, "end", UINT32_MAX)};
  for (size_t i = 0; i < r->a->moments.count; i++) {
    const Moment *m = &r->a->moments.at[i];
    if (m->span.source != r->source) continue;
    hint_matches(&h, m);
    if (m->reshaped && m->output.rank >= 0)
      add_hint(&h, line_end_of(r->view, m->span.end), shape_text(r->arena, &m->output),
               "what the network returns here");
  }
  if (r->a->script.graph) hint_models(&h);
  return h.list;
}

/* ---- code lenses ---- */

static int64_t program_bytes(const Program *p, int64_t n, int threads) {
  if (!p->present) return 0;
  int64_t samples = p->samples * ((threads + SG_SAMPLES_THREADS - 1) / SG_SAMPLES_THREADS);
  if (samples && samples < n) n = samples;
  return p->per_sample_bytes * n + p->fixed_bytes + p->scratch_bytes * threads;
}

static void add_lens(Request *r, json_t *list, Span span, const char *title, const char *command) {
  json_t *lens = json_pack("{s:o, s:{s:o, s:s, s:[s]}}", "range", request_range(r, span), "command", "title",
                           json_clean(title), "command", command, "arguments", r->document->uri);
  json_array_append_new(list, lens);
}

static const char *thousands(Arena *arena, int64_t n) {
  char text[32];
  return arena_strdup(arena, text_thousands(n, text));
}

static const char *bytes_text(Arena *arena, int64_t bytes) {
  return arena_printf(arena, "%.1f MB", (double)bytes / 1e6);
}

/* The run of the last script above which lenses stand is the document's own: its first take. */
static const Moment *first_take(const Request *r) {
  for (size_t i = 0; i < r->a->moments.count; i++)
    if (r->a->moments.at[i].kind == STMT_TAKE && r->a->moments.at[i].span.source == r->source)
      return &r->a->moments.at[i];
  return NULL;
}

json_t *answer_code_lenses(Request *r) {
  json_t *list = json_array();
  const Graph *g = r->a->script.graph;
  const Moment *take = first_take(r);
  if (!take || !g) return list;
  Span span = {take->span.source, take->span.begin, take->span.begin + 4};
  Totals t = known_totals(g, 0);
  add_lens(
      r, list, span,
      arena_printf(r->arena, "%s parameters, %s trained", thousands(r->arena, t.all), thousands(r->arena, t.trained)),
      "");
  const Plan *plan = analysis_plan(r->a);
  if (plan) {
    int threads = surgery_threads();
    int64_t forward = plan->weights_bytes + plan->packed_bytes + program_bytes(&plan->forward, 1, threads);
    const char *memory =
        arena_printf(r->arena, "%s a sample · %s of memory", flops_text(r->arena, program_flops(&plan->forward)),
                     bytes_text(r->arena, forward));
    if (plan->step.present && plan->batch > 0) {
      int64_t training = plan->weights_bytes + plan->packed_bytes + plan->grads_bytes +
                         program_bytes(&plan->step, plan->batch, threads) +
                         program_bytes(&plan->prefix, plan->batch, threads);
      memory = arena_printf(r->arena, "%s, in training %s and the optimizer's, batch %lld", memory,
                            bytes_text(r->arena, training), (long long)plan->batch);
    }
    add_lens(r, list, span, memory, "");
  }
  add_lens(r, list, span, "show the graph", "surgery.graph");
  return list;
}

/* ---- signature help ---- */

json_t *answer_signature(Request *r) {
  Cursor c = cursor_at(r->view, r->offset);
  if (c.call <= 0 || c.in_comment) return NULL;
  const char *name = word_text(r->arena, r->view, c.call - 1);
  Callable call = find_callable(r, &c, name);
  if (!call.known) return NULL;
  size_t *at = arena_array(r->arena, size_t, call.args.count + 1),
         *end = arena_array(r->arena, size_t, call.args.count + 1);
  const char *label = callable_text(r->arena, &call, at, end);
  int active = c.argument;
  const char *named = word_text(r->arena, r->view, c.named);
  json_t *parameters = json_array();
  for (size_t i = 0; i < call.args.count; i++) {
    const CallArg *a = &call.args.at[i];
    if (c.named >= 0 && streq(a->name, named)) active = (int)i;
    json_t *parameter = json_pack("{s:s}", "label", arena_strndup(r->arena, label + at[i], end[i] - at[i]));
    if (*a->type) json_object_set_new(parameter, "documentation", json_string(a->type));
    json_array_append_new(parameters, parameter);
  }
  json_t *signature = json_pack("{s:o, s:o}", "label", json_clean(label), "parameters", parameters);
  if (call.doc && *call.doc) json_object_set_new(signature, "documentation", json_clean(call.doc));
  return json_pack("{s:[o], s:i, s:i}", "signatures", signature, "activeSignature", 0, "activeParameter", active);
}
