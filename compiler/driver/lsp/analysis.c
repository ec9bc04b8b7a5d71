/* Running the front end for an editor, and what is remembered of it. Must not answer anything itself. Called by
 * server.c for each version of a document that somebody asks about. */
#include "compiler/driver/lsp/analysis.h"
#include "compiler/ops/shape.h"
#include "compiler/weights/weights.h"
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool span_holds(Span span, uint32_t source, uint32_t offset) {
  return span.source == source && span.begin <= offset && offset <= span.end;
}

/* ---- what is remembered of each statement ---- */

static void list_layers(Arena *arena, const Graph *g, LayerNames *list) {
  list->count = 0;
  vec_reserve(arena, list, g->modules.count + 16);
  for (size_t i = 1; i < g->modules.count; i++) {
    const Module *m = module_at(g, i);
    if (m->alive || m->cut) vec_push(arena, list, (LayerName){m->name, m->type, (int32_t)i, false, !m->alive});
  }
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    if (n->module == NO_ID && n->alive)
      vec_push(arena, list, (LayerName){n->name, op_info(n->op)->name, (int32_t)i, true, false});
  }
}

/* Shapes between two statements, without a word: as edit_shapes_now() does it, but the edits do not learn of it. */
static Shape output_now(Analysis *a, Graph *g) {
  Shape unknown = {.rank = -1};
  Diags kept = a->s.diags;
  a->s.diags = (Diags){.arena = a->arena, .sources = &a->s.sources};
  look_at_shapes(&a->s, g);
  a->s.diags = kept;
  return g->outputs.count ? value_at(g, g->outputs.at[0].value)->shape : unknown;
}

static Moment *moment_of(Analysis *a, Span span) {
  for (size_t i = a->moments.count; i-- > 0;)
    if (memcmp(&a->moments.at[i].span, &span, sizeof span) == 0) return &a->moments.at[i];
  return NULL;
}

/* The network has changed. A long loop is not looked at after each of its steps: then the end of the run counts. */
static void look(Analysis *a, Graph *g, bool layers, LayerNames **own) {
  static const double longest = 0.02; /* seconds, of a whole run */
  double start = now();
  bool in_time = a->looking < longest;
  if (layers && in_time && !*own) *own = arena_new(a->arena, LayerNames);
  if (layers && in_time) list_layers(a->arena, g, *own);
  if (layers) a->layers = in_time ? *own : &a->layers_at_end;
  a->output = in_time ? output_now(a, g) : (Shape){.rank = -1};
  a->looking += now() - start;
}

static void watch(void *user, Graph *g, const LogStep *step) {
  enum { MOST_MOMENTS = 2000 };
  Analysis *a = user;
  const Stmt *stmt = step->stmt;
  Moment *same = moment_of(a, stmt->span);
  if (!same && a->moments.count >= MOST_MOMENTS) return;
  bool changed = stmt->kind == STMT_TAKE || step->added.count || step->removed.count || step->replaced.count ||
                 step->renamed.count || step->restored.count || !a->layers;
  Moment moment = {.span = stmt->span, .kind = stmt->kind, .step = a->log->steps.count - 1};
  if (same) moment.own = same->own;
  Shape before = a->layers ? a->output : (Shape){.rank = -1};
  if (g && (changed || !(keywords[stmt->kind].flags & STMT_KEEPS_SHAPES))) look(a, g, changed, &moment.own);
  moment.layers = a->layers;
  moment.output = a->layers ? a->output : before;
  moment.reshaped = !shape_equal(&before, &moment.output);
  if (same) *same = moment;
  else vec_push(a->arena, &a->moments, moment);
}

/* ---- running ---- */

/* The built-in networks are read once for all analyses: nobody changes them. */
static const Session *zoo_session(void) {
  static Session zoo;
  if (zoo.zoo) return &zoo;
  zoo = (Session){.arena = arena_create()};
  zoo.sources.arena = zoo.diags.arena = zoo.arena;
  zoo.diags.sources = &zoo.sources;
  zoo_scope(&zoo);
  return &zoo;
}

typedef struct Running {
  Analysis *a;
  const AnalysisSetup *setup;
  const char *path;
} Running;

