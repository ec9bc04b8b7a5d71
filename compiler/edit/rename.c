/* rename A to B: a layer's or container's last name, and with it the names and keys below. Where the weights
 * come from does not change. Called by compiler/script. */
#include "compiler/edit/edit.h"

static const char *moved(const Graph *g, const char *name, const char *old, const char *new) {
  size_t length = strlen(old);
  if (strncmp(name, old, length) != 0 || (name[length] != 0 && name[length] != '.')) return name;
  return arena_printf(g->arena, "%s%s", new, name + length);
}

/* relu and relu_1 are calls of one layer: all of them follow it. */
static const char *moved_call(const Graph *g, const Node *n, ModuleId module, const char *old, const char *new) {
  size_t length = strlen(old);
  if (n->module == module && strncmp(n->name, old, length) == 0)
    return arena_printf(g->arena, "%s%s", new, n->name + length);
  return moved(g, n->name, old, new);
}

static bool wrong(EditContext *e, Span span, const char *why, const char *help) {
  Diag *d = diag_report(&e->s->diags, DIAG_E0222, span, "%s", why);
  diag_help(&e->s->diags, d, "%s", help);
  return false;
}

static bool check_names(EditContext *e, const Stmt *stmt, const Module *m, const char **local) {
  const Graph *g = e->graph;
  size_t above = strlen(m->name) - strlen(m->local);
  *local = strncmp(stmt->to, m->name, above) == 0 ? stmt->to + above : stmt->to;
  if (!**local || strchr(*local, '.'))
    return wrong(e, stmt->to_span, "a layer stays in its container when it is renamed",
                 "change the last component only");
  const char *full = arena_printf(g->arena, "%.*s%s", (int)above, m->name, *local);
  if (!graph_name_taken(g, full)) return true;
  Diag *d = diag_report(&e->s->diags, DIAG_E0218, stmt->to_span, "there is already a layer '%s'", full);
  diag_help(&e->s->diags, d, "choose another name");
  return false;
}

bool edit_rename(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  Picked picked;
  const char *local = NULL;
  ModuleId id = NO_ID;
  bool ok = select_units(e->s, g, e->scope, stmt->selector, false, scratch, &picked) &&
            !edit_reject_tensors(e, stmt, &picked, "rename");
  if (ok && (picked.units.count != 1 || picked.units.at[0].module == NO_ID))
    ok = wrong(e, stmt->selector->span, "rename takes one layer or container", "write one statement for each");
  if (ok) {
    id = picked.units.at[0].module;
    ok = check_names(e, stmt, module_at(g, id), &local);
  }
  if (ok) {
    const char *old = module_at(g, id)->name;
    const char *new =
        arena_printf(g->arena, "%.*s%s", (int)(strlen(old) - strlen(module_at(g, id)->local)), old, local);
    for (size_t i = 0; i < g->params.count; i++)
      if (module_within(g, param_at(g, i)->module, id))
        graph_rename_param(g, (ParamId)i, moved(g, param_at(g, i)->name, old, new));
    for (size_t i = 0; i < g->nodes.count; i++)
      if (node_within(g, (NodeId)i, id)) graph_rename_node(g, (NodeId)i, moved_call(g, node_at(g, i), id, old, new));
    for (size_t i = 0; i < g->modules.count; i++)
      if (module_within(g, (ModuleId)i, id))
        graph_rename_module(g, (ModuleId)i, moved(g, module_at(g, i)->name, old, new));
    module_at(g, id)->local = local;
  }
  arena_destroy(scratch);
  return ok;
}
