/* What an expression is when the script is compiled: a constant, a model, a layer, or (in a forward) a value
 * of the network. Every way to fail ends in a diagnostic and false. */
#include "compiler/lang/lang.h"

static bool declares(const Stmt *first, const char *name) {
  for (const Stmt *st = first; st; st = st->next) {
    if (st->kind == STMT_ASSIGN && !st->name_is_template && streq(st->name, name)) return true;
    if (st->kind == STMT_FORWARD || st->kind == STMT_MODEL) continue;
    if (declares(st->body, name) || declares(st->other, name)) return true;
  }
  return false;
}

bool unknown_name(Eval *e, const Expr *name) {
  if (diag_may_be_unread(&e->s->diags, name->text)) return false;
  Diag *d = front_error(e->s, DIAG_E0101, name->span, "there is no '%s' here", name->text);
  NameList names = {0};
  static const char *const lists[] = {"modules",    "named_modules",    "named_children",
                                      "parameters", "named_parameters", "isinstance"};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    if (streq(lists[i], name->text)) {
      diag_help(&e->s->diags, d,
                "selectors pick layers, by type or by name: freeze every BatchNorm2d, freeze layer*.*.bn?");
      return false;
    }
  scope_names(e->s->arena, e->scope, &names);
  op_names(e->s->arena, true, &names);
  if (e->trace) op_names(e->s->arena, false, &names);
  front_suggest(e->s, d, name->span, name->text, names.at, names.count);
  return false;
}

bool name_known(Eval *e, const Expr *expr, Const *out) {
  const Const *found = scope_get(e->scope, expr->text);
  if (found) {
    *out = *found;
    return true;
  }
  OpId op = op_find(expr->text, true);
  if (op != OP_NONE || streq(expr->text, "Sequential")) {
    *out = (Const){.kind = CONST_MODEL, .text = expr->text, .id = op};
    return true;
  }
  if (e->model && declares(e->model->body, expr->text)) { /* `if downsample`: it stands in a branch not taken */
    *out = (Const){.kind = CONST_NONE, .text = expr->text};
    return true;
  }
  return false;
}

static bool eval_name(Eval *e, const Expr *expr, Const *out) {
  return name_known(e, expr, out) ? out->kind != CONST_UNKNOWN : unknown_name(e, expr);
}

static bool eval_list(Eval *e, const Expr *expr, Const *out) {
  *out = (Const){.kind = CONST_LIST};
  for (const Arg *arg = expr->args; arg; arg = arg->next) {
    Const item;
    if (!front_charge(e->s, expr->span, 1) || !eval_expr(e, arg->value, &item)) return false;
    vec_push(e->s->arena, &out->list, item);
  }
  return true;
}

static bool eval_index(Eval *e, const Expr *expr, Const *out) {
  Const from, at;
  if (!eval_expr(e, expr->left, &from) || !eval_expr(e, expr->right, &at)) return false;
  if (from.kind != CONST_LIST && !(from.kind == CONST_LAYER && e->graph)) {
    front_error(e->s, DIAG_E0104, expr->span, "%s cannot be indexed", const_kind(&from));
    return false;
  }
  if (from.kind == CONST_LAYER && at.kind == CONST_TEXT) { /* blocks["block{i}"] */
    const char *name = at.text;
    bool written = expr->right->kind == EXPR_STRING;
    if (written && !expand_text(e, name, expr->right->span, true, &name)) return false;
    return child_of(e, expr, &from, name, out);
  }
  if (at.kind != CONST_INT) {
    front_error(e->s, DIAG_E0104, expr->right->span, "an index must be an integer, not %s", const_kind(&at));
    return false;
  }
  int64_t count =
      from.kind == CONST_LIST ? (int64_t)from.list.count : (int64_t)module_at(e->graph, from.id)->children.count;
  int64_t index = at.integer < 0 && at.integer >= -count ? at.integer + count : at.integer;
  if (index < 0 || index >= count) {
    front_error(e->s, DIAG_E0107, expr->right->span, "there is no element %lld of %lld", (long long)at.integer,
                (long long)count);
    return false;
  }
  *out = from.kind == CONST_LIST ? from.list.at[index]
                                 : (Const){.kind = CONST_LAYER, .id = module_at(e->graph, from.id)->children.at[index]};
  return true;
}

/* Linear(fc.in_features, 10): what flows in is inferred; the network's layers are no values. */
static bool unknown_size(Eval *e, const Expr *expr) {
  static const char *const inward[] = {"in_features",      "in_channels", "num_features",
                                       "normalized_shape", "embed_dim",   "num_channels"},
                           *const outward[] = {"out_features", "out_channels"};
  const Expr *root = expr;
  bool in = false, out = false;
  while (root->kind == EXPR_MEMBER || root->kind == EXPR_INDEX) root = root->left;
  for (size_t i = 0; i < sizeof inward / sizeof *inward; i++) in = in || streq(inward[i], expr->text);
  for (size_t i = 0; i < sizeof outward / sizeof *outward; i++) out = out || streq(outward[i], expr->text);
  if (e->trace || !(in || out) || root->kind != EXPR_NAME || scope_get(e->scope, root->text)) return false;
  Diag *d = front_error(e->s, DIAG_E0101, expr->span, "the size of a layer of the network is not a value: %s",
                        front_text(e->s, expr->span));
  if (in) {
    diag_help(&e->s->diags, d, "`_` is inferred from what flows in");
    diag_fix(&e->s->diags, d, expr->span, "_");
  } else {
    diag_help(&e->s->diags, d, "write the number; `surgeryc show` lists the layers with their arguments");
  }
  return true;
}

