/* The writers: what they write is read back here and by PyTorch and numpy, byte for byte where the format
 * says; and a write that fails leaves no file, or the old one as it was. */
#include "tests/weights/support.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const float numbers[] = {1.5f, -2, 0, 3.25e-30f, 65504, 1.0f / 3};
static const int64_t counts[] = {7, -1, INT64_MAX};

static const surgery_tensor_out tensors[] = {
    {"layer.weight", SURGERY_F32, 2, {2, 3}, numbers},
    {"layer.num_batches_tracked", SURGERY_I64, 0, {0}, counts},
    {"a.bias", SURGERY_F32, 1, {3}, numbers},
    {"empty", SURGERY_F32, 3, {2, 0, 4}, NULL},
    {"steps", SURGERY_I64, 1, {3}, counts},
    {"quoted \"name\" \\ ü", SURGERY_F32, 0, {0}, numbers + 3},
};
enum { TENSORS = sizeof tensors / sizeof *tensors };

static void write_ok(const char *path, const surgery_tensor_out *what, size_t count,
                     const char *const *metadata) {
  surgery_error err = {0};
  if (surgery_weights_write(path, what, count, metadata, &err)) fail_msg("%s", err.message);
}

static void check_same(surgery_weights *w, const surgery_tensor_out *expected) {
  const surgery_tensor *t = surgery_weights_find(w, expected->name);
  assert_non_null(t);
  assert_int_equal(t->dtype, expected->dtype);
  assert_int_equal(t->rank, expected->rank);
  assert_memory_equal(t->shape, expected->shape, (size_t)t->rank * sizeof *t->shape);
  int64_t values[16];
  surgery_error err = {0};
  int status = t->dtype == SURGERY_I64 ? surgery_weights_read_i64(w, t, values, t->count, &err)
                                       : surgery_weights_read(w, t, (float *)values, t->count, &err);
  if (status) fail_msg("%s", err.message);
  if (t->count) assert_memory_equal(values, expected->data, out_bytes(expected));
}

static void round_trip(const char *name) {
  const char *path = scratch(name);
  write_ok(path, tensors, TENSORS, NULL);
  surgery_weights *w = open_ok(path);
  assert_int_equal(surgery_weights_count(w), TENSORS);
  for (size_t i = 0; i < TENSORS; i++) check_same(w, &tensors[i]);
  surgery_weights_close(w);
  write_ok(path, NULL, 0, NULL); /* over the old one, without any tensor */
  if (strstr(name, ".safetensors")) {
    w = open_ok(path);
    assert_int_equal(surgery_weights_count(w), 0);
    surgery_weights_close(w);
  }
}

static void test_round_trips(void **state) {
  round_trip("x.safetensors");
  round_trip("x.pth");
  round_trip("x.pt");
  round_trip("x.npz");
}

/* The whole file, as the reference implementation lays it out: dtype, then name; compact; padded by spaces.
 */
static void test_safetensors_bytes(void **state) {
  static const char *const metadata[] = {"format", "surgery", "line", "a\nb", NULL};
  static const char header[] = "{\"__metadata__\":{\"format\":\"surgery\",\"line\":\"a\\u000ab\"},\"steps\":{"
                               "\"dtype\":\"I64\",\"shape\":[1],"
                               "\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_"
                               "offsets\":[8,12]},\"b\":{\"dtype\":"
                               "\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}";
  const surgery_tensor_out some[] = {{"b", SURGERY_F32, 1, {2}, numbers},
                                     {"a", SURGERY_F32, 0, {0}, numbers + 2},
                                     {"steps", SURGERY_I64, 1, {1}, counts}};
  const char *path = scratch("x.safetensors");
  write_ok(path, some, 3, metadata);
  Bytes expected = {0};
  size_t padded = (sizeof header - 1 + 7) / 8 * 8, size;
  bytes_le(&expected, padded, 8);
  bytes_text(&expected, header);
  bytes_fill(&expected, ' ', padded - (sizeof header - 1));
  bytes_add(&expected, counts, 8);
  bytes_add(&expected, numbers + 2, 4);
  bytes_add(&expected, numbers, 8);
  unsigned char *written = read_bytes(path, &size);
  assert_int_equal(size, expected.count);
  assert_memory_equal(written, expected.at, size);
  free(written);
  bytes_free(&expected);
  surgery_weights *w = open_ok(path);
  assert_string_equal(surgery_weights_metadata(w, "line"), "a\nb");
  surgery_weights_close(w);
}

