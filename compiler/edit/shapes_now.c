/* The shape pass between two edits. Only behind the last edit must everything fit; a load of a region, a save, and
 * the note of a remove want to know the shapes before. So what does not fit is not reported here, and `_`
 * arguments stay open for what the edits to come let flow in. Called by the edits. */
#include "compiler/edit/edit.h"

bool edit_shapes_now(EditContext *e) {
  Session *s = e->s;
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  OpArgs *args = arena_array(scratch, OpArgs, g->modules.count + 1);
  for (size_t i = 0; i < g->modules.count; i++) args[i] = g->modules.at[i].args;
  Diags kept = s->diags;
  s->diags = (Diags){.arena = s->arena, .sources = &s->sources};
  bool ok = infer_shapes(s, g);
  s->diags = kept;
  for (size_t i = 0; i < g->modules.count; i++) g->modules.at[i].args = args[i];
  fill_known_params(g);
  arena_destroy(scratch);
  return ok;
}
