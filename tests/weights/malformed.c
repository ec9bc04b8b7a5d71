/* Files that break one rule each, built here, and the exact message each must get. Tables: a row holds the
 * file's bytes (or what a builder makes a file of) and the expected message without its path. */
#include "tests/weights/support.h"
#include "runtime/weights/zip.h"

#define TEXT(s) (s), sizeof(s) - 1
#define ADVICE "; nothing was run. Save the tensors alone instead: torch.save(model.state_dict(), path)"

static int failures;

/* Like expect_refused, but goes on to the next row; prints the row's name. */
static void check_row(const char *group, const char *name, const char *path, const char *expected) {
  surgery_error err = {0};
  surgery_weights *w = surgery_weights_open(path, &err);
  bool good = w && read_all(w, &err);
  surgery_weights_close(w);
  char whole[1300];
  snprintf(whole, sizeof whole, "%s: %s", path, expected);
  if (good) {
    print_error("%s, %s: was read\n", group, name);
  } else if (strcmp(err.message, whole) != 0 || err.status != SURGERY_BAD_INPUT) {
    print_error("%s, %s: status %d\n  got      %s\n  expected %s\n", group, name, (int)err.status,
                err.message, whole);
  } else {
    return;
  }
  failures++;
}

/* ---- safetensors ---- */

typedef struct HeaderCase {
  const char *name, *header;
  size_t header_size, data_size;
  const char *expected;
} HeaderCase;

#define F32(name, begin, end)                                                                                \
  "\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #begin "," #end "]}"

static const HeaderCase headers[] = {
    {"not JSON", TEXT("{nope}"), 0, "byte 13: the header is not JSON: string or '}' expected near 'nope'"},
    {"ends early", TEXT("{\"a\":"), 0, "byte 13: the header is not JSON: unexpected token near end of file"},
    {"not an object", TEXT("[1,2,3]"), 0, "byte 8: the header must be a JSON object"},
    {"text after it", TEXT("{} {}"), 0, "byte 12: the header is not JSON: end of file expected near '{'"},
    {"not UTF-8", TEXT("{\"\xff\":1}"), 0, "byte 10: the header is not UTF-8"},
    {"key twice", TEXT("{" F32("a", 0, 8) "," F32("a", 0, 8) "}"), 8,
     "byte 65: the header has a key twice: duplicate object key near '\"a\"'"},
    {"hole", TEXT("{" F32("a", 0, 8) "," F32("b", 12, 20) "}"), 20,
     "a hole of 4 bytes at byte 125, before tensor 'b'"},
    {"overlap", TEXT("{" F32("a", 0, 8) "," F32("b", 4, 12) "}"), 12,
     "tensor 'b' (byte 120) overlaps 'a', which ends at byte 124"},
    {"out of order", TEXT("{" F32("a", 8, 0) "}"), 8, "tensor 'a': data_offsets [8, 0] are out of order"},
    {"past the end", TEXT("{" F32("a", 0, 8) "}"), 7,
     "tensor 'a': data_offsets [0, 8] go past the end: byte 70 of a file of 69"},
    {"far past the end", TEXT("{" F32("a", 0, 9223372036854775807) "}"), 7,
     "tensor 'a': data_offsets [0, 9223372036854775807] go past the end: byte 9223372036854775887 of a file "
     "of 87"},
    {"trailing", TEXT("{" F32("a", 0, 8) "}"), 11, "3 trailing bytes at byte 70, after the last tensor"},
    {"only trailing", TEXT("{}"), 5, "5 trailing bytes at byte 10, after the last tensor"},
    {"size", TEXT("{\"a\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 64): f64 of shape (2, 3) takes 48 bytes, but data_offsets give 8"},
    {"size of a scalar", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,8]}}"), 8,
     "tensor 'a' (byte 61): f32 of shape () takes 4 bytes, but data_offsets give 8"},
    {"overflow", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}"),
     0, "tensor 'a' (byte 8): the product overflows in the shape (4294967296, 4294967296) of f32"},
    {"overflow beside a zero",
     TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}}"), 0,
     "tensor 'a' (byte 8): the product overflows in the shape (0, 4294967296, 4294967296) of f32"},
    {"unknown dtype", TEXT("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]}}"), 2,
     "header: tensor 'a': unknown dtype 'F8_E4M3' (known: F64, F32, F16, BF16, I64 to I8, U64 to U8, BOOL)"},
    {"no dtype", TEXT("{\"a\":{\"shape\":[2],\"data_offsets\":[0,2]}}"), 2,
     "header: tensor 'a' must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"not an entry", TEXT("{\"a\":3}"), 0,
     "header: tensor 'a' must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"no shape", TEXT("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,2]}}"), 2,
     "header: tensor 'a': 'shape' must be a list of integers"},
    {"negative shape", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}"), 8,
     "header: tensor 'a': 'shape' must be a list of integers that are not negative"},
    {"fractional shape", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}"), 8,
     "header: tensor 'a': 'shape' must be a list of integers that are not negative"},
    {"rank", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}"), 4,
     "header: tensor 'a': 'shape' has 9 entries; at most 8 are supported"},
    {"one offset", TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}"), 8,
     "header: tensor 'a': 'data_offsets' must be [begin, end]"},
    {"metadata not strings", TEXT("{\"__metadata__\":{\"a\":1}}"), 0,
     "header: __metadata__ 'a' must be a string"},
    {"metadata not an object", TEXT("{\"__metadata__\":1}"), 0,
     "header: '__metadata__' must be an object of strings"},
    {"a name for the terminal", TEXT("{\"\\u001b[31mred\":3}"), 0,
     "header: tensor '\\x1b[31mred' must be an object with 'dtype', 'shape' and 'data_offsets'"},
    {"a number too large",
     TEXT("{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}"), 8,
     "byte 57: the header is not JSON: too big integer near '99999999999999999999'"},
};

