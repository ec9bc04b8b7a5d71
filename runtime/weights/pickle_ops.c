/* The opcodes, and a table with one row for each. Rows without a handler are opcodes that no weight file
 * needs; meeting one is an error that names it. Called only by pickle.c. */
#include "runtime/weights/pickle.h"

#include <stdlib.h>

enum { MOST_MARKS = 1000 };

/* ---- arguments ---- */

static int get(PickleMachine *m, void *to, size_t size) {
  return stream_get(m->from, to, size, "a pickle opcode", m->err);
}

static int get_unsigned(PickleMachine *m, unsigned bytes, uint64_t *to) {
  *to = 0;
  return get(m, to, bytes); /* little-endian, like the machine */
}

static int push_text(PickleMachine *m, PickleKind kind, unsigned length_bytes) {
  uint64_t length;
  if (get_unsigned(m, length_bytes, &length)) return -1;
  if (length > stream_left(m->from) || length > INT32_MAX) {
    return pickle_refuse(m, m->op_at, "a text of %llu bytes, but %llu are left", ULL(length),
                         ULL(stream_left(m->from)));
  }
  PickleValue *v = pickle_value(m, kind);
  char *text = v ? pool_alloc(m->pool, (size_t)length + 1) : NULL;
  if (!v) return -1;
  if (!text) return pickle_no_memory(m);
  if (get(m, text, (size_t)length)) return -1;
  v->text = text;
  v->count = (uint32_t)length;
  return pickle_push(m, v);
}

static int push_int(PickleMachine *m, int64_t integer) {
  PickleValue *v = pickle_value(m, PICKLE_INT);
  if (v) v->integer = integer;
  return pickle_push(m, v);
}

static int push_long(PickleMachine *m, unsigned length_bytes) {
  uint64_t length;
  if (get_unsigned(m, length_bytes, &length)) return -1;
  if (length > 8) {
    stream_seek(m->from, stream_at(m->from) - length_bytes); /* as bytes, whole */
    return push_text(m, PICKLE_BIG, length_bytes);
  }
  uint64_t bits = 0;
  if (get(m, &bits, (size_t)length)) return -1;
  if (length > 0 && length < 8 && bits >> (8 * length - 1)) bits |= ~UINT64_C(0) << (8 * length); /* two's complement */
  return push_int(m, (int64_t)bits);
}

/* "module\n" or "name\n" of GLOBAL. */
static int get_line(PickleMachine *m, char *to, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (get(m, to + i, 1)) return -1;
    if (to[i] == '\n') {
      to[i] = '\0';
      return 0;
    }
  }
  return pickle_refuse(m, m->op_at, "a global's name is longer than %zu bytes", size - 1);
}

/* ---- opcodes ---- */

#define OP(name) static int op_##name(PickleMachine *m)

OP(proto) {
  uint64_t version;
  if (get_unsigned(m, 1, &version)) return -1;
  return version <= 5 ? 0 : pickle_refuse(m, m->op_at, "pickle protocol %llu is not known", ULL(version));
}
OP(frame) {
  uint64_t length;
  if (get_unsigned(m, 8, &length)) return -1;
  if (length <= stream_left(m->from)) return 0; /* frames only help reading ahead */
  return pickle_refuse(m, m->op_at, "a frame of %llu bytes, but %llu are left", ULL(length), ULL(stream_left(m->from)));
}
OP(stop) {
  m->stopped = true;
  return pickle_need(m, 1, "STOP");
}
OP(mark) {
  if (m->mark_count == MOST_MARKS)
    return pickle_refuse(m, m->op_at, "recursion too deep: over %d open marks", MOST_MARKS);
  if (m->mark_count == m->mark_capacity) {
    size_t capacity = m->mark_capacity * 2 + 32;
    size_t *grown = realloc(m->marks, capacity * sizeof *grown);
    if (!grown) return pickle_no_memory(m);
    m->marks = grown;
    m->mark_capacity = capacity;
  }
  m->marks[m->mark_count++] = m->depth;
  return 0;
}
OP(pop) {
  if (m->mark_count && m->depth == pickle_floor(m)) return m->mark_count--, 0; /* as Python: the mark itself */
  if (pickle_need(m, 1, "POP")) return -1;
  m->depth--;
  return 0;
}
OP(pop_mark) {
  PickleValue **first;
  size_t count;
  return pickle_pop_mark(m, "POP_MARK", &first, &count);
}
OP(dup) { return pickle_need(m, 1, "DUP") ? -1 : pickle_push(m, m->stack[m->depth - 1]); }

