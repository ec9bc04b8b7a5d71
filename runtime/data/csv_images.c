/* CSV of picture files with what is known of each: a column of paths, relative to the CSV, then a class (name
 * or number), several columns of 0 and 1, or numbers for a regression. A header is optional. Reading and
 * preprocessing is that of every list of pictures (folder.c). Called by csv.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "runtime/data/csv.h"
#include "runtime/base/error.h"

typedef struct Listing {
  CsvTable *table;
  DatasetSpec spec;
  int column;   /* of the files */
  int *targets; /* [target_count] columns */
  int target_count;
  char **header; /* [columns], the names of the columns; NULL: it has no header */
  char *unused;  /* columns that are not read, for a note */
  char *folder;  /* of the CSV, with its slash; "" */
  char **files;  /* growing; owned */
  char **names;  /* growing; classes as text, in the table's memory */
  float *values; /* growing; rows × target_count */
  int64_t rows, room;
} Listing;

static int find_image(const CsvTable *t) {
  for (int i = 0; i < t->columns; i++)
    if (image_suffix(t->cells[i])) return i;
  return -1;
}

int csv_image_column(const CsvTable *first, bool *header) {
  int column = find_image(first);
  *header = column < 0;
  if (column >= 0) return column;
  CsvTable second;
  surgery_error ignored;
  if (csv_peek(first, &second, &ignored) > 0) column = find_image(&second);
  csv_close(&second);
  return column;
}

/* "a, b, c" of the columns that are not the files' (all), or of those that nothing is read from; malloc, or
 * NULL. */
static char *list_columns(const Listing *l, bool all) {
  char text[400] = "";
  size_t used = 0;
  for (int i = 0; i < l->table->columns && used + 232 < sizeof text; i++) {
    bool target = false;
    for (int k = 0; k < l->target_count; k++) target = target || l->targets[k] == i;
    if (i == l->column || (!all && target)) continue;
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? ", " : "",
                             l->header ? SG_Q(l->header[i]) : "?");
  }
  return used ? strdup(text) : NULL;
}

static int fail_columns(Listing *l, int others) {
  char *list = l->header ? list_columns(l, true) : NULL;
  const DatasetSpec *spec = &l->spec;
  if (spec->target == TARGET_VALUES)
    sg_fail(l->table->err, SURGERY_BAD_INPUT,
            "%s: %d column%s beside that of the files%s%s%s, but the network has %lld outputs: a number for "
            "each is needed",
            l->table->path, others, others == 1 ? "" : "s", list ? " (" : "", list ? list : "", list ? ")" : "",
            (long long)spec->target_count);
  else if (spec->values_too)
    sg_fail(l->table->err, SURGERY_BAD_INPUT,
            "%s: %d column%s beside that of the files%s%s%s, but one with the class is needed, or one of 0 "
            "and 1 for each of the "
            "network's %lld outputs",
            l->table->path, others, others == 1 ? "" : "s", list ? " (" : "", list ? list : "", list ? ")" : "",
            (long long)spec->values_too);
  else
    sg_fail(l->table->err, SURGERY_BAD_INPUT,
            "%s: %d column%s beside that of the files%s%s%s, but one with the class is needed: name it "
            "label, class or target in a "
            "header. Several columns of 0 and 1 need loss BCEWithLogits",
            l->table->path, others, others == 1 ? "" : "s", list ? " (" : "", list ? list : "", list ? ")" : "");
  free(list);
  return -1;
}

static void take_others(Listing *l) {
  l->target_count = 0;
  for (int i = 0; i < l->table->columns; i++)
    if (i != l->column) l->targets[l->target_count++] = i;
}

/* Which columns hold the targets. */
static int choose_targets(Listing *l) {
  DatasetSpec *spec = &l->spec;
  int others = l->table->columns - 1, named = -1;
  for (int i = 0; l->header && i < l->table->columns; i++)
    if (i != l->column && csv_names_label(l->header[i])) named = i;
  if (spec->target == TARGET_NONE) return 0;
  if (spec->target == TARGET_CLASSES && spec->values_too > 1 && others == spec->values_too)
    spec->target = TARGET_VALUES, spec->target_count = spec->values_too;
  if (others == spec->target_count) {
    take_others(l);
    return 0;
  }
  if (named < 0 || spec->target_count != 1) return fail_columns(l, others);
  l->targets[0] = named, l->target_count = 1;
  l->unused = list_columns(l, false);
  return 0;
}

static int make_room(Listing *l) {
  if (l->rows < l->room) return 0;
  int64_t room = l->room ? l->room * 2 : 256;
  char **files = realloc(l->files, (size_t)room * sizeof *files);
  if (files) l->files = files;
  char **names = realloc(l->names, (size_t)room * sizeof *names);
  if (names) l->names = names;
  float *values = realloc(l->values, (size_t)room * ((size_t)l->target_count + 1) * sizeof *values);
  if (values) l->values = values;
  if (!files || !names || !values)
    return sg_fail(l->table->err, SURGERY_ENVIRONMENT, "%s: no memory for %lld rows", l->table->path, (long long)room);
  l->room = room;
  return 0;
}

