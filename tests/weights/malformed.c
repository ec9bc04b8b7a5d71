/* Files that break one rule each, built here, and the exact message each must get. Tables: a row holds the
 * file's bytes (or what a builder makes a file of) and the expected message without its path. */
#include "tests/weights/pickles.h"
#include "tests/weights/support.h"
#include "runtime/weights/zip.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- safetensors ---- */

typedef struct HeaderCase {
  const char *name, *header;
  size_t header_size, data_size;
  const char *expected;
} HeaderCase;

#define F32(name, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #begin "," #end "]}"

static const HeaderCase headers[] = {
    {"not JSON", TEXT("{nope}"), 0, "byte 13: the header is not JSON: string or '}' expected near 'nope'"},
    {"ends early", TEXT("{\"a\":"), 0, "byte 13: the header is not JSON: unexpected token near end of file"},
    {"not an object", TEXT("[1,2,3]"), 0, "byte 8: the header must be a JSON object"},
    {"text after it", TEXT("{} {}"), 0, "byte 12: the header is not JSON: end of file expected near '{'"},
    {"not UTF-8", TEXT("{\"\xff\":1}"), 0, "byte 10: the header is not UTF-8"},
    {"key twice", TEXT("{" F32("a", 0, 8) "," F32("a", 0, 8) "}"), 8,
     "byte 65: the header has a key twice: duplicate object key near '\"a\"'"},
    {"hole", TEXT("{" F32("a", 0, 8) "," F32("b", 12, 20) "}"), 20, "a hole of 4 bytes at byte 125, before tensor 'b'"},
    {"overlap", TEXT("{" F32("a", 0, 8) "," F32("b", 4, 12) "}"), 12,
     "tensor 'b' (byte 120) overlaps 'a', which ends at byte 124"},
    {"out of order", TEXT("{" F32("a", 8, 0) "}"), 8, "tensor 'a' (byte 9): data_offsets [8, 0] are out of order"},
    {"past the end", TEXT("{" F32("a", 0, 8) "}"), 7,
     "tensor 'a' (byte 9): data_offsets [0, 8] go past the end: byte 70 of a file of 69"},
    {"far past the end", TEXT("{" F32("a", 0, 9223372036854775807) "}"), 7,
     "tensor 'a' (byte 9): data_offsets [0, 9223372036854775807] go past the end: byte 9223372036854775887 "
     "of a file "
     "of 87"},
    {"trailing", TEXT("{" F32("a", 0, 8) "}"), 11, "3 trailing bytes at byte 70, after the last tensor"},
    {"only trailing", TEXT("{}"), 5, "5 trailing bytes at byte 10, after the last tensor"},
    {"size", TEXT("{\"a\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 64): f64 of shape (2, 3) takes 48 bytes, but data_offsets give 8"},
    {"size of a scalar", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 61): f32 of shape () takes 4 bytes, but data_offsets give 8"},
    {"overflow", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}"), 0,
     "tensor 'a' (byte 9): the product overflows in the shape (4294967296, 4294967296) of f32"},
    {"overflow beside a zero",
     TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}}"), 0,
     "tensor 'a' (byte 9): the product overflows in the shape (0, 4294967296, 4294967296) of f32"},
    {"unknown dtype", TEXT("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]}}"), 2,
     "tensor 'a' (byte 9): unknown dtype 'F8_E4M3' (known: F64, F32, F16, BF16, I64 to I8, U64 to U8, BOOL)"},
    {"no dtype", TEXT("{\"a\":{\"shape\":[2],\"data_offsets\":[0,2]}}"), 2,
     "tensor 'a' (byte 9): must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"not an entry", TEXT("{\"a\":3}"), 0,
     "tensor 'a' (byte 9): must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"no shape", TEXT("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,2]}}"), 2,
     "tensor 'a' (byte 9): 'shape' must be a list of integers"},
    {"negative shape", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 9): 'shape' must be a list of integers that are not negative"},
    {"fractional shape", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 9): 'shape' must be a list of integers that are not negative"},
    {"rank", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}"), 4,
     "tensor 'a' (byte 9): 'shape' has 9 entries; at most 8 are supported"},
    {"one offset", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}"), 8,
     "tensor 'a' (byte 9): 'data_offsets' must be [begin, end]"},
    {"a zero byte in a name", TEXT("{\"a\\u0000b\":3}"), 0,
     "byte 19: the header is not JSON: NUL byte in object key not supported near '\"a\\u0000b\"'"},
    {"a key twice in a tensor",
     TEXT("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}"), 8,
     "byte 35: the header has a key twice: duplicate object key near '\"dtype\"'"},
    {"half a UTF-16 pair", TEXT("{\"\\ud800\":3}"), 0,
     "byte 17: the header is not JSON: invalid Unicode '\\uD800' near '\"\\ud800\"'"},
    {"a shape that is a number", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 9): 'shape' must be a list of integers"},
    {"negative offsets", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}"), 8,
     "tensor 'a' (byte 9): 'data_offsets' must be a list of integers that are not negative"},
    {"three offsets", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,16]}}"), 16,
     "tensor 'a' (byte 9): 'data_offsets' has 3 entries; at most 2 are supported"},
    {"a dtype that is a number", TEXT("{\"a\":{\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 9): must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"a dtype in lower case", TEXT("{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 9): unknown dtype 'f32' (known: F64, F32, F16, BF16, I64 to I8, U64 to U8, BOOL)"},
    {"the last of three", TEXT("{" F32("a", 0, 8) ", " F32("b", 8, 16) " ,\n\"c\" :{}}"), 16,
     "tensor 'c' (byte 119): must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"an escaped name before it",
     TEXT("{\"q\\\"{,\\\\\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},\"b\":[1,\"x\"]}"), 4,
     "tensor 'b' (byte 67): must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"twice the same bytes", TEXT("{" F32("a", 0, 8) "," F32("b", 0, 8) "}"), 8,
     "tensor 'b' (byte 115) overlaps 'a', which ends at byte 123"},
    {"a hole before the first", TEXT("{" F32("a", 8, 16) "}"), 16, "a hole of 8 bytes at byte 63, before tensor 'a'"},
    {"an empty one in a hole",
     TEXT("{" F32("a", 0, 8) ",\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[12,12]}}"), 12,
     "a hole of 4 bytes at byte 125, before tensor 'e'"},
    {"a product of bytes that overflows",
     TEXT("{\"a\":{\"dtype\":\"F64\",\"shape\":[1152921504606846976],\"data_offsets\":[0,0]}}"), 0,
     "tensor 'a' (byte 9): the product overflows in the shape (1152921504606846976,) of f64"},
    {"metadata not strings", TEXT("{\"__metadata__\":{\"a\":1}}"), 0, "byte 9: __metadata__ 'a' must be a string"},
    {"metadata not an object", TEXT("{\"__metadata__\":1}"), 0, "byte 9: __metadata__ must be an object of strings"},
    {"a name for the terminal", TEXT("{\"\\u001b[31mred\":3}"), 0,
     "tensor '\\x1b[31mred' (byte 9): must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"a number too large", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}"),
     8, "byte 57: the header is not JSON: too big integer near '99999999999999999999'"},
};

