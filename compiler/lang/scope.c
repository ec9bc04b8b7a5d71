/* Scopes (names → constants), the limits that keep any script finite, and errors that say how one got there.
 * Evaluates nothing. */
#include "compiler/lang/lang.h"

typedef struct Entry {
  const char *name;
  Const value;
} Entry;

struct Scope {
  Arena *arena;
  Scope *parent;
  VEC(Entry) entries; /* in the order of their first definition */
  uint32_t *slots;    /* open addressing: index + 1 into entries; 0 is free */
  size_t slot_count;  /* a power of two */
};

Scope *scope_create(Arena *arena, Scope *parent) {
  Scope *scope = arena_new(arena, Scope);
  scope->arena = arena;
  scope->parent = parent;
  return scope;
}

static size_t hash_text(const char *text) {
  size_t hash = 1469598103934665603u; /* FNV-1a */
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
  return hash;
}

/* The slot that holds `name`, or the free one where it belongs. */
static size_t find_slot(const Scope *scope, const char *name) {
  size_t mask = scope->slot_count - 1, at = hash_text(name) & mask;
  while (scope->slots[at] && !streq(scope->entries.at[scope->slots[at] - 1].name, name)) at = (at + 1) & mask;
  return at;
}

static void grow_slots(Scope *scope) {
  scope->slot_count = scope->slot_count ? scope->slot_count * 2 : 16;
  scope->slots = arena_array(scope->arena, uint32_t, scope->slot_count);
  for (size_t i = 0; i < scope->entries.count; i++)
    scope->slots[find_slot(scope, scope->entries.at[i].name)] = (uint32_t)i + 1;
}

void scope_set(Scope *scope, const char *name, Const value) {
  if (scope->entries.count * 2 >= scope->slot_count) grow_slots(scope);
  size_t slot = find_slot(scope, name);
  if (scope->slots[slot]) {
    scope->entries.at[scope->slots[slot] - 1].value = value;
    return;
  }
  vec_push(scope->arena, &scope->entries, (Entry){name, value});
  scope->slots[slot] = (uint32_t)scope->entries.count;
}

const Const *scope_own(const Scope *scope, const char *name) {
  if (!scope || scope->slot_count == 0) return NULL;
  uint32_t index = scope->slots[find_slot(scope, name)];
  return index ? &scope->entries.at[index - 1].value : NULL;
}

const Const *scope_get(const Scope *scope, const char *name) {
  for (; scope; scope = scope->parent) {
    const Const *found = scope_own(scope, name);
    if (found) return found;
  }
  return NULL;
}

Scope *scope_snapshot(Session *s, Span span, const Scope *scope) {
  if (!front_charge(s, span, (int64_t)scope->entries.count + 16)) return NULL;
  Scope *copy = scope_create(s->arena, scope->parent);
  for (size_t i = 0; i < scope->entries.count; i++)
    scope_set(copy, scope->entries.at[i].name, scope->entries.at[i].value);
  return copy;
}

void scope_names(Arena *arena, const Scope *scope, NameList *out) {
  for (; scope; scope = scope->parent)
    for (size_t i = 0; i < scope->entries.count; i++) vec_push(arena, out, scope->entries.at[i].name);
}

void scope_kind_names(Arena *arena, const Scope *scope, ConstKind kind, NameList *out) {
  for (; scope; scope = scope->parent)
    for (size_t i = 0; i < scope->entries.count; i++)
      if (scope->entries.at[i].value.kind == kind) vec_push(arena, out, scope->entries.at[i].name);
}

void op_names(Arena *arena, bool layers, NameList *out) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++)
    if (op_info((OpId)op)->is_layer == layers) vec_push(arena, out, op_info((OpId)op)->name);
  if (layers) vec_push(arena, out, "Sequential");
}

/* ---- limits ---- */

bool front_charge(Session *s, Span span, int64_t steps) {
  if (s->steps > MAX_STEPS) return false; /* said already */
  s->steps += steps < MAX_STEPS ? steps : MAX_STEPS + 1;
  if (s->steps <= MAX_STEPS) return true;
  Diag *d =
      front_error(s, DIAG_E0119, span, "this script does too much at compile time: more than %d steps", (int)MAX_STEPS);
  diag_help(&s->diags, d, "loops run when the script is compiled, once for each layer; use fewer iterations");
  return false;
}

bool front_enter(Session *s, Span span) {
  if (s->depth < MAX_DEPTH) {
    s->depth++;
    return true;
  }
  front_error(s, DIAG_E0120, span, "too deeply nested: more than %d levels of models, blocks and expressions",
              (int)MAX_DEPTH);
  return false;
}

void front_leave(Session *s) { s->depth--; }

bool front_room(Session *s, const Graph *g, Span span) {
  if (g->modules.count < MAX_LAYERS && g->nodes.count < MAX_LAYERS) return true;
  front_error(s, DIAG_E0119, span, "the network is too large: more than %d layers or calls", (int)MAX_LAYERS);
  return false;
}

/* ---- errors ---- */

bool front_suggest(Session *s, Diag *diag, Span span, const char *wrong, const char *const *names, size_t count) {
  const char *near = nearest_name(wrong, names, count);
  diag_suggest(&s->diags, diag, span, near);
  return near != NULL;
}