OP(none) { return pickle_push(m, m->none); }
static int push_bool(PickleMachine *m, bool value) {
  PickleValue *v = pickle_value(m, PICKLE_BOOL);
  if (v) v->integer = value;
  return pickle_push(m, v);
}
OP(newtrue) { return push_bool(m, true); }
OP(newfalse) { return push_bool(m, false); }
OP(binint) {
  uint64_t bits;
  return get_unsigned(m, 4, &bits) ? -1 : push_int(m, (int32_t)(uint32_t)bits);
}
OP(binint1) {
  uint64_t bits;
  return get_unsigned(m, 1, &bits) ? -1 : push_int(m, (int64_t)bits);
}
OP(binint2) {
  uint64_t bits;
  return get_unsigned(m, 2, &bits) ? -1 : push_int(m, (int64_t)bits);
}
OP(long1) { return push_long(m, 1); }
OP(long4) { return push_long(m, 4); }
OP(binfloat) {
  uint64_t bits;
  if (get_unsigned(m, 8, &bits)) return -1;
  bits = __builtin_bswap64(bits); /* the one big-endian thing in a pickle */
  PickleValue *v = pickle_value(m, PICKLE_FLOAT);
  if (v) memcpy(&v->number, &bits, 8);
  return pickle_push(m, v);
}
OP(short_binunicode) { return push_text(m, PICKLE_STRING, 1); }
OP(binunicode) { return push_text(m, PICKLE_STRING, 4); }
OP(binunicode8) { return push_text(m, PICKLE_STRING, 8); }
/* Python 2's str: names of tensors, keys, modules. */
OP(short_binstring) { return push_text(m, PICKLE_STRING, 1); }
OP(binstring) { return push_text(m, PICKLE_STRING, 4); }
OP(short_binbytes) { return push_text(m, PICKLE_BYTES, 1); }
OP(binbytes) { return push_text(m, PICKLE_BYTES, 4); }
OP(binbytes8) { return push_text(m, PICKLE_BYTES, 8); }

OP(empty_tuple) { return pickle_push(m, pickle_value(m, PICKLE_TUPLE)); }
OP(empty_list) { return pickle_push(m, pickle_value(m, PICKLE_LIST)); }
OP(empty_dict) { return pickle_push(m, pickle_value(m, PICKLE_DICT)); }
OP(empty_set) { return pickle_push(m, pickle_value(m, PICKLE_SET)); }

static PickleValue *sequence(PickleMachine *m, PickleKind kind, PickleValue **from, size_t count) {
  PickleValue *v = pickle_value(m, kind);
  if (!v || count == 0) return v;
  v->items = count < UINT32_MAX ? pool_grow(m->pool, from, count, count, sizeof *from) : NULL;
  if (!v->items) return pickle_no_memory(m), NULL;
  v->count = v->capacity = (uint32_t)count;
  return v;
}
static int tuple_of(PickleMachine *m, size_t count, const char *opcode) {
  if (pickle_need(m, count, opcode)) return -1;
  PickleValue *v = sequence(m, PICKLE_TUPLE, m->stack + m->depth - count, count);
  m->depth -= count;
  return pickle_push(m, v);
}
OP(tuple1) { return tuple_of(m, 1, "TUPLE1"); }
OP(tuple2) { return tuple_of(m, 2, "TUPLE2"); }
OP(tuple3) { return tuple_of(m, 3, "TUPLE3"); }
static int from_mark(PickleMachine *m, PickleKind kind, const char *opcode) {
  PickleValue **first;
  size_t count;
  if (pickle_pop_mark(m, opcode, &first, &count)) return -1;
  if (kind == PICKLE_DICT && count % 2) return pickle_refuse(m, m->op_at, "%s with a key that has no value", opcode);
  return pickle_push(m, sequence(m, kind, first, count));
}
OP(tuple) { return from_mark(m, PICKLE_TUPLE, "TUPLE"); }
OP(list) { return from_mark(m, PICKLE_LIST, "LIST"); }
OP(dict) { return from_mark(m, PICKLE_DICT, "DICT"); }
OP(frozenset) { return from_mark(m, PICKLE_SET, "FROZENSET"); }

