/* The shape pass between two edits. Only behind the last edit must everything fit; a load of a region, a save, and
 * the note of a remove want to know the shapes before. So what does not fit is not reported here, and `_`
 * arguments stay open for what the edits to come let flow in. Called by the edits. */
#include "compiler/edit/edit.h"
#include "compiler/ops/shape.h"

bool edit_shapes_now(EditContext *e) {
  Session *s = e->s;
  Graph *g = e->graph;
  if (e->shapes_known) return e->shapes_fit;
  Diags kept = s->diags;
  s->diags = (Diags){.arena = s->arena, .sources = &s->sources};
  e->shapes_fit = look_at_shapes(s, g);
  s->diags = kept;
  fill_known_params(g);
  e->shapes_known = true;
  return e->shapes_fit;
}
