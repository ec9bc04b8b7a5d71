/* Storages: what a persistent id in a PyTorch pickle names. Only records; no byte of data is read here.
 */
#include "runtime/weights/torch.h"

#include <inttypes.h>
#include <stdlib.h>

/* Memory for a pickle's values: each takes at least a byte in the file and some 60 here; what is beyond that
 * was made to be large. */
enum { VALUE_FACTOR = 96 };
static const size_t LEAST_LIMIT = (size_t)64 << 20, MOST_LIMIT = (size_t)4 << 30;

void torch_begin(TorchFile *t, surgery_weights *w, uint32_t file, const char *format, uint64_t begin, uint64_t end,
                 surgery_error *err) {
  t->w = w;
  t->file = file;
  t->format = format;
  t->err = err;
  uint64_t bytes = end - begin;
  t->pool.limit = bytes > MOST_LIMIT / VALUE_FACTOR ? MOST_LIMIT : LEAST_LIMIT + (size_t)bytes * VALUE_FACTOR;
  stream_open(&t->stream, &w->files[file], begin, end);
  t->machine = (PickleMachine){.pool = &t->pool,
                               .from = &t->stream,
                               .path = w->files[file].path,
                               .err = err,
                               .persistent = torch_persistent,
                               .context = t};
}

void torch_end(TorchFile *t) {
  free(t->storages.at);
  pool_free(&t->pool);
}

PickleStorage *torch_new_storage(TorchFile *t, const char *key, int dtype, uint64_t numel) {
  if (t->storages.count == t->storages.capacity) {
    size_t capacity = t->storages.capacity * 2 + 64;
    PickleStorage **grown = realloc(t->storages.at, capacity * sizeof *grown);
    if (!grown) return sg_fail_memory(t->err, t->machine.path, capacity * sizeof *grown), NULL;
    t->storages.at = grown;
    t->storages.capacity = capacity;
  }
  PickleStorage *s = pool_alloc(&t->pool, sizeof *s);
  if (!s) return sg_fail_memory(t->err, t->machine.path, sizeof *s), NULL;
  *s = (PickleStorage){.key = key, .dtype = dtype, .numel = numel, .view_numel = numel};
  t->storages.at[t->storages.count++] = s;
  return s;
}

static int by_key(const void *a, const void *b) {
  const PickleStorage *const *x = a, *const *y = b;
  return strcmp((*x)->key, (*y)->key);
}

void torch_sort_storages(TorchFile *t) {
  if (t->storages.count) qsort(t->storages.at, t->storages.count, sizeof *t->storages.at, by_key);
  t->storages.sorted = t->storages.count;
}

PickleStorage **torch_find_storages(TorchFile *t, const char *key) {
  size_t low = 0, high = t->storages.sorted;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(t->storages.at[middle]->key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low < t->storages.sorted && strcmp(t->storages.at[low]->key, key) == 0 ? &t->storages.at[low] : NULL;
}

uint64_t torch_element_size(const PickleStorage *s) {
  return s->dtype < 0 ? 1 : surgery_dtype_size((surgery_dtype)s->dtype);
}

const char *torch_key(TorchFile *t, const PickleValue *v) {
  const char *key = NULL;
  if (v->kind == PICKLE_STRING && strlen(v->text) == v->count) {
    key = v->text;
  } else if (v->kind == PICKLE_INT) {
    key = pool_printf(&t->pool, "%" PRId64, v->integer);
  } else {
    pickle_refuse(&t->machine, v->kind == PICKLE_NONE ? t->machine.op_at : v->at,
                  "a key must be a text or an integer, not %s", pickle_kind_name((PickleKind)v->kind));
    return NULL;
  }
  if (!key) sg_fail_memory(t->err, t->machine.path, 24);
  return key;
}

static PickleValue *refuse_id(PickleMachine *m, const char *why) {
  pickle_refuse(m, m->op_at, "a persistent id %s", why);
  return NULL;
}

/* (view_key, offset, numel): a storage that is a part of another one. */
static int set_view(PickleMachine *m, PickleStorage *s, const PickleValue *view) {
  if (view->kind == PICKLE_NONE) return 0;
  if (view->kind != PICKLE_TUPLE || view->count != 3 || view->items[1]->kind != PICKLE_INT ||
      view->items[2]->kind != PICKLE_INT) {
    return refuse_id(m, "whose view is not (key, offset, numel)"), -1;
  }
  int64_t offset = view->items[1]->integer, numel = view->items[2]->integer;
  if (offset < 0 || numel < 0 || (uint64_t)offset > s->numel || (uint64_t)numel > s->numel - (uint64_t)offset) {
    return pickle_refuse(m, m->op_at, "storage '%s': a view of %lld elements from %lld is past its %llu elements",
                         SG_Q(s->key), (long long)numel, (long long)offset, ULL(s->numel));
  }
  s->view = (uint64_t)offset;
  s->view_numel = (uint64_t)numel;
  return 0;
}

PickleValue *torch_persistent(PickleMachine *m, PickleValue *id) {
  TorchFile *t = m->context;
  if (id->kind != PICKLE_TUPLE || id->count < 2) return refuse_id(m, "is not a tuple that PyTorch writes");
  PickleValue *type = id->items[1];
  if (pickle_text_is(id->items[0], "module")) {
    return type->kind == PICKLE_GLOBAL ? type : refuse_id(m, "of a module has no class");
  }
  if (!pickle_text_is(id->items[0], "storage")) return refuse_id(m, "is neither a storage nor a module");
  if (type->kind != PICKLE_GLOBAL) return refuse_id(m, "of a storage has no type");
  if (type->global->action != GLOBAL_STORAGE) {
    pickle_refuse(m, m->op_at, "a storage of type '%s.%s', a global that is not allowed in a weight file",
                  SG_Q(type->global->module), SG_Q(type->global->name));
    return NULL;
  }
  if (id->count < 5 || id->items[4]->kind != PICKLE_INT || id->items[4]->integer < 0) {
    return refuse_id(m, "of a storage has no number of elements");
  }
  const char *key = torch_key(t, id->items[2]);
  PickleStorage *s = key ? torch_new_storage(t, key, type->global->dtype, (uint64_t)id->items[4]->integer) : NULL;
  if (!s || (id->count > 5 && set_view(m, s, id->items[5]))) return NULL;
  PickleValue *v = pickle_value(m, PICKLE_STORAGE);
  if (v) v->storage = s;
  return v;
}
