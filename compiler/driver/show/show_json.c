/* `surgeryc show --json`: everything about a network that the table, the tree and the drawing are made from.
 * The form is a promise, documented in grammar/README.md: members may be added, none is renamed or taken
 * away. */
#include "compiler/base/diag.h"
#include "compiler/driver/show/show.h"
#include <errno.h>

json_t *name_json(Arena *arena, const char *text) {
  return text ? json_string(clean_text(arena, text, strlen(text))) : json_null();
}

json_t *shape_json(int rank, const int64_t *dim) {
  if (rank < 0) return json_null();
  json_t *array = json_array();
  for (int i = 0; i < rank; i++) json_array_append_new(array, json_integer(dim[i]));
  return array;
}

void print_json(json_t *json) {
  errno = ENOMEM; /* the only reason for which jansson refuses what is valid UTF-8 */
  if (!json) fail_environment("the result cannot be written as JSON");
  json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
  putchar('\n');
  json_decref(json);
}

static json_t *int_json(int64_t value) {
  return value == HOLE_VALUE || value == NONE_VALUE ? json_null() : json_integer(value);
}

static json_t *arg_json(Arena *arena, const ArgInfo *info, const OpArgs *args) {
  const char *at = (const char *)args + info->offset;
  switch (info->type) {
  case ARG_INT: return int_json(*(const int64_t *)at);
  case ARG_FLOAT: return json_real(*(const double *)at);
  case ARG_BOOL: return json_boolean(*(const bool *)at);
  case ARG_TEXT: return name_json(arena, *(const char *const *)at);
  case ARG_PAIR: {
    const int64_t *pair = (const int64_t *)at;
    return pair[0] == NONE_VALUE ? json_null() : json_pack("[o, o]", int_json(pair[0]), int_json(pair[1]));
  }
  case ARG_INTS: {
    const IntList *list = (const IntList *)at;
    return shape_json(list->count, list->at);
  }
  }
  return json_null();
}

static json_t *args_json(Arena *arena, OpId op, const OpArgs *args) {
  json_t *object = json_object();
  for (const ArgInfo *info = op_info(op)->args; info->name; info++)
    json_object_set_new(object, info->name, arg_json(arena, info, args));
  return object;
}

static json_t *module_json(Arena *arena, const Graph *g, ModuleId id) {
  const Module *m = module_at(g, id);
  Totals t = module_totals(g, id, true);
  json_t *children = json_array();
  for (size_t i = 0; i < m->children.count; i++) {
    const Module *child = module_at(g, m->children.at[i]);
    if (child->alive) json_array_append_new(children, name_json(arena, child->name));
  }
  return json_pack("{s:o, s:o, s:b, s:o, s:o, s:I, s:I, s:I, s:b}", "name", name_json(arena, m->name), "type",
                   name_json(arena, m->type), "container", m->op == OP_NONE, "arguments",
                   args_json(arena, m->op, &m->args), "children", children, "parameters", (json_int_t)t.all, "trained",
                   (json_int_t)t.trained, "buffers", (json_int_t)t.buffers, "frozen", (int)m->frozen);
}

/* Depth first, in declared order: a module stands behind the one it is in. */
static void add_modules(Arena *arena, const Graph *g, ModuleId id, json_t *array) {
  if (!module_at(g, id)->alive) return;
  json_array_append_new(array, module_json(arena, g, id));
  for (size_t i = 0; i < module_at(g, id)->children.count; i++)
    add_modules(arena, g, module_at(g, id)->children.at[i], array);
}

json_t *inputs_json(Arena *arena, const Graph *g, NodeId node) {
  const Node *n = node_at(g, node);
  json_t *inputs = json_array();
  for (size_t i = 0; i < n->inputs.count; i++)
    json_array_append_new(inputs, name_json(arena, layer_name(g, n->inputs.at[i])));
  return inputs;
}

static json_t *layer_json(Arena *arena, const Graph *g, NodeId id) {
  const Node *n = node_at(g, id);
  const Shape *shape = &value_at(g, n->output)->shape;
  Totals t = node_totals(g, id);
  return json_pack(
      "{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:s}", "name", name_json(arena, n->name), "type", node_type(g, id),
      "module", name_json(arena, n->module == NO_ID ? NULL : module_at(g, n->module)->name), "stage",
      name_json(arena, n->stage == NO_ID ? NULL : g->stages.at[n->stage].name), "inputs", inputs_json(arena, g, id),
      "arguments", args_json(arena, n->op, node_args(g, id)), "output", shape_json(shape->rank, shape->dim),
      "parameters", (json_int_t)t.all, "trained", (json_int_t)t.trained, "state", state_name(node_state(g, id)));
}

static json_t *tensor_json(Arena *arena, const Param *p) {
  return json_pack("{s:o, s:s, s:o, s:b, s:b}", "name", name_json(arena, p->name), "dtype", dtype_name(p->shape.dtype),
                   "shape", shape_json(p->shape.rank, p->shape.dim), "buffer", (int)p->is_buffer, "trained",
                   (int)(p->trainable && !p->is_buffer));
}

static json_t *outputs_json(Arena *arena, const Graph *g) {
  json_t *array = json_array();
  for (size_t i = 0; i < g->outputs.count; i++) {
    const Output *out = &g->outputs.at[i];
    const Shape *shape = &value_at(g, out->value)->shape;
    json_array_append_new(array, json_pack("{s:o, s:o, s:o}", "name", name_json(arena, out->name), "layer",
                                           name_json(arena, layer_name(g, out->value)), "shape",
                                           shape_json(shape->rank, shape->dim)));
  }
  return array;
}

json_t *network_json(Session *s, const CommandOperand *operand) {
  const Graph *g = operand->script.graph;
  Totals t = module_totals(g, 0, true);
  json_t *stages = json_array(), *modules = json_array(), *layers = json_array(), *tensors = json_array();
  for (size_t i = 0; i < g->stages.count; i++) json_array_append_new(stages, name_json(s->arena, g->stages.at[i].name));
  add_modules(s->arena, g, 0, modules);
  for (size_t i = 0; i < g->order.count; i++)
    if (node_at(g, g->order.at[i])->alive) json_array_append_new(layers, layer_json(s->arena, g, g->order.at[i]));
  ParamList all = graph_state_dict(g, s->arena, true);
  for (size_t i = 0; i < all.count; i++) json_array_append_new(tensors, tensor_json(s->arena, param_at(g, all.at[i])));
  return json_pack("{s:s, s:o, s:o, s:{s:s, s:o}, s:o, s:{s:I, s:I, s:I, s:I}, s:f, s:o, s:o, s:o, s:o}", "kind",
                   "network", "given", name_json(s->arena, operand->given), "name", name_json(s->arena, g->name),
                   "input", "kind", input_kind_name(g->input.kind), "shape",
                   shape_json(g->input.shape.rank, g->input.shape.dim), "outputs", outputs_json(s->arena, g), "total",
                   "parameters", (json_int_t)t.all, "trained", (json_int_t)t.trained, "frozen",
                   (json_int_t)(t.all - t.trained), "buffers", (json_int_t)t.buffers, "gflop",
                   network_flops(s, &operand->script) * 1e-9, "stages", stages, "modules", modules, "layers", layers,
                   "tensors", tensors);
}
