/* A let, a loop's variable or a model that takes the name of one of the script's params: what -D gives is then silently
 * not used. Told as a warning. Not told, as each is meant: a model's own arguments and layers; a let whose value comes
 * from the param (`let width = max(width, 8)`); a let in an `if` (`if quick { let epochs = 1 }`) without a -D. */
#include "compiler/lang/lang.h"

static bool mentions(const Expr *expr, const char *name) {
  if (!expr) return false;
  if (expr->kind == EXPR_NAME && streq(expr->text, name)) return true;
  if (expr->kind == EXPR_STRING && strstr(expr->text, name)) return true; /* "{name}.pth" */
  for (const Arg *arg = expr->args; arg; arg = arg->next)
    if (mentions(arg->value, name)) return true;
  return mentions(expr->left, name) || mentions(expr->right, name);
}

/* A model that is built twice says it once. */
static bool told(const Session *s, Span span) {
  for (size_t i = 0; i < s->diags.all.count; i++) {
    const Diag *d = s->diags.all.at[i];
    if (d->code == DIAG_W0180 && d->span.source == span.source && d->span.begin == span.begin) return true;
  }
  return false;
}

void note_param(Session *s, Scope *scope, const Stmt *stmt, bool given) {
  if (!s->param_names) s->param_names = scope_create(s->arena, NULL);
  scope_set(s->param_names, stmt->name, (Const){.kind = CONST_BOOL, .integer = given, .model = stmt, .scope = scope});
}

void tell_hidden_param(Block *b, const char *name, Span span, const Stmt *by) {
  Session *s = b->eval.s;
  const Const *param = scope_own(s->param_names, name);
  if (!param || param->kind != CONST_BOOL || scope_get(b->eval.scope, name) != scope_own(param->scope, name)) return;
  bool whole = b->eval.scope == param->scope; /* else in one model only */
  if (!whole && span.source != param->model->name_span.source)
    return; /* a library's model knows no params of scripts */
  if (by->kind == STMT_LET && (mentions(by->value, name) || (b->ifs && !param->integer))) return;
  if (told(s, span)) return;
  Diag *d = diag_report(&s->diags, DIAG_W0180, span,
                        "this hides the param '%s'%s: -D %s=… changes nothing that comes after it", name,
                        whole ? "" : " in this model", name);
  diag_label(&s->diags, d, param->model->name_span, "the param");
  if (by->kind == STMT_LET && whole)
    diag_help(&s->diags, d,
              "for another default change the param itself; for another value take another name: let %s_2 = %s", name,
              front_text(s, by->value->span));
  else
    diag_help(&s->diags, d, "give %s another name, '%s_2' for example",
              by->kind == STMT_FOR   ? "the loop's variable"
              : by->kind == STMT_LET ? "the let"
                                     : "the model",
              name);
  if (whole) scope_set(s->param_names, name, (Const){.kind = CONST_NONE}); /* from here on it is no param */
}
