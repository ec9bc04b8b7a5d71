/* The differences of two lists of tensors as text and as JSON. Called by command_diff.c. */
#include "compiler/driver/diff.h"
#include <math.h>

static const char *number_words(Arena *arena, const TensorDiff *d, double number) {
  return !d->values ? "" : isinf(number) ? "not finite" : arena_printf(arena, "%.3g", number);
}

static void tensor_row(Arena *arena, Table *table, const char *mark, Paint paint, const DiffTensor *t,
                       const TensorDiff *d) {
  table_row(table, paint, mark, t->name, t->dtype, sizes_text(arena, t->rank, t->shape),
            d ? number_words(arena, d, d->largest) : "", d ? number_words(arena, d, d->relative) : "");
}

static size_t tensor_count(Session *s, const Subject *subject) {
  return subject->weights ? surgery_weights_count(subject->weights)
                          : graph_state_dict(subject->script.graph, s->arena, true).count;
}

static void print_summary(Session *s, const Subject *a, const Subject *b, const TensorDiffs *diffs) {
  size_t only_a = 0, only_b = 0, forms = 0, values = 0;
  const TensorDiff *most = NULL;
  for (size_t i = 0; i < diffs->count; i++) {
    const TensorDiff *d = &diffs->at[i];
    only_a += !d->b;
    only_b += !d->a;
    forms += d->shape || d->dtype;
    values += d->values;
    if (d->values && (!most || d->largest > most->largest)) most = d;
  }
  Table table = {.arena = s->arena, .columns = 2};
  table_row(&table, PAINT_NONE, a->given,
            arena_printf(s->arena, "%zu tensors, %zu only here", tensor_count(s, a), only_a));
  table_row(&table, PAINT_NONE, b->given,
            arena_printf(s->arena, "%zu tensors, %zu only here", tensor_count(s, b), only_b));
  putchar('\n');
  table_print(&table, stdout, false);
  printf("in both: %zu with another shape or dtype, ", forms);
  if (!a->weights || !b->weights) puts("values not compared: a network has none");
  else if (!most) puts("no other values");
  else
    printf("%zu with other values, by up to %s in %s\n", values, number_words(s->arena, most, most->largest),
           most->a->name);
}

void print_tensor_diffs(Session *s, const Subject *a, const Subject *b, const TensorDiffs *diffs, bool color) {
  Table table = {.arena = s->arena, .columns = 6, .right = 1u << 4 | 1u << 5};
  table_row(&table, PAINT_HEAD, "", "tensor", "dtype", "shape", "difference", "relative");
  for (size_t i = 0; i < diffs->count; i++) {
    const TensorDiff *d = &diffs->at[i];
    if (d->a && d->b && !d->shape && !d->dtype) {
      tensor_row(s->arena, &table, "~", PAINT_PARTLY, d->b, d);
      continue;
    }
    if (d->a) tensor_row(s->arena, &table, "-", PAINT_REMOVED, d->a, NULL);
    if (d->b) tensor_row(s->arena, &table, "+", PAINT_ADDED, d->b, d->a ? d : NULL);
  }
  table_print(&table, stdout, color);
  print_summary(s, a, b, diffs);
}

static json_t *side_json(const DiffTensor *t) {
  return t ? json_pack("{s:s, s:o}", "dtype", t->dtype, "shape", shape_json(t->rank, t->shape)) : json_null();
}

/* JSON has no infinity: null, beside "values": true. */
static json_t *number_json(const TensorDiff *d, double number) {
  return d->compared && isfinite(number) ? json_real(number) : json_null();
}

json_t *tensor_diffs_json(Session *s, const Subject *a, const Subject *b, const TensorDiffs *diffs) {
  json_t *tensors = json_array();
  for (size_t i = 0; i < diffs->count; i++) {
    const TensorDiff *d = &diffs->at[i];
    json_array_append_new(tensors, json_pack("{s:o, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o}", "name",
                                             name_json(s->arena, d->a ? d->a->name : d->b->name), "change",
                                             !d->b   ? "removed"
                                             : !d->a ? "added"
                                                     : "changed",
                                             "shape", (int)d->shape, "dtype", (int)d->dtype, "values", (int)d->values,
                                             "difference", number_json(d, d->largest), "relative",
                                             number_json(d, d->relative), "a", side_json(d->a), "b", side_json(d->b)));
  }
  return json_pack("{s:o, s:{s:I, s:I}}", "tensors", tensors, "total", "a", (json_int_t)tensor_count(s, a), "b",
                   (json_int_t)tensor_count(s, b));
}
