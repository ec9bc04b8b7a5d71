/* Numbers by keys of bytes: see map.h. At most half of the entries are taken, so that a search is short. */
#include "runtime/base/map.h"

/* The key's entry, or the free one where it belongs. */
static MapEntry *find_entry(const Map *map, const void *key, size_t length) {
  uint64_t hash = 1469598103934665603u; /* FNV-1a */
  const unsigned char *byte = key;
  for (size_t i = 0; i < length; i++) hash = (hash ^ byte[i]) * 1099511628211u;
  size_t mask = map->capacity - 1, at = (size_t)hash & mask;
  while (map->at[at].key && (map->at[at].length != length || memcmp(map->at[at].key, key, length) != 0))
    at = (at + 1) & mask;
  return &map->at[at];
}

MapEntry *map_find(const Map *map, const void *key, size_t length) {
  MapEntry *entry = map->capacity ? find_entry(map, key, length) : NULL;
  return entry && entry->key ? entry : NULL;
}

static void grow(Arena *arena, Map *map) {
  Map larger = {.capacity = map->capacity ? map->capacity * 2 : 16, .count = map->count};
  larger.at = arena_array(arena, MapEntry, larger.capacity);
  for (size_t i = 0; i < map->capacity; i++)
    if (map->at[i].key) *find_entry(&larger, map->at[i].key, map->at[i].length) = map->at[i];
  *map = larger;
}

MapEntry *map_add(Arena *arena, Map *map, const void *key, size_t length) {
  if (map->count * 2 >= map->capacity) grow(arena, map);
  MapEntry *entry = find_entry(map, key, length);
  if (entry->key) return entry;
  map->count++;
  *entry = (MapEntry){key, length, -1};
  return entry;
}
