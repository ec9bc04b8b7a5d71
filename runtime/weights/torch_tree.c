/* From a pickled tree to named tensors: state dicts, nested dicts, the wrappers of checkpoints, whole
 * modules. Decides what an unknown class may be (a module, or data inside one) and refuses it elsewhere.
 * Reads no data. */
#include "runtime/weights/torch.h"

#include <inttypes.h>
#include <stdio.h>

enum { DEEPEST = 100, LONGEST_NAME = 4000, LEAST_VISITS = 1 << 16, WRAPPER_LEVELS = 4 };

/* In this order: of a checkpoint that has several, the first is taken. */
static const char *const wrappers[] = {"state_dict", "model_state_dict", "model", "state_dict_ema", "net"};
enum { WRAPPERS = sizeof wrappers / sizeof *wrappers };

typedef struct Walk {
  TorchFile *t;
  /* Shared values are met once for each name; honest pickles share little, and a value takes a byte at least.
   */
  uint64_t visits, most_visits;
  char name[LONGEST_NAME + 1];
  size_t length;
} Walk;

static bool is_dict(const PickleValue *v) {
  return v->kind == PICKLE_DICT;
}
static bool is_list(const PickleValue *v) {
  return v->kind == PICKLE_LIST || v->kind == PICKLE_TUPLE;
}

/* A module's own dict: _parameters and _modules are what torch.nn.Module always has. */
static const PickleValue *module_state(const PickleValue *v) {
  if (v->kind != PICKLE_OBJECT || !v->state) return NULL;
  const PickleValue *state = v->state;
  if (state->kind == PICKLE_TUPLE && state->count == 2) state = state->items[0]; /* (dict, slots) */
  if (!is_dict(state)) return NULL;
  const PickleValue *parameters = pickle_get(state, "_parameters"), *modules = pickle_get(state, "_modules");
  return parameters && modules && is_dict(parameters) && is_dict(modules) ? state : NULL;
}

/* ---- unknown globals ---- */

/* Outside modules every class and function must be in the table; inside one, its attributes may be anything,
 * for they are never looked at. Each value is seen once: the tree may share and even contain itself. */
static int check_globals(TorchFile *t, PickleValue *v, int depth) {
  if (v->seen) return 0;
  v->seen = true;
  if (depth > DEEPEST) {
    return pickle_refuse(&t->machine, v->at, "recursion too deep: values nested over %d levels", DEEPEST);
  }
  bool unknown = (v->kind == PICKLE_GLOBAL && v->global->action == GLOBAL_UNKNOWN) ||
                 (v->kind == PICKLE_OBJECT && !module_state(v));
  if (unknown) {
    return pickle_refuse(
        &t->machine, v->at,
        "the pickle holds '%s.%s', a global that is not allowed in a weight file; nothing was "
        "run. Save the tensors alone instead: torch.save(model.state_dict(), path)",
        SG_Q(v->global->module), SG_Q(v->global->name));
  }
  if (!is_dict(v) && !is_list(v) && v->kind != PICKLE_SET) return 0;
  for (uint32_t i = 0; i < v->count; i++) {
    if (check_globals(t, v->items[i], depth + 1)) return -1;
  }
  return 0;
}

/* ---- one tensor ---- */

static int refuse_tensor(Walk *k, const PickleValue *v, const char *what) {
  return pickle_refuse(&k->t->machine, v->at, "tensor '%s': %s", SG_QN(k->name, k->length), what);
}

/* Elements from the storage's start to just past the tensor's last one; -1 on overflow. */
static int64_t reach(const WeightTensor *t, int64_t offset) {
  int64_t last = offset;
  for (int i = 0; i < t->pub.rank; i++) {
    int64_t way;
    if (__builtin_mul_overflow(t->stride[i], t->pub.shape[i] - 1, &way) ||
        __builtin_add_overflow(last, way, &last))
      return -1;
  }
  return __builtin_add_overflow(last, 1, &last) ? -1 : last;
}

