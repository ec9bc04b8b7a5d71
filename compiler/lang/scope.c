/* Scopes (names → constants), the limits that keep any script finite, errors that say how one got there, and the
 * warning for a name that hides a param. Evaluates nothing. Called by everything that evaluates. */
#include "compiler/lang/lang.h"
#include "runtime/base/map.h"

typedef struct Entry {
  const char *name;
  Const value;
} Entry;

struct Scope {
  Arena *arena;
  Scope *parent;
  VEC(Entry) entries; /* in the order of their first definition */
  Map names;          /* index into entries */
};

Scope *scope_create(Arena *arena, Scope *parent) {
  Scope *scope = arena_new(arena, Scope);
  scope->arena = arena;
  scope->parent = parent;
  return scope;
}

void scope_set(Scope *scope, const char *name, Const value) {
  MapEntry *entry = map_add_text(scope->arena, &scope->names, name);
  if (entry->value >= 0) {
    scope->entries.at[entry->value].value = value;
    return;
  }
  entry->value = (int32_t)scope->entries.count;
  vec_push(scope->arena, &scope->entries, (Entry){name, value});
}

const Const *scope_own(const Scope *scope, const char *name) {
  MapEntry *entry = scope ? map_find_text(&scope->names, name) : NULL;
  return entry ? &scope->entries.at[entry->value].value : NULL;
}

const Const *scope_get(const Scope *scope, const char *name) {
  for (; scope; scope = scope->parent) {
    const Const *found = scope_own(scope, name);
    if (found) return found;
  }
  return NULL;
}

Scope *scope_snapshot(Session *s, Span span, const Scope *scope) {
  if (!front_charge(s, span, (int64_t)scope->entries.count + 16)) return NULL;
  Scope *copy = scope_create(s->arena, scope->parent);
  for (size_t i = 0; i < scope->entries.count; i++)
    scope_set(copy, scope->entries.at[i].name, scope->entries.at[i].value);
  return copy;
}

void scope_names(Arena *arena, const Scope *scope, NameList *out) {
  for (; scope; scope = scope->parent)
    for (size_t i = 0; i < scope->entries.count; i++) vec_push(arena, out, scope->entries.at[i].name);
}

void scope_kind_names(Arena *arena, const Scope *scope, ConstKind kind, NameList *out) {
  for (; scope; scope = scope->parent)
    for (size_t i = 0; i < scope->entries.count; i++)
      if (scope->entries.at[i].value.kind == kind) vec_push(arena, out, scope->entries.at[i].name);
}

void op_names(Arena *arena, bool layers, NameList *out) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++)
    if (op_info((OpId)op)->is_layer == layers) vec_push(arena, out, op_info((OpId)op)->name);
  if (layers) vec_push(arena, out, "Sequential");
}

/* ---- limits ---- */

bool front_charge(Session *s, Span span, int64_t steps) {
  if (s->steps > MAX_STEPS) return false; /* said already */
  s->steps += steps < MAX_STEPS ? steps : MAX_STEPS + 1;
  if (s->steps <= MAX_STEPS) return true;
  Diag *d =
      front_error(s, DIAG_E0119, span, "this script does too much at compile time: more than %d steps", (int)MAX_STEPS);
  diag_help(&s->diags, d, "loops run when the script is compiled, once for each layer; use fewer iterations");
  return false;
}

bool front_enter(Session *s, Span span) {
  if (s->depth < MAX_DEPTH) {
    s->depth++;
    return true;
  }
  front_error(s, DIAG_E0120, span, "too deeply nested: more than %d levels of models, blocks and expressions",
              (int)MAX_DEPTH);
  return false;
}

void front_leave(Session *s) { s->depth--; }

bool front_room(Session *s, const Graph *g, Span span) {
  if (g->modules.count < MAX_LAYERS && g->nodes.count < MAX_LAYERS) return true;
  front_error(s, DIAG_E0119, span, "the network is too large: more than %d layers or calls", (int)MAX_LAYERS);
  return false;
}

/* ---- errors ---- */

bool front_suggest(Session *s, Diag *diag, Span span, const char *wrong, const char *const *names, size_t count) {
  const char *near = nearest_name(wrong, names, count);
  diag_suggest(&s->diags, diag, span, near);
  return near != NULL;
}

/* ---- names that hide a param ----
 *
 * A let, a loop's variable or a model takes the name of one of the script's params: then what -D gives is silently not
 * used, and a warning says so. No warning, as each is meant: a model's own arguments and layers; a let whose value
 * comes from the param (`let width = max(width, 8)`); a let in an `if` (`if quick { let epochs = 1 }`) without a -D. */

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
