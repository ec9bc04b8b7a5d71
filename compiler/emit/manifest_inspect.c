/* What `inspect` of a compiled program has to know of the network: where each value lies behind a call of the
 * generated function, which parts of the network can be removed without another change, and for which value
 * each call of forward works. Reads the plan and its graph. Called by manifest.c. */
#include "compiler/emit/manifest.h"
#include "compiler/select/select.h"

typedef struct Inspection {
  Arena *arena;
  const Plan *plan;
  const Graph *g;
  int *index; /* by ValueId: its place in "values"; -1: the network's input, or not computed */
} Inspection;

static json_t *indices(const Inspection *in, const ValueId *value, size_t count) {
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++) json_array_append_new(list, json_integer(in->index[value[i]]));
  return list;
}

static json_t *value_json(const Inspection *in, NodeId id) {
  const Node *n = node_at(in->g, id);
  const Module *layer = n->module == NO_ID ? NULL : module_at(in->g, n->module);
  json_t *json = json_pack("{s:o, s:o, s:o, s:o}", "name", manifest_string(n->name), "type",
                           manifest_string(layer ? layer->type : op_info(n->op)->name), "inputs",
                           indices(in, n->inputs.at, n->inputs.count), "shape",
                           manifest_shape(&value_at(in->g, n->output)->shape));
  if (layer) json_object_set_new(json, "layer", manifest_string(layer->name));
  Kept kept = in->plan->kept.at[n->output];
  const Buffer *buffer = &in->plan->inspect.buffers.at[kept.buffer];
  if (buffer->space != SPACE_ARENA) return json;
  json_object_set_new(json, "offset", json_integer(buffer->offset));
  json_object_set_new(json, "blocked", json_boolean(kept.blocked));
  return json;
}

/* ---- what can be removed: as compiler/edit/remove.c bypasses it ---- */

typedef struct Bypass {
  ValueId in, out;
  VEC(ValueId) inside;
} Bypass;

static bool leaves(const Inspection *in, const bool *inside, ValueId value) {
  for (size_t i = 0; i < in->g->outputs.count; i++)
    if (in->g->outputs.at[i].value == value) return true;
  for (size_t i = 0; i < in->g->order.count; i++) {
    NodeId id = in->g->order.at[i];
    const Node *n = node_at(in->g, id);
    if (inside[id] || in->index[n->output] < 0) continue;
    for (size_t k = 0; k < n->inputs.count; k++)
      if (n->inputs.at[k] == value) return true;
  }
  return false;
}

/* Where the one value that leaves the module would come from without it. False: `remove` would refuse, or the
 * shapes behind it would change. */
static bool find_bypass(const Inspection *in, ModuleId module, Bypass *b) {
  const Graph *g = in->g;
  ValueId *flows = arena_array(in->arena, ValueId, g->values.count + 1);
  bool *inside = arena_array(in->arena, bool, g->nodes.count + 1);
  for (size_t i = 0; i < g->values.count; i++) flows[i] = (ValueId)i;
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    const Node *n = node_at(g, id);
    if (in->index[n->output] < 0 || !node_within(g, id, module)) continue;
    if (n->inputs.count == 0) return false;
    for (size_t k = 1; k < n->inputs.count; k++)
      if (flows[n->inputs.at[k]] != flows[n->inputs.at[0]]) return false;
    flows[n->output] = flows[n->inputs.at[0]];
    inside[id] = true;
    vec_push(in->arena, &b->inside, n->output);
  }
  b->out = NO_ID;
  for (size_t i = 0; i < b->inside.count; i++) {
    if (!leaves(in, inside, b->inside.at[i])) continue;
    if (b->out != NO_ID) return false;
    b->out = b->inside.at[i];
  }
  if (b->out == NO_ID) return false;
  b->in = flows[b->out];
  const Shape *from = &value_at(g, b->in)->shape, *to = &value_at(g, b->out)->shape;
  return shape_equal(from, to) && from->dtype == to->dtype;
}

/* A container around one layer is listed once, by the outer name: children have higher ids. */
static json_t *blocks_json(const Inspection *in) {
  json_t *list = json_array();
  const Graph *g = in->g;
  ValueId *known = arena_array(in->arena, ValueId, g->values.count + 1); /* by where it ends: where it begins */
  for (size_t i = 0; i < g->values.count; i++) known[i] = NO_ID;
  for (size_t m = 1; m < g->modules.count; m++) {
    Bypass b = {0};
    if (!module_at(g, m)->alive || !find_bypass(in, (ModuleId)m, &b) || known[b.out] == b.in) continue;
    known[b.out] = b.in;
    json_array_append_new(list,
                          json_pack("{s:o, s:o, s:i, s:i, s:o, s:I}", "name", manifest_string(module_at(g, m)->name),
                                    "type", manifest_string(module_at(g, m)->type), "in", in->index[b.in], "out",
                                    in->index[b.out], "values", indices(in, b.inside.at, b.inside.count), "parameters",
                                    (json_int_t)module_totals(g, (ModuleId)m, true).all));
  }
  return list;
}

void manifest_inspect(Arena *arena, const Plan *plan, json_t *root) {
  const Graph *g = plan->graph;
  Inspection in = {arena, plan, g, arena_array(arena, int, g->values.count + 1)};
  for (size_t i = 0; i < g->values.count; i++) in.index[i] = -1;
  json_t *values = json_array(), *calls = json_array();
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    if (!n->alive || plan->kept.at[n->output].buffer == NO_ID) continue;
    if (value_at(g, n->output)->shape.dtype != DTYPE_F32) continue; /* token numbers: nothing to measure */
    in.index[n->output] = (int)json_array_size(values);
    json_array_append_new(values, value_json(&in, g->order.at[i]));
  }
  for (size_t c = 0; c < plan->forward.calls.count; c++) {
    NodeId node = plan->forward.calls.at[c].node;
    json_array_append_new(calls, json_integer(node == NO_ID ? -1 : in.index[node_at(g, node)->output]));
  }
  json_object_set_new(root, "values", values);
  json_object_set_new(root, "blocks", blocks_json(&in));
  json_object_set_new(root, "forward_calls", calls);
}
