/* Which layers, calls and parameters a selector picks: see selector.h. Nothing that a script or an option can say takes
 * more than time proportional to selector × network: unions are walked without recursion, patterns are matched in
 * bounded time, and both have limits that are reported. Called by compiler/select and runtime/net. */
#include "runtime/base/selector_parts.h"
#include <stdlib.h>

#define MAX_DEPTH 100
#define MAX_PARTS 10000

/* ---- what was picked ---- */

Picked picked_create(const SelectNet *net, Arena *arena) {
  return (Picked){.arena = arena,
                  .module = arena_array(arena, bool, net->modules.count + 1),
                  .node = arena_array(arena, bool, net->nodes.count + 1),
                  .param = arena_array(arena, bool, net->params.count + 1)};
}

static bool has_unit(const Picked *p, ModuleId module, NodeId node) {
  for (size_t i = 0; i < p->units.count; i++) {
    const Unit *u = &p->units.at[i];
    if (module != NO_ID ? u->module == module : u->module == NO_ID && u->nodes.count == 1 && u->nodes.at[0] == node)
      return true;
  }
  return false;
}

static void mark_params(const SelectNet *net, Picked *p, ModuleId module) {
  const SelectModule *m = &net->modules.at[module];
  for (size_t i = 0; i < m->params.count; i++) p->param[m->params.at[i]] = true;
}

static void mark_module(const SelectNet *net, Picked *p, ModuleId module) {
  p->module[module] = module != 0;
  mark_params(net, p, module);
  const SelectModule *m = &net->modules.at[module];
  for (size_t i = 0; i < m->children.count; i++)
    if (net->modules.at[m->children.at[i]].alive) mark_module(net, p, m->children.at[i]);
}

void picked_add_everything(const SelectNet *net, Picked *p) {
  mark_module(net, p, 0);
  p->module[0] = false;
}

/* The unit's calls: alive ones, or for a layer that was cut off the dead ones. */
void picked_add_module(const SelectNet *net, Picked *p, ModuleId module) {
  p->layers = true;
  if (p->module[module] && has_unit(p, module, NO_ID)) return;
  Unit unit = {.name = net->modules.at[module].name, .module = module, .cut = !net->modules.at[module].alive};
  for (size_t i = 0; i < net->order.count; i++) {
    NodeId id = net->order.at[i];
    const SelectNode *n = &net->nodes.at[id];
    if (n->alive == unit.cut || (unit.cut && !n->cut) || !select_node_within(net, id, module)) continue;
    vec_push(p->arena, &unit.nodes, id);
    if (!unit.cut) p->node[id] = true;
  }
  if (!unit.cut) mark_module(net, p, module);
  else p->module[module] = true;
  vec_push(p->arena, &p->units, unit);
}

void picked_add_node(const SelectNet *net, Picked *p, NodeId node) {
  p->layers = true;
  if (p->node[node] && has_unit(p, NO_ID, node)) return;
  Unit unit = {.name = net->nodes.at[node].name, .module = NO_ID, .cut = !net->nodes.at[node].alive};
  vec_push(p->arena, &unit.nodes, node);
  vec_push(p->arena, &p->units, unit);
  p->node[node] = true;
}

void picked_add_param(const SelectNet *net, Picked *p, ParamId param) {
  p->tensors = true;
  p->param[param] = true;
}

/* A module counts as picked when all its calls are; a container, when all that lives in it is. Children have
 * higher ids than their parents, so one pass from the end is enough. */
static void mark_complete_modules(const SelectNet *net, Arena *arena, bool *node, bool *module) {
  size_t count = net->modules.count;
  bool *any = arena_array(arena, bool, count + 1), *missing = arena_array(arena, bool, count + 1);
  for (size_t i = 0; i < net->nodes.count; i++) {
    ModuleId home = select_home(net, (NodeId)i);
    if (!net->nodes.at[i].alive || home == NO_ID) continue;
    if (node[i]) any[home] = true;
    else missing[home] = true;
  }
  for (size_t i = count; i-- > 1;) {
    const SelectModule *m = &net->modules.at[i];
    if (!m->alive) continue;
    if (any[i] && !missing[i]) module[i] = true;
    if (missing[i]) missing[m->parent] = true;
    if (any[i]) any[m->parent] = true;
  }
}