/* Adds to what lies on top. A class derived from dict or list is an OBJECT: of it, items of dicts are kept.
 */
static int add_items(PickleMachine *m, PickleKind kind, PickleValue **items, size_t count, const char *opcode) {
  if (pickle_need(m, 1, opcode)) return -1;
  PickleValue *to = m->stack[m->depth - 1];
  if (to->kind == PICKLE_OPAQUE || (to->kind == PICKLE_OBJECT && kind != PICKLE_DICT)) return 0;
  if (to->kind != kind && to->kind != PICKLE_OBJECT && to->kind != PICKLE_CALL) {
    return pickle_refuse(m, m->op_at, "the pickle's opcode %s works on %s, not %s", opcode, pickle_kind_name(kind),
                         pickle_kind_name((PickleKind)to->kind));
  }
  if (kind == PICKLE_DICT && count % 2) return pickle_refuse(m, m->op_at, "%s with a key that has no value", opcode);
  for (size_t i = 0; i < count; i++) {
    if (pickle_append(m, to, items[i])) return -1;
  }
  return 0;
}
static int add_some(PickleMachine *m, PickleKind kind, size_t count, const char *opcode) {
  if (pickle_need(m, count + 1, opcode)) return -1;
  m->depth -= count;
  return add_items(m, kind, m->stack + m->depth, count, opcode);
}
static int add_marked(PickleMachine *m, PickleKind kind, const char *opcode) {
  PickleValue **first;
  size_t count;
  return pickle_pop_mark(m, opcode, &first, &count) ? -1 : add_items(m, kind, first, count, opcode);
}
OP(append) { return add_some(m, PICKLE_LIST, 1, "APPEND"); }
OP(appends) { return add_marked(m, PICKLE_LIST, "APPENDS"); }
OP(setitem) { return add_some(m, PICKLE_DICT, 2, "SETITEM"); }
OP(setitems) { return add_marked(m, PICKLE_DICT, "SETITEMS"); }
OP(additems) { return add_marked(m, PICKLE_SET, "ADDITEMS"); }

static int memo_put(PickleMachine *m, uint64_t index, const char *opcode) {
  if (pickle_need(m, 1, opcode)) return -1;
  /* An index is a number of values made so far, each of a byte at least: no honest one is larger. */
  if (index > stream_at(m->from) - m->begin) {
    return pickle_refuse(m, m->op_at, "%s: memo index %llu after only %llu bytes", opcode, ULL(index),
                         ULL(stream_at(m->from) - m->begin));
  }
  if (index >= m->memo_capacity) {
    size_t capacity = (size_t)index + (size_t)index / 2 + 64;
    PickleValue **grown = realloc(m->memo, capacity * sizeof *grown);
    if (!grown) return pickle_no_memory(m);
    memset(grown + m->memo_capacity, 0, (capacity - m->memo_capacity) * sizeof *grown);
    m->memo = grown;
    m->memo_capacity = capacity;
  }
  m->memo[index] = m->stack[m->depth - 1];
  m->memo_next++;
  return 0;
}
static int memo_get(PickleMachine *m, unsigned bytes, const char *opcode) {
  uint64_t index;
  if (get_unsigned(m, bytes, &index)) return -1;
  if (index >= m->memo_capacity || !m->memo[index]) {
    return pickle_refuse(m, m->op_at, "dangling memo: %s asks for value %llu, which was never stored", opcode,
                         ULL(index));
  }
  return pickle_push(m, m->memo[index]);
}
OP(binput) {
  uint64_t index;
  return get_unsigned(m, 1, &index) ? -1 : memo_put(m, index, "BINPUT");
}
OP(long_binput) {
  uint64_t index;
  return get_unsigned(m, 4, &index) ? -1 : memo_put(m, index, "LONG_BINPUT");
}
OP(memoize) { return memo_put(m, m->memo_next, "MEMOIZE"); }
OP(binget) { return memo_get(m, 1, "BINGET"); }
OP(long_binget) { return memo_get(m, 4, "LONG_BINGET"); }