static void expect_no_write(const char *path, const surgery_tensor_out *what, size_t count,
                            const char *message) {
  surgery_error err = {0};
  assert_int_equal(surgery_weights_write(path, what, count, NULL, &err), -1);
  char whole[1200];
  snprintf(whole, sizeof whole, "%s: %s", path, message);
  assert_string_equal(err.message, whole);
}

static void test_refused(void **state) {
  const surgery_tensor_out twice[] = {tensors[0], tensors[2], tensors[0]};
  const surgery_tensor_out unnamed = {"", SURGERY_F32, 0, {0}, numbers},
                           negative = {"n", SURGERY_F32, 1, {-1}, numbers};
  const surgery_tensor_out no_data = {"n", SURGERY_F32, 1, {1}, NULL},
                           no_utf8 = {"\xff", SURGERY_F32, 0, {0}, numbers};
  const surgery_tensor_out u64 = {"u", SURGERY_U64, 1, {1}, counts},
                           brain = {"b", SURGERY_BF16, 1, {1}, counts};
  const char *path = scratch("new.safetensors");
  expect_no_write(path, twice, 3, "two tensors are named 'layer.weight'");
  expect_no_write(path, &unnamed, 1, "a tensor without a name");
  expect_no_write(path, &negative, 1, "tensor 'n': the shape (-1,) is not possible");
  expect_no_write(path, &no_data, 1, "tensor 'n' has no data");
  expect_no_write(path, &no_utf8, 1, "'\\xff' cannot be a tensor's name in safetensors");
  expect_no_write(scratch("new.pth"), &u64, 1, "tensor 'u': PyTorch's format has no dtype u64");
  expect_no_write(scratch("new.npz"), &brain, 1, "tensor 'b': numpy has no dtype bf16");
  expect_no_write(scratch("new.bin"), tensors, 1,
                  "the format of a weight file follows its suffix: .safetensors, .pth, .pt or .npz");
  expect_no_write("/nowhere/at all/x.pth", tensors, 1,
                  "the folder '/nowhere/at all' cannot be opened: No such file or directory");
  assert_false(exists(path) || exists(scratch("new.pth")) || exists(scratch("new.npz")) ||
               exists(scratch("new.bin")));
}

/* Files in the folder of `path` whose names end in ".tmp". */
static unsigned leftovers(const char *path) {
  char folder[1000];
  snprintf(folder, sizeof folder, "%s", path);
  *strrchr(folder, '/') = '\0';
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  unsigned found = 0;
  for (struct dirent *e; (e = readdir(dir));) found += strstr(e->d_name, ".tmp") != NULL;
  closedir(dir);
  return found;
}

static const char *const names[] = {"x.safetensors", "x.pth", "x.npz"};

/* Writing 400,000 bytes of zeros fails with `reason`; the file there stays what it was, and a new one does
 * not appear. */
static void expect_full(const char *folder, const char *reason) {
  static const float many[100000];
  const surgery_tensor_out large = {"large", SURGERY_F32, 1, {100000}, many};
  for (size_t i = 0; i < 3; i++) {
    char old[1000], fresh[1000];
    snprintf(old, sizeof old, "%s/%s", folder, names[i]);
    snprintf(fresh, sizeof fresh, "%s/new-%s", folder, names[i]);
    for (int round = 0; round < 2; round++) {
      surgery_error err = {0};
      assert_int_equal(surgery_weights_write(round ? fresh : old, &large, 1, NULL, &err), -1);
      assert_int_equal(err.status, SURGERY_ENVIRONMENT);
      if (!strstr(err.message, reason) || strncmp(err.message, folder, strlen(folder)) != 0)
        fail_msg("%s", err.message);
    }
    assert_false(exists(fresh));
    surgery_weights *w = open_ok(old);
    check_same(w, &tensors[0]);
    surgery_weights_close(w);
    assert_int_equal(leftovers(old), 0);
  }
}

static void write_old(const char *folder) {
  for (size_t i = 0; i < 3; i++) {
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    write_ok(path, tensors, 1, NULL);
  }
}

static void test_file_too_large(void **state) {
  char folder[600];
  snprintf(folder, sizeof folder, "%s", scratch("x"));
  *strrchr(folder, '/') = '\0';
  write_old(folder);
  struct rlimit before, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = (struct rlimit){200000, before.rlim_max};
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_full(folder, "not written (about byte 400");
  expect_full(folder, ": File too large");
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
}

