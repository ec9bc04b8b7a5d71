/* Arenas, source files and places in them. A place is a file and a byte span; line and column exist only when something
 * is printed. */
#ifndef SURGERY_BASE_SOURCE_H
#define SURGERY_BASE_SOURCE_H
#include "runtime/base/arena.h"
#include "runtime/base/span.h"

/* The compiler's arenas: where no memory is left the process ends with status 3 and one line on stderr. */
Arena *arena_create(void);

typedef struct Source {
  const char *path; /* as the user wrote it; "<zoo>/resnet.surgery" for the built-in models */
  const char *text; /* `length` bytes, then a NUL; may hold NUL bytes itself */
  uint32_t length;
  VEC(uint32_t) lines; /* where each begins */
  Span included;       /* the `include` that brought it; SPAN_NONE for others */
} Source;

/* The path of what is read from the command line, such as `-D classes=5`. */
#define SOURCE_COMMAND_LINE "<command line>"

/* Texts that an editor holds, saved or not: they take the place of what the disk has under the same path. */
typedef struct SourceOverlay {
  /* NULL: the disk is read. The text is valid until the sources are read on. */
  const char *(*text)(void *user, const char *path, size_t *length);
  void *user;
} SourceOverlay;

typedef struct Sources {
  Arena *arena;
  VEC(Source) files;
  const SourceOverlay *overlay; /* NULL: there is none */
} Sources;

/* Reads a whole file (at most 64 MiB). Returns its index, or -1 with errno set (EFBIG when too large). */
int sources_add_file(Sources *sources, const char *path);
/* The path from the root without links; of a file that only the overlay has, the path itself. NULL: there is none. */
const char *sources_real_path(Sources *sources, const char *path);
/* Adds text that lives in memory; it is copied. */
int sources_add_text(Sources *sources, const char *path, const char *text, size_t length);
/* False for the built-in models and other texts that are no file of the user's. */
bool source_is_users(const Sources *sources, Span span);
/* 1-based line and column (column counts UTF-8 code points). */
void source_position(const Source *source, uint32_t offset, int *line, int *column);

/* For "did you mean 'blocks.surgery'?": `path` is not there: the nearest name in its folder, written as `given` is (its
 * own folder in front). NULL when none is near. */
const char *nearest_file(Arena *arena, const char *path, const char *given);
#endif
