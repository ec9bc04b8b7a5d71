/* The check of overwrite.h, before a command works for hours. Reads no file; looks only at names and inodes. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "runtime/cli/overwrite.h"

/* FOLDER/NAME with the folder as the system knows it, for a file that need not be there. */
static bool real_name(const char *path, char to[PATH_MAX + NAME_MAX + 2]) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
  bool known = folder && strlen(name) <= NAME_MAX && realpath(folder, to);
  if (known) strcat(strcat(to, "/"), name);
  free(folder);
  return known;
}

static bool same_file(const char *a, const char *b) {
  struct stat sa, sb;
  char na[PATH_MAX + NAME_MAX + 2], nb[PATH_MAX + NAME_MAX + 2];
  bool there_a = stat(a, &sa) == 0, there_b = stat(b, &sb) == 0;
  if (there_a && there_b) return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino && S_ISREG(sa.st_mode);
  return !there_a && !there_b && real_name(a, na) && real_name(b, nb) && strcmp(na, nb) == 0;
}

static bool refuse(const Cli *cli, const CliFile *output, const char *input) {
  cli_usage(cli, "%s: %s would overwrite %s: name another file, or add --force", output->path, output->what, input);
  return false;
}

bool cli_may_write(const Cli *cli, const surgery_net *net, const CliFile *outputs, const CliFile *inputs, bool force) {
  for (const CliFile *o = outputs; o->what; o++) {
    if (!o->path) continue;
    for (const CliFile *other = outputs; other < o; other++)
      if (other->path && same_file(o->path, other->path))
        return cli_usage(cli, "%s: would be both %s and %s", o->path, other->what, o->what), false;
    for (const CliFile *i = inputs; i->what && !force; i++)
      if (i->path && same_file(o->path, i->path)) return refuse(cli, o, i->what);
    for (char **file = net->weights_files; file && *file && !force; file++)
      if (same_file(o->path, *file)) return refuse(cli, o, "the network's weights");
  }
  return true;
}
