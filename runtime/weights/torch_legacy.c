/* PyTorch's format before 1.6: pickles of a magic number, the protocol 1001, facts about the machine, and the
 * tree; then a list of storage keys, then each storage as a count of elements and its bytes, always
 * little-endian (whatever the machine's facts say: the writer converted). */
#include "runtime/weights/torch.h"
#include "runtime/weights/formats.h"

static const unsigned char magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
enum { PROTOCOL = 1001 };

static int check_magic(TorchFile *t) {
  t->machine.persistent = NULL;
  PickleValue *v = pickle_load(&t->machine);
  if (!v) return -1;
  if (v->kind == PICKLE_CALL) return torch_refuse_empty(t, v);
  if (v->kind != PICKLE_BIG || v->count != sizeof magic || memcmp(v->text, magic, sizeof magic) != 0) {
    return sg_fail(t->err, SURGERY_BAD_INPUT,
                   "%s: byte 0: a Python pickle (of %s), but not PyTorch's: its magic number is missing",
                   t->machine.path, pickle_kind_name((PickleKind)v->kind));
  }
  v = pickle_load(&t->machine);
  if (!v) return -1;
  if (v->kind != PICKLE_INT || v->integer != PROTOCOL) {
    return pickle_refuse(&t->machine, v->at, "the PyTorch file's protocol is not %d", PROTOCOL);
  }
  if (!pickle_load(&t->machine)) return -1; /* the machine's facts */
  t->machine.persistent = torch_persistent;
  return 0;
}

/* The storage that is next in the file: its count, then its bytes, which are passed over. */
static int place_storage(TorchFile *t, const char *key) {
  PickleStorage **s = torch_find_storages(t, key);
  uint64_t at = stream_at(&t->stream), numel, bytes;
  if (!s)
    return pickle_refuse(&t->machine, at, "storage '%s' is in the file's list, but nothing refers to it", SG_Q(key));
  if ((*s)->placed) return pickle_refuse(&t->machine, at, "storage '%s' is twice in the file's list", SG_Q(key));
  if (stream_get(&t->stream, &numel, 8, "the size of a storage", t->err)) return -1;
  if (__builtin_mul_overflow(numel, torch_element_size(*s), &bytes) || bytes > stream_left(&t->stream)) {
    return pickle_refuse(&t->machine, at,
                         "storage '%s' of %llu elements goes past the end of the file (%llu bytes are left)", SG_Q(key),
                         ULL(numel), ULL(stream_left(&t->stream)));
  }
  for (PickleStorage **end = t->storages.at + t->storages.sorted; s < end && strcmp((*s)->key, key) == 0; s++) {
    if ((*s)->numel != numel) {
      return pickle_refuse(&t->machine, at, "storage '%s' has %llu elements here, but %llu in the pickle", SG_Q(key),
                           ULL(numel), ULL((*s)->numel));
    }
    (*s)->offset = at + 8;
    (*s)->placed = true;
  }
  stream_seek(&t->stream, at + 8 + bytes);
  return 0;
}

static int place_storages(TorchFile *t) {
  PickleValue *keys = pickle_load(&t->machine);
  if (!keys) return -1;
  if (keys->kind != PICKLE_LIST)
    return pickle_refuse(&t->machine, keys->at, "the list of storages is %s", pickle_kind_name((PickleKind)keys->kind));
  torch_sort_storages(t);
  for (size_t i = 1; i < t->storages.count; i++) {
    const PickleStorage *a = t->storages.at[i - 1], *b = t->storages.at[i];
    if (strcmp(a->key, b->key) == 0 && a->dtype != b->dtype) {
      return pickle_refuse(&t->machine, keys->at, "storage '%s' has two types", SG_Q(a->key));
    }
  }
  for (uint32_t i = 0; i < keys->count; i++) {
    const char *key = torch_key(t, keys->items[i]);
    if (!key || place_storage(t, key)) return -1;
  }
  return 0;
}

static int locate(TorchFile *t, const PickleStorage *s, const char *tensor, uint64_t at, uint64_t *offset,
                  uint64_t *bytes) {
  if (!s->placed) {
    return sg_fail(t->err, SURGERY_BAD_INPUT, "%s: tensor '%s' (byte %llu): its storage '%s' is not in the file",
                   t->machine.path, SG_Q(tensor), ULL(at), SG_Q(s->key));
  }
  *offset = s->offset;
  *bytes = s->numel * torch_element_size(s);
  return 0;
}

/* A pickle of protocol 2 to 5. A safetensors header of 640 bytes begins so, too, and is known by its brace. */
WeightMatch torch_legacy_probe(const WeightHead *head) {
  return head->have >= 2 && head->bytes[0] == 0x80 && head->bytes[1] <= 5 ? MATCH_LIKELY : MATCH_NOT;
}

int torch_legacy_read(surgery_weights *w, uint32_t file, surgery_error *err) {
  TorchFile t = {.locate = locate};
  torch_begin(&t, w, file, "pytorch-legacy", 0, w->files[file].size, err);
  PickleValue *root = check_magic(&t) ? NULL : pickle_load(&t.machine);
  int status = root && place_storages(&t) == 0 ? torch_collect(&t, root) : -1;
  torch_end(&t);
  return status;
}
