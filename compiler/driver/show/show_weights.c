/* `surgeryc show FILE` for a weight file: its tensors in the order of the file, read from the headers alone,
 * as a table and as JSON. */
#include "compiler/driver/show/show.h"
#include "compiler/weights/weights.h"
#include "runtime/base/error.h"

typedef struct FileTotals {
  int64_t numbers, bytes;
} FileTotals;

/* The tensors of a file may share their bytes, so that the sum can be larger than the file; it saturates. */
static FileTotals file_totals(const surgery_weights *w) {
  FileTotals sum = {0, 0};
  for (size_t i = 0; i < surgery_weights_count(w); i++) {
    const surgery_tensor *t = surgery_weights_at(w, i);
    int64_t bytes = t->count * (int64_t)surgery_dtype_size(t->dtype); /* checked by the reader */
    if (__builtin_add_overflow(sum.numbers, t->count, &sum.numbers)) sum.numbers = INT64_MAX;
    if (__builtin_add_overflow(sum.bytes, bytes, &sum.bytes)) sum.bytes = INT64_MAX;
  }
  return sum;
}

void show_weights(Session *s, const CommandOperand *operand, bool color) {
  const surgery_weights *w = operand->weights;
  Arena *a = s->arena;
  Table table = {.arena = a, .columns = 4, .right = 1u << 3};
  table_row(&table, PAINT_HEAD, "tensor", "dtype", "shape", "numbers");
  for (size_t i = 0; i < surgery_weights_count(w); i++) {
    const surgery_tensor *t = surgery_weights_at(w, i);
    table_row(&table, PAINT_NONE, t->name, surgery_dtype_name(t->dtype), sizes_text(a, t->rank, t->shape),
              grouped(a, t->count));
  }
  table_print(&table, stdout, color);
  FileTotals sum = file_totals(w);
  Table totals = {.arena = a, .columns = 2};
  table_row(&totals, PAINT_NONE, "file", operand->given);
  table_row(&totals, PAINT_NONE, "format", surgery_weights_note(w));
  table_row(&totals, PAINT_NONE, "tensors",
            arena_printf(a, "%zu: %s numbers, %s bytes", surgery_weights_count(w), grouped(a, sum.numbers),
                         grouped(a, sum.bytes)));
  for (size_t i = 0, tensors; surgery_weights_sets(w) > 1 && i < surgery_weights_sets(w); i++) {
    const char *name = SG_Q(surgery_weights_set(w, i, &tensors));
    const char *shown = i == surgery_weights_chosen(w) ? ", the one above" : "";
    table_row(&totals, PAINT_NONE, i ? "" : "weights",
              tensors ? arena_printf(a, "under \"%s\": %zu tensors%s", name, tensors, shown)
                      : arena_printf(a, "under \"%s\": cannot be read", name));
  }
  const char *model = weights_guess_model(s, operand->weights);
  if (model) table_row(&totals, PAINT_NONE, "fits", arena_printf(a, "take %s from \"%s\"", model, operand->given));
  putchar('\n');
  table_print(&totals, stdout, false);
}

json_t *weights_json(Session *s, const CommandOperand *operand) {
  const surgery_weights *w = operand->weights;
  json_t *tensors = json_array();
  for (size_t i = 0; i < surgery_weights_count(w); i++) {
    const surgery_tensor *t = surgery_weights_at(w, i);
    json_array_append_new(tensors, json_pack("{s:o, s:s, s:o, s:I}", "name", name_json(s->arena, t->name), "dtype",
                                             surgery_dtype_name(t->dtype), "shape", shape_json(t->rank, t->shape),
                                             "numbers", (json_int_t)t->count));
  }
  json_t *sets = json_array();
  for (size_t i = 0, count; i < surgery_weights_sets(w); i++) {
    const char *name = surgery_weights_set(w, i, &count);
    json_array_append_new(sets,
                          json_pack("{s:o, s:I}", "name", name_json(s->arena, name), "tensors", (json_int_t)count));
  }
  FileTotals sum = file_totals(w);
  return json_pack("{s:s, s:o, s:o, s:o, s:{s:I, s:I, s:I}, s:o, s:o}", "kind", "weights", "file",
                   name_json(s->arena, operand->given), "format", name_json(s->arena, surgery_weights_note(w)), "fits",
                   name_json(s->arena, weights_guess_model(s, operand->weights)), "total", "tensors",
                   (json_int_t)surgery_weights_count(w), "numbers", (json_int_t)sum.numbers, "bytes",
                   (json_int_t)sum.bytes, "sets", sets, "tensors", tensors);
}