OP(global) {
  char module[512], name[512];
  if (get_line(m, module, sizeof module) || get_line(m, name, sizeof name)) return -1;
  return pickle_push(m, pickle_global(m, module, name));
}
OP(stack_global) {
  if (pickle_need(m, 2, "STACK_GLOBAL")) return -1;
  const PickleValue *module = m->stack[m->depth - 2], *name = m->stack[m->depth - 1];
  if (module->kind != PICKLE_STRING || name->kind != PICKLE_STRING) {
    return pickle_refuse(m, m->op_at, "STACK_GLOBAL needs two strings, not %s and %s",
                         pickle_kind_name((PickleKind)module->kind), pickle_kind_name((PickleKind)name->kind));
  }
  m->depth -= 2;
  return pickle_push(m, pickle_global(m, module->text, name->text));
}
OP(reduce) {
  if (pickle_need(m, 2, "REDUCE")) return -1;
  m->depth -= 2;
  return pickle_push(m, pickle_reduce(m, m->stack[m->depth], m->stack[m->depth + 1]));
}
OP(newobj) {
  if (pickle_need(m, 2, "NEWOBJ")) return -1;
  m->depth -= 2;
  return pickle_push(m, pickle_newobj(m, m->stack[m->depth], m->stack[m->depth + 1]));
}
OP(newobj_ex) {
  if (pickle_need(m, 3, "NEWOBJ_EX")) return -1;
  m->depth -= 3;
  return pickle_push(m, pickle_newobj(m, m->stack[m->depth], m->stack[m->depth + 1]));
}
OP(build) {
  if (pickle_need(m, 2, "BUILD")) return -1;
  PickleValue *state = m->stack[--m->depth], *to = m->stack[m->depth - 1];
  switch (to->kind) {
  case PICKLE_OBJECT:
    to->state = state;
    /* The oldest parameters: made empty, then given (tensor, gradient, …). */
    if (to->global->action == GLOBAL_PARAMETER && state->kind == PICKLE_TUPLE && state->count > 0 &&
        state->items[0]->kind == PICKLE_TENSOR) {
      to->kind = PICKLE_TENSOR;
      to->tensor = state->items[0]->tensor;
    }
    return 0;
  /* An OrderedDict's _metadata, a Parameter's attributes, a device: nothing that a tensor's values depend on.
   */
  case PICKLE_DICT:
  case PICKLE_TENSOR:
  case PICKLE_OPAQUE: return 0;
  case PICKLE_CALL: return pickle_append(m, to, state);
  default:
    return pickle_refuse(m, m->op_at, "the pickle's opcode BUILD cannot give a state to %s",
                         pickle_kind_name((PickleKind)to->kind));
  }
}
OP(binpersid) {
  if (pickle_need(m, 1, "BINPERSID")) return -1;
  PickleValue *id = m->stack[--m->depth];
  if (!m->persistent) return pickle_refuse(m, m->op_at, "a persistent id where none can be");
  return pickle_push(m, m->persistent(m, id));
}

typedef struct Opcode {
  const char *name;
  int (*run)(PickleMachine *m); /* NULL: refused */
} Opcode;

