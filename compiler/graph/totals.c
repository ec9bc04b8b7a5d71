/* How many numbers a layer, a container or the network has. Asks the graph, changes nothing. Called by what shows
 * networks and by what writes manifests and headers. */
#include "compiler/graph/graph.h"

static void add_totals(const Graph *g, ModuleId module, bool below, Totals *t) {
  const Module *m = module_at(g, module);
  if (!m->alive) return;
  for (size_t i = 0; i < m->params.count; i++) {
    const Param *p = param_at(g, m->params.at[i]);
    int64_t count = shape_count(&p->shape);
    if (p->is_buffer) {
      t->buffers += count;
      continue;
    }
    t->all += count;
    if (p->trainable) t->trained += count;
  }
  for (size_t i = 0; below && i < m->children.count; i++) add_totals(g, m->children.at[i], true, t);
}

Totals module_totals(const Graph *g, ModuleId module, bool below) {
  Totals t = {0};
  add_totals(g, module, below, &t);
  return t;
}

Totals node_totals(const Graph *g, NodeId node) {
  ModuleId module = node_at(g, node)->module;
  return module == NO_ID ? (Totals){0} : module_totals(g, module, false);
}
