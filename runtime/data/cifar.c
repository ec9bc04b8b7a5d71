/* CIFAR's binary batches (cs.toronto.edu/~kriz/cifar.html): records of one label byte (CIFAR-100: two, coarse
 * and fine) and 3 × 32 × 32 bytes, planes of red, green, blue. Called by dataset.c. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"
#include "runtime/base/io.h"

#define PIXELS 3072

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool is_test(const char *name) { return strncmp(name, "test", 4) == 0; }

/* The batches of a folder in the order of their names: those of the role, or all where none says which it is.
 */
static int list_batches(const char *folder, DatasetRole role, char ***files, size_t *count, surgery_error *err) {
  DIR *dir = opendir(folder);
  *files = NULL, *count = 0;
  if (!dir) return 0;
  int status = 0;
  for (int pass = 0; pass < 2 && *count == 0 && status == 0; pass++, rewinddir(dir)) {
    for (struct dirent *entry; status == 0 && (entry = readdir(dir));) {
      if (!ends_with(entry->d_name, ".bin")) continue;
      if (pass == 0 && is_test(entry->d_name) != (role == ROLE_TEST)) continue;
      char **more = realloc(*files, (*count + 1) * sizeof **files);
      if (more) *files = more;
      if (!more || asprintf(&more[*count], "%s/%s", folder, entry->d_name) < 0)
        status = sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
      else ++*count;
    }
  }
  closedir(dir);
  if (*count) qsort(*files, *count, sizeof **files, compare_names);
  return status;
}

/* 3073 or 3074; a size that both divide is CIFAR-10's, unless the network has as many classes as CIFAR-100
 * (fine or coarse). */
static int record_size(size_t size, const DatasetSpec *spec) {
  bool ten = size && size % (PIXELS + 1) == 0, hundred = size && size % (PIXELS + 2) == 0;
  if (ten && hundred && (spec->classes == 100 || spec->classes == 20)) ten = false;
  return ten ? PIXELS + 1 : hundred ? PIXELS + 2 : 0;
}

typedef struct Batches {
  uint8_t *bytes;
  int64_t *labels, count;
} Batches;

static int append_records(Batches *b, const uint8_t *from, size_t size, const char *path, const DatasetSpec *spec,
                          surgery_error *err) {
  int record = record_size(size, spec);
  if (!record)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: %zu bytes are no CIFAR batch: records have 3073 bytes (CIFAR-10) or 3074 (CIFAR-100)%s", path,
                   size, size > PIXELS ? "; truncated?" : "");
  int64_t more = (int64_t)(size / (size_t)record);
  uint8_t *bytes = realloc(b->bytes, (size_t)(b->count + more) * PIXELS);
  if (bytes) b->bytes = bytes;
  int64_t *labels = realloc(b->labels, (size_t)(b->count + more) * sizeof *labels);
  if (labels) b->labels = labels;
  if (!bytes || !labels)
    return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for %lld pictures", path, (long long)more);
  for (int64_t i = 0; i < more; i++, from += record) {
    /* CIFAR-100: the fine label is the second byte; a network of 20 classes means the coarse one */
    labels[b->count + i] = record == PIXELS + 2 && spec->classes != 20 ? from[1] : from[0];
    memcpy(bytes + (b->count + i) * PIXELS, from + record - PIXELS, PIXELS);
  }
  b->count += more;
  return 0;
}

static int append_batch(Batches *b, const char *path, const DatasetSpec *spec, surgery_error *err) {
  uint8_t *file;
  size_t size;
  if (sg_read_file(path, &file, &size, err)) return -1;
  int status = append_records(b, file, size, path, spec, err);
  free(file);
  return status;
}

static Dataset *make_set(Batches *b, const char *path, const DatasetSpec *spec, surgery_error *err) {
  Dataset *set = dataset_new("cifar", path, spec, err);
  void *targets = NULL;
  if (!set) return NULL;
  set->count = b->count;
  bool good =
      spec->target == TARGET_NONE || (dataset_check_one_class(set, path, err) == 0 &&
                                      (targets = dataset_targets_from_i64(set, b->labels, b->count, path, err)));
  if (good && targets && dataset_check_targets(set, targets, path, err)) {
    free(targets);
    good = false;
  }
  uint8_t *bytes = b->bytes;
  if (good) b->bytes = NULL; /* the set's, or freed */
  if (good && dataset_use_bytes(set, bytes, 32, 32, 3, true, targets, err) == 0) return set;
  dataset_close(set);
  return NULL;
}

PathMatch cifar_probe(const PathHead *head) {
  if (!head->folder) return path_ends(head->path, ".bin") ? PATH_SURE : PATH_NOT;
  bool found = cifar_folder_has(head->path, ROLE_TRAIN) || cifar_folder_has(head->path, ROLE_TEST);
  return found ? PATH_LIKELY : PATH_NOT;
}

Dataset *dataset_open_cifar(const char *path, const DatasetSpec *spec, surgery_error *err) {
  char **files;
  size_t count;
  Batches batches = {.bytes = NULL};
  if (spec->target != TARGET_NONE && spec->target_count != 1) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: CIFAR has one label a picture, the network wants %lld targets", path,
            (long long)spec->target_count);
    return NULL;
  }
  int status = list_batches(path, spec->role, &files, &count, err);
  for (size_t i = 0; i < count && status == 0; i++) status = append_batch(&batches, files[i], spec, err);
  if (status == 0 && count == 0) status = append_batch(&batches, path, spec, err); /* a single file */
  Dataset *set = status ? NULL : make_set(&batches, path, spec, err);
  for (size_t i = 0; i < count; i++) free(files[i]);
  free(files), free(batches.bytes), free(batches.labels);
  return set;
}

bool cifar_folder_has(const char *folder, DatasetRole role) {
  char **files;
  size_t count;
  bool found = false;
  if (list_batches(folder, role, &files, &count, NULL) == 0)
    for (size_t i = 0; i < count; i++) found |= is_test(strrchr(files[i], '/') + 1) == (role == ROLE_TEST);
  for (size_t i = 0; i < count; i++) free(files[i]);
  free(files);
  return found;
}
