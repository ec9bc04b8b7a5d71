/* The record of a script's statements that `surgeryc plan` prints. Compares the network before and behind each
 * statement by the ids of its layers, functions and parameters. Called by compiler/edit and the selectors. */
#include "compiler/select/log.h"
#include <stdlib.h>

typedef struct LogState { /* of a network: names by id, NULL where dead */
  const char **module, **node;
  bool *trainable;
  size_t modules, nodes, params; /* how many of each */
  size_t module_room, node_room, param_room;
} LogState;

#define WITH_ROOM(arena, list, T, room, count)                                                                         \
  if ((count) >= (room)) (room) = (count) * 2 + 16, (list) = arena_array((arena), T, (room))

EditLog *log_create(Arena *arena) {
  EditLog *log = arena_new(arena, EditLog);
  log->arena = arena;
  log->current = -1;
  return log;
}

static LogStep *current(EditLog *log) { return log && log->current >= 0 ? &log->steps.at[log->current] : NULL; }

/* A layer, or a function that is called: what counts as one thing in the lists. */
static bool is_layer(const Graph *g, size_t module) { return module_at(g, module)->op != OP_NONE; }
static bool is_function(const Graph *g, size_t node) { return node_at(g, node)->module == NO_ID; }

/* Into the memory of an earlier state; NULL: of none. */
static LogState *state_of(Arena *arena, LogState *state, const Graph *g) {
  if (!state) state = arena_new(arena, LogState);
  state->modules = g ? g->modules.count : 0, state->nodes = g ? g->nodes.count : 0,
  state->params = g ? g->params.count : 0;
  WITH_ROOM(arena, state->module, const char *, state->module_room, state->modules);
  WITH_ROOM(arena, state->node, const char *, state->node_room, state->nodes);
  WITH_ROOM(arena, state->trainable, bool, state->param_room, state->params);
  for (size_t i = 0; i < state->modules; i++)
    state->module[i] = module_at(g, i)->alive && is_layer(g, i) ? module_at(g, i)->name : NULL;
  for (size_t i = 0; i < state->nodes; i++)
    state->node[i] = node_at(g, i)->alive && is_function(g, i) ? node_at(g, i)->name : NULL;
  for (size_t i = 0; i < state->params; i++) state->trainable[i] = param_at(g, i)->trainable;
  return state;
}

void log_begin(Session *s, const Graph *g, const Stmt *stmt) {
  EditLog *log = s->log;
  if (!log) return;
  vec_push(log->arena, &log->steps, (LogStep){.stmt = stmt});
  log->current = (int)log->steps.count - 1;
  log->before = state_of(log->arena, log->before, g);
}

int log_resume(Session *s, const Stmt *stmt) {
  EditLog *log = s->log;
  if (!log) return -1;
  int was = log->current;
  log->current = -1;
  for (size_t i = log->steps.count; i-- > 0 && log->current < 0;)
    if (log->steps.at[i].stmt == stmt) log->current = (int)i;
  return was;
}

void log_back(Session *s, int step) {
  if (s->log) s->log->current = step;
}

/* ---- differences ---- */