static int set_place(Walk *k, const PickleValue *v, WeightTensor *to) {
  TorchFile *t = k->t;
  const PickleTensor *tensor = v->tensor;
  const PickleStorage *s = tensor->storage;
  uint64_t size = surgery_dtype_size(to->pub.dtype), stored = torch_element_size(s), offset, bytes, want;
  if (tensor->offset < 0) return refuse_tensor(k, v, "a negative offset into its storage");
  if (__builtin_mul_overflow(s->numel, stored, &want))
    return refuse_tensor(k, v, "its storage's size overflows");
  if (t->locate(t, s, to->pub.name, v->at, &offset, &bytes)) return -1;
  if (bytes != want) {
    return pickle_refuse(
        &t->machine, v->at,
        "tensor '%s': storage '%s' should have %llu elements, %llu bytes, but the file has %llu bytes",
        SG_Q(to->pub.name), SG_Q(s->key), ULL(s->numel), ULL(want), ULL(bytes));
  }
  if (to->pub.count == 0) {
    to->offset = offset;
    to->span = 0;
    return 0;
  }
  uint64_t elements = s->view_numel * stored / size;
  int64_t end = reach(to, tensor->offset);
  if (end < 0 || (uint64_t)end > elements) {
    return pickle_refuse(
        &t->machine, v->at,
        "tensor '%s': a view of shape %s from element %lld goes past its storage '%s' of %llu elements",
        SG_Q(to->pub.name), SHAPE(to->pub.rank, to->pub.shape), (long long)tensor->offset, SG_Q(s->key),
        ULL(elements));
  }
  to->offset = offset + s->view * stored + (uint64_t)tensor->offset * size;
  to->span = (uint64_t)(end - tensor->offset) * size;
  /* A stride of 0 repeats numbers: what comes out must not be larger than the file that it comes from. */
  if ((uint64_t)to->pub.count * size > t->w->files[t->file].size) {
    return pickle_refuse(&t->machine, v->at,
                         "tensor '%s': shape %s repeats its numbers to more bytes than the file has",
                         SG_Q(to->pub.name), SHAPE(to->pub.rank, to->pub.shape));
  }
  return 0;
}

static int add_tensor(Walk *k, const PickleValue *v) {
  TorchFile *t = k->t;
  const PickleTensor *tensor = v->tensor;
  int dtype = tensor->dtype >= 0 ? tensor->dtype : tensor->storage->dtype;
  if (dtype < 0) return refuse_tensor(k, v, "its storage has no dtype");
  if (tensor->storage->dtype >= 0 && tensor->storage->dtype != dtype)
    return refuse_tensor(k, v, "its dtype is not its storage's");
  WeightTensor *to = weights_add(t->w, k->name, k->length, t->err);
  if (!to) return -1;
  to->file = t->file;
  to->big_endian = t->big_endian;
  int64_t shape[SURGERY_MAX_RANK];
  for (uint32_t i = 0; i < tensor->shape->count && i < SURGERY_MAX_RANK; i++)
    shape[i] = tensor->shape->items[i]->integer;
  if (weights_shape(t->w, to, (surgery_dtype)dtype, tensor->shape->count, shape, v->at, t->err)) return -1;
  for (uint32_t i = 0; i < tensor->stride->count; i++) {
    to->stride[i] = tensor->stride->items[i]->integer;
    if (to->stride[i] < 0) return refuse_tensor(k, v, "a negative stride");
  }
  return set_place(k, v, to);
}

/* ---- names ---- */

/* Adds ".part" to the name; the old length, or -1. */
static int push_name(Walk *k, const PickleValue *at, const char *part, size_t length, size_t *old) {
  *old = k->length;
  if (length > LONGEST_NAME - 1 - k->length) return refuse_tensor(k, at, "the name is too long");
  if (memchr(part, 0, length)) return refuse_tensor(k, at, "a zero byte in the next part of the name");
  if (k->length) k->name[k->length++] = '.';
  memcpy(k->name + k->length, part, length);
  k->length += length;
  k->name[k->length] = '\0';
  return 0;
}

static void pop_name(Walk *k, size_t old) {
  k->length = old;
  k->name[old] = '\0';
}

static int push_key(Walk *k, const PickleValue *key, size_t *old) {
  char number[24];
  if (key->kind == PICKLE_STRING) return push_name(k, key, key->text, key->count, old);
  int length = snprintf(number, sizeof number, "%" PRId64, key->integer);
  return push_name(k, key, number, (size_t)length, old);
}

static int collect(Walk *k, const PickleValue *v, int depth);

/* The entries of a dict whose keys can be a name's part. */
static int collect_dict(Walk *k, const PickleValue *dict, int depth) {
  for (uint32_t i = 0; i + 1 < dict->count; i += 2) {
    const PickleValue *key = dict->items[i];
    size_t old;
    if (key->kind != PICKLE_STRING && key->kind != PICKLE_INT) continue;
    if (push_key(k, key, &old) || collect(k, dict->items[i + 1], depth + 1)) return -1;
    pop_name(k, old);
  }
  return 0;
}

static bool in_set(const PickleValue *set, const PickleValue *name) {
  if (!set || set->kind != PICKLE_SET || name->kind != PICKLE_STRING) return false;
  for (uint32_t i = 0; i < set->count; i++) {
    const PickleValue *item = set->items[i];
    if (item->kind == PICKLE_STRING && item->count == name->count &&
        memcmp(item->text, name->text, name->count) == 0)
      return true;
  }
  return false;
}

