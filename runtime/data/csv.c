/* CSV, gzipped or not: a row a sample, the label last or in the column that the header names label, class or
 * target. Commas, semicolons or tabs; quotes; labels may be numbers or names. Values go to the network as
 * they are. Called by dataset.c. */
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "runtime/data/dataset.h"
#include "runtime/error.h"

#define CSV_LIMIT ((size_t)1 << 34)

typedef struct Csv {
  const char *path;
  const DatasetSpec *spec;
  surgery_error *err;
  locale_t c; /* numbers have a point, whatever the program's locale */
  char *at;   /* the rest of the text */
  int64_t line;
  char separator;
  char **cells;
  int columns, label, targets; /* columns of a row; the label's, -1: none; target columns */
  float *values;               /* growing; rows × inputs */
  char **names;                /* growing; the labels as text, in the file's memory */
  float *reals;                /* growing; targets as numbers */
  int64_t rows, room;
  int64_t inputs;
} Csv;

static int fail_line(Csv *csv, const char *what, const char *detail) {
  return sg_fail(csv->err, SURGERY_BAD_INPUT, "%s: line %lld: %s%s", csv->path, (long long)csv->line, what,
                 detail);
}

static char find_separator(const char *text) {
  size_t best = 0;
  char found = ',';
  const char *end = text + strcspn(text, "\r\n");
  for (const char *s = ",;\t"; *s; s++) {
    size_t count = 0;
    for (const char *p = text; p < end; p++) count += *p == *s;
    if (count > best) best = count, found = *s;
  }
  return found;
}

static int count_columns(const char *text, char separator) {
  int64_t columns = 1;
  bool quoted = false;
  for (const char *p = text; *p && (quoted || (*p != '\n' && *p != '\r')); p++) {
    if (*p == '"')
      quoted = !quoted;
    else if (*p == separator && !quoted)
      columns++;
  }
  return columns > 1 << 24 ? -1 : (int)columns;
}

/* One cell from csv->at, ended in place; *last: it was the row's last. */
static int next_cell(Csv *csv, char **cell, bool *last) {
  char *p = csv->at;
  while (*p == ' ') p++;
  char *to = *cell = p;
  if (*p == '"') {
    for (p++;; p++) {
      if (*p == 0 || *p == '\n') return fail_line(csv, "a quote is not closed", "");
      if (*p == '"' && *++p != '"') break;
      *to++ = *p;
    }
    while (*p == ' ') p++;
    if (*p && *p != csv->separator && *p != '\n' && *p != '\r')
      return fail_line(csv, "text behind a closing quote", "");
  } else {
    while (*p && *p != csv->separator && *p != '\n' && *p != '\r') p++;
    to = p;
    while (to > *cell && to[-1] == ' ') to--;
  }
  char stop = *p;
  *last = stop != csv->separator;
  if (stop == '\r' && p[1] == '\n') p++;
  csv->at = stop ? p + 1 : p;
  *to = 0;
  return 0;
}

/* 1: a row in csv->cells; 0: the end; -1. */
static int next_row(Csv *csv) {
  for (;;) { /* blank lines are no rows */
    csv->line++;
    size_t blank = strspn(csv->at, " ");
    if (csv->at[blank] == '\n')
      csv->at += blank + 1;
    else if (csv->at[blank] == '\r')
      csv->at += blank + 1 + (csv->at[blank + 1] == '\n');
    else if (csv->at[blank] == 0)
      return 0;
    else
      break;
  }
  bool last = false;
  int columns = 0;
  while (!last) {
    char *cell;
    if (next_cell(csv, &cell, &last)) return -1;
    if (columns < csv->columns) csv->cells[columns] = cell;
    columns++;
  }
  if (columns == csv->columns) return 1;
  char detail[80];
  snprintf(detail, sizeof detail, "%d columns, but the first line has %d", columns, csv->columns);
  return fail_line(csv, detail, "");
}

