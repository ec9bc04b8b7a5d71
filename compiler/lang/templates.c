/* Names with braces, "block{i}", layer{i}.conv1, "fold{k}.pth": what stands in the braces is filled in from the
 * constants of the place, for selectors, files and the names of layers alike, before the statement runs. So whoever
 * runs one knows nothing of templates. Called by block.c, and by forward.c for "layer{i}"(x). */
#include "compiler/lang/lang.h"
#include "compiler/base/diag.h"
#include <ctype.h>

enum { LONGEST_NAME = 200 };

static bool is_identifier(const char *text) {
  if (!isalpha((unsigned char)*text) && *text != '_') return false;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && *text != '_') return false;
  return true;
}

/* Where what stands in these braces stands in the script, if it is to be seen there. */
static Span brace_span(Session *s, Span span, const char *inside) {
  const char *text = front_text(s, span), *at = strstr(text, arena_printf(s->arena, "{%s}", inside));
  if (!at) return span;
  uint32_t begin = span.begin + (uint32_t)(at - text) + 1;
  return (Span){span.source, begin, begin + (uint32_t)strlen(inside)};
}

/* The value of what stands between two braces; a plain name needs no parser. */
static bool eval_brace(Eval *e, Span span, const char *text, Const *out) {
  if (is_identifier(text)) {
    Expr name = {.kind = EXPR_NAME, .span = brace_span(e->s, span, text), .text = text};
    return eval_expr(e, &name, out);
  }
  if (!front_charge(e->s, span, 100)) return false;
  int source = sources_add_text(&e->s->sources, "<name>", text, strlen(text));
  Expr *expr = source < 0 ? NULL : parse_expression(e->s->arena, &e->s->diags, &e->s->sources, (uint32_t)source, 0);
  return expr && eval_expr(e, expr, out);
}

static bool brace_missing(Session *s, Span span) {
  Diag *d = front_error(s, DIAG_E0124, span, "a '}' is missing in the name");
  diag_help(&s->diags, d, "what is in braces is filled in: \"block{i}\"; a brace itself is written {{");
  return false;
}

/* `done` with a piece of the text behind it that is no brace to be filled in. */
static const char *with_piece(Arena *arena, const char *done, const char *piece, size_t length, bool is_quoted) {
  char *text = arena_printf(arena, "%s%.*s", done, (int)length, piece), *to = text + strlen(done);
  for (const char *at = to; *at; at++) {
    *to++ = *at;
    if (is_quoted && at[0] == '}' && at[1] == '}') at++;
  }
  *to = '\0';
  return text;
}

bool expand_text(Eval *e, const char *text, Span span, bool is_quoted, const char **out) {
  Arena *arena = e->s->arena;
  const char *done = "";
  for (const char *brace; (brace = template_brace(text, is_quoted));) {
    done = with_piece(arena, done, text, (size_t)(brace - text), is_quoted);
    text = brace + 1;
    if (is_quoted && *text == '{') {
      done = arena_printf(arena, "%s{", done);
      text++;
      continue;
    }
    size_t inside = strcspn(text, "}");
    if (!text[inside]) return brace_missing(e->s, span);
    const char *written = arena_strndup(arena, text, inside);
    Const value;
    if (!eval_brace(e, span, written, &value)) return false;
    if (value.kind != CONST_INT && value.kind != CONST_TEXT) {
      front_error(e->s, DIAG_E0124, brace_span(e->s, span, written), "a name cannot be made of %s", const_kind(&value));
      return false;
    }
    done = arena_printf(arena, "%s%s", done, value.kind == CONST_TEXT ? value.text : const_text(arena, &value));
    if (strlen(done) > MAX_TEXT) {
      front_error(e->s, DIAG_E0124, span, "the name is too long: more than %d bytes", (int)MAX_TEXT);
      return false;
    }
    text += inside + 1;
  }
  *out = with_piece(arena, done, text, strlen(text), is_quoted);
  return true;
}

/* ---- the names of layers ---- */

