/* Cuts a network into the units, blocks and groups of its picture. Draws nothing. Called by picture.c. */
#include "compiler/driver/picture.h"

/* ---- groups ---- */

static ModuleId outermost(const Graph *g, ModuleId module) {
  if (module <= 0) return NO_ID;
  while (g->modules.at[module].parent > 0) module = g->modules.at[module].parent;
  return module;
}

static int find_group(Picture *p, int stage, ModuleId module) {
  for (size_t i = 0; i < p->groups.count; i++)
    if (p->groups.at[i].stage == stage && p->groups.at[i].module == module) return (int)i;
  vec_push(p->arena, &p->groups, (PictureGroup){.stage = stage, .module = module});
  return (int)p->groups.count - 1;
}

static int group_of(Picture *p, NodeId node) {
  int stage = p->g->nodes.at[node].stage;
  ModuleId top = stage == NO_ID ? outermost(p->g, node_container(p->g, node)) : NO_ID;
  return stage == NO_ID && top == NO_ID ? NO_ID : find_group(p, stage, top);
}

/* ---- blocks: the outermost container of a node that lies in one group and is not all of it ---- */

enum { SEVERAL = -2 };
typedef struct Extent { /* of a container: where its nodes lie */
  int group;            /* NO_ID: none yet; SEVERAL */
  size_t nodes;
} Extent;

static Extent *container_extents(Picture *p, const int *group) {
  const Graph *g = p->g;
  Extent *extent = arena_array(p->arena, Extent, g->modules.count + 1);
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (!g->nodes.at[id].alive) continue;
    for (ModuleId m = node_container(g, id); m > 0; m = g->modules.at[m].parent) {
      if (extent[m].nodes++ == 0) extent[m].group = group[id];
      if (extent[m].group != group[id]) extent[m].group = SEVERAL;
    }
  }
  return extent;
}

static ModuleId block_module(const Picture *p, const Extent *extent, NodeId node, int group) {
  ModuleId found = NO_ID;
  if (group == NO_ID) return NO_ID;
  for (ModuleId m = node_container(p->g, node); m > 0; m = p->g->modules.at[m].parent)
    if (extent[m].group == group && extent[m].nodes < p->groups.at[group].nodes) found = m;
  return found;
}

static int find_block(Picture *p, int *block_of, ModuleId module) {
  if (module == NO_ID) return NO_ID;
  if (block_of[module] < 0) {
    block_of[module] = (int)p->blocks.count;
    vec_push(p->arena, &p->blocks, (PictureBlock){.module = module, .repeats = 1, .last = module});
  }
  return block_of[module];
}

/* ---- units ---- */

/* Batch normalisation, activations, dropout, flattening: what works on each number or merely turns the shape.
 */
static bool may_follow(const Graph *g, NodeId node) {
  const Node *n = &g->nodes.at[node];
  if (n->inputs.count != 1) return false;
  if (n->module != NO_ID) {
    const Module *m = &g->modules.at[n->module];
    for (size_t i = 0; i < m->params.count; i++)
      if (g->params.at[m->params.at[i]].shape.rank > 1) return false;
  }
  bool flatten = streq(op_info(n->op)->name, "flatten") || streq(op_info(n->op)->name, "Flatten");
  return flatten || shape_equal(&g->values.at[n->inputs.at[0]].shape, &g->values.at[n->output].shape);
}

static bool joins(const Picture *p, const PictureUnit *unit, NodeId node, int group, int block, TrainState state) {
  const Node *n = &p->g->nodes.at[node];
  ValueId out = p->g->nodes.at[unit->nodes.at[unit->nodes.count - 1]].output;
  return may_follow(p->g, node) && n->inputs.at[0] == out && p->uses[out] == 1 && unit->group == group &&
         unit->block == block && (state == STATE_NONE || state == unit->state);
}

static void add_node(Picture *p, NodeId node, int group, int block) {
  const Node *n = &p->g->nodes.at[node];
  TrainState state = node_state(p->g, node);
  if (state == STATE_STATISTICS) state = STATE_PARTLY;
  if (n->module != NO_ID && module_totals(p->g, n->module, false).all == 0) state = STATE_NONE;
  NodeId above = n->inputs.count == 1 ? p->g->values.at[n->inputs.at[0]].producer : NO_ID;
  int unit = above == NO_ID ? NO_ID : p->unit_of[above];
  if (unit == NO_ID || !joins(p, &p->units.at[unit], node, group, block, state)) {
    unit = (int)p->units.count;
    int depth = 0;
    for (size_t k = 0; k < n->inputs.count; k++) {
      NodeId producer = p->g->values.at[n->inputs.at[k]].producer;
      int before = producer == NO_ID ? 0 : p->units.at[p->unit_of[producer]].depth;
      if (before >= depth) depth = before + 1;
    }
    PictureUnit fresh = {.group = group, .block = block, .state = state, .depth = depth};
    vec_push(p->arena, &p->units, fresh);
    if (block != NO_ID) p->blocks.at[block].units++;
  }
  vec_push(p->arena, &p->units.at[unit].nodes, node);
  p->unit_of[node] = unit;
}

static void count_uses(Picture *p) {
  const Graph *g = p->g;
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = &g->nodes.at[g->order.at[i]];
    for (size_t k = 0; n->alive && k < n->inputs.count; k++) p->uses[n->inputs.at[k]]++;
  }
  for (size_t i = 0; i < g->outputs.count; i++) p->uses[g->outputs.at[i].value]++;
}

Picture picture_cut(Arena *arena, const Graph *g) {
  Picture p = {.arena = arena, .g = g};
  p.unit_of = arena_array(arena, int, g->nodes.count + 1);
  p.uses = arena_array(arena, int, g->values.count + 1);
  int *group = arena_array(arena, int, g->nodes.count + 1);
  int *block_of = arena_array(arena, int, g->modules.count + 1);
  for (size_t i = 0; i < g->nodes.count; i++) p.unit_of[i] = NO_ID;
  for (size_t i = 0; i < g->modules.count; i++) block_of[i] = NO_ID;
  count_uses(&p);
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (!g->nodes.at[id].alive) continue;
    group[id] = group_of(&p, id);
    if (group[id] != NO_ID) p.groups.at[group[id]].nodes++;
  }
  Extent *extent = container_extents(&p, group);
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (g->nodes.at[id].alive)
      add_node(&p, id, group[id], find_block(&p, block_of, block_module(&p, extent, id, group[id])));
  }
  picture_collapse(&p);
  return p;
}
