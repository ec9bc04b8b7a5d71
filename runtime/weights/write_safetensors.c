/* Writes safetensors as the reference implementation does: tensors by dtype (widest first), then by name; the
 * header padded to a multiple of 8 by spaces, so that every tensor is aligned to its own size. */
#include "runtime/base/text.h"
#include "runtime/weights/metadata.h"

#include <inttypes.h>
#include <stdlib.h>

/* The reference's enumeration of dtypes, from last to first: larger ones never follow smaller ones. */
static int dtype_order(surgery_dtype dtype) {
  static const surgery_dtype order[] = {SURGERY_U64, SURGERY_I64,  SURGERY_F64, SURGERY_F32, SURGERY_U32,
                                        SURGERY_I32, SURGERY_BF16, SURGERY_F16, SURGERY_U16, SURGERY_I16,
                                        SURGERY_I8,  SURGERY_U8,   SURGERY_BOOL};
  int place = 0;
  while (order[place] != dtype) place++;
  return place;
}

static int by_dtype_and_name(const void *a, const void *b) {
  const surgery_tensor_out *x = *(const surgery_tensor_out *const *)a, *y = *(const surgery_tensor_out *const *)b;
  int dx = dtype_order(x->dtype), dy = dtype_order(y->dtype);
  return dx != dy ? dx - dy : strcmp(x->name, y->name);
}

static void add_tensor(Bytes *b, const surgery_tensor_out *t, uint64_t *offset) {
  metadata_add_string(b, t->name);
  bytes_format(b, ":{\"dtype\":\"%s\",\"shape\":[", dtype_safetensors(t->dtype));
  for (int d = 0; d < t->rank; d++) bytes_format(b, d ? ",%" PRId64 : "%" PRId64, t->shape[d]);
  uint64_t end = *offset + out_bytes(t);
  bytes_format(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", *offset, end);
  *offset = end;
}

static int build_header(Bytes *b, const char *path, const surgery_tensor_out **sorted, size_t count,
                        const char *const *metadata, surgery_error *err) {
  uint64_t offset = 0;
  bytes_fill(b, 0, 8); /* the length's place */
  bytes_text(b, "{");
  bool comma = metadata && metadata[0];
  if (comma) {
    bytes_text(b, "\"__metadata__\":");
    if (metadata_write(b, path, metadata, err)) return -1;
  }
  for (size_t i = 0; i < count; i++, comma = true) {
    if (strcmp(sorted[i]->name, "__metadata__") == 0 || !utf8_valid(sorted[i]->name, strlen(sorted[i]->name))) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: '%s' cannot be a tensor's name in safetensors", path,
                     SG_Q(sorted[i]->name));
    }
    if (comma) bytes_text(b, ",");
    add_tensor(b, sorted[i], &offset);
  }
  bytes_text(b, "}");
  bytes_fill(b, ' ', (8 - b->count % 8) % 8);
  if (b->failed) return sg_fail_memory(err, path, b->count);
  uint64_t length = b->count - 8;
  if (length > 100000000)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: the header of %zu tensors is larger than the format allows", path,
                   count);
  memcpy(b->at, &length, 8);
  return 0;
}

int write_safetensors(const char *path, const surgery_tensor_out *tensors, size_t count, const char *const *metadata,
                      surgery_error *err) {
  const surgery_tensor_out **sorted = calloc(count + 1, sizeof *sorted);
  if (!sorted) return sg_fail_memory(err, path, count * sizeof *sorted);
  for (size_t i = 0; i < count; i++) sorted[i] = &tensors[i];
  qsort(sorted, count, sizeof *sorted, by_dtype_and_name);
  Bytes header = {0};
  int status = build_header(&header, path, sorted, count, metadata, err);
  SgWriter *writer = status ? NULL : sg_writer_open(path, err);
  status = writer ? sg_writer_write(writer, header.at, header.count, err) : -1;
  for (size_t i = 0; i < count && !status; i++) {
    status = sg_writer_write(writer, sorted[i]->data, out_bytes(sorted[i]), err);
  }
  bytes_free(&header);
  free(sorted);
  if (!status) return sg_writer_commit(writer, err);
  sg_writer_abort(writer);
  return -1;
}
