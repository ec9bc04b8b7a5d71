/* Which tensors and values a selector picks, for surgery_save, `export --only` and `inspect --layers`. The language is
 * that of scripts (runtime/base/selector.h); here the manifest is read as a network that it can be asked of. */
#include <jansson.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/base/selector.h"
#include "runtime/net/manifest_read.h"
#include "runtime/net/net.h"

static void no_memory(void *user, size_t bytes) { longjmp(*(jmp_buf *)user, 1); }

/* ---- the network, as the manifest tells it ---- */

struct ManifestLayout {
  Arena *arena;
  SelectNet net;
};

/* Reads ids that lie in [least, limit). */
static bool read_id(json_t *json, int64_t least, size_t limit, int32_t *id) {
  if (!json_is_integer(json) || json_integer_value(json) < least || json_integer_value(json) >= (json_int_t)limit)
    return false;
  *id = (int32_t)json_integer_value(json);
  return true;
}

static const char *copy_text(Arena *arena, json_t *json) {
  return json_is_string(json) ? arena_strdup(arena, json_string_value(json)) : NULL;
}

/* [name, type, parent]: the root first, parents before their children. */
static bool read_module(ManifestLayout *l, json_t *json, size_t index) {
  SelectModule m = {.name = copy_text(l->arena, json_array_get(json, 0)),
                    .type = copy_text(l->arena, json_array_get(json, 1)),
                    .parent = NO_ID,
                    .alive = true};
  if (!m.name || !m.type || (index > 0 && !read_id(json_array_get(json, 2), 0, index, &m.parent))) return false;
  size_t above = index ? strlen(l->net.modules.at[m.parent].name) : 0;
  if (above > 0 && (strlen(m.name) <= above || m.name[above] != '.')) return false;
  m.local = m.name + (above ? above + 1 : 0);
  vec_push(l->arena, &l->net.modules, m);
  return true;
}

/* [name, null, layer, stage], or of a function [name, type, container, stage]. */
static bool read_call(ManifestLayout *l, json_t *json) {
  int32_t home;
  SelectNode n = {.name = copy_text(l->arena, json_array_get(json, 0)),
                  .type = copy_text(l->arena, json_array_get(json, 1)),
                  .alive = true};
  if (!n.name || !read_id(json_array_get(json, 2), 0, l->net.modules.count, &home) ||
      !read_id(json_array_get(json, 3), NO_ID, l->net.stages.count, &n.stage))
    return false;
  n.module = n.type ? NO_ID : home;
  n.scope = n.type ? home : l->net.modules.at[home].parent;
  vec_push(l->arena, &l->net.nodes, n);
  return true;
}

/* The module whose name stands before the tensor's own. */
static ModuleId module_of(ManifestLayout *l, const char *tensor) {
  char *name = arena_strdup(l->arena, tensor);
  for (char *dot; (dot = strrchr(name, '.'));) {
    *dot = 0;
    ModuleId module = select_find_module(&l->net, name);
    if (module != NO_ID) return module;
  }
  return 0;
}

typedef VEC(int32_t) Ids;

static IdList list_of(const Ids *ids) { return (IdList){ids->at, ids->count}; }

/* What follows from the rest: children, each module's parameters, orders. */
static void connect(ManifestLayout *l, const Manifest *m) {
  size_t modules = l->net.modules.count;
  Ids *children = arena_array(l->arena, Ids, modules), *params = arena_array(l->arena, Ids, modules);
  Ids order = {0}, parameters = {0};
  for (size_t i = 1; i < modules; i++) vec_push(l->arena, &children[l->net.modules.at[i].parent], (int32_t)i);
  for (size_t i = 0; i < l->net.nodes.count; i++) vec_push(l->arena, &order, (int32_t)i);
  for (size_t i = 0; i < m->tensor_count; i++) {
    SelectParam p = {arena_strdup(l->arena, m->tensors[i].name), module_of(l, m->tensors[i].name)};
    vec_push(l->arena, &l->net.params, p);
    vec_push(l->arena, &params[p.module], (int32_t)i);
    if (!m->tensors[i].buffer) vec_push(l->arena, &parameters, (int32_t)i);
  }
  for (size_t i = 0; i < modules; i++)
    l->net.modules.at[i].children = list_of(&children[i]), l->net.modules.at[i].params = list_of(&params[i]);
  l->net.order = list_of(&order), l->net.parameters = list_of(&parameters);
}

