/* Nodes of expressions, selectors, donors and statements; see build.h. Must not ask what a name means. */
#include "grammar/parse_internal.h"

#define WORD_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

Diag *build_report(Lexer *lx, DiagCode code, Span span, const char *message) {
  uint32_t statement = lx->first.begin + 1;
  if (lx->recovering || lx->judged == statement) return NULL;
  lx->judged = statement;
  lx->mistakes++;
  return diag_report(lx->diags, code, span, "%s", message);
}

static uint16_t higher(uint16_t a, uint16_t b) { return a > b ? a : b; }

/* True when a node over `below` may be built; else reports, and the caller leaves its children out. */
static bool fits(Lexer *lx, Span span, uint16_t below, uint16_t *depth) {
  *depth = (uint16_t)(below + 1);
  if (below < AST_MAX_DEPTH) return true;
  *depth = 1;
  Diag *diag = build_report(lx, DIAG_E0008, span, "this is nested more than 200 deep");
  if (diag) diag_help(lx->diags, diag, "name the inner parts with let, or declare a model for them");
  return false;
}

/* ---- expressions ---- */

Expr *build_expr(Lexer *lx, ExprKind kind, Span span) {
  Expr *expr = arena_new(lx->arena, Expr);
  expr->kind = kind;
  expr->span = span;
  expr->depth = 1;
  return expr;
}

Expr *build_text(Lexer *lx, ExprKind kind, Span span, const char *text) {
  Expr *expr = build_expr(lx, kind, span);
  expr->text = text;
  return expr;
}

Expr *build_int(Lexer *lx, Span span, int64_t value) {
  Expr *expr = build_expr(lx, EXPR_INT, span);
  expr->integer = value;
  expr->number = (double)value;
  return expr;
}

Expr *build_float(Lexer *lx, Span span, double value) {
  Expr *expr = build_expr(lx, EXPR_FLOAT, span);
  expr->number = value;
  return expr;
}

Expr *build_bool(Lexer *lx, Span span, bool value) {
  Expr *expr = build_expr(lx, EXPR_BOOL, span);
  expr->integer = value;
  return expr;
}

Expr *build_unary(Lexer *lx, Span span, Operator op, Expr *operand) {
  if (op == OP_NEGATE && operand->kind == EXPR_INT) return build_int(lx, span, -operand->integer); /* never INT64_MIN */
  if (op == OP_NEGATE && operand->kind == EXPR_FLOAT) return build_float(lx, span, -operand->number);
  Expr *expr = build_expr(lx, EXPR_UNARY, span);
  expr->op = op;
  if (fits(lx, span, operand->depth, &expr->depth)) expr->left = operand;
  else expr->kind = EXPR_NONE;
  return expr;
}

Expr *build_binary(Lexer *lx, Span span, ExprKind kind, Operator op, Expr *left, Expr *right) {
  Expr *expr = build_expr(lx, kind, span);
  expr->op = op;
  if (!fits(lx, span, higher(left->depth, right->depth), &expr->depth)) {
    expr->kind = EXPR_NONE;
    return expr;
  }
  expr->left = left;
  expr->right = right;
  return expr;
}

Expr *build_member(Lexer *lx, Span span, Expr *left, const char *text) {
  Expr *expr = build_text(lx, EXPR_MEMBER, span, text);
  if (fits(lx, span, left->depth, &expr->depth)) expr->left = left;
  else expr->kind = EXPR_NONE;
  return expr;
}

Expr *build_call(Lexer *lx, Span span, Expr *callee, ArgList args) {
  /* The arguments of a Sequential are layers, each with or without a name of its own. */
  bool layers = callee->kind == EXPR_NAME && streq(callee->text, "Sequential");
  args_checked(lx, args, layers);
  Expr *expr = build_expr(lx, EXPR_CALL, span);
  if (!fits(lx, span, higher(callee->depth, args.depth), &expr->depth)) {
    expr->kind = EXPR_NONE;
    return expr;
  }
  expr->left = callee;
  expr->args = args.first;
  return expr;
}

Expr *build_sequence(Lexer *lx, Span span, ExprKind kind, ArgList items) {
  Expr *expr = build_expr(lx, kind, span);
  if (fits(lx, span, items.depth, &expr->depth)) expr->args = items.first;
  return expr;
}

Arg *build_arg(Lexer *lx, const char *name, Span name_span, Expr *value) {
  Arg *arg = arena_new(lx->arena, Arg);
  arg->name = name;
  arg->name_span = name_span;
  arg->value = value;
  return arg;
}

ArgList args_add(ArgList list, Arg *arg) {
  if (list.last) list.last->next = arg;
  else list.first = arg;
  list.last = arg;
  if (arg->value) list.depth = higher(list.depth, arg->value->depth);
  return list;
}

