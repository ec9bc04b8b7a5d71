/* Opening a weight file: its reader is found and called (formats.c), the names are put in order (weights_sets.c). Knows
 * no format. Called through surgery.h by the compiler (take, load) and compiled programs. */
#include "runtime/weights/formats.h"

#include <stdlib.h>
#include <unistd.h>

/* Names, paths and notes of an honest file take a few times the bytes that they have in it; what needs more
 * was made to be large. */
static const size_t LEAST_LIMIT = (size_t)16 << 20, LIMIT_FACTOR = 32;

int weights_push_file(surgery_weights *w, WeightFile file, surgery_error *err) {
  if (w->file_count == w->file_capacity) {
    size_t capacity = w->file_capacity * 2 + 4;
    WeightFile *grown = pool_grow(&w->pool, w->files, w->file_count, capacity, sizeof *grown);
    if (!grown) {
      if (file.fd >= 0) close(file.fd);
      return sg_fail_memory(err, file.path, capacity * sizeof *grown);
    }
    w->files = grown;
    w->file_capacity = capacity;
  }
  w->files[w->file_count] = file;
  return (int)w->file_count++;
}

int weights_add_file(surgery_weights *w, const char *path, surgery_error *err) {
  uint64_t size = 0;
  int fd = sg_open_regular(path, &size, err);
  if (fd < 0) return -1;
  if (w->pool.limit == 0) w->pool.limit = LEAST_LIMIT;
  w->pool.limit += size < SIZE_MAX / 4 / LIMIT_FACTOR - w->pool.limit ? (size_t)size * LIMIT_FACTOR : 0;
  char *copy = pool_strndup(&w->pool, path, strlen(path));
  if (!copy) {
    close(fd);
    return sg_fail_memory(err, path, strlen(path));
  }
  return weights_push_file(w, (WeightFile){.fd = fd, .size = size, .path = copy}, err);
}

int weights_bytes(const WeightFile *f, void *to, uint64_t at, size_t size, surgery_error *err) {
  if (!f->image) return sg_pread(f->fd, f->path, to, at, size, err);
  if (at > f->size || size > f->size - at)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: end at byte %llu", f->path, ULL(f->size));
  memcpy(to, f->image + at, size);
  return 0;
}

const WeightFile *weights_file(const surgery_weights *w, const WeightTensor *t) { return &w->files[t->file]; }

void weights_paths_free(char **paths) {
  for (char **path = paths; path && *path; path++) free(*path);
  free(paths);
}

char **weights_paths(const surgery_weights *w) {
  char **paths = calloc(w->file_count + 1, sizeof *paths);
  for (size_t i = 0; paths && i < w->file_count; i++)
    if (!(paths[i] = strdup(w->files[i].path))) return weights_paths_free(paths), NULL;
  return paths;
}

WeightTensor *weights_add(surgery_weights *w, const char *name, size_t length, surgery_error *err) {
  if (w->count == w->capacity) {
    size_t capacity = w->capacity * 2 + 64;
    WeightTensor *grown = capacity < UINT32_MAX ? realloc(w->tensors, capacity * sizeof *grown) : NULL;
    if (!grown) return sg_fail_memory(err, w->files[0].path, capacity * sizeof *grown), NULL;
    w->tensors = grown;
    w->capacity = capacity;
  }
  WeightTensor *t = &w->tensors[w->count];
  memset(t, 0, sizeof *t);
  t->pub.name = pool_strndup(&w->pool, name, length);
  if (!t->pub.name) return sg_fail_memory(err, w->files[0].path, length), NULL;
  w->count++;
  return t;
}

