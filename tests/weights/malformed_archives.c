/* PyTorch's containers with one rule broken each, as malformed.c: zip archives, and the tar archives of the
 * first versions. */
#include "runtime/weights/zip.h"
#include "tests/weights/pickles.h"
#include "tests/weights/support.h"

/* ---- zip archives ---- */

#define PICKLE "\x80\2}(X\1\0\0\0w" TENSOR("\0", "K\4\x85", "K\1\x85") "u."

/* An archive of a/data.pkl, one more entry, and a/data/0; then bytes are replaced, or the end is cut. */
typedef struct ZipCase {
  const char *name;
  const char *more_name, *more; /* NULL: none */
  size_t storage;               /* bytes of a/data/0; 0: none */
  size_t cut;
  const char *mark; /* `nth` occurrence of these four bytes, counted from 0: `patch` goes to `delta` behind it */
  int nth, delta;
  const char *patch;
  size_t patch_size;
  uint64_t limit; /* from which on ZIP64 is used; 0: the format's own */
  const char *expected;
} ZipCase;

#define STORED_ENTRY .storage = 16
#define PATCH(place, n, behind, bytes)                                                                                 \
  .mark = place, .nth = n, .delta = behind, .patch = bytes, .patch_size = sizeof bytes - 1
#define LOCAL "PK\3\4"
#define DIRECTORY "PK\1\2"
#define END "PK\5\6"
#define BROKEN(place, what) "byte " place ": the zip archive is broken: " what
#define ENTRY(name, place, what) "zip entry '" name "' (byte " place "): " what
#define COMPRESSED(name, place, method)                                                                                \
  ENTRY(name, place,                                                                                                   \
        "is compressed (method " method "); PyTorch stores its entries. Unpack and pack it again with zip -0")

#define SAVE_TENSORS ", which holds code. Load it in PyTorch and save its tensors: torch.save(model.state_dict(), path)"
#define NEW_SCRIPT "is a TorchScript program (torch.jit.save)" SAVE_TENSORS
#define OLD_SCRIPT "is a TorchScript program of a PyTorch before 1.4 (torch.jit.save)" SAVE_TENSORS

