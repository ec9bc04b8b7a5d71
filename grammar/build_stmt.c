/* Nodes of statements; see build.h. Must not ask what a name means. */
#include "grammar/parse_internal.h"

Stmt *build_stmt(Lexer *lx, StmtKind kind, Span span) {
  Stmt *stmt = arena_new(lx->arena, Stmt);
  stmt->kind = kind;
  stmt->span = span;
  stmt->depth = 1;
  stmt->name_span = stmt->file_span = stmt->under_span = stmt->to_span = SPAN_NONE;
  return stmt;
}

StmtList stmts_add(StmtList list, Stmt *stmt) {
  if (!stmt) return list;
  if (list.last) list.last->next = stmt;
  else list.first = stmt;
  list.last = stmt;
  if (stmt->depth > list.depth) list.depth = stmt->depth;
  return list;
}

void stmt_blocks(Lexer *lx, Stmt *stmt, StmtList body, StmtList other) {
  uint16_t below = body.depth > other.depth ? body.depth : other.depth;
  if (below < AST_MAX_DEPTH) {
    stmt->depth = (uint16_t)(below + 1);
    stmt->body = body.first;
    stmt->other = other.first;
    return;
  }
  Diag *diag = build_report(lx, DIAG_E0008, (Span){stmt->span.source, stmt->span.begin, stmt->span.begin + 2},
                            "blocks nested more than 200 deep, or as many else if");
  if (diag) diag_help(lx->diags, diag, "declare a model for the inner parts, or loop over a list of cases");
}

void stmt_name(Stmt *stmt, const char *name, Span span) {
  stmt->name = name;
  stmt->name_span = span;
  stmt->name_is_template = strchr(name, '{') != NULL;
}

void stmt_addition(Stmt *stmt, Donor *donor) {
  bool layer = !donor->slice && !donor->from && !donor->from_random && donor->from_span.source == SPAN_NO_SOURCE &&
               donor->model->kind != EXPR_STRING;
  if (layer) stmt->value = donor->model;
  else stmt->donor = donor;
}

void stmt_target(Lexer *lx, Stmt *stmt, const char *path, Span span, bool quoted) {
  Selector *target = quoted ? build_quoted(lx, span, path) : build_path(lx, span, path);
  stmt->to = path;
  stmt->to_span = span;
  stmt->to_is_template = target->is_template;
  if (!target->is_glob) return;
  Diag *diag = build_report(lx, DIAG_E0017, span, "the new name of a layer cannot be a pattern");
  if (diag) diag_help(lx->diags, diag, "give one plain name, as in rename fc to classifier");
}

bool setting_equals(Lexer *lx, Span equals, const char *name, Span values) {
  Diag *diag = build_report(lx, DIAG_E0014, equals, "a setting is written without '='");
  if (!diag) return false;
  if (cure_settings(lx, diag)) return true;
  diag_help(lx->diags, diag, "%s %s", name, lexer_show(lx, values));
  diag_fix(lx->diags, diag, (Span){equals.source, equals.begin, values.begin}, "%s",
           lx->text[equals.begin - 1] == ' ' ? "" : " ");
  return false;
}

Allow *build_allow(Lexer *lx, const char *what, Span what_span, Selector *selector) {
  Allow *allow = arena_new(lx->arena, Allow);
  allow->what = what;
  allow->what_span = what_span;
  allow->selector = selector;
  return allow;
}

AllowList allows_add(AllowList list, Allow *allow) {
  if (list.last) list.last->next = allow;
  else list.first = allow;
  list.last = allow;
  return list;
}
