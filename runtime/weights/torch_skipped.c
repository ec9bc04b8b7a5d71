/* What a pickle holds beside the tensors: objects of classes that nobody here knows, functions, and calls.
 * None of them is made, imported or called. Where no tensor hangs on it, it is left out and named in the
 * note; where one does, the file is refused by name. Called by torch_sets.c and torch_tree.c. */
#include "runtime/weights/torch.h"

#include <stdio.h>

enum { MOST_NAMES = 6, SEEN_BY_SKIPPED = 1, SEEN_BY_SEARCH = 2 };

#define CURE "; nothing was run. Save the tensors alone instead: torch.save(model.state_dict(), path)"

typedef struct Skipped {
  TorchFile *t;
  const PickleGlobal *names[MOST_NAMES];
  size_t count; /* of different ones; the names of the first are kept */
  const PickleValue *first;
} Skipped;

static bool is_skipped(const PickleValue *v) {
  return v->kind == PICKLE_CALL || (v->kind == PICKLE_GLOBAL && v->global->action == GLOBAL_UNKNOWN) ||
         (v->kind == PICKLE_OBJECT && !torch_module_state(v));
}

static void add_name(Skipped *s, const PickleValue *v) {
  if (!s->first) s->first = v;
  for (size_t i = 0; i < s->count && i < MOST_NAMES; i++)
    if (strcmp(s->names[i]->module, v->global->module) == 0 && strcmp(s->names[i]->name, v->global->name) == 0) return;
  if (s->count < MOST_NAMES) s->names[s->count] = v->global;
  s->count++;
}

/* Outside of modules, whose attributes are never looked at. Each value is seen once: the tree may share and
 * even contain itself. */
static int find_skipped(Skipped *s, PickleValue *v, int depth) {
  if (v->seen == SEEN_BY_SKIPPED) return 0;
  v->seen = SEEN_BY_SKIPPED;
  if (depth > TORCH_DEEPEST) {
    return pickle_refuse(&s->t->machine, v->at, "recursion too deep: values nested over %d levels", TORCH_DEEPEST);
  }
  if (is_skipped(v)) add_name(s, v);
  if (!torch_is_dict(v) && !torch_is_list(v) && v->kind != PICKLE_SET) return 0;
  for (uint32_t i = 0; i < v->count; i++) {
    if (find_skipped(s, v->items[i], depth + 1)) return -1;
  }
  return 0;
}

const char *torch_skipped(TorchFile *t, PickleValue *root) {
  Skipped s = {.t = t};
  if (find_skipped(&s, root, 0)) return NULL;
  t->first_skipped = s.first;
  Pool *pool = &t->w->pool;
  const char *text = "";
  for (size_t i = 0; i < s.count && i < MOST_NAMES && text; i++)
    text = pool_printf(pool, "%s%s%s.%s", text, i ? ", " : "; skipped, none of it was run: ", SG_Q(s.names[i]->module),
                       SG_Q(s.names[i]->name));
  if (text && s.count > MOST_NAMES) text = pool_printf(pool, "%s and others", text);
  if (!text) sg_fail_memory(t->err, t->machine.path, 64);
  return text;
}

/* ---- on the way to a tensor ---- */

typedef enum Wanted { WANT_TENSOR, WANT_CALL } Wanted;

/* The first of the kind below v, wherever it hides. The pickle's own values are as many as its bytes; each is
 * seen once. */
static const PickleValue *search(PickleValue *v, Wanted wanted, int depth) {
  if (wanted == WANT_TENSOR ? v->kind == PICKLE_TENSOR || v->kind == PICKLE_STORAGE : v->kind == PICKLE_CALL) return v;
  if (v->seen == SEEN_BY_SEARCH + wanted || depth > TORCH_DEEPEST) return NULL;
  v->seen = (uint8_t)(SEEN_BY_SEARCH + wanted);
  const PickleValue *found = v->kind == PICKLE_OBJECT && v->state ? search(v->state, wanted, depth + 1) : NULL;
  bool holds = torch_is_dict(v) || torch_is_list(v) || v->kind == PICKLE_SET || v->kind == PICKLE_OBJECT ||
               v->kind == PICKLE_CALL;
  for (uint32_t i = 0; holds && !found && i < v->count; i++) found = search(v->items[i], wanted, depth + 1);
  return found;
}

static int refuse_call(TorchFile *t, const PickleValue *call, const char *what) {
  return pickle_refuse(&t->machine, call->at, "%s calls '%s.%s', a global that is not allowed in a weight file" CURE,
                       what, SG_Q(call->global->module), SG_Q(call->global->name));
}

int torch_check_call(Walk *k, const PickleValue *call) {
  PickleValue *below = NULL;
  for (uint32_t i = 0; i < call->count && !below; i++)
    if (search(call->items[i], WANT_TENSOR, 0)) below = call->items[i];
  if (!below) return 0;
  char what[200];
  snprintf(what, sizeof what, "tensor '%s': the pickle", SG_QN(k->name, k->length));
  return refuse_call(k->t, call, what);
}

int torch_refuse_empty(TorchFile *t, PickleValue *root) {
  const PickleValue *call = search(root, WANT_CALL, 0), *first = t->first_skipped;
  if (call) {
    char what[300] = "the pickle";
    if (root->kind == PICKLE_OBJECT)
      snprintf(what, sizeof what, "the pickle (of a '%s.%s')", SG_Q(root->global->module), SG_Q(root->global->name));
    return refuse_call(t, call, what);
  }
  if (first) {
    return pickle_refuse(&t->machine, first->at,
                         "the pickle holds '%s.%s', a global that is not allowed in a weight file" CURE,
                         SG_Q(first->global->module), SG_Q(first->global->name));
  }
  return sg_fail(t->err, SURGERY_BAD_INPUT, "%s: byte %llu: no tensors in the pickle, which is %s", t->machine.path,
                 ULL(root->at), pickle_kind_name((PickleKind)root->kind));
}