int weights_shape(surgery_weights *w, WeightTensor *t, surgery_dtype dtype, int64_t rank, const int64_t *shape,
                  uint64_t at, surgery_error *err) {
  const char *path = weights_file(w, t)->path;
  if (rank < 0 || rank > SURGERY_MAX_RANK) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s' (byte %llu): %lld dimensions; at most %d are supported",
                   path, SG_Q(t->pub.name), ULL(at), (long long)rank, SURGERY_MAX_RANK);
  }
  t->pub.dtype = dtype;
  t->pub.rank = (int)rank;
  /* Zeros do not excuse an overflow among the other sizes: strides are their products. */
  int64_t nonzero = (int64_t)surgery_dtype_size(dtype), count = 1;
  for (int i = (int)rank - 1; i >= 0; i--) {
    t->pub.shape[i] = shape[i];
    t->stride[i] = nonzero / (int64_t)surgery_dtype_size(dtype);
    bool negative = shape[i] < 0;
    if (negative || __builtin_mul_overflow(nonzero, shape[i] > 0 ? shape[i] : 1, &nonzero)) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s' (byte %llu): %s in the shape %s of %s", path,
                     SG_Q(t->pub.name), ULL(at), negative ? "a negative size" : "the product overflows",
                     SHAPE((int)rank, shape), surgery_dtype_name(dtype));
    }
    count = shape[i] == 0 ? 0 : count * shape[i];
  }
  t->pub.count = count;
  t->span = (uint64_t)count * surgery_dtype_size(dtype);
  return 0;
}

surgery_weights *surgery_weights_open(const char *path, surgery_error *err) {
  surgery_weights *w = calloc(1, sizeof *w);
  if (!w) return sg_fail_memory(err, path, sizeof *w), NULL;
  w->format = w->note = "";
  if (weights_add_file(w, path, err) < 0 || weights_detect(w, 0, err) || weights_finish(w, err)) {
    surgery_weights_close(w);
    return NULL;
  }
  return w;
}

surgery_weights *surgery_weights_open_memory(const void *image, size_t size, const char *name, surgery_error *err) {
  surgery_weights *w = calloc(1, sizeof *w);
  if (!w) return sg_fail_memory(err, name, sizeof *w), NULL;
  w->format = w->note = "";
  w->pool.limit = LEAST_LIMIT + (size < SIZE_MAX / 4 / LIMIT_FACTOR ? size * LIMIT_FACTOR : 0);
  char *copy = pool_strndup(&w->pool, name, strlen(name));
  WeightFile file = {.fd = -1, .size = size, .path = copy ? copy : name, .image = image};
  if (!copy || weights_push_file(w, file, err) < 0) {
    if (!copy) sg_fail_memory(err, name, strlen(name));
  } else if (safetensors_read(w, 0, err) == 0 && weights_finish(w, err) == 0) {
    return w;
  }
  surgery_weights_close(w);
  return NULL;
}

void surgery_weights_close(surgery_weights *w) {
  if (!w) return;
  for (size_t i = 0; i < w->file_count; i++)
    if (w->files[i].fd >= 0) close(w->files[i].fd);
  if (w->set_count == 0 || w->tensors != w->sets[w->set].tensors) free(w->tensors);
  for (size_t i = 0; i < w->set_count; i++) free(w->sets[i].tensors);
  pool_free(&w->pool);
  free(w);
}

size_t surgery_weights_count(const surgery_weights *w) { return w->count; }

const surgery_tensor *surgery_weights_at(const surgery_weights *w, size_t index) {
  return index < w->count ? &w->tensors[index].pub : NULL;
}

const surgery_tensor *surgery_weights_find(const surgery_weights *w, const char *name) {
  size_t low = 0, high = w->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const surgery_tensor *t = &w->tensors[w->by_name[middle]].pub;
    int order = strcmp(name, t->name);
    if (order == 0) return t;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return NULL;
}

const char *surgery_weights_note(const surgery_weights *w) { return w->note; }

const char *surgery_weights_metadata(const surgery_weights *w, const char *key) {
  for (size_t i = 0; i < w->metadata_count; i++) {
    if (strcmp(w->metadata[i].key, key) == 0) return w->metadata[i].value;
  }
  return NULL;
}
