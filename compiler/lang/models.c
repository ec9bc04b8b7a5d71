/* LAYER → modules: an operator's layer, Sequential, or a declared model, whose body is run with its arguments bound;
 * and the built-in models, which are declared like those of a script. Values do not flow here; that is forward.c.
 * Called for donors and by the edits. */
#include "compiler/lang/lang.h"
#include "compiler/zoo/zoo.h"
#include <stdlib.h>

static bool build_into(Eval *e, const Expr *layer, ModuleId module, Span origin);

static bool add_child(Eval *e, const Expr *layer, ModuleId parent, const char *local, Span origin, ModuleId *out) {
  if (!front_charge(e->s, layer->span, 10) || !front_room(e->s, e->graph, layer->span)) return false;
  *out = graph_add_module(e->graph, parent, local, "", OP_NONE, origin);
  return build_into(e, layer, *out, origin);
}

/* ---- a declared model ---- */

typedef struct Building { /* what the handler of a body's statements needs */
  ModuleId module;
  ModelBody *body;
  Span origin;
} Building;

static bool add_named_child(Block *b, const Stmt *stmt, const char *local) {
  Building *to = b->data;
  Const known = {.kind = CONST_LAYER, .id = NO_ID};
  const Module *module = module_at(b->eval.graph, to->module);
  for (size_t i = 0; i < module->children.count; i++)
    if (streq(module_at(b->eval.graph, module->children.at[i])->local, local)) {
      Diag *d = front_error(b->eval.s, DIAG_E0114, stmt->name ? stmt->name_span : stmt->span,
                            "the layer '%s' is declared twice", local);
      Span first = module_at(b->eval.graph, module->children.at[i])->args_span;
      if (first.end > first.begin) diag_label(&b->eval.s->diags, d, first, "first here");
      return false;
    }
  bool good = add_child(&b->eval, stmt->value, to->module, local, to->origin, &known.id);
  scope_set(b->eval.scope, local, good ? known : (Const){.kind = CONST_UNKNOWN});
  return good;
}

static bool add_layer(Block *b, const Stmt *stmt) {
  Building *to = b->data;
  const char *local;
  if (stmt->kind == STMT_ASSIGN) {
    if (!expand_name(&b->eval, stmt, &local)) return false;
  } else {
    size_t position = module_at(b->eval.graph, to->module)->children.count;
    local = arena_printf(b->eval.s->arena, "%zu", position);
  }
  return add_named_child(b, stmt, local);
}

static bool keep_once(Block *b, const Stmt *stmt, const Stmt **slot) {
  if (!*slot) {
    *slot = stmt;
    return true;
  }
  Diag *d = front_error(b->eval.s, DIAG_E0114, stmt->span, "a model has one '%s'", stmt_title(stmt));
  diag_label(&b->eval.s->diags, d, (*slot)->span, "first here");
  return false;
}

static bool body_statement(Block *b, const Stmt *stmt) {
  ModelBody *body = ((Building *)b->data)->body;
  switch (stmt->kind) {
  case STMT_ASSIGN:
  case STMT_EXPR: return add_layer(b, stmt);
  case STMT_FORWARD: return keep_once(b, stmt, &body->forward);
  case STMT_STAGES: return keep_once(b, stmt, &body->stages);
  case STMT_INPUT: return keep_once(b, stmt, &body->input);
  default: {
    Diag *d = front_error(b->eval.s, DIAG_E0121, stmt->span, "'%s' is not allowed in a model", stmt_title(stmt));
    diag_help(&b->eval.s->diags, d, "a model has layers, let, for, if, forward, stages and input");
    return false;
  }
  }
}

/* Positional and named arguments → the model's own scope. Defaults may use the arguments before them. */
static bool bind_model(Eval *e, const Const *model, const Arg *args, Span call, Scope *scope) {
  const Stmt *stmt = model->model;
  size_t count = 0;
  for (const Arg *p = stmt->params; p; p = p->next) count++;
  Formal *formals = arena_array(e->s->arena, Formal, count + 1);
  const Arg **bound = arena_array(e->s->arena, const Arg *, count + 1);
  size_t i = 0;
  for (const Arg *p = stmt->params; p; p = p->next) formals[i++] = (Formal){p->name, p->value == NULL};
  if (!front_charge(e->s, call, (int64_t)count + 1)) return false;
  if (!bind_arguments(e->s, stmt->name, formals, count, args, call, bound)) return false;
  Eval inside = {.s = e->s, .scope = scope};
  i = 0;
  for (const Arg *p = stmt->params; p; p = p->next, i++) {
    Const value;
    if (!(bound[i] ? eval_expr(e, bound[i]->value, &value) : eval_expr(&inside, p->value, &value))) return false;
    scope_set(scope, p->name, value);
  }
  return true;
}

