/* Columns that fit their cells, and the colours of a terminal. Knows nothing of networks. */
#include "compiler/driver/table.h"
#include "compiler/base/diag.h"

static const char *const begins[PAINT_COUNT] = {
    [PAINT_NONE] = "",           [PAINT_HEAD] = "\033[1m",    [PAINT_TRAINED] = "\033[32m",
    [PAINT_FROZEN] = "\033[36m", [PAINT_PARTLY] = "\033[33m", [PAINT_REMOVED] = "\033[31m",
    [PAINT_ADDED] = "\033[32m"};

const char *paint_begin(Paint paint, bool color) { return color ? begins[paint] : ""; }

const char *paint_end(Paint paint, bool color) { return color && *begins[paint] ? "\033[0m" : ""; }

const char *grouped(Arena *arena, int64_t number) { return arena_strdup(arena, text_thousands(number, (char[32]){0})); }

static size_t text_width(const char *text) {
  size_t width = 0;
  const char *end = text + strlen(text);
  uint32_t point;
  for (int length; text < end && (length = utf8_decode(text, end, &point)) > 0; text += length)
    width += (size_t)utf8_width(point);
  return width;
}

void table_add(Table *table, Paint paint, const char *const *cells) {
  TableRow row = {.paint = paint};
  for (size_t i = 0; i < table->columns; i++)
    row.cell[i] = cells[i] ? clean_text(table->arena, cells[i], strlen(cells[i])) : "";
  vec_push(table->arena, &table->rows, row);
}

static void print_row(const Table *table, const TableRow *row, const size_t *width, FILE *out, bool color) {
  size_t last = table->columns, gap = 0; /* no blanks behind the last cell */
  while (last > 0 && !*row->cell[last - 1]) last--;
  fputs(paint_begin(row->paint, color), out);
  for (size_t i = 0; i < last; i++) {
    size_t pad = width[i] - text_width(row->cell[i]);
    bool right = table->right >> i & 1;
    fprintf(out, "%*s%s", (int)(gap + (right ? pad : 0)), "", row->cell[i]);
    gap = 2 + (right ? 0 : pad);
  }
  fputs(paint_end(row->paint, color), out);
  fputc('\n', out);
}

void table_print(const Table *table, FILE *out, bool color) {
  size_t width[TABLE_MOST_COLUMNS] = {0};
  for (size_t r = 0; r < table->rows.count; r++)
    for (size_t i = 0; i < table->columns; i++) {
      size_t w = text_width(table->rows.at[r].cell[i]);
      if (w > width[i]) width[i] = w;
    }
  for (size_t r = 0; r < table->rows.count; r++) print_row(table, &table->rows.at[r], width, out, color);
}
