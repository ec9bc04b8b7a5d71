/* The door to the edits: which function runs a statement, and the statements that wait for the take. Decides
 * nothing about the network itself. Called by frontend/ for every statement of a script, in order. */
#include "compiler/script/script.h"
#include "compiler/select/log.h"

static bool run_train(EditContext *e, const Stmt *stmt) {
  TrainConfig *train = arena_new(e->s->arena, TrainConfig);
  bool ok = eval_train(e->s, e->scope, e->graph, stmt, train);
  train->span = stmt->span;
  e->train = train;
  return ok;
}

static bool run_setting(EditContext *e, const Stmt *stmt) {
  switch (stmt->kind) {
  case STMT_INPUT: return eval_input(e->s, e->scope, e->graph, stmt);
  case STMT_LABELS: return eval_labels(e->s, e->scope, e->graph, stmt);
  default: return run_train(e, stmt);
  }
}

static bool run_take(EditContext *e, const Stmt *stmt) {
  bool ok = edit_take(e, stmt);
  if (!e->graph) return false;
  for (size_t i = 0; i < e->early.count; i++) {
    int step = log_resume(e->s, e->early.at[i]);
    ok &= run_setting(e, e->early.at[i]);
    log_back(e->s, step);
  }
  e->early.count = 0;
  return ok;
}

/* One mistake, one message: after a take that failed, or beside statements that could not be read, an edit
 * without a network is no news. */
static bool no_network(EditContext *e, const Stmt *stmt) {
  if (e->taken || e->s->syntax_errors) return false;
  Diag *d = diag_report(&e->s->diags, DIAG_E0210, stmt->span, "there is no network yet to work on");
  const Stmt *take = stmt->next;
  while (take && take->kind != STMT_TAKE) take = take->next;
  if (take && take->span.source == stmt->span.source) {
    const char *text = e->s->sources.files.at[take->span.source].text;
    uint32_t from = stmt->span.begin, to = take->span.begin;
    diag_label(&e->s->diags, d, take->span, "put this first");
    while (to > from && strchr(" \t\r\n;", text[to - 1])) to--;
    diag_help(&e->s->diags, d, "edits stand behind the take");
    diag_fix(&e->s->diags, d, (Span){stmt->span.source, from, take->span.end}, "%.*s\n%.*s",
             (int)(take->span.end - take->span.begin), text + take->span.begin, (int)(to - from), text + from);
    e->taken = true;
    return false;
  }
  diag_help(&e->s->diags, d, "begin with a take, for example: take resnet18[0:5]");
  e->taken = true; /* said once */
  return false;
}

static bool run_statement(EditContext *e, const Stmt *stmt) {
  bool setting = stmt->kind == STMT_INPUT || stmt->kind == STMT_LABELS || stmt->kind == STMT_TRAIN;
  if (stmt->kind == STMT_TAKE) return run_take(e, stmt);
  if (stmt->kind == STMT_EXPECT) {
    if (!e->graph) return no_network(e, stmt);
    vec_push(e->s->arena, &e->expects, fold_constants(e->s, e->scope, stmt));
    return true;
  }
  if (setting && !e->graph) {
    vec_push(e->s->arena, &e->early, stmt);
    return true;
  }
  if (!e->graph) return no_network(e, stmt);
  switch (stmt->kind) {
  case STMT_INPUT:
  case STMT_LABELS:
  case STMT_TRAIN: return run_setting(e, stmt);
  case STMT_REMOVE: return edit_remove(e, stmt);
  case STMT_REPLACE: return edit_replace(e, stmt);
  case STMT_INSERT: return edit_insert(e, stmt);
  case STMT_APPEND: return edit_append(e, stmt);
  case STMT_PREPEND: return edit_prepend(e, stmt);
  case STMT_FREEZE:
  case STMT_UNFREEZE: return edit_freeze(e, stmt);
  case STMT_RENAME: return edit_rename(e, stmt);
  case STMT_INIT: return edit_init(e, stmt);
  case STMT_ADAPT: return edit_adapt(e, stmt);
  case STMT_LOAD: return edit_load(e, stmt);
  case STMT_SAVE: return edit_save(e, stmt);
  case STMT_OUTPUT: return edit_output(e, stmt);
  default: BUG("statement of kind %d is no edit", stmt->kind);
  }
}

/* Statements that change no shape, or say themselves when they do. */
static bool keeps_shapes(const Stmt *stmt) {
  switch (stmt->kind) {
  case STMT_REMOVE:
  case STMT_LOAD:
  case STMT_SAVE:
  case STMT_INIT:
  case STMT_FREEZE:
  case STMT_UNFREEZE:
  case STMT_EXPECT:
  case STMT_LABELS:
  case STMT_TRAIN: return true;
  default: return false;
  }
}

bool edit_run(EditContext *e, const Stmt *stmt) {
  if (!keeps_shapes(stmt)) e->shapes_known = false;
  log_begin(e->s, e->graph, stmt);
  bool ok = run_statement(e, stmt);
  log_end(e->s, e->graph);
  return ok;
}
