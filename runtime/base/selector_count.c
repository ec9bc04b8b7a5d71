/* Selectors that count: stages, children, parameters.
 * Bounds follow Python (half open, negative from the end, either may be missing), except that what lies out
 * of range or is empty is an error which says how many there are. Called by selector.c. */
#include "runtime/base/selector_parts.h"
#include <inttypes.h>

typedef struct Counted { /* what is counted: "stages" of "resnet18", with names for the message */
  const char *what, *of;
  VEC(const char *) names;
} Counted;

static const char *list_names(SelectContext *c, const Counted *k) {
  const char *text = "";
  size_t shown = k->names.count > 12 ? 10 : k->names.count;
  for (size_t i = 0; i < shown; i++) text = arena_printf(c->arena, "%s%s%s", text, i ? ", " : "", k->names.at[i]);
  if (shown < k->names.count) text = arena_printf(c->arena, "%s, … %s", text, k->names.at[k->names.count - 1]);
  return text;
}

/* [0:9] of five is [0:5] in Python; whether that is what was meant the user must say. */
static void help_clamped(SelectContext *c, Span span, const Counted *k, int64_t begin, int64_t end) {
  int64_t count = (int64_t)k->names.count;
  if (begin < 0 || begin >= count || end <= count) return;
  select_help(c, "all from there on is [%" PRId64 ":], which is [%" PRId64 ":%" PRId64 "]", begin, begin, count);
  select_fix(c, span, "%" PRId64 ":%" PRId64, begin, count);
}

static bool index_error(SelectContext *c, Span span, const Counted *k, const char *problem) {
  select_report(c, "E0204", span, "%s: %s has %zu %s", problem, k->of, k->names.count, k->what);
  if (k->names.count > 0) select_note(c, "they are %s", list_names(c, k));
  if (k->names.count == 0 && k->of != c->net->name)
    select_help(c, "a part of a tensor is written behind its name, as in %s.weight[:4]", k->of);
  if (k->names.count > 1)
    select_help(c, "count from 0 to %zu, or from -1 to -%zu from the end; [a:b] stops before b", k->names.count - 1,
                k->names.count);
  return false;
}

/* Half-open [*first, *last) from the index as written; reports what does not fit. */
static bool eval_index(SelectContext *c, const Selector *sel, const Counted *k, size_t *first, size_t *last) {
  const Index *index = sel->index;
  int64_t count = (int64_t)k->names.count, begin = 0, end = count;
  if (index && index->next) {
    select_report(c, "E0204", sel->span, "%s are counted by one index", k->what);
    select_help(c, "several indices, as in fc.weight[:, :10], are for load and save");
    return false;
  }
  if (index && index->begin && !c->host->bound(c->host, index->begin, &begin)) return false;
  if (index && index->end && !c->host->bound(c->host, index->end, &end)) return false;
  Span span = index ? index->span : sel->span;
  if (index && !index->is_range) {
    if (begin < -count || begin >= count)
      return index_error(c, span, k, arena_printf(c->arena, "[%" PRId64 "] is out of range", begin));
    end = (begin < 0 ? begin + count : begin) + 1;
  }
  if (begin < -count || begin > count || end < -count || end > count) {
    const char *problem = arena_printf(c->arena, "[%" PRId64 ":%" PRId64 "] is out of range", begin, end);
    index_error(c, span, k, problem);
    help_clamped(c, span, k, begin, end);
    return false;
  }
  int64_t from = begin < 0 ? begin + count : begin, to = end < 0 ? end + count : end;
  if (from >= to)
    return index_error(c, span, k, arena_printf(c->arena, "[%" PRId64 ":%" PRId64 "] is empty", begin, end));
  *first = (size_t)from;
  *last = (size_t)to;
  return true;
}

/* ---- children ---- */

typedef VEC(ModuleId) ModuleList;

/* Alive children: in declared order, or by their first call. Those that forward never calls come last. */
static ModuleList children_of(SelectContext *c, ModuleId parent, bool forward_order) {
  const SelectNet *net = c->net;
  const SelectModule *m = &net->modules.at[parent];
  ModuleList out = {0};
  bool *seen = arena_array(c->arena, bool, net->modules.count + 1);
  for (size_t i = 0; forward_order && i < net->order.count; i++) {
    NodeId id = net->order.at[i];
    if (!net->nodes.at[id].alive) continue;
    ModuleId child = select_home(net, id);
    while (child != NO_ID && net->modules.at[child].parent != parent) child = net->modules.at[child].parent;
    if (child == NO_ID || seen[child]) continue;
    seen[child] = true;
    vec_push(c->arena, &out, child);
  }
  for (size_t i = 0; i < m->children.count; i++)
    if (net->modules.at[m->children.at[i]].alive && !seen[m->children.at[i]])
      vec_push(c->arena, &out, m->children.at[i]);
  return out;
}

