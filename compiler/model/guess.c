/* Which built-in network a weight file belongs to, for the message when it is not the one that was taken.
 * Called by weights.c after a mismatch, never otherwise. */
#include "compiler/model/model.h"
#include "compiler/ops/shape.h"

bool donor_has_shape(const surgery_tensor *t, const Shape *shape) {
  if (shape->rank == 0) return t->count == 1; /* a counter; old files hold it as [1] */
  if (shape->rank != t->rank) return false;
  for (int i = 0; i < t->rank; i++)
    if (shape->dim[i] != t->shape[i]) return false;
  return true;
}

static bool has_all(Session *s, const char *model, surgery_weights *file, size_t *needed) {
  Expr name = {.kind = EXPR_NAME, .span = SPAN_NONE, .text = model};
  Graph *g = build_donor(s, zoo_scope(s), &name, SPAN_NONE);
  if (!g || !infer_shapes(s, g)) return false;
  Arena *scratch = arena_create();
  ParamList params = graph_state_dict(g, scratch, false);
  *needed = params.count;
  bool all = params.count > 0;
  for (size_t i = 0; i < params.count && all; i++) {
    const Param *p = &g->params.at[params.at[i]];
    const surgery_tensor *t = surgery_weights_find(file, p->name);
    all = t && donor_has_shape(t, &p->shape);
  }
  arena_destroy(scratch);
  return all;
}

const char *weights_guess_model(Session *s, surgery_weights *file) {
  size_t count, most = 0;
  const char *const *models = zoo_models(s, &count);
  const char *best = NULL;
  for (size_t i = 0; i < count; i++) {
    size_t needed;
    if (!has_all(s, models[i], file, &needed) || needed <= most) continue;
    most = needed;
    best = models[i];
  }
  return best;
}
