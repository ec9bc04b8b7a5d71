/* Which node names are in use, so that a network of many calls with long names is built in linear time. The
 * index is a memory of the nodes' names; whoever renames nodes has it forgotten (call_module() does so for all
 * edits, each time it begins). Called by graph_add_node(). */
#include "compiler/graph/graph_names.h"

typedef struct Used {
  const char *text; /* a name without its suffix; not terminated */
  size_t length;
  int64_t last;     /* the highest suffix in use; 0 is the name alone */
} Used;

struct NameIndex {
  size_t seen; /* how many nodes are indexed */
  VEC(Used) used;
  uint32_t *slots; /* open addressing: index + 1 into used; 0 is free */
  size_t slot_count;
};

static size_t hash_bytes(const char *text, size_t length) {
  size_t hash = 1469598103934665603u; /* FNV-1a */
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
  return hash;
}

static size_t find_slot(const NameIndex *index, const char *text, size_t length) {
  size_t mask = index->slot_count - 1, at = hash_bytes(text, length) & mask;
  for (; index->slots[at]; at = (at + 1) & mask) {
    const Used *used = &index->used.at[index->slots[at] - 1];
    if (used->length == length && memcmp(used->text, text, length) == 0) break;
  }
  return at;
}

static void grow(Arena *arena, NameIndex *index) {
  index->slot_count = index->slot_count ? index->slot_count * 2 : 64;
  index->slots = arena_array(arena, uint32_t, index->slot_count);
  for (size_t i = 0; i < index->used.count; i++)
    index->slots[find_slot(index, index->used.at[i].text, index->used.at[i].length)] = (uint32_t)i + 1;
}

static void mark(Arena *arena, NameIndex *index, const char *text, size_t length, int64_t suffix) {
  if (index->used.count * 2 >= index->slot_count) grow(arena, index);
  size_t slot = find_slot(index, text, length);
  if (!index->slots[slot]) {
    vec_push(arena, &index->used, (Used){text, length, suffix});
    index->slots[slot] = (uint32_t)index->used.count;
  } else if (index->used.at[index->slots[slot] - 1].last < suffix) {
    index->used.at[index->slots[slot] - 1].last = suffix;
  }
}

/* A name stands for itself and, when it ends in _N, for the N-th of what is before it. */
static void mark_name(Arena *arena, NameIndex *index, const char *name) {
  size_t length = strlen(name), digits = 0;
  mark(arena, index, name, length, 0);
  while (digits < length && name[length - 1 - digits] >= '0' && name[length - 1 - digits] <= '9') digits++;
  if (digits == 0 || digits > 9 || length < digits + 2 || name[length - 1 - digits] != '_') return;
  int64_t suffix = 0;
  for (size_t i = length - digits; i < length; i++) suffix = suffix * 10 + (name[i] - '0');
  mark(arena, index, name, length - digits - 1, suffix);
}

static void refresh(Graph *g) {
  if (!g->names || g->names->seen > g->nodes.count) g->names = arena_new(g->arena, NameIndex);
  for (NameIndex *index = g->names; index->seen < g->nodes.count; index->seen++)
    mark_name(g->arena, index, g->nodes.at[index->seen].name);
}

int64_t graph_free_suffix(Graph *g, const char *name) {
  refresh(g);
  if (g->names->slot_count == 0) return 0;
  uint32_t found = g->names->slots[find_slot(g->names, name, strlen(name))];
  return found ? g->names->used.at[found - 1].last + 1 : 0;
}
