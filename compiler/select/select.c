/* What selectors pick of the graph of a script: lays the graph out as runtime/base/selector.h reads a network,
 * evaluates the bounds of indices and turns messages into diagnostics. Never changes the graph. Called by compiler/edit
 * (select_units) and by whoever else has to know (select_resolve). */
#include "compiler/select/select.h"
#include "compiler/select/log.h"

typedef struct ScriptHost {
  SelectHost host;
  Session *s;
  Scope *scope;
  Diag *diag; /* the one that is being said */
} ScriptHost;

static void say(SelectHost *host, SelectSay what, const char *code, Span span, const char *text) {
  ScriptHost *h = (ScriptHost *)host;
  Diags *diags = &h->s->diags;
  DiagCode known;
  switch (what) {
  case SELECT_REPORT:
    if (!diag_code_parse(code, &known)) BUG("there is no message %s", code);
    h->diag = diag_report(diags, known, span, "%s", text);
    break;
  case SELECT_CARET: diag_caret(diags, h->diag, "%s", text); break;
  case SELECT_NOTE: diag_note(diags, h->diag, "%s", text); break;
  case SELECT_HELP: diag_help(diags, h->diag, "%s", text); break;
  case SELECT_FIX: diag_fix(diags, h->diag, span, "%s", text); break;
  }
}

static bool bound(SelectHost *host, const struct Expr *expr, int64_t *out) {
  ScriptHost *h = (ScriptHost *)host;
  Const value;
  if (!eval_const(h->s, h->scope, expr, &value)) return false;
  if (value.kind != CONST_INT) {
    Diag *d = diag_report(&h->s->diags, DIAG_E0204, expr->span, "an index must be a whole number");
    diag_help(&h->s->diags, d, "[0:5] is the first five, [-1] the last");
    return false;
  }
  *out = value.integer;
  return true;
}

/* A statement that was wrong may have made it, or one that could not be read. */
static bool excused(SelectHost *host, const char *name) {
  const Diags *diags = &((ScriptHost *)host)->s->diags;
  return name ? diag_may_be_unmade(diags, name) || diag_may_be_unread(diags, name) : diags->failed.count > 0;
}

static const char *constant(SelectHost *host, const char *name) {
  const Const *known = scope_get(((ScriptHost *)host)->scope, name);
  return known && known->kind == CONST_TEXT ? known->text : NULL;
}

/* Ids stay what they are. Views into the graph, but for the arrays. */
static SelectNet lay_out(const Graph *g, Arena *arena) {
  ParamList parameters = graph_state_dict(g, arena, false);
  SelectNet net = {.name = g->name,
                   .order = {g->order.at, g->order.count},
                   .parameters = {parameters.at, parameters.count},
                   .own_output = !streq(g->outputs.at[0].name, "output")};
  vec_reserve(arena, &net.modules, g->modules.count);
  vec_reserve(arena, &net.nodes, g->nodes.count);
  vec_reserve(arena, &net.params, g->params.count);
  for (size_t i = 0; i < g->modules.count; i++) {
    const Module *m = module_at(g, i);
    vec_push(arena, &net.modules,
             (SelectModule){.name = m->name,
                            .local = m->local,
                            .type = m->type,
                            .parent = m->parent,
                            .children = {m->children.at, m->children.count},
                            .params = {m->params.at, m->params.count},
                            .alive = m->alive,
                            .cut = m->cut});
  }
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    vec_push(arena, &net.nodes,
             (SelectNode){.name = n->name,
                          .type = n->module == NO_ID ? op_info(n->op)->name : NULL,
                          .module = n->module,
                          .scope = n->scope,
                          .stage = n->stage,
                          .alive = n->alive,
                          .cut = n->cut});
  }
  for (size_t i = 0; i < g->params.count; i++)
    vec_push(arena, &net.params, (SelectParam){param_at(g, i)->name, param_at(g, i)->module});
  for (size_t i = 0; i < g->stages.count; i++) vec_push(arena, &net.stages, g->stages.at[i].name);
  return net;
}

bool select_look(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Arena *arena,
                 Picked *out) {
  ScriptHost host = {{say, bound, excused, constant}, s, scope, NULL};
  SelectNet net = lay_out(g, arena);
  return selector_pick(&host.host, &net, selector, with_cut, arena, s->arena, out);
}

bool select_units(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Arena *arena,
                  Picked *out) {
  bool ok = select_look(s, g, scope, selector, with_cut, arena, out);
  if (ok) log_match(s, g, selector, out);
  return ok;
}

bool select_resolve(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Selection *out) {
  Arena *scratch = arena_create();
  Picked p;
  *out = (Selection){0};
  bool ok = select_units(s, g, scope, selector, with_cut, scratch, &p);
  if (ok) {
    for (size_t i = 0; i < g->modules.count; i++)
      if (p.module[i]) vec_push(s->arena, &out->modules, (ModuleId)i);
    for (size_t i = 0; i < g->order.count; i++)
      if (p.node[g->order.at[i]]) vec_push(s->arena, &out->nodes, g->order.at[i]);
    ParamList params = graph_state_dict(g, scratch, true);
    for (size_t i = 0; i < params.count; i++)
      if (p.param[params.at[i]]) vec_push(s->arena, &out->params, params.at[i]);
    out->only_params = p.tensors && !p.layers;
  }
  arena_destroy(scratch);
  return ok;
}
