/* Text in columns for stdout: every column as wide as its widest cell, whatever the names are. Cells may hold
 * any bytes; what is no printable UTF-8 is replaced. Used by the commands that show something. */
#ifndef SURGERY_DRIVER_TABLE_H
#define SURGERY_DRIVER_TABLE_H
#include "compiler/base/source.h"
#include <stdio.h>

enum { TABLE_MOST_COLUMNS = 8 };
typedef enum Paint {
  PAINT_NONE,
  PAINT_HEAD,
  PAINT_TRAINED,
  PAINT_FROZEN,
  PAINT_PARTLY,
  PAINT_REMOVED,
  PAINT_ADDED,
  PAINT_COUNT
} Paint;

typedef struct TableRow {
  const char *cell[TABLE_MOST_COLUMNS]; /* NULL: empty */
  Paint paint;
} TableRow;
typedef struct Table {
  Arena *arena;
  size_t columns;
  unsigned right; /* bits: columns that are aligned to the right */
  VEC(TableRow) rows;
} Table;

/* A row of as many texts as the table has columns; they are kept by reference where they are clean. */
#define table_row(table, paint, ...) table_add((table), (paint), (const char *const[]){__VA_ARGS__})
void table_add(Table *table, Paint paint, const char *const *cells);
void table_print(const Table *table, FILE *out, bool color);
/* The sequence that begins a colour, and the one that ends it; "" without colour. */
const char *paint_begin(Paint paint, bool color);
const char *paint_end(Paint paint, bool color);
/* 11176512 → "11,176,512" */
const char *grouped(Arena *arena, int64_t number);
#endif