static void test_safetensors(void **state) {
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    const HeaderCase *c = &headers[i];
    Bytes b = {0};
    bytes_le(&b, c->header_size, 8);
    bytes_add(&b, c->header, c->header_size);
    bytes_fill(&b, 1, c->data_size);
    const char *path = scratch("x.safetensors");
    write_bytes(path, b.at, b.count);
    bytes_free(&b);
    check_row("safetensors", c->name, path, c->expected);
  }
  expect_no_failures();
}

/* ---- whole files ---- */

#define NPY(header) "\x93NUMPY\1\0" header

static const FileCase files[] = {
    {"empty", TEXT(""), "is empty"},
    {"seven bytes", TEXT("1234567"), "too short for any weight file: 7 bytes; safetensors needs 8 at least"},
    {"nothing after the length", TEXT("\x10\0\0\0\0\0\0\0"),
     "byte 0: the header's 16 bytes go past the end of the file (8 bytes)"},
    {"header too large", TEXT("\1\xe1\xf5\5\0\0\0\0{}"),
     "byte 0: a safetensors header of 100000001 bytes; at most 100000000 are allowed"},
    {"header past the end", TEXT("\x64\0\0\0\0\0\0\0{}"),
     "byte 0: the header's 100 bytes go past the end of the file (10 bytes)"},
    {"garbage", TEXT("\xde\xad\xbe\xef garbage garbage"),
     "not a weight file that is known here (safetensors, PyTorch, .npz, .npy, *.index.json, ONNX); it begins "
     "with "
     "bytes de ad be ef"},
    {"a picture", TEXT("\x89PNG\r\n\x1a\n and more"), "is a PNG picture, not a weight file"},
    {"gzip", TEXT("\x1f\x8b\10 and more"), "is compressed by gzip; unpack it first (gunzip)"},
    {"LFS", TEXT("version https://git-lfs.github.com/spec/v1\n"),
     "is a Git LFS pointer, not the file itself; run `git lfs pull`"},
    {"a web page", TEXT("<!DOCTYPE html><html>"), "is a web page, not a weight file; the download went wrong"},
    {"JSON", TEXT("{\"a\": 1}"), "is JSON, but no index of shards: 'weight_map' must be an object of tensor: file"},
    {"broken JSON", TEXT("{\"weight_map\": "), "byte 15: the index is not JSON: unexpected token near end of file"},
    {"shard with a path", TEXT("{\"weight_map\": {\"a\": \"../b.safetensors\"}}"),
     "tensor 'a' (byte 16): the shard '../b.safetensors' must be a file's name without a path"},
    {"shard '..'", TEXT("{\"weight_map\": {\"a\": \"..\"}}"),
     "tensor 'a' (byte 16): the shard '..' must be a file's name without a path"},
    {"npy, no header", TEXT("\x93NUMPY"), "array 'arr_0' (byte 0): is not a numpy array (no \\x93NUMPY)"},
    {"npy, version", TEXT("\x93NUMPY\4\0\2\0\0\0{}"),
     "array 'arr_0' (byte 0): of a version that is not known (1 to 3 are)"},
    {"npy, cut off", TEXT(NPY("\x10\0{}")), "array 'arr_0' (byte 0): cut off in its header"},
    {"npy, objects", TEXT(NPY("\x36\0{'descr': '|O', 'fortran_order': False, 'shape': (2,)}")),
     "array 'arr_0' (byte 0): object dtype: such an array is a pickle and is never loaded"},
    {"npy, text", TEXT(NPY("\x36\0{'descr': '<U', 'fortran_order': False, 'shape': (2,)}")),
     "array 'arr_0' (byte 0): dtype '<U' is not supported (f2, f4, f8, i1 to i8, u1 to u8, b1 are)"},
    {"npy, fields", TEXT(NPY("\x1f\0{'descr': [('x', '<f4')], 'x':1}")),
     "array 'arr_0' (byte 20): a structured dtype (fields) is not supported"},
    {"npy, size", TEXT(NPY("\x37\0{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}1234567")),
     "array 'arr_0' (byte 0): f32 of shape (2,) takes 8 bytes, but 7 are there"},
    {"npy, overflow", TEXT(NPY("\x48\0{'descr': '<f4', 'fortran_order': True, 'shape':(4294967296,4294967296)}")),
     "tensor 'arr_0' (byte 0): the product overflows in the shape (4294967296, 4294967296) of f32"},
    {"npy, huge", TEXT(NPY("\x46\0{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999)}")),
     "array 'arr_0' (byte 79): a size in its shape overflows"},
    {"npy, missing key", TEXT(NPY("\x10\0{'descr': '<f4'}")),
     "array 'arr_0' (byte 26): its header lacks one of descr, fortran_order, shape"},
    {"npy, code", TEXT(NPY("\x10\0__import__('os') ")), "array 'arr_0' (byte 10): its header is not a dict"},
    {"npy, a key that is no text", TEXT(NPY("\x10\0{1: 2}          ")),
     "array 'arr_0' (byte 11): its header has no text where one should be"},
    {"npy, a key too long", TEXT(NPY("\x30\0{'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa': 2} ")),
     "array 'arr_0' (byte 43): a text in its header is too long"},
    {"npy, a text without an end", TEXT(NPY("\x10\0{'descr': '<f4  ")),
     "array 'arr_0' (byte 26): a text in its header does not end"},
    {"npy, a shape that is a list", TEXT(NPY("\x10\0{'shape': [2]}  ")),
     "array 'arr_0' (byte 20): its shape is not a tuple"},
    {"npy, a negative size", TEXT(NPY("\x10\0{'shape': (-2,)} ")),
     "array 'arr_0' (byte 21): its shape is not a tuple of integers that are not negative"},
    {"npy, a shape of texts", TEXT(NPY("\x10\0{'shape': ('2')} ")),
     "array 'arr_0' (byte 21): its shape is not a tuple of integers that are not negative"},
    {"npy, sizes without a comma", TEXT(NPY("\x10\0{'shape': (2 3)} ")),
     "array 'arr_0' (byte 23): its shape is not a tuple"},
    {"npy, rank 9", TEXT(NPY("\x20\0{'shape': (1,1,1,1,1,1,1,1,1)}  ")),
     "array 'arr_0' (byte 37): more than 8 dimensions"},
    {"npy, an order that is a number", TEXT(NPY("\x18\0{'fortran_order': 1}    ")),
     "array 'arr_0' (byte 28): fortran_order is neither True nor False"},
    {"npy, a key twice", TEXT(NPY("\x20\0{'descr': '<f4', 'descr': '<f8'}")),
     "array 'arr_0' (byte 35): its header has a key twice, or one that is not descr, fortran_order, shape"},
    {"npy, another key", TEXT(NPY("\x10\0{'color': 'red'}")),
     "array 'arr_0' (byte 19): its header has a key twice, or one that is not descr, fortran_order, shape"},
    {"npy, text behind it", TEXT(NPY("\x38\0{'descr': '<f4', 'fortran_order': False, 'shape': ()} 1+")),
     "array 'arr_0' (byte 64): text after its header's dict"},
    {"npy, a zero byte", TEXT(NPY("\x10\0{'descr':\0'<f4'}")), "array 'arr_0' (byte 10): a zero byte in its header"},
    {"npy, a header too large", TEXT("\x93NUMPY\2\0\1\0\1\0{}"),
     "array 'arr_0' (byte 0): a header of more than 65,536 bytes"},
    {"npy, cut off in its prefix", TEXT("\x93NUMPY\2\0\1\0"), "array 'arr_0' (byte 0): cut off in its header"},
    {"npy, more bytes", TEXT(NPY("\x37\0{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}12345678")),
     "array 'arr_0' (byte 0): f32 of shape (1,) takes 4 bytes, but 8 are there"},
    {"npy, complex", TEXT(NPY("\x35\0{'descr': '<c8', 'fortran_order': False, 'shape': ()}12345678")),
     "array 'arr_0' (byte 0): dtype '<c8' is not supported (f2, f4, f8, i1 to i8, u1 to u8, b1 are)"},
    {"npy, an order of bytes that is none",
     TEXT(NPY("\x35\0{'descr': '!f4', 'fortran_order': False, 'shape': ()}1234")),
     "array 'arr_0' (byte 0): dtype '!f4' is not supported (f2, f4, f8, i1 to i8, u1 to u8, b1 are)"},
    {"npy, objects, whatever the order", TEXT(NPY("\x38\0{'descr': '=O8', 'fortran_order': False, 'shape': (2,)} ")),
     "array 'arr_0' (byte 0): object dtype: such an array is a pickle and is never loaded"},
    {"shard with a backslash", TEXT("{\"weight_map\": {\"a\": \"b\\\\c.safetensors\"}}"),
     "tensor 'a' (byte 16): the shard 'b\\c.safetensors' must be a file's name without a path"},
    {"shard of an absolute path", TEXT("{\"weight_map\": {\"a\": \"/etc/passwd\"}}"),
     "tensor 'a' (byte 16): the shard '/etc/passwd' must be a file's name without a path"},
    {"shard without a name", TEXT("{\"metadata\": {\"x\": 1}, \"weight_map\": {\"b\": \"\", \"a\": \"b\"}}"),
     "tensor 'b' (byte 38): the shard '' must be a file's name without a path"},
    {"shard that is a number", TEXT("{\"metadata\": {\"x\": 1}, \"weight_map\": {\"b\": 3}}"),
     "tensor 'b' (byte 38): the shard '' must be a file's name without a path"},
    {"index with a key twice", TEXT("{\"weight_map\": {\"a\": \"x\", \"a\": \"y\"}}"),
     "byte 29: the index is not JSON: duplicate object key near '\"a\"'"},
    {"index of nothing", TEXT("{\"weight_map\": {}}"),
     "is JSON, but no index of shards: 'weight_map' must be an object of tensor: file"},
    {"zip, no room for ZIP64", TEXT("PK\5\6\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0"),
     "byte 0: the zip archive is broken: no room for the ZIP64 records it needs"},
    {"zip, empty", TEXT("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     "a zip archive of 0 entries, but neither PyTorch's (no data.pkl) nor .npz (no .npy entry)"},
    {"HDF5", TEXT("\x89HDF\r\n\x1a\n and more"), "is an HDF5 file (Keras); export the weights as safetensors or .npz"},
    {"GGUF, cut off", TEXT("GGUF\3\0\0\0 and more"),
     "byte 16: ends inside the number of pairs (8 bytes are needed, 1 are left)"},
    {"zstd", TEXT("\x28\xb5\x2f\xfd and more"), "is compressed by zstd; unpack it first"},
    {"pickle of another kind", TEXT("\x80\2}."),
     "byte 0: a Python pickle (of a dict), but not PyTorch's: its magic number is missing"},
    {"pickle that calls", TEXT("\x80\2cposix\nsystem\nX\2\0\0\0ls\x85R."),
     "byte 24: the pickle calls 'posix.system', a global that is not allowed in a weight file" ADVICE},
    {"protocol", TEXT(MAGIC "\x80\2M\xe8\3."), "byte 17: the PyTorch file's protocol is not 1001"},
};

static void test_files(void **state) {
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    const char *path = scratch("x.bin");
    write_bytes(path, files[i].bytes, files[i].size);
    check_row("files", files[i].name, path, files[i].expected);
  }
  expect_no_failures();
}

/* What only its name tells; and a name that tells less than the content does. */
static void test_names(void **state) {
  static const FileCase named[] = {
      {"net.keras", TEXT("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
       "is a Keras file; export the network as ONNX, and take the .onnx file (tf2onnx), or save its weights "
       "as .npz"},
      {"net.tflite", TEXT("\x1c\0\0\0TFL3 and more"),
       "is a TensorFlow Lite file, a compiled network; export the network as ONNX, and take the .onnx file "
       "(tf2onnx)"},
      {"unnamed", TEXT("\x1c\0\0\0TFL3 and more"),
       "is a TensorFlow Lite file, a compiled network; export the network as ONNX, and take the .onnx file "
       "(tf2onnx)"},
      {"net.ggml", TEXT("GGML? and more"), "is a GGML file; safetensors, PyTorch and .npz files are read"},
      {"net.H5", TEXT("\x89HDF\r\n\x1a\n"),
       "is a Keras file, as it seems; export the network as ONNX, and take the .onnx file (tf2onnx), or save "
       "its weights as .npz"},
      {"saved_model.pb",
       TEXT("\x08\x01\x12\x03"
            "abc\xff\xff"),
       "is a TensorFlow graph, as it seems; export the network as ONNX, and take the .onnx file (tf2onnx)"},
      {"net.pdparams", TEXT("\x80\2}."), "is a PaddlePaddle file; save its arrays as .npz"},
  };
  for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
    const char *path = scratch(named[i].name);
    write_bytes(path, named[i].bytes, named[i].size);
    check_row("names", named[i].name, path, named[i].expected);
  }
  expect_no_failures();
  const char *path = scratch("weights.h5"); /* a safetensors file all the same */
  write_bytes(path, TEXT("\2\0\0\0\0\0\0\0{}"));
  surgery_weights_close(open_ok(path));
}

/* ---- npz ---- */

static void write_npz_entry(const char *path, const char *name, const void *data, size_t size) {
  surgery_error err = {0};
  ZipWriter *zip = zip_writer_open(path, 0, &err);
  assert_non_null(zip);
  assert_int_equal(zip_writer_add(zip, name, (ZipData){NULL, data, 0, size}, 64, &err), 0);
  assert_int_equal(zip_writer_commit(zip, NULL, &err), 0);
}

static void test_npz(void **state) {
  const char *path = scratch("x.npz");
  write_npz_entry(path, "x.npy", TEXT(NPY("\x36\0{'descr': '|O', 'fortran_order': False, 'shape': (2,)}")));
  expect_refused(path, "array 'x' (byte 0): object dtype: such an array is a pickle and is never loaded");
  write_npz_entry(path, "x.npy", TEXT("no array"));
  expect_refused(path, "array 'x' (byte 0): is not a numpy array (no \\x93NUMPY)");
  write_npz_entry(path, "x.txt", TEXT("no array"));
  expect_refused(path, "a zip archive of 1 entries, but neither PyTorch's (no data.pkl) nor .npz (no .npy entry)");
  static const struct {
    const char *name;
    int delta; /* behind the directory's first entry */
    const char *bytes;
    size_t size;
    const char *expected;
  } rows[] = {
      {"another checksum", 16, TEXT("\1\2\3\4"),
       "tensor 't_f2' (byte 58): the archive's checksum is 04030201, its data's af633cce"},
      {"a method that is not deflate", 10, TEXT("\11"),
       "zip entry 't_f2.npy' (byte 0): is compressed (method 9); only deflate is known"},
      {"larger than it can be", 24, TEXT("\xff\xff\xff\0"),
       "array 't_f2' (byte 0): its compressed data cannot unpack to the size that the archive states"},
      {"shorter than its array", 20, TEXT("\x4c\0"),
       "tensor 't_f2' (byte 58): its compressed data end before the tensor does"},
      {"shorter than its header", 20, TEXT("\x10\0"),
       "array 't_f2' (byte 0): its compressed data are broken or end in the header"},
      {"of another size", 24, TEXT("\x91\0"),
       "array 't_f2' (byte 0): f16 of shape (2, 3) takes 12 bytes, but 17 are there"},
  };
  size_t size, at = 0;
  unsigned char *bytes = read_bytes(FOLDER "/fixtures/deflated.npz", &size);
  while (memcmp(bytes + at, "PK\1\2", 4) != 0) at++;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    unsigned char old[4];
    memcpy(old, bytes + at + rows[i].delta, 4);
    memcpy(bytes + at + rows[i].delta, rows[i].bytes, rows[i].size);
    write_bytes(path, bytes, size);
    check_row("npz", rows[i].name, path, rows[i].expected);
    memcpy(bytes + at + rows[i].delta, old, 4);
  }
  expect_no_failures();
  /* A broken compressed stream is found on reading: by the stream itself, or by its checksum. */
  surgery_error err = {0};
  unsigned refused = 0;
  for (size_t i = 60; i < 400; i++) {
    bytes[i] ^= 0x10;
    write_bytes(path, bytes, size);
    surgery_weights *w = surgery_weights_open(path, &err);
    if (!w || !read_all(w, &err)) refused++;
    surgery_weights_close(w);
    bytes[i] ^= 0x10;
  }
  free(bytes);
  assert_true(refused > 250); /* not in fields that only repeat the directory's */
}

