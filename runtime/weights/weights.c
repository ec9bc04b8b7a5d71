/* Opening a weight file: its format found by content, a reader called, the names put in order
 * (weights_sets.c). Knows every reader by name and none from inside. Called through surgery.h by the compiler
 * (take, load) and compiled programs. */
#include "runtime/weights/weights.h"

#include <stdlib.h>
#include <strings.h>
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

/* ---- what the first bytes say ---- */

typedef struct Magic {
  const char *bytes;
  size_t length, at;
  const char *what;
} Magic;

/* Files that people really hand over by mistake: each with the reason and the cure. */
static const Magic strangers[] = {
    {"\x89HDF\r\n\x1a\n", 8, 0, "is an HDF5 file (Keras); export the weights as safetensors or .npz"},
    {"TFL3", 4, 4,
     "is a TensorFlow Lite file, a compiled network; export the network as ONNX, and take the .onnx file "
     "(tf2onnx)"},
    {"GGUF", 4, 0, "is a GGUF file; safetensors, PyTorch and .npz files are read"},
    {"\x1f\x8b", 2, 0, "is compressed by gzip; unpack it first (gunzip)"},
    {"BZh", 3, 0, "is compressed by bzip2; unpack it first"},
    {"\xfd"
     "7zXZ",
     5, 0, "is compressed by xz; unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, 0, "is compressed by zstd; unpack it first"},
    {"version https://git-lfs", 23, 0, "is a Git LFS pointer, not the file itself; run `git lfs pull`"},
    {"<!DOCTYPE", 9, 0, "is a web page, not a weight file; the download went wrong"},
    {"<!doctype", 9, 0, "is a web page, not a weight file; the download went wrong"},
    {"<html", 5, 0, "is a web page, not a weight file; the download went wrong"},
    {"\x89PNG", 4, 0, "is a PNG picture, not a weight file"},
    {"\xff\xd8\xff", 3, 0, "is a JPEG picture, not a weight file"},
    {"\x7f"
     "ELF",
     4, 0, "is a program or library, not a weight file"},
};

static bool starts(const unsigned char *head, size_t have, const char *magic, size_t length, size_t at) {
  return have >= at + length && memcmp(head + at, magic, length) == 0;
}

/* A tar header is known by "ustar", or (version 7, what Python 2's tarfile could write) by the first member's
 * name. */
static bool is_tar(const unsigned char *head, size_t have) {
  return starts(head, have, "ustar", 5, 257) || (have == 512 && starts(head, have, "storages\0", 9, 0)) ||
         (have == 512 && starts(head, have, "sys_info\0", 9, 0));
}

static bool is_json(const unsigned char *head, size_t have) {
  size_t i = 0;
  while (i < have && strchr(" \t\r\n", head[i]) && head[i]) i++;
  return i < have && head[i] == '{';
}

/* A safetensors file may begin with any byte: its header's length, whose lowest byte comes first. */
static bool plausible_header(const unsigned char *head, uint64_t size) {
  uint64_t length = 0;
  memcpy(&length, head, 8);
  return length >= 2 && length <= size - 8;
}

#define BY_ONNX "; export the network as ONNX, and take the .onnx file"

/* Files of other programs that only their names tell apart; asked for after a reader has refused the file. */
static const struct {
  const char *end, *what;
} suffixes[] = {
    {".keras", "is a Keras file" BY_ONNX " (tf2onnx), or save its weights as .npz"},
    {".h5", "is a Keras file, as it seems" BY_ONNX " (tf2onnx), or save its weights as .npz"},
    {".hdf5", "is a Keras file, as it seems" BY_ONNX " (tf2onnx), or save its weights as .npz"},
    {".tflite", "is a TensorFlow Lite file, a compiled network" BY_ONNX " (tf2onnx)"},
    {".pb", "is a TensorFlow graph, as it seems" BY_ONNX " (tf2onnx)"},
    {".ckpt.index", "is a part of a TensorFlow checkpoint; save its variables as .npz"},
    {".ckpt.meta", "is a part of a TensorFlow checkpoint; save its variables as .npz"},
    {".data-00000-of-00001", "is a part of a TensorFlow checkpoint; save its variables as .npz"},
    {".msgpack", "is a Flax file, as it seems; save its arrays as safetensors or .npz"},
    {".gguf", "is a GGUF file; safetensors, PyTorch and .npz files are read"},
    {".ggml", "is a GGML file; safetensors, PyTorch and .npz files are read"},
    {".mlmodel", "is a Core ML file, a compiled network" BY_ONNX},
    {".pdparams", "is a PaddlePaddle file; save its arrays as .npz"},
    {".pdmodel", "is a PaddlePaddle network" BY_ONNX " (paddle2onnx)"},
    {".caffemodel", "is a Caffe file" BY_ONNX ", or save its weights as .npz"},
    {".params", "is an MXNet file, as it seems; save its arrays as .npz"},
    {".engine", "is a TensorRT engine, a compiled network; take the .onnx file that it was made from"},
    {".trt", "is a TensorRT engine, a compiled network; take the .onnx file that it was made from"},
    {".pt2", "is a program of torch.export" BY_ONNX ", or save its tensors: torch.save(program.state_dict, path)"},
    {".pte", "is a program of ExecuTorch, a compiled network; take the network that it was made from"},
    {".nemo", "is an archive of NeMo; unpack it with tar, and take model_weights.ckpt from it"},
    {".mar", "is an archive of TorchServe; unpack it, and take the .pth file from it"},
};

static int detect(surgery_weights *w, uint32_t file, bool nested, surgery_error *err) {
  const WeightFile *f = &w->files[file];
  unsigned char head[512];
  size_t have = f->size < sizeof head ? (size_t)f->size : sizeof head;
  if (sg_pread(f->fd, f->path, head, 0, have, err)) return -1;
  if (have == 0) return sg_fail(err, SURGERY_BAD_INPUT, "%s: is empty", f->path);
  if (starts(head, have, "PK\3\4", 4, 0) || starts(head, have, "PK\5\6", 4, 0)) return torch_zip_read(w, file, err);
  if (starts(head, have, "\x93NUMPY", 6, 0)) return npy_read(w, file, err);
  if (is_tar(head, have)) return torch_tar_read(w, file, err);
  for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
    const Magic *m = &strangers[i];
    if (starts(head, have, m->bytes, m->length, m->at)) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: %s", f->path, m->what);
    }
  }
  /* Before pickle: a header of 640 bytes begins with 80 02 as a pickle does; but then a '{' follows. */
  if (have > 8 && is_json(head + 8, have - 8)) return safetensors_read(w, file, err);
  if (have >= 2 && head[0] == 0x80 && head[1] <= 5) return torch_legacy_read(w, file, err);
  if (onnx_plausible(head, have)) return onnx_read(w, file, err);
  if (is_json(head, have)) {
    if (!nested) return index_read(w, file, err);
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: an index cannot name another index as a shard", f->path);
  }
  if (have <= 8 || plausible_header(head, f->size)) return safetensors_read(w, file, err);
  return sg_fail(err, SURGERY_BAD_INPUT,
                 "%s: not a weight file that is known here (safetensors, PyTorch, .npz, .npy, *.index.json, "
                 "ONNX); it begins "
                 "with bytes %02x %02x %02x %02x",
                 f->path, head[0], head[1], head[2], head[3]);
}

int weights_detect(surgery_weights *w, uint32_t file, bool nested, surgery_error *err) {
  surgery_error why = {0};
  if (detect(w, file, nested, &why) == 0) return 0;
  const char *path = w->files[file].path;
  size_t length = strlen(path);
  for (size_t i = 0; why.status == SURGERY_BAD_INPUT && i < sizeof suffixes / sizeof *suffixes; i++) {
    size_t tail = strlen(suffixes[i].end);
    if (length > tail && strcasecmp(path + length - tail, suffixes[i].end) == 0)
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: %s", path, suffixes[i].what);
  }
  if (err) *err = why;
  return -1;
}

surgery_weights *surgery_weights_open(const char *path, surgery_error *err) {
  surgery_weights *w = calloc(1, sizeof *w);
  if (!w) return sg_fail_memory(err, path, sizeof *w), NULL;
  w->format = w->note = "";
  if (weights_add_file(w, path, err) < 0 || weights_detect(w, 0, false, err) || weights_finish(w, err)) {
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