/* What no layer's name may hold: a dot stands between parent and child, names become parts of files' names and are
 * written between quotes. */
static bool bad_in_name(uint32_t point) { return is_control(point) || (point < 128 && strchr("./\\\"{}", (int)point)); }

static bool is_layer_name(const char *name, size_t length) {
  const char *end = name + length;
  if (length == 0 || length > LONGEST_NAME) return false;
  while (name < end) {
    uint32_t point;
    int bytes = utf8_decode(name, end, &point);
    if (bytes <= 0 || bad_in_name(point)) return false;
    name += bytes;
  }
  return true;
}

static bool check_layer_name(Eval *e, Span span, const char *name, bool dotted) {
  bool good = true;
  for (const char *at = name; good; at += strcspn(at, ".") + 1) {
    size_t length = dotted ? strcspn(at, ".") : strlen(at);
    good = is_layer_name(at, length);
    if (!at[length]) break;
  }
  if (good) return true;
  Diag *d =
      front_error(e->s, DIAG_E0124, span, "'%.60s' cannot name a layer", clean_text(e->s->arena, name, strlen(name)));
  diag_help(&e->s->diags, d,
            "a name has 1 to %d bytes, and none of . / \\ \" { }; a dot is put between parent and child",
            (int)LONGEST_NAME);
  return false;
}

bool expand_name(Eval *e, const Stmt *stmt, const char **out) {
  *out = stmt->name;
  if (stmt->name_is_template && !expand_text(e, stmt->name, stmt->name_span, true, out)) return false;
  return check_layer_name(e, stmt->name_span, *out, false);
}

/* ---- selectors ---- */

static bool selector_has_template(const Selector *sel) {
  if (!sel) return false;
  return sel->is_template || selector_has_template(sel->left) || selector_has_template(sel->right);
}

static bool fill_selector(Eval *e, Selector **selector) {
  if (!selector_has_template(*selector)) return true;
  Selector *copy = arena_new(e->s->arena, Selector);
  *copy = **selector;
  *selector = copy;
  if (!front_charge(e->s, copy->span, 1)) return false;
  if (copy->is_template) {
    const char *text;
    if (!expand_text(e, copy->text, copy->span, copy->is_quoted, &text)) return false;
    if (copy->is_quoted || copy->kind != SELECT_NAME) copy->text = text; /* of `every {kind}` the type */
    else selector_set_path(copy, text);
    copy->is_template = true; /* what stands in the script is no name: no fix may take its place */
  }
  bool good = fill_selector(e, &copy->left);
  return fill_selector(e, &copy->right) && good;
}

/* ---- files ---- */

static bool has_brace(const char *text) { return text && strchr(text, '{'); }

static void help_quotes(Session *s, Diag *d, Span span, const char *word) {
  diag_help(&s->diags, d, "a file's name is written in quotes: \"%s\"", word);
  diag_fix(&s->diags, d, span, "\"%s\"", word);
}

/* A word in the place of a file, which is no constant: said as what it is meant to be. */
static bool word_is_no_file(Eval *e, Span span, const char *word, bool network) {
  if (diag_may_be_unread(&e->s->diags, word)) return false;
  Diag *d = front_error(e->s, DIAG_E0011, span, "there is no constant '%s' that holds a file's name", word);
  NameList names = {0};
  if (network) vec_push(e->s->arena, &names, "random");
  scope_kind_names(e->s->arena, e->scope, CONST_TEXT, &names);
  if (front_suggest(e->s, d, span, word, names.at, names.count)) return false;
  help_quotes(e->s, d, span, word);
  return false;
}

static bool fill_file(Eval *e, const char **file, Span span, bool network) {
  if (!has_brace(*file)) return true;
  const char *written = front_text(e->s, span);
  if (*written && *written != '"') {
    const Const *known = scope_get(e->scope, written);
    if (!known) return word_is_no_file(e, span, written, network);
    if (known->kind == CONST_UNKNOWN) return false;
    if (known->kind != CONST_TEXT) {
      Diag *d =
          front_error(e->s, DIAG_E0011, span, "'%s' is %s, and a file's name is a text", written, const_kind(known));
      help_quotes(e->s, d, span, written);
      return false;
    }
  }
  return expand_text(e, *file, span, true, file);
}

