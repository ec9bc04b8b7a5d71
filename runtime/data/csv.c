/* CSV of numbers: a row a sample, the label last or in the column that the header names label, class or
 * target; labels may be numbers or names. Values go to the network as they are. Tables that name picture
 * files go to csv_images.c. Called by dataset.c. Our own: a library would split the rows, which is the smaller part;
 * types, labels and messages with line and column are the rest. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "runtime/data/csv.h"
#include "runtime/base/error.h"

typedef struct Csv {
  CsvTable table;
  const DatasetSpec *spec;
  int label, targets; /* the label's column, -1: none; target columns */
  float *values;      /* growing; rows × inputs */
  char **names;       /* growing; the labels as text, in the file's memory */
  float *reals;       /* growing; targets as numbers */
  int64_t rows, room;
  int64_t inputs;
} Csv;

/* The first row is a header where a column other than the last is no number, or one is named label. Fixes
 * which columns are what. */
static int read_layout(Csv *csv, bool *header) {
  double ignored;
  int named = -1;
  *header = false;
  for (int i = 0; i < csv->table.columns; i++) {
    if (csv_names_label(csv->table.cells[i])) named = i;
    if (i + 1 < csv->table.columns && !csv_number(&csv->table, csv->table.cells[i], &ignored)) *header = true;
  }
  *header = *header || named >= 0;
  csv->inputs = csv->spec->input->shape.count;
  csv->targets = csv->spec->target == TARGET_VALUES ? (int)csv->spec->target_count : 1;
  if (csv->spec->target == TARGET_NONE && csv->table.columns == csv->inputs) csv->targets = 0;
  csv->label = csv->targets == 1 && named >= 0 ? named : csv->table.columns - csv->targets;
  if (csv->table.columns - csv->targets == csv->inputs) return 0;
  char shape[SHAPE_TEXT];
  return sg_fail(csv->table.err, SURGERY_BAD_INPUT,
                 "%s: %d columns: with %d for the target, %d are left, but the input is %s: %lld numbers%s",
                 csv->table.path, csv->table.columns, csv->targets, csv->table.columns - csv->targets,
                 manifest_shape_text(&csv->spec->input->shape, shape), (long long)csv->inputs,
                 csv->spec->input->kind == INPUT_IMAGE ? ", or a column of picture files (a.jpg, b/c.png)" : "");
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
    return sg_fail(csv->table.err, SURGERY_ENVIRONMENT, "%s: no memory for %lld rows", csv->table.path,
                   (long long)room);
  csv->room = room;
  return 0;
}

static int keep_row(Csv *csv) {
  if (make_room(csv)) return -1;
  float *to = csv->values + csv->rows * csv->inputs;
  for (int i = 0; i < csv->table.columns; i++) {
    double number;
    bool target = i >= csv->label && i < csv->label + csv->targets;
    if (target && csv->spec->target == TARGET_NONE) continue;
    if (target && csv->spec->target == TARGET_CLASSES) {
      csv->names[csv->rows] = csv->table.cells[i];
      continue;
    }
    if (!csv_number(&csv->table, csv->table.cells[i], &number) || !isfinite((float)number))
      return csv_fail_line(&csv->table, "not a number: ", SG_Q(csv->table.cells[i]));
    if (target) csv->reals[csv->rows * csv->targets + i - csv->label] = (float)number;
    else *to++ = (float)number;
  }
  csv->rows++;
  return 0;
}

static Dataset *make_set(Csv *csv) {
  if (csv->rows == 0) {
    sg_fail(csv->table.err, SURGERY_BAD_INPUT, "%s: holds no samples", csv->table.path);
    return NULL;
  }
  Dataset *set = dataset_new("csv", csv->table.path, csv->spec, csv->table.err);
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
    status = csv_class_targets(&csv->table, set, csv->names, targets);
    if (status == 0) status = dataset_check_targets(set, targets, csv->table.path, csv->table.err);
  }
  float *values = csv->values;
  if (status) {
    free(targets);
  } else {
    csv->values = NULL;
    status = dataset_use_floats(set, values, targets, csv->table.err);
  }
  if (status == 0) return set;
  dataset_close(set);
  return NULL;
}

/* The first row has been read. */
static int read_rows(Csv *csv) {
  bool header;
  int status;
  if (read_layout(csv, &header)) return -1;
  if (!header && keep_row(csv)) return -1;
  while ((status = csv_next_row(&csv->table)) > 0)
    if (keep_row(csv)) return -1;
  return status;
}

PathMatch csv_probe(const PathHead *head) {
  bool named = path_ends(head->path, ".csv") || path_ends(head->path, ".csv.gz");
  return named && !head->folder ? PATH_SURE : PATH_NOT;
}

Dataset *dataset_open_csv(const char *path, const DatasetSpec *spec, surgery_error *err) {
  if (spec->target == TARGET_CLASSES && spec->target_count != 1) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: a CSV row has one label, the network wants %lld", path,
            (long long)spec->target_count);
    return NULL;
  }
  Csv csv = {.spec = spec};
  Dataset *set = NULL;
  bool header;
  int status = csv_open(&csv.table, path, err);
  if (status == 0) status = csv_next_row(&csv.table);
  int pictures = status > 0 ? csv_image_column(&csv.table, &header) : -1;
  if (pictures >= 0) set = csv_open_images(&csv.table, pictures, header, spec);
  else if (status >= 0 && (status == 0 || read_rows(&csv) == 0)) set = make_set(&csv);
  csv_close(&csv.table);
  free(csv.values), free(csv.names), free(csv.reals);
  return set;
}
