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
  int (*locate)(struct TorchFile *t, const PickleStorage *storage, const char *tensor, uint64_t at, uint64_t *offset,
                uint64_t *bytes);
  void *container;
  const PickleValue *first_skipped; /* what torch_skipped found first; NULL */
} TorchFile;

/* Makes the machine ready for pickles between the absolute bytes begin and end. */
void torch_begin(TorchFile *t, surgery_weights *w, uint32_t file, const char *format, uint64_t begin, uint64_t end,
                 surgery_error *err);
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
/* The tensors under root: a state dict, nested, wrapped, or a module's. Fills t->w, its sets and its note. */
int torch_collect(TorchFile *t, PickleValue *root);

/* ---- between torch_sets.c, torch_tree.c, torch_tensor.c and torch_skipped.c ---- */

enum { TORCH_DEEPEST = 100, TORCH_LONGEST_NAME = 4000 };

typedef struct Walk {
  TorchFile *t;
  /* Shared values are met once for each name; honest pickles share little, and a value takes a byte at least.
   */
  uint64_t visits, most_visits;
  size_t quantised; /* tensors so far */
  char name[TORCH_LONGEST_NAME + 1];
  size_t length;
} Walk;

bool torch_is_dict(const PickleValue *v);
bool torch_is_list(const PickleValue *v);
/* What a module's object has for its attributes; NULL where v is no module's. */
const PickleValue *torch_module_state(const PickleValue *v);
/* Adds ".part" to the name; the old length goes to *old, for torch_pop_name. -1 with *err filled. */
int torch_push_name(Walk *k, const PickleValue *at, const char *part, size_t length, size_t *old);
void torch_pop_name(Walk *k, size_t old);
/* Adds every tensor below v to the file's. */
int torch_walk(Walk *k, const PickleValue *v, int depth);
int torch_add_tensor(Walk *k, const PickleValue *v);
int torch_refuse_tensor(Walk *k, const PickleValue *v, const char *what);

/* Text with the objects and calls that no tensor hangs on, as a part of the note: "; skipped, nothing was run: a.B";
 * "" where there are none. NULL with *err filled. */
const char *torch_skipped(TorchFile *t, PickleValue *root);
/* A call where a tensor could be: an error where tensors lie in what it was called with, else it is left out. */
int torch_check_call(Walk *k, const PickleValue *call);
/* No tensor was found under root: why not. -1. */
int torch_refuse_empty(TorchFile *t, PickleValue *root);
#endif
