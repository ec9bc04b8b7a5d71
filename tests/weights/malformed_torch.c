/* PyTorch files that break one rule each, as malformed.c: pickles in the legacy container, views of storages,
 * and what would grow. */
#include "tests/weights/pickles.h"
#include "tests/weights/support.h"
#include <unistd.h>

/* ---- pickles, in the legacy container ---- */

static const FileCase pickles[] = {
    {"underflow", TEXT("\x80\2R."), "byte 27: stack underflow: the pickle's opcode REDUCE needs 2 values, 0 are there"},
    {"underflow below a mark", TEXT("\x80\2}N(s."),
     "byte 30: stack underflow: the pickle's opcode SETITEM needs 3 values, 0 are there"},
    {"no mark", TEXT("\x80\2t."), "byte 27: stack underflow: the pickle's opcode TUPLE finds no mark"},
    {"STOP at once", TEXT("\x80\2."), "byte 27: stack underflow: the pickle's opcode STOP needs 1 values, 0 are there"},
    {"dangling memo", TEXT("\x80\2h\5."), "byte 27: dangling memo: BINGET asks for value 5, which was never stored"},
    {"memo bomb", TEXT("\x80\2Nr\xff\xff\xff\xff."), "byte 28: LONG_BINPUT: memo index 4294967295 after only 8 bytes"},
    {"unknown opcode", TEXT("\x80\2\xff."), "byte 27: 0xff is no pickle opcode"},
    {"forbidden opcode", TEXT("\x80\2iposix\nsystem\n."),
     "byte 27: the pickle's opcode INST is not allowed in a weight file"},
    {"extension", TEXT("\x80\2\x82\1."), "byte 27: the pickle's opcode EXT1 is not allowed in a weight file"},
    {"protocol", TEXT("\x80\x09N."), "byte 25: pickle protocol 9 is not known"},
    {"text past the end", TEXT("\x80\2X\xff\xff\xff\x7f."), "byte 27: a text of 2147483647 bytes, but 1 are left"},
    {"frame past the end", TEXT("\x80\4\x95\xff\0\0\0\0\0\0\0."), "byte 27: a frame of 255 bytes, but 1 are left"},
    {"cut off", TEXT("\x80\2}"), "byte 28: ends inside a pickle: it has no STOP (1 bytes are needed, 0 are left)"},
    {"cut off in an opcode", TEXT("\x80\2K"), "byte 28: ends inside a pickle opcode (1 bytes are needed, 0 are left)"},
    {"an odd dict", TEXT("\x80\2}(Nu."), "byte 30: SETITEMS with a key that has no value"},
    {"items of a list", TEXT("\x80\2](NNu."), "byte 31: the pickle's opcode SETITEMS works on a dict, not a list"},
    {"a call of a number", TEXT("\x80\2K\1)R."),
     "byte 30: REDUCE needs a global and a tuple, not an integer and a tuple"},
    {"a state for a number", TEXT("\x80\2K\1}b."),
     "byte 30: the pickle's opcode BUILD cannot give a state to an integer"},
    {"eval",
     TEXT("\x80\2c__builtin__\neval\nX\1\0\0\0"
          "1\x85R.\x80\2]."),
     "byte 52: the pickle calls '__builtin__.eval', a global that is not allowed in a weight file" ADVICE},
    {"eval by STACK_GLOBAL", TEXT("\x80\4\x8c\10builtins\x8c\4eval\x93)R.\x80\2]."),
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
    {"a strange persistent id", TEXT("\x80\2K\1Q."), "byte 29: a persistent id is not a tuple that PyTorch writes"},
    {"no tensors", TEXT("\x80\2}X\1\0\0\0wK\1s.\x80\2]."), "byte 27: no tensors in the pickle, which is a dict"},
    {"storage not listed", TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") "s.\x80\2]."),
     "tensor 'w' (byte 131): its storage '0' is not in the file"},
    {"pairs that are none", TEXT("\x80\2ccollections\nOrderedDict\n]K\1a\x85R."),
     "byte 57: the arguments of 'collections.OrderedDict' are not a list of pairs"},
    {"an OrderedDict of a number", TEXT("\x80\2ccollections\nOrderedDict\nK\1\x85R."),
     "byte 55: the arguments of 'collections.OrderedDict' are not a list of pairs"},
    {"a list of a number", TEXT("\x80\2cbuiltins\nlist\nK\1\x85R."),
     "byte 45: the arguments of 'builtins.list' are not one list or tuple"},
    {"a parameter of nothing", TEXT("\x80\2ctorch._utils\n_rebuild_parameter\n)R."),
     "byte 61: the arguments of 'torch._utils._rebuild_parameter' are not a tensor and its flags"},
    {"a class that is a number", TEXT("\x80\2K\1)\x81."),
     "byte 30: NEWOBJ needs a class and a tuple, not an integer and a tuple"},
    {"NEWOBJ_EX of a forbidden class", TEXT("\x80\4cposix\nsystem\n)}\x92.\x80\2]."),
     "byte 43: the pickle holds 'posix.system', a global that is not allowed in a weight file" ADVICE},
    {"a name without an end", TEXT("\x80\2c" A500 A500 "\n."), "byte 27: a global's name is longer than 511 bytes"},
    {"STACK_GLOBAL of numbers", TEXT("\x80\4K\1K\2\x93."),
     "byte 31: STACK_GLOBAL needs two strings, not an integer and an integer"},
    {"a dtype that is not known",
     TEXT("\x80\2ctorch._utils\n_rebuild_tensor_v3\n(" FLOATS("0", "\4") "QK\0)(t\x89}ctorch\ncomplex64\ntR."),
     "byte 138: the arguments of 'torch._utils._rebuild_tensor_v3' are not ended by a dtype that is "
     "supported"},
    {"a key that is no text", TEXT(NAMED "(X\7\0\0\0storagectorch\nFloatStorage\nNX\3\0\0\0cpuK\4tQs."),
     "byte 79: a key must be a text or an integer, not None"},
    {"a storage without a size",
     TEXT(NAMED "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
                "0X\3\0\0\0cputQs."),
     "byte 82: a persistent id of a storage has no number of elements"},
    {"a storage of a negative size",
     TEXT(NAMED "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
                "0X\3\0\0\0cpuJ\xff\xff\xff\xfftQs."),
     "byte 87: a persistent id of a storage has no number of elements"},
    {"a storage without a type",
     TEXT(NAMED "(X\7\0\0\0storageK\1X\1\0\0\0"
                "0X\3\0\0\0cpuK\4tQs."),
     "byte 66: a persistent id of a storage has no type"},
    {"a persistent id of another kind", TEXT("\x80\2(X\6\0\0\0bufferK\1tQ."),
     "byte 42: a persistent id is neither a storage nor a module"},
    {"a module without a class", TEXT("\x80\2(X\6\0\0\0moduleK\1tQ."),
     "byte 42: a persistent id of a module has no class"},
    {"a view that is no triple", TEXT(NAMED VIEWED("K\1") "QK\0K\4\x85K\1\x85\x89}tRs."),
     "byte 120: a persistent id whose view is not (key, offset, numel)"},
    {"a storage's view past its storage", TEXT(NAMED VIEWED("X\1\0\0\0vK\2K\3\x87") "QK\0K\4\x85K\1\x85\x89}tRs."),
     "byte 129: storage '0': a view of 3 elements from 2 is past its 4 elements"},
    {"a storage's view from before it",
     TEXT(NAMED VIEWED("X\1\0\0\0vJ\xff\xff\xff\xffK\3\x87") "QK\0K\4\x85K\1\x85\x89}tRs."),
     "byte 132: storage '0': a view of 3 elements from -1 is past its 4 elements"},
    {"a persistent id of protocol 0", TEXT("\x80\2P0\n."),
     "byte 27: the pickle's opcode PERSID is not allowed in a weight file"},
    {"a call that is pickled text", TEXT("\x80\2cbuiltins\nexec\nX\4\0\0\0pass\x85R.\x80\2]."),
     "byte 52: the pickle calls 'builtins.exec', a global that is not allowed in a weight file" ADVICE},
    {"getattr on the way to a function", TEXT("\x80\2cbuiltins\ngetattr\ncos\nsystem\nX\1\0\0\0x\x86R.\x80\2]."),
     "byte 63: the pickle calls 'builtins.getattr', a global that is not allowed in a weight file" ADVICE},
    {"a reducer inside a module",
     TEXT("\x80\2ctorch.nn.modules.linear\nLinear\n)\x81}(X\5\0\0\0hookscos\nsystem\nX\1\0\0\0x\x85Rub."
          "\x80\2]."),
     "byte 91: the pickle (of a 'torch.nn.modules.linear.Linear') calls 'os.system', a global that is not "
     "allowed in a weight file" ADVICE},
    {"a call that would make a tensor", TEXT(NAMED "cevil\nrebuild\n(" FLOATS("0", "\4") "QtRs.\x80\2]."),
     "byte 102: tensor 'w': the pickle calls 'evil.rebuild', a global that is not allowed in a weight "
     "file" ADVICE},
    {"a call of what a call gives",
     TEXT(NAMED "cbuiltins\ngetattr\ncos\nsystem\nX\1\0\0\0x\x86R(" FLOATS("0", "\4") "QtRs.\x80\2]."),
     "byte 125: tensor 'w': the pickle calls 'builtins.getattr', a global that is not allowed in a weight "
     "file" ADVICE},
    {"a tensor in an object in a call",
     TEXT(NAMED "cevil\nrebuild\n(cmy\nBox\n)\x81}X\1\0\0\0t" FLOATS("0", "\4") "QsbtRs.\x80\2]."),
     "byte 121: tensor 'w': the pickle calls 'evil.rebuild', a global that is not allowed in a weight "
     "file" ADVICE},
    {"a quantiser that is none",
     TEXT(NAMED "ctorch._utils\n_rebuild_qtensor\n((X\7\0\0\0storagectorch\nQInt8Storage\nX\1\0\0\0"
                "0X\3\0\0\0cpuK\4tQK\0K\4\x85K\1\x85K\1tRs.\x80\2]."),
     "byte 128: the arguments of 'torch._utils._rebuild_qtensor' are not ended by a quantiser"},
    {"no names below", TEXT("\x80\2N.\x80\2]."), "byte 25: no tensors in the pickle, which is None"},
    {"rebuild without a storage", TEXT(NAMED REBUILD "(NK\0K\4\x85K\1\x85\x89}tRs."),
     "byte 80: the arguments of 'torch._utils._rebuild_tensor_v2' are not (storage, offset, size, stride, "
     "…)"},
};

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
    {"repeated beyond all measure", TEXT(NAMED TENSOR("\0", "\x8a\6\0\0\0\0\0\1\x85", "K\0\x85") LISTED STORED),
     "byte 137: tensor 'w': shape (1099511627776,) repeats its numbers to more bytes than the file has"},
    {"overflow", TEXT(NAMED TENSOR("\0", "\x8a\6\0\0\0\0\0\1\x8a\6\0\0\0\0\0\1\x86", "K\0K\0\x86") LISTED STORED),
     "tensor 'w' (byte 147): the product overflows in the shape (1099511627776, 1099511627776) of f32"},
    {"size without stride", TEXT(NAMED TENSOR("\0", "K\2K\2\x86", "K\1\x85") LISTED STORED),
     "byte 133: the arguments of 'torch._utils._rebuild_tensor_v2' are not a size and a stride of the same "
     "length"},
    {"before its storage",
     TEXT(NAMED REBUILD "(" FLOATS("0", "\4") "QJ\xff\xff\xff\xffK\4\x85K\1\x85\x89}tR" LISTED STORED),
     "byte 134: tensor 'w': a negative offset into its storage"},
    {"rank 9", TEXT(NAMED TENSOR("\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t") LISTED STORED),
     "tensor 'w' (byte 165): 9 dimensions; at most 8 are supported"},
    {"two of a name",
     TEXT("\x80\2}(X\1\0\0\0w" TENSOR("\0", "K\4\x85", "K\1\x85") "X\1\0\0\0w" TENSOR("\0", "K\2\x85",
                                                                                      "K\1\x85") "u.\x80\2]X\1\0\0\0"
                                                                                                 "0a." STORED),
     "two tensors are named 'w' (their data at bytes 258 and 258)"},
    {"two of a name, nested",
     TEXT("\x80\2}(X\3\0\0\0a.b" TENSOR("\0", "K\4\x85", "K\1\x85") "X\1\0\0\0a}X\1\0\0\0b" TENSOR(
         "\0", "K\2\x85", "K\1\x85") "su.\x80\2]X\1\0\0\0"
                                     "0a." STORED),
     "two tensors are named 'a.b' (their data at bytes 268 and 268)"},
    {"a zero byte in a name", TEXT("\x80\2}X\2\0\0\0w\0" TENSOR("\0", "K\4\x85", "K\1\x85") LISTED STORED),
     "byte 28: tensor '': a zero byte in the next part of the name"},
    {"a list of storages that is none", TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") "s.\x80\2}." STORED),
     "byte 136: the list of storages is a dict"},
    {"a storage of two types",
     TEXT("\x80\2}(X\1\0\0\0w" TENSOR("\0", "K\4\x85", "K\1\x85") "X\1\0\0\0v" REBUILD
                                                                  "((X\7\0\0\0storagectorch\nLongStorage\nX\1\0\0\0"
                                                                  "0X\3\0\0\0cpuK\4NtQK\0K\4\x85K\1\x85\x89}tR"
                                                                  "u.\x80\2]X\1\0\0\0"
                                                                  "0a." STORED),
     "byte 240: storage '0' has two types"},
    {"a storage's end cut off", TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") LISTED "\4\0\0"),
     "byte 145: ends inside the size of a storage (8 bytes are needed, 3 are left)"},
    {"another dtype than its storage's",
     TEXT(NAMED "ctorch._utils\n_rebuild_tensor_v3\n(" FLOATS(
         "0", "\4") "QK\0K\4\x85K\1\x85\x89}ctorch\nint32\ntR" LISTED STORED),
     "byte 144: tensor 'w': its dtype is not its storage's"},
    {"a storage without a dtype",
     TEXT(NAMED REBUILD "((X\7\0\0\0storagectorch\nUntypedStorage\nX\1\0\0\0"
                        "0X\3\0\0\0cpuK\4NtQK\0K\1\x85K\1\x85\x89}tR" LISTED STORED),
     "byte 133: tensor 'w': its storage has no dtype"},
    {"another number of elements", TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") LISTED "\3\0\0\0\0\0\0\0abcdefghijkl"),
     "byte 145: storage '0' has 3 elements here, but 4 in the pickle"},
    {"storage past the end", TEXT(NAMED TENSOR("\0", "K\4\x85", "K\1\x85") LISTED "\4\0\0\0\0\0\0\0abcdefghijkl"),
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
  expect_no_failures();
}

