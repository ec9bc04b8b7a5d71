/* Looks into the folder of a file that is not there for one that may be meant. Reads names alone. Called where an
 * include or a weight file was not found. */
#include "compiler/base/nearest_file.h"
#include <dirent.h>

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