static void test_disk_full(void **state) {
  char folder[600];
  snprintf(folder, sizeof folder, "%s", scratch("small-disk"));
  assert_int_equal(mkdir(folder, 0700), 0);
  if (mount("tmpfs", folder, "tmpfs", 0, "size=128k")) {
    print_message("SKIPPED: a small file system cannot be mounted here (needs root)\n");
    skip();
  }
  write_old(folder);
  expect_full(folder, ": No space left on device");
  assert_int_equal(umount(folder), 0);
}

static void test_targets(void **state) {
  /* Devices and folders are left alone; a link's target is replaced and the link stays; permissions stay. */
  expect_no_write("/dev/full", tensors, 1,
                  "the format of a weight file follows its suffix: .safetensors, .pth, .pt or .npz");
  surgery_error err = {0};
  assert_int_equal(sg_write_file("/dev/full", "x", 1, &err), -1);
  assert_string_equal(err.message, "/dev/full: exists and is not a regular file; it is left alone");
  char folder[400];
  snprintf(folder, sizeof folder, "%s", scratch("folder.npz"));
  assert_int_equal(mkdir(folder, 0700), 0);
  expect_no_write(folder, tensors, 1, "exists and is not a regular file; it is left alone");
  const char *target = scratch("target.npz"), *link = scratch("link.npz");
  write_ok(target, tensors, 1, NULL);
  assert_int_equal(chmod(target, 0600), 0);
  assert_int_equal(symlink(target, link), 0);
  write_ok(link, tensors, TENSORS, NULL);
  struct stat stat;
  assert_int_equal(lstat(link, &stat), 0);
  assert_true(S_ISLNK(stat.st_mode));
  assert_int_equal(lstat(target, &stat), 0);
  assert_int_equal(stat.st_mode & 0777, 0600);
  surgery_weights *w = open_ok(target);
  assert_int_equal(surgery_weights_count(w), TENSORS);
  surgery_weights_close(w);
}

static void test_map(void **state) {
  const char *path = scratch("mapped");
  SgMap map;
  surgery_error err = {0};
  assert_int_equal(sg_write_file(path, "hello", 5, &err), 0);
  assert_int_equal(sg_map_open(&map, path, &err), 0);
  assert_int_equal(map.size, 5);
  assert_memory_equal(map.data, "hello", 5);
  sg_map_close(&map);
  sg_map_close(&map);
  assert_int_equal(sg_write_file(path, "", 0, &err), 0);
  assert_int_equal(sg_map_open(&map, path, &err), 0);
  assert_int_equal(map.size, 0);
  sg_map_close(&map);
  assert_int_equal(sg_map_open(&map, scratch("absent"), &err), -1);
}

static void test_messages(void **state) {
  SgQuoted q;
  assert_string_equal(sg_quote(&q, "a\x1b[2J\n\xc3\xbc\xff", 8), "a\\x1b[2J\\x0aü");
  assert_string_equal(sg_quote(&q, "\xc3", 1), "\\xc3");
  char name[3000];
  memset(name, 'n', sizeof name);
  const char *cut = sg_quote(&q, name, sizeof name);
  assert_true(strlen(cut) < 200 && strstr(cut, "n…"));
  surgery_error err;
  name[sizeof name - 1] = '\0';
  assert_int_equal(sg_fail(&err, SURGERY_BAD_INPUT, "%s", name), -1);
  assert_int_equal(strlen(err.message), sizeof err.message - 1);
  assert_string_equal(err.message + sizeof err.message - 5, "n…");
  assert_int_equal(sg_fail_system(NULL, 2, "x"), -1);
}

/* ---- PyTorch and numpy read what was written ---- */

#define PYTHON "/usr/bin/python3"

static bool has_torch(void) {
  static int known = -1; /* asked once: importing torch takes a second */
  if (known < 0)
    known = access(PYTHON, X_OK) == 0 && system(PYTHON " -c 'import torch, numpy' >/dev/null 2>&1") == 0;
  if (!known) print_message("SKIPPED: no " PYTHON " with torch and numpy here\n");
  return known;
}

static void run_python(const char *script, const char *path) {
  char command[3000];
  snprintf(command, sizeof command, PYTHON " -c '%s' %s", script, path);
  if (system(command) != 0) fail_msg("%s", command);
}

