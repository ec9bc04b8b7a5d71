/* The differences of two networks as text: a line for what only one has, two for a layer that is another, one
 * where other values flow in; the rest is told in groups. Called by command_diff.c. */
#include "compiler/driver/diff.h"

typedef struct Printing {
  Arena *arena;
  const Graph *a, *b;
  Table *table;
} Printing;

static const char *inputs_text(Arena *arena, const Graph *g, const Node *n) {
  const char *text = "";
  for (size_t i = 0; i < n->inputs.count; i++)
    text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", layer_name(g, n->inputs.at[i]));
  return text;
}

static const char *arrow(Arena *arena, const char *a, const char *b) {
  return streq(a, b) ? a : arena_printf(arena, "%s → %s", *a ? a : "-", *b ? b : "-");
}

static const char *count_text(Arena *arena, const Graph *g, NodeId id) {
  int64_t count = node_totals(g, id).all;
  return count ? grouped(arena, count) : "";
}

static void whole_row(Printing *v, const char *mark, Paint paint, const Graph *g, NodeId id) {
  const Node *n = &g->nodes.at[id];
  table_row(v->table, paint, mark, n->name, node_text(g, v->arena, id),
            shape_text(v->arena, &g->values.at[n->output].shape), count_text(v->arena, g, id),
            state_name(node_state(g, id)), "");
}

/* Shapes and states that differ as well are told in the groups. */
static void changed_row(Printing *v, const LayerDiff *d) {
  const Node *na = &v->a->nodes.at[d->a], *nb = &v->b->nodes.at[d->b];
  const char *inputs = "";
  if (d->what & DIFF_INPUTS)
    inputs = arena_printf(v->arena, "input %s",
                          arrow(v->arena, inputs_text(v->arena, v->a, na), inputs_text(v->arena, v->b, nb)));
  if (d->what & (DIFF_LAYER | DIFF_PARAMETERS)) {
    whole_row(v, "-", PAINT_REMOVED, v->a, d->a);
    whole_row(v, "+", PAINT_ADDED, v->b, d->b);
    if (*inputs) table_row(v->table, PAINT_PARTLY, "~", nb->name, inputs, "", "", "", "");
    return;
  }
  if (*inputs)
    table_row(v->table, PAINT_PARTLY, "~", nb->name, node_text(v->b, v->arena, d->b),
              shape_text(v->arena, &v->b->values.at[nb->output].shape), count_text(v->arena, v->b, d->b),
              state_name(node_state(v->b, d->b)), inputs);
}

/* ---- totals ---- */

static void print_totals(Arena *arena, const Subject *a, const Subject *b) {
  Table table = {.arena = arena, .columns = 3, .right = 1u << 1 | 1u << 2};
  const Graph *g[2] = {a->script.graph, b->script.graph};
  const char *cell[2][6];
  for (int k = 0; k < 2; k++) {
    Totals t = module_totals(g[k], 0, true);
    int64_t layers = 0;
    for (size_t i = 0; i < g[k]->order.count; i++) layers += g[k]->nodes.at[g[k]->order.at[i]].alive;
    cell[k][0] = shape_text(arena, &g[k]->input.shape);
    cell[k][1] = shape_text(arena, &g[k]->values.at[g[k]->outputs.at[0].value].shape);
    cell[k][2] = grouped(arena, layers);
    cell[k][3] = grouped(arena, t.all);
    cell[k][4] = grouped(arena, t.trained);
    cell[k][5] = grouped(arena, t.all - t.trained);
  }
  static const char *const rows[] = {"input", "output", "layers", "parameters", "trained", "frozen"};
  table_row(&table, PAINT_NONE, "", a->given, b->given);
  for (int i = 0; i < 6; i++) table_row(&table, PAINT_NONE, rows[i], cell[0][i], cell[1][i]);
  putchar('\n');
  table_print(&table, stdout, false);
}

void print_layer_diffs(Session *s, const Subject *a, const Subject *b, const LayerDiffs *diffs, bool color) {
  Table table = {.arena = s->arena, .columns = 7, .right = 1u << 4};
  Printing v = {s->arena, a->script.graph, b->script.graph, &table};
  for (size_t i = 0; i < diffs->count; i++) {
    const LayerDiff *d = &diffs->at[i];
    if (d->b == NO_ID) whole_row(&v, "-", PAINT_REMOVED, v.a, d->a);
    else if (d->a == NO_ID) whole_row(&v, "+", PAINT_ADDED, v.b, d->b);
    else changed_row(&v, d);
  }
  table_print(&table, stdout, color);
  print_layer_groups(s->arena, v.a, v.b, diffs, color);
  print_totals(s->arena, a, b);
}