static const Opcode opcodes[256] = {
    [0x80] = {"PROTO", op_proto},
    [0x95] = {"FRAME", op_frame},
    ['.'] = {"STOP", op_stop},
    ['('] = {"MARK", op_mark},
    ['0'] = {"POP", op_pop},
    ['1'] = {"POP_MARK", op_pop_mark},
    ['2'] = {"DUP", op_dup},
    ['N'] = {"NONE", op_none},
    [0x88] = {"NEWTRUE", op_newtrue},
    [0x89] = {"NEWFALSE", op_newfalse},
    ['J'] = {"BININT", op_binint},
    ['K'] = {"BININT1", op_binint1},
    ['M'] = {"BININT2", op_binint2},
    [0x8a] = {"LONG1", op_long1},
    [0x8b] = {"LONG4", op_long4},
    ['G'] = {"BINFLOAT", op_binfloat},
    [0x8c] = {"SHORT_BINUNICODE", op_short_binunicode},
    ['X'] = {"BINUNICODE", op_binunicode},
    [0x8d] = {"BINUNICODE8", op_binunicode8},
    ['U'] = {"SHORT_BINSTRING", op_short_binstring},
    ['T'] = {"BINSTRING", op_binstring},
    ['C'] = {"SHORT_BINBYTES", op_short_binbytes},
    ['B'] = {"BINBYTES", op_binbytes},
    [0x8e] = {"BINBYTES8", op_binbytes8},
    [0x96] = {"BYTEARRAY8", op_binbytes8},
    [')'] = {"EMPTY_TUPLE", op_empty_tuple},
    [']'] = {"EMPTY_LIST", op_empty_list},
    ['}'] = {"EMPTY_DICT", op_empty_dict},
    [0x8f] = {"EMPTY_SET", op_empty_set},
    [0x85] = {"TUPLE1", op_tuple1},
    [0x86] = {"TUPLE2", op_tuple2},
    [0x87] = {"TUPLE3", op_tuple3},
    ['t'] = {"TUPLE", op_tuple},
    ['l'] = {"LIST", op_list},
    ['d'] = {"DICT", op_dict},
    [0x91] = {"FROZENSET", op_frozenset},
    ['a'] = {"APPEND", op_append},
    ['e'] = {"APPENDS", op_appends},
    ['s'] = {"SETITEM", op_setitem},
    ['u'] = {"SETITEMS", op_setitems},
    [0x90] = {"ADDITEMS", op_additems},
    ['q'] = {"BINPUT", op_binput},
    ['r'] = {"LONG_BINPUT", op_long_binput},
    [0x94] = {"MEMOIZE", op_memoize},
    ['h'] = {"BINGET", op_binget},
    ['j'] = {"LONG_BINGET", op_long_binget},
    ['c'] = {"GLOBAL", op_global},
    [0x93] = {"STACK_GLOBAL", op_stack_global},
    ['R'] = {"REDUCE", op_reduce},
    [0x81] = {"NEWOBJ", op_newobj},
    [0x92] = {"NEWOBJ_EX", op_newobj_ex},
    ['b'] = {"BUILD", op_build},
    ['Q'] = {"BINPERSID", op_binpersid},
    /* Known and refused: protocols 0 and 1, classes by other ways, extensions, out-of-band buffers. */
    ['I'] = {"INT", NULL},
    ['L'] = {"LONG", NULL},
    ['F'] = {"FLOAT", NULL},
    ['S'] = {"STRING", NULL},
    ['V'] = {"UNICODE", NULL},
    ['g'] = {"GET", NULL},
    ['p'] = {"PUT", NULL},
    ['P'] = {"PERSID", NULL},
    ['i'] = {"INST", NULL},
    ['o'] = {"OBJ", NULL},
    [0x82] = {"EXT1", NULL},
    [0x83] = {"EXT2", NULL},
    [0x84] = {"EXT4", NULL},
    [0x97] = {"NEXT_BUFFER", NULL},
    [0x98] = {"READONLY_BUFFER", NULL},
};

int pickle_step(PickleMachine *m) {
  m->op_at = stream_at(m->from);
  unsigned char code;
  if (stream_get(m->from, &code, 1, "a pickle: it has no STOP", m->err)) return -1;
  const Opcode *op = &opcodes[code];
  if (op->run) return op->run(m);
  if (op->name) return pickle_refuse(m, m->op_at, "the pickle's opcode %s is not allowed in a weight file", op->name);
  return pickle_refuse(m, m->op_at, "0x%02x is no pickle opcode", code);
}
