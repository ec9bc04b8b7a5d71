/* Numbers by keys of bytes: open addressing in an arena. Keys are kept by reference and never removed. */
#ifndef SURGERY_BASE_MAP_H
#define SURGERY_BASE_MAP_H
#include "runtime/base/arena.h"

typedef struct MapEntry {
  const void *key; /* NULL: free */
  size_t length;
  int32_t value;
} MapEntry;

typedef struct Map { /* zeros: an empty one */
  MapEntry *at;
  size_t capacity, count; /* capacity: a power of two */
} Map;

/* NULL where the key is not there. */
MapEntry *map_find(const Map *map, const void *key, size_t length);
/* The key's entry, made where it is not there: with the value -1. It stays where it is until the next map_add. */
MapEntry *map_add(Arena *arena, Map *map, const void *key, size_t length);

static inline MapEntry *map_find_text(const Map *map, const char *key) { return map_find(map, key, strlen(key)); }
static inline MapEntry *map_add_text(Arena *arena, Map *map, const char *key) {
  return map_add(arena, map, key, strlen(key));
}
#endif
