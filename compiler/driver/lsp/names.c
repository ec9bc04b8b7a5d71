/* Names and their uses by a walk over the trees, with the scopes that the language has: a script and its includes share
 * one, a model, a forward and a loop have their own. Called by references.c. */
#include "compiler/driver/lsp/names.h"

typedef struct NameScope {
  struct NameScope *outer;
  bool model; /* layers that are declared below it are its own */
  Map names;  /* index into `symbols` */
  VEC(Symbol *) symbols;
} NameScope;

typedef struct Walk {
  Request *r;
  Arena *arena;
  NameUses uses;
  NameScope *network; /* the layers that edits have brought */
  Symbol *taken;      /* the model of the take; NULL: not the user's */
  int depth;          /* of includes */
} Walk;

static NameScope *scope_below(Walk *w, NameScope *outer) {
  NameScope *scope = arena_new(w->arena, NameScope);
  scope->outer = outer;
  return scope;
}

static Symbol *own_symbol(const NameScope *scope, const char *name) {
  MapEntry *entry = scope && name ? map_find_text(&scope->names, name) : NULL;
  return entry ? scope->symbols.at[entry->value] : NULL;
}

static Symbol *symbol_of(const NameScope *scope, const char *name) {
  for (; scope; scope = scope->outer) {
    Symbol *found = own_symbol(scope, name);
    if (found) return found;
  }
  return NULL;
}

static void use(Walk *w, Symbol *symbol, Span span) {
  if (symbol && span.end > span.begin) vec_push(w->arena, &w->uses, (NameUse){span, symbol});
}

/* The name of this scope, made where it has none yet. */
static Symbol *define(Walk *w, NameScope *scope, const char *name, SymbolKind kind, Span span) {
  if (!name || span.end <= span.begin || span.end - span.begin != strlen(name)) return NULL; /* a template, or quoted */
  MapEntry *entry = map_add_text(w->arena, &scope->names, name);
  if (entry->value < 0) {
    Symbol *made = arena_new(w->arena, Symbol);
    *made = (Symbol){.name = name, .kind = kind, .span = span};
    entry->value = (int32_t)scope->symbols.count;
    vec_push(w->arena, &scope->symbols, made);
  }
  Symbol *symbol = scope->symbols.at[entry->value];
  use(w, symbol, span);
  return symbol;
}

/* ---- expressions ---- */

static void walk_args(Walk *w, NameScope *scope, const Arg *args);

static void walk_expr(Walk *w, NameScope *scope, const Expr *e) {
  if (!e) return;
  if (e->kind == EXPR_NAME) use(w, symbol_of(scope, e->text), e->span);
  walk_expr(w, scope, e->left);
  walk_expr(w, scope, e->right);
  walk_args(w, scope, e->args);
}

static void walk_args(Walk *w, NameScope *scope, const Arg *args) {
  for (; args; args = args->next) walk_expr(w, scope, args->value);
}

/* The user's model that a layer is a call of. */
static Symbol *called_model(const NameScope *scope, const Expr *e) {
  while (e && e->kind == EXPR_CALL) e = e->left;
  Symbol *symbol = e && e->kind == EXPR_NAME ? symbol_of(scope, e->text) : NULL;
  return symbol && symbol->kind == SYMBOL_MODEL ? symbol : NULL;
}

/* ---- selectors ---- */

/* A path's components, as far as they are plain and known: first a layer that an edit brought, else one of the model
 * that was taken; then those of the model that it is a call of. */
static void walk_path(Walk *w, const char *text, Span span) {
  size_t length = strlen(text);
  if (span.end - span.begin != length) return; /* quoted */
  Symbol *model = NULL;
  for (size_t at = 0; at < length;) {
    size_t part = strcspn(text + at, ".");
    const char *name = arena_strndup(w->arena, text + at, part);
    Symbol *layer = at == 0 ? own_symbol(w->network, name) : NULL;
    if (!layer) layer = own_symbol(at == 0 ? (w->taken ? w->taken->inside : NULL) : model ? model->inside : NULL, name);
    if (!layer || layer->kind != SYMBOL_LAYER) return;
    use(w, layer, (Span){span.source, span.begin + (uint32_t)at, span.begin + (uint32_t)(at + part)});
    model = layer->model;
    at += part + 1;
  }
}

