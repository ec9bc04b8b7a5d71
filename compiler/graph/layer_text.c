/* Layers and calls as they are written in a script, without the arguments that have their defaults: for
 * tables, trees, pictures and differences. What is printed here can be put into a script. Called by the
 * driver. */
#include "compiler/graph/graph.h"
#include <inttypes.h>
#include <stdlib.h>

static const char *int_text(Arena *arena, int64_t value) {
  if (value == HOLE_VALUE) return "_";
  if (value == NONE_VALUE) return "none";
  return arena_printf(arena, "%" PRId64, value);
}

const char *arg_text(Arena *arena, const ArgInfo *info, const OpArgs *args) {
  const char *at = (const char *)args + info->offset, *text = "";
  switch (info->type) {
  case ARG_INT: return int_text(arena, *(const int64_t *)at);
  case ARG_FLOAT: return arena_printf(arena, "%g", *(const double *)at);
  case ARG_BOOL: return *(const bool *)at ? "true" : "false";
  case ARG_TEXT: text = *(const char *const *)at; return arena_printf(arena, "\"%s\"", text ? text : "");
  case ARG_PAIR: {
    const int64_t *pair = (const int64_t *)at;
    const char *first = int_text(arena, pair[0]);
    return pair[0] == pair[1] || pair[0] == NONE_VALUE
               ? first
               : arena_printf(arena, "(%s, %s)", first, int_text(arena, pair[1]));
  }
  case ARG_INTS: {
    const IntList *list = (const IntList *)at;
    for (int i = 0; i < list->count; i++)
      text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", int_text(arena, list->at[i]));
    return list->count == 1 ? text : arena_printf(arena, "[%s]", text);
  }
  }
  return "";
}

/* The row's default is text of the language: numbers are compared as numbers, 1e-5 with 1e-05. */
static bool is_default(Arena *arena, const ArgInfo *info, const OpArgs *args) {
  if (!info->fallback) return false;
  const char *text = arg_text(arena, info, args);
  if (info->type != ARG_FLOAT) return streq(text, info->fallback);
  return *(const double *)((const char *)args + info->offset) == strtod(info->fallback, NULL);
}

/* Required arguments stand first and without a name, as PyTorch's repr has them. */
static const char *call_text(Arena *arena, OpId op, const OpArgs *args, bool parentheses) {
  const OpInfo *info = op_info(op);
  const char *text = "";
  for (const ArgInfo *arg = info->args; arg->name; arg++) {
    if (is_default(arena, arg, args)) continue;
    text = arena_printf(arena, "%s%s%s%s%s", text, *text ? ", " : "", arg->fallback ? arg->name : "",
                        arg->fallback ? "=" : "", arg_text(arena, arg, args));
  }
  return *text || parentheses ? arena_printf(arena, "%s(%s)", info->name, text) : info->name;
}

const char *module_text(const Graph *g, Arena *arena, ModuleId module) {
  const Module *m = module_at(g, module);
  return m->op == OP_NONE ? m->type : call_text(arena, m->op, &m->args, true);
}

const char *node_text(const Graph *g, Arena *arena, NodeId node) {
  const Node *n = node_at(g, node);
  return n->module != NO_ID ? module_text(g, arena, n->module) : call_text(arena, n->op, &n->args, false);
}
