/* IDX files, MNIST's format (yann.lecun.com/exdb/mnist): two zero bytes, a type, a rank, big-endian sizes,
 * the numbers. A set is a pair of files, images and labels, gzipped or not, found by the usual names.
 * Unsigned bytes are pixels; other types are values as they are. Called by dataset.c. Our own: a header
 * of a few bytes is all there is to read. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"

#define IDX_LIMIT ((size_t)1 << 36)

typedef struct Idx {
  uint8_t *file;       /* all of it */
  const uint8_t *data; /* big-endian numbers */
  int type, rank;
  int64_t dim[4], count; /* count: product */
} Idx;

static int element_size(int type) {
  static const struct {
    int type, size;
  } sizes[] = {{0x08, 1}, {0x09, 1}, {0x0B, 2}, {0x0C, 4}, {0x0D, 4}, {0x0E, 8}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (sizes[i].type == type) return sizes[i].size;
  return 0;
}

static int idx_parse(Idx *idx, size_t size, const char *path, surgery_error *err) {
  const uint8_t *f = idx->file;
  if (size < 4 || f[0] || f[1])
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: not an IDX file: byte 0: it begins with 00 00, a type and a rank",
                   path);
  idx->type = f[2], idx->rank = f[3], idx->count = 1;
  int bytes = element_size(idx->type);
  if (!bytes) return sg_fail(err, SURGERY_BAD_INPUT, "%s: byte 2: unknown IDX type 0x%02x", path, idx->type);
  if (idx->rank < 1 || idx->rank > 4)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: byte 3: rank %d is not 1..4", path, idx->rank);
  size_t header = 4 + 4 * (size_t)idx->rank;
  if (size < header)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: byte 4: truncated: %zu bytes, the header alone has %zu", path, size,
                   header);
  for (int i = 0; i < idx->rank; i++) {
    const uint8_t *d = f + 4 + 4 * i;
    idx->dim[i] = (int64_t)d[0] << 24 | d[1] << 16 | d[2] << 8 | d[3];
    if (__builtin_mul_overflow(idx->count, idx->dim[i], &idx->count))
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: byte %d: its sizes are too large", path, 4 + 4 * i);
  }
  size_t have = size - header;
  if (idx->count > INT64_MAX / 8 || (uint64_t)idx->count * (unsigned)bytes != have)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: byte %zu: the header announces %lld numbers of %d bytes, but %zu bytes follow%s", path, header,
                   (long long)idx->count, bytes, have,
                   (uint64_t)idx->count * (unsigned)bytes > have ? " (truncated?)" : "");
  idx->data = f + header;
  return 0;
}

static int idx_read(Idx *idx, const char *path, surgery_error *err) {
  size_t size;
  *idx = (Idx){.file = NULL};
  if (gzip_read(path, IDX_LIMIT, &idx->file, &size, err)) return -1;
  if (idx_parse(idx, size, path, err) == 0) return 0;
  free(idx->file);
  idx->file = NULL;
  return -1;
}

static double idx_number(const Idx *idx, int64_t i) {
  int size = element_size(idx->type);
  const uint8_t *p = idx->data + i * size;
  uint64_t bits = 0;
  for (int k = 0; k < size; k++) bits = bits << 8 | p[k];
  float f;
  double d;
  uint32_t low = (uint32_t)bits;
  switch (idx->type) {
  case 0x08: return (double)bits;
  case 0x09: return (int8_t)bits;
  case 0x0B: return (int16_t)bits;
  case 0x0C: return (int32_t)low;
  case 0x0D: memcpy(&f, &low, 4); return f;
  default: memcpy(&d, &bits, 8); return d;
  }
}

/* Numbers with fractions, for a regression. */
static void *real_targets(const Idx *labels, const char *path, surgery_error *err) {
  float *values = malloc((size_t)labels->count * sizeof *values + 1);
  if (!values) sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", path);
  for (int64_t i = 0; values && i < labels->count; i++) values[i] = (float)idx_number(labels, i);
  return values;
}

