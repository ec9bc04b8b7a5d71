/* The writers that surgery_weights_write calls, and the text they build headers in. Private to
 * runtime/weights/. */
#ifndef SURGERY_WEIGHTS_WRITE_H
#define SURGERY_WEIGHTS_WRITE_H
#include "runtime/weights/weights.h"

/* Tensors are checked: names given and different, shapes possible. metadata.h says where each keeps the metadata. */
typedef int WeightWriter(const char *path, const surgery_tensor_out *tensors, size_t count, const char *const *metadata,
                         surgery_error *err);
WeightWriter write_safetensors, write_torch, write_npz;
/* formats.c: by the file's suffix; NULL: it names no format that is written. */
WeightWriter *weights_writer(const char *path);
/* For tests: ZIP64 from `limit` on, as in zip.h. */
int write_torch_limit(const char *path, const surgery_tensor_out *tensors, size_t count, const char *const *metadata,
                      uint64_t limit, surgery_error *err);

size_t out_bytes(const surgery_tensor_out *tensor);

/* cast.c. Numbers as f16 or bf16, nearest, ties to even; how many finite ones became infinite. */
int64_t dtype_from_f32(surgery_dtype dtype, const float *from, uint16_t *to, size_t count);
/* A copy of a list of tensors whose f32 ones are f16 or bf16. */
typedef struct CastTensors {
  surgery_tensor_out *tensors;
  uint16_t *values;
} CastTensors;
/* Adds to *rounded. -1: no memory, nothing to free. */
int cast_tensors(const char *path, const surgery_tensor_out *tensors, size_t count, surgery_dtype dtype,
                 CastTensors *to, surgery_rounded *rounded, surgery_error *err);
void cast_free(CastTensors *cast);

/* Growing bytes; once memory has run out, `failed` stays set and nothing more is added. */
typedef struct Bytes {
  unsigned char *at;
  size_t count, capacity;
  bool failed;
} Bytes;
void bytes_add(Bytes *b, const void *data, size_t size);
void bytes_text(Bytes *b, const char *text);
void bytes_format(Bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_le(Bytes *b, uint64_t value, unsigned bytes); /* little-endian */
void bytes_fill(Bytes *b, char c, size_t count);
void bytes_free(Bytes *b);
#endif