static int keep_value(Listing *l, const char *cell, float *to) {
  const DatasetSpec *spec = &l->spec;
  double number;
  char text[480];
  if (!csv_number(l->table, cell, &number) || !isfinite((float)number)) {
    snprintf(text, sizeof text, "%s%s%s", SG_Q(cell),
             spec->loss ? "; classes need loss CrossEntropy, and this is " : "", spec->loss ? spec->loss : "");
    return csv_fail_line(l->table, "not a number: ", text);
  }
  if (spec->values_too && !(number >= 0 && number <= 1))
    return csv_fail_line(l->table, "neither 0 nor 1, nor between them: ", SG_Q(cell));
  *to = (float)number;
  return 0;
}

static int keep_row(Listing *l) {
  char *const *cells = l->table->cells;
  if (make_room(l)) return -1;
  if (!*cells[l->column]) return csv_fail_line(l->table, "no file in it", "");
  for (int k = 0; k < l->target_count; k++) {
    const char *cell = cells[l->targets[k]];
    if (!*cell) return csv_fail_line(l->table, "an empty cell beside ", SG_Q(cells[l->column]));
    if (l->spec.target == TARGET_CLASSES) l->names[l->rows] = cells[l->targets[k]];
    else if (keep_value(l, cell, l->values + l->rows * l->target_count + k)) return -1;
  }
  bool whole = cells[l->column][0] == '/';
  if (asprintf(&l->files[l->rows], "%s%s", whole ? "" : l->folder, cells[l->column]) < 0)
    return sg_fail(l->table->err, SURGERY_ENVIRONMENT, "%s: no memory", l->table->path);
  l->rows++;
  return 0;
}

/* Columns of 0 and 1 go by their names, where the classes have names. */
static int map_columns(Listing *l, Dataset *set) {
  bool labels = set->spec.values_too && l->header;
  size_t count = (size_t)l->target_count;
  char **names = calloc(count + 1, sizeof *names);
  int32_t *map = calloc(count + 1, sizeof *map);
  float *values = malloc((size_t)l->rows * count * sizeof *values + 1);
  int status =
      names && map && values ? 0 : sg_fail(l->table->err, SURGERY_ENVIRONMENT, "%s: no memory", l->table->path);
  for (size_t k = 0; k < count && status == 0; k++)
    names[k] = labels ? l->header[l->targets[k]] : NULL, map[k] = (int32_t)k;
  if (status == 0 && labels) status = dataset_map_classes(set, names, count, map, l->table->err);
  for (int64_t i = 0; i < l->rows && status == 0; i++)
    for (size_t k = 0; k < count; k++) values[(size_t)i * count + (size_t)map[k]] = l->values[(size_t)i * count + k];
  free(names), free(map);
  if (status == 0) dataset_use_file_targets(set, values);
  else free(values);
  return status;
}

static int set_targets(Listing *l, Dataset *set) {
  if (set->spec.target == TARGET_NONE) return 0;
  if (set->spec.target == TARGET_VALUES) return map_columns(l, set);
  int32_t *classes = malloc((size_t)set->count * sizeof *classes + 1);
  int status = classes ? csv_class_targets(l->table, set, l->names, classes)
                       : sg_fail(l->table->err, SURGERY_ENVIRONMENT, "%s: no memory", set->path);
  if (status == 0) status = dataset_check_targets(set, classes, set->path, l->table->err);
  if (status == 0) set->targets = set->labels;
  free(classes);
  return status;
}

static Dataset *make_set(Listing *l) {
  if (l->rows == 0) {
    sg_fail(l->table->err, SURGERY_BAD_INPUT, "%s: holds no samples", l->table->path);
    return NULL;
  }
  Dataset *set = dataset_open_files("csv", l->table->path, (const char *const *)l->files, (size_t)l->rows, &l->spec,
                                    l->table->err);
  if (!set) return NULL;
  if (l->unused) dataset_note(set, "%s: columns that are not used: %s", set->path, l->unused);
  if (set_targets(l, set) == 0) return set;
  dataset_close(set);
  return NULL;
}

/* A row is read into the table's cells again; the header's are kept. */
static int keep_header(Listing *l) {
  l->header = l->table->cells;
  l->table->cells = calloc((size_t)l->table->columns, sizeof *l->table->cells);
  return l->table->cells ? 0 : sg_fail(l->table->err, SURGERY_ENVIRONMENT, "%s: no memory", l->table->path);
}

static int read_rows(Listing *l, bool header) {
  const char *slash = strrchr(l->table->path, '/');
  l->folder = strndup(l->table->path, slash ? (size_t)(slash + 1 - l->table->path) : 0);
  l->targets = calloc((size_t)l->table->columns, sizeof *l->targets);
  if (!l->folder || !l->targets) return sg_fail(l->table->err, SURGERY_ENVIRONMENT, "%s: no memory", l->table->path);
  if ((header && keep_header(l)) || choose_targets(l) || (!header && keep_row(l))) return -1;
  int status;
  while ((status = csv_next_row(l->table)) > 0)
    if (keep_row(l)) return -1;
  return status;
}

Dataset *csv_open_images(CsvTable *table, int column, bool header, const DatasetSpec *spec) {
  Listing l = {.table = table, .spec = *spec, .column = column};
  Dataset *set = read_rows(&l, header) == 0 ? make_set(&l) : NULL;
  for (int64_t i = 0; i < l.rows; i++) free(l.files[i]);
  free(l.files), free(l.names), free(l.values), free(l.header), free(l.targets), free(l.folder), free(l.unused);
  return set;
}
