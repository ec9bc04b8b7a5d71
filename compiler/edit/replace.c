/* replace SEL with LAYER: a new layer in the same place, under the same name. Each layer or container that the selector
 * picks is replaced by one of its own; a container's whole inside becomes one call. A layer that the take cut off is
 * put back. Called by compiler/script. */
#include "compiler/edit/edit.h"

static bool report_several(EditContext *e, const Stmt *stmt, const Unit *u) {
  const Graph *g = e->graph;
  Arena *scratch = arena_create();
  VEC(const char *) names = {0};
  for (size_t i = 0; i < u->nodes.count; i++) {
    ModuleId m = node_at(g, u->nodes.at[i])->module;
    const char *name = m == NO_ID ? node_at(g, u->nodes.at[i])->name : module_at(g, m)->name;
    if (names.count == 0 || !streq(names.at[names.count - 1], name)) vec_push(scratch, &names, name);
  }
  Diag *d = diag_report(&e->s->diags, DIAG_E0215, stmt->selector->span, "%s is not one layer but several", u->name);
  diag_note(&e->s->diags, d, "it holds %s", edit_list_names(scratch, names.at, names.count));
  diag_help(&e->s->diags, d, "name one layer or container; `every TYPE` or a glob replaces each");
  arena_destroy(scratch);
  return false;
}

/* The one value in and the one out of every call, or a message. */
static bool check_sites(EditContext *e, const Stmt *stmt, const Unit *u, const CallSites *sites) {
  const Graph *g = e->graph;
  if (sites->count == 0) {
    diag_report(&e->s->diags, DIAG_E0216, stmt->selector->span,
                "forward never runs through '%s', so nothing can take its place", u->name);
    return false;
  }
  for (size_t i = 0; i < sites->count; i++) {
    const CallSite *site = &sites->at[i];
    const ValueList *many = site->in.count != 1 ? &site->in : &site->out;
    if (site->in.count == 1 && site->out.count == 1) continue;
    Arena *scratch = arena_create();
    VEC(const char *) names = {0};
    for (size_t k = 0; k < many->count; k++) vec_push(scratch, &names, edit_value_name(g, many->at[k]));
    Diag *d = diag_report(&e->s->diags, DIAG_E0216, stmt->selector->span, "%zu values %s '%s', and a layer has one",
                          many->count, many == &site->in ? "enter" : "leave", u->name);
    diag_note(&e->s->diags, d, "they are %s", edit_list_names(scratch, names.at, names.count));
    diag_help(&e->s->diags, d, "replace the block around it, or the layers before it");
    arena_destroy(scratch);
    return false;
  }
  return true;
}

/* Where the new module hangs, and its last name: those of the old one, or of the call. */
static void name_place(const Graph *g, const Unit *u, ModuleId *parent, const char **local) {
  if (u->module != NO_ID) {
    *parent = module_at(g, u->module)->parent;
    *local = module_at(g, u->module)->local;
    return;
  }
  const Node *n = node_at(g, u->nodes.at[0]);
  const char *dot = strrchr(n->name, '.');
  *local = dot ? dot + 1 : n->name;
  *parent = 0;
  if (!dot) return;
  char *above = arena_strndup(g->arena, n->name, (size_t)(dot - n->name));
  ModuleId found = graph_find_module(g, above);
  if (found != NO_ID) *parent = found;
  else *local = n->name;
}

/* The new module, which stands last among its parent's children, takes the old one's place among them. */
static void take_place(Graph *g, ModuleId old, ModuleId new) {
  Module *parent = module_at(g, module_at(g, new)->parent);
  if (old == NO_ID || module_at(g, old)->parent != module_at(g, new)->parent) return;
  for (size_t i = 0; i < parent->children.count; i++)
    if (parent->children.at[i] == old) {
      parent->children.at[i] = new;
      parent->children.count--;
      return;
    }
}

typedef struct Kept { /* what must be put back when the new layer turns out to be wrong */
  bool *module_alive;
  const char **node_name;
} Kept;

