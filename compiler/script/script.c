/* A whole script, step by step: its statements in order, with its includes and constants; then settings, shapes and
 * expectations. Called by the driver's passes, and run_script() by whoever needs a network. What an edit does is the
 * business of compiler/edit. */
#include "compiler/script/script.h"
#include "compiler/ops/shape.h"
#include "compiler/base/source.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum { MAX_INCLUDES = 50 };

typedef struct Including { /* the files that are being read, innermost first */
  const struct Including *outer;
  const char *path, *real;
  int depth;
} Including;

typedef struct ScriptRun {
  EditContext edit;
  NameList included; /* real paths: each file is read once */
  const Including *file;
  uint32_t source;   /* the script's own */
  const char *real;  /* its real path; its name where it is no file */
  Span take, labels; /* where they stand, for what is found out later */
  bool parsed;       /* without a syntax error */
  bool took, take_failed;
} ScriptRun;

static bool run_file(ScriptRun *r, const Stmt *first, const char *path, const char *real);
static const Stmt *parse_file(Session *s, uint32_t source, const char *path, bool *good);

/* ---- include ---- */

static const char *beside(Arena *arena, const char *file, const char *name) {
  const char *slash = strrchr(file, '/');
  if (*name == '/' || !slash) return name;
  return arena_printf(arena, "%.*s/%s", (int)(slash - file), file, name);
}

/* Beside the including file first, then the -I folders in their order. */
static const char *find_include(Session *s, const char *from, const char *name, const char **real) {
  const char *path = beside(s->arena, from, name);
  *real = sources_real_path(&s->sources, path);
  for (size_t i = 0; !*real && *name != '/' && i < s->include_dirs.count; i++) {
    path = arena_printf(s->arena, "%s/%s", s->include_dirs.at[i], name);
    *real = sources_real_path(&s->sources, path);
  }
  return *real ? path : NULL;
}

static bool include_missing(Session *s, const Stmt *stmt, const char *from) {
  Diag *d = front_error(s, DIAG_E0117, stmt->file_span, "there is no file \"%s\"", stmt->file);
  const char *near = nearest_file(s->arena, beside(s->arena, from, stmt->file), stmt->file);
  if (near) {
    diag_help(&s->diags, d, "did you mean '%s'?", near);
    diag_fix(&s->diags, d, stmt->file_span, "\"%s\"", near);
    return false;
  }
  diag_note(&s->diags, d, "looked for %s", beside(s->arena, from, stmt->file));
  for (size_t i = 0; *stmt->file != '/' && i < s->include_dirs.count; i++)
    diag_note(&s->diags, d, "looked for %s/%s", s->include_dirs.at[i], stmt->file);
  diag_help(&s->diags, d, "-I DIR adds a folder to the search");
  return false;
}

static bool include_allowed(ScriptRun *r, const Stmt *stmt, const char *real) {
  Session *s = r->edit.s;
  for (const Including *f = r->file; f; f = f->outer)
    if (streq(f->real, real)) {
      Diag *d = front_error(s, DIAG_E0118, stmt->file_span, "\"%s\" includes itself", stmt->file);
      for (const Including *g = r->file; g; g = g->outer) diag_note(&s->diags, d, "in %s", g->path);
      return false;
    }
  if (r->file->depth < MAX_INCLUDES) return true;
  front_error(s, DIAG_E0118, stmt->file_span, "includes are nested more than %d deep", (int)MAX_INCLUDES);
  return false;
}

static bool run_include(ScriptRun *r, const Stmt *stmt) {
  Session *s = r->edit.s;
  const char *real, *path = find_include(s, r->file->path, stmt->file, &real);
  if (!path) return include_missing(s, stmt, r->file->path);
  if (!include_allowed(r, stmt, real)) return false;
  for (size_t i = 0; i < r->included.count; i++)
    if (streq(r->included.at[i], real)) return true;
  vec_push(s->arena, &r->included, real);
  int source = sources_add_file(&s->sources, path);
  if (source < 0) {
    front_error(s, DIAG_E0117, stmt->file_span, "\"%s\" cannot be read: %s", path, strerror(errno));
    return false;
  }
  s->sources.files.at[source].included = stmt->file_span;
  bool parsed;
  const Stmt *first = parse_file(s, (uint32_t)source, path, &parsed);
  return run_file(r, first, path, real) && parsed;
}