static void test_safetensors(void **state) {
  failures = 0;
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
  assert_int_equal(failures, 0);
}

/* ---- whole files ---- */

typedef struct FileCase {
  const char *name, *bytes;
  size_t size;
  const char *expected;
} FileCase;

#define NPY(header) "\x93NUMPY\1\0" header
#define MAGIC "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

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
     "not a weight file that is known here (safetensors, PyTorch, .npz, .npy, *.index.json, ONNX); it begins with "
     "bytes de ad be ef"},
    {"a picture", TEXT("\x89PNG\r\n\x1a\n and more"), "is a PNG picture, not a weight file"},
    {"gzip", TEXT("\x1f\x8b\10 and more"), "is compressed by gzip; unpack it first (gunzip)"},
    {"LFS", TEXT("version https://git-lfs.github.com/spec/v1\n"),
     "is a Git LFS pointer, not the file itself; run `git lfs pull`"},
    {"a web page", TEXT("<!DOCTYPE html><html>"),
     "is a web page, not a weight file; the download went wrong"},
    {"JSON", TEXT("{\"a\": 1}"),
     "is JSON, but no index of shards: 'weight_map' must be an object of tensor: file"},
    {"broken JSON", TEXT("{\"weight_map\": "),
     "byte 15: the index is not JSON: unexpected token near end of file"},
    {"shard with a path", TEXT("{\"weight_map\": {\"a\": \"../b.safetensors\"}}"),
     "tensor 'a': the shard '../b.safetensors' must be a file's name without a path"},
    {"shard '..'", TEXT("{\"weight_map\": {\"a\": \"..\"}}"),
     "tensor 'a': the shard '..' must be a file's name without a path"},
    {"npy, no header", TEXT("\x93NUMPY"), "array 'arr_0' (byte 0): is not a numpy array (no \\x93NUMPY)"},
    {"npy, version", TEXT("\x93NUMPY\4\0\2\0\0\0{}"),
     "array 'arr_0' (byte 0): of a version that is not known (1 to 3 are)"},
    {"npy, cut off", TEXT(NPY("\x10\0{}")), "array 'arr_0' (byte 0): cut off in its header"},
    {"npy, objects", TEXT(NPY("\x36\0{'descr': '|O', 'fortran_order': False, 'shape': (2,)}")),
     "array 'arr_0' (byte 0): object dtype: such an array is a pickle and is never loaded"},
    {"npy, text", TEXT(NPY("\x36\0{'descr': '<U', 'fortran_order': False, 'shape': (2,)}")),
     "array 'arr_0' (byte 0): dtype '<U' is not supported (f2, f4, f8, i1 to i8, u1 to u8, b1 are)"},
    {"npy, fields", TEXT(NPY("\x1f\0{'descr': [('x', '<f4')], 'x':1}")),
     "array 'arr_0' (byte 0): a structured dtype (fields) is not supported"},
    {"npy, size", TEXT(NPY("\x37\0{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}1234567")),
     "array 'arr_0' (byte 0): f32 of shape (2,) takes 8 bytes, but 7 are there"},
    {"npy, overflow",
     TEXT(NPY("\x48\0{'descr': '<f4', 'fortran_order': True, 'shape':(4294967296,4294967296)}")),
     "tensor 'arr_0' (byte 0): the product overflows in the shape (4294967296, 4294967296) of f32"},
    {"npy, huge",
     TEXT(NPY("\x46\0{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999)}")),
     "array 'arr_0' (byte 0): a size in its shape overflows"},
    {"npy, missing key", TEXT(NPY("\x10\0{'descr': '<f4'}")),
     "array 'arr_0' (byte 0): its header lacks one of descr, fortran_order, shape"},
    {"npy, code", TEXT(NPY("\x10\0__import__('os') ")), "array 'arr_0' (byte 0): its header is not a dict"},
    {"pickle of another kind", TEXT("\x80\2}."),
     "byte 0: a Python pickle (of a dict), but not PyTorch's: its magic number is missing"},
    {"pickle that calls", TEXT("\x80\2cposix\nsystem\nX\2\0\0\0ls\x85R."),
     "byte 24: the pickle calls 'posix.system', a global that is not allowed in a weight file" ADVICE},
    {"protocol", TEXT(MAGIC "\x80\2M\xe8\3."), "byte 17: the PyTorch file's protocol is not 1001"},
};