static Kept retire_unit(Graph *g, const Unit *u, Arena *arena) {
  Kept kept = {arena_array(arena, bool, g->modules.count + 1), arena_array(arena, const char *, u->nodes.count + 1)};
  for (size_t i = 0; i < g->modules.count; i++) kept.module_alive[i] = module_at(g, i)->alive;
  for (size_t i = 0; i < u->nodes.count; i++) {
    kept.node_name[i] = node_at(g, u->nodes.at[i])->name;
    edit_retire_node(g, u->nodes.at[i]);
  }
  if (u->module != NO_ID) edit_retire_module(g, u->module);
  return kept;
}

static void restore_unit(Graph *g, const Unit *u, const Kept *kept, size_t modules) {
  for (size_t i = 0; i < modules; i++)
    if (kept->module_alive[i] && !module_at(g, i)->alive) graph_revive_module(g, (ModuleId)i);
    else module_at(g, i)->alive = kept->module_alive[i];
  for (size_t i = 0; i < u->nodes.count; i++) {
    node_at(g, u->nodes.at[i])->alive = true;
    graph_rename_node(g, u->nodes.at[i], kept->node_name[i]);
  }
}

/* The value that enters a call now: the calls before it may have been replaced. */
static ValueId entry_of(const Graph *g, const CallSite *site, Arena *arena) {
  bool *set = arena_array(arena, bool, g->nodes.count + 1);
  ValueList in = {0}, out = {0};
  for (size_t i = 0; i < site->nodes.count; i++) set[site->nodes.at[i]] = true;
  edit_boundary(g, set, arena, &in, &out);
  ASSERT(in.count == 1);
  return in.at[0];
}

static bool replace_unit(EditContext *e, const Stmt *stmt, const Unit *u, Arena *arena) {
  Graph *g = e->graph;
  CallSites sites = {0};
  if (u->module == NO_ID && u->nodes.count != 1) return report_several(e, stmt, u);
  if (!edit_call_sites(e, u, stmt->selector->span, arena, &sites) || !check_sites(e, stmt, u, &sites)) return false;
  size_t modules = g->modules.count, nodes = g->nodes.count;
  ModuleId parent;
  const char *local;
  name_place(g, u, &parent, &local);
  Kept kept = retire_unit(g, u, arena);
  ModuleId new = edit_build(e, stmt, parent, local);
  if (new == NO_ID) {
    restore_unit(g, u, &kept, modules);
    return false;
  }
  for (size_t i = 0; i < sites.count; i++) {
    NodeId first = sites.at[i].nodes.at[0];
    size_t end = g->order.count, before = g->nodes.count;
    ValueId out = edit_call(e, new, entry_of(g, &sites.at[i], arena), node_at(g, first)->stage, stmt->span);
    if (out == NO_ID) { /* the first call already shows whether it can be called */
      edit_undo(g, modules, nodes);
      restore_unit(g, u, &kept, modules);
      return false;
    }
    edit_move_order(g, end, edit_order_place(g, first));
    edit_redirect(g, sites.at[i].out.at[0], out, before, stmt->span);
  }
  take_place(g, u->module, new);
  edit_update_alive(g);
  return true;
}

/* ---- a layer that the take cut off ----
 *
 * The new layer goes in its place, after the parameter-free layers that led to it. The way is walked backwards from the
 * layer; it ends at the slice's own values, at a stage, and at the first unit that holds parameters. */

/* The direct child of the root in which a module lies; NO_ID for the root itself. */
static ModuleId top_unit(const Graph *g, ModuleId module) {
  while (module > 0 && module_at(g, module)->parent > 0) module = module_at(g, module)->parent;
  return module > 0 ? module : NO_ID;
}

static bool holds_params(const Graph *g, ModuleId unit) {
  for (size_t i = 0; i < g->modules.count; i++)
    if (module_at(g, i)->params.count > 0 && module_within(g, (ModuleId)i, unit)) return true;
  return false;
}

/* May the node come back on the way to a layer in `home`? */
static bool may_return(const Graph *g, NodeId id, ModuleId home) {
  const Node *n = node_at(g, id);
  if (n->alive || !n->cut || n->inputs.count != 1 || n->stage != NO_ID) return false;
  if (n->module != NO_ID && module_at(g, n->module)->params.count > 0) return false;
  ModuleId unit = top_unit(g, node_home(g, id));
  return unit == NO_ID || unit == home || !holds_params(g, unit);
}

