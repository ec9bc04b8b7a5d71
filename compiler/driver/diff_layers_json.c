/* The differences of two networks as JSON; the form is documented in grammar/README.md. Called by
 * command_diff.c. */
#include "compiler/driver/diff.h"

static json_t *side_json(Arena *arena, const Graph *g, NodeId id) {
  if (id == NO_ID) return json_null();
  const Shape *shape = &g->values.at[g->nodes.at[id].output].shape;
  Totals t = node_totals(g, id);
  return json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:s}", "type", node_type(g, id), "layer",
                   name_json(arena, node_text(g, arena, id)), "inputs", inputs_json(arena, g, id), "output",
                   shape_json(shape->rank, shape->dim), "parameters", (json_int_t)t.all, "trained",
                   (json_int_t)t.trained, "state", state_name(node_state(g, id)));
}

static json_t *what_json(unsigned what) {
  static const char *const names[] = {"layer", "parameters", "output", "state", "inputs"};
  json_t *array = json_array();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (what >> i & 1) json_array_append_new(array, json_string(names[i]));
  return array;
}

static json_t *total_json(const Graph *g) {
  Totals t = module_totals(g, 0, true);
  return json_pack(
      "{s:o, s:o, s:I, s:I, s:I}", "input", shape_json(g->input.shape.rank, g->input.shape.dim), "output",
      shape_json(g->values.at[g->outputs.at[0].value].shape.rank, g->values.at[g->outputs.at[0].value].shape.dim),
      "parameters", (json_int_t)t.all, "trained", (json_int_t)t.trained, "frozen", (json_int_t)(t.all - t.trained));
}

json_t *layer_diffs_json(Session *s, const Subject *a, const Subject *b, const LayerDiffs *diffs) {
  const Graph *ga = a->script.graph, *gb = b->script.graph;
  json_t *layers = json_array();
  for (size_t i = 0; i < diffs->count; i++) {
    const LayerDiff *d = &diffs->at[i];
    const char *name = d->b == NO_ID ? ga->nodes.at[d->a].name : gb->nodes.at[d->b].name;
    json_array_append_new(layers, json_pack("{s:o, s:s, s:o, s:o, s:o}", "name", name_json(s->arena, name), "change",
                                            d->b == NO_ID   ? "removed"
                                            : d->a == NO_ID ? "added"
                                                            : "changed",
                                            "what", what_json(d->what), "a", side_json(s->arena, ga, d->a), "b",
                                            side_json(s->arena, gb, d->b)));
  }
  return json_pack("{s:o, s:{s:o, s:o}}", "layers", layers, "total", "a", total_json(ga), "b", total_json(gb));
}
