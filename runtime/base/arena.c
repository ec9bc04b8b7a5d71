/* Arenas: chunks from calloc, handed out from the front and freed all at once. A chunk is never reused, so
 * what it hands out is zero. Called by every part of the compiler, and by the selectors. */
#include "runtime/base/arena.h"
#include <stdio.h>
#include <stdlib.h>

enum { ALIGNMENT = 16, FIRST_CHUNK = 16 << 10, LARGEST_CHUNK = 1 << 20 };

typedef struct Chunk Chunk;
struct Chunk {
  Chunk *next;
  size_t used, size; /* of the bytes after this header */
};
#define HEADER ((sizeof(Chunk) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

struct Arena {
  Chunk *chunks; /* the first is the one that is filled */
  size_t next_size;
  ArenaFailed *failed;
  void *user;
};

static void no_memory(const Arena *arena, size_t size) {
  arena->failed(arena->user, size);
  abort();
}

Arena *arena_create_with(ArenaFailed *failed, void *user) {
  Arena *arena = calloc(1, sizeof *arena);
  if (!arena) failed(user, sizeof *arena), abort();
  *arena = (Arena){.next_size = FIRST_CHUNK, .failed = failed, .user = user};
  return arena;
}

void arena_destroy(Arena *arena) {
  if (!arena) return;
  for (Chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
    next = chunk->next;
    free(chunk);
  }
  free(arena);
}

static char *chunk_bytes(Chunk *chunk) { return (char *)chunk + HEADER; }

static Chunk *add_chunk(Arena *arena, size_t size) {
  if (size > PTRDIFF_MAX / 2) no_memory(arena, size);
  /* What is larger than half a chunk gets one of its own, after the one being filled. */
  bool own = arena->chunks && size > arena->next_size / 2;
  size_t bytes = own ? size : arena->next_size;
  while (bytes < size) bytes *= 2;
  Chunk *chunk = calloc(1, HEADER + bytes);
  if (!chunk) no_memory(arena, bytes);
  chunk->size = bytes;
  if (own) {
    chunk->next = arena->chunks->next;
    arena->chunks->next = chunk;
  } else {
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    if (arena->next_size < LARGEST_CHUNK) arena->next_size *= 2;
  }
  return chunk;
}

void *arena_alloc(Arena *arena, size_t size) {
  if (size > PTRDIFF_MAX / 2) no_memory(arena, size);
  size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (size == 0) size = ALIGNMENT;
  Chunk *chunk = arena->chunks;
  if (!chunk || chunk->size - chunk->used < size) chunk = add_chunk(arena, size);
  void *memory = chunk_bytes(chunk) + chunk->used;
  chunk->used += size;
  return memory;
}

void *arena_grow(Arena *arena, const void *old, size_t old_size, size_t new_size) {
  void *memory = arena_alloc(arena, new_size);
  if (old && old_size) memcpy(memory, old, old_size < new_size ? old_size : new_size);
  return memory;
}

char *arena_strndup(Arena *arena, const char *text, size_t length) {
  char *copy = arena_alloc(arena, length + 1);
  if (length) memcpy(copy, text, length);
  return copy;
}

char *arena_strdup(Arena *arena, const char *text) { return arena_strndup(arena, text, strlen(text)); }

char *arena_vprintf(Arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  if (length < 0) abort(); /* a format that cannot be printed */
  char *text = arena_alloc(arena, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}
