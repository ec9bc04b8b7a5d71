/* The names of the classes that go beside the weights which the compiler writes: the script's labels, or
 * those that the donor's own file keeps, as long as the layer which makes the outputs is still the donor's.
 * Called by the driver. */
#include "compiler/weights/weights.h"
#include <jansson.h>
#include <stdlib.h>

static const char *labels_text(Session *s, const Graph *g) {
  json_t *list = json_array();
  for (size_t i = 0; i < g->labels.count; i++) {
    json_t *label = json_string(g->labels.at[i]);
    if (!label) return json_decref(list), NULL; /* not UTF-8 */
    json_array_append_new(list, label);
  }
  char *text = json_dumps(list, JSON_COMPACT);
  const char *copy = text ? arena_strdup(s->arena, text) : NULL;
  free(text);
  json_decref(list);
  return copy;
}

/* The last layer with parameters before the first output. */
static const Module *last_layer(const Graph *g) {
  ValueId value = g->outputs.at[0].value;
  for (NodeId id = g->values.at[value].producer; id != NO_ID; id = g->values.at[value].producer) {
    const Node *n = &g->nodes.at[id];
    if (n->module != NO_ID && g->modules.at[n->module].params.count > 0) return &g->modules.at[n->module];
    if (n->inputs.count != 1) return NULL;
    value = n->inputs.at[0];
  }
  return NULL;
}

const char *weights_class_names(Session *s, Graph *g) {
  if (g->labels.count > 0) return labels_text(s, g);
  const Module *m = last_layer(g);
  int donor = NO_ID;
  for (size_t i = 0; m && i < m->params.count; i++) {
    const Param *p = &g->params.at[m->params.at[i]];
    if (p->donor == NO_ID || p->donor_region || p->patches.count > 0 || (donor != NO_ID && p->donor != donor))
      return NULL;
    donor = p->donor;
  }
  if (donor == NO_ID || g->donors.at[donor].saved || !donor_open(s, &g->donors.at[donor]) || !g->donors.at[donor].open)
    return NULL;
  return surgery_weights_metadata(g->donors.at[donor].open, "class_names");
}