ArgList args_checked(Lexer *lx, ArgList list, bool mixed) {
  enum { MOST_COMPARED = 256 }; /* a longer list of names is no list of arguments */
  const Arg *named[MOST_COMPARED];
  int count = 0;
  for (const Arg *arg = list.first; arg; arg = arg->next) {
    if (!arg->name) {
      if (count == 0 || mixed) continue;
      Diag *diag = build_report(lx, DIAG_E0015, arg->value->span, "a positional argument after a named one");
      if (diag) {
        diag_label(lx->diags, diag, named[0]->name_span, "named here");
        diag_help(lx->diags, diag, "give it its name too, or put it in front");
      }
      return list;
    }
    for (int i = 0; i < count; i++) {
      if (!streq(named[i]->name, arg->name)) continue;
      Diag *diag = build_report(lx, DIAG_E0016, arg->name_span,
                                arena_printf(lx->arena, "the argument '%s' is given twice", arg->name));
      if (diag) diag_label(lx->diags, diag, named[i]->name_span, "first here");
      return list;
    }
    if (count < MOST_COMPARED) named[count++] = arg;
  }
  return list;
}

/* ---- selectors ---- */

Selector *build_selector(Lexer *lx, Span span, SelectorKind kind, const char *text, Selector *left, Selector *right) {
  Selector *selector = arena_new(lx->arena, Selector);
  selector->kind = kind;
  selector->span = span;
  selector->text = text;
  if (fits(lx, span, higher(left ? left->depth : 0, right ? right->depth : 0), &selector->depth)) {
    selector->left = left;
    selector->right = right;
  } else {
    selector->kind = SELECT_ALL;
    selector->text = "all";
  }
  return selector;
}

Selector *build_every(Lexer *lx, Span span, Span type_span, const char *type, Selector *area) {
  Selector *selector = build_selector(lx, span, SELECT_EVERY, type, NULL, area);
  selector->type_span = type_span;
  return selector;
}

Selector *build_path(Lexer *lx, Span span, const char *text) {
  Selector *selector = build_selector(lx, span, SELECT_NAME, NULL, NULL, NULL);
  selector_set_path(selector, text);
  return selector;
}

Selector *build_quoted(Lexer *lx, Span span, const char *text) {
  Selector *selector = build_selector(lx, span, SELECT_NAME, text, NULL, NULL);
  selector->is_quoted = true;
  selector->is_template = strpbrk(text, "{}") != NULL;
  return selector;
}

Selector *build_indexed(Lexer *lx, Span span, Selector *left, IndexList indices) {
  SelectorKind kind = SELECT_STAGES;
  Selector *inner = left;
  size_t before;
  bool counted = left && selector_counts(left, &kind, &before);
  if (counted) {
    Span path = {left->span.source, left->span.begin, left->span.begin + (uint32_t)before};
    inner = before ? build_path(lx, path, arena_strndup(lx->arena, left->text, before)) : NULL;
  }
  if (indices.first->next) {
    if (!left || counted) {
      Diag *diag = build_report(lx, DIAG_E0012, span, "several dimensions, but no tensor that has them");
      if (diag) diag_help(lx->diags, diag, "a region is taken of a named tensor, as in fc.weight[:, :10]");
    }
    kind = SELECT_REGION;
    inner = left;
  }
  Selector *selector = build_selector(lx, span, kind, NULL, inner, NULL);
  selector->index = indices.first;
  return selector;
}

SelectorList selectors_add(Lexer *lx, SelectorList list, Selector *selector) {
  SelectorNode *node = arena_new(lx->arena, SelectorNode);
  node->selector = selector;
  if (list.last) list.last->next = node;
  else list.first = node;
  list.last = node;
  list.count++;
  return list;
}

/* Takes `count` parts from the list: a tree as low as may be, since a script may name thousands. */
static Selector *union_of(Lexer *lx, SelectorNode **next, size_t count) {
  if (count == 1) {
    Selector *one = (*next)->selector;
    *next = (*next)->next;
    return one;
  }
  Selector *left = union_of(lx, next, count - count / 2);
  Selector *right = union_of(lx, next, count / 2);
  return build_selector(lx, span_join(left->span, right->span), SELECT_UNION, NULL, left, right);
}

Selector *build_union(Lexer *lx, SelectorList list) {
  SelectorNode *next = list.first;
  return union_of(lx, &next, list.count);
}

Index *build_index(Lexer *lx, Span span, bool is_range, Expr *begin, Expr *end) {
  Index *index = arena_new(lx->arena, Index);
  *index = (Index){.is_range = is_range, .begin = begin, .end = end, .span = span};
  return index;
}