static void walk_selector(Walk *w, NameScope *scope, const Selector *s) {
  if (!s) return;
  if (s->kind == SELECT_NAME && !s->is_glob && !s->is_quoted && !s->is_template && s->text)
    walk_path(w, s->text, s->span);
  for (const Index *i = s->index; i; i = i->next) walk_expr(w, scope, i->begin), walk_expr(w, scope, i->end);
  walk_selector(w, scope, s->left);
  walk_selector(w, scope, s->right);
}

/* In a model: the layers of its own stages. */
static void walk_own_layers(Walk *w, NameScope *scope, const Selector *s) {
  if (!s) return;
  if (s->kind == SELECT_NAME && s->text && !strpbrk(s->text, ".*?{\"")) use(w, symbol_of(scope, s->text), s->span);
  walk_own_layers(w, scope, s->left);
  walk_own_layers(w, scope, s->right);
}

/* ---- templates: "block{i}" ---- */

static bool name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void walk_braces(Walk *w, NameScope *scope, const SourceView *view, const ScriptWord *word) {
  const char *text = view->text.at;
  for (uint32_t at = word->span.begin; at < word->span.end; at++) {
    if (text[at] != '{') continue;
    uint32_t end = at;
    while (end < word->span.end && text[end] != '}') end++;
    bool pattern = word->kind == WORD_LAYER && memchr(text + at, ',', end - at); /* either of several */
    for (uint32_t i = at + 1; i < end && !pattern; i++) {
      if (!name_byte(text[i]) || (text[i] >= '0' && text[i] <= '9')) continue;
      uint32_t begin = i;
      while (i < end && name_byte(text[i])) i++;
      use(w, symbol_of(scope, arena_strndup(w->arena, text + begin, i - begin)), (Span){word->span.source, begin, i});
    }
    at = end;
  }
}

static void walk_templates(Walk *w, NameScope *scope, const Stmt *stmt) {
  const SourceView *view = analysis_view(w->r->a, stmt->span.source);
  if (!view || stmt->body) return;
  size_t low = 0, high = view->words.count; /* the first word that begins in the statement */
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (view->words.at[middle].span.begin < stmt->span.begin) low = middle + 1;
    else high = middle;
  }
  for (; low < view->words.count && view->words.at[low].span.end <= stmt->span.end; low++)
    if (view->words.at[low].kind == WORD_STRING || view->words.at[low].kind == WORD_LAYER)
      walk_braces(w, scope, view, &view->words.at[low]);
}

/* ---- statements ---- */

static void walk_block(Walk *w, NameScope *scope, const Stmt *first, bool in_model, bool in_forward);

static void walk_model(Walk *w, NameScope *scope, const Stmt *stmt) {
  Symbol *model = define(w, scope, stmt->name, SYMBOL_MODEL, stmt->name_span);
  NameScope *inside = scope_below(w, scope);
  inside->model = true;
  if (model) model->inside = inside;
  for (const Arg *p = stmt->params; p; p = p->next) {
    walk_expr(w, inside, p->value);
    define(w, inside, p->name, SYMBOL_ARGUMENT, p->name_span);
  }
  walk_block(w, inside, stmt->body, true, false);
}

static void walk_include(Walk *w, NameScope *scope, const Stmt *stmt) {
  enum { DEEPEST = 60 };
  const Sources *sources = &w->r->a->s.sources;
  for (uint32_t i = w->r->a->root; i < sources->files.count && w->depth < DEEPEST; i++) {
    Span from = sources->files.at[i].included;
    if (from.source != stmt->file_span.source || from.begin != stmt->file_span.begin) continue;
    const SourceView *view = analysis_view(w->r->a, i);
    w->depth++;
    walk_block(w, scope, view->tree, false, false);
    w->depth--;
    return;
  }
}