static void test_pickles(void **state) { check_pickles("pickles", pickles, sizeof pickles / sizeof *pickles); }
static void test_views(void **state) { check_pickles("views", views, sizeof views / sizeof *views); }

/* What hangs on no tensor is left out and named; none of it is run, however it is written. */
static void test_beside(void **state) {
  static const struct {
    const char *bytes;
    size_t size;
    const char *note;
  } beside[] = {
      {TEXT("cposix\nsystem\nX\x0b\0\0\0touch owned\x85R"), "posix.system"},
      {TEXT("\x8c\2os\x8c\6system\x93\x8c\x0btouch owned\x85R"), "os.system"},
      {TEXT("cbuiltins\ngetattr\ncos\nsystem\nX\1\0\0\0x\x86R)R"), "builtins.getattr"},
      {TEXT("ccollections\nOrderedDict\ncbuiltins\neval\nX\1\0\0\0"
            "1\x85R\x85R"),
       "collections.OrderedDict"},
      {TEXT("cos\nsystem\n"), "os.system"},
      {TEXT("cargparse\nNamespace\n)\x81}X\2\0\0\0lrK\1sb"), "argparse.Namespace"},
      {TEXT("cdatetime\ndatetime\nC\x0a\7\xea\1\1\0\0\0\0\0\0\x85R"), "datetime.datetime"},
      {TEXT("cmy\nDict\n)\x81X\1\0\0\0aK\1scmy\nList\n)\x81K\1a\x86"), "my.Dict, my.List"},
      {TEXT("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
            "C\1b\x87R(K\1K\2\x85Nt\x62"),
       "numpy.core.multiarray._reconstruct"},
      {TEXT("cmy\nf\n)Rcmy\ng\n)Rcmy\nh\n)Rcmy\ni\n)Rcmy\nj\n)Rcmy\nk\n)Rcmy\nl\n)R\x87\x87\x87"), NULL},
  };
  for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
    Bytes b = {0};
    bytes_add(&b, TEXT(MAGIC "\x80\2M\xe9\3."
                             "\x80\2}."
                             "\x80\2}(X\1\0\0\0w" TENSOR("\0", "K\4\x85", "K\1\x85") "X\1\0\0\0o"));
    bytes_add(&b, beside[i].bytes, beside[i].size);
    bytes_add(&b, TEXT("u.\x80\2]X\1\0\0\0"
                       "0a." STORED));
    const char *path = scratch("x.pt");
    write_bytes(path, b.at, b.count);
    bytes_free(&b);
    surgery_weights *w = open_ok(path);
    char note[200];
    snprintf(note, sizeof note, "pytorch-legacy; skipped, none of it was run: %s",
             beside[i].note ? beside[i].note : "my.f, my.g, my.h, my.i, my.j, my.k and others");
    assert_string_equal(surgery_weights_note(w), note);
    assert_int_equal(surgery_weights_count(w), 1);
    assert_non_null(surgery_weights_find(w, "w"));
    surgery_weights_close(w);
  }
  assert_int_not_equal(access("owned", F_OK), 0);
}

