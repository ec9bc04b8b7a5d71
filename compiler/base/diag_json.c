/* Diagnostics as JSON for editors, and the order that both printers use. docs/messages.md lists the fields and
 * promises that they stay. Called once by the driver, at the end. */
#include "compiler/base/diag.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

enum { MOST_WRITTEN = 1000 };

typedef struct Ordered {
  Diag *diag;
  size_t index;
} Ordered;

static int compare_places(const void *left, const void *right) {
  const Ordered *a = left, *b = right;
  const Span *x = &a->diag->span, *y = &b->diag->span;
  if (x->source != y->source) return x->source < y->source ? -1 : 1; /* SPAN_NO_SOURCE is the largest */
  if (x->source != SPAN_NO_SOURCE && x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return a->index < b->index ? -1 : a->index > b->index;
}

Diag **diag_sorted(const Diags *diags, Arena *arena) {
  size_t count = diags->all.count;
  Ordered *order = arena_array(arena, Ordered, count + 1);
  for (size_t i = 0; i < count; i++) order[i] = (Ordered){diags->all.at[i], i};
  qsort(order, count, sizeof *order, compare_places);
  Diag **sorted = arena_array(arena, Diag *, count + 1);
  for (size_t i = 0; i < count; i++) sorted[i] = order[i].diag;
  return sorted;
}

static json_t *text_json(Arena *arena, const char *text) {
  return text ? json_string(clean_text(arena, text, strlen(text))) : json_null();
}

static void set_place(Arena *arena, json_t *object, const Sources *sources, Span span) {
  if (span.source >= sources->files.count) {
    static const char *const fields[] = {"file", "line", "column", "end_line", "end_column", "begin", "end"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) json_object_set_new(object, fields[i], json_null());
    return;
  }
  const Source *source = &sources->files.at[span.source];
  int line, column, end_line, end_column;
  if (span.end < span.begin) span.end = span.begin;
  source_position(source, span.begin, &line, &column);
  source_position(source, span.end, &end_line, &end_column);
  json_object_set_new(object, "file", text_json(arena, source->path));
  json_object_set_new(object, "line", json_integer(line));
  json_object_set_new(object, "column", json_integer(column));
  json_object_set_new(object, "end_line", json_integer(end_line));
  json_object_set_new(object, "end_column", json_integer(end_column));
  json_object_set_new(object, "begin", json_integer(span.begin));
  json_object_set_new(object, "end", json_integer(span.end));
}

static const Source *source_at(const Sources *sources, Span span) {
  return span.source < sources->files.count ? &sources->files.at[span.source] : NULL;
}

static json_t *texts_json(Arena *arena, const char *const *at, size_t count) {
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++) json_array_append_new(array, text_json(arena, at[i]));
  return array;
}

static json_t *diag_json(Arena *arena, const Sources *sources, const Diag *diag) {
  json_t *object = json_object();
  json_object_set_new(object, "code", json_string(diag_code_name(diag->code)));
  json_object_set_new(object, "severity", json_string(diag_severity_name(diag->severity)));
  json_object_set_new(object, "message", text_json(arena, diag->message));
  set_place(arena, object, sources, diag->span);
  json_object_set_new(object, "caret", text_json(arena, diag->caret_text));
  json_t *labels = json_array();
  for (size_t i = 0; i < diag->labels.count; i++) {
    json_t *label = json_object();
    set_place(arena, label, sources, diag->labels.at[i].span);
    json_object_set_new(label, "text", text_json(arena, diag->labels.at[i].text));
    json_array_append_new(labels, label);
  }
  for (const Source *s = source_at(sources, diag->span); s && source_at(sources, s->included);) {
    json_t *label = json_object();
    set_place(arena, label, sources, s->included);
    json_object_set_new(label, "text", json_string("included from here"));
    json_array_append_new(labels, label);
    s = source_at(sources, s->included);
  }
  json_object_set_new(object, "labels", labels);
  json_object_set_new(object, "help", texts_json(arena, diag->help.at, diag->help.count));
  json_object_set_new(object, "notes", texts_json(arena, diag->notes.at, diag->notes.count));
  json_t *fixes = json_array();
  for (size_t i = 0; i < diag->fixes.count; i++) {
    json_t *fix = json_object();
    set_place(arena, fix, sources, diag->fixes.at[i].span);
    json_t *text = json_string(diag->fixes.at[i].text); /* as it is to be written, newlines too */
    json_object_set_new(fix, "text", text ? text : text_json(arena, diag->fixes.at[i].text));
    json_array_append_new(fixes, fix);
  }
  json_object_set_new(object, "fixes", fixes);
  return object;
}

void diag_print_json(Diags *diags, FILE *out) {
  Arena *arena = arena_create();
  Diag **sorted = diag_sorted(diags, arena);
  json_t *array = json_array();
  size_t count = diags->all.count < MOST_WRITTEN ? diags->all.count : MOST_WRITTEN;
  for (size_t i = 0; i < count; i++) json_array_append_new(array, diag_json(arena, diags->sources, sorted[i]));
  errno = ENOMEM; /* the only reason for which jansson refuses what is valid UTF-8 */
  if (!array || json_array_size(array) != count) fail_environment("the messages cannot be written as JSON");
  json_dumpf(array, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
  fputc('\n', out);
  json_decref(array);
  diags->all.count = 0;
  arena_destroy(arena);
}