static bool read_layout(ManifestLayout *l, json_t *root, const Manifest *m) {
  json_t *modules = json_object_get(root, "modules"), *calls = json_object_get(root, "calls"), *item;
  size_t i;
  l->net.name = arena_strdup(l->arena, m->name);
  json_array_foreach(json_object_get(root, "stages"), i, item) {
    const char *name = copy_text(l->arena, item);
    if (!name) return false;
    vec_push(l->arena, &l->net.stages, name);
  }
  json_array_foreach(modules, i, item) if (!read_module(l, item, i)) return false;
  json_array_foreach(calls, i, item) if (!read_call(l, item)) return false;
  if (l->net.modules.count == 0) vec_push(l->arena, &l->net.modules, (SelectModule){"", "", "", NO_ID, .alive = true});
  connect(l, m);
  return true;
}

/* False: no memory. */
static bool read_guarded(ManifestLayout *l, Reader *r, json_t *root, const Manifest *m) {
  jmp_buf back;
  if (setjmp(back)) return false;
  l->arena = arena_create_with(no_memory, &back);
  if (!read_layout(l, root, m)) manifest_wrong(r, "modules", "or its calls are wrong");
  return true;
}

ManifestLayout *manifest_read_layout(Reader *r, void *root, const Manifest *m) {
  ManifestLayout *l = calloc(1, sizeof *l);
  if (l && read_guarded(l, r, root, m)) return l;
  manifest_free_layout(l);
  r->failed = true;
  sg_fail(r->err, SURGERY_ENVIRONMENT, "no memory for the network's manifest");
  return NULL;
}

void manifest_free_layout(ManifestLayout *l) {
  if (l) arena_destroy(l->arena);
  free(l);
}

/* ---- picking ---- */

typedef struct Pick {
  Arena *arena; /* to be destroyed; `picked` lies in it */
  Picked picked;
} Pick;

static int pick(const surgery_net *net, const char *selector, Pick *p, surgery_error *err) {
  jmp_buf back;
  const char *message;
  p->arena = NULL;
  if (setjmp(back)) {
    arena_destroy(p->arena);
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  }
  p->arena = arena_create_with(no_memory, &back);
  if (selector_pick_text(&net->manifest->layout->net, selector, p->arena, &p->picked, &message)) return 0;
  sg_fail(err, SURGERY_BAD_INPUT, "%s", message);
  arena_destroy(p->arena);
  return -1;
}

void net_tensor(const surgery_net *net, size_t index, surgery_tensor_out *out) {
  const ManifestTensor *t = &net->manifest->tensors[index];
  *out = (surgery_tensor_out){.name = t->name,
                              .dtype = t->i64 ? SURGERY_I64 : SURGERY_F32,
                              .rank = t->shape.rank,
                              .data = net->weights + t->offset};
  memcpy(out->shape, t->shape.dim, sizeof out->shape);
}

int net_select(const surgery_net *net, const char *selector, surgery_tensor_out **tensors, size_t *count,
               surgery_error *err) {
  const Manifest *m = net->manifest;
  Pick p = {0};
  if (selector && pick(net, selector, &p, err)) return -1;
  *count = 0;
  *tensors = calloc(m->tensor_count + 1, sizeof **tensors);
  for (size_t i = 0; *tensors && i < m->tensor_count; i++)
    if (!selector || p.picked.param[i]) net_tensor(net, i, &(*tensors)[(*count)++]);
  arena_destroy(p.arena);
  if (!*tensors) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  if (*count || !selector) return 0;
  free(*tensors);
  return sg_fail(err, SURGERY_BAD_INPUT, "the selector '%s' matches no tensor", SG_Q(selector));
}

int net_select_values(const surgery_net *net, const char *selector, bool *picked, surgery_error *err) {
  const Manifest *m = net->manifest;
  const SelectNet *layout = &m->layout->net;
  Pick p;
  bool any = false;
  if (pick(net, selector, &p, err)) return -1;
  for (size_t v = 0, call = 0; v < m->value_count; v++) { /* both are in forward order */
    while (call < layout->nodes.count && strcmp(layout->nodes.at[call].name, m->values[v].name) != 0) call++;
    picked[v] = call < layout->nodes.count && p.picked.node[call];
    any |= picked[v];
  }
  arena_destroy(p.arena);
  return any ? 0 : sg_fail(err, SURGERY_BAD_INPUT, "the selector '%s' matches no layer", SG_Q(selector));
}
