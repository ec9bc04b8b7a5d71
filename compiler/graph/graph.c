/* Building and asking the network graph: modules, parameters, nodes, values, shapes as text.
 * It knows nothing of the language; compiler/lang, compiler/import and the edits call it. */
#include "compiler/graph/graph.h"
#include "runtime/base/text.h"
#include "compiler/graph/graph_names.h"

Graph *graph_create(Arena *arena, const char *name) {
  Graph *g = arena_new(arena, Graph);
  g->arena = arena;
  g->name = name;
  g->names = graph_names_create(arena);
  g->input_value = g->mask_value = NO_ID;
  g->input.span = g->input.adapted = SPAN_NONE;
  g->input.shape.rank = g->made_for.rank = -1;
  g->input.span = SPAN_NONE;
  vec_push(arena, &g->modules,
           (Module){.name = "",
                    .local = "",
                    .type = "",
                    .parent = NO_ID,
                    .alive = true,
                    .origin = SPAN_NONE,
                    .args_span = SPAN_NONE});
  return g;
}

ModuleId graph_add_module(Graph *g, ModuleId parent, const char *local, const char *type, OpId op, Span origin) {
  ASSERT(parent >= 0 && (size_t)parent < g->modules.count);
  const char *above = module_at(g, parent)->name;
  ModuleId id = (ModuleId)g->modules.count;
  vec_push(g->arena, &g->modules,
           (Module){.name = *above ? arena_printf(g->arena, "%s.%s", above, local) : local,
                    .local = local,
                    .type = type,
                    .op = op,
                    .args_span = SPAN_NONE,
                    .parent = parent,
                    .alive = true,
                    .origin = origin});
  vec_push(g->arena, &module_at(g, parent)->children, id);
  return id;
}

void graph_add_params(Graph *g, ModuleId id) {
  Module *module = module_at(g, id);
  const ParamInfo *info = op_info(module->op)->params;
  for (int role = 0; info[role].name; role++) {
    size_t present = info[role].present_offset;
    if (present != SIZE_MAX && !*(const bool *)((const char *)&module->args + present)) continue;
    ParamId param = (ParamId)g->params.count;
    vec_push(g->arena, &g->params,
             (Param){.name = *module->name ? arena_printf(g->arena, "%s.%s", module->name, info[role].name)
                                           : info[role].name,
                     .module = id,
                     .role = role,
                     .shape = {.rank = -1, .dtype = info[role].dtype},
                     .is_buffer = info[role].is_buffer,
                     .trainable = !info[role].is_buffer,
                     .donor = NO_ID,
                     .shares = NO_ID});
    vec_push(g->arena, &module->params, param);
  }
}

NodeId graph_add_node(Graph *g, OpId op, ModuleId module, ModuleId scope, const char *name, Span origin) {
  int64_t suffix = graph_free_suffix(g, name);
  NodeId id = (NodeId)g->nodes.count;
  vec_push(g->arena, &g->nodes,
           (Node){.op = op,
                  .name = suffix == 0 ? name : arena_printf(g->arena, "%s_%lld", name, (long long)suffix),
                  .module = module,
                  .scope = scope,
                  .output = NO_ID,
                  .stage = NO_ID,
                  .alive = true,
                  .origin = origin});
  node_at(g, id)->output = graph_add_value(g, id);
  vec_push(g->arena, &g->order, id);
  return id;
}

ValueId graph_add_value(Graph *g, NodeId producer) {
  ValueId id = (ValueId)g->values.count;
  vec_push(g->arena, &g->values, (Value){.producer = producer, .shape = {.rank = -1}});
  return id;
}

const OpArgs *node_args(const Graph *g, NodeId node) {
  const Node *n = node_at(g, node);
  return n->module == NO_ID ? &n->args : &module_at(g, n->module)->args;
}

ModuleId node_varies(const Graph *g, NodeId node) {
  const Node *n = node_at(g, node);
  if (op_info(n->op)->batch == BATCH_SAME) return NO_ID;
  return n->module != NO_ID ? n->module : n->scope != NO_ID ? n->scope : 0;
}

ModuleId node_container(const Graph *g, NodeId node) {
  const Node *n = node_at(g, node);
  return n->module != NO_ID ? module_at(g, n->module)->parent : n->scope;
}

bool module_within(const Graph *g, ModuleId module, ModuleId ancestor) {
  for (; module != NO_ID; module = module_at(g, module)->parent)
    if (module == ancestor) return true;
  return false;
}

static void collect_params(const Graph *g, Arena *arena, bool buffers, ModuleId id, ParamList *out) {
  const Module *module = module_at(g, id);
  if (!module->alive) return;
  for (size_t i = 0; i < module->params.count; i++)
    if (buffers || !param_at(g, module->params.at[i])->is_buffer) vec_push(arena, out, module->params.at[i]);
  for (size_t i = 0; i < module->children.count; i++) collect_params(g, arena, buffers, module->children.at[i], out);
}

ParamList graph_state_dict(const Graph *g, Arena *arena, bool buffers) {
  ParamList out = {0};
  collect_params(g, arena, buffers, 0, &out);
  return out;
}

static const char *dims_text(Arena *arena, int rank, const int64_t *dim, const char *open, const char *close) {
  return arena_strdup(arena, text_shape(open, rank, dim, close, (char[SHAPE_TEXT]){0}));
}

const char *shape_text(Arena *arena, const Shape *shape) {
  if (shape->rank < 0) return "(?)";
  return dims_text(arena, shape->rank, shape->dim, "(N", shape->rank == 0 ? ",)" : ")");
}

const char *shape_text_plain(Arena *arena, const Shape *shape) {
  if (shape->rank < 0) return "[?]";
  return sizes_text(arena, shape->rank, shape->dim);
}

const char *sizes_text(Arena *arena, int rank, const int64_t *size) { return dims_text(arena, rank, size, "[", "]"); }

const char *dtype_name(DType dtype) { return dtype == DTYPE_I64 ? "i64" : "f32"; }

const char *input_kind_name(InputKind kind) {
  static const char *const names[] = {[INPUT_IMAGE] = "image", [INPUT_TENSOR] = "tensor", [INPUT_TOKENS] = "tokens"};
  return names[kind];
}

int64_t shape_count(const Shape *shape) {
  ASSERT(shape->rank >= 0);
  int64_t count = 1;
  for (int i = 0; i < shape->rank; i++)
    if (__builtin_mul_overflow(count, shape->dim[i], &count)) BUG("a shape's product overflows");
  return count;
}

bool shape_equal(const Shape *a, const Shape *b) {
  if (a->rank != b->rank || a->dtype != b->dtype) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->dim[i] != b->dim[i]) return false;
  return true;
}
