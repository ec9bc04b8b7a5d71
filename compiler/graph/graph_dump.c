/* The graph as text, one line per node: name, operator, arguments, inputs, shape, frozen. For --dump and the
 * golden tests; nothing reads it back. */
#include "compiler/graph/graph.h"
#include <inttypes.h>

static void dump_int(FILE *out, int64_t value) {
  if (value == HOLE_VALUE) fputc('_', out);
  else if (value == NONE_VALUE) fputs("none", out);
  else fprintf(out, "%" PRId64, value);
}

static void dump_arg(FILE *out, const ArgInfo *info, const OpArgs *args) {
  const char *at = (const char *)args + info->offset;
  switch (info->type) {
  case ARG_INT: dump_int(out, *(const int64_t *)at); break;
  case ARG_FLOAT: fprintf(out, "%g", *(const double *)at); break;
  case ARG_BOOL: fputs(*(const bool *)at ? "true" : "false", out); break;
  case ARG_TEXT: {
    const char *text = *(const char *const *)at;
    fprintf(out, "\"%s\"", text ? text : "");
    break;
  }
  case ARG_PAIR: {
    const int64_t *pair = (const int64_t *)at;
    dump_int(out, pair[0]);
    if (pair[1] == pair[0]) break;
    fputc('x', out);
    dump_int(out, pair[1]);
    break;
  }
  case ARG_INTS: {
    const IntList *list = (const IntList *)at;
    for (int i = 0; i < list->count; i++) {
      fputc(i ? ',' : '[', out);
      dump_int(out, list->at[i]);
    }
    fputc(']', out);
    break;
  }
  }
}

static const char *value_name(const Graph *g, ValueId value) {
  NodeId producer = value_at(g, value)->producer;
  return producer != NO_ID ? node_at(g, producer)->name : value == g->mask_value ? "mask" : "input";
}

static void dump_node(const Graph *g, Arena *scratch, NodeId id, FILE *out) {
  const Node *node = node_at(g, id);
  const OpInfo *info = op_info(node->op);
  const OpArgs *args = node_args(g, id);
  fprintf(out, "%s = %s(", node->name, info->name);
  for (size_t i = 0; i < node->inputs.count; i++)
    fprintf(out, "%s%s", i ? ", " : "", value_name(g, node->inputs.at[i]));
  for (const ArgInfo *arg = info->args; arg->name; arg++) {
    fprintf(out, "%s%s=", arg == info->args && node->inputs.count == 0 ? "" : ", ", arg->name);
    dump_arg(out, arg, args);
  }
  fprintf(out, ") %s", shape_text(scratch, &value_at(g, node->output)->shape));
  if (node->stage != NO_ID) fprintf(out, " stage=%s", g->stages.at[node->stage].name);
  ModuleId home = node->module != NO_ID ? node->module : node_varies(g, id);
  if (home != NO_ID && module_at(g, home)->frozen) fputs(" frozen", out);
  fputc('\n', out);
}

void graph_dump(const Graph *g, FILE *out) {
  Arena *scratch = arena_create();
  fprintf(out, "network %s\ninput %s%s\n", g->name && *g->name ? g->name : "?", shape_text(scratch, &g->input.shape),
          g->input.mask ? " mask" : "");
  for_each_alive_node(g, n) {
    NodeId id = node_id(g, n);
    dump_node(g, scratch, id, out);
  }
  for (size_t i = 0; i < g->outputs.count; i++)
    fprintf(out, "output %s = %s\n", g->outputs.at[i].name, value_name(g, g->outputs.at[i].value));
  ParamList params = graph_state_dict(g, scratch, true);
  for (size_t i = 0; i < params.count; i++) {
    const Param *param = param_at(g, params.at[i]);
    fprintf(out, "%s %s %s%s\n", param->is_buffer ? "buffer" : "parameter", param->name,
            shape_text_plain(scratch, &param->shape), param->is_buffer || param->trainable ? "" : " frozen");
  }
  arena_destroy(scratch);
}
