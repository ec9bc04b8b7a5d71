/* The number types: one row each, and their conversion to f32 and i64. Must not know where the bytes come
 * from. */
#include "runtime/weights/weights.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct Dtype {
  const char *name, *safetensors, *npy, *storage;
  uint8_t size;
  bool integer; /* fits read_i64 */
} Dtype;

/* surgery.h's name, safetensors' name, numpy's code, PyTorch's storage class. */
static const Dtype dtypes[] = {
    [SURGERY_F32] = {"f32", "F32", "<f4", "FloatStorage", 4, false},
    [SURGERY_F64] = {"f64", "F64", "<f8", "DoubleStorage", 8, false},
    [SURGERY_F16] = {"f16", "F16", "<f2", "HalfStorage", 2, false},
    [SURGERY_BF16] = {"bf16", "BF16", NULL, "BFloat16Storage", 2, false},
    [SURGERY_I64] = {"i64", "I64", "<i8", "LongStorage", 8, true},
    [SURGERY_I32] = {"i32", "I32", "<i4", "IntStorage", 4, true},
    [SURGERY_I16] = {"i16", "I16", "<i2", "ShortStorage", 2, true},
    [SURGERY_I8] = {"i8", "I8", "|i1", "CharStorage", 1, true},
    [SURGERY_U8] = {"u8", "U8", "|u1", "ByteStorage", 1, true},
    [SURGERY_BOOL] = {"bool", "BOOL", "|b1", "BoolStorage", 1, true},
    [SURGERY_U16] = {"u16", "U16", "<u2", NULL, 2, true},
    [SURGERY_U32] = {"u32", "U32", "<u4", NULL, 4, true},
    [SURGERY_U64] = {"u64", "U64", "<u8", NULL, 8, true},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

const char *surgery_dtype_name(surgery_dtype dtype) {
  return (unsigned)dtype < DTYPES ? dtypes[dtype].name : "unknown";
}
size_t surgery_dtype_size(surgery_dtype dtype) { return (unsigned)dtype < DTYPES ? dtypes[dtype].size : 0; }
bool dtype_is_integer(surgery_dtype dtype) { return (unsigned)dtype < DTYPES && dtypes[dtype].integer; }
const char *dtype_safetensors(surgery_dtype d) { return (unsigned)d < DTYPES ? dtypes[d].safetensors : NULL; }
const char *dtype_npy(surgery_dtype d) { return (unsigned)d < DTYPES ? dtypes[d].npy : NULL; }
const char *dtype_storage(surgery_dtype d) { return (unsigned)d < DTYPES ? dtypes[d].storage : NULL; }

int dtype_from_safetensors(const char *name, size_t length) {
  for (int d = 0; d < DTYPES; d++) {
    if (strlen(dtypes[d].safetensors) == length && memcmp(dtypes[d].safetensors, name, length) == 0) return d;
  }
  return -1;
}

int dtype_from_npy(const char *name) {
  for (int d = 0; d < DTYPES; d++) {
    if (dtypes[d].npy && strcmp(dtypes[d].npy + 1, name) == 0) return d;
  }
  return -1;
}

/* binary16 to binary32, without branches that depend on the value's kind (so that the loop vectorises): the
 * exponent is rebiased by one multiplication; subnormals by a subtraction of the hidden bit. After M.
 * Dukhan's FP16 library. */
static inline float half_to_float(uint16_t half) {
  uint32_t w = (uint32_t)half << 16, sign = w & 0x80000000u, two_w = w + w;
  uint32_t normal_bits = (two_w >> 4) + (0xe0u << 23), subnormal_bits = (two_w >> 17) | (126u << 23);
  float normal, subnormal, out;
  memcpy(&normal, &normal_bits, 4);
  memcpy(&subnormal, &subnormal_bits, 4);
  normal *= 0x1.0p-112f;
  subnormal -= 0.5f;
  uint32_t n, s;
  memcpy(&n, &normal, 4);
  memcpy(&s, &subnormal, 4);
  uint32_t bits = sign | (two_w < (1u << 27) ? s : n);
  memcpy(&out, &bits, 4);
  return out;
}

static inline float bfloat_to_float(uint16_t brain) {
  uint32_t bits = (uint32_t)brain << 16;
  float out;
  memcpy(&out, &bits, 4);
  return out;
}

#define SAME(x) (x)
#define LOOP(T, SWAP, OUT)                                                                                             \
  for (size_t i = 0; i < count; i++) {                                                                                 \
    T x;                                                                                                               \
    memcpy(&x, from + i * sizeof x, sizeof x);                                                                         \
    x = (T)SWAP(x);                                                                                                    \
    to[i] = OUT;                                                                                                       \
  }
#define EITHER_ORDER(T, BSWAP, OUT)                                                                                    \
  if (swap) {                                                                                                          \
    LOOP(T, BSWAP, OUT)                                                                                                \
  } else {                                                                                                             \
    LOOP(T, SAME, OUT)                                                                                                 \
  }

static void f32_from_f32(bool swap, const unsigned char *from, float *to, size_t count) {
  memcpy(to, from, count * 4);
  for (size_t i = 0; swap && i < count; i++) {
    uint32_t bits;
    memcpy(&bits, to + i, 4);
    bits = __builtin_bswap32(bits);
    memcpy(to + i, &bits, 4);
  }
}

static void f32_from_f64(bool swap, const unsigned char *from, float *to, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint64_t bits;
    double value;
    memcpy(&bits, from + i * 8, 8);
    if (swap) bits = __builtin_bswap64(bits);
    memcpy(&value, &bits, 8);
    to[i] = (float)value;
  }
}

