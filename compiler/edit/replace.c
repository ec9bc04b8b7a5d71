/* replace SEL with LAYER: a new layer in the same place, under the same name. Each layer or container that
 * the selector picks is replaced by one of its own; a container's whole inside becomes one call. What the
 * take cut off is put back by reattach.c. Called by edit.c. */
#include "compiler/edit/edit.h"

static bool report_several(EditContext *e, const Stmt *stmt, const Unit *u) {
  const Graph *g = e->graph;
  Arena *scratch = arena_create();
  VEC(const char *) names = {0};
  for (size_t i = 0; i < u->nodes.count; i++) {
    ModuleId m = g->nodes.at[u->nodes.at[i]].module;
    const char *name = m == NO_ID ? g->nodes.at[u->nodes.at[i]].name : g->modules.at[m].name;
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
                "forward never runs through '%s', so nothing can stand in its place", u->name);
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
    *parent = g->modules.at[u->module].parent;
    *local = g->modules.at[u->module].local;
    return;
  }
  const Node *n = &g->nodes.at[u->nodes.at[0]];
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
  Module *parent = &g->modules.at[g->modules.at[new].parent];
  if (old == NO_ID || g->modules.at[old].parent != g->modules.at[new].parent) return;
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
  for (size_t i = 0; i < g->modules.count; i++) kept.module_alive[i] = g->modules.at[i].alive;
  for (size_t i = 0; i < u->nodes.count; i++) {
    kept.node_name[i] = g->nodes.at[u->nodes.at[i]].name;
    edit_retire_node(g, u->nodes.at[i]);
  }
  if (u->module != NO_ID) edit_retire_module(g, u->module);
  return kept;
}

static void restore_unit(Graph *g, const Unit *u, const Kept *kept, size_t modules) {
  for (size_t i = 0; i < modules; i++)
    if (kept->module_alive[i] && !g->modules.at[i].alive) graph_revive_module(g, (ModuleId)i);
    else g->modules.at[i].alive = kept->module_alive[i];
  for (size_t i = 0; i < u->nodes.count; i++) {
    g->nodes.at[u->nodes.at[i]].alive = true;
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
    ValueId out = edit_call(e, new, entry_of(g, &sites.at[i], arena), g->nodes.at[first].stage, stmt->span);
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

bool edit_replace(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  Picked picked;
  bool ok = select_units(e->s, g, e->scope, stmt->selector, true, scratch, &picked) &&
            !edit_reject_tensors(e, stmt, &picked, "replace");
  for (size_t i = 0; ok && i < picked.units.count; i++) {
    const Unit *u = &picked.units.at[i];
    ok = u->cut ? edit_reattach(e, stmt, u) : replace_unit(e, stmt, u, scratch);
  }
  arena_destroy(scratch);
  return ok;
}