static bool fill_donor(Eval *e, Donor **donor) {
  const Donor *from = *donor;
  bool of_file = from->model->kind == EXPR_STRING && has_brace(from->model->text);
  if (!of_file && !has_brace(from->from) && !selector_has_template(from->slice)) return true;
  Donor *copy = arena_new(e->s->arena, Donor);
  *copy = *from;
  *donor = copy;
  if (of_file) {
    copy->model = arena_new(e->s->arena, Expr);
    *copy->model = *from->model;
    if (!fill_file(e, &copy->model->text, copy->model->span, false)) return false;
  }
  bool good = fill_file(e, &copy->from, copy->from_span, true);
  return fill_selector(e, &copy->slice) && good;
}

/* ---- statements ---- */

static bool is_written_quoted(Session *s, Span span) { return *front_text(s, span) == '"'; }

/* The name that an edit gives to a layer, perhaps in a container that is there. */
static bool fill_new_name(Eval *e, Stmt *stmt) {
  bool quoted = is_written_quoted(e->s, stmt->name_span);
  if (stmt->name_is_template && !expand_text(e, stmt->name, stmt->name_span, quoted, &stmt->name)) return false;
  stmt->name_is_template = false;
  return check_layer_name(e, stmt->name_span, stmt->name, true);
}

static bool names_new_layer(const Stmt *stmt) {
  return stmt->name && (stmt->kind == STMT_INSERT || stmt->kind == STMT_APPEND || stmt->kind == STMT_PREPEND ||
                        stmt->kind == STMT_OUTPUT_ITEM);
}

static bool lists_items(const Stmt *stmt) { return stmt->kind == STMT_OUTPUT || stmt->kind == STMT_STAGES; }

static bool has_template(const Stmt *stmt) {
  if (selector_has_template(stmt->selector) || selector_has_template(stmt->source) || has_brace(stmt->file) ||
      has_brace(stmt->under) || stmt->to_is_template || names_new_layer(stmt))
    return true;
  if (stmt->to && stmt->kind == STMT_RENAME) return true;
  for (const Allow *a = stmt->allow; a; a = a->next)
    if (selector_has_template(a->selector)) return true;
  for (const Stmt *item = lists_items(stmt) ? stmt->body : NULL; item; item = item->next)
    if (has_template(item)) return true;
  const Donor *d = stmt->donor;
  return d && (has_brace(d->from) || selector_has_template(d->slice) ||
               (d->model->kind == EXPR_STRING && has_brace(d->model->text)));
}

static bool fill_allows(Eval *e, Allow **first) {
  for (Allow **at = first; *at; at = &(*at)->next) {
    Allow *copy = arena_new(e->s->arena, Allow);
    *copy = **at;
    *at = copy;
    if (!fill_selector(e, &copy->selector)) return false;
  }
  return true;
}

static bool fill(Eval *e, Stmt *stmt);

static bool fill_items(Eval *e, Stmt **first) {
  for (Stmt **at = first; *at; at = &(*at)->next) {
    Stmt *copy = arena_new(e->s->arena, Stmt);
    *copy = **at;
    *at = copy;
    if (!fill(e, copy)) return false;
  }
  return true;
}

static bool fill_target(Eval *e, Stmt *stmt) {
  bool quoted = is_written_quoted(e->s, stmt->to_span);
  if (stmt->to_is_template && !expand_text(e, stmt->to, stmt->to_span, quoted, &stmt->to)) return false;
  stmt->to_is_template = false;
  return check_layer_name(e, stmt->to_span, stmt->to, true);
}