#define CHECK_TORCH                                                                                          \
  "import sys, torch\n"                                                                                      \
  "for only in (False, True):\n"                                                                             \
  "    d = torch.load(sys.argv[1], weights_only=only)\n"                                                     \
  "    names = [k for k in d if k != \"empty\"]\n"                                                           \
  "    assert names[:4] == [\"layer.weight\", \"layer.num_batches_tracked\", \"a.bias\", \"steps\"] and "    \
  "len(names) == 5\n"                                                                                        \
  "    w = d[\"layer.weight\"]\n"                                                                            \
  "    assert w.dtype is torch.float32 and w.shape == (2, 3) and w.is_contiguous() and not "                 \
  "w.requires_grad\n"                                                                                        \
  "    assert torch.equal(w.flatten(), torch.tensor([1.5, -2, 0, 3.25e-30, 65504, 1 / 3])), w\n"             \
  "    n = d[\"layer.num_batches_tracked\"]\n"                                                               \
  "    assert n.dtype is torch.int64 and n.shape == () and n.item() == 7\n"                                  \
  "    assert d[\"steps\"].tolist() == [7, -1, 2**63 - 1]\n"                                                 \
  "    assert \"empty\" not in d or d[\"empty\"].shape == (2, 0, 4)\n"

static void test_torch_reads(void **state) {
  if (!has_torch()) skip();
  const char *path = scratch("for-torch.pth");
  write_ok(path, tensors, TENSORS, NULL);
  run_python(CHECK_TORCH, path);
  /* The same with ZIP64 records, which otherwise only files of 4 GiB have. PyTorch's zip reader takes an
   * offset in the extra field for 4 GiB as long as the size is not there too, so all sizes must be at the
   * limit, and none 0. */
  surgery_tensor_out filled[] = {tensors[0], tensors[1], tensors[2], tensors[4], tensors[5]};
  surgery_error err = {0};
  assert_int_equal(write_torch_limit(path, filled, 5, 1, &err), 0);
  run_python(CHECK_TORCH, path);
  surgery_weights *w = open_ok(path);
  for (size_t i = 0; i < 5; i++) check_same(w, &filled[i]);
  surgery_weights_close(w);
}

static void test_zip_is_whole(void **state) {
  if (!has_torch()) skip();
  const char *path = scratch("whole.pth");
  surgery_error err = {0};
  for (uint64_t limit = 0; limit <= 10; limit += 10) {
    assert_int_equal(write_torch_limit(path, tensors, TENSORS, limit, &err), 0);
    run_python("import sys, zipfile\n"
               "z = zipfile.ZipFile(sys.argv[1])\n"
               "assert z.testzip() is None\n"
               "f = open(sys.argv[1], \"rb\")\n"
               "for i in z.infolist():\n"
               "    f.seek(i.header_offset + 26)\n"
               "    name, extra = [int.from_bytes(f.read(2), \"little\") for _ in range(2)]\n"
               "    assert (i.header_offset + 30 + name + extra) % 64 == 0, i\n",
               path);
  }
}

static void test_numpy_reads(void **state) {
  if (!has_torch()) skip();
  const char *path = scratch("for-numpy.npz");
  write_ok(path, tensors, 5, NULL);
  run_python("import sys, numpy\n"
             "d = numpy.load(sys.argv[1])\n"
             "assert d.files == [\"layer.weight\", \"layer.num_batches_tracked\", \"a.bias\", \"empty\", "
             "\"steps\"]\n"
             "w = d[\"layer.weight\"]\n"
             "assert w.dtype == numpy.float32 and w.shape == (2, 3) and w[1, 1] == 65504\n"
             "n = d[\"layer.num_batches_tracked\"]\n"
             "assert n.dtype == numpy.int64 and n.shape == () and n == 7\n"
             "assert d[\"empty\"].shape == (2, 0, 4) and d[\"steps\"].tolist() == [7, -1, 2**63 - 1]\n",
             path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trips), cmocka_unit_test(test_safetensors_bytes),
      cmocka_unit_test(test_refused),     cmocka_unit_test(test_file_too_large),
      cmocka_unit_test(test_disk_full),   cmocka_unit_test(test_targets),
      cmocka_unit_test(test_map),         cmocka_unit_test(test_messages),
      cmocka_unit_test(test_torch_reads), cmocka_unit_test(test_zip_is_whole),
      cmocka_unit_test(test_numpy_reads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
