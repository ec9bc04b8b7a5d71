/* take: builds the donor, infers its shapes, cuts the slice out of its data flow and binds its parameters to
 * a weight file. What a slice means is decided here; the cutting is cut.c's, the files are weights.c's.
 * Called by edit.c. */
#include "compiler/edit/edit.h"
#include "compiler/ops/shape.h"
#include "compiler/settings/settings.h"
#include "compiler/weights/weights.h"

/* With a layer that was chosen go the functions between the chosen ones: children() does not count them. */
static void close_over_functions(const Graph *g, Picked *slice, Arena *arena) {
  bool *from = arena_array(arena, bool, g->values.count + 1); /* an input of it, chosen or joined, lies above */
  bool *to = arena_array(arena, bool, g->values.count + 1);   /* leads to a chosen node over functions alone */
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = &g->nodes.at[g->order.at[i]];
    bool above = slice->node[g->order.at[i]];
    for (size_t k = 0; k < n->inputs.count && !above; k++) above = n->module == NO_ID && from[n->inputs.at[k]];
    from[n->output] = above;
  }
  for (size_t i = g->order.count; i-- > 0;) {
    NodeId id = g->order.at[i];
    const Node *n = &g->nodes.at[id];
    bool joins = !slice->node[id] && n->module == NO_ID && from[n->output] && to[n->output];
    if (joins) slice->node[id] = true;
    if (!slice->node[id]) continue;
    for (size_t k = 0; k < n->inputs.count; k++) to[n->inputs.at[k]] = true;
  }
}

static bool cut_slice(EditContext *e, Graph *g, const Donor *donor) {
  Arena *scratch = arena_create();
  Picked slice;
  bool ok = select_units(e->s, g, e->scope, donor->slice, false, scratch, &slice);
  if (ok && slice.tensors) {
    Diag *d = diag_report(&e->s->diags, DIAG_E0221, donor->slice->span, "a slice is made of layers, not of parameters");
    diag_help(&e->s->diags, d, "name layers, stages or a range of layers");
    ok = false;
  }
  if (ok) {
    close_over_functions(g, &slice, scratch);
    ok = edit_cut(e, g, &slice, donor->slice->span);
  }
  arena_destroy(scratch);
  return ok;
}

/* An `input` that stands before the take gives its shape to a model that declares none. It is then done with:
 * a slice that begins further on has the shape at its cut. */
static bool early_input(EditContext *e, Graph *g) {
  if (g->input.shape.rank >= 0) return true;
  for (size_t i = 0; i < e->early.count; i++) {
    const Stmt *stmt = e->early.at[i];
    if (stmt->kind != STMT_INPUT) continue;
    e->early.count--;
    memmove(e->early.at + i, e->early.at + i + 1, (e->early.count - i) * sizeof *e->early.at);
    return eval_input(e->s, e->scope, g, stmt);
  }
  return true;
}

bool edit_donor(EditContext *e, const Donor *donor, Graph **out) {
  Span origin = donor->slice ? span_join(donor->model->span, donor->slice->span) : donor->model->span;
  Graph *g = *out = build_donor(e->s, e->scope, donor->model, origin);
  if (!g) return false;
  g->modules.at[0].origin = origin;
  bool ok = early_input(e, g) && infer_shapes(e->s, g);
  return ok && (!donor->slice || cut_slice(e, g, donor));
}

bool edit_take(EditContext *e, const Stmt *stmt) {
  const Donor *donor = stmt->donor;
  if (e->taken && e->graph) {
    Diag *d = diag_report(&e->s->diags, DIAG_E0212, stmt->span, "a second take: a script operates on one network");
    diag_label(&e->s->diags, d, e->graph->modules.at[0].origin, "the first");
    diag_help(&e->s->diags, d, "remove one of them, or write two scripts");
    return false;
  }
  e->taken = true;
  if (!edit_donor(e, donor, &e->graph)) return false;
  weights_bind(e->s, e->scope, e->graph, donor);
  return true;
}
