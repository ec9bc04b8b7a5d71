/* Between the files that read CSV: a table of text, row by row. Private to runtime/data/. */
#ifndef SURGERY_CSV_H
#define SURGERY_CSV_H
#include <locale.h>
#include "runtime/data/dataset.h"

typedef struct CsvTable {
  const char *path;
  surgery_error *err;
  uint8_t *text; /* all of it, unpacked; cells are views into it */
  locale_t c;    /* numbers have a point, whatever the program's locale */
  char *at;      /* the rest of the text */
  int64_t line;
  char separator;
  char **cells; /* of the last row that was read */
  int columns;  /* of each row */
} CsvTable;

/* Also where it fails csv_close has to be called. */
int csv_open(CsvTable *csv, const char *path, surgery_error *err);
void csv_close(CsvTable *csv);
/* 1: a row in csv->cells; 0: the end; -1. */
int csv_next_row(CsvTable *csv);
/* The next row into a table of its own, which is to be closed; csv itself stays where it is. */
int csv_peek(const CsvTable *csv, CsvTable *next, surgery_error *err);
int csv_fail_line(CsvTable *csv, const char *what, const char *detail);
/* All of the cell is a number. */
bool csv_number(const CsvTable *csv, const char *cell, double *to);
bool csv_names_label(const char *cell); /* "label", "class" or "target" */
/* set->count cells as classes: numbers, or names; fills targets, and the names of the classes. */
int csv_class_targets(const CsvTable *csv, Dataset *set, char **names, int32_t *targets);

/* csv_images.c: the column of picture files; -1: there is none, so that the cells are numbers. `first`: the
 * first row was just read; *header: it names the columns. */
int csv_image_column(const CsvTable *first, bool *header);
/* With the first row just read; path and spec as dataset_open has them. */
Dataset *csv_open_images(CsvTable *csv, int column, bool header, const DatasetSpec *spec);
#endif
