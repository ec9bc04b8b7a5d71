/* Compares two networks layer by layer. Layers are the same when they have the same name. Prints nothing.
 * Called by command_diff.c. */
#include "compiler/driver/diff/diff.h"
#include <stdlib.h>

typedef struct Named {
  const char *name;
  NodeId node;
} Named;
typedef VEC(Named) Names;

static int compare_named(const void *a, const void *b) {
  return strcmp(((const Named *)a)->name, ((const Named *)b)->name);
}

/* The alive nodes in forward order. */
static Names layers_of(Arena *arena, const Graph *g) {
  Names names = {0};
  for (size_t i = 0; i < g->order.count; i++)
    if (node_at(g, g->order.at[i])->alive)
      vec_push(arena, &names, (Named){node_at(g, g->order.at[i])->name, g->order.at[i]});
  return names;
}

static Names sorted(Arena *arena, const Names *names) {
  Names copy = {0};
  for (size_t i = 0; i < names->count; i++) vec_push(arena, &copy, names->at[i]);
  if (copy.count) qsort(copy.at, copy.count, sizeof *copy.at, compare_named);
  return copy;
}

static NodeId find(const Names *names, const char *name) {
  Named key = {name, NO_ID};
  const Named *found = names->count ? bsearch(&key, names->at, names->count, sizeof *names->at, compare_named) : NULL;
  return found ? found->node : NO_ID;
}

static bool same_inputs(const Graph *a, const Node *na, const Graph *b, const Node *nb) {
  if (na->inputs.count != nb->inputs.count) return false;
  for (size_t i = 0; i < na->inputs.count; i++)
    if (!streq(layer_name(a, na->inputs.at[i]), layer_name(b, nb->inputs.at[i]))) return false;
  return true;
}

static unsigned differences(Arena *scratch, const Graph *a, NodeId ia, const Graph *b, NodeId ib) {
  const Node *na = node_at(a, ia), *nb = node_at(b, ib);
  unsigned what = 0;
  if (!streq(node_text(a, scratch, ia), node_text(b, scratch, ib))) what |= DIFF_LAYER;
  if (node_totals(a, ia).all != node_totals(b, ib).all) what |= DIFF_PARAMETERS;
  if (!shape_equal(&value_at(a, na->output)->shape, &value_at(b, nb->output)->shape)) what |= DIFF_OUTPUT;
  if (node_state(a, ia) != node_state(b, ib)) what |= DIFF_STATE;
  if (!same_inputs(a, na, b, nb)) what |= DIFF_INPUTS;
  return what;
}

/* In the order of both where they agree; what only one has stands where it has it. */
LayerDiffs diff_layers(Arena *arena, const Graph *a, const Graph *b) {
  Arena *scratch = arena_create();
  Names in_a = layers_of(scratch, a), in_b = layers_of(scratch, b);
  Names by_a = sorted(scratch, &in_a), by_b = sorted(scratch, &in_b);
  bool *done = arena_array(scratch, bool, a->nodes.count + 1); /* where the orders differ */
  LayerDiffs diffs = {0};
  for (size_t i = 0, j = 0; i < in_a.count || j < in_b.count;) {
    if (i < in_a.count && done[in_a.at[i].node]) {
      i++;
      continue;
    }
    if (i < in_a.count && find(&by_b, in_a.at[i].name) == NO_ID) {
      vec_push(arena, &diffs, (LayerDiff){in_a.at[i++].node, NO_ID, 0});
      continue;
    }
    ASSERT(j < in_b.count); /* what is left of a is in b, and not behind j */
    NodeId ib = in_b.at[j].node, ia = find(&by_a, in_b.at[j].name);
    j++;
    if (ia != NO_ID) done[ia] = true;
    unsigned what = ia == NO_ID ? 0 : differences(scratch, a, ia, b, ib);
    if (ia == NO_ID || what) vec_push(arena, &diffs, (LayerDiff){ia, ib, what});
  }
  arena_destroy(scratch);
  return diffs;
}

bool diff_ends(const Graph *a, const Graph *b) {
  if (!shape_equal(&a->input.shape, &b->input.shape) || a->outputs.count != b->outputs.count) return true;
  for (size_t i = 0; i < a->outputs.count; i++) {
    const Output *oa = &a->outputs.at[i], *ob = &b->outputs.at[i];
    if (!streq(oa->name, ob->name) || !streq(layer_name(a, oa->value), layer_name(b, ob->value)) ||
        !shape_equal(&value_at(a, oa->value)->shape, &value_at(b, ob->value)->shape))
      return true;
  }
  return false;
}

/* ---- as JSON ---- */

static json_t *side_json(Arena *arena, const Graph *g, NodeId id) {
  if (id == NO_ID) return json_null();
  const Shape *shape = &value_at(g, node_at(g, id)->output)->shape;
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
      shape_json(value_at(g, g->outputs.at[0].value)->shape.rank, value_at(g, g->outputs.at[0].value)->shape.dim),
      "parameters", (json_int_t)t.all, "trained", (json_int_t)t.trained, "frozen", (json_int_t)(t.all - t.trained));
}

json_t *layer_diffs_json(Session *s, const CommandOperand *a, const CommandOperand *b, const LayerDiffs *diffs) {
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
