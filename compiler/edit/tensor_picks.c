/* Regions of tensors: reading, describing and copying them; and which tensors and regions the selector of a load
 * or save means. Opens no file and changes no network. Called by load.c, save.c and weights/fill.c. */
#include "compiler/edit/edit.h"
#include "compiler/select/log.h"
#include <inttypes.h>

/* ---- reading ---- */

static bool bad_bound(EditContext *e, Span span, const char *name, const Shape *of, int axis, const char *problem) {
  Diag *d = diag_report(&e->s->diags, DIAG_E0204, span, "%s", problem);
  diag_note(&e->s->diags, d, "%s is %s, and dimension %d has %" PRId64, name, shape_text_plain(e->s->arena, of), axis,
            of->dim[axis]);
  diag_help(&e->s->diags, d, "count from 0, or from -1 at the end; [a:b] stops before b");
  return false;
}

static bool read_bound(EditContext *e, const Expr *expr, int64_t otherwise, int64_t *out) {
  Const value;
  *out = otherwise;
  if (!expr) return true;
  if (!eval_const(e->s, e->scope, expr, &value)) return false;
  if (value.kind != CONST_INT)
    return edit_wrong(e, DIAG_E0204, expr->span, "an index must be a whole number",
                      "[:, :10] is the first ten columns");
  *out = value.integer;
  return true;
}

static bool read_axis(EditContext *e, const Index *index, const char *name, const Shape *of, int axis, Region *out) {
  Arena *arena = e->s->arena;
  int64_t count = of->dim[axis], begin, end;
  if (!read_bound(e, index->begin, 0, &begin) || !read_bound(e, index->end, count, &end)) return false;
  out->drop[axis] = !index->is_range;
  if (!index->is_range) {
    if (begin < -count || begin >= count)
      return bad_bound(e, index->span, name, of, axis, arena_printf(arena, "[%" PRId64 "] is out of range", begin));
    out->begin[axis] = begin < 0 ? begin + count : begin;
    out->end[axis] = out->begin[axis] + 1;
    return true;
  }
  if (begin < -count || begin > count || end < -count || end > count)
    return bad_bound(e, index->span, name, of, axis,
                     arena_printf(arena, "[%" PRId64 ":%" PRId64 "] is out of range", begin, end));
  out->begin[axis] = begin < 0 ? begin + count : begin;
  out->end[axis] = end < 0 ? end + count : end;
  if (out->begin[axis] < out->end[axis]) return true;
  return bad_bound(e, index->span, name, of, axis,
                   arena_printf(arena, "[%" PRId64 ":%" PRId64 "] is empty", begin, end));
}

bool region_read(EditContext *e, const Index *index, Span span, const char *name, const Shape *of, Region *out) {
  *out = (Region){.rank = of->rank};
  int axis = 0;
  for (; index; index = index->next, axis++) {
    if (axis < of->rank) {
      if (!read_axis(e, index, name, of, axis, out)) return false;
      continue;
    }
    Diag *d = diag_report(&e->s->diags, DIAG_E0204, span, "there are more indices than dimensions: %s is %s", name,
                          shape_text_plain(e->s->arena, of));
    diag_help(&e->s->diags, d, "write at most one index or range for each of its %d dimension%s", of->rank,
              of->rank == 1 ? "" : "s");
    return false;
  }
  for (; axis < of->rank; axis++) out->end[axis] = of->dim[axis];
  return true;
}

/* ---- describing ---- */

bool region_unknown_shape(EditContext *e, Span span, const char *name) {
  return edit_wrong(e, DIAG_E0407, span,
                    arena_printf(e->s->arena, "the shape of %s is not known at this statement", name),
                    "write the statement after the edits that make the network whole again");
}

/* *is_region: the brackets behind a tensor, and not those that count children. */
static bool pick_region(EditContext *e, const Selector *sel, Arena *scratch, bool *is_region, TensorPicks *out) {
  const Graph *g = e->graph;
  Picked picked;
  *is_region = false;
  if ((sel->kind != SELECT_REGION && sel->kind != SELECT_STAGES) || !sel->left) return true;
  if (!select_look(e->s, g, e->scope, sel->left, false, scratch, &picked)) return false;
  ParamId found = NO_ID;
  size_t count = 0;
  for (size_t i = 0; i < g->params.count; i++)
    if (picked.param[i] && count++ == 0) found = (ParamId)i;
  if (!picked.layers && count == 1) {
    const Param *p = param_at(g, found);
    Region *kept = arena_new(e->s->arena, Region);
    *is_region = true;
    log_match(e->s, g, sel->left, &picked);
    if (p->shape.rank < 0) return region_unknown_shape(e, sel->span, p->name);
    if (!region_read(e, sel->index, sel->span, p->name, &p->shape, kept)) return false;
    vec_push(e->s->arena, out, (TensorPick){found, kept});
    return true;
  }
  if (sel->kind == SELECT_STAGES && picked.layers) return true;
  Diag *d = diag_report(&e->s->diags, DIAG_E0407, sel->left->span, "a region is a part of one tensor");
  if (picked.layers && found != NO_ID)
    diag_help(&e->s->diags, d, "name the tensor, as in %s[:10]", param_at(g, found)->name);
  else diag_help(&e->s->diags, d, "write each tensor with its own brackets");
  return false;
}

static bool pick_part(EditContext *e, const Selector *sel, Arena *scratch, bool *seen, TensorPicks *out) {
  const Graph *g = e->graph;
  bool is_region;
  if (!pick_region(e, sel, scratch, &is_region, out)) return false;
  if (is_region) return true;
  Picked picked;
  if (!select_units(e->s, g, e->scope, sel, false, scratch, &picked)) return false;
  ParamList state = graph_state_dict(g, scratch, true);
  for (size_t i = 0; i < state.count; i++) {
    ParamId id = state.at[i];
    if (!picked.param[id] || seen[id]) continue;
    seen[id] = true;
    vec_push(e->s->arena, out, (TensorPick){id, NULL});
  }
  return true;
}

bool region_pick_tensors(EditContext *e, const Selector *selector, TensorPicks *out) {
  Arena *scratch = arena_create();
  bool *seen = arena_array(scratch, bool, e->graph->params.count + 1), ok = true;
  VEC(const Selector *) todo = {0};
  vec_push(scratch, &todo, selector);
  while (todo.count > 0) {
    const Selector *sel = todo.at[--todo.count];
    if (sel->kind == SELECT_UNION) {
      vec_push(scratch, &todo, sel->right);
      vec_push(scratch, &todo, sel->left);
    } else {
      ok &= pick_part(e, sel, scratch, seen, out);
    }
  }
  arena_destroy(scratch);
  if (!ok || out->count > 0) return ok;
  return edit_wrong(e, DIAG_E0407, selector->span, "there are no weights in it",
                    "name a layer that has parameters, or a parameter");
}