/* ---- param and -D ---- */

static const char *define_of(const Session *s, const char *name) {
  for (size_t i = s->defines.count; i-- > 0;) /* the last one counts */
    if (streq(s->defines.at[i].name, name)) return s->defines.at[i].value;
  return NULL;
}

/* A definition as it stood on the command line, so that messages can show it. */
static Span define_source(Session *s, const char *name, const char *value) {
  const char *text = arena_printf(s->arena, "-D %s=%s", name, value);
  int source = sources_add_text(&s->sources, SOURCE_COMMAND_LINE, text, strlen(text));
  if (source < 0) return SPAN_NONE;
  return (Span){(uint32_t)source, 3, 3 + (uint32_t)strlen(name)};
}

static bool wrong_define(Session *s, const Stmt *stmt, Span value, const Const *declared) {
  Diag *d = front_error(s, DIAG_E0116, value, "the param '%s' is %s, not %s", stmt->name, const_kind(declared),
                        front_text(s, value));
  diag_label(&s->diags, d, stmt->span, "its default is %s", const_text(s->arena, declared));
  return false;
}

/* A text may be given without quotes, as a shell takes them away; everything else is an expression. */
static bool read_define(Session *s, const Stmt *stmt, const char *text, Const *value) {
  Const declared = *value;
  if (declared.kind == CONST_TEXT && *text != '"') {
    *value = (Const){.kind = CONST_TEXT, .text = text};
    return true;
  }
  Span span = define_source(s, stmt->name, text);
  if (span.source == SPAN_NO_SOURCE) return false;
  span.begin = span.end + 1;
  span.end = s->sources.files.at[span.source].length;
  Expr *expr = parse_expression(s->arena, &s->diags, &s->sources, span.source, span.begin);
  bool word = expr && expr->kind == EXPR_NAME && declared.kind != CONST_NONE; /* many, where a number is wanted */
  if (word || !expr || !eval_const(s, NULL, expr, value)) {
    *value = declared;
    return word && wrong_define(s, stmt, span, &declared);
  }
  if (declared.kind == CONST_FLOAT && value->kind == CONST_INT)
    *value = (Const){.kind = CONST_FLOAT, .number = (double)value->integer};
  if (declared.kind == CONST_BOOL && value->kind == CONST_INT && (value->integer == 0 || value->integer == 1))
    *value = const_bool(value->integer != 0);
  if (value->kind == declared.kind || declared.kind == CONST_NONE) return true;
  *value = declared;
  return wrong_define(s, stmt, span, &declared);
}

static bool run_param(Block *b, const Stmt *stmt) {
  Session *s = b->eval.s;
  Const value = {0};
  if (scope_own(s->param_names, stmt->name)) {
    front_error(s, DIAG_E0114, stmt->name_span, "the param '%s' is declared twice", stmt->name);
    return false;
  }
  const char *text = define_of(s, stmt->name);
  note_param(s, b->eval.scope, stmt, text != NULL);
  vec_push(s->arena, &s->params, stmt->name);
  vec_push(s->arena, &s->all_params, stmt->name);
  if (stmt->value && !eval_expr(&b->eval, stmt->value, &value)) return false;
  if (!text && !stmt->value) {
    Diag *d = front_error(s, DIAG_E0116, stmt->span, "the param '%s' has no default and is not given", stmt->name);
    diag_help(&s->diags, d, "give it with -D %s=VALUE", stmt->name);
    return false;
  }
  bool good = !text || read_define(s, stmt, text, &value);
  scope_set(b->eval.scope, stmt->name, value); /* the default where -D is wrong: that is said once */
  return good;
}

