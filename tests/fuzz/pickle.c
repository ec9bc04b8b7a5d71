/* Fuzzing of the pickle machine alone: one pickle from its first byte to its STOP, persistent ids allowed,
 * and the whole tree behind it walked. Tensors and names are tests/fuzz/weights.c's. */
#include "runtime/weights/torch.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  fd = memfd_create("pickle", 0);
  if (fd < 0) abort();
  return 0;
}

/* Every value that can be reached, each once; kinds and texts must be sound. */
static size_t walk(PickleValue *v, int depth) {
  size_t sum = 1;
  if (v->seen || depth > 1000) return 0;
  v->seen = 1;
  pickle_kind_name((PickleKind)v->kind);
  if (v->kind == PICKLE_STRING || v->kind == PICKLE_BYTES || v->kind == PICKLE_BIG)
    return v->text[v->count] ? abort(), 0 : 1;
  if (v->kind == PICKLE_OBJECT && v->state) sum += walk(v->state, depth + 1);
  bool holds = v->kind == PICKLE_CALL || v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST || v->kind == PICKLE_SET ||
               v->kind == PICKLE_DICT;
  for (uint32_t i = 0; holds && i < v->count; i++) sum += walk(v->items[i], depth + 1);
  return sum;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
  WeightFile file = {fd, size, "fuzzed.pkl"};
  surgery_weights w = {.files = &file, .file_count = 1};
  surgery_error err = {0};
  TorchFile t = {0};
  torch_begin(&t, &w, 0, "pytorch-zip", 0, size, &err);
  PickleValue *root = pickle_load(&t.machine);
  if (root ? walk(root, 0) == 0 : !err.message[0]) abort();
  torch_end(&t);
  return 0;
}