/* Nesting: marks, lists in lists, and lists that contain themselves. */
static void test_depth(void **state) {
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
    static const char *const expected[] = {"byte 1027: recursion too deep: over 1000 open marks",
                                           "byte 128: recursion too deep: values nested over 100 levels",
                                           "byte 27: recursion too deep: nested over 100 levels, or containing itself"};
    check_row("depth", kind == 0 ? "marks" : kind == 1 ? "lists" : "cycle", path, expected[kind]);
  }
  expect_no_failures();
}

/* ---- few bytes that would become much ---- */

/* Dicts that hold the next one twice, 40 levels of them: 2^40 names for one tensor. Parts of names of 1,000
 * bytes, five times: one too many. */
static void test_growth(void **state) {
  for (int kind = 0; kind < 3; kind++) {
    Bytes b = {0};
    bytes_add(&b, TEXT(MAGIC "\x80\2M\xe9\3."
                             "\x80\2}."
                             "\x80\2"));
    if (kind == 0) bytes_add(&b, TEXT(TENSOR("\0", "K\4\x85", "K\1\x85") "q\0"));
    for (int level = 0; kind == 0 && level < 40; level++) bytes_add(&b, TEXT("0}(X\1\0\0\0ah\0X\1\0\0\0bh\0uq\0"));
    for (int level = 0; kind == 1 && level < 5; level++) {
      bytes_add(&b, TEXT("}X\xe8\3\0\0"));
      bytes_fill(&b, 'n', 1000);
    }
    if (kind == 1) bytes_add(&b, TEXT(TENSOR("\0", "K\4\x85", "K\1\x85") "sssss"));
    if (kind == 2) { /* a dict of 20,000 entries, given to OrderedDict again and again */
      bytes_add(&b, TEXT("}("));
      for (int k = 0; k < 20000; k++) bytes_add(&b, TEXT("NN"));
      bytes_add(&b, TEXT("uq\0"));
      for (int k = 0; k < 20000; k++) bytes_add(&b, TEXT("ccollections\nOrderedDict\nh\0\x85R0"));
    }
    bytes_add(&b, TEXT(".\x80\2]X\1\0\0\0"
                       "0a."));
    if (kind == 0) bytes_add(&b, TEXT(STORED));
    if (kind == 1) bytes_add(&b, TEXT(STORED));
    const char *path = scratch("x.pt");
    write_bytes(path, b.at, b.count);
    bytes_free(&b);
    static const char *const expected[] = {
        "byte 128: tensor 'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.b.a.a.a.a.a.a.b.b.b.b.b.b.a.b': "
        "the values are shared to more names than any network has",
        "byte 3046: tensor "
        "'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…': "
        "the name is too long",
        "byte 42730: the pickle's values would take more than 128553088 bytes, too many for its size"};
    check_row("growth", kind == 0 ? "names" : kind == 1 ? "long name" : "copies", path, expected[kind]);
  }
  expect_no_failures();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pickles), cmocka_unit_test(test_views),
                                     cmocka_unit_test(test_beside), cmocka_unit_test(test_depth),
                                     cmocka_unit_test(test_growth)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
