/* .npy and .npz: numpy's array format, versions 1 to 3 (NEP 1), by themselves or as entries of a zip archive, stored
 * or deflated. The header is a Python dict literal of three keys; just that much Python is parsed. Object
 * arrays, which are pickles, are refused. Our own: Debian has no C library for the format, and damage has to be told
 * by its byte. */
#include "runtime/weights/zip.h"
#include "runtime/weights/formats.h"

#include <stdlib.h>
#include <stdio.h>
#include <zlib.h>

int npz_read(surgery_weights *w, uint32_t file, const ZipDirectory *zip, surgery_error *err);

enum { LARGEST_HEADER = 1 << 16, LARGEST_PREFIX = 12, DESCR = 64 };

/* One array's header. `at`: absolute byte of the .npy, or of its zip entry, for messages. */
typedef struct Npy {
  const char *path, *name;
  uint64_t at;
  surgery_error *err;
  const char *text; /* NUL-terminated header */
  size_t next;
  uint64_t place; /* absolute byte of text[0]; 0: compressed, it has none */
  char descr[DESCR];
  bool fortran, has_descr, has_fortran, has_shape;
  int64_t shape[SURGERY_MAX_RANK + 1];
  int rank;
} Npy;

static int refuse(Npy *n, const char *what) {
  uint64_t at = n->text && n->place ? n->place + n->next : n->at;
  return sg_fail(n->err, SURGERY_BAD_INPUT, "%s: array '%s' (byte %llu): %s", n->path, SG_Q(n->name), ULL(at), what);
}

static void skip_space(Npy *n) {
  while (n->text[n->next] && strchr(" \t\r\n", n->text[n->next])) n->next++;
}
static bool accept(Npy *n, char c) {
  skip_space(n);
  if (n->text[n->next] != c) return false;
  n->next++;
  return true;
}
static bool accept_word(Npy *n, const char *word) {
  skip_space(n);
  if (strncmp(n->text + n->next, word, strlen(word)) != 0) return false;
  n->next += strlen(word);
  return true;
}

static int parse_string(Npy *n, char *to, size_t size) {
  skip_space(n);
  char quote = n->text[n->next];
  if (quote != '\'' && quote != '"') return refuse(n, "its header has no text where one should be");
  size_t length = 0;
  for (n->next++; n->text[n->next] && n->text[n->next] != quote; n->next++) {
    if (length + 1 == size) return refuse(n, "a text in its header is too long");
    to[length++] = n->text[n->next];
  }
  to[length] = '\0';
  return n->text[n->next] ? (n->next++, 0) : refuse(n, "a text in its header does not end");
}

static int parse_shape(Npy *n) {
  if (!accept(n, '(')) return refuse(n, "its shape is not a tuple");
  while (!accept(n, ')')) {
    skip_space(n);
    const char *digits = n->text + n->next;
    if (*digits < '0' || *digits > '9') return refuse(n, "its shape is not a tuple of integers that are not negative");
    if (n->rank == SURGERY_MAX_RANK) return refuse(n, "more than 8 dimensions");
    int64_t size = 0;
    for (; *digits >= '0' && *digits <= '9'; digits++, n->next++) {
      if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, *digits - '0', &size))
        return refuse(n, "a size in its shape overflows");
    }
    accept(n, 'L'); /* Python 2's long */
    n->shape[n->rank++] = size;
    if (!accept(n, ',') && n->text[n->next] != ')') return refuse(n, "its shape is not a tuple");
  }
  return 0;
}

static int parse_entry(Npy *n) {
  char key[32];
  if (parse_string(n, key, sizeof key)) return -1;
  if (!accept(n, ':')) return refuse(n, "its header is not a dict");
  if (strcmp(key, "descr") == 0 && !n->has_descr) {
    n->has_descr = true;
    skip_space(n);
    if (n->text[n->next] == '[') return refuse(n, "a structured dtype (fields) is not supported");
    return parse_string(n, n->descr, sizeof n->descr);
  }
  if (strcmp(key, "fortran_order") == 0 && !n->has_fortran) {
    n->has_fortran = true;
    n->fortran = accept_word(n, "True");
    return n->fortran || accept_word(n, "False") ? 0 : refuse(n, "fortran_order is neither True nor False");
  }
  if (strcmp(key, "shape") == 0 && !n->has_shape) {
    n->has_shape = true;
    return parse_shape(n);
  }
  return refuse(n, "its header has a key twice, or one that is not descr, fortran_order, shape");
}