static void compare_names(EditLog *log, LogStep *step, const char *was, const char *is, bool donor) {
  if (was && !is) vec_push(log->arena, &step->removed, was);
  if (!was && is && donor) vec_push(log->arena, &step->restored, is);
  if (!was && is && !donor) vec_push(log->arena, &step->added, is);
  if (was && is && !streq(was, is)) vec_push(log->arena, &step->renamed, arena_printf(log->arena, "%s to %s", was, is));
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static bool is_among(const LogNames *sorted, const char *name) {
  return sorted->count && bsearch(&name, sorted->at, sorted->count, sizeof *sorted->at, by_name);
}

static LogNames without(Arena *arena, const LogNames *names, const LogNames *sorted) {
  LogNames rest = {0};
  for (size_t i = 0; i < names->count; i++)
    if (!is_among(sorted, names->at[i])) vec_push(arena, &rest, names->at[i]);
  return rest;
}

/* What went and came under the same name was replaced. */
static void find_replaced(EditLog *log, LogStep *step) {
  if (step->added.count == 0 || step->removed.count == 0) return;
  LogNames went = {0}, both = {0};
  for (size_t i = 0; i < step->removed.count; i++) vec_push(log->arena, &went, step->removed.at[i]);
  qsort(went.at, went.count, sizeof *went.at, by_name);
  for (size_t i = 0; i < step->added.count; i++)
    if (is_among(&went, step->added.at[i])) vec_push(log->arena, &both, step->added.at[i]);
  if (both.count == 0) return;
  for (size_t i = 0; i < both.count; i++) vec_push(log->arena, &step->replaced, both.at[i]);
  qsort(both.at, both.count, sizeof *both.at, by_name);
  step->added = without(log->arena, &step->added, &both);
  step->removed = without(log->arena, &step->removed, &both);
}

static void compare_params(EditLog *log, LogStep *step, const LogState *before, const Graph *g) {
  for (size_t i = 0; i < before->params; i++) {
    const Param *p = param_at(g, i);
    if (p->is_buffer || p->trainable == before->trainable[i] || !module_at(g, p->module)->alive) continue;
    if (p->trainable) vec_push(log->arena, &step->unfrozen, (ParamId)i);
    else vec_push(log->arena, &step->frozen, (ParamId)i);
  }
}

/* A take brings a network: what of the donor's it does not have was cut off. */
static void note_take(EditLog *log, LogStep *step, const Graph *g) {
  log->donor_modules = g->modules.count;
  log->donor_nodes = g->nodes.count;
  log->donor_params = g->params.count;
  for (size_t i = 0; i < g->modules.count; i++) {
    if (!is_layer(g, i)) continue;
    step->kept += module_at(g, i)->alive;
    if (!module_at(g, i)->alive) vec_push(log->arena, &step->cut, module_at(g, i)->name);
  }
  for (size_t i = 0; i < g->nodes.count; i++) {
    if (!is_function(g, i)) continue;
    step->kept += node_at(g, i)->alive;
    if (!node_at(g, i)->alive) vec_push(log->arena, &step->cut, node_at(g, i)->name);
  }
}

static void note_changes(EditLog *log, LogStep *step, const Graph *g) {
  if (step->stmt->kind == STMT_TAKE) {
    note_take(log, step, g);
    return;
  }
  const LogState *was = log->before, *is = log->after = state_of(log->arena, log->after, g);
  for (size_t i = 0; i < is->modules; i++)
    compare_names(log, step, i < was->modules ? was->module[i] : NULL, is->module[i], i < log->donor_modules);
  for (size_t i = 0; i < is->nodes; i++)
    compare_names(log, step, i < was->nodes ? was->node[i] : NULL, is->node[i], i < log->donor_nodes);
  find_replaced(log, step);
  compare_params(log, step, was, g);
}

void log_end(Session *s, Graph *g) {
  EditLog *log = s->log;
  LogStep *step = current(log);
  if (!step) return;
  log->current = -1;
  if (g) note_changes(log, step, g);
  if (log->watch) log->watch(log->user, g, step);
}

/* ---- selectors ---- */

static bool within_picked(const Graph *g, const Picked *p, ModuleId module) {
  return module != NO_ID && p->module[module];
}

static bool lies_in(Span inner, Span outer) {
  return inner.source == outer.source && inner.begin >= outer.begin && inner.end <= outer.end;
}

void log_match(Session *s, const Graph *g, const Selector *selector, const Picked *p) {
  EditLog *log = s->log;
  LogStep *step = current(log);
  if (!step || !lies_in(selector->span, step->stmt->span)) return; /* of a model's own stages */
  LogMatch match = {.span = selector->span};
  for (size_t i = 1; i < g->modules.count; i++) {
    if (!p->module[i]) continue;
    match.layers += is_layer(g, i);
    match.cut = match.cut || !module_at(g, i)->alive;
    if (!within_picked(g, p, module_at(g, i)->parent)) vec_push(log->arena, &match.names, module_at(g, i)->name);
  }
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    if (!p->node[i]) continue;
    match.layers += n->module == NO_ID;
    match.cut = match.cut || !n->alive;
    if (!within_picked(g, p, n->module) && !within_picked(g, p, n->scope)) vec_push(log->arena, &match.names, n->name);
  }
  for (size_t i = 0; i < g->params.count; i++) {
    const Param *param = param_at(g, i);
    if (!p->param[i]) continue;
    if (!within_picked(g, p, param->module)) vec_push(log->arena, &match.names, param->name);
    if (!param->is_buffer) vec_push(log->arena, &match.params, (ParamId)i);
  }
  vec_push(log->arena, &step->matches, match);
}
