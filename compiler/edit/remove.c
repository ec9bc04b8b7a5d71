/* remove SEL: each picked layer is bypassed, its input flows on. A function of two inputs can be bypassed
 * when both are the same value once the rest of what was picked is gone, as in a whole residual block. Called
 * by compiler/script. */
#include "compiler/edit/edit.h"

/* Where each value comes from once the picked nodes are gone. False and reported when that is not clear. */
static bool plan_bypass(EditContext *e, const Stmt *stmt, const Picked *picked, ValueId *flows) {
  const Graph *g = e->graph;
  for (size_t i = 0; i < g->values.count; i++) flows[i] = (ValueId)i;
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    const Node *n = node_at(g, id);
    if (!n->alive || !picked->node[id]) continue;
    ValueId through = n->inputs.count ? flows[n->inputs.at[0]] : NO_ID;
    for (size_t k = 1; k < n->inputs.count; k++) {
      if (flows[n->inputs.at[k]] == through || n->inputs.at[k] == g->mask_value) continue;
      Diag *d = diag_report(&e->s->diags, DIAG_E0213, stmt->selector->span,
                            "'%s' cannot be bypassed: it has several inputs", n->name);
      diag_caret(&e->s->diags, d, "%s or %s, which goes on?", edit_value_name(g, through),
                 edit_value_name(g, flows[n->inputs.at[k]]));
      diag_help(&e->s->diags, d, "remove the branch that is to go along with it, down to where the two part");
      return false;
    }
    flows[n->output] = through;
  }
  return true;
}

static bool anything_left(const Graph *g, const Picked *picked) {
  for (size_t i = 0; i < g->nodes.count; i++)
    if (node_at(g, i)->alive && !picked->node[i]) return true;
  return false;
}

/* ---- what changes behind it ---- */

typedef struct Before { /* the shapes before the remove, where they could be told */
  Shape *value;         /* by ValueId */
  Shape output;
} Before;

/* What flows on in the place of each removed value has the same shape, and all shapes are known. */
static bool shapes_stay(const EditContext *e, const Picked *picked, const ValueId *flows) {
  const Graph *g = e->graph;
  for (size_t i = 0; i < picked->units.count; i++)
    for (size_t k = 0; k < picked->units.at[i].nodes.count; k++) {
      ValueId out = node_at(g, picked->units.at[i].nodes.at[k])->output;
      if (!shape_equal(&value_at(g, out)->shape, &value_at(g, flows[out])->shape)) return false;
    }
  return e->shapes_fit;
}

static Before shapes_before(const Graph *g, Arena *scratch) {
  Before before = {.value = arena_array(scratch, Shape, g->values.count + 1)};
  for (size_t i = 0; i < g->values.count; i++) before.value[i] = value_at(g, i)->shape;
  before.output = value_at(g, g->outputs.at[0].value)->shape;
  return before;
}

static bool changed(const Shape *old, const Shape *new) {
  return old->rank >= 0 && new->rank >= 0 && !shape_equal(old, new);
}

static const char *instead(Arena *arena, const Shape *old, const Shape *new) {
  return arena_printf(arena, "%s instead of %s", shape_text(arena, new), shape_text(arena, old));
}

/* The first value behind the removed layers that has another shape, the last one, and the output; values whose shape
 * is no longer known are what the shape pass complains of, unless a later edit mends them. */
static void report_changes(EditContext *e, const Stmt *stmt, const Before *before) {
  const Graph *g = e->graph;
  Arena *arena = e->s->arena;
  edit_shapes_now(e);
  const Node *first = NULL, *last = NULL;
  size_t count = 0;
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    if (!n->alive || !changed(&before->value[n->output], &value_at(g, n->output)->shape)) continue;
    if (!first) first = n;
    last = n;
    count++;
  }
  const Shape *output = &value_at(g, g->outputs.at[0].value)->shape;
  bool other_output = changed(&before->output, output);
  if (!first && !other_output) return;
  Diag *d;
  if (first)
    d = diag_report(&e->s->diags, DIAG_N0205, stmt->span, "this changes shapes: %s returns %s", first->name,
                    instead(arena, &before->value[first->output], &value_at(g, first->output)->shape));
  else
    d = diag_report(&e->s->diags, DIAG_N0205, stmt->span, "this changes the output: it is %s",
                    instead(arena, &before->output, output));
  if (count > 1)
    diag_note(&e->s->diags, d, "and %zu more, up to %s: %s", count - 1, last->name,
              instead(arena, &before->value[last->output], &value_at(g, last->output)->shape));
  if (first && output->rank >= 0)
    diag_note(&e->s->diags, d, other_output ? "the output is %s" : "the output stays %s",
              other_output ? instead(arena, &before->output, output) : shape_text(arena, output));
}

bool edit_remove(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  Picked picked;
  ValueId *flows = arena_array(scratch, ValueId, g->values.count + 1);
  bool ok = select_units(e->s, g, e->scope, stmt->selector, false, scratch, &picked) &&
            !edit_reject_tensors(e, stmt, &picked, "remove") && plan_bypass(e, stmt, &picked, flows);
  if (ok && !anything_left(g, &picked)) {
    Diag *d = diag_report(&e->s->diags, DIAG_E0214, stmt->span, "remove would leave no layer at all");
    diag_help(&e->s->diags, d, "replace a layer instead, or except one: remove all except …");
    ok = false;
  }
  if (ok) {
    edit_shapes_now(e);
    bool same = shapes_stay(e, &picked, flows);
    Before before = {0};
    if (!same) before = shapes_before(g, scratch);
    for (size_t i = 0; i < g->nodes.count; i++) {
      const Node *n = node_at(g, i);
      for (size_t k = 0; k < n->inputs.count; k++)
        if (flows[n->inputs.at[k]] != n->inputs.at[k])
          edit_redirect_node(g, (NodeId)i, n->inputs.at[k], flows[n->inputs.at[k]], stmt->span);
    }
    for (size_t i = 0; i < g->outputs.count; i++) g->outputs.at[i].value = flows[g->outputs.at[i].value];
    for (size_t i = 0; i < g->nodes.count; i++)
      if (picked.node[i] && node_at(g, i)->alive) edit_retire_node(g, (NodeId)i);
    for (size_t i = 1; i < g->modules.count; i++) /* those that forward never called */
      if (picked.module[i]) edit_retire_module(g, (ModuleId)i);
    edit_update_alive(g);
    if (!same) {
      e->shapes_known = false;
      report_changes(e, stmt, &before);
    }
  }
  arena_destroy(scratch);
  return ok;
}
