/* What needs a gradient and what is frozen for good, from the flags that the edits set. The frozen prefix ends at
 * the frozen_boundary: the last single value through which everything flows and before which nothing is trained,
 * nothing random happens and no batch statistics move. */
#include "compiler/plan/plan.h"

static bool has_trainable(const Graph *g, const Node *n) {
  if (n->module == NO_ID) return false;
  const Module *m = module_at(g, n->module);
  for (size_t i = 0; i < m->params.count; i++)
    if (param_at(g, m->params.at[i])->trainable) return true;
  return false;
}

static void mark_used(const Graph *g, bool *used) {
  bool *wanted = arena_array(g->arena, bool, g->values.count + 1);
  for (size_t i = 0; i < g->outputs.count; i++) wanted[g->outputs.at[i].value] = true;
  for (size_t i = g->order.count; i-- > 0;) {
    const Node *n = node_at(g, g->order.at[i]);
    if (!n->alive || !wanted[n->output]) continue;
    used[g->order.at[i]] = true;
    for (size_t k = 0; k < n->inputs.count; k++) wanted[n->inputs.at[k]] = true;
  }
}

/* The last place in the order at which all that lies before is fixed and one value alone goes on. */
static void find_frontier(const Graph *g, Trainability *t) {
  int *last_use = arena_array(g->arena, int, g->values.count + 1);
  int end = (int)g->order.count;
  for (int i = 0; i < end; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    if (!t->used[g->order.at[i]]) continue;
    for (size_t k = 0; k < n->inputs.count; k++) last_use[n->inputs.at[k]] = i;
  }
  for (size_t i = 0; i < g->outputs.count; i++) last_use[g->outputs.at[i].value] = end;
  int reach = last_use[g->input_value]; /* the last use of any value but the newest */
  for (int i = 0; i < end; i++) {
    NodeId id = g->order.at[i];
    const Node *n = node_at(g, id);
    if (!t->used[id]) continue;
    if (t->varies[id] || has_trainable(g, n) || t->needs_grad[n->output]) break;
    if (reach <= i && last_use[n->output] < end) {
      t->frozen_boundary = n->output;
      t->boundary_position = i;
    }
    if (last_use[n->output] > reach) reach = last_use[n->output];
  }
}

Trainability analyse_trainability(const Graph *g) {
  Trainability t = {
      .used = arena_array(g->arena, bool, g->nodes.count + 1),
      .needs_grad = arena_array(g->arena, bool, g->values.count + 1),
      .varies = arena_array(g->arena, bool, g->nodes.count + 1),
      .frozen_boundary = NO_ID,
      .boundary_position = -1,
  };
  mark_used(g, t.used);
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    const Node *n = node_at(g, id);
    if (!t.used[id]) continue;
    ModuleId varies = node_varies(g, id);
    t.varies[id] = varies != NO_ID && !module_at(g, varies)->frozen;
    bool grad = has_trainable(g, n);
    for (size_t k = 0; k < n->inputs.count && op_passes_gradient(n->op); k++) grad |= t.needs_grad[n->inputs.at[k]];
    t.needs_grad[n->output] = grad;
  }
  for (size_t i = 0; i < g->params.count; i++) {
    const Param *p = param_at(g, i);
    if (p->trainable && module_at(g, p->module)->alive) t.trainable += shape_count(&p->shape);
  }
  if (t.trainable > 0) find_frontier(g, &t);
  return t;
}