static void walk_assign(Walk *w, NameScope *scope, const Stmt *stmt, bool in_forward) {
  walk_expr(w, scope, stmt->value);
  NameScope *home = scope;
  while (!in_forward && home->outer && !home->model) home = home->outer;
  Symbol *made = define(w, home, stmt->name, in_forward ? SYMBOL_VALUE : SYMBOL_LAYER, stmt->name_span);
  if (made && !in_forward) made->model = called_model(scope, stmt->value);
}

static void walk_loop(Walk *w, NameScope *scope, const Stmt *stmt, bool in_model, bool in_forward) {
  NameScope *inside = scope_below(w, scope);
  walk_expr(w, scope, stmt->value);
  for (const Arg *p = stmt->params; p; p = p->next) define(w, inside, p->name, SYMBOL_CONSTANT, p->name_span);
  walk_block(w, inside, stmt->body, in_model, in_forward);
}

/* A layer that an edit brings is the network's from here on. */
static void walk_edit(Walk *w, NameScope *scope, const Stmt *stmt) {
  walk_selector(w, scope, stmt->selector);
  walk_expr(w, scope, stmt->value);
  walk_args(w, scope, stmt->args);
  if (stmt->donor) {
    walk_expr(w, scope, stmt->donor->model);
    walk_selector(w, scope, stmt->donor->slice);
    if (stmt->kind == STMT_TAKE) w->taken = called_model(scope, stmt->donor->model);
  }
  bool brings = stmt->kind == STMT_INSERT || stmt->kind == STMT_APPEND || stmt->kind == STMT_PREPEND;
  if (brings && stmt->name && !strchr(stmt->name, '.')) {
    Symbol *made = define(w, w->network, stmt->name, SYMBOL_LAYER, stmt->name_span);
    if (made) made->model = called_model(scope, stmt->value);
  }
  if (stmt->kind == STMT_RENAME && stmt->to && !strchr(stmt->to, '.'))
    define(w, w->network, stmt->to, SYMBOL_LAYER, stmt->to_span);
}

static void walk_stmt(Walk *w, NameScope *scope, const Stmt *stmt, bool in_model, bool in_forward) {
  walk_templates(w, scope, stmt);
  switch (stmt->kind) {
  case STMT_INCLUDE: walk_include(w, scope, stmt); return;
  case STMT_MODEL: walk_model(w, scope, stmt); return;
  case STMT_FOR: walk_loop(w, scope, stmt, in_model, in_forward); return;
  case STMT_ASSIGN: walk_assign(w, scope, stmt, in_forward); return;
  case STMT_LET:
  case STMT_PARAM:
    walk_expr(w, scope, stmt->value);
    define(w, scope, stmt->name, SYMBOL_CONSTANT, stmt->name_span);
    return;
  case STMT_FORWARD: {
    NameScope *inside = scope_below(w, scope);
    for (const Arg *p = stmt->params; p; p = p->next) define(w, inside, p->name, SYMBOL_VALUE, p->name_span);
    walk_block(w, inside, stmt->body, in_model, true);
    return;
  }
  case STMT_STAGES:
    for (const Stmt *item = stmt->body; item; item = item->next) walk_own_layers(w, scope, item->selector);
    return;
  default: break;
  }
  walk_edit(w, scope, stmt);
  walk_selector(w, scope, stmt->source);
  walk_block(w, scope, stmt->body, in_model, in_forward);
  walk_block(w, scope, stmt->other, in_model, in_forward);
}

static void walk_block(Walk *w, NameScope *scope, const Stmt *first, bool in_model, bool in_forward) {
  for (const Stmt *stmt = first; stmt; stmt = stmt->next) walk_stmt(w, scope, stmt, in_model, in_forward);
}

NameUses find_names(Request *r) {
  Walk w = {.r = r, .arena = r->arena};
  w.network = scope_below(&w, NULL);
  const SourceView *root = analysis_view(r->a, r->a->root);
  if (root) walk_block(&w, scope_below(&w, NULL), root->tree, false, false);
  return w.uses;
}
