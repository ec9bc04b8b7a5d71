/* freeze and unfreeze. Freezing a layer stops its gradient, its batch statistics and its noise; freezing
 * tensors, or `parameters of`, stops the gradient alone, as requires_grad = False does. Called by compiler/script. */
#include "compiler/edit/edit.h"

typedef struct Effect {
  size_t subjects; /* tensors and layers on which the statement could act at all */
  size_t changed;
} Effect;

static void set_param(Param *p, bool trainable, Effect *effect) {
  if (p->is_buffer) return;
  effect->subjects++;
  effect->changed += p->trainable != trainable;
  p->trainable = trainable;
}

static void set_module(Module *m, bool frozen, Effect *effect) {
  if (m->op == OP_NONE) return;
  bool matters = op_info(m->op)->batch != BATCH_SAME; /* else the parameters are all there is */
  effect->subjects += matters;
  effect->changed += matters && m->frozen != frozen;
  m->frozen = frozen;
}

/* A function's noise is its container's to stop. */
static void set_function(Graph *g, NodeId n, bool frozen, Effect *effect) {
  ModuleId home = node_at(g, n)->module == NO_ID ? node_varies(g, n) : NO_ID;
  if (home == NO_ID) return;
  effect->subjects++;
  effect->changed += module_at(g, home)->frozen != frozen;
  module_at(g, home)->frozen = frozen;
}

static void report_no_effect(EditContext *e, const Stmt *stmt, const Effect *effect, bool freeze) {
  if (effect->subjects == 0) {
    Diag *d = diag_report(&e->s->diags, DIAG_W0202, stmt->span, "there is nothing to %s in it",
                          freeze ? "freeze" : "unfreeze");
    diag_help(&e->s->diags, d, "it has no trainable parameters, no batch statistics and no noise");
  } else if (effect->changed == 0) {
    diag_report(&e->s->diags, DIAG_W0201, stmt->span, "%s",
                freeze ? "all of it is frozen already" : "none of it is frozen");
  }
}

static bool set_frozen(EditContext *e, const Stmt *stmt, bool freeze) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  Picked picked;
  bool ok = select_units(e->s, g, e->scope, stmt->selector, false, scratch, &picked);
  if (ok) {
    Effect effect = {0};
    for (size_t i = 0; i < g->params.count; i++)
      if (picked.param[i] && module_at(g, param_at(g, i)->module)->alive) set_param(param_at(g, i), !freeze, &effect);
    for (size_t i = 1; i < g->modules.count && !stmt->selector->parameters_of; i++)
      if (picked.module[i] && module_at(g, i)->alive) set_module(module_at(g, i), freeze, &effect);
    for (size_t i = 0; i < g->nodes.count && !stmt->selector->parameters_of; i++)
      if (picked.node[i] && node_at(g, i)->alive) set_function(g, (NodeId)i, freeze, &effect);
    report_no_effect(e, stmt, &effect, freeze);
  }
  arena_destroy(scratch);
  return ok;
}

bool edit_freeze(EditContext *e, const Stmt *stmt) { return set_frozen(e, stmt, true); }
bool edit_unfreeze(EditContext *e, const Stmt *stmt) { return set_frozen(e, stmt, false); }