static bool read_number(const Csv *csv, const char *cell, double *to) {
  char *end;
  if (!*cell) return false;
  *to = strtod_l(cell, &end, csv->c);
  return *end == 0;
}

static bool names_label(const char *cell) {
  return strcasecmp(cell, "label") == 0 || strcasecmp(cell, "class") == 0 || strcasecmp(cell, "target") == 0;
}

/* The first row is a header where a column other than the last is no number, or one is named label. Fixes
 * which columns are what. */
static int read_layout(Csv *csv, bool *header) {
  double ignored;
  int named = -1;
  *header = false;
  for (int i = 0; i < csv->columns; i++) {
    if (names_label(csv->cells[i])) named = i;
    if (i + 1 < csv->columns && !read_number(csv, csv->cells[i], &ignored)) *header = true;
  }
  *header = *header || named >= 0;
  csv->inputs = csv->spec->input->shape.count;
  csv->targets = csv->spec->target == TARGET_VALUES ? (int)csv->spec->target_count : 1;
  if (csv->spec->target == TARGET_NONE && csv->columns == csv->inputs) csv->targets = 0;
  csv->label = csv->targets == 1 && named >= 0 ? named : csv->columns - csv->targets;
  if (csv->columns - csv->targets == csv->inputs) return 0;
  char shape[SHAPE_TEXT];
  return sg_fail(csv->err, SURGERY_BAD_INPUT,
                 "%s: %d columns: with %d for the target, %d are left, but the input is %s: %lld numbers",
                 csv->path, csv->columns, csv->targets, csv->columns - csv->targets,
                 manifest_shape_text(&csv->spec->input->shape, shape), (long long)csv->inputs);
}

static int make_room(Csv *csv) {
  if (csv->rows < csv->room) return 0;
  int64_t room = csv->room ? csv->room * 2 : 256;
  float *values = realloc(csv->values, (size_t)(room * csv->inputs) * sizeof *values + 1);
  if (values) csv->values = values;
  char **names = realloc(csv->names, (size_t)room * sizeof *names);
  if (names) csv->names = names;
  float *reals = realloc(csv->reals, (size_t)(room * csv->targets) * sizeof *reals + 1);
  if (reals) csv->reals = reals;
  if (!values || !names || !reals)
    return sg_fail(csv->err, SURGERY_ENVIRONMENT, "%s: no memory for %lld rows", csv->path, (long long)room);
  csv->room = room;
  return 0;
}

