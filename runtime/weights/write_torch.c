/* Writes PyTorch's zip format: an OrderedDict of contiguous CPU tensors, pickle protocol 2, every storage an
 * aligned entry of its own. What torch.load reads, with weights_only=True too. */
#include "runtime/weights/write.h"
#include "runtime/weights/zip.h"

#include <stdio.h>

enum { ALIGNMENT = 64 };

static void add_text(Bytes *b, const char *text) {
  bytes_text(b, "X");
  bytes_le(b, strlen(text), 4);
  bytes_text(b, text);
}

static void add_int(Bytes *b, int64_t value) {
  if (value >= 0 && value < 0x80000000) {
    bytes_text(b, "J");
    bytes_le(b, (uint64_t)value, 4);
  } else {
    bytes_text(b, "\x8a\x08");
    bytes_le(b, (uint64_t)value, 8);
  }
}

static void add_tuple(Bytes *b, const int64_t *values, int count) {
  bytes_text(b, "(");
  for (int i = 0; i < count; i++) add_int(b, values[i]);
  bytes_text(b, "t");
}

static const char empty_dict[] = "ccollections\nOrderedDict\n)R";

/* _rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict()) */
static void add_tensor(Bytes *b, const surgery_tensor_out *t, size_t key) {
  char number[24];
  int64_t stride[SURGERY_MAX_RANK], count = 1;
  for (int d = t->rank - 1; d >= 0; d--) {
    stride[d] = count;
    count *= t->shape[d] > 0 ? t->shape[d] : 1;
  }
  snprintf(number, sizeof number, "%zu", key);
  add_text(b, t->name);
  bytes_text(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
  add_text(b, "storage");
  bytes_text(b, "ctorch\n");
  bytes_text(b, dtype_storage(t->dtype));
  bytes_text(b, "\n");
  add_text(b, number);
  add_text(b, "cpu");
  add_int(b, (int64_t)(out_bytes(t) / surgery_dtype_size(t->dtype)));
  bytes_text(b, "tQ");
  add_int(b, 0);
  add_tuple(b, t->shape, t->rank);
  add_tuple(b, stride, t->rank);
  bytes_text(b, "\x89");
  bytes_text(b, empty_dict);
  bytes_text(b, "tR");
}

static int build_pickle(Bytes *b, const char *path, const surgery_tensor_out *tensors, size_t count,
                        surgery_error *err) {
  bytes_text(b, "\x80\x02");
  bytes_text(b, empty_dict);
  bytes_text(b, "(");
  for (size_t i = 0; i < count; i++) {
    if (!dtype_storage(tensors[i].dtype)) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: tensor '%s': PyTorch's format has no dtype %s", path,
                     SG_Q(tensors[i].name), surgery_dtype_name(tensors[i].dtype));
    }
    add_tensor(b, &tensors[i], i);
  }
  bytes_text(b, "u.");
  return b->failed ? sg_fail_memory(err, path, b->count) : 0;
}

static int add_entries(ZipWriter *zip, const Bytes *pickle, const surgery_tensor_out *tensors, size_t count,
                       surgery_error *err) {
  if (zip_writer_add(zip, "archive/data.pkl", (ZipData){NULL, pickle->at, 0, pickle->count}, ALIGNMENT, err)) return -1;
  if (zip_writer_add(zip, "archive/byteorder", (ZipData){NULL, "little", 0, 6}, ALIGNMENT, err)) return -1;
  for (size_t i = 0; i < count; i++) {
    char name[48];
    snprintf(name, sizeof name, "archive/data/%zu", i);
    if (zip_writer_add(zip, name, (ZipData){NULL, tensors[i].data, 0, out_bytes(&tensors[i])}, ALIGNMENT, err))
      return -1;
  }
  return zip_writer_add(zip, "archive/version", (ZipData){NULL, "3\n", 0, 2}, ALIGNMENT, err);
}

int write_torch_limit(const char *path, const surgery_tensor_out *tensors, size_t count, const char *const *metadata,
                      uint64_t limit, surgery_error *err) {
  Bytes pickle = {0};
  int status = build_pickle(&pickle, path, tensors, count, err);
  ZipWriter *zip = status ? NULL : zip_writer_open(path, limit, err);
  status = zip ? add_entries(zip, &pickle, tensors, count, err) : -1;
  bytes_free(&pickle);
  if (!status) return zip_writer_commit(zip, metadata, err);
  zip_writer_abort(zip);
  return -1;
}

int write_torch(const char *path, const surgery_tensor_out *tensors, size_t count, const char *const *metadata,
                surgery_error *err) {
  return write_torch_limit(path, tensors, count, metadata, 0, err);
}