static void test_files(void **state) {
  failures = 0;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    const char *path = scratch("x.bin");
    write_bytes(path, files[i].bytes, files[i].size);
    check_row("files", files[i].name, path, files[i].expected);
  }
  assert_int_equal(failures, 0);
}

/* ---- pickles, in the legacy container ---- */

#define FLOATS(key, numel) "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" key "X\3\0\0\0cpuK" numel "Nt"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR(offset, size, stride) REBUILD "(" FLOATS("0", "\4") "QK" offset size stride "\x89}tR"
#define NAMED "\x80\2}X\1\0\0\0w"

static const FileCase pickles[] = {
    {"underflow", TEXT("\x80\2R."),
     "byte 27: stack underflow: the pickle's opcode REDUCE needs 2 values, 0 are there"},
    {"underflow below a mark", TEXT("\x80\2}N(s."),
     "byte 30: stack underflow: the pickle's opcode SETITEM needs 3 values, 0 are there"},
    {"no mark", TEXT("\x80\2t."), "byte 27: stack underflow: the pickle's opcode TUPLE finds no mark"},
    {"STOP at once", TEXT("\x80\2."),
     "byte 27: stack underflow: the pickle's opcode STOP needs 1 values, 0 are there"},
    {"dangling memo", TEXT("\x80\2h\5."),
     "byte 27: dangling memo: BINGET asks for value 5, which was never stored"},
    {"memo bomb", TEXT("\x80\2Nr\xff\xff\xff\xff."),
     "byte 28: LONG_BINPUT: memo index 4294967295 after only 8 bytes"},
    {"unknown opcode", TEXT("\x80\2\xff."), "byte 27: 0xff is no pickle opcode"},
    {"forbidden opcode", TEXT("\x80\2iposix\nsystem\n."),
     "byte 27: the pickle's opcode INST is not allowed in a weight file"},
    {"extension", TEXT("\x80\2\x82\1."), "byte 27: the pickle's opcode EXT1 is not allowed in a weight file"},
    {"protocol", TEXT("\x80\x09N."), "byte 25: pickle protocol 9 is not known"},
    {"text past the end", TEXT("\x80\2X\xff\xff\xff\x7f."),
     "byte 27: a text of 2147483647 bytes, but 1 are left"},
    {"frame past the end", TEXT("\x80\4\x95\xff\0\0\0\0\0\0\0."),
     "byte 27: a frame of 255 bytes, but 1 are left"},
    {"cut off", TEXT("\x80\2}"),
     "byte 28: ends inside a pickle: it has no STOP (1 bytes are needed, 0 are left)"},
    {"cut off in an opcode", TEXT("\x80\2K"),
     "byte 28: ends inside a pickle opcode (1 bytes are needed, 0 are left)"},
    {"an odd dict", TEXT("\x80\2}(Nu."), "byte 30: SETITEMS with a key that has no value"},
    {"items of a list", TEXT("\x80\2](NNu."),
     "byte 31: the pickle's opcode SETITEMS works on a dict, not a list"},
    {"a call of a number", TEXT("\x80\2K\1)R."),
     "byte 30: REDUCE needs a global and a tuple, not an integer and a tuple"},
    {"a state for a number", TEXT("\x80\2K\1}b."),
     "byte 30: the pickle's opcode BUILD cannot give a state to an integer"},
    {"eval",
     TEXT("\x80\2c__builtin__\neval\nX\1\0\0\0"
          "1\x85R."),
     "byte 52: the pickle calls '__builtin__.eval', a global that is not allowed in a weight file" ADVICE},
    {"eval by STACK_GLOBAL", TEXT("\x80\4\x8c\10builtins\x8c\4eval\x93)R."),
     "byte 45: the pickle calls 'builtins.eval', a global that is not allowed in a weight file" ADVICE},
    {"an allowed function with a forbidden one inside",
     TEXT("\x80\2ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nNX\2\0\0\0ls\x85}tR."),
     "byte 87: the arguments of 'torch._tensor._rebuild_from_type_v2' are not those of a tensor's function"},
    {"a bare global", TEXT(NAMED "cposix\nsystem\ns.\x80\2]."),
     "byte 34: the pickle holds 'posix.system', a global that is not allowed in a weight file" ADVICE},
    {"an object of an unknown class", TEXT(NAMED "cmy\nConfig\n)\x81}bs.\x80\2]."),
     "byte 46: the pickle holds 'my.Config', a global that is not allowed in a weight file" ADVICE},
    {"a storage's type",
     TEXT(NAMED "(X\7\0\0\0storagecevil\nStorage\nX\1\0\0\0"
                "0X\3\0\0\0cpuK\4tQs."),
     "byte 78: a storage of type 'evil.Storage', a global that is not allowed in a weight file"},
    {"complex storages",
     TEXT(NAMED "(X\7\0\0\0storagectorch\nComplexFloatStorage\nX\1\0\0\0"
                "0X\3\0\0\0cpuK\4tQs."),
     "byte 91: a storage of type 'torch.ComplexFloatStorage', a global that is not allowed in a weight file"},
    {"a strange persistent id", TEXT("\x80\2K\1Q."),
     "byte 29: a persistent id is not a tuple that PyTorch writes"},
    {"no tensors", TEXT("\x80\2}X\1\0\0\0wK\1s.\x80\2]."),
     "byte 27: no tensors in the pickle, which is a dict"},
    {"storage not listed", TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") "s.\x80\2]."),
     "tensor 'w': its storage '0' is not in the file"},
    {"rebuild without a storage", TEXT(NAMED REBUILD "(NK\0K\4\x85K\1\x85\x89}tRs."),
     "byte 80: the arguments of 'torch._utils._rebuild_tensor_v2' are not (storage, offset, size, stride, "
     "…)"},
};

