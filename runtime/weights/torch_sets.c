/* The sets of weights in a pickled checkpoint: what is around them is known by name, the first set is the one
 * that is opened, and others beside it are kept, to be chosen by name. Called by the containers' readers;
 * reads no data. */
#include "runtime/weights/torch.h"

#include <stdlib.h>

enum { LEAST_VISITS = 1 << 16, WRAPPER_LEVELS = 4, MOST_SETS = 64 };

/* In this order: of a checkpoint that has several, the first is opened. */
static const char *const wrappers[] = {"state_dict", "model_state_dict", "model",   "model_state",    "net",
                                       "network",    "params",           "weights", "state_dict_ema", "model_ema",
                                       "ema",        "params_ema",       "teacher", "student"};
enum { WRAPPERS = sizeof wrappers / sizeof *wrappers };

typedef struct SetHere {
  const char *name;
  const PickleValue *value;
} SetHere;

typedef struct Sets {
  Walk *k;
  const char *path;  /* of the wrappers around what is opened */
  const char *about; /* of the note */
  SetHere other[MOST_SETS];
  size_t others;
} Sets;

static bool is_container(const PickleValue *v) { return torch_is_dict(v) || torch_module_state(v); }

/* Whether a tensor is anywhere below: visits are counted like those of the walk itself. */
static bool has_tensors(Walk *k, const PickleValue *v, int depth) {
  if (v->kind == PICKLE_TENSOR) return true;
  if (depth > TORCH_DEEPEST || ++k->visits > k->most_visits) return false;
  if (v->kind == PICKLE_OBJECT) return torch_module_state(v) != NULL;
  for (uint32_t i = 0; (torch_is_dict(v) || torch_is_list(v)) && i < v->count; i++) {
    if (has_tensors(k, v->items[i], depth + 1)) return true;
  }
  return false;
}

/* A tensor that is no single number: scores and scales are beside weights, too. */
static bool has_weights(Walk *k, const PickleValue *v, int depth) {
  if (v->kind == PICKLE_TENSOR) return v->tensor->shape->count > 0;
  if (depth > TORCH_DEEPEST || ++k->visits > k->most_visits) return false;
  if (v->kind == PICKLE_OBJECT) return torch_module_state(v) != NULL;
  for (uint32_t i = 0; (torch_is_dict(v) || torch_is_list(v)) && i < v->count; i++) {
    if (has_weights(k, v->items[i], depth + 1)) return true;
  }
  return false;
}

/* What an optimizer keeps is numbered by parameter: no network's weights are. */
static bool has_numbers(Walk *k, const PickleValue *v, int depth) {
  if (depth > TORCH_DEEPEST || ++k->visits > k->most_visits || !torch_is_dict(v)) return false;
  for (uint32_t i = 0; i + 1 < v->count; i += 2) {
    if (v->items[i]->kind == PICKLE_INT && has_tensors(k, v->items[i + 1], 0)) return true;
    if (has_numbers(k, v->items[i + 1], depth + 1)) return true;
  }
  return false;
}

static const char *path_of(Sets *s, const char *name) {
  return pool_printf(&s->k->t->w->pool, "%s%s%s", s->path, *s->path ? "." : "", name);
}

/* The sets beside the one under `chosen`. */
static int find_others(Sets *s, const PickleValue *dict, const PickleValue *chosen) {
  for (uint32_t i = 0; i + 1 < dict->count; i += 2) {
    const PickleValue *key = dict->items[i], *v = dict->items[i + 1];
    if (v == chosen || key->kind != PICKLE_STRING || !key->count || !is_container(v)) continue;
    if (strncmp(key->text, "optim", 5) == 0) continue; /* some keep what is beside each weight under its name */
    if (strlen(key->text) != key->count || !has_weights(s->k, v, 0) || has_numbers(s->k, v, 0)) continue;
    if (s->others == MOST_SETS || key->count > TORCH_LONGEST_NAME) continue;
    const char *name = path_of(s, key->text);
    if (!name) return sg_fail_memory(s->k->t->err, s->k->t->machine.path, key->count);
    s->other[s->others++] = (SetHere){name, v};
  }
  return 0;
}

