/* take: builds the donor, infers its shapes, cuts the slice out of its data flow and binds its parameters to a weight
 * file. It opens no file itself: that is compiler/weights. Called by compiler/script. */
#include "compiler/edit/edit.h"
#include "compiler/ops/shape.h"
#include "compiler/settings/settings.h"
#include "compiler/weights/weights.h"

/* ---- a cut that is not possible ---- */

/* The outermost container that ends with this node, for "after layer1.0"; else the node's own name. */
static const char *name_of_end(const Graph *g, NodeId end) {
  const char *name = node_at(g, end)->name;
  for (ModuleId m = node_home(g, end); m != NO_ID && m != 0; m = module_at(g, m)->parent) {
    for (size_t i = edit_order_place(g, end) + 1; i < g->order.count; i++)
      if (node_within(g, g->order.at[i], m)) return name;
    name = module_at(g, m)->name;
  }
  return name;
}

/* The values that are still wanted behind each place of the order: a clean cut has one. */
static size_t live_after(const Graph *g, size_t place, Arena *arena) {
  bool *wanted = arena_array(arena, bool, g->values.count + 1);
  size_t count = 0;
  for (size_t i = place + 1; i < g->order.count; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    for (size_t k = 0; n->alive && k < n->inputs.count; k++) wanted[n->inputs.at[k]] = true;
  }
  for (size_t i = 0; i < g->outputs.count; i++) wanted[g->outputs.at[i].value] = true;
  count += wanted[g->input_value];
  for (size_t i = 0; i <= place; i++) count += wanted[node_at(g, g->order.at[i])->output];
  return count;
}

static void help_clean_cuts(EditContext *e, const Graph *g, Diag *d, size_t place, const char *verb, Arena *arena) {
  const char *before = NULL, *after = NULL;
  for (size_t i = place; i-- > 0 && !before;)
    if (live_after(g, i, arena) == 1) before = name_of_end(g, g->order.at[i]);
  for (size_t i = place + 1; i + 1 < g->order.count && !after; i++)
    if (live_after(g, i, arena) == 1) after = name_of_end(g, g->order.at[i]);
  if (before && after)
    diag_help(&e->s->diags, d, "%s after %s or after %s, where only one value goes on", verb, before, after);
  else if (before || after)
    diag_help(&e->s->diags, d, "%s after %s, where only one value goes on", verb, before ? before : after);
}

static const char *user_of(const Graph *g, ValueId value, const bool *slice, bool inside) {
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    const Node *n = node_at(g, id);
    if (!n->alive || slice[id] != inside) continue;
    for (size_t k = 0; k < n->inputs.count; k++)
      if (n->inputs.at[k] == value) return n->name;
  }
  return "the output";
}

static bool report_cut(EditContext *e, const Graph *g, const bool *slice, const ValueList *values, bool leaving,
                       Span span, Arena *arena) {
  if (values->count == 0) {
    Diag *d = diag_report(&e->s->diags, DIAG_E0211, span, "no value %s this slice", leaving ? "leaves" : "enters");
    diag_help(&e->s->diags, d, "take layers through which forward runs");
    return false;
  }
  Diag *d = diag_report(&e->s->diags, DIAG_E0211, span,
                        "the slice cuts through the data flow: %zu values %s it, and it must be one", values->count,
                        leaving ? "leave" : "enter");
  size_t place = 0;
  for (size_t i = 0; i < values->count; i++) {
    ValueId v = values->at[i];
    const Shape *shape = &value_at(g, v)->shape;
    if (i < 6)
      diag_note(&e->s->diags, d, "%s%s%s goes on to %s", edit_value_name(g, v), shape->rank < 0 ? "" : " ",
                shape->rank < 0 ? "" : shape_text(arena, shape), user_of(g, v, slice, !leaving));
    size_t end = edit_place_after(g, v);
    if (end > place) place = end;
  }
  help_clean_cuts(e, g, d, place > 0 ? place - 1 : 0, leaving ? "end the slice" : "begin it", arena);
  return false;
}

/* ---- the cut ---- */