static void run(void *user) {
  Running *r = user;
  Analysis *a = r->a;
  const Session *zoo = zoo_session(), *options = r->setup->options;
  Session *s = &a->s;
  *s = (Session){.arena = a->arena, .zoo = zoo->zoo, .names_trusted = true};
  s->sources = (Sources){.arena = a->arena, .overlay = &r->setup->overlay};
  for (size_t i = 0; i < zoo->sources.files.count; i++) vec_push(a->arena, &s->sources.files, zoo->sources.files.at[i]);
  s->diags = (Diags){.arena = a->arena, .sources = &s->sources};
  if (options) {
    memcpy(&s->defines, &options->defines, sizeof s->defines);
    memcpy(&s->include_dirs, &options->include_dirs, sizeof s->include_dirs);
    memcpy(&s->weights, &options->weights, sizeof s->weights);
    s->missing_allowed = options->missing_allowed;
  }
  a->root = (uint32_t)s->sources.files.count;
  s->log = a->log = log_create(a->arena);
  a->log->watch = watch;
  a->log->user = a;
  a->good = run_script(s, r->path, &a->script);
  if (a->script.graph) list_layers(a->arena, a->script.graph, &a->layers_at_end);
  a->finished = true;
}

/* Where a mistake ended the run before the shapes, they and the `_` are filled in as far as they can be told. */
static void fill_shapes(void *user) {
  Analysis *a = user;
  Diags kept = a->s.diags;
  a->s.diags = (Diags){.arena = a->arena, .sources = &a->s.sources};
  a->shaped = infer_shapes(&a->s, a->script.graph);
  a->s.diags = kept;
}

static void close_weights(void *user) { weights_close(((Analysis *)user)->script.graph); }

Analysis *analysis_new(const AnalysisSetup *setup, const char *path) {
  Analysis *a = calloc(1, sizeof *a);
  if (!a) fail_environment("no memory");
  a->arena = arena_create();
  Running running = {a, setup, path};
  const char *why;
  if (!guarded(run, &running, &why)) {
    a->failure = strdup(why);
    a->good = false;
    a->script = (Script){0};
  }
  if (a->script.graph && !a->good) {
    Diags diags = a->s.diags;
    if (!guarded(fill_shapes, a, &why)) a->s.diags = diags;
  }
  if (a->script.graph) guarded(close_weights, a, &why);
  bug_compiling(NULL, SPAN_NONE);
  return a;
}

void analysis_free(Analysis *a) {
  if (!a) return;
  for (size_t i = 0; i < a->views.count; i++) free(a->views.at[i].text.lines);
  arena_destroy(a->arena);
  free(a->failure);
  free(a);
}

/* ---- what is asked ---- */

const SourceView *analysis_view(Analysis *a, uint32_t source) {
  if (source >= a->s.sources.files.count) return NULL;
  while (a->views.count < a->s.sources.files.count) vec_push(a->arena, &a->views, (SourceView){0});
  SourceView *view = &a->views.at[source];
  if (view->read) return view;
  const Source *file = &a->s.sources.files.at[source];
  if (!text_lines(&view->text, file->text, file->length)) fail_environment("no memory");
  Diags unheard = {.arena = a->arena, .sources = &a->s.sources};
  view->words = script_words(a->arena, &unheard, &a->s.sources, source, &view->tree);
  view->read = true;
  return view;
}

uint32_t analysis_source(const Analysis *a, const char *path) {
  for (size_t i = a->root; i < a->s.sources.files.count; i++) {
    const char *file = a->s.sources.files.at[i].path;
    if (*file == '<') continue;
    char *plain = path_plain(file);
    bool same = plain && streq(plain, path);
    free(plain);
    if (same) return (uint32_t)i;
  }
  return SPAN_NO_SOURCE;
}

/* The place in `source` where the other span was included; its own where it is there already. */
static bool place_in(const Analysis *a, Span span, uint32_t source, uint32_t *begin, uint32_t *end) {
  for (int depth = 0; depth < 64 && span.source < a->s.sources.files.count; depth++) {
    *begin = span.begin, *end = span.end;
    if (span.source == source) return true;
    span = a->s.sources.files.at[span.source].included;
  }
  return false;
}

const Moment *analysis_moment(const Analysis *a, uint32_t source, uint32_t offset) {
  const Moment *best = NULL;
  bool met = false; /* a statement of this source */
  for (size_t i = 0; i < a->moments.count; i++) {
    const Moment *m = &a->moments.at[i];
    uint32_t begin, end;
    if (place_in(a, m->span, source, &begin, &end)) {
      met = true;
      if (end >= offset) continue; /* after the place, or around it */
      best = m;
    } else if (!met) best = m; /* of the file that includes this one, before it did */
  }
  return best;
}

static void make(void *user) {
  Analysis *a = user;
  a->plan = make_plan(a->arena, a->script.graph, a->good ? a->script.train : NULL);
}

const Plan *analysis_plan(Analysis *a) {
  const char *why;
  bool whole = a->script.graph && (a->good || a->shaped); /* what is wrong changed nothing in the network */
  if (!a->planned && whole && !guarded(make, a, &why)) a->plan = NULL;
  a->planned = true;
  return a->plan;
}
