/* Running statements in order: `let`, `for`, `if` and `model` here, everything else by the handler of whoever
 * runs the block (the script, a model's body, a forward, the train block). For and if open no scope of their
 * own: as in Python, what they name is seen behind them. */
#include "compiler/lang/lang.h"

const char *stmt_title(const Stmt *stmt) {
  switch (stmt->kind) {
  case STMT_OUTPUT_ITEM: return "output";
  case STMT_SETTING: return stmt->name ? stmt->name : "a setting";
  case STMT_ASSIGN: return "an assignment";
  case STMT_EXPR: return "a layer";
  default: return keywords[stmt->kind].word;
  }
}

bool declare_model(Session *s, Scope *scope, const Stmt *stmt) {
  const Const *known = scope_own(scope, stmt->name);
  if (known && known->kind == CONST_MODEL && known->model) {
    Diag *d = front_error(s, DIAG_E0114, stmt->name_span, "the model '%s' is declared twice", stmt->name);
    diag_label(&s->diags, d, known->model->name_span, "first here");
    return false;
  }
  for (const Arg *a = stmt->params; a; a = a->next)
    for (const Arg *b = stmt->params; b != a; b = b->next)
      if (streq(a->name, b->name)) {
        front_error(s, DIAG_E0114, a->name_span, "the model '%s' has two arguments '%s'", stmt->name, a->name);
        return false;
      }
  scope_set(scope, stmt->name, (Const){.kind = CONST_MODEL, .text = stmt->name, .model = stmt, .scope = scope});
  return true;
}

/* ---- for ---- */

static bool bind_loop_variables(Eval *e, const Stmt *stmt, Const item) {
  if (stmt->params && !stmt->params->next) {
    scope_set(e->scope, stmt->params->name, item);
    return true;
  }
  size_t wanted = 0;
  for (const Arg *p = stmt->params; p; p = p->next) wanted++;
  if (item.kind != CONST_LIST || item.list.count != wanted) {
    front_error(e->s, DIAG_E0104, stmt->value->span, "the loop names %zu values, but an element is %s", wanted,
                const_text(e->s->arena, &item));
    return false;
  }
  size_t i = 0;
  for (const Arg *p = stmt->params; p; p = p->next) scope_set(e->scope, p->name, item.list.at[i++]);
  return true;
}

static bool run_once(Block *b, const Stmt *stmt, Const item) {
  if (!front_charge(b->eval.s, stmt->span, 1)) return false;
  for (const Arg *p = stmt->params; p; p = p->next) tell_hidden_param(b, p->name, p->name_span, stmt);
  return bind_loop_variables(&b->eval, stmt, item) && run_block(b, stmt->body);
}

/* The next turn of a loop would most likely say the same of the same words, which is said once; in a model it names
 * layers that others need. */
static bool goes_on_wrong(const Block *b) { return b->eval.graph && b->eval.s->steps <= MAX_STEPS; }

static bool run_range(Block *b, const Stmt *stmt) {
  Session *s = b->eval.s;
  Const from, to;
  if (!eval_expr(&b->eval, stmt->value->left, &from) || !eval_expr(&b->eval, stmt->value->right, &to)) return false;
  if (from.kind != CONST_INT || to.kind != CONST_INT) {
    front_error(s, DIAG_E0104, stmt->value->span, "a range runs over integers, not from %s to %s", const_kind(&from),
                const_kind(&to));
    return false;
  }
  /* Asked before the first iteration, so that a hostile loop costs nothing. */
  if (to.integer > from.integer && (uint64_t)to.integer - (uint64_t)from.integer > 100000) {
    Diag *d = front_error(s, DIAG_E0119, stmt->value->span, "a loop of %llu iterations: at most 100000",
                          (unsigned long long)((uint64_t)to.integer - (uint64_t)from.integer));
    diag_help(&s->diags, d, "loops run when the script is compiled, once for each layer");
    return false;
  }
  bool good = true;
  for (int64_t i = from.integer; i < to.integer && !b->stopped; i++) {
    good = run_once(b, stmt, const_int(i)) && good;
    if (!good && !goes_on_wrong(b)) break;
  }
  return good;
}

static bool run_for(Block *b, const Stmt *stmt) {
  if (stmt->value->kind == EXPR_RANGE) return run_range(b, stmt);
  Const list;
  if (!eval_expr(&b->eval, stmt->value, &list)) return false;
  if (list.kind != CONST_LIST) {
    front_error(b->eval.s, DIAG_E0104, stmt->value->span, "a loop runs over a range or a list, not over %s",
                const_kind(&list));
    return false;
  }
  bool good = true;
  for (size_t i = 0; i < list.list.count && !b->stopped; i++) {
    good = run_once(b, stmt, list.list.at[i]) && good;
    if (!good && !goes_on_wrong(b)) break;
  }
  return good;
}

static bool run_if(Block *b, const Stmt *stmt) {
  bool yes;
  if (!eval_condition(&b->eval, stmt->value, &yes)) return false;
  b->ifs++;
  bool good = run_block(b, yes ? stmt->body : stmt->other);
  b->ifs--;
  return good;
}

static bool run_statement(Block *b, const Stmt *stmt) {
  stmt = fill_templates(&b->eval, stmt);
  if (!stmt) return false;
  switch (stmt->kind) {
  case STMT_FOR: return run_for(b, stmt);
  case STMT_IF: return run_if(b, stmt);
  case STMT_LET: {
    Const value;
    if (!eval_expr(&b->eval, stmt->value, &value)) return false;
    tell_hidden_param(b, stmt->name, stmt->name_span, stmt);
    scope_set(b->eval.scope, stmt->name, value);
    return true;
  }
  case STMT_MODEL:
    tell_hidden_param(b, stmt->name, stmt->name_span, stmt);
    return declare_model(b->eval.s, b->eval.scope, stmt);
  default: return b->other(b, stmt);
  }
}

/* What a wrong statement would have named: whoever asks for it makes no second mistake. What it named stays. */
static void forget_names(Scope *scope, const Stmt *stmt) {
  bool named =
      stmt->kind == STMT_LET || stmt->kind == STMT_PARAM || (stmt->kind == STMT_ASSIGN && !stmt->name_is_template);
  if (named && !scope_own(scope, stmt->name)) scope_set(scope, stmt->name, (Const){.kind = CONST_UNKNOWN});
  if (stmt->kind != STMT_FOR && stmt->kind != STMT_IF) return;
  for (const Arg *p = stmt->kind == STMT_FOR ? stmt->params : NULL; p; p = p->next)
    if (!scope_own(scope, p->name)) scope_set(scope, p->name, (Const){.kind = CONST_UNKNOWN});
  for (const Stmt *inner = stmt->body; inner; inner = inner->next) forget_names(scope, inner);
  for (const Stmt *inner = stmt->other; inner; inner = inner->next) forget_names(scope, inner);
}

bool run_block(Block *b, const Stmt *first) {
  Session *s = b->eval.s;
  if (!first) return true;
  if (!front_enter(s, first->span)) return false;
  bool good = true;
  for (const Stmt *stmt = first; stmt && !b->stopped; stmt = stmt->next) {
    if (front_charge(s, stmt->span, 1) && run_statement(b, stmt)) continue;
    good = false;
    forget_names(b->eval.scope, stmt);
    if (b->failed) b->failed(b, stmt);
    if (!b->keep_going || s->steps > MAX_STEPS) break;
  }
  front_leave(s);
  return good;
}