static bool fill(Eval *e, Stmt *stmt) {
  bool good = fill_selector(e, &stmt->selector);
  good = fill_selector(e, &stmt->source) && good;
  good = fill_file(e, &stmt->file, stmt->file_span, false) && good;
  good = (!has_brace(stmt->under) || expand_text(e, stmt->under, stmt->under_span, true, &stmt->under)) && good;
  good = (!stmt->to || fill_target(e, stmt)) && good;
  good = (!names_new_layer(stmt) || fill_new_name(e, stmt)) && good;
  good = (!stmt->donor || fill_donor(e, &stmt->donor)) && good;
  good = fill_allows(e, &stmt->allow) && good;
  return (!lists_items(stmt) || fill_items(e, &stmt->body)) && good;
}

const Stmt *fill_templates(Eval *e, const Stmt *stmt) {
  if (!has_template(stmt)) return stmt;
  if (!front_charge(e->s, stmt->span, 1)) return NULL;
  Stmt *copy = arena_new(e->s->arena, Stmt);
  *copy = *stmt;
  return fill(e, copy) ? copy : NULL;
}

/* ---- constants as they are now ---- */

static bool names_constant(const Scope *scope, const Expr *expr) {
  if (!expr || (expr->kind == EXPR_NAME && streq(expr->text, "N"))) return false; /* in a shape it is the batch */
  if (expr->kind == EXPR_NAME && scope_get(scope, expr->text)) return true;
  for (const Arg *arg = expr->args; arg; arg = arg->next)
    if (names_constant(scope, arg->value)) return true;
  return names_constant(scope, expr->left) || names_constant(scope, expr->right);
}

static Expr *fold_expr(Session *s, Scope *scope, Expr *expr) {
  if (!names_constant(scope, expr)) return expr;
  Expr *copy = arena_new(s->arena, Expr);
  *copy = *expr;
  if (expr->kind == EXPR_TUPLE || expr->kind == EXPR_LIST) {
    for (Arg **at = &copy->args; *at; at = &(*at)->next) {
      Arg *arg = arena_new(s->arena, Arg);
      *arg = **at;
      *at = arg;
      arg->value = fold_expr(s, scope, arg->value);
    }
    return copy;
  }
  Const value;
  if (!eval_const(s, scope, expr, &value) || (value.kind != CONST_INT && value.kind != CONST_FLOAT)) return expr;
  *copy = (Expr){.kind = value.kind == CONST_INT ? EXPR_INT : EXPR_FLOAT, .span = expr->span, .depth = 1};
  copy->integer = value.integer;
  copy->number = value.kind == CONST_INT ? (double)value.integer : value.number;
  return copy;
}

static bool indices_name_constant(const Scope *scope, const Selector *sel) {
  if (!sel) return false;
  for (const Index *index = sel->index; index; index = index->next)
    if (names_constant(scope, index->begin) || names_constant(scope, index->end)) return true;
  return indices_name_constant(scope, sel->left) || indices_name_constant(scope, sel->right);
}

static Selector *fold_selector(Session *s, Scope *scope, Selector *sel) {
  if (!indices_name_constant(scope, sel)) return sel;
  Selector *copy = arena_new(s->arena, Selector);
  *copy = *sel;
  for (Index **at = &copy->index; *at; at = &(*at)->next) {
    Index *index = arena_new(s->arena, Index);
    *index = **at;
    *at = index;
    if (index->begin) index->begin = fold_expr(s, scope, index->begin);
    if (index->end) index->end = fold_expr(s, scope, index->end);
  }
  copy->left = fold_selector(s, scope, sel->left);
  copy->right = fold_selector(s, scope, sel->right);
  return copy;
}

const Stmt *fold_constants(Session *s, Scope *scope, const Stmt *stmt) {
  if (!names_constant(scope, stmt->value) && !indices_name_constant(scope, stmt->selector)) return stmt;
  Stmt *copy = arena_new(s->arena, Stmt);
  *copy = *stmt;
  if (stmt->value) copy->value = fold_expr(s, scope, stmt->value);
  copy->selector = fold_selector(s, scope, stmt->selector);
  return copy;
}