/* The module that is exactly these nodes: the outermost one, but never the root. */
static ModuleId module_of_region(const SelectNet *net, const bool *nodes, const bool *complete) {
  for (size_t i = 1; i < net->modules.count; i++) {
    if (!complete[i] || !net->modules.at[i].alive) continue;
    bool same = true;
    for (size_t k = 0; k < net->nodes.count && same; k++)
      if (net->nodes.at[k].alive) same = nodes[k] == select_node_within(net, (NodeId)k, (ModuleId)i);
    if (same) return (ModuleId)i;
  }
  return NO_ID;
}

void picked_add_region(const SelectNet *net, Picked *p, const bool *nodes, const char *name) {
  p->layers = true;
  Unit unit = {.name = name, .module = NO_ID};
  for (size_t i = 0; i < net->order.count; i++) {
    NodeId id = net->order.at[i];
    if (!net->nodes.at[id].alive || !nodes[id]) continue;
    vec_push(p->arena, &unit.nodes, id);
    p->node[id] = true;
  }
  bool *complete = arena_array(p->arena, bool, net->modules.count + 1);
  bool *copy = arena_array(p->arena, bool, net->nodes.count + 1);
  for (size_t i = 0; i < unit.nodes.count; i++) copy[unit.nodes.at[i]] = true;
  mark_complete_modules(net, p->arena, copy, complete);
  unit.module = module_of_region(net, copy, complete);
  if (unit.module != NO_ID) unit.name = net->modules.at[unit.module].name;
  for (size_t i = 1; i < net->modules.count; i++)
    if (complete[i]) {
      p->module[i] = true;
      mark_params(net, p, (ModuleId)i);
    }
  vec_push(p->arena, &p->units, unit);
}

/* ---- names ---- */

ModuleId select_find_module(const SelectNet *net, const char *name) {
  for (size_t i = 0; i < net->modules.count; i++)
    if (net->modules.at[i].alive && streq(net->modules.at[i].name, name)) return (ModuleId)i;
  return NO_ID;
}

bool select_was_cut(const SelectNet *net, const char *name) {
  for (size_t i = 1; i < net->modules.count; i++)
    if (!net->modules.at[i].alive && net->modules.at[i].cut && streq(net->modules.at[i].name, name)) return true;
  for (size_t i = 0; i < net->nodes.count; i++)
    if (!net->nodes.at[i].alive && net->nodes.at[i].cut && streq(net->nodes.at[i].name, name)) return true;
  return false;
}

bool select_cut_name(SelectContext *c, const char *name, Picked *into) {
  const SelectNet *net = c->net;
  for (size_t i = 1; i < net->modules.count; i++) {
    const SelectModule *m = &net->modules.at[i];
    if (m->alive || !m->cut || !streq(m->name, name)) continue;
    picked_add_module(net, into, (ModuleId)i);
    return true;
  }
  return false;
}

static bool select_name(SelectContext *c, const Selector *sel, Picked *into) {
  const SelectNet *net = c->net;
  if (sel->is_glob) return select_pattern(c, sel, into);
  ModuleId module = select_find_module(net, sel->text);
  if (module > 0) return picked_add_module(net, into, module), true;
  for (size_t i = 0; i < net->nodes.count; i++)
    if (net->nodes.at[i].alive && streq(net->nodes.at[i].name, sel->text))
      return picked_add_node(net, into, (NodeId)i), true;
  for (size_t i = 0; i < net->params.count; i++)
    if (net->modules.at[net->params.at[i].module].alive && streq(net->params.at[i].name, sel->text))
      return picked_add_param(net, into, (ParamId)i), true;
  if (c->with_cut && select_cut_name(c, sel->text, into)) return true;
  return select_unknown_name(c, sel);
}

