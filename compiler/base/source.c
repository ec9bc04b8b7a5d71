/* Source files: reading them and turning byte offsets into lines and columns. Must not look at what the
 * bytes mean. Called by the driver (the script), the front end (includes, the zoo) and the diagnostics. */
#include "compiler/base/source.h"
#include "runtime/base/nearest.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { LARGEST_SOURCE = 64 << 20 };

static void find_lines(Arena *arena, Source *source) {
  const char *text = source->text, *end = text + source->length;
  vec_push(arena, &source->lines, 0);
  for (const char *at = text; (at = memchr(at, '\n', (size_t)(end - at))); at++)
    vec_push(arena, &source->lines, (uint32_t)(at + 1 - text));
}

int sources_add_text(Sources *sources, const char *path, const char *text, size_t length) {
  if (length > LARGEST_SOURCE) {
    errno = EFBIG;
    return -1;
  }
  Source source = {.path = arena_strdup(sources->arena, path),
                   .text = arena_strndup(sources->arena, text, length),
                   .length = (uint32_t)length,
                   .included = SPAN_NONE};
  find_lines(sources->arena, &source);
  vec_push(sources->arena, &sources->files, source);
  return (int)sources->files.count - 1;
}

/* Reads until the end rather than trusting a size, so that pipes and /dev/stdin work too. */
static int read_all(FILE *file, Sources *sources, Source *out) {
  size_t capacity = 16 << 10, length = 0;
  struct stat status;
  if (fstat(fileno(file), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return errno = EISDIR, -1;
    if (status.st_size > LARGEST_SOURCE) return errno = EFBIG, -1;
    if (status.st_size > 0) capacity = (size_t)status.st_size + 1;
  }
  char *text = arena_alloc(sources->arena, capacity + 1);
  for (;;) {
    size_t got = fread(text + length, 1, capacity - length, file);
    length += got;
    if (length > LARGEST_SOURCE) return errno = EFBIG, -1;
    if (got == 0) break;
    if (length == capacity) {
      text = arena_grow(sources->arena, text, length, capacity * 2 + 1);
      capacity *= 2;
    }
  }
  if (ferror(file)) return -1;
  text[length] = '\0';
  out->text = text;
  out->length = (uint32_t)length;
  return 0;
}

static const char *overlaid(const Sources *sources, const char *path, size_t *length) {
  return sources->overlay ? sources->overlay->text(sources->overlay->user, path, length) : NULL;
}

const char *sources_real_path(Sources *sources, const char *path) {
  size_t length;
  char *real = realpath(path, NULL);
  if (!real) return overlaid(sources, path, &length) ? path : NULL;
  const char *kept = arena_strdup(sources->arena, real);
  free(real);
  return kept;
}

int sources_add_file(Sources *sources, const char *path) {
  size_t length;
  const char *text = overlaid(sources, path, &length);
  if (text) return sources_add_text(sources, path, text, length);
  FILE *file = fopen(path, "rb");
  if (!file) return -1;
  Source source = {.included = SPAN_NONE};
  int failed = read_all(file, sources, &source);
  int reason = errno;
  fclose(file);
  if (failed) {
    errno = reason ? reason : EIO;
    return -1;
  }
  source.path = arena_strdup(sources->arena, path);
  find_lines(sources->arena, &source);
  vec_push(sources->arena, &sources->files, source);
  return (int)sources->files.count - 1;
}

bool source_is_users(const Sources *sources, Span span) {
  if (span.source >= sources->files.count) return false;
  const char *path = sources->files.at[span.source].path;
  return *path != '<' || strcmp(path, SOURCE_COMMAND_LINE) == 0; /* <zoo>/resnet.surgery */
}

void source_position(const Source *source, uint32_t offset, int *line, int *column) {
  if (offset > source->length) offset = source->length;
  size_t low = 0, high = source->lines.count; /* the last line that begins at or before it */
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (source->lines.at[middle] <= offset) low = middle;
    else high = middle;
  }
  const char *at = source->text + source->lines.at[low], *end = source->text + offset;
  if (low == 0 && offset >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3; /* a byte order mark is no column */
  int columns = 1;
  for (; at < end; at++) columns += ((unsigned char)*at & 0xC0) != 0x80; /* not a continuation byte */
  *line = (int)low + 1;
  *column = columns;
}

/* ---- a file that is not there ---- */

enum { MOST_LOOKED_AT = 2000 }; /* a folder of pictures is no place for such a file */

const char *nearest_file(Arena *arena, const char *path, const char *given) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  DIR *folder = opendir(!slash ? "." : slash == path ? "/" : arena_printf(arena, "%.*s", (int)(slash - path), path));
  if (!folder) return NULL;
  VEC(const char *) names = {0};
  const struct dirent *entry;
  while (names.count < MOST_LOOKED_AT && (entry = readdir(folder)))
    if (entry->d_name[0] != '.') vec_push(arena, &names, arena_strdup(arena, entry->d_name));
  closedir(folder);
  const char *near = nearest_name(base, names.at, names.count), *end = strrchr(given, '/');
  if (!near || !end) return near;
  return arena_printf(arena, "%.*s%s", (int)(end + 1 - given), given, near);
}
