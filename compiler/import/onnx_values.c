/* The values of an ONNX graph by name: which node gives each, who reads it, and what the output needs.
 * Reports what is missing, given twice, or not in order (a cycle cannot be in order). Called by onnx.c before
 * any node is read. */
#include "compiler/import/onnx_internal.h"

static int define(OnnxImport *o, const char *name, int producer) {
  int known = names_find(&o->names, name);
  if (known >= 0) {
    onnx_broken(o, DIAG_E0604, "the value '%s' is given twice", SG_Q(name));
    return -1;
  }
  int index = (int)o->values.count;
  map_add_text(o->arena, &o->names, name)->value = index;
  vec_push(o->arena, &o->values,
           (OnnxValue){.name = name, .producer = producer, .user = -1, .item = -1, .first_item = -1});
  return index;
}

static bool define_initializers(OnnxImport *o) {
  for (size_t i = 0; i < o->graph->n_initializer; i++) {
    const OnnxTensorProto *tensor = o->graph->initializer[i];
    int index = tensor->name && *tensor->name ? define(o, tensor->name, -1) : -1;
    if (index < 0) return false; /* without a name: the weights reader has refused it */
    o->values.at[index].kind = VALUE_TENSOR;
    o->values.at[index].tensor = tensor;
    o->values.at[index].key = tensor->name;
  }
  return true;
}

/* Older files list the initializers among the inputs. */
static bool define_input(OnnxImport *o) {
  const Onnx__GraphProto *g = o->graph;
  o->input = -1;
  for (size_t i = 0; i < g->n_input; i++) {
    const char *name = g->input[i]->name ? g->input[i]->name : "";
    int known = names_find(&o->names, name);
    if (known >= 0 && o->values.at[known].kind == VALUE_TENSOR) continue;
    if (o->input >= 0)
      return onnx_broken(o, DIAG_E0604, "the graph has several inputs, '%s' and '%s'; a file is read for one",
                         SG_Q(o->values.at[o->input].name), SG_Q(name));
    o->input = define(o, name, -1);
    if (o->input < 0) return false;
    o->values.at[o->input].kind = VALUE_FLOW;
  }
  return o->input >= 0 || onnx_broken(o, DIAG_E0604, "the graph has no input");
}

static bool define_nodes(OnnxImport *o) {
  for (size_t i = 0; i < o->graph->n_node; i++) {
    const OnnxNode *n = o->nodes[i].node;
    if (!n->op_type || n->n_output == 0) return onnx_broken(o, DIAG_E0604, "node %zu has no operator or no output", i);
    for (size_t k = 0; k < n->n_output; k++)
      if (*n->output[k] && define(o, n->output[k], (int)i) < 0) return false;
  }
  return true;
}

/* Marks what a needed node reads. */
static bool need_inputs(OnnxImport *o, int node) {
  const OnnxNode *n = o->nodes[node].node;
  for (size_t k = 0; k < n->n_input; k++) {
    if (!*n->input[k]) continue;
    int index = names_find(&o->names, n->input[k]);
    if (index < 0)
      return onnx_broken(o, DIAG_E0604, "node '%s' (%s) reads '%s', which neither a node nor an initializer gives",
                         onnx_node_name(o, node), SG_Q(n->op_type), SG_Q(n->input[k]));
    OnnxValue *v = &o->values.at[index];
    if (v->producer >= node)
      return onnx_broken(o, DIAG_E0604,
                         "node '%s' (%s) reads '%s', which comes behind it: the nodes form a cycle, or are not sorted",
                         onnx_node_name(o, node), SG_Q(n->op_type), SG_Q(n->input[k]));
    v->uses++;
    if (v->user < 0) v->user = node;
    if (v->producer >= 0) o->nodes[v->producer].needed = true;
  }
  return true;
}

bool values_collect(OnnxImport *o) {
  const Onnx__GraphProto *g = o->graph;
  o->nodes = arena_array(o->arena, NodeInfo, g->n_node + 1);
  for (size_t i = 0; i < g->n_node; i++) o->nodes[i] = (NodeInfo){.node = g->node[i], .gelu = -1};
  if (!define_initializers(o) || !define_input(o) || !define_nodes(o)) return false;
  if (g->n_output != 1)
    return onnx_broken(o, DIAG_E0604,
                       "the graph has %zu outputs; a file is read for one of them, and `output` names others",
                       g->n_output);
  const char *name = g->output[0]->name ? g->output[0]->name : "";
  o->output = names_find(&o->names, name);
  if (o->output < 0) return onnx_broken(o, DIAG_E0604, "the output '%s' is given by no node", SG_Q(name));
  OnnxValue *out = &o->values.at[o->output];
  out->uses = 1;
  if (out->producer >= 0) o->nodes[out->producer].needed = true;
  size_t needed = 0;
  for (size_t i = g->n_node; i-- > 0;) {
    if (!o->nodes[i].needed) continue;
    if (!need_inputs(o, (int)i)) return false;
    needed++;
  }
  if (needed <= ONNX_MAX_NODES) return true;
  return onnx_broken(o, DIAG_E0601, "%zu nodes; at most %d are read", needed, ONNX_MAX_NODES);
}