/* The first or the last place in the forward order of what a selector picks; -1 when it has none. */
static int64_t place_of(const SelectContext *c, const Picked *p, bool last) {
  int64_t place = -1;
  for (size_t i = 0; i < c->net->order.count; i++) {
    NodeId id = c->net->order.at[i];
    if (!c->net->nodes.at[id].alive || !p->node[id]) continue;
    if (last || place < 0) place = (int64_t)i;
  }
  return place;
}

static bool select_range(SelectContext *c, const Selector *sel, Picked *into) {
  Picked left = picked_create(c->net, c->arena), right = picked_create(c->net, c->arena);
  if (!select_pick(c, sel->left, &left)) return false;
  if (!select_pick(c, sel->right, &right)) return false;
  int64_t first = place_of(c, &left, false), last = place_of(c, &right, true);
  if (first < 0 || last < 0) {
    select_report(c, "E0205", first < 0 ? sel->left->span : sel->right->span,
                  "a range goes from layer to layer, and forward never runs through this");
    select_help(c, "name a layer at both ends, as in conv1..layer2");
    return false;
  }
  if (first > last || place_of(c, &left, true) > last) {
    select_report(c, "E0205", sel->span, "the range ends before it begins");
    select_caret(c, "in forward order its left end comes after its right end");
    select_help(c, "write the layer that comes first on the left of '..'");
    return false;
  }
  bool *nodes = arena_array(c->arena, bool, c->net->nodes.count + 1);
  for (int64_t i = first; i <= last; i++) nodes[c->net->order.at[i]] = true;
  const char *name = "the range";
  if (sel->left->text && sel->right->text) name = arena_printf(c->lasting, "%s..%s", sel->left->text, sel->right->text);
  picked_add_region(c->net, into, nodes, name);
  return true;
}

/* ---- difference ---- */

/* What is left of a unit, layer by layer. */
static void add_rest(const SelectNet *net, const Unit *unit, Picked *from) {
  Picked *p = from;
  VEC(Unit) kept = {0};
  for (size_t i = 0; i < unit->nodes.count; i++) {
    NodeId id = unit->nodes.at[i];
    if (!p->node[id]) continue;
    ModuleId module = net->nodes.at[id].module;
    size_t same = kept.count;
    if (module != NO_ID)
      for (same = 0; same < kept.count && kept.at[same].module != module;) same++;
    if (same == kept.count)
      vec_push(
          p->arena, &kept,
          (Unit){.name = module == NO_ID ? net->nodes.at[id].name : net->modules.at[module].name, .module = module});
    vec_push(p->arena, &kept.at[same].nodes, id);
  }
  for (size_t i = 0; i < kept.count; i++) vec_push(p->arena, &p->units, kept.at[i]);
}

static void subtract(const SelectNet *net, Picked *from, const Picked *what) {
  for (size_t i = 0; i < net->nodes.count; i++) from->node[i] &= !what->node[i];
  for (size_t i = 0; i < net->modules.count; i++) from->module[i] &= !what->module[i];
  for (size_t i = 0; i < net->params.count; i++) from->param[i] &= !what->param[i];
  /* what holds something that was taken out is no longer picked as a whole */
  for (size_t i = 0; i < net->params.count; i++)
    if (what->param[i] && !what->module[net->params.at[i].module]) from->module[net->params.at[i].module] = false;
  for (size_t i = net->modules.count; i-- > 1;) {
    const SelectModule *m = &net->modules.at[i];
    for (size_t k = 0; k < m->children.count; k++)
      if (net->modules.at[m->children.at[k]].alive && !from->module[m->children.at[k]]) from->module[i] = false;
  }
  Picked old = *from;
  memset(&from->units, 0, sizeof from->units);
  for (size_t i = 0; i < old.units.count; i++) {
    const Unit *u = &old.units.at[i];
    size_t left = 0;
    for (size_t k = 0; k < u->nodes.count; k++) left += from->node[u->nodes.at[k]];
    if (left == u->nodes.count) vec_push(from->arena, &from->units, *u);
    else if (left > 0) add_rest(net, u, from);
  }
}

