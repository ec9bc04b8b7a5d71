/* ONNX files that break one rule each, as weight files alone, as malformed.c. What makes sense only with the
 * network around it is in tests/onnx. A row is the tensor's message, or the bytes before the graph; the
 * messages around them are built here. Protobuf: a field is a tag (number * 8 + kind), and for kind 2 a
 * length. */
#include "tests/weights/support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum Around { MODEL, GRAPH, NODE, TENSOR, CONSTANT } Around; /* what the row's bytes are inside of */

typedef struct OnnxCase {
  const char *name;
  Around around;
  const char *bytes;
  size_t size;
  const char *expected;
} OnnxCase;

#define DIMS(n) "\10" n /* dims: 1, a varint each */
#define FLOAT "\20\1"   /* data_type: 2 */
#define INT64 "\20\7"
#define NAME "\102\1w"                         /* name: 8 */
#define RAW(length, bytes) "\112" length bytes /* raw_data: 9 */
#define FLOATS(length, bytes) "\42" length bytes
#define EXTERNAL(pairs_length, pairs) "\152" pairs_length pairs /* external_data: 13 */
#define ELSEWHERE "\160\1"                                      /* data_location: 14 */
#define LOCATED(length, location) TEXT(NAME DIMS("\1") FLOAT EXTERNAL(length, "\12\10location\22" location) ELSEWHERE)
#define OUTSIDE(which) "tensor 'w' (byte 6): its external data " which "; they must be a file in the model's own folder"

