/* Protobuf's wire format, one field at a time: tags, varints, lengths, each checked against the message that
 * it is in. Knows no message of ONNX. Called by onnx.c and onnx_typed.c. Our own: protobuf-c, which
 * the import of networks uses, would decode all tensors into memory. */
#include "runtime/weights/onnx.h"

int wire_refuse(OnnxReader *r, uint64_t at, const char *why) {
  return sg_fail(r->err, SURGERY_BAD_INPUT, "%s: byte %llu: %s", r->path, ULL(at), why);
}

int wire_varint(OnnxReader *r, uint64_t end, uint64_t *value) {
  uint64_t at = stream_at(&r->in);
  *value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    unsigned char byte;
    if (stream_at(&r->in) >= end) return wire_refuse(r, at, "a number goes past the end of its message");
    if (stream_get(&r->in, &byte, 1, "a number", r->err)) return -1;
    if (shift == 63 && byte > 1) break;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) return 0;
  }
  return wire_refuse(r, at, "a number of more than 64 bits");
}

int wire_field(OnnxReader *r, uint64_t at, uint64_t end, WireField *f) {
  uint64_t tag, length = 0;
  stream_seek(&r->in, at);
  if (wire_varint(r, end, &tag)) return -1;
  *f = (WireField){.number = (uint32_t)(tag >> 3), .type = (WireType)(tag & 7)};
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return wire_refuse(r, at, "not a protobuf field");
  if (f->type == WIRE_VARINT && wire_varint(r, end, &f->value)) return -1;
  if (f->type == WIRE_64) length = 8;
  if (f->type == WIRE_32) length = 4;
  if (f->type == WIRE_BYTES && wire_varint(r, end, &length)) return -1;
  if (f->type != WIRE_VARINT && f->type != WIRE_64 && f->type != WIRE_32 && f->type != WIRE_BYTES)
    return wire_refuse(r, at, "a field of a kind that ONNX does not use");
  f->at = stream_at(&r->in);
  if (length > end - f->at) {
    return sg_fail(r->err, SURGERY_BAD_INPUT,
                   "%s: byte %llu: a field of %llu bytes goes past the end of its message (byte %llu)", r->path,
                   ULL(at), ULL(length), ULL(end));
  }
  f->next = f->at + length;
  return 0;
}

int wire_text(OnnxReader *r, const WireField *f, const char *what, const char **text) {
  if (f->type != WIRE_BYTES) return wire_refuse(r, f->at, "a text was expected");
  size_t length = (size_t)(f->next - f->at);
  char *copy = pool_alloc(&r->w->pool, length + 1);
  if (!copy) return sg_fail_memory(r->err, r->path, length);
  stream_seek(&r->in, f->at);
  if (stream_get(&r->in, copy, length, what, r->err)) return -1;
  if (strlen(copy) != length) return wire_refuse(r, f->at, "a zero byte in a text");
  *text = copy;
  return 0;
}
