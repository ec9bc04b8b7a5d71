/* Changes that many layers share, since one edit caused them: another output shape, trained or frozen
 * otherwise. One line for each change, which names the outermost containers in which all layers have it.
 * Called by diff_layers_print.c. */
#include "compiler/driver/diff.h"

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
           arena_printf(arena, "%s → %s", shape_text(arena, &a->values.at[a->nodes.at[d->a].output].shape),
                        shape_text(arena, &b->values.at[b->nodes.at[d->b].output].shape)),
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
    if (!g->nodes.at[id].alive || group->has[id]) continue;
    if (group->state && node_state(g, id) == STATE_NONE) continue;
    for (ModuleId m = node_container(g, id); m != NO_ID; m = g->modules.at[m].parent) complete[m] = false;
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
    if (!g->nodes.at[id].alive || !group->has[id]) continue;
    ModuleId outermost = NO_ID;
    for (ModuleId m = node_container(g, id); m != NO_ID; m = g->modules.at[m].parent)
      if (complete[m]) outermost = m;
    if (outermost != NO_ID && named[outermost]) continue;
    if (outermost != NO_ID) named[outermost] = true;
    const char *name = outermost == NO_ID ? g->nodes.at[id].name
                       : outermost == 0   ? "all"
                                          : g->modules.at[outermost].name;
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
