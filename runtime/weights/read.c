/* Reads one tensor's values: contiguous, strided or inflated, in any dtype and byte order. The places were
 * checked when the file was opened; a file that has shrunk since gives an error, never a signal (hence pread,
 * not a mapping). Uses no state of the open file, so several threads may read at once. */
#include "runtime/weights/weights.h"

#include <fcntl.h>
#include <stdlib.h>
#include <zlib.h>

enum { CHUNK = 1 << 18 }; /* bytes; stays in the second-level cache between reading and converting */

/* A sequential view of one tensor's raw bytes. */
typedef struct BatchSource {
  const WeightFile *file;
  const WeightTensor *tensor;
  uint64_t at;  /* next byte in the file */
  uint64_t end; /* deflated: end of the compressed stream */
  z_stream z;
  uint32_t crc;
  unsigned char *packed; /* CHUNK bytes; deflated only */
} BatchSource;

static int batch_source_inflate(BatchSource *f, unsigned char *to, size_t size, surgery_error *err) {
  f->z.next_out = to;
  f->z.avail_out = (uInt)size;
  while (f->z.avail_out > 0) {
    if (f->z.avail_in == 0) {
      size_t n = f->end - f->at < CHUNK ? (size_t)(f->end - f->at) : CHUNK;
      if (n && sg_pread(f->file->fd, f->file->path, f->packed, f->at, n, err)) return -1;
      f->at += n;
      f->z.next_in = f->packed;
      f->z.avail_in = (uInt)n;
    }
    int result = inflate(&f->z, Z_NO_FLUSH);
    if (result == Z_OK) continue;
    if (result == Z_STREAM_END && f->z.avail_out == 0) break;
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s' (byte %llu): its compressed data %s", f->file->path,
                   SG_Q(f->tensor->pub.name), ULL(f->tensor->offset),
                   result == Z_STREAM_END || result == Z_BUF_ERROR ? "end before the tensor does" : "are broken");
  }
  f->crc = (uint32_t)crc32(f->crc, to, (uInt)size);
  return 0;
}

/* Up to CHUNK bytes at a time for a deflated tensor. */
static int batch_source_get(BatchSource *f, void *to, size_t size, surgery_error *err) {
  if (!f->tensor->deflated) {
    if (weights_bytes(f->file, to, f->at, size, err)) return -1;
    f->at += size;
    return 0;
  }
  unsigned char *at = to;
  while (size > 0) {
    size_t n = size < CHUNK ? size : CHUNK;
    if (batch_source_inflate(f, at, n, err)) return -1;
    at += n;
    size -= n;
  }
  return 0;
}

static void batch_source_close(BatchSource *f) {
  if (f->packed) inflateEnd(&f->z);
  free(f->packed);
}

/* From the tensor's byte `skip` on, of which `size` are needed; 0 where the tensor is deflated. */
static int batch_source_open(BatchSource *f, const surgery_weights *w, const WeightTensor *t, uint64_t skip,
                             uint64_t size, surgery_error *err) {
  *f = (BatchSource){
      .file = weights_file(w, t), .tensor = t, .at = t->offset + skip, .crc = (uint32_t)crc32(0, NULL, 0)};
  if (!t->deflated) {
    if (!f->file->image) posix_fadvise(f->file->fd, (off_t)f->at, (off_t)size, POSIX_FADV_WILLNEED);
    return 0;
  }
  f->end = t->offset + t->packed;
  f->packed = malloc(CHUNK);
  if (!f->packed || inflateInit2(&f->z, -MAX_WBITS) != Z_OK) {
    free(f->packed);
    return sg_fail_memory(err, f->file->path, CHUNK);
  }
  unsigned char header[256];
  for (uint64_t left = t->skip; left > 0;) {
    size_t n = left < sizeof header ? (size_t)left : sizeof header;
    if (batch_source_inflate(f, header, n, err)) return batch_source_close(f), -1;
    left -= n;
  }
  return 0;
}

static int batch_source_finish(BatchSource *f, surgery_error *err) {
  if (f->tensor->deflated && f->crc != f->tensor->crc) {
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: tensor '%s' (byte %llu): the archive's checksum is %08x, its data's %08x", f->file->path,
                   SG_Q(f->tensor->pub.name), ULL(f->tensor->offset), f->tensor->crc, f->crc);
  }
  return 0;
}

static int convert(const BatchSource *f, const unsigned char *from, WeightTarget to, size_t at, size_t count,
                   surgery_error *err) {
  const WeightTensor *t = f->tensor;
  if (to.f32) {
    float *f32 = to.f32 + at;
    dtype_to_f32(weights_stored_dtype(t), t->big_endian, from, f32, count);
    for (size_t i = 0; t->quantised && i < count; i++) f32[i] = (f32[i] - (float)t->zero) * (float)t->scale;
  } else if (!dtype_to_i64(t->pub.dtype, t->big_endian, from, to.i64 + at, count)) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s' (byte %llu): a u64 value is too large for i64",
                   f->file->path, SG_Q(t->pub.name), ULL(t->offset));
  }
  return 0;
}

