/* The words all, backbone and head. A layer may have such a name: where only one of the two can be meant it is picked,
 * else a message offers both. Called by select.c. */
#include "compiler/select/select.h"

/* ---- what the words mean ---- */

static bool pick_backbone(SelectContext *c, Picked *into) {
  const Graph *g = c->g;
  bool *nodes = arena_array(c->arena, bool, g->nodes.count + 1), any = false;
  for (size_t i = 0; i < g->nodes.count; i++) {
    nodes[i] = g->nodes.at[i].alive && g->nodes.at[i].stage != NO_ID;
    any |= nodes[i];
  }
  if (any) picked_add_region(g, into, nodes, "backbone");
  return any;
}

/* The place of the last call of a stage in the forward order; SIZE_MAX: there are no stages. */
static size_t last_of_stages(const Graph *g) {
  for (size_t i = g->order.count; i-- > 0;)
    if (g->nodes.at[g->order.at[i]].alive && g->nodes.at[g->order.at[i]].stage != NO_ID) return i;
  return SIZE_MAX;
}

static bool pick_head(SelectContext *c, Picked *into) {
  const Graph *g = c->g;
  size_t after = last_of_stages(g);
  bool *nodes = arena_array(c->arena, bool, g->nodes.count + 1), any = false;
  if (after == SIZE_MAX) return false;
  for (size_t i = after + 1; i < g->order.count; i++) {
    nodes[g->order.at[i]] = g->nodes.at[g->order.at[i]].alive;
    any |= nodes[g->order.at[i]];
  }
  if (any) picked_add_region(g, into, nodes, "head");
  return any;
}

static bool pick_all(SelectContext *c, Picked *into) {
  bool *nodes = arena_array(c->arena, bool, c->g->nodes.count + 1);
  for (size_t i = 0; i < c->g->nodes.count; i++) nodes[i] = c->g->nodes.at[i].alive;
  picked_add_region(c->g, into, nodes, "all");
  picked_add_everything(c->g, into); /* layers that forward never calls, too */
  return true;
}

static const struct {
  SelectorKind kind;
  bool (*pick)(SelectContext *c, Picked *into); /* false: there is nothing that it could mean */
  const char *plain, *meaning;                  /* written without the word; for the message */
} words[] = {
    {SELECT_ALL, pick_all, "**", "the whole network"},
    {SELECT_BACKBONE, pick_backbone, "[:]", "all stages"},
    {SELECT_HEAD, pick_head, "(all except [:])", "what follows the last stage"},
};

/* ---- messages ---- */

/* The last layer in forward order that has parameters: what a network without stages has for a head. */
static const char *last_layer(const Graph *g) {
  for (size_t i = g->order.count; i-- > 0;) {
    const Node *n = &g->nodes.at[g->order.at[i]];
    if (n->alive && n->module != NO_ID && g->modules.at[n->module].params.count) return g->modules.at[n->module].name;
  }
  return NULL;
}

static bool no_stages(SelectContext *c, const Selector *sel) {
  Diags *diags = &c->s->diags;
  bool head = sel->kind == SELECT_HEAD, none = last_of_stages(c->g) == SIZE_MAX;
  Diag *d =
      none ? diag_report(diags, DIAG_E0209, sel->span, "the network declares no stages, so it has no %s", sel->text)
           : diag_report(diags, DIAG_E0209, sel->span, "nothing follows the last stage: the network has no head");
  const char *last = none ? last_layer(c->g) : NULL;
  if (!last) {
    diag_help(diags, d, "name the layers instead, for example as a range: conv1..layer4");
    return false;
  }
  const char *name = select_written(c->s->arena, last);
  const char *instead = head ? name : arena_printf(c->s->arena, "(all except %s)", name);
  diag_help(diags, d, "name the layers instead; its last layer with weights is %s: %s", last, instead);
  diag_fix(diags, d, sel->span, "%s", instead);
  return false;
}

static bool both_meant(SelectContext *c, const Selector *sel, const char *plain, const char *meaning) {
  Diags *diags = &c->s->diags;
  Diag *d = diag_report(diags, DIAG_E0250, sel->span, "'%s' may be the layer of that name, or %s", sel->text, meaning);
  diag_help(diags, d, "\"%s\" is the layer, and %s is %s", sel->text, plain, meaning);
  if (sel->is_template) return false;
  diag_fix(diags, d, sel->span, "\"%s\"", sel->text);
  diag_fix(diags, d, sel->span, "%s", plain);
  return false;
}

/* ---- which of the two ---- */

static bool same_calls(const Graph *g, const Picked *a, const Picked *b) {
  for (size_t i = 0; i < g->nodes.count; i++)
    if (a->node[i] != b->node[i]) return false;
  for (size_t i = 0; i < g->params.count; i++)
    if (a->param[i] != b->param[i]) return false;
  return true;
}

bool select_word(SelectContext *c, const Selector *sel, Picked *into) {
  const Graph *g = c->g;
  size_t w = 0;
  while (words[w].kind != sel->kind) w++;
  ModuleId layer = graph_find_module(g, sel->text);
  Picked word = picked_create(g, c->arena), named = picked_create(g, c->arena);
  bool meant = words[w].pick(c, &word);
  if (layer > 0) picked_add_module(g, &named, layer);
  if (layer > 0 && meant && !same_calls(g, &word, &named)) return both_meant(c, sel, words[w].plain, words[w].meaning);
  if (layer > 0) return picked_add_module(g, into, layer), true;
  if (meant) return words[w].pick(c, into);
  if (c->with_cut && select_cut_name(c, sel->text, into)) return true;
  return select_was_cut(g, sel->text) ? select_unknown_name(c, sel) : no_stages(c, sel);
}
