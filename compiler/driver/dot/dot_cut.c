/* Cuts a network into the units, blocks and groups of its drawing. Draws nothing. Called by dot.c. */
#include "compiler/driver/dot/dot.h"
#include <stdlib.h>

/* ---- groups ---- */

static ModuleId outermost(const Graph *g, ModuleId module) {
  if (module <= 0) return NO_ID;
  while (module_at(g, module)->parent > 0) module = module_at(g, module)->parent;
  return module;
}

static int find_group(Dot *p, int stage, ModuleId module) {
  for (size_t i = 0; i < p->groups.count; i++)
    if (p->groups.at[i].stage == stage && p->groups.at[i].module == module) return (int)i;
  vec_push(p->arena, &p->groups, (DotGroup){.stage = stage, .module = module});
  return (int)p->groups.count - 1;
}

static int group_of(Dot *p, NodeId node) {
  int stage = node_at(p->g, node)->stage;
  ModuleId top = stage == NO_ID ? outermost(p->g, node_container(p->g, node)) : NO_ID;
  return stage == NO_ID && top == NO_ID ? NO_ID : find_group(p, stage, top);
}

/* ---- blocks: the outermost container of a node that lies in one group and is not all of it ---- */

enum { SEVERAL = -2 };
typedef struct Extent { /* of a container: where its nodes lie */
  int group;            /* NO_ID: none yet; SEVERAL */
  size_t nodes;
} Extent;

static Extent *container_extents(Dot *p, const int *group) {
  const Graph *g = p->g;
  Extent *extent = arena_array(p->arena, Extent, g->modules.count + 1);
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (!node_at(g, id)->alive) continue;
    for (ModuleId m = node_container(g, id); m > 0; m = module_at(g, m)->parent) {
      if (extent[m].nodes++ == 0) extent[m].group = group[id];
      if (extent[m].group != group[id]) extent[m].group = SEVERAL;
    }
  }
  return extent;
}

static ModuleId block_module(const Dot *p, const Extent *extent, NodeId node, int group) {
  ModuleId found = NO_ID;
  if (group == NO_ID) return NO_ID;
  for (ModuleId m = node_container(p->g, node); m > 0; m = module_at(p->g, m)->parent)
    if (extent[m].group == group && extent[m].nodes < p->groups.at[group].nodes) found = m;
  return found;
}

static int find_block(Dot *p, int *block_of, ModuleId module) {
  if (module == NO_ID) return NO_ID;
  if (block_of[module] < 0) {
    block_of[module] = (int)p->blocks.count;
    vec_push(p->arena, &p->blocks, (DotBlock){.module = module, .repeats = 1, .last = module});
  }
  return block_of[module];
}

/* ---- units ---- */

/* Batch normalisation, activations, dropout, flattening: what works on each number or merely turns the shape.
 */
static bool may_follow(const Graph *g, NodeId node) {
  const Node *n = node_at(g, node);
  if (n->inputs.count != 1) return false;
  if (n->module != NO_ID) {
    const Module *m = module_at(g, n->module);
    for (size_t i = 0; i < m->params.count; i++)
      if (param_at(g, m->params.at[i])->shape.rank > 1) return false;
  }
  bool flatten = streq(op_info(n->op)->name, "flatten") || streq(op_info(n->op)->name, "Flatten");
  return flatten || shape_equal(&value_at(g, n->inputs.at[0])->shape, &value_at(g, n->output)->shape);
}

static bool joins(const Dot *p, const DotUnit *unit, NodeId node, int group, int block, TrainState state) {
  const Node *n = node_at(p->g, node);
  ValueId out = node_at(p->g, unit->nodes.at[unit->nodes.count - 1])->output;
  return may_follow(p->g, node) && n->inputs.at[0] == out && p->uses[out] == 1 && unit->group == group &&
         unit->block == block && (state == STATE_NONE || state == unit->state);
}

static void add_node(Dot *p, NodeId node, int group, int block) {
  const Node *n = node_at(p->g, node);
  TrainState state = node_state(p->g, node);
  if (state == STATE_STATISTICS) state = STATE_PARTLY;
  if (n->module != NO_ID && module_totals(p->g, n->module, false).all == 0) state = STATE_NONE;
  NodeId above = n->inputs.count == 1 ? value_at(p->g, n->inputs.at[0])->producer : NO_ID;
  int unit = above == NO_ID ? NO_ID : p->unit_of[above];
  if (unit == NO_ID || !joins(p, &p->units.at[unit], node, group, block, state)) {
    unit = (int)p->units.count;
    int depth = 0;
    for (size_t k = 0; k < n->inputs.count; k++) {
      NodeId producer = value_at(p->g, n->inputs.at[k])->producer;
      int before = producer == NO_ID ? 0 : p->units.at[p->unit_of[producer]].depth;
      if (before >= depth) depth = before + 1;
    }
    DotUnit fresh = {.group = group, .block = block, .state = state, .depth = depth};
    vec_push(p->arena, &p->units, fresh);
    if (block != NO_ID) p->blocks.at[block].units++;
  }
  vec_push(p->arena, &p->units.at[unit].nodes, node);
  p->unit_of[node] = unit;
}

static void count_uses(Dot *p) {
  const Graph *g = p->g;
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    for (size_t k = 0; n->alive && k < n->inputs.count; k++) p->uses[n->inputs.at[k]]++;
  }
  for (size_t i = 0; i < g->outputs.count; i++) p->uses[g->outputs.at[i].value]++;
}