static bool is_empty(const SelectNet *net, const Picked *p) {
  for (size_t i = 0; i < net->nodes.count; i++)
    if (p->node[i]) return false;
  for (size_t i = 0; i < net->modules.count; i++)
    if (p->module[i]) return false;
  for (size_t i = 0; i < net->params.count; i++)
    if (p->param[i]) return false;
  return true;
}

static void merge(const SelectNet *net, Picked *into, const Picked *more) {
  for (size_t i = 0; i < net->nodes.count; i++) into->node[i] |= more->node[i];
  for (size_t i = 0; i < net->modules.count; i++) into->module[i] |= more->module[i];
  for (size_t i = 0; i < net->params.count; i++) into->param[i] |= more->param[i];
  for (size_t i = 0; i < more->units.count; i++) vec_push(into->arena, &into->units, more->units.at[i]);
  into->layers |= more->layers;
  into->tensors |= more->tensors;
}

static bool select_except(SelectContext *c, const Selector *sel, Picked *into) {
  Picked left = picked_create(c->net, c->arena), right = picked_create(c->net, c->arena);
  if (!select_pick(c, sel->left, &left)) return false;
  if (!select_pick(c, sel->right, &right)) return false;
  subtract(c->net, &left, &right);
  if (is_empty(c->net, &left)) return select_no_match(c, sel, "nothing is left: all of the left side is excepted");
  merge(c->net, into, &left);
  return true;
}

/* ---- all forms ---- */

static bool too_large(SelectContext *c, const Selector *sel, const char *why) {
  select_report(c, "E0208", sel->span, "the selector %s", why);
  select_help(c, "use a glob or a regular expression, or several statements");
  return false;
}

static bool pick_one(SelectContext *c, const Selector *sel, Picked *into) {
  switch (sel->kind) {
  case SELECT_ALL:
  case SELECT_BACKBONE:
  case SELECT_HEAD: return select_word(c, sel, into);
  case SELECT_NAME: return select_name(c, sel, into);
  case SELECT_REGEX: return select_pattern(c, sel, into);
  case SELECT_EVERY: return select_every(c, sel, into);
  case SELECT_RANGE: return select_range(c, sel, into);
  case SELECT_STAGES: return select_stages(c, sel, into);
  case SELECT_CHILDREN: return select_children(c, sel, into);
  case SELECT_PARAMETERS: return select_parameters(c, sel, into);
  case SELECT_EXCEPT: return select_except(c, sel, into);
  case SELECT_REGION: {
    select_report(c, "E0204", sel->span, "a region of a tensor cannot be picked here");
    select_help(c, "regions belong to load and save; here name the whole tensor");
    return false;
  }
  case SELECT_UNION: break;
  }
  abort(); /* a kind that is none */
}

bool select_pick(SelectContext *c, const Selector *selector, Picked *into) {
  if (++c->depth > MAX_DEPTH) {
    c->depth--;
    return too_large(c, selector, "is nested too deep");
  }
  bool ok = true;
  VEC(const Selector *) todo = {0}; /* a union may have any number of parts: no recursion over them */
  vec_push(c->arena, &todo, selector);
  while (todo.count > 0) {
    const Selector *sel = todo.at[--todo.count];
    if (sel->kind == SELECT_UNION) {
      vec_push(c->arena, &todo, sel->right);
      vec_push(c->arena, &todo, sel->left);
      continue;
    }
    if (++c->parts > MAX_PARTS) {
      ok = too_large(c, selector, "has more than 10000 parts");
      break;
    }
    ok &= pick_one(c, sel, into);
  }
  c->depth--;
  return ok;
}

bool selector_pick(SelectHost *host, const SelectNet *net, const Selector *selector, bool with_cut, Arena *arena,
                   Arena *lasting, Picked *out) {
  SelectContext c = {.host = host, .net = net, .arena = arena, .lasting = lasting, .with_cut = with_cut};
  *out = picked_create(net, arena);
  return select_pick(&c, selector, out);
}