/* With a list of keys and one storage of four floats behind the pickle. */
#define LISTED                                                                                               \
  "s.\x80\2]X\1\0\0\0"                                                                                       \
  "0a."
#define STORED                                                                                               \
  "\4\0\0\0\0\0\0\0"                                                                                         \
  "abcdefghijklmnop"

static const FileCase views[] = {
    {"past its storage", TEXT(NAMED TENSOR("\1", "K\4\x85", "K\1\x85") LISTED STORED),
     "byte 131: tensor 'w': a view of shape (4,) from element 1 goes past its storage '0' of 4 elements"},
    {"stride past its storage", TEXT(NAMED TENSOR("\0", "K\2\x85", "K\4\x85") LISTED STORED),
     "byte 131: tensor 'w': a view of shape (2,) from element 0 goes past its storage '0' of 4 elements"},
    {"stride that overflows",
     TEXT(NAMED TENSOR("\0", "K\3\x85", "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7f\x85") LISTED STORED),
     "byte 139: tensor 'w': a view of shape (3,) from element 0 goes past its storage '0' of 4 elements"},
    {"negative stride", TEXT(NAMED TENSOR("\0", "K\2\x85", "J\xff\xff\xff\xff\x85") LISTED STORED),
     "byte 134: tensor 'w': a negative stride"},
    {"negative size", TEXT(NAMED TENSOR("\0", "J\xff\xff\xff\xff\x85", "K\1\x85") LISTED STORED),
     "tensor 'w' (byte 134): a negative size in the shape (-1,) of f32"},
    {"repeated beyond all measure",
     TEXT(NAMED TENSOR("\0", "\x8a\6\0\0\0\0\0\1\x85", "K\0\x85") LISTED STORED),
     "byte 137: tensor 'w': shape (1099511627776,) repeats its numbers to more bytes than the file has"},
    {"overflow",
     TEXT(NAMED TENSOR("\0", "\x8a\6\0\0\0\0\0\1\x8a\6\0\0\0\0\0\1\x86", "K\0K\0\x86") LISTED STORED),
     "tensor 'w' (byte 147): the product overflows in the shape (1099511627776, 1099511627776) of f32"},
    {"size without stride", TEXT(NAMED TENSOR("\0", "K\2K\2\x86", "K\1\x85") LISTED STORED),
     "byte 133: the arguments of 'torch._utils._rebuild_tensor_v2' are not a size and a stride of the same "
     "length"},
    {"another number of elements",
     TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") LISTED "\3\0\0\0\0\0\0\0abcdefghijkl"),
     "byte 145: storage '0' has 3 elements here, but 4 in the pickle"},
    {"storage past the end",
     TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") LISTED "\4\0\0\0\0\0\0\0abcdefghijkl"),
     "byte 145: storage '0' of 4 elements goes past the end of the file (12 bytes are left)"},
    {"storage of no end",
     TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") LISTED "\4\0\0\0\0\0\0\x80"
                                                          "abcd"),
     "byte 145: storage '0' of 9223372036854775812 elements goes past the end of the file (4 bytes are "
     "left)"},
    {"storage that nothing names",
     TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") "s.\x80\2]X\1\0\0\0"
                                                   "9a." STORED),
     "byte 145: storage '9' is in the file's list, but nothing refers to it"},
    {"storage twice",
     TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") "s.\x80\2](X\1\0\0\0"
                                                   "0X\1\0\0\0"
                                                   "0e." STORED STORED),
     "byte 176: storage '0' is twice in the file's list"},
};