static bool run_body(Eval *e, const Const *model, Scope *scope, ModuleId module, Span origin) {
  ModelBody *body = arena_new(e->s->arena, ModelBody);
  *body = (ModelBody){.model = model->model, .scope = scope};
  module_at(e->graph, module)->type = model->model->name;
  module_at(e->graph, module)->body = body;
  Building to = {module, body, origin};
  Block block = {.eval = {.s = e->s, .scope = scope, .graph = e->graph, .model = model->model},
                 .other = body_statement,
                 .data = &to,
                 .keep_going = true};
  if (run_block(&block, model->model->body)) return true;
  if (body->forward) probe_forward(e, module, origin);
  return false;
}

static bool build_model(Eval *e, const Const *model, const Expr *layer, ModuleId module, Span origin) {
  const Stmt *stmt = model->model;
  int around = e->s->calls ? e->s->calls->models : 0;
  if (around >= MAX_MODELS) {
    Diag *d =
        front_error(e->s, DIAG_E0120, layer->span, "models are nested more than %d deep: does '%s' contain itself?",
                    (int)MAX_MODELS, stmt->name);
    diag_help(&e->s->diags, d, "a model that builds itself needs an `if` that ends it");
    return false;
  }
  Scope *scope = scope_create(e->s->arena, model->scope);
  if (!bind_model(e, model, layer->kind == EXPR_CALL ? layer->args : NULL, layer->span, scope)) return false;
  CallFrame frame = {e->s->calls, layer->span, arena_printf(e->s->arena, "while building '%s' here", stmt->name),
                     layer->kind == EXPR_CALL && layer->args, around + 1};
  Eval inside = {.s = e->s, .scope = scope, .graph = e->graph};
  e->s->calls = &frame;
  bool good =
      stmt->value ? build_into(&inside, stmt->value, module, origin) : run_body(e, model, scope, module, origin);
  e->s->calls = frame.outer;
  return good;
}

/* ---- Sequential and the operators' layers ---- */

static bool build_sequential(Eval *e, const Arg *args, ModuleId module, Span origin) {
  size_t position = 0;
  module_at(e->graph, module)->type = "Sequential";
  for (const Arg *arg = args; arg; arg = arg->next, position++) {
    const char *local = arg->name ? arg->name : arena_printf(e->s->arena, "%zu", position);
    for (const Arg *before = args; arg->name && before != arg; before = before->next)
      if (streq(before->name, arg->name)) {
        front_error(e->s, DIAG_E0114, arg->name_span, "the layer '%s' is declared twice", arg->name);
        return false;
      }
    ModuleId child;
    if (!add_child(e, arg->value, module, local, origin, &child)) return false;
  }
  return true;
}

static bool build_op(Eval *e, OpId op, const Expr *layer, ModuleId module) {
  OpArgs args;
  if (module == 0) {
    Diag *d = front_error(e->s, DIAG_E0128, layer->span, "%s is a layer, not a network", op_info(op)->name);
    diag_help(&e->s->diags, d, "a network of one layer is written Sequential(%s(…))", op_info(op)->name);
    return false;
  }
  if (!bind_op(e, op, layer->kind == EXPR_CALL ? layer->args : NULL, layer->span, &args)) return false;
  Module *m = module_at(e->graph, module);
  m->op = op;
  m->type = op_info(op)->name;
  m->args = args;
  m->args_span = layer->span;
  graph_add_params(e->graph, module);
  return true;
}

/* ---- what a LAYER names ---- */

static bool unknown_layer(Eval *e, const Expr *callee, const Expr *layer) {
  if (diag_may_be_unread(&e->s->diags, callee->text) || torch_lacks(e, callee, layer)) return false;
  Diag *d = front_error(e->s, DIAG_E0103, callee->span, "there is no layer or model '%s'", callee->text);
  NameList names = {0};
  op_names(e->s->arena, true, &names);
  scope_names(e->s->arena, e->scope, &names);
  if (front_suggest(e->s, d, callee->span, callee->text, names.at, names.count)) return false;
  if (op_find(callee->text, false) != OP_NONE)
    diag_help(&e->s->diags, d, "the function '%s' belongs in a forward, where values flow", callee->text);
  return false;
}

static bool find_callee(Eval *e, const Expr *layer, Const *out) {
  const Expr *callee = layer->kind == EXPR_CALL ? layer->left : layer, *plain = without_module(e, callee);
  if (plain) callee = plain;
  if (callee->kind == EXPR_NAME && !scope_get(e->scope, callee->text) && op_find(callee->text, true) == OP_NONE &&
      !streq(callee->text, "Sequential"))
    return unknown_layer(e, callee, layer);
  if (callee->kind != EXPR_NAME && callee->kind != EXPR_INDEX && callee->kind != EXPR_MEMBER) {
    Diag *d = front_error(e->s, DIAG_E0122, layer->span, "this is not a layer");
    if (layer->kind == EXPR_LIST || layer->kind == EXPR_TUPLE) { /* [Linear(8, 4), ReLU()] */
      const char *text = front_text(e->s, layer->span);
      const char *inside = arena_strndup(e->s->arena, text + 1, strlen(text) > 2 ? strlen(text) - 2 : 0);
      diag_help(&e->s->diags, d, "layers in a row are a Sequential: Sequential(%s)", inside);
      diag_fix(&e->s->diags, d, layer->span, "Sequential(%s)", inside);
      return false;
    }
    diag_help(&e->s->diags, d,
              "a layer is written as Conv2d(3, 64, 7); `let` names a constant, `forward` says how values flow");
    return false;
  }
  if (!eval_expr(e, callee, out)) return false;
  if (out->kind == CONST_MODEL) return true;
  Diag *d = front_error(e->s, DIAG_E0122, callee->span, "%s is not a layer or a model", const_kind(out));
  if (out->kind == CONST_LAYER)
    diag_help(&e->s->diags, d, "a layer is called in the forward; give the model a `forward x { … }`");
  return false;
}

