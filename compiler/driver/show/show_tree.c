/* `surgeryc show --tree`: the modules as PyTorch's print(model) shows them, in the spelling of the language
 * (so that a layer can be copied into a script), behind each its output's shape and its parameters. */
#include "compiler/driver/show/show.h"

typedef struct Tree {
  Arena *arena;
  const Graph *g;
  bool color;
  NodeId *last_call; /* by ModuleId: of a layer; NO_ID: it is never called */
} Tree;

static void print_info(const Tree *t, ModuleId module, bool container) {
  const Graph *g = t->g;
  Totals totals = module_totals(g, module, container);
  NodeId call = t->last_call[module];
  const char *shape = call == NO_ID ? NULL : shape_text(t->arena, &value_at(g, node_at(g, call)->output)->shape);
  const char *state = state_name(module_state(g, module, container));
  if (!shape && !totals.all) return;
  fputs("  # ", stdout);
  if (shape) fputs(shape, stdout);
  if (totals.all)
    printf("%s%s parameter%s", shape ? ", " : "", grouped(t->arena, totals.all), totals.all == 1 ? "" : "s");
  if (*state) printf(", %s", state);
}

static void print_module(const Tree *t, ModuleId module, int depth) {
  const Graph *g = t->g;
  const Module *m = module_at(g, module);
  bool container = m->op == OP_NONE;
  Paint paint = container ? PAINT_NONE : state_paint(module_state(g, module, false));
  printf("%*s%s", 2 * depth, "", paint_begin(paint, t->color));
  if (module != 0) printf("(%s): ", m->local);
  fputs(module == 0 && !*m->type ? g->name : module_text(g, t->arena, module), stdout);
  if (container) fputs("(", stdout);
  print_info(t, module, container);
  fputs(paint_end(paint, t->color), stdout);
  putchar('\n');
  if (!container) return;
  for (size_t i = 0; i < m->children.count; i++)
    if (module_at(g, m->children.at[i])->alive) print_module(t, m->children.at[i], depth + 1);
  printf("%*s)\n", 2 * depth, "");
}

void show_tree(Session *s, const Graph *g, bool color) {
  Tree t = {s->arena, g, color, arena_array(s->arena, NodeId, g->modules.count + 1)};
  for (size_t i = 0; i < g->modules.count; i++) t.last_call[i] = NO_ID;
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    if (n->alive && n->module != NO_ID) t.last_call[n->module] = g->order.at[i];
  }
  /* A container returns what its last node computes. */
  for (size_t i = 0; i < g->order.count; i++) {
    if (!node_at(g, g->order.at[i])->alive) continue;
    for (ModuleId home = node_container(g, g->order.at[i]); home != NO_ID; home = module_at(g, home)->parent)
      t.last_call[home] = g->order.at[i];
  }
  print_module(&t, 0, 0);
}