static void check_pickles(const char *group, const FileCase *cases, size_t count) {
  failures = 0;
  for (size_t i = 0; i < count; i++) {
    Bytes b = {0};
    bytes_add(&b, TEXT(MAGIC "\x80\2M\xe9\3."
                             "\x80\2}."));
    bytes_add(&b, cases[i].bytes, cases[i].size);
    const char *path = scratch("x.pt");
    write_bytes(path, b.at, b.count);
    bytes_free(&b);
    check_row(group, cases[i].name, path, cases[i].expected);
  }
  assert_int_equal(failures, 0);
}

static void test_pickles(void **state) {
  check_pickles("pickles", pickles, sizeof pickles / sizeof *pickles);
}
static void test_views(void **state) {
  check_pickles("views", views, sizeof views / sizeof *views);
}

/* Nesting: marks, lists in lists, and lists that contain themselves. */
static void test_depth(void **state) {
  failures = 0;
  for (int kind = 0; kind < 3; kind++) {
    Bytes b = {0};
    bytes_add(&b, TEXT(MAGIC "\x80\2M\xe9\3."
                             "\x80\2}."
                             "\x80\2"));
    if (kind == 0) bytes_fill(&b, '(', 100000);
    if (kind == 1) {
      bytes_fill(&b, ']', 10000);
      bytes_fill(&b, 'a', 9999);
    }
    if (kind == 2) bytes_text(&b, "]q\1h\1a"); /* a list in itself: seen once, holds nothing */
    bytes_add(&b, TEXT(".\x80\2]."));
    const char *path = scratch("x.pt");
    write_bytes(path, b.at, b.count);
    bytes_free(&b);
    static const char *const expected[] = {
        "byte 1027: recursion too deep: over 1000 open marks",
        "byte 128: recursion too deep: values nested over 100 levels",
        "byte 27: recursion too deep: nested over 100 levels, or containing itself"};
    check_row("depth", kind == 0 ? "marks" : kind == 1 ? "lists" : "cycle", path, expected[kind]);
  }
  assert_int_equal(failures, 0);
}

