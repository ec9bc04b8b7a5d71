/* Tables as text, for the two kinds of CSV: a row at a time, its cells ended in place; and columns of
 * classes. Commas, semicolons or tabs; quotes; gzipped or not. Called by csv.c and csv_images.c. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "runtime/data/csv.h"
#include "runtime/base/error.h"

#define CSV_LIMIT ((size_t)1 << 34)

int csv_fail_line(CsvTable *csv, const char *what, const char *detail) {
  return sg_fail(csv->err, SURGERY_BAD_INPUT, "%s: line %lld: %s%s", csv->path, (long long)csv->line, what, detail);
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
    if (*p == '"') quoted = !quoted;
    else if (*p == separator && !quoted) columns++;
  }
  return columns > 1 << 24 ? -1 : (int)columns;
}

/* One cell from csv->at, ended in place; *last: it was the row's last. */
static int next_cell(CsvTable *csv, char **cell, bool *last) {
  char *p = csv->at;
  while (*p == ' ') p++;
  char *to = *cell = p;
  if (*p == '"') {
    for (p++;; p++) {
      if (*p == 0 || *p == '\n') return csv_fail_line(csv, "a quote is not closed", "");
      if (*p == '"' && *++p != '"') break;
      *to++ = *p;
    }
    while (*p == ' ') p++;
    if (*p && *p != csv->separator && *p != '\n' && *p != '\r')
      return csv_fail_line(csv, "text behind a closing quote", "");
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

int csv_next_row(CsvTable *csv) {
  for (;;) { /* blank lines are no rows */
    csv->line++;
    size_t blank = strspn(csv->at, " ");
    if (csv->at[blank] == '\n') csv->at += blank + 1;
    else if (csv->at[blank] == '\r') csv->at += blank + 1 + (csv->at[blank + 1] == '\n');
    else if (csv->at[blank] == 0) return 0;
    else break;
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
  return csv_fail_line(csv, detail, "");
}

bool csv_number(const CsvTable *csv, const char *cell, double *to) {
  char *end;
  if (!*cell) return false;
  *to = strtod_l(cell, &end, csv->c);
  return *end == 0;
}

bool csv_names_label(const char *cell) {
  return strcasecmp(cell, "label") == 0 || strcasecmp(cell, "class") == 0 || strcasecmp(cell, "target") == 0;
}

int csv_open(CsvTable *csv, const char *path, surgery_error *err) {
  size_t size;
  *csv = (CsvTable){.path = path, .err = err};
  if (gzip_read(path, CSV_LIMIT, &csv->text, &size, err)) return -1;
  const uint8_t *zero = memchr(csv->text, 0, size);
  csv->at = (char *)csv->text;
  if (size >= 3 && memcmp(csv->text, "\xef\xbb\xbf", 3) == 0) csv->at += 3; /* byte order mark */
  if (zero)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: byte %td: a zero byte: this is no text", path, zero - csv->text);
  if (!(csv->c = newlocale(LC_ALL_MASK, "C", (locale_t)0))) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  csv->separator = find_separator(csv->at);
  csv->columns = count_columns(csv->at + strspn(csv->at, "\r\n"), csv->separator);
  if (csv->columns < 1 || !(csv->cells = calloc((size_t)csv->columns, sizeof *csv->cells)))
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: too many columns", path);
  return 0;
}

int csv_peek(const CsvTable *csv, CsvTable *next, surgery_error *err) {
  const char *line = csv->at + strspn(csv->at, " \r\n");
  *next = *csv;
  next->err = err, next->c = (locale_t)0;
  next->cells = calloc((size_t)csv->columns, sizeof *next->cells);
  next->text = (uint8_t *)strndup(line, strcspn(line, "\r\n"));
  next->at = (char *)next->text;
  return next->cells && next->text ? csv_next_row(next) : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
}

void csv_close(CsvTable *csv) {
  if (csv->c) freelocale(csv->c);
  free(csv->cells), free(csv->text);
  csv->cells = NULL, csv->text = NULL, csv->c = (locale_t)0;
}

/* ---- columns of classes ---- */

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Names as labels: the sorted different ones are the classes. */
static int name_classes(Dataset *set, char **names, int32_t *targets, surgery_error *err) {
  char **sorted = malloc((size_t)set->count * sizeof *sorted + 1);
  if (!sorted) return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", set->path);
  memcpy(sorted, names, (size_t)set->count * sizeof *sorted);
  qsort(sorted, (size_t)set->count, sizeof *sorted, compare_names);
  size_t count = 0;
  for (int64_t i = 0; i < set->count; i++)
    if (count == 0 || strcmp(sorted[count - 1], sorted[i]) != 0) sorted[count++] = sorted[i];
  int32_t *map = malloc(count * sizeof *map + 1);
  int status = map ? dataset_map_classes(set, sorted, count, map, err) : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  for (int64_t i = 0; i < set->count && status == 0; i++) {
    char **found = bsearch(&names[i], sorted, count, sizeof *sorted, compare_names);
    targets[i] = map[found - sorted];
  }
  free(map), free(sorted);
  return status;
}

static bool is_label(const DatasetSpec *spec, const char *name) {
  for (size_t i = 0; i < spec->label_count; i++)
    if (strcmp(spec->labels[i], name) == 0) return true;
  return false;
}

/* Classes that are called "3" and "7" are names; else a number is the class's. */
int csv_class_targets(const CsvTable *csv, Dataset *set, char **names, int32_t *targets) {
  bool labels = true, numbers = true, whole = true;
  const char *fraction = NULL;
  for (int64_t i = 0; i < set->count; i++) {
    double number = 0;
    bool is_number = csv_number(csv, names[i], &number),
         fits = is_number && number == floor(number) && fabs(number) < 1e9;
    if (is_number && !fits && !fraction) fraction = names[i];
    numbers = numbers && is_number, whole = whole && fits;
    labels = labels && is_label(&set->spec, names[i]);
    targets[i] = fits ? (int32_t)number : 0;
  }
  if (numbers && !whole && !labels)
    return sg_fail(csv->err, SURGERY_BAD_INPUT,
                   "%s: the targets are numbers, as %s, but the loss tells classes apart: a regression needs "
                   "loss MSE or L1",
                   csv->path, SG_Q(fraction));
  return whole && !labels ? 0 : name_classes(set, names, targets, csv->err);
}