static int parse_header(Npy *n) {
  if (!accept(n, '{')) return refuse(n, "its header is not a dict");
  while (!accept(n, '}')) {
    if (parse_entry(n)) return -1;
    if (!accept(n, ',')) {
      if (accept(n, '}')) break;
      return refuse(n, "its header is not a dict");
    }
  }
  skip_space(n);
  if (n->text[n->next]) return refuse(n, "text after its header's dict");
  if (n->has_descr && n->has_fortran && n->has_shape) return 0;
  return refuse(n, "its header lacks one of descr, fortran_order, shape");
}

/* Adds the tensor; `data`: bytes after the header. */
static int add_array(surgery_weights *w, uint32_t file, Npy *n, uint64_t data, WeightTensor **added) {
  char order = n->descr[0];
  if (n->descr[0] && strchr("<>|=", n->descr[0]) && n->descr[1] == 'O')
    return refuse(n, "object dtype: such an array is a pickle and is never loaded");
  int dtype = order && strchr("<>|=", order) ? dtype_from_npy(n->descr + 1) : -1;
  if (dtype < 0) {
    return sg_fail(n->err, SURGERY_BAD_INPUT,
                   "%s: array '%s' (byte %llu): dtype '%s' is not supported (f2, f4, f8, i1 to i8, u1 to u8, b1 are)",
                   n->path, SG_Q(n->name), ULL(n->at), SG_Q(n->descr));
  }
  WeightTensor *t = weights_add(w, n->name, strlen(n->name), n->err);
  if (!t) return -1;
  t->file = file;
  if (weights_shape(w, t, (surgery_dtype)dtype, n->rank, n->shape, n->at, n->err)) return -1;
  t->big_endian = order == '>';
  if (n->fortran) {
    int64_t stride = 1;
    for (int i = 0; i < n->rank; i++) {
      t->stride[i] = stride;
      if (n->shape[i] > 0) stride *= n->shape[i]; /* the product was checked */
    }
  }
  if (t->span != data) {
    return sg_fail(n->err, SURGERY_BAD_INPUT,
                   "%s: array '%s' (byte %llu): %s of shape %s takes %llu bytes, but %llu are there", n->path,
                   SG_Q(n->name), ULL(n->at), surgery_dtype_name(t->pub.dtype), SHAPE(n->rank, n->shape), ULL(t->span),
                   ULL(data));
  }
  *added = t;
  return 0;
}

/* From the first bytes (LARGEST_PREFIX, or fewer): where the header's text begins, and its length. */
static int read_prefix(Npy *n, const unsigned char *head, size_t have, size_t *begin, size_t *length) {
  if (have < 10 || memcmp(head, "\x93NUMPY", 6) != 0) return refuse(n, "is not a numpy array (no \\x93NUMPY)");
  if (head[6] < 1 || head[6] > 3) return refuse(n, "of a version that is not known (1 to 3 are)");
  *begin = head[6] == 1 ? 10 : 12;
  if (have < *begin) return refuse(n, "cut off in its header");
  *length = 0;
  memcpy(length, head + 8, head[6] == 1 ? 2 : 4);
  return *length <= LARGEST_HEADER ? 0 : refuse(n, "a header of more than 65,536 bytes");
}

/* ---- where the header's bytes come from ---- */