static bool build_into(Eval *e, const Expr *layer, ModuleId module, Span origin) {
  Const callee;
  if (!find_callee(e, layer, &callee) || !front_enter(e->s, layer->span)) return false;
  bool good;
  if (callee.expr && layer->kind == EXPR_CALL) {
    front_error(e->s, DIAG_E0122, layer->span, "this layer has its arguments already; write it without parentheses");
    good = false;
  } else if (callee.expr) {
    Eval there = {.s = e->s, .scope = callee.scope, .graph = e->graph};
    good = build_into(&there, callee.expr, module, origin);
  } else if (callee.model) {
    good = build_model(e, &callee, layer, module, origin);
  } else if (callee.id == OP_NONE) {
    good = build_sequential(e, layer->kind == EXPR_CALL ? layer->args : NULL, module, origin);
  } else {
    good = build_op(e, (OpId)callee.id, layer, module);
  }
  front_leave(e->s);
  return good;
}

ModuleId build_layer(Session *s, Graph *g, Scope *scope, const Expr *layer, ModuleId parent, const char *local,
                     Span origin) {
  Eval e = {.s = s, .scope = scope ? scope : zoo_scope(s), .graph = g};
  ModuleId module = NO_ID;
  return add_child(&e, layer, parent, local, origin, &module) ? module : NO_ID;
}

bool build_root(Session *s, Graph *g, Scope *scope, const Expr *model, Span origin) {
  Eval e = {.s = s, .scope = scope, .graph = g};
  return build_into(&e, model, 0, origin);
}

/* ---- the built-in models: parsed into a scope of their own, the parent of every script's, when first asked for ----
 */

Scope *zoo_scope(Session *s) {
  if (s->zoo) return s->zoo;
  s->zoo = scope_create(s->arena, NULL);
  for (const struct ZooSource *zoo = zoo_sources; zoo->path; zoo++) {
    int source = sources_add_text(&s->sources, zoo->path, zoo->text, strlen(zoo->text));
    if (source < 0) BUG("%s cannot be added", zoo->path);
    size_t before = s->diags.errors;
    const Stmt *first = parse(s->arena, &s->diags, &s->sources, (uint32_t)source);
    if (s->diags.errors != before) {
      diag_print_text(&s->diags, stderr, false);
      BUG("%s cannot be read", zoo->path);
    }
    for (const Stmt *stmt = first; stmt; stmt = stmt->next)
      if (stmt->kind != STMT_MODEL || !declare_model(s, s->zoo, stmt)) BUG("%s: the zoo holds only models", zoo->path);
  }
  return s->zoo;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *zoo_models(Session *s, size_t *count) {
  NameList all = {0}, networks = {0};
  scope_names(s->arena, zoo_scope(s), &all);
  for (size_t i = 0; i < all.count; i++) {
    bool free_of_arguments = true;
    for (const Arg *p = scope_get(s->zoo, all.at[i])->model->params; p; p = p->next)
      free_of_arguments = free_of_arguments && p->value != NULL;
    if (free_of_arguments) vec_push(s->arena, &networks, all.at[i]);
  }
  if (networks.count) qsort(networks.at, networks.count, sizeof *networks.at, compare_names);
  *count = networks.count;
  return networks.at;
}

/* The text of the last line above the model that begins so; `directly`: which stands right above. */
static const char *line_above(Session *s, const char *name, const char *begin, bool directly) {
  const Const *model = scope_own(zoo_scope(s), name);
  if (!model || !model->model || model->model->span.source >= s->sources.files.count) return NULL;
  const char *text = s->sources.files.at[model->model->span.source].text, *end = text + model->model->span.begin;
  const char *found = NULL;
  for (const char *line = text, *next; line < end; line = next) {
    next = strchr(line, '\n') + 1;
    if (strncmp(line, begin, strlen(begin)) == 0 && (!directly || next == end)) found = line + strlen(begin);
  }
  return found ? arena_strndup(s->arena, found, strcspn(found, "\n")) : NULL;
}

const char *zoo_origin(Session *s, const char *name) { return line_above(s, name, "## ", false); }
const char *zoo_weight_files(Session *s, const char *name) { return line_above(s, name, "#: ", true); }
