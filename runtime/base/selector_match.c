/* Selectors by pattern (globs, regular expressions), by type (`every TYPE`) and by word (all, backbone, head). A
 * pattern is tried on the dotted names of layers and of the functions in the data flow; when none of these fits, on the
 * keys of the parameters, so that `**.bias` and /^fc\./ pick tensors. Called by selector.c. */
#include "runtime/base/selector_parts.h"

/* A pattern that is tried on name after name, until one cannot be matched. */
typedef struct NameTest {
  Pattern *pattern;
  const char *failure; /* NULL: none */
} NameTest;

static bool fits(NameTest *test, const char *name) {
  return !test->failure && pattern_match(test->pattern, name, &test->failure) == MATCH_YES;
}

/* Inside a layer that fits already? Then it is no unit of its own. */
static bool under_match(const SelectNet *net, const bool *found, ModuleId module) {
  for (ModuleId m = module; m != NO_ID; m = net->modules.at[m].parent)
    if (found[m]) return true;
  return false;
}

static bool pick_layers(SelectContext *c, NameTest *test, Picked *into) {
  const SelectNet *net = c->net;
  bool *found = arena_array(c->arena, bool, net->modules.count + 1), any = false;
  for (size_t i = 1; i < net->modules.count; i++)
    found[i] = net->modules.at[i].alive && fits(test, net->modules.at[i].name);
  for (size_t i = 1; i < net->modules.count; i++) {
    if (!found[i]) continue;
    any = true;
    if (!under_match(net, found, net->modules.at[i].parent)) picked_add_module(net, into, (ModuleId)i);
  }
  for (size_t i = 0; i < net->order.count; i++) {
    NodeId id = net->order.at[i];
    ModuleId home = select_home(net, id);
    if (!net->nodes.at[id].alive || (home != NO_ID && under_match(net, found, home))) continue;
    if (!fits(test, net->nodes.at[id].name)) continue;
    any = true;
    picked_add_node(net, into, id);
  }
  return any;
}

static bool pick_tensors(SelectContext *c, NameTest *test, Picked *into) {
  const SelectNet *net = c->net;
  bool any = false;
  for (size_t i = 0; i < net->params.count; i++) {
    if (!net->modules.at[net->params.at[i].module].alive || !fits(test, net->params.at[i].name)) continue;
    picked_add_param(net, into, (ParamId)i);
    any = true;
  }
  return any;
}

static bool bad_pattern(SelectContext *c, const Selector *sel, const char *reason) {
  if (sel->kind == SELECT_REGEX) {
    select_report(c, "E0207", sel->span, "the regular expression cannot be used: %s", reason);
    select_help(c, "it has the syntax of PCRE2 and is searched for in the dotted name; \\. is a dot");
  } else {
    select_report(c, "E0206", sel->span, "the glob cannot be read: %s", reason);
    select_help(c, "'*' and '?' stay within one component, '**' is any number, {a,b} is either");
  }
  return false;
}

bool select_pattern(SelectContext *c, const Selector *sel, Picked *into) {
  const char *reason;
  PatternKind kind = sel->kind == SELECT_REGEX ? PATTERN_REGEX : PATTERN_GLOB;
  NameTest test = {.pattern = pattern_compile(kind, sel->text, &reason)};
  if (!test.pattern) return bad_pattern(c, sel, reason);
  bool any = pick_layers(c, &test, into) || pick_tensors(c, &test, into);
  pattern_free(test.pattern);
  if (test.failure) return bad_pattern(c, sel, test.failure);
  return any || select_no_match(c, sel, NULL);
}

/* ---- every TYPE [in SEL] ---- */

bool select_every(SelectContext *c, const Selector *sel, Picked *into) {
  const SelectNet *net = c->net;
  Picked area;
  if (sel->right) {
    area = picked_create(net, c->arena);
    if (!select_pick(c, sel->right, &area)) return false;
  }
  bool any = false, outside = false;
  for (size_t i = 1; i < net->modules.count; i++) {
    if (!net->modules.at[i].alive || !streq(net->modules.at[i].type, sel->text)) continue;
    bool inside = !sel->right || area.module[i];
    outside |= !inside;
    any |= inside;
    if (inside) picked_add_module(net, into, (ModuleId)i);
  }
  for (size_t i = 0; i < net->order.count; i++) { /* functions: every add */
    NodeId id = net->order.at[i];
    const SelectNode *n = &net->nodes.at[id];
    if (!n->alive || n->module != NO_ID || !streq(n->type, sel->text)) continue;
    bool inside = !sel->right || area.node[id];
    outside |= !inside;
    any |= inside;
    if (inside) picked_add_node(net, into, id);
  }
  return any || select_no_type(c, sel, outside);
}

/* ---- what the words mean ---- */

