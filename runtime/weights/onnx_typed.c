/* ONNX values in typed fields (float_data, int32_data, …). A packed array of f32 or f64 is read in place.
 * What is written as varints, or piece by piece, is unpacked once into an anonymous file that stands among
 * the weight file's others, so that the one function which reads values serves it too. Called by onnx.c. */
#include "runtime/weights/onnx.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SPILL_BUFFER = 1 << 16 };

typedef struct Spill {
  OnnxReader *r;
  const OnnxTensor *d;
  WeightTensor *t;
  int64_t count; /* values so far */
  size_t filled;
  unsigned char buffer[SPILL_BUFFER];
} Spill;

#define REFUSE(s, format, ...)                                                                                         \
  sg_fail((s)->r->err, SURGERY_BAD_INPUT, "%s: tensor '%s' (byte %llu): " format, (s)->r->path, SG_Q((s)->d->name),    \
          ULL((s)->d->begin), __VA_ARGS__)

static int open_spill(OnnxReader *r) {
  if (r->spill >= 0) return 0;
  int fd = memfd_create("onnx", MFD_CLOEXEC);
  if (fd < 0) return sg_fail_system(r->err, errno, "%s: no memory for unpacked values", r->path);
  r->spill = weights_push_file(r->w, (WeightFile){.fd = fd, .path = r->path}, r->err);
  return r->spill < 0 ? -1 : 0;
}

static int flush(Spill *s) {
  WeightFile *file = &s->r->w->files[s->r->spill];
  for (size_t at = 0; at < s->filled;) {
    ssize_t n = write(file->fd, s->buffer + at, s->filled - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return sg_fail_system(s->r->err, n < 0 ? errno : EIO, "%s: values cannot be unpacked", s->r->path);
    at += (size_t)n;
  }
  s->r->spilled += s->filled;
  file->size = s->r->spilled;
  s->filled = 0;
  return 0;
}

/* A varint holds a negative number sign-extended to 64 bits; small types must keep to their range. */
static bool fits(surgery_dtype dtype, uint64_t bits) {
  int64_t value = (int64_t)bits;
  switch (dtype) {
  case SURGERY_I8: return value >= INT8_MIN && value <= INT8_MAX;
  case SURGERY_I16: return value >= INT16_MIN && value <= INT16_MAX;
  case SURGERY_I32: return value >= INT32_MIN && value <= INT32_MAX;
  case SURGERY_BOOL: return bits <= 1;
  case SURGERY_U8: return bits <= UINT8_MAX;
  case SURGERY_U16:
  case SURGERY_F16:
  case SURGERY_BF16: return bits <= UINT16_MAX;
  case SURGERY_U32: return bits <= UINT32_MAX;
  default: return true;
  }
}

static int add_value(Spill *s, uint64_t bits) {
  surgery_dtype dtype = s->t->pub.dtype;
  if (s->count == s->t->pub.count)
    return REFUSE(s, "more than the %lld values of its shape %s", (long long)s->count,
                  SHAPE(s->t->pub.rank, s->t->pub.shape));
  if (!fits(dtype, bits))
    return REFUSE(s, "value %lld does not fit into %s", (long long)s->count, surgery_dtype_name(dtype));
  size_t size = surgery_dtype_size(dtype);
  if (s->filled + size > SPILL_BUFFER && flush(s)) return -1;
  memcpy(s->buffer + s->filled, &bits, size); /* little endian: the low bytes come first */
  s->filled += size;
  s->count++;
  return 0;
}

/* One piece of the field: a packed run, or a single value. */
static int add_piece(Spill *s, const WireField *f) {
  OnnxReader *r = s->r;
  surgery_dtype dtype = s->t->pub.dtype;
  size_t fixed = dtype == SURGERY_F32 ? 4 : dtype == SURGERY_F64 ? 8 : 0;
  if (f->type == WIRE_VARINT && !fixed) return add_value(s, f->value);
  bool single = (f->type == WIRE_32 && fixed == 4) || (f->type == WIRE_64 && fixed == 8);
  if (!single && f->type != WIRE_BYTES)
    return REFUSE(s, "its values are not of the type %s", surgery_dtype_name(dtype));
  while (stream_at(&r->in) < f->next) {
    uint64_t bits = 0;
    if (fixed && f->next - stream_at(&r->in) < fixed) return REFUSE(s, "its last value is cut%s", "");
    if (fixed ? stream_get(&r->in, &bits, fixed, "a value", r->err) : wire_varint(r, f->next, &bits)) return -1;
    if (add_value(s, bits)) return -1;
  }
  return 0;
}

static int unpack(Spill *s) {
  WireField f;
  s->t->file = (uint32_t)s->r->spill;
  s->t->offset = s->r->spilled;
  for (uint64_t at = s->d->begin; at < s->d->end; at = f.next) {
    if (wire_field(s->r, at, s->d->end, &f)) return -1;
    if (f.number == s->d->typed && add_piece(s, &f)) return -1;
  }
  if (s->count != s->t->pub.count)
    return REFUSE(s, "its shape %s takes %lld values, but %lld are there", SHAPE(s->t->pub.rank, s->t->pub.shape),
                  (long long)s->t->pub.count, (long long)s->count);
  return flush(s);
}

int onnx_typed_values(OnnxReader *r, const OnnxTensor *d, WeightTensor *t) {
  bool plain = t->pub.dtype == SURGERY_F32 || t->pub.dtype == SURGERY_F64;
  if (plain && d->packed.next) {
    t->offset = d->packed.at;
    if (d->packed.next - d->packed.at == t->span) return 0;
    return sg_fail(r->err, SURGERY_BAD_INPUT,
                   "%s: tensor '%s' (byte %llu): %s of shape %s takes %llu bytes, but %llu are there", r->path,
                   SG_Q(d->name), ULL(d->begin), surgery_dtype_name(t->pub.dtype), SHAPE(t->pub.rank, t->pub.shape),
                   ULL(t->span), ULL(d->packed.next - d->packed.at));
  }
  if (open_spill(r)) return -1;
  Spill *s = malloc(sizeof *s);
  if (!s) return sg_fail_memory(r->err, r->path, sizeof *s);
  s->r = r;
  s->d = d;
  s->t = t;
  s->count = 0;
  s->filled = 0;
  int status = unpack(s);
  free(s);
  return status;
}