static void *idx_targets(Dataset *set, const Idx *labels, const char *path, surgery_error *err) {
  bool reals = labels->type == 0x0D || labels->type == 0x0E;
  bool one_each = labels->rank == 1 && labels->dim[0] == set->count && !reals;
  if (one_each && dataset_check_one_class(set, path, err)) return NULL;
  if (labels->rank != 1 && labels->count != set->count * set->spec.target_count) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: labels of rank %d, one number a sample is wanted", path, labels->rank);
    return NULL;
  }
  if (labels->dim[0] != set->count || labels->count != set->count * set->spec.target_count) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: %lld labels, but %lld samples in %s", path, (long long)labels->dim[0],
            (long long)set->count, set->path);
    return NULL;
  }
  if (reals && set->spec.target == TARGET_VALUES) return real_targets(labels, path, err);
  int64_t *values = malloc((size_t)labels->count * sizeof *values + 1);
  if (!values) {
    sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", path);
    return NULL;
  }
  for (int64_t i = 0; i < labels->count; i++) {
    double number = idx_number(labels, i);
    values[i] = number > -1e15 && number < 1e15 ? (int64_t)number : -1;
  }
  void *targets = dataset_targets_from_i64(set, values, labels->count, path, err);
  free(values);
  return targets;
}

/* Bytes are pixels, (N, H, W) or (N, H, W, 1 or 3), or, for a tensor input, anything of the right size. */
static int use_pixels(Dataset *set, Idx *idx, void *targets, surgery_error *err) {
  int64_t h = 1, w = idx->count / (idx->dim[0] ? idx->dim[0] : 1), c = 1;
  if (set->spec.input->kind == INPUT_IMAGE) {
    if (idx->rank < 3 || (idx->rank == 4 && idx->dim[3] != 1 && idx->dim[3] != 3)) {
      free(targets);
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: no pictures: (N, H, W) or (N, H, W, 3) is wanted for an image input",
                     set->path);
    }
    h = idx->dim[1], w = idx->dim[2], c = idx->rank == 4 ? idx->dim[3] : 1;
  }
  if (h < 1 || w < 1 || h > 65535 || w > INT32_MAX || (set->spec.input->kind == INPUT_IMAGE && w > 65535)) {
    free(targets);
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: a sample of %lld × %lld is no picture", set->path, (long long)h,
                   (long long)w);
  }
  uint8_t *bytes = idx->file;
  memmove(bytes, idx->data, (size_t)idx->count);
  idx->file = NULL; /* now the set's */
  return dataset_use_bytes(set, bytes, (int)h, (int)w, (int)c, false, targets, err);
}

static int use_values(Dataset *set, const Idx *idx, void *targets, surgery_error *err) {
  char shape[SHAPE_TEXT];
  int64_t each = idx->dim[0] ? idx->count / idx->dim[0] : 0;
  if (each != set->spec.input->shape.count) {
    free(targets);
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: a sample has %lld numbers, but the input is %s", set->path,
                   (long long)each, manifest_shape_text(&set->spec.input->shape, shape));
  }
  float *values = malloc((size_t)idx->count * sizeof *values + 1);
  if (!values) {
    free(targets);
    return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", set->path);
  }
  for (int64_t i = 0; i < idx->count; i++) values[i] = (float)idx_number(idx, i);
  return dataset_use_floats(set, values, targets, err);
}

static Dataset *open_pair(const char *images, const char *labels, const DatasetSpec *spec, surgery_error *err) {
  Idx x = {.file = NULL}, y = {.file = NULL};
  void *targets = NULL;
  Dataset *set = NULL;
  bool done = false;
  if (idx_read(&x, images, err) || (labels && idx_read(&y, labels, err)) ||
      !(set = dataset_new("idx", images, spec, err)))
    goto end;
  set->count = x.dim[0];
  if (set->count == 0) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: holds no samples", images);
    goto end;
  }
  if (labels) {
    if (!(targets = idx_targets(set, &y, labels, err))) goto end;
    if (dataset_check_targets(set, targets, labels, err)) {
      free(targets);
      goto end;
    }
  }
  done = (x.type == 0x08 ? use_pixels(set, &x, targets, err) : use_values(set, &x, targets, err)) == 0;