IndexList indices_add(IndexList list, Index *index) {
  if (list.last) list.last->next = index;
  else list.first = index;
  list.last = index;
  return list;
}

/* ---- donors ---- */

Donor *build_donor_model(Lexer *lx, Span span, Expr *model) {
  Donor *donor = arena_new(lx->arena, Donor);
  donor->span = span;
  donor->model = model;
  donor->from_span = donor->under_span = SPAN_NONE;
  return donor;
}

void donor_member(Lexer *lx, Donor *donor, Span span, const char *text) {
  donor->span = span_join(donor->span, span);
  if (!donor->slice) {
    donor->slice = build_path(lx, (Span){span.source, span.begin + 1, span.end}, text);
    return;
  }
  if (donor->slice->kind > SELECT_NAME && donor->slice->kind != SELECT_BACKBONE && donor->slice->kind != SELECT_HEAD) {
    Diag *diag = build_report(lx, DIAG_E0012, span, "a name cannot follow a slice");
    if (diag) diag_help(lx->diags, diag, "take the layer by its full name, as in take resnet18.layer1");
    return;
  }
  donor->slice =
      build_path(lx, span_join(donor->slice->span, span), arena_printf(lx->arena, "%s.%s", donor->slice->text, text));
}

void donor_index(Lexer *lx, Donor *donor, Span span, Index *index) {
  donor->span = span_join(donor->span, span);
  if (!donor->slice && !index->is_range && index->begin->kind == EXPR_STRING) {
    donor->slice = build_quoted(lx, index->begin->span, index->begin->text);
    return;
  }
  Span whole = donor->slice ? span_join(donor->slice->span, span) : span;
  donor->slice = build_indexed(lx, whole, donor->slice, (IndexList){index, index});
}

/* The dotted name that an expression spells, or NULL. */
static const char *spelled_path(Lexer *lx, const Expr *expr) {
  if (expr->kind == EXPR_NAME) return expr->text;
  if (expr->kind == EXPR_INT && expr->integer >= 0) return arena_printf(lx->arena, "%lld", (long long)expr->integer);
  if (expr->kind != EXPR_MEMBER) return NULL;
  const char *left = spelled_path(lx, expr->left);
  return left ? arena_printf(lx->arena, "%s.%s", left, expr->text) : NULL;
}

static Selector *spelled_selector(Lexer *lx, const Expr *expr) {
  if (expr->kind == EXPR_STRING) return build_quoted(lx, expr->span, expr->text);
  const char *path = spelled_path(lx, expr);
  return path ? build_path(lx, expr->span, path) : NULL;
}

void donor_range(Lexer *lx, Donor *donor, Span span, Expr *left, Expr *right) {
  donor->span = span_join(donor->span, span);
  Selector *from = spelled_selector(lx, left), *to = spelled_selector(lx, right);
  if (!from || !to || donor->slice) {
    Expr *wrong = !from ? left : right;
    Diag *diag = build_report(lx, DIAG_E0012, donor->slice ? span : wrong->span,
                              donor->slice ? "a slice by names cannot follow another slice"
                                           : "a slice by names needs the name of a layer here");
    if (diag) diag_help(lx->diags, diag, "as in take resnet18[conv1..layer2], with both names in full");
    return;
  }
  donor->slice = build_selector(lx, span_join(left->span, right->span), SELECT_RANGE, NULL, from, to);
}

const char *file_word(Lexer *lx, Span span, const char *word) {
  uint32_t end = span.begin; /* a path has more in it than a name */
  while (end < lx->length && !strchr(" \t\r\n;\"#}", lx->text[end])) end++;
  if (end == span.end && word[strspn(word, WORD_LETTERS)] == '\0') return arena_printf(lx->arena, "{%s}", word);
  const char *join = lx->statement == TOK_SAVE ? "to" : "from";
  bool network = lx->statement != TOK_SAVE && lx->statement != TOK_LOAD;
  Diag *diag = build_report(
      lx, DIAG_E0011, span,
      arena_printf(lx->arena, "'%s' must be followed by a file in quotes%s", join, network ? ", or random" : ""));
  Span path = {span.source, span.begin, end};
  if (diag && cure_statement(lx, diag)) return "";
  if (diag) diag_help(lx->diags, diag, "%s \"%s\"", join, lexer_show(lx, path));
  if (diag)
    diag_fix(lx->diags, diag, path, "\"%s\"", arena_strndup(lx->arena, lx->text + path.begin, path.end - path.begin));
  return "";
}

void donor_from_word(Lexer *lx, Donor *donor, Span span, const char *word) {
  donor->from_span = span;
  donor->from_random = streq(word, "random");
  if (!donor->from_random) donor->from = file_word(lx, span, word);
}

/* ---- statements ---- */

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
