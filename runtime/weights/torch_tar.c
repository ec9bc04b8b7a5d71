/* PyTorch's first format (0.1): a tar archive of `storages`, `tensors` and `pickle`, where tensors are
 * records of their own and the pickle refers to them by number. */
#include "runtime/weights/torch.h"
#include "runtime/weights/formats.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BLOCK = 512 };

typedef struct Member {
  uint64_t begin, end; /* absolute bytes; both 0: absent */
} Member;

typedef struct NumberedTensor {
  int64_t key;
  PickleValue *value;
} NumberedTensor;

typedef struct TarFile {
  Member storages, tensors, pickle;
  NumberedTensor *numbered; /* sorted by key */
  size_t count;
} TarFile;

/* Octal digits, spaces or zeros around them; UINT64_MAX for anything else. */
static uint64_t octal(const unsigned char *at, size_t length) {
  uint64_t value = 0;
  size_t i = 0;
  while (i < length && at[i] == ' ') i++;
  for (; i < length && at[i] >= '0' && at[i] <= '7'; i++) value = value * 8 + (at[i] - '0');
  for (; i < length; i++) {
    if (at[i] != ' ' && at[i] != 0) return UINT64_MAX;
  }
  return value;
}

static bool sum_fits(const unsigned char *header) {
  uint64_t sum = 0;
  for (int i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : header[i];
  return sum == octal(header + 148, 8);
}

static int read_members(TarFile *tar, const WeightFile *f, surgery_error *err) {
  unsigned char header[BLOCK];
  for (uint64_t at = 0; f->size - at >= BLOCK;) {
    if (sg_pread(f->fd, f->path, header, at, BLOCK, err)) return -1;
    if (header[0] == 0) break; /* the end: blocks of zeros */
    uint64_t size = octal(header + 124, 12);
    if (!sum_fits(header) || size > f->size - at - BLOCK) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: byte %llu: the tar archive is broken: %s", f->path, ULL(at),
                     sum_fits(header) ? "a member goes past its end" : "a header's checksum is wrong");
    }
    Member member = {at + BLOCK, at + BLOCK + size};
    const char *name = (const char *)header;
    if (strncmp(name, "./", 2) == 0) name += 2;
    if (strncmp(name, "storages", 90) == 0) tar->storages = member;
    if (strncmp(name, "tensors", 90) == 0) tar->tensors = member;
    if (strncmp(name, "pickle", 90) == 0) tar->pickle = member;
    uint64_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;
    if (padded > f->size - at - BLOCK) break;
    at += BLOCK + padded;
  }
  if (tar->storages.begin && tar->tensors.begin && tar->pickle.begin) return 0;
  return sg_fail(err, SURGERY_BAD_INPUT,
                 "%s: is a tar archive, but not PyTorch's (no members storages, tensors, pickle); if it "
                 "holds a weight file, unpack it "
                 "first",
                 f->path);
}

static void enter(TorchFile *t, Member member) {
  stream_open(&t->stream, &t->w->files[t->file], member.begin, member.end);
}

/* A pickled tuple of `count`, or NULL. */
static PickleValue *load_tuple(TorchFile *t, uint32_t count, const char *what) {
  PickleValue *v = pickle_load(&t->machine);
  if (!v || (v->kind == PICKLE_TUPLE && v->count == count)) return v;
  pickle_refuse(&t->machine, v->at, "%s is not a tuple of %u", what, count);
  return NULL;
}

static int load_count(TorchFile *t, int64_t *count) {
  PickleValue *v = pickle_load(&t->machine);
  if (!v) return -1;
  *count = v->kind == PICKLE_INT ? v->integer : -1;
  /* Each of them takes at least one byte. */
  if (*count < 0 || (uint64_t)*count > stream_left(&t->stream))
    return pickle_refuse(&t->machine, v->at, "not a possible number of entries");
  return 0;
}