static bool pick_children(SelectContext *c, const Selector *sel, ModuleId parent, bool forward_order, Picked *into) {
  const SelectNet *net = c->net;
  ModuleList children = children_of(c, parent, forward_order);
  const char *of = parent == 0 ? net->name : net->modules.at[parent].name;
  Counted k = {.what = "children", .of = of && *of ? of : "the network"};
  for (size_t i = 0; i < children.count; i++) vec_push(c->arena, &k.names, net->modules.at[children.at[i]].local);
  size_t first, last;
  if (!eval_index(c, sel, &k, &first, &last)) return false;
  if (last - first == 1) return picked_add_module(net, into, children.at[first]), true;
  bool *nodes = arena_array(c->arena, bool, net->nodes.count + 1);
  Picked parts = picked_create(net, c->arena);
  for (size_t i = first; i < last; i++) picked_add_module(net, &parts, children.at[i]);
  for (size_t i = 0; i < net->nodes.count; i++) nodes[i] = parts.node[i];
  picked_add_region(net, into, nodes, "the children");
  for (size_t i = 0; i < net->modules.count; i++) into->module[i] |= parts.module[i];
  for (size_t i = 0; i < net->params.count; i++) into->param[i] |= parts.param[i];
  return true;
}

/* The one module that stands before the brackets. */
static bool single_module(SelectContext *c, const Selector *sel, ModuleId *out) {
  Picked p = picked_create(c->net, c->arena);
  if (!select_pick(c, sel, &p)) return false;
  if (p.units.count == 1 && p.units.at[0].module != NO_ID && !p.tensors && !p.units.at[0].cut) {
    *out = p.units.at[0].module;
    return true;
  }
  select_report(c, "E0204", sel->span, "%s",
                p.tensors && !p.layers ? "a region of a tensor cannot be picked here"
                                       : "only the children of one container can be counted");
  select_help(c, "%s",
              p.tensors && !p.layers ? "regions belong to load and save; here name the whole tensor"
                                     : "write one container before the brackets, as in layer1[0]");
  return false;
}

bool select_children(SelectContext *c, const Selector *sel, Picked *into) {
  ModuleId parent = 0;
  if (sel->left && !single_module(c, sel->left, &parent)) return false;
  return pick_children(c, sel, parent, false, into);
}

/* ---- stages ---- */

typedef VEC(int) StageList;

static StageList alive_stages(SelectContext *c) {
  StageList out = {0};
  for (size_t s = 0; s < c->net->stages.count; s++)
    for (size_t i = 0; i < c->net->nodes.count; i++)
      if (c->net->nodes.at[i].alive && c->net->nodes.at[i].stage == (int)s) {
        vec_push(c->arena, &out, (int)s);
        break;
      }
  return out;
}

bool select_stages(SelectContext *c, const Selector *sel, Picked *into) {
  const SelectNet *net = c->net;
  if (sel->left) {
    ModuleId parent;
    return single_module(c, sel->left, &parent) && pick_children(c, sel, parent, true, into);
  }
  StageList stages = alive_stages(c);
  if (net->stages.count == 0) return pick_children(c, sel, 0, true, into);
  Counted k = {.what = "stages", .of = net->name && *net->name ? net->name : "the network"};
  for (size_t i = 0; i < stages.count; i++) vec_push(c->arena, &k.names, net->stages.at[stages.at[i]]);
  size_t first, last;
  if (!eval_index(c, sel, &k, &first, &last)) return false;
  bool *nodes = arena_array(c->arena, bool, net->nodes.count + 1);
  for (size_t i = 0; i < net->nodes.count; i++)
    for (size_t s = first; s < last; s++) nodes[i] |= net->nodes.at[i].alive && net->nodes.at[i].stage == stages.at[s];
  const char *name = last - first == 1 ? arena_strdup(c->lasting, k.names.at[first])
                                       : arena_printf(c->lasting, "%s..%s", k.names.at[first], k.names.at[last - 1]);
  picked_add_region(net, into, nodes, name);
  return true;
}

/* ---- parameters ---- */

bool select_parameters(SelectContext *c, const Selector *sel, Picked *into) {
  const SelectNet *net = c->net;
  ModuleId within = 0;
  if (sel->left && !single_module(c, sel->left, &within)) return false;
  VEC(ParamId) params = {0};
  Counted k = {.what = "parameters",
               .of = within      ? net->modules.at[within].name
                     : net->name ? net->name
                                 : "the network"};
  for (size_t i = 0; i < net->parameters.count; i++) {
    if (!select_within(net, net->params.at[net->parameters.at[i]].module, within)) continue;
    vec_push(c->arena, &params, net->parameters.at[i]);
    vec_push(c->arena, &k.names, net->params.at[net->parameters.at[i]].name);
  }
  size_t first, last;
  if (!eval_index(c, sel, &k, &first, &last)) return false;
  for (size_t i = first; i < last; i++) picked_add_param(net, into, params.at[i]);
  return true;
}