static bool check_defines(Session *s) {
  bool good = true;
  for (size_t i = 0; i < s->defines.count; i++) {
    const char *name = s->defines.at[i].name;
    bool known = false;
    for (size_t k = 0; k < s->params.count; k++) known = known || streq(s->params.at[k], name);
    if (known || diag_may_be_unread(&s->diags, name)) continue;
    Span span = define_source(s, name, s->defines.at[i].value);
    Diag *d = front_error(s, DIAG_E0115, span, "the script has no param '%s'", name);
    front_suggest(s, d, span, name, s->params.at, s->params.count);
    if (s->params.count == 0) diag_help(&s->diags, d, "declare it: param %s = …", name);
    good = false;
  }
  return good;
}

/* ---- statements ---- */

static bool needs_model(ScriptRun *r, Block *b, const Stmt *stmt) {
  Session *s = r->edit.s;
  bool layer = stmt->kind == STMT_ASSIGN || stmt->kind == STMT_EXPR;
  Diag *d = layer ? front_error(s, DIAG_E0121, stmt->span,
                                "this is not a statement of a script; in a model it declares a layer")
                  : front_error(s, DIAG_E0121, stmt->span, "'%s' stands only in a model", stmt_title(stmt));
  if (!layer) return false;
  if (stmt->kind == STMT_ASSIGN && r->edit.graph &&
      graph_find_module(r->edit.graph, stmt->name) > 0) { /* fc = Identity() */
    const char *value = front_text(s, stmt->value->span);
    diag_help(&s->diags, d, "a layer of the network is replaced by: replace %s with %s", stmt->name, value);
    diag_fix(&s->diags, d, stmt->span, "replace %s with %s", stmt->name, value);
    return false;
  }
  if (help_needs_model(s, b->eval.scope, d, stmt)) r->take_failed = r->took = true;
  ExprKind kind = stmt->value->kind; /* what a missing `let` would have named is no second mistake */
  Const value;
  if (stmt->kind == STMT_ASSIGN && kind != EXPR_CALL && kind != EXPR_NAME && kind != EXPR_MEMBER &&
      eval_expr(&b->eval, stmt->value, &value))
    scope_set(b->eval.scope, stmt->name, value);
  return false;
}

static bool script_statement(Block *b, const Stmt *stmt) {
  ScriptRun *r = b->data;
  switch (stmt->kind) {
  case STMT_INCLUDE: return run_include(r, stmt);
  case STMT_PARAM: return run_param(b, stmt);
  case STMT_ASSIGN:
  case STMT_EXPR:
  case STMT_RETURN:
  case STMT_FORWARD:
  case STMT_STAGES: return needs_model(r, b, stmt);
  case STMT_SETTING:
  case STMT_GROUP:
  case STMT_PHASE:
    front_error(b->eval.s, DIAG_E0121, stmt->span, "'%s' stands only in a train or input block", stmt_title(stmt));
    return false;
  default: break;
  }
  if (r->take_failed) return true; /* every edit would fail for want of a network: said once */
  if (stmt->kind == STMT_LABELS) r->labels = stmt->span;
  if (stmt->kind == STMT_TAKE && !r->took) {
    r->take = stmt->span;
    r->took = true;
  }
  return edit_run(&r->edit, stmt);
}

static void statement_failed(Block *b, const Stmt *stmt) {
  ScriptRun *r = b->data;
  Diags *diags = &r->edit.s->diags;
  if (stmt->kind == STMT_TAKE && !r->edit.graph) r->took = r->take_failed = true;
  if (keywords[stmt->kind].flags & STMT_NAMES_LAYERS) vec_push(diags->arena, &diags->failed, stmt->span);
}

