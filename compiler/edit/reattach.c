/* replace on a layer that the take cut off: the new layer goes in that layer's place, behind the
 * parameter-free layers that led to it. The way is walked backwards from the layer; it ends at the slice's
 * own values, at a stage, and at the first unit that holds parameters. Called by replace.c. */
#include "compiler/edit/edit.h"

/* The direct child of the root in which a module lies; NO_ID for the root itself. */
static ModuleId top_unit(const Graph *g, ModuleId module) {
  while (module > 0 && g->modules.at[module].parent > 0) module = g->modules.at[module].parent;
  return module > 0 ? module : NO_ID;
}

static bool holds_params(const Graph *g, ModuleId unit) {
  for (size_t i = 0; i < g->modules.count; i++)
    if (g->modules.at[i].params.count > 0 && module_within(g, (ModuleId)i, unit)) return true;
  return false;
}

/* May the node come back on the way to a layer in `home`? */
static bool may_return(const Graph *g, NodeId id, ModuleId home) {
  const Node *n = &g->nodes.at[id];
  if (n->alive || !n->cut || n->inputs.count != 1 || n->stage != NO_ID) return false;
  if (n->module != NO_ID && g->modules.at[n->module].params.count > 0) return false;
  ModuleId unit = top_unit(g, node_home(g, id));
  return unit == NO_ID || unit == home || !holds_params(g, unit);
}

static bool report_lost_way(EditContext *e, const Stmt *stmt, const Unit *u, NodeId stop) {
  const Graph *g = e->graph;
  ModuleId unit = top_unit(g, u->module);
  Diag *d =
      diag_report(&e->s->diags, DIAG_E0219, stmt->selector->span,
                  "'%s' cannot be put back: '%s', which led to it, was cut off too", u->name, g->nodes.at[stop].name);
  diag_label(&e->s->diags, d, g->modules.at[0].origin, "the take leaves out all of %s", g->modules.at[unit].name);
  diag_help(&e->s->diags, d, "replace %s as a whole, or take a longer slice", g->modules.at[unit].name);
  return false;
}

static bool report_cannot(EditContext *e, const Stmt *stmt, const Unit *u, const char *why, const char *help) {
  Diag *d = diag_report(&e->s->diags, DIAG_E0219, stmt->selector->span, "'%s' cannot be put back: %s", u->name, why);
  diag_help(&e->s->diags, d, "%s", help);
  return false;
}

static size_t first_alive_place(const Graph *g) {
  for (size_t i = 0; i < g->order.count; i++)
    if (g->nodes.at[g->order.at[i]].alive) return i;
  return 0;
}

/* The way to the layer, nearest first. False and reported when there is none. */
static bool find_way(EditContext *e, const Stmt *stmt, const Unit *u, Arena *arena, NodeList *way) {
  const Graph *g = e->graph;
  bool *set = arena_array(arena, bool, g->nodes.count + 1);
  for (size_t i = 0; i < u->nodes.count; i++) set[u->nodes.at[i]] = true;
  ValueList in = {0}, out = {0};
  edit_boundary(g, set, arena, &in, &out);
  if (u->nodes.count == 0)
    return report_cannot(e, stmt, u, "forward never runs through it", "append the new layer instead");
  if (in.count != 1) return report_cannot(e, stmt, u, "several values enter it", "replace the block around it");
  if (edit_order_place(g, u->nodes.at[0]) < first_alive_place(g))
    return report_cannot(e, stmt, u, "it lies before the slice", "use prepend to put a layer at the start");
  ModuleId home = top_unit(g, u->module);
  ValueId value = in.at[0];
  for (;;) {
    NodeId id = g->values.at[value].producer;
    if (id == NO_ID || g->nodes.at[id].alive) return true;
    if (!may_return(g, id, home)) return top_unit(g, node_home(g, id)) != home || report_lost_way(e, stmt, u, id);
    vec_push(arena, way, id);
    value = g->nodes.at[id].inputs.at[0];
  }
}

static void move_to_end(Graph *g, NodeId id) {
  size_t place = edit_order_place(g, id);
  memmove(g->order.at + place, g->order.at + place + 1, (g->order.count - place - 1) * sizeof id);
  g->order.at[g->order.count - 1] = id;
}

static void report_way(EditContext *e, const Stmt *stmt, const Unit *u, const NodeList *way, Arena *arena) {
  if (way->count == 0) return;
  VEC(const char *) names = {0};
  for (size_t i = way->count; i-- > 0;) vec_push(arena, &names, e->graph->nodes.at[way->at[i]].name);
  diag_report(&e->s->diags, DIAG_N0201, stmt->selector->span, "re-attached %s before the new %s",
              edit_list_names(arena, names.at, names.count), u->name);
}

/* The new module stands where the old one stood among its parent's children. */
static void take_child_place(Graph *g, ModuleId old, ModuleId new) {
  Module *parent = &g->modules.at[g->modules.at[new].parent];
  for (size_t i = 0; i < parent->children.count; i++)
    if (parent->children.at[i] == old) {
      parent->children.at[i] = new;
      parent->children.count--;
      return;
    }
}

static void revive_parents(Graph *g, ModuleId module) {
  for (; module > 0; module = g->modules.at[module].parent)
    if (!g->modules.at[module].alive) graph_revive_module(g, module);
}

bool edit_reattach(EditContext *e, const Stmt *stmt, const Unit *u) {
  Graph *g = e->graph;
  if (!edit_one_output(e, stmt, "insert a new layer after the one whose value it is to take")) return false;
  Arena *scratch = arena_create();
  NodeList way = {0};
  ModuleId new = NO_ID;
  ValueId value = g->outputs.at[0].value;
  size_t modules = g->modules.count, nodes = g->nodes.count;
  bool ok = find_way(e, stmt, u, scratch, &way);
  if (ok) {
    const Module *old = &g->modules.at[u->module];
    new = edit_build(e, stmt, old->parent, old->local); /* frees the old one's name, too */
    ok = new != NO_ID;
  }
  for (size_t i = way.count; ok && i-- > 0;) {
    Node *n = &g->nodes.at[way.at[i]];
    n->alive = true;
    n->cut = false;
    n->inputs.at[0] = value;
    value = n->output;
    move_to_end(g, way.at[i]);
    if (n->module != NO_ID) revive_parents(g, n->module);
  }
  if (ok) {
    revive_parents(g, g->modules.at[new].parent);
    ValueId out = edit_call(e, new, value, NO_ID, stmt->span);
    ok = out != NO_ID;
    g->outputs.at[0].value = ok ? out : value;
    if (ok) take_child_place(g, u->module, new);
    else edit_undo(g, modules, nodes);
    edit_update_alive(g);
    if (ok) report_way(e, stmt, u, &way, scratch);
  }
  arena_destroy(scratch);
  return ok;
}
