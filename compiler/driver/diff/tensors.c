/* Compares the tensors of two weight files, or of a network with a file's: by name, shape and dtype, and the
 * values of what both have, read one tensor at a time. Called by command_diff.c. */
#include "compiler/driver/diff/diff.h"
#include <math.h>
#include <stdlib.h>

typedef struct TensorList {
  VEC(DiffTensor) tensors; /* in the order of the file or the state dict */
  const DiffTensor **by_name;
  bool network;
} TensorList;

static int compare_names(const void *a, const void *b) {
  return strcmp((*(const DiffTensor *const *)a)->name, (*(const DiffTensor *const *)b)->name);
}

static TensorList tensors_of(Session *s, const CommandOperand *operand) {
  TensorList list = {.network = operand->weights == NULL};
  if (list.network) {
    const Graph *g = operand->script.graph;
    ParamList all = graph_state_dict(g, s->arena, true);
    for (size_t i = 0; i < all.count; i++) {
      const Param *p = param_at(g, all.at[i]);
      vec_push(s->arena, &list.tensors,
               (DiffTensor){p->name, dtype_name(p->shape.dtype), p->shape.rank, p->shape.dim, NULL});
    }
  } else {
    for (size_t i = 0; i < surgery_weights_count(operand->weights); i++) {
      const surgery_tensor *t = surgery_weights_at(operand->weights, i);
      vec_push(s->arena, &list.tensors, (DiffTensor){t->name, surgery_dtype_name(t->dtype), t->rank, t->shape, t});
    }
  }
  list.by_name = arena_array(s->arena, const DiffTensor *, list.tensors.count + 1);
  for (size_t i = 0; i < list.tensors.count; i++) list.by_name[i] = &list.tensors.at[i];
  qsort(list.by_name, list.tensors.count, sizeof *list.by_name, compare_names);
  return list;
}

static const DiffTensor *find(const TensorList *list, const char *name) {
  DiffTensor key = {.name = name};
  const DiffTensor *at = &key;
  const DiffTensor **found =
      list->tensors.count ? bsearch(&at, list->by_name, list->tensors.count, sizeof at, compare_names) : NULL;
  return found ? *found : NULL;
}

static bool same_shape(const DiffTensor *a, const DiffTensor *b) {
  return a->rank == b->rank && (a->rank == 0 || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0);
}

static bool is_whole(const char *dtype) { return *dtype == 'i' || *dtype == 'u' || streq(dtype, "bool"); }

/* A network's numbers are f32 and i64; a file that has them in another size of the same kind fits it. */
static bool same_dtype(const DiffTensor *a, const DiffTensor *b) {
  if (streq(a->dtype, b->dtype)) return true;
  return (!a->values || !b->values) && is_whole(a->dtype) == is_whole(b->dtype);
}

/* ---- values ---- */

static void note_difference(TensorDiff *d, double x, double y, double difference) {
  double size = fmax(fabs(x), fabs(y));
  double relative = size > 0 ? difference / size : 0;
  d->values = true;
  if (difference > d->largest) d->largest = difference;
  if (relative > d->relative) d->relative = relative;
}

static void compare_floats(TensorDiff *d, const float *x, const float *y, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) continue;
    double difference = fabs((double)x[i] - (double)y[i]);
    if (isnan(difference) || isinf(difference)) {
      d->values = true;
      d->largest = d->relative = INFINITY;
    } else {
      note_difference(d, x[i], y[i], difference);
    }
  }
}

static void compare_wholes(TensorDiff *d, const int64_t *x, const int64_t *y, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (x[i] != y[i]) note_difference(d, (double)x[i], (double)y[i], fmax(1, fabs((double)x[i] - (double)y[i])));
}

static bool compare_values(const CommandOperand *a, const CommandOperand *b, TensorDiff *d) {
  int64_t count = d->a->values->count;
  bool whole =
      is_whole(d->a->dtype) && is_whole(d->b->dtype) && !streq(d->a->dtype, "u64") && !streq(d->b->dtype, "u64");
  void *x = calloc((size_t)count + 1, 8), *y = calloc((size_t)count + 1, 8);
  if (!x || !y) fail_environment("no memory to compare %s: %lld numbers", d->a->name, (long long)count);
  surgery_error err = {0};
  int wrong = whole ? surgery_weights_read_i64(a->weights, d->a->values, x, count, &err) ||
                          surgery_weights_read_i64(b->weights, d->b->values, y, count, &err)
                    : surgery_weights_read(a->weights, d->a->values, x, count, &err) ||
                          surgery_weights_read(b->weights, d->b->values, y, count, &err);
  if (!wrong && whole) compare_wholes(d, x, y, count);
  if (!wrong && !whole) compare_floats(d, x, y, count);
  free(x);
  free(y);
  d->compared = true;
  if (wrong) fprintf(stderr, "surgeryc: %s\n", err.message);
  return !wrong;
}

bool diff_tensors(Session *s, const CommandOperand *a, const CommandOperand *b, TensorDiffs *out) {
  TensorList in_a = tensors_of(s, a), in_b = tensors_of(s, b);
  *out = (TensorDiffs){0};
  for (size_t i = 0; i < in_a.tensors.count; i++) {
    TensorDiff d = {.a = &in_a.tensors.at[i]};
    d.b = find(&in_b, d.a->name);
    if (d.b) {
      d.shape = !same_shape(d.a, d.b);
      d.dtype = !same_dtype(d.a, d.b);
      if (!d.shape && d.a->values && d.b->values && !compare_values(a, b, &d)) return false;
    }
    if (!d.b || d.shape || d.dtype || d.values) vec_push(s->arena, out, d);
  }
  for (size_t i = 0; i < in_b.tensors.count; i++)
    if (!find(&in_a, in_b.tensors.at[i].name)) vec_push(s->arena, out, (TensorDiff){.b = &in_b.tensors.at[i]});
  return true;
}

/* ---- as text and as JSON ---- */

static const char *number_words(Arena *arena, const TensorDiff *d, double number) {
  return !d->values ? "" : isinf(number) ? "not finite" : arena_printf(arena, "%.3g", number);
}

static void tensor_row(Arena *arena, Table *table, const char *mark, Paint paint, const DiffTensor *t,
                       const TensorDiff *d) {
  table_row(table, paint, mark, t->name, t->dtype, sizes_text(arena, t->rank, t->shape),
            d ? number_words(arena, d, d->largest) : "", d ? number_words(arena, d, d->relative) : "");
}

static size_t tensor_count(Session *s, const CommandOperand *operand) {
  return operand->weights ? surgery_weights_count(operand->weights)
                          : graph_state_dict(operand->script.graph, s->arena, true).count;
}

static void print_summary(Session *s, const CommandOperand *a, const CommandOperand *b, const TensorDiffs *diffs) {
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

void print_tensor_diffs(Session *s, const CommandOperand *a, const CommandOperand *b, const TensorDiffs *diffs,
                        bool color) {
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

json_t *tensor_diffs_json(Session *s, const CommandOperand *a, const CommandOperand *b, const TensorDiffs *diffs) {
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