/* The first `size` bytes of an entry, unpacked. */
static int peek(Npy *n, const WeightFile *f, uint64_t at, const ZipEntry *e, unsigned char *to, size_t size) {
  if (!e || e->method == ZIP_STORED) return sg_pread(f->fd, f->path, to, at, size, n->err);
  enum { IN = 4096 };
  unsigned char in[IN];
  z_stream z = {.next_out = to, .avail_out = (uInt)size};
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return sg_fail_memory(n->err, f->path, size);
  uint64_t end = at + e->packed;
  int status = 0, result = Z_OK;
  while (!status && result == Z_OK && z.avail_out > 0) {
    if (z.avail_in == 0) {
      size_t some = end - at < IN ? (size_t)(end - at) : IN;
      status = sg_pread(f->fd, f->path, in, at, some, n->err);
      at += some;
      z.next_in = in;
      z.avail_in = (uInt)some;
    }
    if (!status) result = inflate(&z, Z_NO_FLUSH);
  }
  if (!status && z.avail_out > 0) status = refuse(n, "its compressed data are broken or end in the header");
  inflateEnd(&z);
  return status;
}

/* The array of `size` bytes at absolute byte `at`; e: its zip entry, or NULL. */
static int read_array(surgery_weights *w, uint32_t file, Npy *n, uint64_t at, uint64_t size, const ZipEntry *e) {
  const WeightFile *f = &w->files[file];
  unsigned char head[LARGEST_PREFIX];
  size_t have = size < sizeof head ? (size_t)size : sizeof head, begin = 0, length = 0;
  if (peek(n, f, at, e, head, have) || read_prefix(n, head, have, &begin, &length)) return -1;
  if (length > size - begin) return refuse(n, "cut off in its header");
  unsigned char *bytes = malloc(begin + length + 1);
  if (!bytes) return sg_fail_memory(n->err, f->path, begin + length + 1);
  int status = peek(n, f, at, e, bytes, begin + length);
  WeightTensor *t = NULL;
  if (!status) {
    bytes[begin + length] = '\0';
    n->text = (const char *)bytes + begin;
    n->place = !e || e->method == ZIP_STORED ? at + begin : 0;
    status = strlen(n->text) == length ? parse_header(n) : refuse(n, "a zero byte in its header");
    n->text = NULL;
  }
  free(bytes);
  if (status || add_array(w, file, n, size - begin - length, &t)) return -1;
  t->offset = at + begin + length;
  if (e && e->method == ZIP_DEFLATED) {
    t->deflated = true;
    t->offset = at;
    t->packed = e->packed;
    t->skip = begin + length;
    t->crc = e->crc;
  }
  return 0;
}

WeightMatch npy_probe(const WeightHead *head) {
  return weights_begins(head, "\x93NUMPY", 6, 0) ? MATCH_SURE : MATCH_NOT;
}

int npy_read(surgery_weights *w, uint32_t file, surgery_error *err) {
  const WeightFile *f = &w->files[file];
  Npy n = {.path = f->path, .name = "arr_0", .err = err}; /* numpy's own name for what has none */
  w->format = "npy";
  return read_array(w, file, &n, 0, f->size, NULL);
}

/* deflate cannot do better than 1032 : 1; a directory that says so lies. */
static bool possible(const ZipEntry *e) { return e->method == ZIP_STORED || e->size / 1033 <= e->packed; }

int npz_read(surgery_weights *w, uint32_t file, const ZipDirectory *zip, surgery_error *err) {
  w->format = "npz";
  for (size_t i = 0; i < zip->count; i++) {
    const ZipEntry *e = &zip->entries[i];
    size_t length = strlen(e->name);
    if (length <= 4 || strcmp(e->name + length - 4, ".npy") != 0) continue;
    char *name = pool_strndup(&w->pool, e->name, length - 4);
    if (!name) return sg_fail_memory(err, w->files[file].path, length);
    Npy n = {.path = w->files[file].path, .name = name, .at = e->header, .err = err};
    uint64_t at;
    if (zip_locate(zip, e, true, &at, err)) return -1;
    if (!possible(e)) return refuse(&n, "its compressed data cannot unpack to the size that the archive states");
    if (read_array(w, file, &n, at, e->size, e)) return -1;
  }
  return 0;
}