/* Through the wrappers to the set that is opened; NULL with *err filled. */
static const PickleValue *unwrap(Sets *s, const PickleValue *root) {
  Pool *pool = &s->k->t->w->pool;
  for (int level = 0; level < WRAPPER_LEVELS && torch_is_dict(root); level++) {
    const PickleValue *inner = NULL;
    size_t w = 0;
    for (; w < WRAPPERS && !inner; w++) {
      inner = pickle_get(root, wrappers[w]);
      if (inner && ((!torch_is_dict(inner) && inner->kind != PICKLE_OBJECT) || !has_tensors(s->k, inner, 0)))
        inner = NULL;
    }
    if (!inner) break;
    if (find_others(s, root, inner)) return NULL;
    s->about = pool_printf(pool, "%s; under '%s'", s->about, wrappers[w - 1]);
    s->path = path_of(s, wrappers[w - 1]);
    root = inner;
    if (!s->about || !s->path) return sg_fail_memory(s->k->t->err, s->k->t->machine.path, 64), NULL;
  }
  return root;
}

/* Every tensor below v, as a set that ends here. */
static int collect_set(Sets *s, const char *path, const char *about, const PickleValue *v) {
  Walk *k = s->k;
  TorchFile *t = k->t;
  Pool *pool = &t->w->pool;
  size_t old;
  k->visits = k->quantised = k->length = 0;
  k->name[0] = '\0';
  if (v->kind == PICKLE_TENSOR && torch_push_name(k, v, "tensor", 6, &old)) return -1; /* a bare one has no name */
  if (torch_walk(k, v, 0)) return -1;
  if (v->kind == PICKLE_OBJECT)
    about = pool_printf(pool, "%s; a whole module, '%s.%s'", about, SG_Q(v->global->module), SG_Q(v->global->name));
  if (about && k->quantised)
    about = pool_printf(pool, "%s; quantised: %zu tensor%s of 8-bit integers, read as f32", about, k->quantised,
                        k->quantised == 1 ? "" : "s");
  if (!about) return sg_fail_memory(t->err, t->machine.path, 64);
  if (t->w->count == 0 || t->w->sharded) return 0;
  return weights_end_set(t->w, path, about, NULL, t->err);
}

/* One that cannot be read is no reason to refuse the set that is opened: whoever asks for it is told. */
static int collect_other(Sets *s, const SetHere *set) {
  TorchFile *t = s->k->t;
  surgery_error why = {0}, *err = t->err;
  t->err = t->machine.err = &why;
  const char *about = pool_printf(&t->w->pool, "; under '%s'", SG_Q(set->name));
  int status = about ? collect_set(s, set->name, about, set->value) : sg_fail_memory(&why, t->machine.path, 64);
  t->err = t->machine.err = err;
  if (status == 0) return 0;
  t->w->count = 0;
  return weights_end_set(t->w, set->name, "", why.message, err);
}

int torch_collect(TorchFile *t, PickleValue *root) {
  surgery_weights *w = t->w;
  Walk k = {.t = t, .most_visits = LEAST_VISITS + w->files[t->file].size};
  Sets s = {.k = &k, .path = "", .about = ""};
  size_t before = w->count;
  w->format = t->format;
  w->skipped = torch_skipped(t, root);
  const PickleValue *inner = w->skipped ? unwrap(&s, root) : NULL;
  if (!inner || collect_set(&s, s.path, s.about, inner)) return -1;
  if (w->sharded ? w->count == before : w->set_count == 0) return torch_refuse_empty(t, root);
  for (size_t i = 0; i < s.others && !w->sharded; i++)
    if (collect_other(&s, &s.other[i])) return -1;
  return 0;
}
