/* What the readers share: the open file(s), the list of tensors that each reader fills, and the reading of
 * their values. A reader turns a header into weights_add() calls and nothing else; the values are read later,
 * by place and stride, in read.c. Private to runtime/weights/. */
#ifndef SURGERY_WEIGHTS_WEIGHTS_H
#define SURGERY_WEIGHTS_WEIGHTS_H
#include "runtime/base/error.h"
#include "runtime/base/io.h"
#include "runtime/surgery.h"
#include "runtime/weights/pool.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weight files are read in the machine's byte order");

typedef struct WeightFile {
  int fd;
  uint64_t size;
  const char *path;
  const unsigned char *image; /* in memory, in place of the descriptor (only safetensors); NULL: a file */
} WeightFile;

typedef struct WeightTensor {
  surgery_tensor pub; /* first: the public pointer is this one's */
  uint32_t file;      /* index into weights->files */
  bool big_endian, deflated;
  uint64_t offset; /* absolute byte of the first element; deflated: of the compressed stream */
  uint64_t span;   /* bytes from the first element's to the end of the last one's; inside the file, checked */
  int64_t stride[SURGERY_MAX_RANK]; /* in elements, never negative */
  bool quantised;                   /* its values of packed_dtype mean (value - zero) * scale; pub.dtype is f32 */
  surgery_dtype packed_dtype;
  double scale;
  int64_t zero;
  uint64_t skip, packed; /* deflated: bytes before the first element in the unpacked stream, bytes of the
                            compressed stream */
  uint32_t crc;          /* deflated: of the whole unpacked stream */
} WeightTensor;

typedef struct WeightPair {
  const char *key, *value;
} WeightPair;

/* One of several sets of weights in a file: a checkpoint may hold the average of the network's weights, a
 * teacher's, another network's. */
typedef struct WeightSet {
  const char *name;      /* its path in the file, "state_dict_ema"; "": the file is this set */
  const char *about;     /* of the note: "; under 'state_dict'; a whole module, …" */
  const char *taken_off; /* from the front of every name in the file: "module."; "" for nothing */
  WeightTensor *tensors; /* file order */
  size_t count;
  uint32_t *by_name; /* indices, sorted by name; made by weights_finish */
  const char *error; /* it cannot be read, and why; NULL */
} WeightSet;

struct surgery_weights {
  Pool pool; /* names, paths, notes */
  WeightFile *files;
  size_t file_count, file_capacity;
  WeightTensor *tensors; /* of the set that is open now, or that a reader is filling; file order */
  size_t count, capacity;
  uint32_t *by_name; /* of that set */
  WeightSet *sets;   /* the first is the one that is opened; made by weights_end_set, at the latest by
                        weights_finish */
  size_t set_count, set_capacity, set;
  bool sharded; /* an index's shards fill one list: of each only the first set */
  WeightPair *metadata;
  size_t metadata_count;
  const char *format;  /* of the note: what the reader says of the file */
  const char *skipped; /* of the note: what was left out; NULL */
  const char *note;    /* all of it, for the set that is open now */
};

/* What was added since the last call is a set of its own. -1 with *err filled. */
int weights_end_set(surgery_weights *w, const char *name, const char *about, const char *error, surgery_error *err);
/* weights_sets.c: takes prefixes off, sorts the names of every set, opens the first. */
int weights_finish(surgery_weights *w, surgery_error *err);

/* ---- for readers ---- */

/* A zeroed tensor at the end of the list, its name copied; NULL, with *err filled, without memory. The
 * pointer is good until the next call. */
WeightTensor *weights_add(surgery_weights *w, const char *name, size_t length, surgery_error *err);
/* Sets dtype, shape, count, row-major strides and span. Refuses ranks over 8, negative sizes, and products
 * past 2^63 bytes. `at`: absolute byte in the file where the shape is, for the message. */
int weights_shape(surgery_weights *w, WeightTensor *t, surgery_dtype dtype, int64_t rank, const int64_t *shape,
                  uint64_t at, surgery_error *err);
const WeightFile *weights_file(const surgery_weights *w, const WeightTensor *t);
/* The paths of all files that it reads: malloc'ed with their list, which ends with NULL. NULL: no memory. */
char **weights_paths(const surgery_weights *w);
void weights_paths_free(char **paths);
/* Of the values as they lie in the file. */
static inline surgery_dtype weights_stored_dtype(const WeightTensor *t) {
  return t->quantised ? t->packed_dtype : t->pub.dtype;
}
/* sg_pread, or the same of an image. */
int weights_bytes(const WeightFile *file, void *to, uint64_t at, size_t size, surgery_error *err);

/* Adds an open file; path is copied. Returns its index, or -1. */
int weights_add_file(surgery_weights *w, const char *path, surgery_error *err);
/* The same for one that is open already; its descriptor is closed on failure. The path is not copied. */
int weights_push_file(surgery_weights *w, WeightFile file, surgery_error *err);

/* ---- read.c ---- */

/* Where values go: one of the two. */
typedef struct WeightTarget {
  float *f32;
  int64_t *i64;
} WeightTarget;
/* Whether `tensor` is of this file, has `count` elements and, for i64, is of integers. */
int weights_check_read(const surgery_weights *w, const surgery_tensor *tensor, bool i64, int64_t count,
                       surgery_error *err);
/* Whether a part can be read without the rest: not compressed, in row-major order. */
bool weights_read_parts(const WeightTensor *t);
/* `count` values in row-major order from number `first` on; else all of them from 0. Several threads may call it at
 * once. */
int weights_read_part(const surgery_weights *w, const WeightTensor *t, WeightTarget to, size_t first, size_t count,
                      surgery_error *err);

/* json_places.c: fills to[k] with the byte of the k-th key, in the order of the text, of the root object or,
 * with outer >= 0, of the object under the root's key of that number. The text is valid JSON, its root an
 * object. */
void json_places(const char *text, size_t length, int64_t outer, uint64_t *to, size_t count);

/* ---- dtype.c ---- */

/* From `count` elements of `dtype`, unaligned, to f32 or i64. Only integer dtypes and bool go to i64; false
 * if a u64 does not fit. */
void dtype_to_f32(surgery_dtype dtype, bool swap, const unsigned char *from, float *to, size_t count);
bool dtype_to_i64(surgery_dtype dtype, bool swap, const unsigned char *from, int64_t *to, size_t count);
bool dtype_is_integer(surgery_dtype dtype);
/* Each format's name for a dtype, NULL where it has none, and back (-1). */
const char *dtype_safetensors(surgery_dtype dtype);
const char *dtype_npy(surgery_dtype dtype);     /* "<f4" */
const char *dtype_storage(surgery_dtype dtype); /* "FloatStorage" */
int dtype_from_safetensors(const char *name, size_t length);
int dtype_from_npy(const char *name); /* without the byte order: "f4" */

/* "(64, 3, 7, 7)"; the same wherever a shape is printed. */
typedef struct ShapeText {
  char text[200];
} ShapeText;
const char *sg_dims_text(ShapeText *to, int rank, const int64_t *shape);
#define SHAPE(rank, shape) sg_dims_text(&(ShapeText){{0}}, (rank), (shape))

#define ULL(x) ((unsigned long long)(x))
#endif
