/* Help for what a PyTorch user types that is written otherwise here: names with their module in front, functions and
 * layers of other names, a Python assignment at the top of a script. Says what is meant and gives the fix; whether it
 * is a mistake was found by the callers. */
#include "compiler/lang/lang.h"
#include <ctype.h>

/* ---- nn.Linear, torch.relu, self.conv1 ---- */

static bool is_module(const char *name) {
  static const char *const modules[] = {"nn", "torch", "F", "self", "functional", "torchvision", "models"};
  for (size_t i = 0; i < LENGTH(modules); i++)
    if (streq(modules[i], name)) return true;
  return false;
}

/* A layer, a function of a forward, or what the script has named. */
static bool name_here(Eval *e, const char *name) {
  return scope_get(e->scope, name) || op_find(name, true) != OP_NONE || streq(name, "Sequential") ||
         (e->trace && op_find(name, false) != OP_NONE);
}

const Expr *without_module(Eval *e, const Expr *callee) {
  const Expr *root = callee;
  if (callee->kind != EXPR_MEMBER) return NULL;
  while (root->kind == EXPR_MEMBER) root = root->left;
  if (root->kind != EXPR_NAME || !is_module(root->text) || scope_get(e->scope, root->text)) return NULL;
  if (streq(root->text, "self") && callee->left != root) return NULL; /* self.blocks.0: a member of a member */
  Span prefix = {callee->span.source, callee->span.begin, callee->span.end - (uint32_t)strlen(callee->text)};
  const char *text = front_text(e->s, prefix);
  Expr *plain = arena_new(e->s->arena, Expr);
  *plain = *callee;
  plain->kind = EXPR_NAME;
  plain->left = NULL;
  if (!name_here(e, callee->text)) return plain; /* without its module it is as unknown: one message, by the caller */
  Diag *d = front_error(e->s, DIAG_E0103, prefix, "'%s%s' is written %s here", text, callee->text, callee->text);
  diag_help(&e->s->diags, d, "leave '%s' out", text);
  diag_fix(&e->s->diags, d, prefix, "%s", "");
  plain->span.begin = prefix.end;
  return plain;
}

/* ---- functions and layers ---- */

bool help_unknown_call(Eval *e, Diag *d, const Expr *callee, const Expr *call) {
  Diags *diags = &e->s->diags;
  const Arg *first = call->args, *second = first ? first->next : NULL;
  if (streq(callee->text, "range") && first && !(second && second->next)) {
    const char *from = second ? front_text(e->s, first->value->span) : "0";
    const char *to = front_text(e->s, (second ? second : first)->value->span);
    diag_help(diags, d, "a range is written %s..%s; its end is not in it", from, to);
    diag_fix(diags, d, call->span, "%s..%s", from, to);
    return true;
  }
  if (streq(callee->text, "view") || streq(callee->text, "reshape")) {
    bool member = callee->kind == EXPR_MEMBER;
    Span span = {call->span.source, callee->span.end - (uint32_t)strlen(callee->text), call->span.end};
    const char *flat =
        member ? "flatten(1)"
               : arena_printf(e->s->arena, "flatten(%s, 1)", first ? front_text(e->s, first->value->span) : "x");
    diag_help(diags, d, "%s turns (N, C, H, W) into (N, C*H*W)", flat);
    diag_fix(diags, d, member ? span : call->span, "%s", flat);
    return true;
  }
  return help_function_as_layer(e, d, callee, call);
}

/* ---- networks ---- */

/* models.resnet18, torchvision.models.resnet18 */
bool help_unknown_network(Session *s, Diag *d, Span name) {
  const Source *source = &s->sources.files.at[name.source];
  const char *from = source->text + name.begin, *at = from, *end = source->text + source->length;
  static const char *const modules[] = {"torchvision.", "models."};
  for (size_t i = 0; i < LENGTH(modules); i++) {
    size_t length = strlen(modules[i]);
    if ((size_t)(end - at) > length && memcmp(at, modules[i], length) == 0) at += length;
  }
  if (at == from) return false;
  Span prefix = {name.source, name.begin, name.begin + (uint32_t)(at - from)};
  diag_help(&s->diags, d, "networks are written without their module: leave '%s' out", front_text(s, prefix));
  diag_fix(&s->diags, d, prefix, "%s", "");
  return true;
}

static bool is_true(const Arg *args, const char *name) {
  for (const Arg *a = args; a; a = a->next)
    if (a->name && streq(a->name, name))
      return !(a->value->kind == EXPR_BOOL && !a->value->integer) && a->value->kind != EXPR_NONE;
  return false;
}

/* model = resnet18(pretrained=True) */
static void help_take(Session *s, Diag *d, const Stmt *stmt, const Expr *callee) {
  const Arg *args = stmt->value->kind == EXPR_CALL ? stmt->value->args : NULL;
  bool learnt = is_true(args, "pretrained") || is_true(args, "weights");
  const char *given = "";
  for (const Arg *a = args; a; a = a->next) {
    if (a->name && (streq(a->name, "pretrained") || streq(a->name, "weights"))) continue;
    const char *name = !a->name                        ? ""
                       : streq(a->name, "num_classes") ? "classes="
                                                       : arena_printf(s->arena, "%s=", a->name);
    given = arena_printf(s->arena, "%s%s%s%s", given, *given ? ", " : "", name, front_text(s, a->value->span));
  }
  if (*given) given = arena_printf(s->arena, "(%s)", given);
  const char *from = learnt ? "" : " from random";
  diag_help(&s->diags, d, "a network is taken: take %s%s%s", callee->text, given, from);
  if (learnt)
    diag_help(&s->diags, d, "torchvision's weights are looked for; others are named: from \"FILE\", from random");
  diag_fix(&s->diags, d, stmt->span, "take %s%s%s", callee->text, given, from);
}

bool help_needs_model(Session *s, Scope *scope, Diag *d, const Stmt *stmt) {
  const Expr *callee = stmt->value->kind == EXPR_CALL ? stmt->value->left : stmt->value;
  Span start = {stmt->span.source, stmt->span.begin, stmt->span.begin};
  const char *instead, *help = callee->kind == EXPR_NAME ? migration_of(callee->text, &instead) : NULL;
  const char *last = callee->kind == EXPR_NAME || callee->kind == EXPR_MEMBER ? callee->text : NULL;
  const Const *model = last ? scope_get(scope, last) : NULL;
  bool take = !help && model && model->kind == CONST_MODEL && model->model;
  const char *fix, *form = migration_statement(s->arena, front_text(s, stmt->span), &fix);
  if (form) {
    d->message = "this is not a statement of a script";
    diag_help(&s->diags, d, "%s", form);
    if (fix) diag_fix(&s->diags, d, stmt->span, "%s", fix);
  } else if (help) {
    diag_help(&s->diags, d, "%s", help);
    if (migration_is_line_to_drop(callee->text)) diag_fix(&s->diags, d, stmt->span, "%s", "");
  } else if (take) {
    help_take(s, d, stmt, callee);
  } else if (last && isupper((unsigned char)*last)) {
    diag_help(&s->diags, d, "a layer is put at the end of the network by: append %s", front_text(s, stmt->span));
    diag_fix(&s->diags, d, start, "append ");
  } else if (stmt->kind == STMT_ASSIGN) {
    diag_help(&s->diags, d, "a constant is named by: let %s", front_text(s, stmt->span));
    diag_fix(&s->diags, d, start, "let ");
  } else {
    diag_help(&s->diags, d, "`append NAME = LAYER` adds a layer to the network; `let` names a constant");
  }
  return take;
}