/* ---- zip archives ---- */

#define PICKLE "\x80\2}(X\1\0\0\0w" TENSOR("\0", "K\4\x85", "K\1\x85") "u."

/* An archive of a/data.pkl, one more entry, and a/data/0; then bytes are replaced and the end is cut. */
typedef struct ZipCase {
  const char *name;
  const char *more_name, *more; /* NULL: none */
  size_t storage;               /* bytes of a/data/0; 0: none */
  const char *from, *to;        /* every occurrence, of size bytes */
  size_t size, cut;
  const char *expected;
} ZipCase;

#define STORED_ENTRY .storage = 16
#define CENTRAL "PK\1\2\x14\0\x14\0\0\10\0\0"

static const ZipCase zips[] = {
    {"cut off", STORED_ENTRY, .cut = 1,
     .expected = "byte 403: the zip archive is broken: it has no end of its directory; the file is cut off "
                 "or was not completely downloaded"},
    {"encrypted", STORED_ENTRY, .from = CENTRAL, .to = "PK\1\2\x14\0\x14\0\1\10\0\0", .size = 12,
     .expected = "zip entry 'a/data.pkl' (byte 0): is encrypted"},
    {"compressed", STORED_ENTRY, .from = CENTRAL, .to = "PK\1\2\x14\0\x14\0\0\10\10\0", .size = 12,
     .expected = "zip entry 'a/data.pkl' (byte 0): is compressed (method 8); PyTorch stores its entries. "
                 "Unpack and pack it again with zip -0"},
    {"another local name", STORED_ENTRY, .from = "a/data.pklFB", .to = "b/data.pklFB", .size = 12,
     .expected = "zip entry 'a/data.pkl' (byte 0): its local header has another name"},
    {"no directory entry", STORED_ENTRY, .from = "PK\1\2", .to = "PK\1\1", .size = 4,
     .expected = "byte 272: the zip archive is broken: no entry where one should be"},
    {"two of a name", "a/data/0", "again", STORED_ENTRY,
     .expected = "zip entry 'a/data/0' (byte 261): two entries of this name"},
    {"missing storage",
     .expected = "tensor 'w': its storage '0' is not in the archive (no entry 'a/data/0')"},
    {"short storage", .storage = 12,
     .expected =
         "byte 171: tensor 'w': storage '0' should have 4 elements, 16 bytes, but the file has 12 bytes"},
    {"byte order", "a/byteorder", "middle", STORED_ENTRY,
     .expected = "byte 256: byteorder 'middle' is neither 'little' nor 'big'"},
    {"TorchScript", "a/constants.pkl", "x", STORED_ENTRY,
     .expected = "is a TorchScript program (torch.jit.save), which holds code. Load it in PyTorch and save "
                 "its tensors: torch.save(model.state_dict(), path)"},
    {"too many entries", STORED_ENTRY, .from = "PK\5\6\0\0\0\0\2\0\2\0", .to = "PK\5\6\0\0\0\0\2\1\2\1",
     .size = 12, .expected = "byte 382: the zip archive is broken: more entries than its directory can hold"},
    {"several disks", STORED_ENTRY, .from = "PK\5\6\0\0\0\0\2\0\2\0", .to = "PK\5\6\0\0\0\0\2\0\3\0",
     .size = 12, .expected = "byte 382: the zip archive is broken: it is split over several files"},
    {"no ZIP64 records", STORED_ENTRY, .from = "PK\5\6\0\0\0\0\2\0\2\0",
     .to = "PK\5\6\0\0\0\0\xff\xff\xff\xff", .size = 12,
     .expected = "byte 362: the zip archive is broken: no ZIP64 locator"},
};