void dtype_to_f32(surgery_dtype dtype, bool swap, const unsigned char *from, float *to, size_t count) {
  switch (dtype) {
  case SURGERY_F32: f32_from_f32(swap, from, to, count); break;
  case SURGERY_F64: f32_from_f64(swap, from, to, count); break;
  case SURGERY_F16: EITHER_ORDER(uint16_t, __builtin_bswap16, half_to_float(x)) break;
  case SURGERY_BF16: EITHER_ORDER(uint16_t, __builtin_bswap16, bfloat_to_float(x)) break;
  case SURGERY_I64: EITHER_ORDER(int64_t, __builtin_bswap64, (float)x) break;
  case SURGERY_I32: EITHER_ORDER(int32_t, __builtin_bswap32, (float)x) break;
  case SURGERY_I16: EITHER_ORDER(int16_t, __builtin_bswap16, (float)x) break;
  case SURGERY_I8: LOOP(int8_t, SAME, (float)x) break;
  case SURGERY_U8: LOOP(uint8_t, SAME, (float)x) break;
  case SURGERY_BOOL: LOOP(uint8_t, SAME, x != 0 ? 1.0f : 0.0f) break;
  case SURGERY_U16: EITHER_ORDER(uint16_t, __builtin_bswap16, (float)x) break;
  case SURGERY_U32: EITHER_ORDER(uint32_t, __builtin_bswap32, (float)x) break;
  case SURGERY_U64: EITHER_ORDER(uint64_t, __builtin_bswap64, (float)x) break;
  }
}

bool dtype_to_i64(surgery_dtype dtype, bool swap, const unsigned char *from, int64_t *to, size_t count) {
  switch (dtype) {
  case SURGERY_I64: EITHER_ORDER(int64_t, __builtin_bswap64, x) return true;
  case SURGERY_I32: EITHER_ORDER(int32_t, __builtin_bswap32, x) return true;
  case SURGERY_I16: EITHER_ORDER(int16_t, __builtin_bswap16, x) return true;
  case SURGERY_I8: LOOP(int8_t, SAME, x) return true;
  case SURGERY_U8: LOOP(uint8_t, SAME, x) return true;
  case SURGERY_BOOL: LOOP(uint8_t, SAME, x != 0) return true;
  case SURGERY_U16: EITHER_ORDER(uint16_t, __builtin_bswap16, x) return true;
  case SURGERY_U32: EITHER_ORDER(uint32_t, __builtin_bswap32, x) return true;
  case SURGERY_U64:
    EITHER_ORDER(uint64_t, __builtin_bswap64, (int64_t)x)
    for (size_t i = 0; i < count; i++) {
      if (to[i] < 0) return false;
    }
    return true;
  case SURGERY_F32:
  case SURGERY_F64:
  case SURGERY_F16:
  case SURGERY_BF16: break;
  }
  return false;
}

const char *sg_dims_text(ShapeText *to, int rank, const int64_t *shape) {
  size_t used = (size_t)sprintf(to->text, "(");
  for (int i = 0; i < rank && i < SURGERY_MAX_RANK; i++) {
    used += (size_t)sprintf(to->text + used, i ? ", %" PRId64 : "%" PRId64, shape[i]);
  }
  sprintf(to->text + used, rank == 1 ? ",)" : ")");
  return to->text;
}