static int read_storage(TorchFile *t) {
  PickleValue *v = load_tuple(t, 3, "a storage's description"); /* key, location, type */
  if (!v) return -1;
  const PickleValue *type = v->items[2];
  if (type->kind != PICKLE_GLOBAL || type->global->action != GLOBAL_STORAGE || type->global->dtype < 0) {
    return pickle_refuse(&t->machine, v->at, "a storage of a type that is not supported");
  }
  const char *key = torch_key(t, v->items[0]);
  uint64_t numel, bytes;
  if (!key || stream_get(&t->stream, &numel, 8, "the size of a storage", t->err)) return -1;
  uint64_t at = stream_at(&t->stream);
  PickleStorage *s = torch_new_storage(t, key, type->global->dtype, numel);
  if (!s) return -1;
  if (__builtin_mul_overflow(numel, torch_element_size(s), &bytes) || bytes > stream_left(&t->stream)) {
    return pickle_refuse(&t->machine, at, "storage '%s' of %llu elements goes past the end of its member", SG_Q(key),
                         ULL(numel));
  }
  s->offset = at;
  stream_seek(&t->stream, at + bytes);
  return 0;
}

/* (target, root, offset, numel): a storage that is a part of another. */
static int read_view(TorchFile *t, const PickleValue *v) {
  bool fits =
      v->kind == PICKLE_TUPLE && v->count == 4 && v->items[2]->kind == PICKLE_INT && v->items[3]->kind == PICKLE_INT;
  const char *target = fits ? torch_key(t, v->items[0]) : NULL, *root = target ? torch_key(t, v->items[1]) : NULL;
  if (!fits) return pickle_refuse(&t->machine, v->at, "a storage's view is not (key, root, offset, size)");
  if (!root) return -1;
  PickleStorage **of = torch_find_storages(t, root);
  uint64_t offset = (uint64_t)v->items[2]->integer, numel = (uint64_t)v->items[3]->integer;
  if (!of || offset > (*of)->numel || numel > (*of)->numel - offset) {
    return pickle_refuse(&t->machine, v->at, "storage '%s': a view past its storage '%s'", SG_Q(target), SG_Q(root));
  }
  PickleStorage copy = **of, *s = torch_new_storage(t, target, copy.dtype, copy.numel);
  if (!s) return -1;
  s->offset = copy.offset;
  s->view = offset;
  s->view_numel = numel;
  return 0;
}

static int read_storages(TorchFile *t, const TarFile *tar) {
  int64_t count;
  enter(t, tar->storages);
  if (load_count(t, &count)) return -1;
  for (int64_t i = 0; i < count; i++) {
    if (read_storage(t)) return -1;
  }
  torch_sort_storages(t);
  PickleValue *views = pickle_load(&t->machine);
  if (!views) return -1;
  if (views->kind != PICKLE_LIST) return pickle_refuse(&t->machine, views->at, "the views of storages are not a list");
  for (uint32_t i = 0; i < views->count; i++) {
    if (read_view(t, views->items[i])) return -1;
  }
  torch_sort_storages(t);
  return 0;
}

static PickleValue *integers(TorchFile *t, int32_t count) {
  PickleValue *tuple = pickle_value(&t->machine, PICKLE_TUPLE);
  for (int32_t i = 0; tuple && i < count; i++) {
    PickleValue *v = pickle_value(&t->machine, PICKLE_INT);
    if (!v || stream_get(&t->stream, &v->integer, 8, "a tensor's shape", t->err) ||
        pickle_append(&t->machine, tuple, v))
      return NULL;
  }
  return tuple;
}

