/* Lists of pictures with classes, as Caffe, ImageNet's val.txt and mmpretrain write them: a line each, "FOLDER/FILE.jpg
 * 3", the file relative to the list, and after the last blank the class, a number or a name. Reading and preprocessing
 * is that of every list of pictures (folder.c), the classes are those of a CSV's column. Called through sources.def. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/data/csv.h"

#define LIST_LIMIT ((size_t)1 << 32)

typedef struct List {
  CsvTable table;          /* the text, and what messages need of it */
  char **files, **classes; /* growing; the files owned, the classes in the text */
  int64_t count, room;
} List;

/* The class of a line, its file ended before it; NULL: the line has none. */
static char *split(char *line) {
  size_t length = strlen(line);
  while (length && strchr(" \t\r", line[length - 1])) line[--length] = 0;
  char *class = line + length;
  while (class > line && !strchr(" \t", class[-1])) class --;
  char *end = class;
  while (end > line && strchr(" \t", end[-1])) end--;
  if (end == line || !*class) return NULL;
  *end = 0;
  return class;
}

/* A text may be anything: the suffix and the first line decide. */
PathMatch list_probe(const PathHead *head) {
  char line[4096];
  if (head->folder || !(path_ends(head->path, ".txt") || path_ends(head->path, ".lst"))) return PATH_NOT;
  FILE *file = fopen(head->path, "re");
  bool read = file && fgets(line, sizeof line, file);
  if (file) fclose(file);
  if (read) line[strcspn(line, "\r\n")] = 0;
  return read && split(line) && image_suffix(line) ? PATH_SURE : PATH_NOT;
}

static int make_room(List *l) {
  if (l->count < l->room) return 0;
  int64_t room = l->room ? l->room * 2 : 256;
  char **files = realloc(l->files, (size_t)room * sizeof *files);
  if (files) l->files = files;
  char **classes = realloc(l->classes, (size_t)room * sizeof *classes);
  if (classes) l->classes = classes;
  l->room = files && classes ? room : l->room;
  return files && classes ? 0 : sg_fail_memory(l->table.err, l->table.path, (size_t)room * sizeof *files);
}

static int read_lines(List *l) {
  const char *slash = strrchr(l->table.path, '/');
  int folder = slash ? (int)(slash + 1 - l->table.path) : 0;
  for (char *line = l->table.at, *next; line && *line; line = next) {
    l->table.line++;
    if ((next = strchr(line, '\n'))) *next++ = 0;
    if (line[strspn(line, " \t\r")] == 0) continue;
    char *class = split(line);
    if (!class)
      return csv_fail_line(&l->table, "a file and its class are needed, with a blank between, but it is ", SG_Q(line));
    if (make_room(l)) return -1;
    l->classes[l->count] = class;
    if (asprintf(&l->files[l->count], "%.*s%s", *line == '/' ? 0 : folder, l->table.path, line) < 0)
      return sg_fail_memory(l->table.err, l->table.path, strlen(line));
    l->count++;
  }
  return l->count ? 0 : sg_fail(l->table.err, SURGERY_BAD_INPUT, "%s: holds no samples", l->table.path);
}

static Dataset *make_set(List *l, const DatasetSpec *spec) {
  Dataset *set =
      dataset_open_files("list", l->table.path, (const char *const *)l->files, (size_t)l->count, spec, l->table.err);
  if (!set || spec->target == TARGET_NONE) return set;
  int32_t *classes = malloc((size_t)set->count * sizeof *classes + 1);
  int status = classes ? csv_class_targets(&l->table, set, l->classes, classes)
                       : sg_fail_memory(l->table.err, l->table.path, (size_t)set->count * sizeof *classes);
  if (status == 0) status = dataset_check_targets(set, classes, set->path, l->table.err);
  if (status == 0) set->targets = set->labels;
  free(classes);
  if (status == 0) return set;
  dataset_close(set);
  return NULL;
}

Dataset *dataset_open_list(const char *path, const DatasetSpec *spec, surgery_error *err) {
  List l = {.table = {.path = path, .err = err}};
  size_t size;
  Dataset *set = NULL;
  if (spec->target != TARGET_NONE && (spec->target != TARGET_CLASSES || spec->target_count != 1)) {
    sg_fail(err, SURGERY_BAD_INPUT,
            "%s: a list of pictures has one class for each; the network needs other targets, which a CSV may have",
            path);
    return NULL;
  }
  if (gzip_read(path, LIST_LIMIT, &l.table.text, &size, err)) return NULL;
  l.table.at = (char *)l.table.text;
  if (strlen(l.table.at) != size) sg_fail(err, SURGERY_BAD_INPUT, "%s: a zero byte: this is no text", path);
  else if (!(l.table.c = newlocale(LC_ALL_MASK, "C", (locale_t)0))) sg_fail_memory(err, path, size);
  else if (read_lines(&l) == 0) set = make_set(&l, spec);
  for (int64_t i = 0; i < l.count; i++) free(l.files[i]);
  free(l.files), free(l.classes);
  csv_close(&l.table);
  return set;
}
