/* Looks at what a path holds and asks the right source; what all sources share. The order of looking: a
 * folder by the names in it, a file by its first bytes, its suffix only where those say nothing. Called by
 * the commands. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"

Dataset *dataset_new(const char *format, const char *path, const DatasetSpec *spec, surgery_error *err) {
  Dataset *set = calloc(1, sizeof *set);
  if (!set || !(set->path = strdup(path))) {
    free(set);
    sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", path);
    return NULL;
  }
  set->format = format;
  set->spec = *spec;
  return set;
}

void dataset_close(Dataset *set) {
  if (!set) return;
  if (set->close) set->close(set);
  for (size_t i = 0; set->class_names && i < set->class_count; i++) free(set->class_names[i]);
  free(set->class_names), free(set->labels), free(set->path), free(set->note), free(set);
}

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcasecmp(text + a - b, end) == 0;
}

int dataset_check_sample(const DatasetSpec *spec, const char *path, int rank, const int64_t *dim, surgery_error *err) {
  const ManifestShape *want = &spec->input->shape;
  char a[SHAPE_TEXT], b[SHAPE_TEXT];
  ManifestShape have = {.rank = rank, .count = 1};
  int64_t left[SURGERY_MAX_RANK], right[SURGERY_MAX_RANK];
  int lefts = 0, rights = 0;
  bool same = true;
  for (int i = 0; i < rank; i++) {
    have.dim[i] = dim[i];
    if (__builtin_mul_overflow(have.count, dim[i], &have.count)) have.count = -1, same = false;
    if (dim[i] != 1) left[lefts++] = dim[i];
  }
  for (int i = 0; i < want->rank; i++)
    if (want->dim[i] != 1) right[rights++] = want->dim[i];
  same = same && have.count == want->count;
  if (same && lefts > 1 && rights > 1) same = lefts == rights && memcmp(left, right, (size_t)lefts * sizeof *left) == 0;
  if (same) return 0;
  return sg_fail(err, SURGERY_BAD_INPUT, "%s: its samples are %s, but the input is %s", path,
                 manifest_shape_text(&have, a), manifest_shape_text(want, b));
}

typedef enum PathKind {
  PATH_MISSING,
  PATH_OTHER,
  PATH_FOLDER,
  PATH_PICTURE,
  PATH_IDX,
  PATH_CIFAR,
  PATH_CSV,
  PATH_NPY,
  PATH_WEIGHTS
} PathKind;

static PathKind kind_of_folder(const char *path) {
  if (idx_folder_has(path, ROLE_TRAIN)) return PATH_IDX;
  if (cifar_folder_has(path, ROLE_TRAIN) || cifar_folder_has(path, ROLE_TEST)) return PATH_CIFAR;
  return PATH_FOLDER;
}

/* The first bytes, through gzip where it is one (gzread hands plain files on as they are). */
static size_t first_bytes(const char *path, uint8_t *to, size_t size) {
  gzFile file = gzopen(path, "rb");
  int got = file ? gzread(file, to, (unsigned)size) : -1;
  if (file) gzclose(file);
  return got > 0 ? (size_t)got : 0;
}

static PathKind kind_of_file(const char *path) {
  uint8_t head[PICTURE_HEAD] = {0};
  size_t got = first_bytes(path, head, sizeof head);
  if (ends_with(path, ".csv") || ends_with(path, ".csv.gz")) return PATH_CSV;
  if (ends_with(path, ".bin")) return PATH_CIFAR;
  if (picture_begins(head, got)) return PATH_PICTURE;
  if (got >= 6 && memcmp(head, "\x93NUMPY", 6) == 0) return PATH_NPY;
  if (got >= 4 && memcmp(head, "PK", 2) == 0) return PATH_WEIGHTS;
  if (got >= 4 && head[0] == 0 && head[1] == 0 && head[3] >= 1 && head[3] <= 4) return PATH_IDX;
  if (ends_with(path, ".npy")) return PATH_NPY;
  if (ends_with(path, ".npz") || ends_with(path, ".safetensors")) return PATH_WEIGHTS;
  if (strstr(path, "ubyte")) return PATH_IDX;
  if (picture_suffix(path)) return PATH_PICTURE;
  if (got >= 9 && memchr(head + 8, '{', got - 8)) return PATH_WEIGHTS;
  return PATH_OTHER;
}

static PathKind kind_of(const char *path) {
  struct stat st;
  if (stat(path, &st)) return PATH_MISSING;
  if (S_ISDIR(st.st_mode)) return kind_of_folder(path);
  return S_ISREG(st.st_mode) ? kind_of_file(path) : PATH_OTHER;
}

/* A name that is not there is the user's mistake; one that cannot be looked at is the system's. */
static void fail_missing(surgery_error *err, const char *path, int reason) {
  if (reason == ENOENT || reason == ENOTDIR) sg_fail(err, SURGERY_BAD_INPUT, "%s: %s", path, strerror(reason));
  else sg_fail_system(err, reason, "%s", path);
}

#define ACCEPTED                                                                                                       \
  "a folder of class folders with pictures, an IDX pair, CIFAR batches, a .csv, or an .npz or .safetensors "           \
  "with x and y"

/* Tokens are in arrays; pictures and tables of numbers hold none. */
static bool holds_tokens(PathKind kind, const char *path, const DatasetSpec *spec, surgery_error *err) {
  bool arrays = kind == PATH_WEIGHTS || kind == PATH_NPY || kind == PATH_MISSING;
  if (spec->input->kind != INPUT_TOKENS || arrays) return true;
  sg_fail(err, SURGERY_BAD_INPUT,
          "%s: the network's input is tokens, which an .npz or .safetensors file holds: x, and where there are "
          "some, mask and y",
          path);
  return false;
}