static bool row_major(const surgery_tensor *t, const int64_t *stride) {
  int64_t expected = 1;
  for (int i = t->rank - 1; i >= 0; i--) {
    if (t->shape[i] != 1 && stride[i] != expected) return false;
    expected *= t->shape[i];
  }
  return true;
}

static int read_contiguous(BatchSource *f, WeightTarget to, size_t count, surgery_error *err) {
  surgery_dtype dtype = weights_stored_dtype(f->tensor);
  if (dtype == SURGERY_F32 && to.f32 && !f->tensor->big_endian) return batch_source_get(f, to.f32, count * 4, err);
  size_t size = surgery_dtype_size(dtype), per_chunk = CHUNK / size;
  unsigned char *chunk = malloc(CHUNK);
  if (!chunk) return sg_fail_memory(err, f->file->path, CHUNK);
  int status = 0;
  for (size_t at = 0; at < count && !status; at += per_chunk) {
    size_t n = count - at < per_chunk ? count - at : per_chunk;
    status = batch_source_get(f, chunk, n * size, err) || convert(f, chunk, to, at, n, err) ? -1 : 0;
  }
  free(chunk);
  return status;
}

/* Collects `n` elements in row-major order from the raw span; index and place go on from call to call. */
static void gather(const WeightTensor *t, const unsigned char *raw, int64_t *index, uint64_t *place, unsigned char *to,
                   size_t n) {
  size_t size = surgery_dtype_size(weights_stored_dtype(t));
  for (size_t i = 0; i < n; i++) {
    memcpy(to + i * size, raw + *place * size, size);
    for (int d = t->pub.rank - 1; d >= 0; d--) {
      *place += (uint64_t)t->stride[d];
      if (++index[d] < t->pub.shape[d]) break;
      *place -= (uint64_t)t->stride[d] * (uint64_t)t->pub.shape[d];
      index[d] = 0;
    }
  }
}

static int read_strided(BatchSource *f, WeightTarget to, surgery_error *err) {
  const WeightTensor *t = f->tensor;
  size_t size = surgery_dtype_size(weights_stored_dtype(t)), per_chunk = CHUNK / size, count = (size_t)t->pub.count;
  unsigned char *raw = malloc((size_t)t->span), *chunk = malloc(CHUNK);
  int64_t index[SURGERY_MAX_RANK] = {0};
  uint64_t place = 0;
  int status = raw && chunk ? batch_source_get(f, raw, (size_t)t->span, err)
                            : sg_fail_memory(err, f->file->path, (size_t)t->span + CHUNK);
  for (size_t at = 0; at < count && !status; at += per_chunk) {
    size_t n = count - at < per_chunk ? count - at : per_chunk;
    gather(t, raw, index, &place, chunk, n);
    status = convert(f, chunk, to, at, n, err);
  }
  free(raw);
  free(chunk);
  return status;
}

bool weights_read_parts(const WeightTensor *t) { return !t->deflated && row_major(&t->pub, t->stride); }

int weights_check_read(const surgery_weights *w, const surgery_tensor *tensor, bool i64, int64_t count,
                       surgery_error *err) {
  const WeightTensor *t = (const WeightTensor *)tensor;
  if (!tensor || t < w->tensors || t >= w->tensors + w->count) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: the tensor asked for is not of this file", w->files[0].path);
  }
  if (count != tensor->count) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s' has %lld elements, %lld were asked for",
                   weights_file(w, t)->path, SG_Q(tensor->name), (long long)tensor->count, (long long)count);
  }
  if (i64 && !dtype_is_integer(tensor->dtype)) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s' is %s; only integers can be read as i64",
                   weights_file(w, t)->path, SG_Q(tensor->name), surgery_dtype_name(tensor->dtype));
  }
  return 0;
}

int weights_read_part(const surgery_weights *w, const WeightTensor *t, WeightTarget to, size_t first, size_t count,
                      surgery_error *err) {
  if (count == 0) return 0;
  bool whole = !row_major(&t->pub, t->stride);
  size_t size = surgery_dtype_size(weights_stored_dtype(t));
  BatchSource feed;
  if (batch_source_open(&feed, w, t, first * size, whole ? t->span : count * size, err)) return -1;
  int status = whole ? read_strided(&feed, to, err) : read_contiguous(&feed, to, count, err);
  if (!status) status = batch_source_finish(&feed, err);
  batch_source_close(&feed);
  return status;
}

static int read_values(surgery_weights *w, const surgery_tensor *tensor, WeightTarget to, int64_t count,
                       surgery_error *err) {
  if (weights_check_read(w, tensor, to.i64 != NULL, count, err)) return -1;
  return weights_read_part(w, (const WeightTensor *)tensor, to, 0, (size_t)count, err);
}

int surgery_weights_read(surgery_weights *w, const surgery_tensor *tensor, float *to, int64_t count,
                         surgery_error *err) {
  return read_values(w, tensor, (WeightTarget){.f32 = to}, count, err);
}

int surgery_weights_read_i64(surgery_weights *w, const surgery_tensor *tensor, int64_t *to, int64_t count,
                             surgery_error *err) {
  return read_values(w, tensor, (WeightTarget){.i64 = to}, count, err);
}