end:
  free(x.file), free(y.file);
  if (done) return set;
  dataset_close(set);
  return NULL;
}

/* The labels' file of an images' file: 'images' → 'labels', and idx3, idx4 → idx1; with or without .gz. NULL:
 * no such file. */
static char *labels_beside(const char *images) {
  char *path = malloc(strlen(images) + 8), *at, *gz;
  if (!path) return NULL;
  strcpy(path, images);
  char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  if (!(at = strstr(base, "images"))) {
    free(path);
    return NULL;
  }
  memcpy(at, "labels", 6);
  if ((at = strstr(base, "idx3")) || (at = strstr(base, "idx4")) || (at = strstr(base, "idx2"))) at[3] = '1';
  if (access(path, F_OK) == 0) return path;
  size_t length = strlen(path);
  if ((gz = strrchr(path, '.')) && strcmp(gz, ".gz") == 0) *gz = 0;
  else memcpy(path + length, ".gz", 4);
  if (access(path, F_OK) == 0) return path;
  free(path);
  return NULL;
}

static bool is_images_file(const char *name) {
  const char *idx = strstr(name, "idx");
  return strstr(name, "images") && idx && strlen(name) > 4 && strstr(name, "ubyte");
}

/* The images' files of a folder: of the wanted role first. Returns how many there are. */
static int find_images(const char *folder, DatasetRole role, char **path) {
  DIR *dir = opendir(folder);
  int count = 0;
  bool chosen_fits = false;
  *path = NULL;
  if (!dir) return 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (!is_images_file(entry->d_name)) continue;
    count++;
    bool test = strncmp(entry->d_name, "t10k", 4) == 0 || strncmp(entry->d_name, "test", 4) == 0;
    bool fits = test == (role == ROLE_TEST);
    char *full = NULL;
    if (chosen_fits > fits || asprintf(&full, "%s/%s", folder, entry->d_name) < 0) continue;
    /* of equals the first by name: the order of a folder is no order */
    if (*path && chosen_fits == fits && strcmp(full, *path) > 0) {
      free(full);
      continue;
    }
    free(*path);
    *path = full;
    chosen_fits = fits;
  }
  closedir(dir);
  return count;
}

bool idx_folder_has(const char *folder, DatasetRole role) {
  char *path;
  bool found = find_images(folder, role, &path) > 0;
  if (found) {
    const char *base = strrchr(path, '/') + 1;
    bool test = strncmp(base, "t10k", 4) == 0 || strncmp(base, "test", 4) == 0;
    found = role == ROLE_TRAIN || test;
  }
  free(path);
  return found;
}

PathMatch idx_probe(const PathHead *head) {
  if (head->folder) return idx_folder_has(head->path, ROLE_TRAIN) ? PATH_SURE : PATH_NOT;
  const uint8_t *at = head->bytes;
  if (head->have >= 4 && at[0] == 0 && at[1] == 0 && at[3] >= 1 && at[3] <= 4) return PATH_LIKELY;
  return strstr(head->path, "ubyte") ? PATH_WEAK : PATH_NOT;
}

Dataset *dataset_open_idx(const char *path, const DatasetSpec *spec, surgery_error *err) {
  char *images = NULL, *labels = NULL;
  find_images(path, spec->role, &images); /* none where path is a file */
  if (!images && !(images = strdup(path))) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    return NULL;
  }
  Dataset *set = NULL;
  if (spec->target != TARGET_NONE) labels = labels_beside(images);
  if (spec->target != TARGET_NONE && !labels)
    sg_fail(err, SURGERY_BAD_INPUT,
            "%s: no file of labels beside it: the pair is named like train-images-idx3-ubyte and "
            "train-labels-idx1-ubyte, with or without .gz",
            images);
  else set = open_pair(images, labels, spec, err);
  free(images), free(labels);
  return set;
}