static const OnnxCase cases[] = {
    {"a number past its message", TENSOR, TEXT(NAME "\10\x80"), "byte 10: a number goes past the end of its message"},
    {"a number of more than 64 bits", TENSOR, TEXT(NAME "\10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
     "byte 10: a number of more than 64 bits"},
    {"field 0", TENSOR, TEXT(NAME "\0\1"), "byte 9: not a protobuf field"},
    {"a group", TENSOR, TEXT(NAME "\13"), "byte 9: a field of a kind that ONNX does not use"},
    {"a field past its message", TENSOR,
     TEXT(NAME "\112\x7f"
               "abc"),
     "byte 9: a field of 127 bytes goes past the end of its message (byte 14)"},
    {"a name that is a number", TENSOR, TEXT("\100\1"), "byte 8: a text was expected"},
    {"a zero byte in a name", TENSOR, TEXT("\102\2w\0"), "byte 8: a zero byte in a text"},
    {"no name", TENSOR, TEXT(DIMS("\1") FLOAT RAW("\4", "abcd")), "byte 6: a tensor without a name"},
    {"dims that are bytes of a number", TENSOR,
     TEXT(NAME "\15"
               "abcd"),
     "byte 10: a size is not a number"},
    {"packed dims cut off", TENSOR, TEXT(NAME "\12\1\x80"), "byte 11: a number goes past the end of its message"},
    {"a negative size", TENSOR, TEXT(NAME DIMS("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1") FLOAT),
     "tensor 'w' (byte 6): a negative size in the shape (-1,) of f32"},
    {"rank 9", TENSOR,
     TEXT(NAME DIMS("\1") DIMS("\1") DIMS("\1") DIMS("\1") DIMS("\1") DIMS("\1") DIMS("\1") DIMS("\1") DIMS("\1")
              FLOAT),
     "tensor 'w' (byte 6): 9 dimensions; at most 8 are supported"},
    {"overflow", TENSOR, TEXT(NAME DIMS("\x80\x80\x80\x80\x80\x80\x80\x80\x40") DIMS("\4") FLOAT),
     "tensor 'w' (byte 6): the product overflows in the shape (4611686018427387904, 4) of f32"},
    {"a data type that is text", TENSOR, TEXT(NAME "\22\1a"), "byte 11: a data type is not a number"},
    {"no data type", TENSOR, TEXT(NAME DIMS("\1") RAW("\4", "abcd")),
     "tensor 'w' (byte 6): data type 0 (undefined) is not read (float, double, float16, bfloat16, integers "
     "and bool are)"},
    {"text", TENSOR,
     TEXT(NAME DIMS("\1") "\20\10"
                          "\62\1a"),
     "tensor 'w' (byte 6): data type 8 (string) is not read (float, double, float16, bfloat16, integers and "
     "bool are)"},
    {"complex", TENSOR, TEXT(NAME DIMS("\1") "\20\16" RAW("\10", "abcdefgh")),
     "tensor 'w' (byte 6): data type 14 (complex64) is not read (float, double, float16, bfloat16, integers "
     "and bool are)"},
    {"a data type that nobody knows", TENSOR, TEXT(NAME DIMS("\1") "\20\143" RAW("\4", "abcd")),
     "tensor 'w' (byte 6): data type 99 is not read (float, double, float16, bfloat16, integers and bool "
     "are)"},
    {"segments", TENSOR, TEXT(NAME "\32\2\10\1"), "byte 11: a tensor in segments"},
    {"raw_data that is a number", TENSOR, TEXT(NAME DIMS("\1") FLOAT "\110\1"), "byte 15: raw_data are not bytes"},
    {"raw_data of another size", TENSOR, TEXT(NAME DIMS("\2") FLOAT RAW("\4", "abcd")),
     "tensor 'w' (byte 6): f32 of shape (2,) takes 8 bytes, but 4 are there"},
    {"no values", TENSOR, TEXT(NAME DIMS("\2") FLOAT),
     "tensor 'w' (byte 6): f32 of shape (2,) takes 8 bytes, but 0 are there"},
    {"values in two places", TENSOR, TEXT(NAME DIMS("\1") FLOAT RAW("\4", "abcd") FLOATS("\4", "abcd")),
     "tensor 'w' (byte 6): its values stand in raw_data and in a typed field"},
    {"values of two types", TENSOR, TEXT(NAME DIMS("\1") FLOAT FLOATS("\4", "abcd") "\72\1\1"),
     "byte 21: a tensor with values of two types"},
    {"values in another type's field", TENSOR, TEXT(NAME DIMS("\1") INT64 FLOATS("\4", "abcd")),
     "tensor 'w' (byte 6): its values stand in a field that is not the one for int64"},
    {"too few floats", TENSOR, TEXT(NAME DIMS("\2") FLOAT FLOATS("\4", "abcd")),
     "tensor 'w' (byte 6): f32 of shape (2,) takes 8 bytes, but 4 are there"},
    {"half a float", TENSOR, TEXT(NAME DIMS("\2") FLOAT FLOATS("\4", "abcd") FLOATS("\3", "abc")),
     "tensor 'w' (byte 6): its last value is cut"},
    {"floats that are numbers", TENSOR, TEXT(NAME DIMS("\1") FLOAT "\40\1"),
     "tensor 'w' (byte 6): its values are not of the type f32"},
    {"too many integers", TENSOR, TEXT(NAME DIMS("\1") INT64 "\72\2\1\2"),
     "tensor 'w' (byte 6): more than the 1 values of its shape (1,)"},
    {"too few integers", TENSOR, TEXT(NAME DIMS("\3") INT64 "\72\2\1\2"),
     "tensor 'w' (byte 6): its shape (3,) takes 3 values, but 2 are there"},
    {"an integer that does not fit", TENSOR,
     TEXT(NAME DIMS("\1") "\20\3"
                          "\52\2\xff\1"),
     "tensor 'w' (byte 6): value 0 does not fit into i8"},
    {"many of no size", TENSOR, TEXT(NAME DIMS("\x80\x80\x80\x80\x80\x20") INT64 "\72\1\1"),
     "tensor 'w' (byte 6): its shape (1099511627776,) takes 1099511627776 values, but 1 are there"},
    {"external_data that is a number", TENSOR, TEXT(NAME DIMS("\1") FLOAT "\150\1" ELSEWHERE),
     "byte 15: external_data is not a message"},
    {"a place that is none", TENSOR, TEXT(NAME DIMS("\1") FLOAT "\160\2"), "byte 15: data_location is neither 0 nor 1"},
    {"here and there", TENSOR,
     TEXT(NAME DIMS("\1") FLOAT RAW("\4", "abcd") EXTERNAL("\15", "\12\10location\22\1x") ELSEWHERE),
     "tensor 'w' (byte 6): its values stand here and in another file"},
    {"without a location", TENSOR, TEXT(NAME DIMS("\1") FLOAT ELSEWHERE),
     "tensor 'w' (byte 6): its external data name no location"},
    {"two locations", TENSOR,
     TEXT(NAME EXTERNAL("\15", "\12\10location\22\1x") EXTERNAL("\15", "\12\10location\22\1y")),
     "byte 26: external_data states something twice"},
    {"an absolute location", TENSOR, LOCATED("\27", "\13/etc/passwd"), OUTSIDE("'/etc/passwd' have an absolute name")},
    {"out by '..'", TENSOR, LOCATED("\22", "\6../w.b"), OUTSIDE("'../w.b' lead out of the folder with '..'")},
    {"out and in again", TENSOR, LOCATED("\26", "\12s/../w.bin"),
     OUTSIDE("'s/../w.bin' lead out of the folder with '..'")},
    {"over a symbolic link", TENSOR, LOCATED("\24", "\10link.bin"), OUTSIDE("'link.bin' lead over a symbolic link")},
    {"over a folder that is a link", TENSOR, LOCATED("\24", "\10ls/w.bin"),
     OUTSIDE("'ls/w.bin' lead over a symbolic link")},
    {"a hard link", TENSOR, LOCATED("\24", "\10hard.bin"),
     OUTSIDE("'hard.bin' are a file with several names (hard links)")},
    {"a pipe", TENSOR, LOCATED("\20", "\4pipe"), OUTSIDE("'pipe' are no regular file")},
    {"a folder", TENSOR, LOCATED("\15", "\1s"), OUTSIDE("'s' are no regular file")},
    {"past the other file's end", TENSOR,
     TEXT(NAME DIMS("\x7f") FLOAT EXTERNAL("\21", "\12\10location\22\5w.bin") ELSEWHERE),
     "tensor 'w' (byte 6): its external data, 508 bytes from byte 0, go past the end of 'w.bin' (16 bytes)"},
    {"a length that is another", TENSOR,
     TEXT(NAME DIMS("\1") FLOAT EXTERNAL("\21", "\12\10location\22\5w.bin") EXTERNAL("\13", "\12\6length\22\1"
                                                                                            "8") ELSEWHERE),
     "tensor 'w' (byte 6): f32 of shape (1,) takes 4 bytes, but its external data are 8"},
    {"an offset that is none", TENSOR,
     TEXT(NAME DIMS("\1") FLOAT EXTERNAL("\21", "\12\10location\22\5w.bin") EXTERNAL("\15", "\12\6offset\22\3"
                                                                                            "0x1") ELSEWHERE),
     "tensor 'w' (byte 6): the offset '0x1' of its external data is no number of bytes"},
    {"a tensor that is a number", GRAPH, TEXT("\50\1"), "byte 6: a tensor is not a message"},
    {"a node that is a number", GRAPH, TEXT("\10\1"), "byte 6: a node is not a message"},
    {"a sparse tensor", GRAPH, TEXT("\172\1a"), "byte 6: a sparse tensor; only dense ones are read"},
    {"an attribute that is a number", NODE, TEXT("\50\1"), "byte 8: an attribute is not a message"},
    {"an operator that is a number", NODE, TEXT("\40\1"), "byte 8: a text was expected"},
    {"a constant whose tensor is a number", CONSTANT, TEXT("\50\1"), "byte 10: a tensor is not a message"},
    {"a constant of another size", CONSTANT, TEXT("\52\7" DIMS("\1") FLOAT RAW("\1", "a")),
     "tensor 'y' (byte 10): f32 of shape (1,) takes 4 bytes, but 1 are there"},
    {"two graphs", MODEL, TEXT("\72\0\72\0"), "byte 9: a second graph"},
    {"a graph that is a number", MODEL, TEXT("\70\1"), "byte 7: the graph is not a message"},
    {"no graph", MODEL, TEXT("\20\1"), "is a protobuf message, but has no ONNX graph"},
};

static void wrap(Bytes *b, int tag) {
  Bytes outer = {0};
  bytes_le(&outer, (uint64_t)tag, 1);
  assert_true(b->count < 128);
  bytes_le(&outer, b->count, 1);
  bytes_add(&outer, b->at, b->count);
  bytes_free(b);
  *b = outer;
}

static const char *build(const OnnxCase *c) {
  Bytes b = {0};
  bytes_add(&b, c->bytes, c->size);
  if (c->around == CONSTANT) { /* attribute "value" of a node "Constant" with the output y */
    bytes_add(&b, TEXT("\12\5value"));
    wrap(&b, 052);
    bytes_add(&b, TEXT("\42\10Constant\22\1y"));
  }
  if (c->around == TENSOR) wrap(&b, 052);
  if (c->around == NODE || c->around == CONSTANT) wrap(&b, 012);
  if (c->around != MODEL) wrap(&b, 072);
  Bytes whole = {0};
  bytes_add(&whole, TEXT("\10\7")); /* ir_version */
  if (c->around == MODEL) bytes_add(&whole, TEXT("\22\1p"));
  bytes_add(&whole, b.at, b.count);
  const char *path = scratch("net.onnx");
  write_bytes(path, whole.at, whole.count);
  bytes_free(&b);
  bytes_free(&whole);
  return path;
}

static int make_files(void **state) {
  write_bytes(scratch("w.bin"), "0123456789abcdef", 16);
  write_bytes(scratch("two.bin"), "0123456789abcdef", 16);
  return mkdir(scratch("s"), 0700) || symlink("w.bin", scratch("link.bin")) || symlink("s", scratch("ls")) ||
         link(scratch("two.bin"), scratch("hard.bin")) || mkfifo(scratch("pipe"), 0600);
}

static void test_onnx(void **state) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *path = build(&cases[i]);
    check_row("onnx", cases[i].name, path, cases[i].expected);
  }
  expect_no_failures();
}

