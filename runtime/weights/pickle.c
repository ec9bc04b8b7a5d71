/* The pickle machine: its values, its stack with marks, and the loop that runs one pickle. The opcodes
 * themselves are in pickle_ops.c. Semantics after Python's pickletools. Our own: a pickle is a program, and Python's
 * reader does whatever the file says; this one calls nothing but the few names of pickle_globals.c. */
#include "runtime/weights/pickle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int pickle_refuse(PickleMachine *m, uint64_t at, const char *format, ...) {
  char text[800];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return sg_fail(m->err, SURGERY_BAD_INPUT, "%s: byte %llu: %s", m->path, ULL(at), text);
}

int pickle_no_memory(PickleMachine *m) {
  if (m->pool->over)
    return pickle_refuse(m, m->op_at, "the pickle's values would take more than %zu bytes, too many for its size",
                         m->pool->limit);
  return sg_fail(m->err, SURGERY_ENVIRONMENT, "%s: byte %llu: no memory for the pickle's values (%zu bytes are in use)",
                 m->path, ULL(m->op_at), m->pool->used);
}

const char *pickle_kind_name(PickleKind kind) {
  static const char *const names[] = {
      "None",  "a bool", "an integer", "a big integer", "a float",         "a string", "bytes",     "a tuple", "a list",
      "a set", "a dict", "a global",   "an object",     "an opaque value", "a call",   "a storage", "a tensor"};
  return names[kind];
}

PickleValue *pickle_value(PickleMachine *m, PickleKind kind) {
  PickleValue *v = pool_alloc(m->pool, sizeof *v);
  if (!v) return pickle_no_memory(m), NULL;
  v->kind = (uint8_t)kind;
  v->at = m->op_at;
  return v;
}

int pickle_append(PickleMachine *m, PickleValue *list, PickleValue *item) {
  if (list->count == list->capacity) {
    uint32_t capacity = list->capacity + list->capacity / 2 + 4;
    PickleValue **items = pool_grow(m->pool, list->items, list->count, capacity, sizeof *items);
    if (!items || capacity < list->capacity) return pickle_no_memory(m);
    list->items = items;
    list->capacity = capacity;
  }
  list->items[list->count++] = item;
  return 0;
}

bool pickle_text_is(const PickleValue *v, const char *text) {
  return v->kind == PICKLE_STRING && v->count == strlen(text) && memcmp(v->text, text, v->count) == 0;
}

PickleValue *pickle_get(const PickleValue *dict, const char *key) {
  for (uint32_t i = 0; i + 1 < dict->count; i += 2) {
    if (pickle_text_is(dict->items[i], key)) return dict->items[i + 1];
  }
  return NULL;
}

/* ---- the stack ---- */

int pickle_push(PickleMachine *m, PickleValue *value) {
  if (!value) return -1;
  if (m->depth == m->stack_capacity) {
    size_t capacity = m->stack_capacity * 2 + 256;
    PickleValue **grown = realloc(m->stack, capacity * sizeof *grown);
    if (!grown) return pickle_no_memory(m);
    m->stack = grown;
    m->stack_capacity = capacity;
  }
  m->stack[m->depth++] = value;
  return 0;
}

/* What lies below the last mark is out of an opcode's reach. */
size_t pickle_floor(const PickleMachine *m) { return m->mark_count ? m->marks[m->mark_count - 1] : 0; }

int pickle_need(PickleMachine *m, size_t values, const char *opcode) {
  size_t there = m->depth - pickle_floor(m);
  if (there >= values) return 0;
  return pickle_refuse(m, m->op_at, "stack underflow: the pickle's opcode %s needs %zu values, %zu are there", opcode,
                       values, there);
}

/* The values above the last mark leave the stack; they stay readable until the next push. */
int pickle_pop_mark(PickleMachine *m, const char *opcode, PickleValue ***first, size_t *count) {
  if (m->mark_count == 0)
    return pickle_refuse(m, m->op_at, "stack underflow: the pickle's opcode %s finds no mark", opcode);
  size_t at = m->marks[--m->mark_count];
  *first = m->stack + at;
  *count = m->depth - at;
  m->depth = at;
  return 0;
}

/* ---- running ---- */

PickleValue *pickle_load(PickleMachine *m) {
  m->begin = m->op_at = stream_at(m->from);
  m->depth = m->mark_count = m->memo_next = 0;
  m->stopped = false;
  m->memo = NULL;
  m->marks = NULL;
  m->mark_capacity = m->memo_capacity = 0;
  m->stack_capacity = 256;
  m->stack = malloc(m->stack_capacity * sizeof *m->stack);
  if (!m->stack) pickle_no_memory(m);
  m->none = pickle_value(m, PICKLE_NONE);
  PickleValue *root = NULL;
  if (m->none && m->stack) {
    while (!m->stopped && pickle_step(m) == 0) {}
    /* `stopped` is also set when STOP found nothing: pickle_need() has then filled the error. */
    if (m->stopped && m->depth > pickle_floor(m)) root = m->stack[m->depth - 1];
  }
  free(m->stack);
  free(m->memo);
  free(m->marks);
  return root;
}
