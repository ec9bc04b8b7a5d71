/* The door to the edits: which function runs a statement, and the statements that wait for the take. Decides
 * nothing about the network itself. Called by script.c for every statement of a script, in order. */
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

static bool (*const edits[STMT_KINDS])(EditContext *, const Stmt *) = {
#define EDIT(word, KIND, ...) [STMT_##KIND] = edit_##word,
#define KEYWORD(...)
#define IN_TRAIN(...)
#include "grammar/keywords.def"
};

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
  if (setting) return run_setting(e, stmt);
  if (!edits[stmt->kind]) BUG("'%s' is no edit", stmt_title(stmt));
  return edits[stmt->kind](e, stmt);
}

bool edit_run(EditContext *e, const Stmt *stmt) {
  if (!(keywords[stmt->kind].flags & STMT_KEEPS_SHAPES)) e->shapes_known = false;
  log_begin(e->s, e->graph, stmt);
  bool ok = run_statement(e, stmt);
  log_end(e->s, e->graph);
  return ok;
}