Dot dot_cut(Arena *arena, const Graph *g) {
  Dot p = {.arena = arena, .g = g};
  p.unit_of = arena_array(arena, int, g->nodes.count + 1);
  p.uses = arena_array(arena, int, g->values.count + 1);
  int *group = arena_array(arena, int, g->nodes.count + 1);
  int *block_of = arena_array(arena, int, g->modules.count + 1);
  for (size_t i = 0; i < g->nodes.count; i++) p.unit_of[i] = NO_ID;
  for (size_t i = 0; i < g->modules.count; i++) block_of[i] = NO_ID;
  count_uses(&p);
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (!node_at(g, id)->alive) continue;
    group[id] = group_of(&p, id);
    if (group[id] != NO_ID) p.groups.at[group[id]].nodes++;
  }
  Extent *extent = container_extents(&p, group);
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    if (node_at(g, id)->alive)
      add_node(&p, id, group[id], find_block(&p, block_of, block_module(&p, extent, id, group[id])));
  }
  dot_collapse(&p);
  return p;
}

/* ---- blocks that repeat ---- */

typedef struct BlockView { /* one block with all its nodes */
  VEC(NodeId) nodes;
  ValueId in, out;       /* the only value that enters, the only one that leaves; NO_ID: there are others */
  const char *signature; /* equal for equal blocks; NULL: not to be compared */
} BlockView;

static int node_block(const Dot *p, NodeId node) {
  return p->unit_of[node] == NO_ID ? NO_ID : p->units.at[p->unit_of[node]].block;
}

static void set_once(ValueId *slot, ValueId value, bool *several) {
  if (*slot == NO_ID) *slot = value;
  if (*slot != value) *several = true;
}

/* By value: how many of its users lie in the block of its producer. */
static int *inner_uses(const Dot *p) {
  int *inner = arena_array(p->arena, int, p->g->values.count + 1);
  for (size_t i = 0; i < p->g->order.count; i++) {
    const Node *n = node_at(p->g, p->g->order.at[i]);
    for (size_t k = 0; n->alive && k < n->inputs.count; k++) {
      NodeId producer = value_at(p->g, n->inputs.at[k])->producer;
      if (producer != NO_ID && node_block(p, producer) == node_block(p, p->g->order.at[i])) inner[n->inputs.at[k]]++;
    }
  }
  return inner;
}

/* `place`: by NodeId, where it stands in its block. */
static void sign(const Dot *p, BlockView *view, const int *inner, const size_t *place) {
  const Graph *g = p->g;
  char *text = NULL;
  size_t size = 0;
  bool several = false;
  FILE *out = open_memstream(&text, &size);
  if (!out) fail_environment("no memory");
  for (size_t i = 0; i < view->nodes.count; i++) {
    const Node *n = node_at(g, view->nodes.at[i]);
    fprintf(out, "%s %s %d", node_text(g, p->arena, view->nodes.at[i]),
            shape_text(p->arena, &value_at(g, n->output)->shape), (int)node_state(g, view->nodes.at[i]));
    for (size_t k = 0; k < n->inputs.count; k++) {
      NodeId producer = value_at(g, n->inputs.at[k])->producer;
      bool inside = producer != NO_ID && node_block(p, producer) == node_block(p, view->nodes.at[i]);
      fprintf(out, " %d", inside ? (int)place[producer] : -1);
      if (!inside) set_once(&view->in, n->inputs.at[k], &several);
    }
    if (p->uses[n->output] != inner[n->output]) set_once(&view->out, n->output, &several);
    fputc('\n', out);
  }
  if (fclose(out) != 0) fail_environment("no memory");
  if (!several && view->in != NO_ID && view->out != NO_ID) view->signature = arena_strdup(p->arena, text);
  free(text);
}

/* Everything that uses what `before` returns lies in `view`. */
static bool follows(const Dot *p, const BlockView *before, const BlockView *view) {
  if (view->in != before->out) return false;
  int uses = 0;
  for (size_t i = 0; i < view->nodes.count; i++) {
    const Node *n = node_at(p->g, view->nodes.at[i]);
    for (size_t k = 0; k < n->inputs.count; k++) uses += n->inputs.at[k] == before->out;
  }
  return uses == p->uses[before->out];
}

void dot_collapse(Dot *p) {
  BlockView *views = arena_array(p->arena, BlockView, p->blocks.count + 1);
  int *inner = inner_uses(p);
  size_t *place = arena_array(p->arena, size_t, p->g->nodes.count + 1);
  for (size_t b = 0; b < p->blocks.count; b++) views[b].in = views[b].out = NO_ID;
  for (size_t i = 0; i < p->g->order.count; i++) {
    NodeId id = p->g->order.at[i];
    int block = node_at(p->g, id)->alive ? node_block(p, id) : NO_ID;
    if (block == NO_ID) continue;
    place[id] = views[block].nodes.count;
    vec_push(p->arena, &views[block].nodes, id);
  }
  for (size_t b = 0; b < p->blocks.count; b++) sign(p, &views[b], inner, place);
  size_t first = 0; /* of the run that is being found */
  for (size_t b = 1; b < p->blocks.count; b++) {
    bool same = p->blocks.at[first].units > 1 && views[b].signature &&
                streq(views[b].signature, views[first].signature) && follows(p, &views[b - 1], &views[b]);
    if (!same) {
      first = b;
      continue;
    }
    p->blocks.at[b].hidden = true;
    p->blocks.at[first].repeats++;
    p->blocks.at[first].last = p->blocks.at[b].module;
    for (size_t i = 0; i < views[b].nodes.count; i++)
      p->unit_of[views[b].nodes.at[i]] = p->unit_of[views[first].nodes.at[i]];
  }
}