static int keep_row(Csv *csv) {
  if (make_room(csv)) return -1;
  float *to = csv->values + csv->rows * csv->inputs;
  for (int i = 0; i < csv->columns; i++) {
    double number;
    bool target = i >= csv->label && i < csv->label + csv->targets;
    if (target && csv->spec->target == TARGET_NONE) continue;
    if (target && csv->spec->target == TARGET_CLASSES) {
      csv->names[csv->rows] = csv->cells[i];
      continue;
    }
    if (!read_number(csv, csv->cells[i], &number) || !isfinite((float)number))
      return fail_line(csv, "not a number: ", SG_Q(csv->cells[i]));
    if (target)
      csv->reals[csv->rows * csv->targets + i - csv->label] = (float)number;
    else
      *to++ = (float)number;
  }
  csv->rows++;
  return 0;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names as labels: the sorted different ones are the classes. */
static int name_classes(const Csv *csv, Dataset *set, int32_t *targets) {
  char **sorted = malloc((size_t)csv->rows * sizeof *sorted + 1);
  if (!sorted) return sg_fail(csv->err, SURGERY_ENVIRONMENT, "%s: no memory", csv->path);
  memcpy(sorted, csv->names, (size_t)csv->rows * sizeof *sorted);
  qsort(sorted, (size_t)csv->rows, sizeof *sorted, compare_names);
  size_t count = 0;
  for (int64_t i = 0; i < csv->rows; i++)
    if (count == 0 || strcmp(sorted[count - 1], sorted[i]) != 0) sorted[count++] = sorted[i];
  int32_t *map = malloc(count * sizeof *map + 1);
  int status = map ? dataset_map_classes(set, sorted, count, map, csv->err)
                   : sg_fail(csv->err, SURGERY_ENVIRONMENT, "no memory");
  for (int64_t i = 0; i < csv->rows && status == 0; i++) {
    char **found = bsearch(&csv->names[i], sorted, count, sizeof *sorted, compare_names);
    targets[i] = map[found - sorted];
  }
  free(map), free(sorted);
  return status;
}

static int label_targets(const Csv *csv, Dataset *set, int32_t *targets) {
  bool numbers = true;
  double number;
  for (int64_t i = 0; i < csv->rows && numbers; i++) {
    numbers = read_number(csv, csv->names[i], &number) && number == floor(number) && fabs(number) < 1e9;
    targets[i] = numbers ? (int32_t)number : 0;
  }
  return numbers ? 0 : name_classes(csv, set, targets);
}

static Dataset *make_set(Csv *csv) {
  if (csv->rows == 0) {
    sg_fail(csv->err, SURGERY_BAD_INPUT, "%s: holds no samples", csv->path);
    return NULL;
  }
  Dataset *set = dataset_new("csv", csv->path, csv->spec, csv->err);
  if (!set) return NULL;
  set->count = csv->rows;
  void *targets = csv->reals;
  csv->reals = NULL; /* four bytes a target, either way */
  int status = 0;
  if (csv->spec->target == TARGET_NONE) { /* a column of labels that nobody asked for, or none */
    free(targets);
    targets = NULL;
  }
  if (csv->spec->target == TARGET_CLASSES) {
    status = label_targets(csv, set, targets);
    if (status == 0) status = dataset_check_targets(set, targets, csv->path, csv->err);
  }
  float *values = csv->values;
  if (status) {
    free(targets);
  } else {
    csv->values = NULL;
    status = dataset_use_floats(set, values, targets, csv->err);
  }
  if (status == 0) return set;
  dataset_close(set);
  return NULL;
}

static int read_rows(Csv *csv) {
  csv->separator = find_separator(csv->at);
  csv->columns = count_columns(csv->at + strspn(csv->at, "\r\n"), csv->separator);
  if (csv->columns < 1 || !(csv->cells = calloc((size_t)csv->columns, sizeof *csv->cells)))
    return sg_fail(csv->err, SURGERY_BAD_INPUT, "%s: too many columns", csv->path);
  bool header;
  int status = next_row(csv);
  if (status <= 0) return status;
  if (read_layout(csv, &header)) return -1;
  if (!header && keep_row(csv)) return -1;
  while ((status = next_row(csv)) > 0)
    if (keep_row(csv)) return -1;
  return status;
}

Dataset *dataset_open_csv(const char *path, const DatasetSpec *spec, surgery_error *err) {
  uint8_t *text;
  size_t size;
  if (spec->target == TARGET_CLASSES && spec->target_count != 1) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: a CSV row has one label, the network wants %lld", path,
            (long long)spec->target_count);
    return NULL;
  }
  if (gzip_read(path, CSV_LIMIT, &text, &size, err)) return NULL;
  Csv csv = {.path = path, .spec = spec, .err = err, .at = (char *)text};
  Dataset *set = NULL;
  const uint8_t *zero = memchr(text, 0, size);
  if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) csv.at += 3; /* byte order mark */
  if (zero)
    sg_fail(err, SURGERY_BAD_INPUT, "%s: byte %td: a zero byte: this is no text", path, zero - text);
  else if (!(csv.c = newlocale(LC_ALL_MASK, "C", (locale_t)0)))
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  else if (read_rows(&csv) == 0)
    set = make_set(&csv);
  if (csv.c) freelocale(csv.c);
  free(csv.cells), free(csv.values), free(csv.names), free(csv.reals), free(text);
  return set;
}
