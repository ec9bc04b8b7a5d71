/* The differences of two networks as text: a line for what only one has, two for a layer that is another, one
 * where other values flow in; the rest is told in groups. Called by command_diff.c. */
#include "compiler/driver/diff/diff.h"

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
  const Node *n = node_at(g, id);
  table_row(v->table, paint, mark, n->name, node_text(g, v->arena, id),
            shape_text(v->arena, &value_at(g, n->output)->shape), count_text(v->arena, g, id),
            state_name(node_state(g, id)), "");
}

/* Shapes and states that differ as well are told in the groups. */
static void changed_row(Printing *v, const LayerDiff *d) {
  const Node *na = node_at(v->a, d->a), *nb = node_at(v->b, d->b);
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
              shape_text(v->arena, &value_at(v->b, nb->output)->shape), count_text(v->arena, v->b, d->b),
              state_name(node_state(v->b, d->b)), inputs);
}

/* ---- totals ---- */

static void print_totals(Arena *arena, const CommandOperand *a, const CommandOperand *b) {
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

void print_layer_diffs(Session *s, const CommandOperand *a, const CommandOperand *b, const LayerDiffs *diffs,
                       bool color) {
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

/* ---- groups ---- */

enum { MOST_NAMES = 12 };

typedef struct Group {
  const char *words; /* "trained → frozen" */
  Paint paint;
  bool state; /* else a shape */
  size_t layers;
  bool *has; /* by NodeId of b */
} Group;
typedef VEC(Group) Groups;

static void add_to(Arena *arena, Groups *groups, const Graph *b, NodeId id, const char *words, Paint paint,
                   bool state) {
  size_t i = 0;
  while (i < groups->count && !(groups->at[i].state == state && streq(groups->at[i].words, words))) i++;
  if (i == groups->count)
    vec_push(arena, groups, (Group){words, paint, state, 0, arena_array(arena, bool, b->nodes.count + 1)});
  groups->at[i].has[id] = true;
  groups->at[i].layers++;
}

static void add_diff(Arena *arena, Groups *groups, const Graph *a, const Graph *b, const LayerDiff *d) {
  if (d->a == NO_ID || d->b == NO_ID || d->what & (DIFF_LAYER | DIFF_PARAMETERS)) return;
  if (d->what & DIFF_OUTPUT)
    add_to(arena, groups, b, d->b,
           arena_printf(arena, "%s → %s", shape_text(arena, &value_at(a, node_at(a, d->a)->output)->shape),
                        shape_text(arena, &value_at(b, node_at(b, d->b)->output)->shape)),
           PAINT_PARTLY, false);
  if (!(d->what & DIFF_STATE)) return;
  TrainState from = node_state(a, d->a), to = node_state(b, d->b);
  add_to(arena, groups, b, d->b,
         arena_printf(arena, "%s → %s", from == STATE_NONE ? "not frozen" : state_name(from),
                      to == STATE_NONE ? "not frozen" : state_name(to)),
         state_paint(to), true);
}

/* By ModuleId: whether all layers in it that the group could have are of the group. A state concerns only
 * layers that have one. */
static bool *complete_containers(Arena *arena, const Graph *g, const Group *group) {
  bool *complete = arena_array(arena, bool, g->modules.count + 1);
  for (size_t i = 0; i < g->modules.count; i++) complete[i] = true;
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (!node_at(g, id)->alive || group->has[id]) continue;
    if (group->state && node_state(g, id) == STATE_NONE) continue;
    for (ModuleId m = node_container(g, id); m != NO_ID; m = module_at(g, m)->parent) complete[m] = false;
  }
  return complete;
}

static void print_group(Arena *arena, const Graph *g, const Group *group, bool color) {
  bool *complete = complete_containers(arena, g, group), *named = arena_array(arena, bool, g->modules.count + 1);
  size_t names = 0;
  printf("%s~  %s  (%zu layer%s): ", paint_begin(group->paint, color), group->words, group->layers,
         group->layers == 1 ? "" : "s");
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (!node_at(g, id)->alive || !group->has[id]) continue;
    ModuleId outermost = NO_ID;
    for (ModuleId m = node_container(g, id); m != NO_ID; m = module_at(g, m)->parent)
      if (complete[m]) outermost = m;
    if (outermost != NO_ID && named[outermost]) continue;
    if (outermost != NO_ID) named[outermost] = true;
    const char *name = outermost == NO_ID ? node_at(g, id)->name
                       : outermost == 0   ? "all"
                                          : module_at(g, outermost)->name;
    if (names++ < MOST_NAMES) printf("%s%s", names > 1 ? ", " : "", name);
  }
  if (names > MOST_NAMES) printf(" and %zu more", names - MOST_NAMES);
  printf("%s\n", paint_end(group->paint, color));
}

void print_layer_groups(Arena *arena, const Graph *a, const Graph *b, const LayerDiffs *diffs, bool color) {
  Groups groups = {0};
  for (size_t i = 0; i < diffs->count; i++) add_diff(arena, &groups, a, b, &diffs->at[i]);
  for (size_t i = 0; i < groups.count; i++) print_group(arena, b, &groups.at[i], color);
}