Dataset *dataset_open(const char *path, const DatasetSpec *spec, surgery_error *err) {
  PathKind kind = kind_of(path);
  int reason = errno;
  if (!holds_tokens(kind, path, spec, err)) return NULL;
  errno = reason;
  switch (kind) {
  case PATH_FOLDER: return dataset_open_folder(path, spec, err);
  case PATH_IDX: return dataset_open_idx(path, spec, err);
  case PATH_CIFAR: return dataset_open_cifar(path, spec, err);
  case PATH_CSV: return dataset_open_csv(path, spec, err);
  case PATH_WEIGHTS: return dataset_open_weights(path, spec, err);
  case PATH_MISSING: fail_missing(err, path, errno); return NULL;
  default: sg_fail(err, SURGERY_BAD_INPUT, "%s: not a data set; that is " ACCEPTED, path); return NULL;
  }
}

bool dataset_has_test_part(const char *path) {
  return (idx_folder_has(path, ROLE_TRAIN) && idx_folder_has(path, ROLE_TEST)) ||
         (cifar_folder_has(path, ROLE_TRAIN) && cifar_folder_has(path, ROLE_TEST));
}

/* ---- several inputs as one set, for predict ---- */

typedef struct Parts {
  Dataset **part;
  size_t count;
} Parts;

static const Dataset *part_of(const Dataset *set, int64_t *index) {
  const Parts *parts = set->source;
  for (size_t i = 0; i < parts->count; i++) {
    if (*index < parts->part[i]->count) return parts->part[i];
    *index -= parts->part[i]->count;
  }
  return NULL;
}

static int parts_load(Dataset *set, int64_t index, uint64_t seed, float *x, void *target, surgery_error *err) {
  Dataset *part = (Dataset *)part_of(set, &index);
  return part->load(part, index, seed, x, target, err);
}

static const int32_t *parts_mask(const Dataset *set, int64_t index) {
  const Dataset *part = part_of(set, &index);
  return part->mask ? part->mask(part, index) : NULL;
}

static const char *parts_name(const Dataset *set, int64_t index, char *to, size_t size) {
  const Dataset *part = part_of(set, &index);
  return part->name(part, index, to, size);
}

static void parts_close(Dataset *set) {
  Parts *parts = set->source;
  if (!parts) return;
  for (size_t i = 0; i < parts->count; i++) dataset_close(parts->part[i]);
  free(parts->part), free(parts);
}

static Dataset *open_folder_of_pictures(const char *path, const DatasetSpec *spec, surgery_error *err) {
  char **files = NULL;
  size_t count = 0;
  Dataset *set = NULL;
  if (picture_list(path, &files, &count, err)) return NULL;
  if (count == 0) sg_fail(err, SURGERY_BAD_INPUT, "%s: no pictures in this folder", path);
  else set = dataset_open_pictures((const char *const *)files, count, spec, err);
  for (size_t i = 0; i < count; i++) free(files[i]);
  free(files);
  return set;
}

/* One part, from paths[0 …]; *taken: how many paths it took. */
static Dataset *open_part(const char *const *paths, size_t count, size_t *taken, const DatasetSpec *spec,
                          surgery_error *err) {
  PathKind kind = kind_of(paths[0]);
  int reason = errno;
  *taken = 1;
  if (!holds_tokens(kind, paths[0], spec, err)) return NULL;
  /* a picture that is not there is a broken picture: named, and the others are still predicted */
  if (kind == PATH_PICTURE || (kind == PATH_MISSING && picture_suffix(paths[0]))) {
    while (*taken < count && (kind = kind_of(paths[*taken]),
                              kind == PATH_PICTURE || (kind == PATH_MISSING && picture_suffix(paths[*taken]))))
      ++*taken;
    return dataset_open_pictures(paths, *taken, spec, err);
  }
  switch (kind) {
  case PATH_FOLDER: return open_folder_of_pictures(paths[0], spec, err);
  case PATH_IDX: return dataset_open_idx(paths[0], spec, err);
  case PATH_CIFAR: return dataset_open_cifar(paths[0], spec, err);
  case PATH_CSV: return dataset_open_csv(paths[0], spec, err);
  case PATH_NPY: return dataset_open_npy(paths[0], spec, err);
  case PATH_WEIGHTS: return dataset_open_weights(paths[0], spec, err);
  case PATH_MISSING: fail_missing(err, paths[0], reason); return NULL;
  default:
    sg_fail(err, SURGERY_BAD_INPUT, "%s: neither a picture nor an array (.npy, IDX, .npz)", paths[0]);
    return NULL;
  }
}

Dataset *dataset_open_inputs(const char *const *paths, size_t count, const DatasetSpec *spec, surgery_error *err) {
  Dataset *set = dataset_new("files", count ? paths[0] : "", spec, err);
  if (!set) return NULL;
  Parts *parts = calloc(1, sizeof *parts);
  set->source = parts;
  set->load = parts_load, set->name = parts_name, set->close = parts_close, set->mask = parts_mask;
  if (!parts || !(parts->part = calloc(count + 1, sizeof *parts->part))) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    dataset_close(set);
    return NULL;
  }
  for (size_t i = 0, taken; i < count; i += taken) {
    Dataset *part = open_part(paths + i, count - i, &taken, spec, err);
    if (!part) {
      dataset_close(set);
      return NULL;
    }
    parts->part[parts->count++] = part;
    set->count += part->count;
    if (part->note && !set->note) set->note = strdup(part->note);
  }
  return set;
}