/* What shows only when values are read. */
static void test_values(void **state) {
  static const char header[] = "{\"a\":{\"dtype\":\"U64\",\"shape\":[2],\"data_offsets\":[0,16]}}";
  Bytes b = {0};
  bytes_le(&b, sizeof header - 1, 8);
  bytes_text(&b, header);
  bytes_le(&b, 3, 8);
  bytes_fill(&b, (char)0xff, 8);
  const char *path = scratch("x.safetensors");
  write_bytes(path, b.at, b.count);
  bytes_free(&b);
  check_row("values", "u64", path, "tensor 'a' (byte 63): a u64 value is too large for i64");
  expect_no_failures();
}

/* ---- shards ---- */

static void test_shards(void **state) {
  const char *path = scratch("m.index.json");
  char expected[900];
  write_bytes(path, TEXT("{\"weight_map\": {\"a\": \"missing.safetensors\"}}"));
  snprintf(expected, sizeof expected,
           "tensor 'a' (byte 16): its shard is missing: %s: cannot be opened: No such file or directory",
           scratch("missing.safetensors"));
  expect_refused(path, expected);
  Bytes b = {0};
  bytes_le(&b, 2, 8);
  bytes_text(&b, "{}");
  write_bytes(scratch("part.safetensors"), b.at, b.count);
  bytes_free(&b);
  write_bytes(path, TEXT("{\"weight_map\": {\"a\": \"part.safetensors\"}}"));
  expect_refused(path, "tensor 'a' (byte 16): is listed in shard 'part.safetensors', but is not there");
  write_bytes(path, TEXT("{\"weight_map\": {\"a\": \"m.index.json\"}}"));
  expect_refused(path, "an index cannot name another index as a shard");
}