/* ---- what a node reads and gives ---- */

OnnxValue *node_input(OnnxImport *o, int node, size_t index) {
  const OnnxNode *n = o->nodes[node].node;
  if (index >= n->n_input || !*n->input[index]) return NULL;
  return &o->values.at[names_find(&o->names, n->input[index])]; /* need_inputs() has found it */
}

OnnxValue *node_output(OnnxImport *o, int node) {
  const char *name = o->nodes[node].node->output[0];
  int index = names_find(&o->names, name);
  ASSERT(index >= 0);
  return &o->values.at[index];
}

bool flow_input(OnnxImport *o, int node, size_t index, int *item, int *rank, int64_t pad[2]) {
  const OnnxValue *v = node_input(o, node, index);
  if (!v) return onnx_refuse(o, node, "its input %zu is left out", index + 1);
  if (v->kind == VALUE_NONE) return false;
  if (v->kind != VALUE_FLOW)
    return onnx_refuse(o, node, "its input '%s' is a %s; only values that flow through the network are supported there",
                       SG_Q(v->name), v->kind == VALUE_INTS ? "shape or list of integers" : "constant");
  if (pad) memcpy(pad, v->pad, sizeof v->pad);
  else if (v->pad[0] || v->pad[1])
    return onnx_refuse(o, node, "its input comes from a Pad, which only Conv and AveragePool can take in");
  *item = v->item;
  *rank = v->rank;
  return true;
}

/* ---- items ---- */

OnnxItem *item_add(OnnxImport *o, int node, OpId layer, OpId function, int input) {
  const OnnxNode *n = o->nodes[node].node;
  vec_push(o->arena, &o->items,
           (OnnxItem){.layer = layer,
                      .function = function,
                      .name = n->name ? n->name : "",
                      .type = n->op_type,
                      .inputs = {input},
                      .input_count = 1,
                      .same_layer = -1,
                      .module = NO_ID,
                      .output = NO_ID});
  return &o->items.at[o->items.count - 1];
}

static bool same_params(const OnnxItem *a, const OnnxItem *b) {
  if (a->layer != b->layer || a->param_count != b->param_count || !op_same_args(a->layer, &a->args, &b->args))
    return false;
  for (int i = 0; i < a->param_count; i++)
    if (!streq(a->params[i].name, b->params[i].name) || a->params[i].form != b->params[i].form) return false;
  return true;
}

/* The first parameter is the one that tells layers apart: a second layer with it is the same layer called
 * again. */
static void find_same_layer(OnnxImport *o, OnnxItem *item) {
  int index = names_find(&o->names, item->params[0].name), self = (int)(item - o->items.at);
  OnnxValue *v = &o->values.at[index];
  if (v->first_item < 0) {
    v->first_item = self;
    return;
  }
  if (same_params(&o->items.at[v->first_item], item)) {
    item->same_layer = v->first_item;
    return;
  }
  diag_report(&o->s->diags, DIAG_W0601, o->span,
              "'%s' is the weight of two layers that differ otherwise; each gets a copy", SG_Q(item->params[0].name));
}

void item_param(OnnxImport *o, OnnxItem *item, const char *role, OnnxValue *v, DonorForm form) {
  ASSERT(item->param_count < 4);
  item->params[item->param_count++] = (OnnxParam){role, v->name, v->key, form};
}

void item_done(OnnxImport *o, int node, int rank) {
  int last = (int)o->items.count - 1;
  if (o->items.at[last].param_count > 0) find_same_layer(o, &o->items.at[last]);
  OnnxValue *out = node_output(o, node);
  out->kind = VALUE_FLOW;
  out->item = last;
  out->rank = rank;
}

bool in_range(OnnxImport *o, int node, const char *name, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return true;
  return onnx_refuse(o, node, "%s must lie between %lld and %lld, not %lld", name, (long long)min, (long long)max,
                     (long long)value);
}
