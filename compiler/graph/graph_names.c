/* Which names are in use, so that a module, a call or a tensor is found by its name at once, and a new one gets a free
 * name, however large the network is. The index remembers under which names an id was ever added; whether it still has
 * that name, and is alive, is asked of the graph. Who changes a name says so (graph_rename_*), and who brings
 * something back to life (graph_revive_module). */
#include "compiler/graph/graph_names.h"
#include "runtime/base/map.h"

enum { MODULES, NODES, PARAMS, KINDS };

typedef struct Named {
  const char *text; /* not terminated */
  size_t length;
  VEC(int32_t) ids[KINDS]; /* what has this name, the newest last */
  VEC(NodeId) calls;       /* nodes with this name, or with it and _N behind it */
  int64_t last;            /* the highest N of them, 0 for the name by itself; -1: to be found out */
  NodeId holder;           /* which has it, under this very text */
  const char *holder_name;
  int64_t free;   /* name_1 … name_(free - 1) were taken, and none of them has become free since … */
  uint64_t freed; /* … the index counted so many deaths */
} Named;

struct NameIndex {
  size_t seen[KINDS]; /* how many of each are indexed */
  VEC(Named) names;
  Map places; /* index into names */
  uint64_t freed;
};

/* The entry of a name, made where it is not there. */
static Named *named_of(Arena *arena, NameIndex *index, const char *text, size_t length) {
  MapEntry *entry = map_add(arena, &index->places, text, length);
  if (entry->value < 0) {
    entry->value = (int32_t)index->names.count;
    vec_push(arena, &index->names, (Named){.text = text, .length = length, .last = -1, .holder = NO_ID, .free = 1});
  }
  return &index->names.at[entry->value];
}

/* How much of the name is before its _N, and the N; all of it and 0 where it has none. */
static size_t base_of(const char *name, int64_t *suffix) {
  size_t length = strlen(name), digits = 0;
  *suffix = 0;
  while (digits < length && name[length - 1 - digits] >= '0' && name[length - 1 - digits] <= '9') digits++;
  if (digits == 0 || digits > 9 || length < digits + 2 || name[length - 1 - digits] != '_') return length;
  for (size_t i = length - digits; i < length; i++) *suffix = *suffix * 10 + (name[i] - '0');
  return length - digits - 1;
}

/* ---- filling ---- */

static void add_call(const Graph *g, NameIndex *index, const char *name, size_t length, NodeId node, int64_t suffix) {
  Named *named = named_of(g->arena, index, name, length);
  vec_push(g->arena, &named->calls, node);
  if (named->last >= suffix || (named->last < 0 && named->calls.count > 1)) return;
  named->last = suffix, named->holder = node, named->holder_name = name;
}

/* A call's name stands for itself and, when it ends in _N, for the N-th of what is before it. */
static void add(const Graph *g, NameIndex *index, int kind, int32_t id, const char *name) {
  Named *named = named_of(g->arena, index, name, strlen(name));
  vec_push(g->arena, &named->ids[kind], id);
  if (kind != NODES) return;
  int64_t suffix;
  size_t base = base_of(name, &suffix);
  add_call(g, index, name, strlen(name), id, 0);
  if (name[base]) add_call(g, index, name, base, id, suffix);
}

static const char *name_of(const Graph *g, int kind, int32_t id) {
  return kind == MODULES ? module_at(g, id)->name : kind == NODES ? node_at(g, id)->name : param_at(g, id)->name;
}

static NameIndex *refresh(const Graph *g) {
  NameIndex *index = g->names;
  size_t count[KINDS] = {g->modules.count, g->nodes.count, g->params.count};
  for (int kind = 0; kind < KINDS; kind++)
    for (; index->seen[kind] < count[kind]; index->seen[kind]++)
      add(g, index, kind, (int32_t)index->seen[kind], name_of(g, kind, (int32_t)index->seen[kind]));
  return index;
}

NameIndex *graph_names_create(Arena *arena) { return arena_new(arena, NameIndex); }

static void renamed(Graph *g, int kind, int32_t id) {
  refresh(g);
  g->names->freed++;
  add(g, g->names, kind, id, name_of(g, kind, id));
}

