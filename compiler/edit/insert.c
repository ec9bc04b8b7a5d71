/* insert, append, prepend: a new layer on an edge of the data flow. `after X` changes what all users of X's
 * value see, as wrapping X in Sequential(X, new) would; `before X` changes what X alone sees. Called by
 * compiler/script. */
#include "compiler/edit/edit.h"

static bool report_edge(EditContext *e, const Stmt *stmt, const Unit *u, const ValueList *many) {
  Arena *scratch = arena_create();
  VEC(const char *) names = {0};
  for (size_t i = 0; i < many->count; i++) vec_push(scratch, &names, edit_value_name(e->graph, many->at[i]));
  const char *list = edit_list_names(scratch, names.at, names.count);
  Diag *d = diag_report(&e->s->diags, DIAG_E0217, stmt->selector->span, "%zu values %s '%s': which one is meant?",
                        many->count, stmt->after ? "leave" : "enter", u->name);
  diag_note(&e->s->diags, d, "they are %s", list);
  if (many->count > 0)
    diag_help(&e->s->diags, d, "name the layer whose value is meant: insert … after %s", names.at[0]);
  arena_destroy(scratch);
  return false;
}

/* Puts the module's call behind the producer of `in` and returns its value; NO_ID with diagnostics. */
static ValueId call_behind(EditContext *e, ModuleId module, ValueId in, int stage, Span span) {
  size_t end = e->graph->order.count;
  ValueId out = edit_call(e, module, in, stage, span);
  if (out != NO_ID) edit_move_order(e->graph, end, edit_place_after(e->graph, in));
  return out;
}

static bool insert_at_unit(EditContext *e, const Stmt *stmt, const Unit *u, size_t nth, Arena *arena) {
  Graph *g = e->graph;
  CallSites sites = {0};
  if (!edit_call_sites(e, u, stmt->selector->span, arena, &sites)) return false;
  for (size_t i = 0; i < sites.count; i++) {
    const ValueList *edge = stmt->after ? &sites.at[i].out : &sites.at[i].in;
    if (edge->count != 1) return report_edge(e, stmt, u, edge);
  }
  if (sites.count == 0) {
    diag_report(&e->s->diags, DIAG_E0217, stmt->selector->span, "forward never runs through '%s'", u->name);
    return false;
  }
  size_t modules = g->modules.count, nodes = g->nodes.count;
  ModuleId parent;
  const char *local = edit_new_name(e, stmt, nth, &parent);
  if (!local) return false;
  ModuleId new = edit_build(e, stmt, parent, local);
  if (new == NO_ID) return false;
  for (size_t i = 0; i < sites.count; i++) {
    CallSite *site = &sites.at[i];
    ValueId value = stmt->after ? site->out.at[0] : NO_ID;
    const Node *first = node_at(g, site->nodes.at[0]);
    int stage = first->stage;
    if (stmt->after) {
      stage = edit_stage_of(g, value);
    } else { /* the call before this one may have put something on this edge */
      bool *set = arena_array(arena, bool, g->nodes.count + 1);
      for (size_t k = 0; k < site->nodes.count; k++) set[site->nodes.at[k]] = true;
      ValueList in = {0}, out = {0};
      edit_boundary(g, set, arena, &in, &out);
      value = in.at[0];
    }
    size_t before = g->nodes.count;
    ValueId out = call_behind(e, new, value, stage, stmt->span);
    if (out == NO_ID) {
      edit_undo(g, modules, nodes);
      return false;
    }
    if (stmt->after) {
      edit_redirect(g, value, out, before, stmt->span);
      continue;
    }
    for (size_t k = 0; k < site->nodes.count; k++) edit_redirect_node(g, site->nodes.at[k], value, out, stmt->span);
  }
  return true;
}

bool edit_insert(EditContext *e, const Stmt *stmt) {
  Arena *scratch = arena_create();
  Picked picked;
  bool ok = select_units(e->s, e->graph, e->scope, stmt->selector, false, scratch, &picked) &&
            !edit_reject_tensors(e, stmt, &picked, "insert");
  for (size_t i = 0; ok && i < picked.units.count; i++) ok = insert_at_unit(e, stmt, &picked.units.at[i], i, scratch);
  arena_destroy(scratch);
  return ok;
}

/* The named layer, called on `in`; *out is its value. */
static bool add_at(EditContext *e, const Stmt *stmt, ValueId in, int stage, ValueId *out) {
  Graph *g = e->graph;
  size_t modules = g->modules.count, nodes = g->nodes.count;
  ModuleId parent;
  const char *local = edit_new_name(e, stmt, 0, &parent);
  if (!local) return false;
  ModuleId new = edit_build(e, stmt, parent, local);
  if (new == NO_ID) return false;
  *out = edit_call(e, new, in, stage, stmt->span);
  if (*out == NO_ID) edit_undo(g, modules, nodes);
  return *out != NO_ID;
}

/* A built-in network is known for its weights: without them it is probably not what was meant. */
static void note_fresh(EditContext *e, const Stmt *stmt) {
  const Expr *model = stmt->value->kind == EXPR_CALL ? stmt->value->left : stmt->value;
  const Const *built_in = model->kind == EXPR_NAME ? scope_get(zoo_scope(e->s), model->text) : NULL;
  const Const *mine = built_in ? scope_get(e->scope, model->text) : NULL;
  if (!built_in || !mine || mine->model != built_in->model) return;
  Diag *d = diag_report(&e->s->diags, DIAG_N0402, model->span,
                        "%s starts with newly initialised weights: no weight file was given", model->text);
  diag_help(&e->s->diags, d, "write %s from \"FILE\" for its weights, or from random if this is meant", model->text);
}

bool edit_append(EditContext *e, const Stmt *stmt) {
  if (stmt->donor) return edit_stitch(e, stmt);
  Graph *g = e->graph;
  ValueId out;
  if (!edit_one_output(e, stmt, "insert it after the layer whose value it is to take: insert … after layer4"))
    return false;
  if (!add_at(e, stmt, g->outputs.at[0].value, NO_ID, &out)) return false;
  note_fresh(e, stmt);
  g->outputs.at[0].value = out;
  return true;
}

bool edit_prepend(EditContext *e, const Stmt *stmt) {
  if (stmt->donor) return edit_stitch(e, stmt);
  Graph *g = e->graph;
  size_t end = g->order.count, before = g->nodes.count;
  ValueId out;
  int stage = NO_ID;
  for (size_t i = 0; i < end && stage == NO_ID; i++) /* it belongs to what it feeds */
    if (node_at(g, g->order.at[i])->alive) stage = node_at(g, g->order.at[i])->stage;
  if (!add_at(e, stmt, g->input_value, stage, &out)) return false;
  edit_move_order(g, end, 0);
  edit_redirect(g, g->input_value, out, before, stmt->span);
  return true;
}
