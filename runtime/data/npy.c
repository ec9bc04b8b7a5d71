/* One array in a .npy file (numpy.lib.format, versions 1 to 3): inputs for predict, one sample or a batch,
 * and its raw outputs. Little-endian numbers, C or Fortran order; objects are refused. Called by dataset.c
 * and cli/predict.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/error.h"
#include "runtime/io.h"

typedef struct Npy {
  char type; /* f i u b */
  int size;  /* bytes */
  bool fortran;
  int rank;
  int64_t dim[SURGERY_MAX_RANK], count;
  const unsigned char *data;
} Npy;

/* The text after 'key': in the header's dictionary. */
static const char *value_of(const char *header, const char *key) {
  char quoted[32];
  snprintf(quoted, sizeof quoted, "'%s'", key);
  const char *at = strstr(header, quoted);
  if (!at) return NULL;
  at += strlen(quoted);
  at += strspn(at, " ");
  return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static int parse_shape(Npy *npy, const char *at, const char *path, surgery_error *err) {
  npy->count = 1;
  if (!at || *at++ != '(') return sg_fail(err, SURGERY_BAD_INPUT, "%s: no shape in its header", path);
  for (;;) {
    at += strspn(at, " ,");
    if (*at == ')') return 0;
    char *end;
    errno = 0;
    long long size = strtoll(at, &end, 10);
    if (end == at || errno || size < 0 || npy->rank == SURGERY_MAX_RANK ||
        __builtin_mul_overflow(npy->count, size, &npy->count))
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: an impossible shape in its header", path);
    npy->dim[npy->rank++] = size;
    at = end + (*end == 'L');
  }
}

static int parse_header(Npy *npy, const char *header, const char *path, surgery_error *err) {
  const char *descr = value_of(header, "descr"), *order = value_of(header, "fortran_order");
  if (!descr || *descr != '\'' || !order)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: no descr or fortran_order in its header", path);
  char byte_order = descr[1], type = byte_order ? descr[2] : 0;
  npy->size = type ? atoi(descr + 3) : 0;
  npy->type = type;
  npy->fortran = strncmp(order, "True", 4) == 0;
  bool known = (type == 'f' && (npy->size == 4 || npy->size == 8)) || (type == 'b' && npy->size == 1) ||
               ((type == 'i' || type == 'u') &&
                (npy->size == 1 || npy->size == 2 || npy->size == 4 || npy->size == 8));
  if (!known || (byte_order != '<' && byte_order != '|' && byte_order != '='))
    return sg_fail(
        err, SURGERY_BAD_INPUT,
        "%s: numbers of type %s: only little-endian floats (4, 8 bytes), integers and bools are read", path,
        SG_QN(descr, strcspn(descr, ",}")));
  return parse_shape(npy, value_of(header, "shape"), path, err);
}

static int npy_parse(Npy *npy, const SgMap *map, const char *path, surgery_error *err) {
  const unsigned char *f = map->data;
  if (map->size < 12 || memcmp(f, "\x93NUMPY", 6) != 0 || f[6] < 1 || f[6] > 3)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: not a .npy file of version 1, 2 or 3", path);
  size_t start = f[6] == 1 ? 10 : 12;
  size_t length = f[6] == 1 ? (size_t)f[8] | (size_t)f[9] << 8
                            : (size_t)f[8] | (size_t)f[9] << 8 | (size_t)f[10] << 16 | (size_t)f[11] << 24;
  if (length > map->size - start || length > 1 << 20)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: truncated in its header", path);
  char *header = strndup((const char *)f + start, length);
  if (!header) return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", path);
  int status = parse_header(npy, header, path, err);
  free(header);
  if (status) return status;
  int64_t bytes;
  size_t have = map->size - start - length;
  if (__builtin_mul_overflow(npy->count, npy->size, &bytes) || (uint64_t)bytes != have)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: its shape wants %lld numbers of %d bytes, but %zu bytes follow", path,
                   (long long)npy->count, npy->size, have);
  npy->data = f + start + length;
  return 0;
}