static PickleValue *read_tensor(TorchFile *t, int64_t *number) {
  PickleValue *v = load_tuple(t, 3, "a tensor's description"); /* key, storage, type */
  int32_t rank[2];                                             /* the second is not used: the rank once had 8 bytes */
  if (!v) return NULL;
  if (v->items[0]->kind != PICKLE_INT)
    return pickle_refuse(&t->machine, v->at, "a tensor's key is not an integer"), NULL;
  *number = v->items[0]->integer;
  const char *key = torch_key(t, v->items[1]);
  PickleStorage **s = key ? torch_find_storages(t, key) : NULL;
  if (!key) return NULL;
  if (!s) return pickle_refuse(&t->machine, v->at, "a tensor's storage '%s' is not in the file", SG_Q(key)), NULL;
  if (stream_get(&t->stream, rank, 8, "a tensor's shape", t->err)) return NULL;
  if (rank[0] < 0 || rank[0] > SURGERY_MAX_RANK) {
    return pickle_refuse(&t->machine, v->at, "a tensor of %d dimensions; at most %d are supported", rank[0],
                         SURGERY_MAX_RANK),
           NULL;
  }
  PickleValue *made = pickle_value(&t->machine, PICKLE_TENSOR), *shape = made ? integers(t, rank[0]) : NULL;
  PickleValue *stride = shape ? integers(t, rank[0]) : NULL;
  int64_t offset;
  if (!stride || stream_get(&t->stream, &offset, 8, "a tensor's offset", t->err)) return NULL;
  made->tensor = pool_alloc(&t->pool, sizeof *made->tensor);
  if (!made->tensor) return sg_fail_memory(t->err, t->machine.path, sizeof *made->tensor), NULL;
  *made->tensor = (PickleTensor){.storage = *s, .offset = offset, .shape = shape, .stride = stride, .dtype = -1};
  return made;
}

static int by_number(const void *a, const void *b) {
  int64_t x = ((const NumberedTensor *)a)->key, y = ((const NumberedTensor *)b)->key;
  return x < y ? -1 : x > y;
}

static int read_tensors(TorchFile *t, TarFile *tar) {
  int64_t count;
  enter(t, tar->tensors);
  if (load_count(t, &count)) return -1;
  tar->numbered = pool_array(&t->pool, (size_t)count, sizeof *tar->numbered);
  if (!tar->numbered) return sg_fail_memory(t->err, t->machine.path, (size_t)count * sizeof *tar->numbered);
  for (; tar->count < (size_t)count; tar->count++) {
    NumberedTensor *n = &tar->numbered[tar->count];
    n->value = read_tensor(t, &n->key);
    if (!n->value) return -1;
  }
  if (count) qsort(tar->numbered, (size_t)count, sizeof *tar->numbered, by_number);
  return 0;
}

/* A tensor's number as text, or (class, file, source) of a module. */
static PickleValue *persistent(PickleMachine *m, PickleValue *id) {
  TorchFile *t = m->context;
  const TarFile *tar = t->container;
  if (id->kind == PICKLE_TUPLE && id->count > 0 && id->items[0]->kind == PICKLE_GLOBAL) return id->items[0];
  const char *text = torch_key(t, id);
  if (!text) return NULL;
  NumberedTensor wanted = {.key = strtoll(text, NULL, 10)};
  const NumberedTensor *found = bsearch(&wanted, tar->numbered, tar->count, sizeof wanted, by_number);
  if (found) return found->value;
  pickle_refuse(m, m->op_at, "tensor number '%s' is not in the file", SG_Q(text));
  return NULL;
}

static int locate(TorchFile *t, const PickleStorage *s, const char *tensor, uint64_t at, uint64_t *offset,
                  uint64_t *bytes) {
  *offset = s->offset;
  *bytes = s->numel * torch_element_size(s);
  return 0;
}

/* A tar header is known by "ustar", or (version 7, what Python 2's tarfile could write) by the first member's name. */
WeightMatch torch_tar_probe(const WeightHead *head) {
  bool whole = head->have == BLOCK;
  bool tar = weights_begins(head, "ustar", 5, 257) || (whole && weights_begins(head, "storages", 9, 0)) ||
             (whole && weights_begins(head, "sys_info", 9, 0));
  return tar ? MATCH_SURE : MATCH_NOT;
}

int torch_tar_read(surgery_weights *w, uint32_t file, surgery_error *err) {
  TarFile tar = {0};
  if (read_members(&tar, &w->files[file], err)) return -1;
  TorchFile t = {.locate = locate, .container = &tar};
  torch_begin(&t, w, file, "pytorch-tar", 0, w->files[file].size, err);
  t.machine.persistent = NULL;
  int status = read_storages(&t, &tar) || read_tensors(&t, &tar) ? -1 : 0;
  if (!status) {
    enter(&t, tar.pickle);
    t.machine.persistent = persistent;
    PickleValue *root = pickle_load(&t.machine);
    status = root ? torch_collect(&t, root) : -1;
  }
  torch_end(&t);
  return status;
}
