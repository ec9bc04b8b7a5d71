/* Arenas: memory that is freed all at once. An arena is named for how long it lives (the whole compilation, one pass,
 * one selector). Allocation never returns NULL: when the system has no memory left, the arena's `failed` is called. */
#ifndef SURGERY_RUNTIME_ARENA_H
#define SURGERY_RUNTIME_ARENA_H
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Arena Arena;

/* `failed` must not return: it ends the process or jumps. */
typedef void ArenaFailed(void *user, size_t bytes);
Arena *arena_create_with(ArenaFailed *failed, void *user);
void arena_destroy(Arena *arena);
/* Zeroed, 16-byte aligned. */
void *arena_alloc(Arena *arena, size_t size);
void *arena_grow(Arena *arena, const void *old, size_t old_size, size_t new_size);
char *arena_strndup(Arena *arena, const char *text, size_t length);
char *arena_strdup(Arena *arena, const char *text);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list args);

#define arena_new(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define arena_array(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

/* A growable array whose memory belongs to an arena: `VEC(int) v = {0}; vec_push(arena, &v, 3); v.at[0]`. */
#define VEC(T)                                                                                                         \
  struct {                                                                                                             \
    T *at;                                                                                                             \
    size_t count, capacity;                                                                                            \
  }
#define vec_reserve(arena, v, n)                                                                                       \
  ((n) <= (v)->capacity                                                                                                \
       ? (void)0                                                                                                       \
       : (void)((v)->at = arena_grow((arena), (v)->at, (v)->count * sizeof *(v)->at, ((n) * 2 + 6) * sizeof *(v)->at), \
                (v)->capacity = (n) * 2 + 6))
#define vec_push(arena, v, ...)                                                                                        \
  (vec_reserve((arena), (v), (v)->count + 1), (v)->at[(v)->count] = (__VA_ARGS__), (v)->count++)

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static inline bool streq(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }
#endif
