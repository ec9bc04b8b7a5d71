/* remove SEL: each picked layer is bypassed, its input flows on. A function of two inputs can be bypassed
 * when both are the same value once the rest of what was picked is gone, as in a whole residual block. Called
 * by edit.c. */
#include "compiler/edit/edit.h"

/* Where each value comes from once the picked nodes are gone. False and reported when that is not clear. */
static bool plan_bypass(EditContext *e, const Stmt *stmt, const Picked *picked, ValueId *flows) {
  const Graph *g = e->graph;
  for (size_t i = 0; i < g->values.count; i++) flows[i] = (ValueId)i;
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    const Node *n = &g->nodes.at[id];
    if (!n->alive || !picked->node[id]) continue;
    ValueId through = n->inputs.count ? flows[n->inputs.at[0]] : NO_ID;
    for (size_t k = 1; k < n->inputs.count; k++) {
      if (flows[n->inputs.at[k]] == through) continue;
      Diag *d = diag_report(&e->s->diags, DIAG_E0213, stmt->selector->span,
                            "'%s' cannot be bypassed: it has several inputs", n->name);
      diag_caret(&e->s->diags, d, "%s or %s, which goes on?", edit_value_name(g, through),
                 edit_value_name(g, flows[n->inputs.at[k]]));
      diag_help(&e->s->diags, d, "remove the branch that is to go along with it, down to where the two part");
      return false;
    }
    flows[n->output] = through;
  }
  return true;
}

static bool anything_left(const Graph *g, const Picked *picked) {
  for (size_t i = 0; i < g->nodes.count; i++)
    if (g->nodes.at[i].alive && !picked->node[i]) return true;
  return false;
}

bool edit_remove(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  Picked picked;
  ValueId *flows = arena_array(scratch, ValueId, g->values.count + 1);
  bool ok = select_units(e->s, g, e->scope, stmt->selector, false, scratch, &picked) &&
            !edit_reject_tensors(e, stmt, &picked, "remove") && plan_bypass(e, stmt, &picked, flows);
  if (ok && !anything_left(g, &picked)) {
    Diag *d = diag_report(&e->s->diags, DIAG_E0214, stmt->span, "remove would leave no layer at all");
    diag_help(&e->s->diags, d, "replace a layer instead, or except one: remove all except …");
    ok = false;
  }
  if (ok) {
    for (size_t i = 0; i < g->nodes.count; i++) {
      const Node *n = &g->nodes.at[i];
      for (size_t k = 0; k < n->inputs.count; k++)
        if (flows[n->inputs.at[k]] != n->inputs.at[k])
          edit_redirect_node(g, (NodeId)i, n->inputs.at[k], flows[n->inputs.at[k]], stmt->span);
    }
    for (size_t i = 0; i < g->outputs.count; i++) g->outputs.at[i].value = flows[g->outputs.at[i].value];
    for (size_t i = 0; i < g->nodes.count; i++)
      if (picked.node[i] && g->nodes.at[i].alive) edit_retire_node(g, (NodeId)i);
    for (size_t i = 1; i < g->modules.count; i++) /* those that forward never called */
      if (picked.module[i]) edit_retire_module(g, (ModuleId)i);
    edit_update_alive(g);
  }
  arena_destroy(scratch);
  return ok;
}