/* The statements of a file with syntax errors are those that could be read. */
static const Stmt *parse_file(Session *s, uint32_t source, const char *path, bool *good) {
  size_t errors = s->diags.errors;
  vec_push(s->arena, &s->dependencies, path);
  const Stmt *first = parse(s->arena, &s->diags, &s->sources, source);
  *good = s->diags.errors == errors;
  if (!*good) s->syntax_errors = true;
  return first;
}

static bool run_file(ScriptRun *r, const Stmt *first, const char *path, const char *real) {
  Including file = {r->file, path, real, r->file ? r->file->depth + 1 : 0};
  Block block = {.eval = {.s = r->edit.s, .scope = r->edit.scope},
                 .other = script_statement,
                 .failed = statement_failed,
                 .data = r,
                 .keep_going = true};
  r->file = &file;
  bool good = run_block(&block, first);
  r->file = file.outer;
  return good;
}

static bool no_take(Session *s, uint32_t source) {
  Diag *d = front_error(s, DIAG_E0126, (Span){source, 0, 0}, "the script takes no network");
  diag_help(&s->diags, d, "begin with one: take resnet18");
  return false;
}

/* Each script of a session is judged by itself: what another left behind is not held against it. */
static void forget_script(Session *s) {
  s->params.count = s->diags.unread.count = s->diags.failed.count = 0;
  s->param_names = NULL;
  s->calls = NULL;
  s->depth = 0;
  s->steps = 0;
  s->syntax_errors = false;
  s->weight_errors = s->missing_weights = 0;
}

/* ---- the steps ---- */

static void parse_source(Session *s, uint32_t source, const char *path, const char *real, Script *script) {
  *script = (Script){.path = path};
  forget_script(s);
  ScriptRun *r = script->run = arena_new(s->arena, ScriptRun);
  r->edit = (EditContext){.s = s, .scope = scope_create(s->arena, zoo_scope(s))};
  r->source = source;
  r->real = real ? real : path;
  if (real) vec_push(s->arena, &r->included, real);
  script->syntax = parse_file(s, source, path, &r->parsed);
}

static void source_missing(const char *path) { fail_environment("%s: %s", path, strerror(errno)); }

bool script_parse(Session *s, const char *path, Script *script) {
  const char *real = sources_real_path(&s->sources, path);
  int source = sources_add_file(&s->sources, path);
  if (source < 0) source_missing(path);
  parse_source(s, (uint32_t)source, path, real, script);
  return true;
}

bool script_statements(Session *s, Script *script) {
  ScriptRun *r = script->run;
  bool good = run_file(r, script->syntax, script->path, r->real) && r->parsed;
  if (!s->shared_defines) good = check_defines(s) && good;
  if (!r->took && !r->edit.taken && !s->syntax_errors) good = no_take(s, r->source);
  script->graph = r->edit.graph;
  script->train = r->edit.train;
  script->constants = r->edit.scope;
  return good && s->diags.errors == s->weight_errors && script->graph;
}

bool script_settings(Session *s, Script *script) {
  return settings_check(s, script->graph, script->train, script->run->take);
}

bool script_shapes(Session *s, Script *script) { return infer_shapes(s, script->graph); }

bool script_expects(Session *s, Script *script) {
  bool good = edit_check_expects(&script->run->edit);
  good = settings_check_shapes(s, script->graph, script->train, script->run->labels) && good;
  if (good) tell_inherited(s, script->graph);
  return good;
}

static bool run_steps(Session *s, Script *script) {
  bool good = script_statements(s, script) && script_settings(s, script) && script_shapes(s, script) &&
              script_expects(s, script);
  return good && s->diags.errors == 0;
}

bool run_script(Session *s, const char *path, Script *out) { return script_parse(s, path, out) && run_steps(s, out); }

bool run_script_text(Session *s, const char *name, const char *text, Script *out) {
  int source = sources_add_text(&s->sources, name, text, strlen(text));
  if (source < 0) source_missing(name);
  parse_source(s, (uint32_t)source, name, NULL, out);
  return run_steps(s, out);
}