static bool pick_backbone(SelectContext *c, Picked *into) {
  const SelectNet *net = c->net;
  bool *nodes = arena_array(c->arena, bool, net->nodes.count + 1), any = false;
  for (size_t i = 0; i < net->nodes.count; i++) {
    nodes[i] = net->nodes.at[i].alive && net->nodes.at[i].stage != NO_ID;
    any |= nodes[i];
  }
  if (any) picked_add_region(net, into, nodes, "backbone");
  return any;
}

/* The place of the last call of a stage in the forward order; SIZE_MAX: there are no stages. */
static size_t last_of_stages(const SelectNet *net) {
  for (size_t i = net->order.count; i-- > 0;)
    if (net->nodes.at[net->order.at[i]].alive && net->nodes.at[net->order.at[i]].stage != NO_ID) return i;
  return SIZE_MAX;
}

static bool pick_head(SelectContext *c, Picked *into) {
  const SelectNet *net = c->net;
  size_t after = last_of_stages(net);
  bool *nodes = arena_array(c->arena, bool, net->nodes.count + 1), any = false;
  if (after == SIZE_MAX) return false;
  for (size_t i = after + 1; i < net->order.count; i++) {
    nodes[net->order.at[i]] = net->nodes.at[net->order.at[i]].alive;
    any |= nodes[net->order.at[i]];
  }
  if (any) picked_add_region(net, into, nodes, "head");
  return any;
}

static bool pick_all(SelectContext *c, Picked *into) {
  bool *nodes = arena_array(c->arena, bool, c->net->nodes.count + 1);
  for (size_t i = 0; i < c->net->nodes.count; i++) nodes[i] = c->net->nodes.at[i].alive;
  picked_add_region(c->net, into, nodes, "all");
  picked_add_everything(c->net, into); /* layers that forward never calls, too */
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
static const char *last_layer(const SelectNet *net) {
  for (size_t i = net->order.count; i-- > 0;) {
    const SelectNode *n = &net->nodes.at[net->order.at[i]];
    if (n->alive && n->module != NO_ID && net->modules.at[n->module].params.count)
      return net->modules.at[n->module].name;
  }
  return NULL;
}

static bool no_stages(SelectContext *c, const Selector *sel) {
  bool head = sel->kind == SELECT_HEAD, none = last_of_stages(c->net) == SIZE_MAX;
  if (none) select_report(c, "E0209", sel->span, "the network declares no stages, so it has no %s", sel->text);
  else select_report(c, "E0209", sel->span, "nothing follows the last stage: the network has no head");
  const char *last = none ? last_layer(c->net) : NULL;
  if (!last) {
    select_help(c, "name the layers instead, for example as a range: conv1..layer4");
    return false;
  }
  const char *name = select_written(c->lasting, last);
  const char *instead = head ? name : arena_printf(c->lasting, "(all except %s)", name);
  select_help(c, "name the layers instead; its last layer with weights is %s: %s", last, instead);
  select_fix(c, sel->span, "%s", instead);
  return false;
}

static bool both_meant(SelectContext *c, const Selector *sel, const char *plain, const char *meaning) {
  select_report(c, "E0250", sel->span, "'%s' may be the layer of that name, or %s", sel->text, meaning);
  select_help(c, "\"%s\" is the layer, and %s is %s", sel->text, plain, meaning);
  if (sel->is_template) return false;
  select_fix(c, sel->span, "\"%s\"", sel->text);
  select_fix(c, sel->span, "%s", plain);
  return false;
}

/* ---- which of the two ---- */

static bool same_calls(const SelectNet *net, const Picked *a, const Picked *b) {
  for (size_t i = 0; i < net->nodes.count; i++)
    if (a->node[i] != b->node[i]) return false;
  for (size_t i = 0; i < net->params.count; i++)
    if (a->param[i] != b->param[i]) return false;
  return true;
}

bool select_word(SelectContext *c, const Selector *sel, Picked *into) {
  const SelectNet *net = c->net;
  size_t w = 0;
  while (words[w].kind != sel->kind) w++;
  ModuleId layer = select_find_module(net, sel->text);
  Picked word = picked_create(net, c->arena), named = picked_create(net, c->arena);
  bool meant = words[w].pick(c, &word);
  if (layer > 0) picked_add_module(net, &named, layer);
  if (layer > 0 && meant && !same_calls(net, &word, &named))
    return both_meant(c, sel, words[w].plain, words[w].meaning);
  if (layer > 0) return picked_add_module(net, into, layer), true;
  if (meant) return words[w].pick(c, into);
  if (c->with_cut && select_cut_name(c, sel->text, into)) return true;
  return select_was_cut(net, sel->text) ? select_unknown_name(c, sel) : no_stages(c, sel);
}