void graph_rename_module(Graph *g, ModuleId id, const char *name) {
  module_at(g, id)->name = name;
  renamed(g, MODULES, id);
}
void graph_rename_node(Graph *g, NodeId id, const char *name) {
  node_at(g, id)->name = name;
  renamed(g, NODES, id);
}
void graph_rename_param(Graph *g, ParamId id, const char *name) {
  param_at(g, id)->name = name;
  renamed(g, PARAMS, id);
}
void graph_revive_module(Graph *g, ModuleId id) {
  module_at(g, id)->alive = true;
  renamed(g, MODULES, id);
}
void graph_names_freed(Graph *g) { g->names->freed++; }

/* ---- asking ---- */

static bool lives(const Graph *g, int kind, int32_t id) {
  if (kind == NODES) return node_at(g, id)->alive;
  return module_at(g, kind == MODULES ? id : param_at(g, id)->module)->alive;
}

/* Whether it may have the name again without being added anew: a take's `cut` may be undone. */
static bool is_gone(const Graph *g, int kind, int32_t id) {
  return kind == MODULES ? !module_at(g, id)->alive && !module_at(g, id)->cut : false;
}

static int32_t find(const Graph *g, int kind, const char *name) {
  NameIndex *index = refresh(g);
  MapEntry *entry = map_find_text(&index->places, name);
  if (!entry) return NO_ID;
  Named *named = &index->names.at[entry->value];
  size_t count = named->ids[kind].count;
  for (bool end = true; count > 0; count--) {
    int32_t id = named->ids[kind].at[count - 1];
    bool same = streq(name_of(g, kind, id), name);
    if (same && lives(g, kind, id)) return id;
    if (end && (!same || is_gone(g, kind, id))) named->ids[kind].count = count - 1; /* never asked again */
    else end = false;
  }
  return NO_ID;
}

ModuleId graph_find_module(const Graph *g, const char *name) { return find(g, MODULES, name); }
NodeId graph_find_node(const Graph *g, const char *name) { return find(g, NODES, name); }
ParamId graph_find_param(const Graph *g, const char *name) { return find(g, PARAMS, name); }

/* The highest suffix anew, from the calls that still have the name. */
static void find_last(const Graph *g, Named *named) {
  size_t kept = 0;
  named->last = -1;
  for (size_t i = 0; i < named->calls.count; i++) {
    NodeId id = named->calls.at[i];
    const char *name = node_at(g, id)->name;
    int64_t suffix;
    size_t base = base_of(name, &suffix);
    if (strlen(name) == named->length) base = named->length, suffix = 0;
    if (base != named->length || memcmp(name, named->text, base) != 0) continue;
    named->calls.at[kept++] = id;
    if (suffix > named->last) named->last = suffix, named->holder = id, named->holder_name = name;
  }
  named->calls.count = kept;
}

int64_t graph_free_suffix(Graph *g, const char *name) {
  NameIndex *index = refresh(g);
  MapEntry *entry = map_find_text(&index->places, name);
  if (!entry) return 0;
  Named *named = &index->names.at[entry->value];
  if (named->calls.count > 0 && (named->last < 0 || node_at(g, named->holder)->name != named->holder_name))
    find_last(g, named);
  return named->calls.count > 0 ? named->last + 1 : 0;
}

bool graph_name_taken(const Graph *g, const char *name) {
  return graph_find_module(g, name) != NO_ID || graph_find_node(g, name) != NO_ID;
}

const char *graph_unique_name(Graph *g, const char *name) {
  if (!graph_name_taken(g, name)) return name;
  refresh(g);
  size_t at = (size_t)(named_of(g->arena, g->names, name, strlen(name)) - g->names->names.at);
  Named *named = &g->names->names.at[at];
  int64_t n = named->freed == g->names->freed ? named->free : 1;
  const char *unique;
  do unique = arena_printf(g->arena, "%s_%lld", name, (long long)n++);
  while (graph_name_taken(g, unique));
  named = &g->names->names.at[at];
  named->free = n - 1, named->freed = g->names->freed;
  return unique;
}