/* As Module.state_dict(): parameters, then buffers that are persistent, then children. */
static int collect_module(Walk *k, const PickleValue *state, int depth) {
  const PickleValue *buffers = pickle_get(state, "_buffers"),
                    *passing = pickle_get(state, "_non_persistent_buffers_set");
  if (collect_dict(k, pickle_get(state, "_parameters"), depth)) return -1;
  for (uint32_t i = 0; buffers && is_dict(buffers) && i + 1 < buffers->count; i += 2) {
    const PickleValue *key = buffers->items[i], *value = buffers->items[i + 1];
    size_t old;
    if (value->kind != PICKLE_TENSOR || key->kind != PICKLE_STRING || in_set(passing, key)) continue;
    if (push_key(k, key, &old) || collect(k, value, depth + 1)) return -1;
    pop_name(k, old);
  }
  return collect_dict(k, pickle_get(state, "_modules"), depth);
}

static int collect(Walk *k, const PickleValue *v, int depth) {
  if (depth > DEEPEST) {
    return pickle_refuse(&k->t->machine, v->at,
                         "recursion too deep: nested over %d levels, or containing itself", DEEPEST);
  }
  if (++k->visits > k->most_visits)
    return refuse_tensor(k, v, "the values are shared to more names than any network has");
  if (v->kind == PICKLE_TENSOR) return add_tensor(k, v);
  if (is_dict(v)) return collect_dict(k, v, depth);
  if (v->kind == PICKLE_OBJECT) {
    const PickleValue *state = module_state(v);
    return state ? collect_module(k, state, depth) : 0;
  }
  for (uint32_t i = 0; is_list(v) && i < v->count; i++) {
    char number[16];
    size_t old;
    int length = snprintf(number, sizeof number, "%" PRIu32, i);
    if (push_name(k, v, number, (size_t)length, &old) || collect(k, v->items[i], depth + 1)) return -1;
    pop_name(k, old);
  }
  return 0;
}

/* ---- wrappers ---- */

/* Whether a tensor is anywhere below: visits are counted like those of the walk itself. */
static bool has_tensors(Walk *k, const PickleValue *v, int depth) {
  if (v->kind == PICKLE_TENSOR) return true;
  if (depth > DEEPEST || ++k->visits > k->most_visits) return false;
  if (v->kind == PICKLE_OBJECT) return module_state(v) != NULL;
  for (uint32_t i = 0; (is_dict(v) || is_list(v)) && i < v->count; i++) {
    if (has_tensors(k, v->items[i], depth + 1)) return true;
  }
  return false;
}

static const PickleValue *unwrap(Walk *k, const PickleValue *root, const char **note) {
  Pool *pool = &k->t->w->pool;
  for (int level = 0; level < WRAPPER_LEVELS && is_dict(root); level++) {
    const PickleValue *inner = NULL;
    size_t w = 0;
    for (; w < WRAPPERS && !inner; w++) {
      inner = pickle_get(root, wrappers[w]);
      if (inner && ((!is_dict(inner) && inner->kind != PICKLE_OBJECT) || !has_tensors(k, inner, 0)))
        inner = NULL;
    }
    if (!inner) break;
    *note = pool_printf(pool, "%s; under '%s'", *note, wrappers[w - 1]);
    root = inner;
    if (!*note) return NULL;
  }
  if (root->kind == PICKLE_OBJECT) {
    *note = pool_printf(pool, "%s; a whole module, '%s.%s'", *note, SG_Q(root->global->module),
                        SG_Q(root->global->name));
  }
  return *note ? root : NULL;
}

int torch_collect(TorchFile *t, PickleValue *root) {
  if (check_globals(t, root, 0)) return -1;
  Walk k = {.t = t, .most_visits = LEAST_VISITS + t->w->files[t->file].size};
  const char *note = t->format;
  const PickleValue *inner = unwrap(&k, root, &note);
  if (!inner) return sg_fail_memory(t->err, t->machine.path, 64);
  t->w->note = note;
  k.visits = 0;
  size_t before = t->w->count, old;
  if (inner->kind == PICKLE_TENSOR && push_name(&k, inner, "tensor", 6, &old))
    return -1; /* a bare one has no name */
  if (collect(&k, inner, 0)) return -1;
  if (t->w->count == before) {
    return sg_fail(t->err, SURGERY_BAD_INPUT, "%s: byte %llu: no tensors in the pickle, which is %s",
                   t->machine.path, ULL(root->at), pickle_kind_name((PickleKind)root->kind));
  }
  return 0;
}
