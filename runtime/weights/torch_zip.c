/* PyTorch's zip format (since 1.6): ROOT/data.pkl, ROOT/data/KEY for each storage, ROOT/byteorder. Also tells
 * apart what else is a zip archive: .npz goes to npz_read, TorchScript is refused. */
#include "runtime/weights/torch.h"
#include "runtime/weights/formats.h"
#include "runtime/weights/metadata.h"
#include "runtime/weights/zip.h"

#include <stdio.h>

int npz_read(surgery_weights *w, uint32_t file, const ZipDirectory *zip, surgery_error *err);

typedef struct Archive {
  ZipDirectory zip;
  Pool pool;
  const char *root; /* "archive/", or "" */
} Archive;

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* The entry NAME in a root folder of any name, or in none. NULL when there is none. */
static const ZipEntry *find_in_root(const ZipDirectory *zip, const char *name) {
  for (size_t i = 0; i < zip->count; i++) {
    const char *slash = strchr(zip->entries[i].name, '/');
    if (strcmp(zip->entries[i].name, name) == 0 || (slash && strcmp(slash + 1, name) == 0)) return &zip->entries[i];
  }
  return NULL;
}

static bool has_code(const ZipDirectory *zip) {
  for (size_t i = 0; i < zip->count; i++) {
    const char *slash = strchr(zip->entries[i].name, '/');
    if (slash && strncmp(slash + 1, "code/", 5) == 0) return true;
  }
  return false;
}

static int locate(TorchFile *t, const PickleStorage *s, const char *tensor, uint64_t at, uint64_t *offset,
                  uint64_t *bytes) {
  const Archive *a = t->container;
  char name[600];
  int length = snprintf(name, sizeof name, "%sdata/%s", a->root, s->key);
  const ZipEntry *e = length > 0 && (size_t)length < sizeof name ? zip_find(&a->zip, name) : NULL;
  if (!e) {
    return sg_fail(t->err, SURGERY_BAD_INPUT,
                   "%s: tensor '%s' (byte %llu): its storage '%s' is not in the archive (no entry '%sdata/%s')",
                   t->machine.path, SG_Q(tensor), ULL(at), SG_Q(s->key), SG_Q(a->root), SG_Q(s->key));
  }
  *bytes = e->size;
  return zip_locate(&a->zip, e, false, offset, t->err);
}

static int read_byteorder(TorchFile *t, const Archive *a, const char *path) {
  char name[600], text[8] = "";
  int length = snprintf(name, sizeof name, "%sbyteorder", a->root);
  const ZipEntry *e = (size_t)length < sizeof name ? zip_find(&a->zip, name) : NULL;
  uint64_t at;
  if (!e) return 0; /* before 2.1: the machine's that wrote it, little-endian but for a few */
  if (zip_locate(&a->zip, e, false, &at, t->err)) return -1;
  if (e->size < sizeof text && sg_pread(a->zip.file->fd, path, text, at, (size_t)e->size, t->err)) return -1;
  t->big_endian = strcmp(text, "big") == 0;
  if (t->big_endian || strcmp(text, "little") == 0) return 0;
  return sg_fail(t->err, SURGERY_BAD_INPUT, "%s: byte %llu: byteorder '%s' is neither 'little' nor 'big'", path,
                 ULL(at), SG_Q(text));
}

static int read_pickle(surgery_weights *w, uint32_t file, Archive *a, const ZipEntry *pickle, surgery_error *err) {
  uint64_t at;
  if (zip_locate(&a->zip, pickle, false, &at, err)) return -1;
  TorchFile t = {.locate = locate, .container = a};
  torch_begin(&t, w, file, "pytorch-zip", at, at + pickle->size, err);
  int status = read_byteorder(&t, a, w->files[file].path);
  PickleValue *root = status ? NULL : pickle_load(&t.machine);
  status = root ? torch_collect(&t, root) : -1;
  torch_end(&t);
  return status;
}

static int read_archive(surgery_weights *w, uint32_t file, Archive *a, surgery_error *err) {
  const char *path = w->files[file].path;
  if (zip_read_directory(&a->zip, &w->files[file], &a->pool, err) ||
      metadata_read_comment(w, a->zip.comment, a->zip.comment_length, path, err))
    return -1;
  const ZipEntry *pickle = find_in_root(&a->zip, "data.pkl");
  if (find_in_root(&a->zip, "constants.pkl") || (pickle && has_code(&a->zip))) {
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: is a TorchScript program (torch.jit.save), which holds code. Load it in PyTorch and "
                   "save its tensors: "
                   "torch.save(model.state_dict(), path)",
                   path);
  }
  if (find_in_root(&a->zip, "model.json") || find_in_root(&a->zip, "attributes.pkl") ||
      (!pickle && has_code(&a->zip))) {
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: is a TorchScript program of a PyTorch before 1.4 (torch.jit.save), which holds code. "
                   "Load it in PyTorch and save "
                   "its tensors: torch.save(model.state_dict(), path)",
                   path);
  }
  if (pickle) {
    a->root = pool_strndup(&a->pool, pickle->name, strlen(pickle->name) - strlen("data.pkl"));
    return a->root ? read_pickle(w, file, a, pickle, err) : sg_fail_memory(err, path, strlen(pickle->name));
  }
  for (size_t i = 0; i < a->zip.count; i++) {
    if (ends_with(a->zip.entries[i].name, ".npy")) return npz_read(w, file, &a->zip, err);
  }
  return sg_fail(err, SURGERY_BAD_INPUT,
                 "%s: a zip archive of %zu entries, but neither PyTorch's (no data.pkl) nor .npz (no .npy entry)", path,
                 a->zip.count);
}

WeightMatch torch_zip_probe(const WeightHead *head) {
  bool zip = weights_begins(head, "PK\3\4", 4, 0) || weights_begins(head, "PK\5\6", 4, 0);
  return zip ? MATCH_SURE : MATCH_NOT;
}

int torch_zip_read(surgery_weights *w, uint32_t file, surgery_error *err) {
  Archive a = {0};
  int status = read_archive(w, file, &a, err);
  pool_free(&a.pool);
  return status;
}