static void build_zip(const char *path, const ZipCase *c) {
  surgery_error err = {0};
  ZipWriter *zip = zip_writer_open(path, 0, &err);
  assert_non_null(zip);
  assert_int_equal(zip_writer_add(zip, "a/data.pkl", (ZipData){NULL, PICKLE, 0, sizeof PICKLE - 1}, 64, &err),
                   0);
  if (c->more_name)
    assert_int_equal(
        zip_writer_add(zip, c->more_name, (ZipData){NULL, c->more, 0, strlen(c->more)}, 64, &err), 0);
  if (c->storage)
    assert_int_equal(
        zip_writer_add(zip, "a/data/0", (ZipData){NULL, "0123456789abcdef", 0, c->storage}, 64, &err), 0);
  assert_int_equal(zip_writer_commit(zip, &err), 0);
  size_t size;
  unsigned char *bytes = read_bytes(path, &size);
  for (size_t i = 0; c->size && i + c->size <= size; i++) {
    if (memcmp(bytes + i, c->from, c->size) == 0) memcpy(bytes + i, c->to, c->size);
  }
  write_bytes(path, bytes, size - c->cut);
  free(bytes);
}

static void test_zip(void **state) {
  failures = 0;
  for (size_t i = 0; i < sizeof zips / sizeof *zips; i++) {
    const char *path = scratch("x.pth");
    build_zip(path, &zips[i]);
    check_row("zip", zips[i].name, path, zips[i].expected);
  }
  assert_int_equal(failures, 0);
}

/* ---- npz ---- */

static void write_npz_entry(const char *path, const char *name, const void *data, size_t size) {
  surgery_error err = {0};
  ZipWriter *zip = zip_writer_open(path, 0, &err);
  assert_non_null(zip);
  assert_int_equal(zip_writer_add(zip, name, (ZipData){NULL, data, 0, size}, 64, &err), 0);
  assert_int_equal(zip_writer_commit(zip, &err), 0);
}

static void test_npz(void **state) {
  const char *path = scratch("x.npz");
  write_npz_entry(path, "x.npy", TEXT(NPY("\x36\0{'descr': '|O', 'fortran_order': False, 'shape': (2,)}")));
  expect_refused(path, "array 'x' (byte 0): object dtype: such an array is a pickle and is never loaded");
  write_npz_entry(path, "x.npy", TEXT("no array"));
  expect_refused(path, "array 'x' (byte 0): is not a numpy array (no \\x93NUMPY)");
  write_npz_entry(path, "x.txt", TEXT("no array"));
  expect_refused(path,
                 "a zip archive of 1 entries, but neither PyTorch's (no data.pkl) nor .npz (no .npy entry)");
  /* A broken compressed stream is found on reading: by the stream itself, or by its checksum. */
  size_t size;
  unsigned char *bytes = read_bytes(FOLDER "/fixtures/deflated.npz", &size);
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

/* ---- shards ---- */

static void test_shards(void **state) {
  const char *path = scratch("m.index.json");
  char expected[900];
  write_bytes(path, TEXT("{\"weight_map\": {\"a\": \"missing.safetensors\"}}"));
  snprintf(expected, sizeof expected,
           "its shard for tensor 'a' is missing: %s: cannot be opened: No such file or directory",
           scratch("missing.safetensors"));
  expect_refused(path, expected);
  Bytes b = {0};
  bytes_le(&b, 2, 8);
  bytes_text(&b, "{}");
  write_bytes(scratch("part.safetensors"), b.at, b.count);
  bytes_free(&b);
  write_bytes(path, TEXT("{\"weight_map\": {\"a\": \"part.safetensors\"}}"));
  expect_refused(path, "tensor 'a' is listed in shard 'part.safetensors', but is not there");
  write_bytes(path, TEXT("{\"weight_map\": {\"a\": \"m.index.json\"}}"));
  expect_refused(path, "an index cannot name another index as a shard");
}

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
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_safetensors), cmocka_unit_test(test_files),  cmocka_unit_test(test_pickles),
      cmocka_unit_test(test_views),       cmocka_unit_test(test_depth),  cmocka_unit_test(test_zip),
      cmocka_unit_test(test_npz),         cmocka_unit_test(test_shards), cmocka_unit_test(test_not_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
