/* Writes .npz: a zip archive of stored NAME.npy entries, version 1.0, each array's data aligned to 64 bytes
 * in the file. */
#include "runtime/weights/write.h"
#include "runtime/weights/zip.h"

#include <inttypes.h>

enum { ALIGNMENT = 64 };

static void build_header(Bytes *b, const surgery_tensor_out *t) {
  bytes_add(b, "\x93NUMPY\1\0", 8);
  bytes_le(b, 0, 2); /* the length's place */
  bytes_format(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", dtype_npy(t->dtype));
  for (int d = 0; d < t->rank; d++) bytes_format(b, d ? ", %" PRId64 : "%" PRId64, t->shape[d]);
  bytes_text(b, t->rank == 1 ? ",), }" : "), }");
  bytes_fill(b, ' ', ALIGNMENT - 1 - b->count % ALIGNMENT);
  bytes_text(b, "\n");
  uint16_t length = (uint16_t)(b->count - 10);
  if (!b->failed) memcpy(b->at + 8, &length, 2);
}

static int add_array(ZipWriter *zip, const char *path, const surgery_tensor_out *t, surgery_error *err) {
  if (!dtype_npy(t->dtype)) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s': numpy has no dtype %s; .safetensors and .pth have", path,
                   SG_Q(t->name), surgery_dtype_name(t->dtype));
  }
  Bytes header = {0}, name = {0};
  build_header(&header, t);
  bytes_text(&name, t->name);
  bytes_add(&name, ".npy", 5);
  int status = header.failed || name.failed ? sg_fail_memory(err, path, header.count + name.count) : 0;
  if (!status) {
    status = zip_writer_add(zip, (const char *)name.at, (ZipData){header.at, t->data, header.count, out_bytes(t)},
                            ALIGNMENT, err);
  }
  bytes_free(&header);
  bytes_free(&name);
  return status;
}

int write_npz(const char *path, const surgery_tensor_out *tensors, size_t count, const char *const *metadata,
              surgery_error *err) {
  ZipWriter *zip = zip_writer_open(path, 0, err);
  if (!zip) return -1;
  for (size_t i = 0; i < count; i++) {
    if (add_array(zip, path, &tensors[i], err)) {
      zip_writer_abort(zip);
      return -1;
    }
  }
  return zip_writer_commit(zip, metadata, err);
}