/* A thousand sizes and one: the list of them is not kept. */
static void test_many_dims(void **state) {
  Bytes b = {0};
  bytes_add(&b, TEXT("\10\7\72\361\7\52\356\7\12\351\7")); /* graph, tensor, dims packed: 1009, 1006 and 1001 bytes */
  bytes_fill(&b, 1, 1001);
  bytes_add(&b, TEXT("\20\1"));
  const char *path = scratch("net.onnx");
  write_bytes(path, b.at, b.count);
  bytes_free(&b);
  check_row("onnx", "many dims", path, "byte 8: a tensor of more than 1000 dimensions");
  expect_no_failures();
}

/* Larger than any protobuf message may be: refused by its size, before anything of it is read. */
static void test_large(void **state) {
  const char *path = build(&(OnnxCase){"large", MODEL, TEXT("\72\0"), ""});
  int fd = open(path, O_WRONLY);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, (off_t)3 << 30), 0); /* a hole: takes no room */
  close(fd);
  check_row("onnx", "large", path,
            "3221225472 bytes; no protobuf message is larger than 2 GiB (larger models hold their tensors in "
            "other files)");
  expect_no_failures();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_onnx), cmocka_unit_test(test_many_dims),
                                     cmocka_unit_test(test_large)};
  return cmocka_run_group_tests(tests, make_files, NULL);
}
