/* A model in several files: *.index.json, whose "weight_map" gives each tensor's file. The shards are files
 * of any known format in the same folder; an index cannot name another folder. */
#include "runtime/weights/weights.h"
#include "runtime/weights/formats.h"

#include <jansson.h>
#include <stdlib.h>

enum { LARGEST_INDEX = 100000000, MOST_SHARDS = 4096 };

typedef struct Row {
  const char *tensor, *shard;
  uint64_t at; /* byte of the tensor's name in the index */
} Row;

typedef struct Index {
  surgery_weights *w;
  const char *path;
  surgery_error *err;
  Row *rows;
  size_t count;
} Index;

#define REFUSE(x, format, ...) sg_fail((x)->err, SURGERY_BAD_INPUT, "%s: " format, (x)->path, __VA_ARGS__)
#define REFUSE_TENSOR(x, row, format, ...)                                                                             \
  REFUSE(x, "tensor '%s' (byte %llu): " format, SG_Q((row)->tensor), ULL((row)->at), __VA_ARGS__)

static int by_shard(const void *a, const void *b) {
  const Row *x = a, *y = b;
  int order = strcmp(x->shard, y->shard);
  return order ? order : strcmp(x->tensor, y->tensor);
}

static bool plain_name(const char *name) {
  return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\\");
}

static int read_map(Index *x, json_t *map, const uint64_t *places) {
  const char *tensor;
  json_t *shard;
  json_object_foreach(map, tensor, shard) {
    const char *name = json_string_value(shard);
    Row *row = &x->rows[x->count];
    row->at = places[x->count];
    row->tensor = pool_strndup(&x->w->pool, tensor, strlen(tensor));
    if (!row->tensor) return sg_fail_memory(x->err, x->path, strlen(tensor));
    if (!name || !plain_name(name))
      return REFUSE_TENSOR(x, row, "the shard '%s' must be a file's name without a path", SG_Q(name ? name : ""));
    row->shard = pool_strndup(&x->w->pool, name, strlen(name));
    if (!row->shard) return sg_fail_memory(x->err, x->path, strlen(name));
    x->count++;
  }
  return 0;
}

/* The number of "weight_map" among the root's keys. */
static int64_t map_number(json_t *root) {
  int64_t number = 0;
  const char *key;
  json_t *value;
  json_object_foreach(root, key, value) {
    if (strcmp(key, "weight_map") == 0) break;
    number++;
  }
  return number;
}

static int parse_index(Index *x, const char *text, size_t length) {
  json_error_t error;
  json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (!root) return REFUSE(x, "byte %d: the index is not JSON: %s", error.position, error.text);
  json_t *map = json_object_get(root, "weight_map");
  size_t count = json_object_size(map);
  int status = 0;
  uint64_t *places = calloc(count + 1, sizeof *places);
  x->rows = pool_array(&x->w->pool, count, sizeof *x->rows);
  if (count == 0)
    status = REFUSE(x, "is JSON, but no index of shards: '%s' must be an object of tensor: file", "weight_map");
  else if (!x->rows || !places) status = sg_fail_memory(x->err, x->path, count * (sizeof *x->rows + sizeof *places));
  if (!status) {
    json_places(text, length, map_number(root), places, count);
    status = read_map(x, map, places);
  }
  free(places);
  json_decref(root);
  return status;
}

/* Opens one shard and keeps those of its tensors that rows [from, to) name, in the shard's order. */
static int read_shard(Index *x, size_t from, size_t to) {
  surgery_weights *w = x->w;
  const char *slash = strrchr(x->path, '/'), *shard = x->rows[from].shard;
  char *path = pool_printf(&w->pool, "%.*s%s", slash ? (int)(slash - x->path + 1) : 0, x->path, shard);
  if (!path) return sg_fail_memory(x->err, x->path, strlen(shard));
  surgery_error why = {0};
  int file = weights_add_file(w, path, &why);
  if (file < 0) {
    return sg_fail(x->err, why.status, "%s: tensor '%s' (byte %llu): its shard is missing: %s", x->path,
                   SG_Q(x->rows[from].tensor), ULL(x->rows[from].at), why.message);
  }
  size_t first = w->count, kept = first;
  const char *note = w->format;
  w->sharded = true;
  if (weights_detect(w, (uint32_t)file, x->err)) return -1;
  w->format = note;
  bool *found = pool_array(&w->pool, to - from, sizeof *found);
  if (!found) return sg_fail_memory(x->err, x->path, to - from);
  for (size_t i = first; i < w->count; i++) {
    Row key = {.tensor = w->tensors[i].pub.name, .shard = shard};
    Row *row = bsearch(&key, x->rows + from, to - from, sizeof key, by_shard);
    if (!row) continue;
    found[row - (x->rows + from)] = true;
    w->tensors[kept++] = w->tensors[i];
  }
  w->count = kept;
  for (size_t i = from; i < to; i++) {
    if (!found[i - from])
      return REFUSE_TENSOR(x, &x->rows[i], "is listed in shard '%s', but is not there", SG_Q(shard));
  }
  return 0;
}

static int read_shards(Index *x) {
  qsort(x->rows, x->count, sizeof *x->rows, by_shard);
  size_t shards = 0;
  for (size_t from = 0, to; from < x->count; from = to) {
    for (to = from + 1; to < x->count && strcmp(x->rows[to].shard, x->rows[from].shard) == 0;) to++;
    if (++shards > MOST_SHARDS) return REFUSE(x, "more than %d shards", MOST_SHARDS);
    if (read_shard(x, from, to)) return -1;
  }
  x->w->format = pool_printf(&x->w->pool, "index of %zu shards", shards);
  return x->w->format ? 0 : sg_fail_memory(x->err, x->path, 64);
}

WeightMatch index_probe(const WeightHead *head) { return json_begins(head, 0) ? MATCH_LIKELY : MATCH_NOT; }

int index_read(surgery_weights *w, uint32_t file, surgery_error *err) {
  WeightFile f = w->files[file]; /* a copy: the list grows */
  Index x = {.w = w, .path = f.path, .err = err};
  if (w->sharded) return REFUSE(&x, "an index cannot name another index as a shard%s", "");
  if (f.size > LARGEST_INDEX)
    return REFUSE(&x, "an index of %llu bytes; at most %d are allowed", ULL(f.size), LARGEST_INDEX);
  char *text = malloc((size_t)f.size + 1);
  if (!text) return sg_fail_memory(err, f.path, (size_t)f.size + 1);
  int status = sg_pread(f.fd, f.path, text, 0, (size_t)f.size, err);
  if (!status) status = parse_index(&x, text, (size_t)f.size);
  free(text);
  return status ? -1 : read_shards(&x);
}