static float npy_number(const Npy *npy, int64_t i) {
  uint64_t bits = 0;
  float f;
  double d;
  memcpy(&bits, npy->data + i * npy->size,
         (size_t)npy->size); /* little-endian machine, as all this project's targets */
  if (npy->type == 'f' && npy->size == 4) return memcpy(&f, &bits, 4), f;
  if (npy->type == 'f') return memcpy(&d, &bits, 8), (float)d;
  if (npy->type != 'i') return (float)bits;
  int shift = 64 - 8 * npy->size;
  return (float)((int64_t)(bits << shift) >> shift);
}

static void npy_copy(const Npy *npy, float *to) {
  int64_t at[SURGERY_MAX_RANK] = {0}, stride[SURGERY_MAX_RANK], step = 1;
  for (int k = 0; k < npy->rank; k++) { /* Fortran: the first index runs fastest */
    int d = npy->fortran ? k : npy->rank - 1 - k;
    stride[d] = step;
    step *= npy->dim[d];
  }
  for (int64_t i = 0; i < npy->count; i++) {
    int64_t from = 0;
    for (int d = 0; d < npy->rank; d++) from += at[d] * stride[d];
    to[i] = npy_number(npy, from);
    for (int d = npy->rank - 1; d >= 0 && ++at[d] == npy->dim[d]; d--) at[d] = 0;
  }
}

/* A whole array that is one sample, or a batch of them. */
static int take_samples(Dataset *set, const Npy *npy, surgery_error *err) {
  bool one = npy->rank > 0 && npy->rank <= set->spec.input->shape.rank &&
             npy->count == set->spec.input->shape.count &&
             dataset_check_sample(&set->spec, set->path, npy->rank, npy->dim, NULL) == 0;
  set->count = one ? 1 : npy->rank ? npy->dim[0] : 0;
  if (!one && npy->rank == 0) return sg_fail(err, SURGERY_BAD_INPUT, "%s: a single number", set->path);
  if (!one && dataset_check_sample(&set->spec, set->path, npy->rank - 1, npy->dim + 1, err)) return -1;
  float *values = malloc((size_t)npy->count * sizeof *values + 1);
  if (!values) return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", set->path);
  npy_copy(npy, values);
  return dataset_use_floats(set, values, NULL, err);
}

Dataset *dataset_open_npy(const char *path, const DatasetSpec *spec, surgery_error *err) {
  SgMap map;
  Npy npy = {.rank = 0};
  if (spec->target != TARGET_NONE) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: a .npy has no targets; an .npz with x and y has", path);
    return NULL;
  }
  if (sg_map_open(&map, path, err)) return NULL;
  Dataset *set = npy_parse(&npy, &map, path, err) ? NULL : dataset_new("npy", path, spec, err);
  if (set && take_samples(set, &npy, err)) {
    dataset_close(set);
    set = NULL;
  }
  sg_map_close(&map);
  return set;
}

int npy_write(const char *path, int rank, const int64_t *dim, const float *values, surgery_error *err) {
  char header[320], shape[SHAPE_TEXT + 2], start[10] = "\x93NUMPY\x01";
  size_t count = 1, at = 1;
  shape[0] = '(';
  for (int i = 0; i < rank; i++) {
    at += (size_t)snprintf(shape + at, sizeof shape - at, "%lld, ", (long long)dim[i]);
    count *= (size_t)dim[i];
  }
  snprintf(shape + (rank > 1 ? at - 2 : at), sizeof shape - at, ")");
  int length =
      snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape);
  int padded = (10 + length + 1 + 63) / 64 * 64 - 10;
  memset(header + length, ' ', (size_t)(padded - length));
  header[padded - 1] = '\n';
  start[8] = (char)(padded & 255), start[9] = (char)(padded >> 8);
  SgWriter *writer = sg_writer_open(path, err);
  if (!writer) return -1;
  if (sg_writer_write(writer, start, sizeof start, err) ||
      sg_writer_write(writer, header, (size_t)padded, err) ||
      sg_writer_write(writer, values, count * sizeof *values, err)) {
    sg_writer_abort(writer);
    return -1;
  }
  return sg_writer_commit(writer, err);
}