static void new_input(Graph *g, const Picked *slice, ValueId entering) {
  Shape shape = value_at(g, entering)->shape;
  ValueId input = graph_add_value(g, NO_ID);
  value_at(g, input)->shape = shape;
  for (size_t i = 0; i < g->nodes.count; i++) {
    Node *n = node_at(g, i);
    for (size_t k = 0; slice->node[i] && k < n->inputs.count; k++)
      if (n->inputs.at[k] == entering) n->inputs.at[k] = input;
  }
  g->input_value = input;
  bool masked = g->input.mask && shape.rank == 2 && shape.dim[0] == g->input.shape.dim[0];
  g->input = (Input){.kind = INPUT_TENSOR, .shape = shape, .mask = masked, .span = SPAN_NONE};
}

static bool cut_graph(EditContext *e, Graph *g, const Picked *slice, Span span) {
  Arena *arena = slice->arena;
  ValueList in = {0}, out = {0};
  edit_boundary(g, slice->node, arena, &in, &out);
  bool ok = true;
  if (out.count != 1) ok = report_cut(e, g, slice->node, &out, true, span, arena);
  else if (in.count != 1) ok = report_cut(e, g, slice->node, &in, false, span, arena);
  if (!ok) return false;
  bool *called = arena_array(arena, bool, g->modules.count + 1),
       *was_alive = arena_array(arena, bool, g->modules.count + 1);
  for (size_t i = 0; i < g->nodes.count; i++) {
    Node *n = node_at(g, i);
    if (n->module != NO_ID) called[n->module] = true;
    if (!n->alive || slice->node[i]) continue;
    n->alive = false;
    n->cut = true;
    graph_names_freed(g);
  }
  for (size_t i = 1; i < g->modules.count; i++) {
    Module *m = module_at(g, i);
    was_alive[i] = m->alive;
    if (m->op != OP_NONE && !called[i] && !slice->module[i]) m->alive = false; /* forward never calls it */
  }
  if (in.at[0] != g->input_value) new_input(g, slice, in.at[0]);
  g->outputs.count = 0;
  vec_push(g->arena, &g->outputs, (Output){"output", out.at[0]});
  edit_update_alive(g);
  for (size_t i = 1; i < g->modules.count; i++)
    if (was_alive[i] && !module_at(g, i)->alive) module_at(g, i)->cut = true;
  return true;
}

/* ---- the slice ---- */

/* With a layer that was chosen go the functions between the chosen ones: children() does not count them. */
static void close_over_functions(const Graph *g, Picked *slice, Arena *arena) {
  bool *from = arena_array(arena, bool, g->values.count + 1); /* an input of it, chosen or joined, lies above */
  bool *to = arena_array(arena, bool, g->values.count + 1);   /* leads to a chosen node over functions alone */
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    bool above = slice->node[g->order.at[i]];
    for (size_t k = 0; k < n->inputs.count && !above; k++) above = n->module == NO_ID && from[n->inputs.at[k]];
    from[n->output] = above;
  }
  for (size_t i = g->order.count; i-- > 0;) {
    NodeId id = g->order.at[i];
    const Node *n = node_at(g, id);
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
    ok = cut_graph(e, g, &slice, donor->slice->span);
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
  module_at(g, 0)->origin = origin;
  bool ok = early_input(e, g) && infer_shapes(e->s, g);
  return ok && (!donor->slice || cut_slice(e, g, donor));
}

bool edit_take(EditContext *e, const Stmt *stmt) {
  const Donor *donor = stmt->donor;
  if (e->taken && e->graph) {
    Diag *d = diag_report(&e->s->diags, DIAG_E0212, stmt->span, "a second take: a script operates on one network");
    diag_label(&e->s->diags, d, module_at(e->graph, 0)->origin, "the first");
    diag_help(&e->s->diags, d, "remove one of them, or write two scripts");
    return false;
  }
  e->taken = true;
  if (!edit_donor(e, donor, &e->graph)) return false;
  weights_bind(e->s, e->scope, e->graph, donor);
  return true;
}