static bool report_lost_way(EditContext *e, const Stmt *stmt, const Unit *u, NodeId stop) {
  const Graph *g = e->graph;
  ModuleId unit = top_unit(g, u->module);
  Diag *d =
      diag_report(&e->s->diags, DIAG_E0219, stmt->selector->span,
                  "'%s' cannot be put back: '%s', which led to it, was cut off too", u->name, node_at(g, stop)->name);
  diag_label(&e->s->diags, d, module_at(g, 0)->origin, "the take leaves out all of %s", module_at(g, unit)->name);
  diag_help(&e->s->diags, d, "replace %s as a whole, or take a longer slice", module_at(g, unit)->name);
  return false;
}

static bool report_cannot(EditContext *e, const Stmt *stmt, const Unit *u, const char *why, const char *help) {
  Diag *d = diag_report(&e->s->diags, DIAG_E0219, stmt->selector->span, "'%s' cannot be put back: %s", u->name, why);
  diag_help(&e->s->diags, d, "%s", help);
  return false;
}

static size_t first_alive_place(const Graph *g) {
  for (size_t i = 0; i < g->order.count; i++)
    if (node_at(g, g->order.at[i])->alive) return i;
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
    NodeId id = value_at(g, value)->producer;
    if (id == NO_ID || node_at(g, id)->alive) return true;
    if (!may_return(g, id, home)) return top_unit(g, node_home(g, id)) != home || report_lost_way(e, stmt, u, id);
    vec_push(arena, way, id);
    value = node_at(g, id)->inputs.at[0];
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
  for (size_t i = way->count; i-- > 0;) vec_push(arena, &names, node_at(e->graph, way->at[i])->name);
  diag_report(&e->s->diags, DIAG_N0201, stmt->selector->span, "re-attached %s before the new %s",
              edit_list_names(arena, names.at, names.count), u->name);
}

/* The new module stands where the old one stood among its parent's children. */
static void take_child_place(Graph *g, ModuleId old, ModuleId new) {
  Module *parent = module_at(g, module_at(g, new)->parent);
  for (size_t i = 0; i < parent->children.count; i++)
    if (parent->children.at[i] == old) {
      parent->children.at[i] = new;
      parent->children.count--;
      return;
    }
}

static void revive_parents(Graph *g, ModuleId module) {
  for (; module > 0; module = module_at(g, module)->parent)
    if (!module_at(g, module)->alive) graph_revive_module(g, module);
}

static bool reattach(EditContext *e, const Stmt *stmt, const Unit *u) {
  Graph *g = e->graph;
  if (!edit_one_output(e, stmt, "insert a new layer after the one whose value it is to take")) return false;
  Arena *scratch = arena_create();
  NodeList way = {0};
  ModuleId new = NO_ID;
  ValueId value = g->outputs.at[0].value;
  size_t modules = g->modules.count, nodes = g->nodes.count;
  bool ok = find_way(e, stmt, u, scratch, &way);
  if (ok) {
    const Module *old = module_at(g, u->module);
    new = edit_build(e, stmt, old->parent, old->local); /* frees the old one's name, too */
    ok = new != NO_ID;
  }
  for (size_t i = way.count; ok && i-- > 0;) {
    Node *n = node_at(g, way.at[i]);
    n->alive = true;
    n->cut = false;
    n->inputs.at[0] = value;
    value = n->output;
    move_to_end(g, way.at[i]);
    if (n->module != NO_ID) revive_parents(g, n->module);
  }
  if (ok) {
    revive_parents(g, module_at(g, new)->parent);
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

/* ---- the statement ---- */

bool edit_replace(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  Picked picked;
  bool ok = select_units(e->s, g, e->scope, stmt->selector, true, scratch, &picked) &&
            !edit_reject_tensors(e, stmt, &picked, "replace");
  for (size_t i = 0; ok && i < picked.units.count; i++) {
    const Unit *u = &picked.units.at[i];
    ok = u->cut ? reattach(e, stmt, u) : replace_unit(e, stmt, u, scratch);
  }
  arena_destroy(scratch);
  return ok;
}
