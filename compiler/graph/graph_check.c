/* The invariants of the graph, checked between passes. What fails here is our own bug, never the user's
 * mistake: BUG() names it. Changes nothing. */
#include "compiler/graph/graph.h"
#include <stdlib.h>

static int compare_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_unique(const char **names, size_t count, const char *what) {
  if (count > 1) qsort(names, count, sizeof *names, compare_text);
  for (size_t i = 1; i < count; i++)
    if (strcmp(names[i - 1], names[i]) == 0) BUG("two %s are named '%s'", what, names[i]);
}

static void check_modules(const Graph *g, Arena *scratch) {
  const char **names = arena_array(scratch, const char *, g->modules.count + 1);
  size_t count = 0;
  if (g->modules.count == 0 || module_at(g, 0)->parent != NO_ID) BUG("the graph has no root");
  for (size_t i = 0; i < g->modules.count; i++) {
    const Module *module = module_at(g, i);
    if (i > 0 && (module->parent < 0 || (size_t)module->parent >= g->modules.count))
      BUG("module '%s' has no parent", module->name);
    for (size_t c = 0; c < module->children.count; c++) {
      ModuleId child = module->children.at[c];
      if (child <= 0 || (size_t)child >= g->modules.count || module_at(g, child)->parent != (ModuleId)i)
        BUG("module '%s' and its child %zu disagree", module->name, c);
    }
    for (size_t p = 0; p < module->params.count; p++) {
      ParamId param = module->params.at[p];
      if (param < 0 || (size_t)param >= g->params.count || param_at(g, param)->module != (ModuleId)i)
        BUG("module '%s' and its parameter %zu disagree", module->name, p);
    }
    if (!module->alive) continue;
    if (i > 0 && !module_at(g, module->parent)->alive) BUG("'%s' lives in a dead container", module->name);
    names[count++] = module->name;
  }
  check_unique(names, count, "modules");
}

static bool produced(const Graph *g, const bool *done, ValueId value) {
  return value >= 0 && (size_t)value < g->values.count &&
         (value == g->input_value || value == g->mask_value || done[value]);
}

static void check_node(const Graph *g, NodeId id, bool *done) {
  const Node *node = node_at(g, id);
  if (node->op <= OP_NONE || node->op >= OP_COUNT) BUG("node '%s' has no operator", node->name);
  if (node->output < 0 || (size_t)node->output >= g->values.count || value_at(g, node->output)->producer != id)
    BUG("node '%s' does not own its output", node->name);
  if (!node->alive) return;
  const OpInfo *info = op_info(node->op);
  if (info->inputs != INPUTS_MANY &&
      (node->inputs.count < (size_t)info->inputs || node->inputs.count > (size_t)info->most_inputs))
    BUG("node '%s' has %zu inputs, %s takes %d to %d", node->name, node->inputs.count, info->name, info->inputs,
        info->most_inputs);
  for (size_t i = 0; i < node->inputs.count; i++)
    if (!produced(g, done, node->inputs.at[i])) BUG("input %zu of node '%s' is not produced before it", i, node->name);
  if (info->is_layer) {
    if (node->module < 0 || (size_t)node->module >= g->modules.count) BUG("node '%s' has no module", node->name);
    const Module *module = module_at(g, node->module);
    if (!module->alive) BUG("node '%s' calls '%s', which was removed", node->name, module->name);
    if (module->op != node->op) BUG("node '%s' and its module have different operators", node->name);
  }
  done[node->output] = true;
}

void graph_check(const Graph *g) {
  Arena *scratch = arena_create();
  check_modules(g, scratch);
  bool *done = arena_array(scratch, bool, g->values.count + 1);
  bool *listed = arena_array(scratch, bool, g->nodes.count + 1);
  const char **names = arena_array(scratch, const char *, g->nodes.count + 1);
  size_t count = 0;
  if (g->order.count != g->nodes.count) BUG("%zu nodes, %zu in the order", g->nodes.count, g->order.count);
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (id < 0 || (size_t)id >= g->nodes.count || listed[id]) BUG("the order is not a permutation at %zu", i);
    listed[id] = true;
    check_node(g, id, done);
    if (node_at(g, id)->alive) names[count++] = node_at(g, id)->name;
  }
  check_unique(names, count, "nodes");
  for (size_t i = 0; i < g->outputs.count; i++)
    if (!produced(g, done, g->outputs.at[i].value)) BUG("output '%s' is not alive", g->outputs.at[i].name);
  arena_destroy(scratch);
}