static const ZipCase zips[] = {
    {"cut off", STORED_ENTRY, .cut = 1,
     .expected = BROKEN("403", "it has no end of its directory; the file is cut off or was not completely downloaded")},
    {"encrypted", STORED_ENTRY, PATCH(DIRECTORY, 0, 8, "\1"), .expected = ENTRY("a/data.pkl", "0", "is encrypted")},
    {"compressed", STORED_ENTRY, PATCH(DIRECTORY, 0, 10, "\10\0"), .expected = COMPRESSED("a/data.pkl", "0", "8")},
    {"another local name", STORED_ENTRY, PATCH(LOCAL, 0, 30, "b"),
     .expected = ENTRY("a/data.pkl", "0", "its local header has another name")},
    {"no directory entry", STORED_ENTRY, PATCH(DIRECTORY, 0, 3, "\1"),
     .expected = BROKEN("272", "no entry where one should be")},
    {"two of a name", "a/data/0", "again", STORED_ENTRY,
     .expected = ENTRY("a/data/0", "261", "two entries of this name")},
    {"missing storage",
     .expected = "tensor 'w' (byte 171): its storage '0' is not in the archive (no entry 'a/data/0')"},
    {"short storage", .storage = 12,
     .expected = "byte 171: tensor 'w': storage '0' should have 4 elements, 16 bytes, but the file has 12 bytes"},
    {"byte order", "a/byteorder", "middle", STORED_ENTRY,
     .expected = "byte 256: byteorder 'middle' is neither 'little' nor 'big'"},
    {"TorchScript", "a/constants.pkl", "x", STORED_ENTRY, .expected = NEW_SCRIPT},
    {"compressed storage", STORED_ENTRY, PATCH(DIRECTORY, 1, 10, "\10\0"),
     .expected = COMPRESSED("a/data/0", "174", "8")},
    {"a method that nobody knows", STORED_ENTRY, PATCH(DIRECTORY, 0, 10, "\x5f\0"),
     .expected = COMPRESSED("a/data.pkl", "0", "95")},
    {"directory past the end", STORED_ENTRY, PATCH(END, 0, 16, "\x70\1\0\0"),
     .expected = BROKEN("382", "its directory is past its end")},
    {"directory larger than the file", STORED_ENTRY, PATCH(END, 0, 12, "\xff\xff\xff\0"),
     .expected = BROKEN("382", "its directory is past its end")},
    {"entry past the directory", STORED_ENTRY, PATCH(DIRECTORY, 1, 28, "\xff\0"),
     .expected = BROKEN("328", "an entry past the directory's end")},
    {"zero byte in a name", STORED_ENTRY, PATCH(DIRECTORY, 0, 52, "\0"),
     .expected = BROKEN("272", "a zero byte in an entry's name")},
    {"no local header", STORED_ENTRY, PATCH(LOCAL, 1, 3, "\5"),
     .expected = ENTRY("a/data/0", "174", "no local header there")},
    {"header past the directory", STORED_ENTRY, PATCH(DIRECTORY, 1, 42, "\xff\xff\xff\0"),
     .expected = ENTRY("a/data/0", "16777215", "its data go past the archive's end")},
    {"data past the directory", STORED_ENTRY, PATCH(DIRECTORY, 1, 20, "\xff\xff\xff\0"),
     .expected = ENTRY("a/data/0", "174", "its data go past the archive's end")},
    {"data past the directory, by the local header", STORED_ENTRY, PATCH(LOCAL, 1, 28, "\xff\0"),
     .expected = ENTRY("a/data/0", "174", "its data go past the archive's end")},
    {"stored, of two sizes", STORED_ENTRY, PATCH(DIRECTORY, 1, 24, "\x20"),
     .expected = ENTRY("a/data/0", "174", "stored, but of two sizes")},
    {"ZIP64, extra field past its end", STORED_ENTRY, .limit = 1, PATCH(DIRECTORY, 1, 56, "\xff"),
     .expected = BROKEN("348", "an entry's extra field goes past its end")},
    {"ZIP64, extra field too short", STORED_ENTRY, .limit = 1, PATCH(DIRECTORY, 1, 56, "\4"),
     .expected = BROKEN("348", "an entry's extra field goes past its end")},
    {"ZIP64, size that goes round", STORED_ENTRY, .limit = 1,
     PATCH(DIRECTORY, 1, 58, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
     .expected = ENTRY("a/data/0", "174", "its data go past the archive's end")},
    {"ZIP64, locator past itself", STORED_ENTRY, .limit = 1, PATCH("PK\6\7", 0, 8, "\xff\xff\xff"),
     .expected = BROKEN("486", "the ZIP64 locator points past itself")},
    {"ZIP64, no record", STORED_ENTRY, .limit = 1, PATCH("PK\6\6", 0, 3, "\7"),
     .expected = BROKEN("430", "no ZIP64 record")},
    {"ZIP64, several disks", STORED_ENTRY, .limit = 1, PATCH("PK\6\6", 0, 16, "\1"),
     .expected = BROKEN("430", "it is split over several files")},
    {"ZIP64, more entries than can be", STORED_ENTRY, .limit = 1,
     PATCH("PK\6\6", 0, 24, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
     .expected = BROKEN("430", "more entries than its directory can hold")},
    {"ZIP64, directory that goes round", STORED_ENTRY, .limit = 1,
     PATCH("PK\6\6", 0, 40, "\xff\xff\xff\xff\xff\xff\xff\xff"),
     .expected = BROKEN("430", "its directory is past its end")},
    {"TorchScript of old", "a/attributes.pkl", "x", STORED_ENTRY, .expected = OLD_SCRIPT},
    {"TorchScript of old, by its model.json", "a/model.json", "{}", STORED_ENTRY, .expected = OLD_SCRIPT},
    {"TorchScript by its code", "a/code/__torch__.py", "x", STORED_ENTRY, .expected = NEW_SCRIPT},
    {"too many entries", STORED_ENTRY, PATCH(END, 0, 8, "\2\1\2\1"),
     .expected = BROKEN("382", "more entries than its directory can hold")},
    {"several disks", STORED_ENTRY, PATCH(END, 0, 8, "\2\0\3\0"),
     .expected = BROKEN("382", "it is split over several files")},
    {"no ZIP64 records", STORED_ENTRY, PATCH(END, 0, 8, "\xff\xff\xff\xff"),
     .expected = BROKEN("362", "no ZIP64 locator")},
};

static void build_zip(const char *path, const ZipCase *c) {
  surgery_error err = {0};
  ZipWriter *zip = zip_writer_open(path, c->limit, &err);
  assert_non_null(zip);
  assert_int_equal(zip_writer_add(zip, "a/data.pkl", (ZipData){NULL, PICKLE, 0, sizeof PICKLE - 1}, 64, &err), 0);
  if (c->more_name)
    assert_int_equal(zip_writer_add(zip, c->more_name, (ZipData){NULL, c->more, 0, strlen(c->more)}, 64, &err), 0);
  if (c->storage)
    assert_int_equal(zip_writer_add(zip, "a/data/0", (ZipData){NULL, "0123456789abcdef", 0, c->storage}, 64, &err), 0);
  assert_int_equal(zip_writer_commit(zip, NULL, &err), 0);
  size_t size;
  unsigned char *bytes = read_bytes(path, &size);
  int seen = 0;
  for (size_t i = 0; c->mark && i + (size_t)c->delta + c->patch_size <= size; i++) {
    if (memcmp(bytes + i, c->mark, 4) != 0 || seen++ != c->nth) continue;
    memcpy(bytes + i + c->delta, c->patch, c->patch_size);
    break;
  }
  write_bytes(path, bytes, size - c->cut);
  free(bytes);
}

static void test_zip(void **state) {
  for (size_t i = 0; i < sizeof zips / sizeof *zips; i++) {
    const char *path = scratch("x.pth");
    build_zip(path, &zips[i]);
    check_row("zip", zips[i].name, path, zips[i].expected);
  }
  expect_no_failures();
}

/* A storage of so many elements that its bytes are none. */
static void test_zip_overflow(void **state) {
  static const char pickle[] = "\x80\2}X\1\0\0\0w" REBUILD "((X\7\0\0\0storagectorch\nDoubleStorage\nX\1\0\0\0"
                               "0X\3\0\0\0cpu\x8a\10\2\0\0\0\0\0\0\x20tQK\0K\2\x85K\1\x85\x89}tRs.";
  const char *path = scratch("x.pth");
  surgery_error err = {0};
  ZipWriter *zip = zip_writer_open(path, 0, &err);
  assert_int_equal(zip_writer_add(zip, "a/data.pkl", (ZipData){NULL, pickle, 0, sizeof pickle - 1}, 64, &err), 0);
  assert_int_equal(zip_writer_add(zip, "a/data/0", (ZipData){NULL, "0123456789abcdef", 0, 16}, 64, &err), 0);
  assert_int_equal(zip_writer_commit(zip, NULL, &err), 0);
  check_row("zip", "overflow", path, "byte 178: tensor 'w': its storage's size overflows");
  expect_no_failures();
}

/* ---- tar ---- */

typedef struct TarCase {
  const char *name;
  const char *storages;
  size_t storages_size;
  const char *tensors;
  size_t tensors_size;
  const char *pickle;
  size_t pickle_size;
  const char *expected;
} TarCase;

static void add_member(Bytes *b, const char *name, const void *data, size_t size) {
  char header[512] = {0}, sum[8];
  unsigned total = 0;
  snprintf(header, 100, "%s", name);
  snprintf(header + 124, 12, "%011zo", size);
  memcpy(header + 257, "ustar", 5);
  memset(header + 148, ' ', 8);
  for (int i = 0; i < 512; i++) total += (unsigned char)header[i];
  snprintf(sum, sizeof sum, "%06o", total);
  memcpy(header + 148, sum, 7);
  bytes_add(b, header, 512);
  bytes_add(b, data, size);
  bytes_fill(b, 0, -size % 512);
}

#define COUNT(n) "\x80\2K" n "."
#define ONE_STORAGE COUNT("\1") "\x80\2K\144X\3\0\0\0cpuctorch\nFloatStorage\n\x87.\4\0\0\0\0\0\0\0abcdefghijklmnop"
#define NO_VIEWS "\x80\2]."
#define TAR_TENSOR "\x80\2K\7K\144ctorch\nFloatTensor\n\x87."
#define EIGHT(n) n "\0\0\0\0\0\0\0"
#define TAR_PLACE "\1\0\0\0\0\0\0\0" EIGHT("\4") EIGHT("\1") EIGHT("\0")
#define ONE_TENSOR COUNT("\1") TAR_TENSOR TAR_PLACE
#define TAR_ROOT                                                                                                       \
  "\x80\2}X\1\0\0\0wX\1\0\0\0"                                                                                         \
  "7Qs."

static const TarCase tars[] = {
    {"a storage that is no tuple", TEXT(COUNT("\1") "\x80\2K\1."), TEXT(ONE_TENSOR), TEXT(TAR_ROOT),
     "byte 519: a storage's description is not a tuple of 3"},
    {"a number of storages that cannot be", TEXT("\x80\2J\xff\xff\xff\x7f."), TEXT(ONE_TENSOR), TEXT(TAR_ROOT),
     "byte 514: not a possible number of entries"},
    {"no number of storages", TEXT("\x80\2N."), TEXT(ONE_TENSOR), TEXT(TAR_ROOT),
     "byte 512: not a possible number of entries"},
    {"a storage of a type that is none", TEXT(COUNT("\1") "\x80\2K\144X\3\0\0\0cpucos\nsystem\n\x87."),
     TEXT(ONE_TENSOR), TEXT(TAR_ROOT), "byte 540: a storage of a type that is not supported"},
    {"a storage past its member",
     TEXT(COUNT("\1") "\x80\2K\144X\3\0\0\0cpuctorch\nFloatStorage\n\x87.\5\0\0\0\0\0\0\0abcdefghijklmnop"),
     TEXT(ONE_TENSOR), TEXT(TAR_ROOT), "byte 559: storage '100' of 5 elements goes past the end of its member"},
    {"a storage without an end",
     TEXT(COUNT("\1") "\x80\2K\144X\3\0\0\0cpuctorch\nFloatStorage\n\x87.\0\0\0\0\0\0\0\x40"), TEXT(ONE_TENSOR),
     TEXT(TAR_ROOT), "byte 559: storage '100' of 4611686018427387904 elements goes past the end of its member"},
    {"views that are no list", TEXT(ONE_STORAGE "\x80\2N."), TEXT(ONE_TENSOR), TEXT(TAR_ROOT),
     "byte 575: the views of storages are not a list"},
    {"a view that is no tuple", TEXT(ONE_STORAGE "\x80\2]Na."), TEXT(ONE_TENSOR), TEXT(TAR_ROOT),
     "byte 575: a storage's view is not (key, root, offset, size)"},
    {"a view past its storage", TEXT(ONE_STORAGE "\x80\2](K\x65K\x64K\2K\3ta."), TEXT(ONE_TENSOR), TEXT(TAR_ROOT),
     "byte 587: storage '101': a view past its storage '100'"},
    {"a view of a storage that is not there", TEXT(ONE_STORAGE "\x80\2](K\x65K\x63K\0K\1ta."), TEXT(ONE_TENSOR),
     TEXT(TAR_ROOT), "byte 587: storage '101': a view past its storage '99'"},
    {"a tensor whose key is no number", TEXT(ONE_STORAGE NO_VIEWS),
     TEXT(COUNT("\1") "\x80\2NK\144ctorch\nFloatTensor\n\x87." TAR_PLACE), TEXT(TAR_ROOT),
     "byte 1565: a tensor's key is not an integer"},
    {"a tensor of a storage that is not there", TEXT(ONE_STORAGE NO_VIEWS),
     TEXT(COUNT("\1") "\x80\2K\7K\143ctorch\nFloatTensor\n\x87." TAR_PLACE), TEXT(TAR_ROOT),
     "byte 1566: a tensor's storage '99' is not in the file"},
    {"a tensor of rank 9", TEXT(ONE_STORAGE NO_VIEWS), TEXT(COUNT("\1") TAR_TENSOR EIGHT("\11")), TEXT(TAR_ROOT),
     "byte 1566: a tensor of 9 dimensions; at most 8 are supported"},
    {"a tensor of rank -1", TEXT(ONE_STORAGE NO_VIEWS), TEXT(COUNT("\1") TAR_TENSOR "\xff\xff\xff\xff\0\0\0\0"),
     TEXT(TAR_ROOT), "byte 1566: a tensor of -1 dimensions; at most 8 are supported"},
    {"a tensor cut off", TEXT(ONE_STORAGE NO_VIEWS), TEXT(COUNT("\1") TAR_TENSOR "\1\0\0\0\0\0\0\0" EIGHT("\4")),
     TEXT(TAR_ROOT), "byte 1584: ends inside a tensor's shape (8 bytes are needed, 0 are left)"},
    {"a tensor past its storage", TEXT(ONE_STORAGE NO_VIEWS),
     TEXT(COUNT("\1") TAR_TENSOR "\1\0\0\0\0\0\0\0" EIGHT("\4") EIGHT("\1") EIGHT("\1")), TEXT(TAR_ROOT),
     "byte 1567: tensor 'w': a view of shape (4,) from element 1 goes past its storage '100' of 4 elements"},
    {"a tensor that is not there", TEXT(ONE_STORAGE NO_VIEWS), TEXT(ONE_TENSOR),
     TEXT("\x80\2X\1\0\0\0"
          "8Q."),
     "byte 2568: tensor number '8' is not in the file"},
    {"a call", TEXT(ONE_STORAGE NO_VIEWS), TEXT(ONE_TENSOR), TEXT("\x80\2cos\nsystem\nX\1\0\0\0x\x85R."),
     "byte 2580: the pickle calls 'os.system', a global that is not allowed in a weight file" ADVICE},
    {"a persistent id among the storages", TEXT("\x80\2K\1Q."), TEXT(ONE_TENSOR), TEXT(TAR_ROOT),
     "byte 516: a persistent id where none can be"},
};

static void test_tar(void **state) {
  for (size_t i = 0; i < sizeof tars / sizeof *tars; i++) {
    const TarCase *c = &tars[i];
    Bytes b = {0};
    add_member(&b, "storages", c->storages, c->storages_size);
    add_member(&b, "tensors", c->tensors, c->tensors_size);
    add_member(&b, "pickle", c->pickle, c->pickle_size);
    const char *path = scratch("x.tar");
    write_bytes(path, b.at, b.count);
    bytes_free(&b);
    check_row("tar", c->name, path, c->expected);
  }
  expect_no_failures();
}

/* The archive itself. */
static void test_tar_archive(void **state) {
  const char *path = scratch("x.tar");
  Bytes b = {0};
  add_member(&b, "readme", "x", 1);
  write_bytes(path, b.at, b.count);
  check_row("tar", "another one", path,
            "is a tar archive, but not PyTorch's (no members storages, tensors, pickle); if it holds a "
            "weight file, unpack it first");
  b.at[0] ^= 1;
  write_bytes(path, b.at, b.count);
  check_row("tar", "checksum", path, "byte 0: the tar archive is broken: a header's checksum is wrong");
  bytes_free(&b);
  add_member(&b, "storages", "x", 1);
  write_bytes(path, b.at, 512);
  check_row("tar", "cut off", path, "byte 0: the tar archive is broken: a member goes past its end");
  bytes_free(&b);
  expect_no_failures();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_zip), cmocka_unit_test(test_zip_overflow),
                                     cmocka_unit_test(test_tar), cmocka_unit_test(test_tar_archive)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