static bool eval_member(Eval *e, const Expr *expr, Const *out) {
  Const from;
  if (unknown_size(e, expr)) return false;
  if (!eval_expr(e, expr->left, &from)) return false;
  if (from.kind == CONST_LAYER && e->graph) return child_of(e, expr, &from, expr->text, out);
  front_error(e->s, DIAG_E0104, expr->span, "%s has no member '%s'", const_kind(&from), expr->text);
  return false;
}

/* Outside a forward a call is one of the few functions, or a layer with its arguments that is built later. */
static bool eval_call(Eval *e, const Expr *expr, Const *out) {
  if (e->trace) return trace_call(e, expr, out);
  if (expr->left->kind == EXPR_NAME && !scope_get(e->scope, expr->left->text)) {
    bool known, done = const_function(e, expr, expr->left->text, &known, out);
    if (known) return done;
  }
  Const callee;
  const Expr *plain = without_module(e, expr->left);
  if (!plain && expr->left->kind == EXPR_NAME && !scope_get(e->scope, expr->left->text) &&
      streq(expr->left->text, "range")) {
    help_unknown_call(e, front_error(e->s, DIAG_E0101, expr->span, "there is no 'range' here"), expr->left, expr);
    return false;
  }
  const Expr *name = plain ? plain : expr->left;
  if (name->kind == EXPR_NAME && !scope_get(e->scope, name->text) && torch_lacks(e, name, expr)) return false;
  if (!eval_expr(e, name, &callee)) return false;
  if (callee.kind != CONST_MODEL || callee.expr) {
    front_error(e->s, DIAG_E0104, expr->left->span, "%s cannot be called here", const_kind(&callee));
    return false;
  }
  Scope *scope = scope_snapshot(e->s, expr->span, e->scope);
  *out = (Const){.kind = CONST_MODEL, .text = const_text(e->s->arena, &callee), .expr = expr, .scope = scope};
  return scope != NULL;
}

static bool eval_logic(Eval *e, const Expr *expr, Const *out) {
  if (!eval_expr(e, expr->left, out)) return false;
  if (out->kind == CONST_VALUE) {
    front_error(e->s, DIAG_E0104, expr->left->span, "a value of the network is not known when the script is compiled");
    return false;
  }
  if (const_truth(out) == (expr->op == OP_OR)) return true; /* the rest does not matter, as in Python */
  return eval_expr(e, expr->right, out);
}

/* Both sides are judged, also where one is wrong. */
static bool both_known(Eval *e, const Expr *expr, Const *a, Const *b) {
  bool left = eval_expr(e, expr->left, a);
  return eval_expr(e, expr->right, b) && left;
}

static bool eval_kind(Eval *e, const Expr *expr, Const *out) {
  Const a, b;
  switch (expr->kind) {
  case EXPR_INT: *out = const_int(expr->integer); return true;
  case EXPR_FLOAT: *out = (Const){.kind = CONST_FLOAT, .number = expr->number}; return true;
  case EXPR_STRING: *out = (Const){.kind = CONST_TEXT, .text = expr->text}; return true;
  case EXPR_BOOL: *out = const_bool(expr->integer != 0); return true;
  case EXPR_NONE: *out = (Const){.kind = CONST_NONE}; return true;
  case EXPR_HOLE: *out = (Const){.kind = CONST_HOLE}; return true;
  case EXPR_NAME: return eval_name(e, expr, out);
  case EXPR_MEMBER: return eval_member(e, expr, out);
  case EXPR_INDEX: return eval_index(e, expr, out);
  case EXPR_CALL: return eval_call(e, expr, out);
  case EXPR_LIST:
  case EXPR_TUPLE: return eval_list(e, expr, out);
  case EXPR_UNARY: return eval_expr(e, expr->left, &a) && const_unary(e, expr, &a, out);
  case EXPR_BINARY:
    if (expr->op == OP_AND || expr->op == OP_OR) return eval_logic(e, expr, out);
    return both_known(e, expr, &a, &b) && const_binary(e, expr, &a, &b, out);
  case EXPR_RANGE:
    front_error(e->s, DIAG_E0104, expr->span, "a range is only allowed in a loop: for i in 0..4");
    return false;
  }
  return false;
}

bool eval_expr(Eval *e, const Expr *expr, Const *out) {
  *out = (Const){0};
  if (!front_charge(e->s, expr->span, 1) || !front_enter(e->s, expr->span)) return false;
  bool done = eval_kind(e, expr, out);
  front_leave(e->s);
  return done;
}

bool eval_condition(Eval *e, const Expr *expr, bool *out) {
  Const c;
  if (!eval_expr(e, expr, &c)) return false;
  if (c.kind == CONST_VALUE || c.kind == CONST_HOLE) {
    front_error(e->s, DIAG_E0104, expr->span, "%s is not known when the script is compiled", const_kind(&c));
    return false;
  }
  *out = const_truth(&c);
  return true;
}

bool eval_const(Session *s, Scope *scope, const Expr *expr, Const *out) {
  Eval e = {.s = s, .scope = scope ? scope : zoo_scope(s)};
  return eval_expr(&e, expr, out);
}