/* Whatever stands under the name: an answer, at once. */
static void test_not_files(void **state) {
  surgery_error err = {0};
  assert_null(surgery_weights_open(scratch("absent"), &err));
  assert_int_equal(err.status, SURGERY_ENVIRONMENT);
  assert_non_null(strstr(err.message, "absent: cannot be opened: No such file or directory"));
  assert_null(surgery_weights_open("/dev/zero", &err));
  assert_string_equal(err.message, "/dev/zero: is not a regular file");
  assert_null(surgery_weights_open("/", &err));
  assert_string_equal(err.message, "/: is a folder, not a file");
  assert_null(surgery_weights_open("/", NULL));
  const char *path = scratch("pipe");
  assert_int_equal(mkfifo(path, 0600), 0);
  check_row("not files", "a pipe that nobody writes to", path, "is not a regular file");
  path = scratch("loop");
  assert_int_equal(symlink(path, path), 0);
  assert_null(surgery_weights_open(path, &err));
  assert_non_null(strstr(err.message, "loop: cannot be opened: Too many levels of symbolic links"));
  path = scratch("secret");
  write_bytes(path, "x", 1);
  assert_int_equal(chmod(path, 0), 0);
  bool root = geteuid() == 0;
  if (root) assert_int_equal(seteuid(65534), 0); /* nothing is forbidden to root */
  surgery_weights *w = surgery_weights_open(path, &err);
  if (root) assert_int_equal(seteuid(0), 0);
  assert_null(w);
  assert_int_equal(err.status, SURGERY_ENVIRONMENT);
  assert_non_null(strstr(err.message, "secret: cannot be opened: Permission denied"));
  expect_no_failures();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_safetensors), cmocka_unit_test(test_files),  cmocka_unit_test(test_names),
      cmocka_unit_test(test_npz),         cmocka_unit_test(test_values), cmocka_unit_test(test_shards),
      cmocka_unit_test(test_not_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
