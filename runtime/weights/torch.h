/* What the three PyTorch containers (zip, legacy, tar) share: storages out of persistent ids, and the way
 * from a pickled tree to named tensors. Private to runtime/weights/. */
#ifndef SURGERY_WEIGHTS_TORCH_H
#define SURGERY_WEIGHTS_TORCH_H
#include "runtime/weights/pickle.h"

/* One file being read. */
typedef struct TorchFile {
  surgery_weights *w;
  uint32_t file;
  const char *format; /* "pytorch-zip" */
  bool big_endian;
  surgery_error *err;
  Pool pool; /* the pickle's values; gone when the file is open */
  ByteStream stream;
  PickleMachine machine;
  struct {
    PickleStorage **at;
    size_t count, capacity;
    size_t sorted; /* the first so many are in the order of their keys */
  } storages;      /* every one that was named */
  /* Where a storage's bytes are: absolute offset and the bytes there are. `tensor` and `at`, its byte in the
   * pickle: for the message. */
  int (*locate)(struct TorchFile *t, const PickleStorage *storage, const char *tensor, uint64_t at,
                uint64_t *offset, uint64_t *bytes);
  void *container;
} TorchFile;

/* Makes the machine ready for pickles between the absolute bytes begin and end. */
void torch_begin(TorchFile *t, surgery_weights *w, uint32_t file, const char *format, uint64_t begin,
                 uint64_t end, surgery_error *err);
void torch_end(TorchFile *t);
/* machine.persistent for ('storage', type, key, location, numel[, view]) and ('module', class, file, source).
 */
PickleValue *torch_persistent(PickleMachine *m, PickleValue *id);
PickleStorage *torch_new_storage(TorchFile *t, const char *key, int dtype, uint64_t numel);
/* Sorting by key brings those of one key together; find gives the first of them among the sorted, or NULL. */
void torch_sort_storages(TorchFile *t);
PickleStorage **torch_find_storages(TorchFile *t, const char *key);
uint64_t torch_element_size(const PickleStorage *storage);
/* An integer as text or number, as keys are: copied; NULL, with *err filled, for anything else. */
const char *torch_key(TorchFile *t, const PickleValue *v);
/* The tensors under root: a state dict, nested, wrapped, or a module's. Fills t->w and its note. */
int torch_collect(TorchFile *t, PickleValue *root);
#endif
