/* The writers: what they write is read back here and by PyTorch and numpy, byte for byte where the format
 * says; and a write that fails leaves no file, or the old one as it was. */
#include "tests/weights/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
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

static void write_ok(const char *path, const surgery_tensor_out *what, size_t count, const char *const *metadata) {
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

/* What a writer that was killed left behind goes with the next write; what a living one holds does not. */
static void test_abandoned(void **state) {
  static const char *const names[] = {".left.safetensors.0123abcd.tmp", ".left.safetensors.heldheld.tmp",
                                      ".left.safetensors.89abcdef.tmp", ".left.safetensors.tmp"};
  static const bool stays[] = {false, true, true, true}; /* but the first: another form, locked, another form */
  char *path[4];
  int fd[4];
  for (int i = 0; i < 4; i++) {
    path[i] = strdup(scratch(names[i]));
    fd[i] = open(path[i], O_RDWR | O_CREAT, 0666);
    assert_true(fd[i] >= 0);
  }
  assert_int_equal(flock(fd[2], LOCK_EX), 0);
  write_ok(scratch("left.safetensors"), NULL, 0, NULL);
  for (int i = 0; i < 4; i++) assert_int_equal(access(path[i], F_OK) == 0, stays[i]);
  close(fd[2]);
  write_ok(scratch("left.safetensors"), NULL, 0, NULL);
  assert_int_not_equal(access(path[2], F_OK), 0);
  for (int i = 0; i < 4; i++) {
    if (i != 2) close(fd[i]);
    unlink(path[i]);
    free(path[i]);
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

/* A zip archive has its metadata in a comment of 65,535 bytes; what does not fit is left out, the last pair first. */
static void test_zip_metadata(void **state) {
  (void)state;
  static const surgery_tensor_out one[] = {{"a", SURGERY_F32, 1, {2}, numbers}};
  static char large[66000];
  memset(large, 'x', sizeof large - 1);
  const char *const small[] = {"network", "\"Netz\"", "line", "a\nb", NULL};
  const char *const both[] = {"network", "\"Netz\"", "names", large, NULL};
  const char *const twice[] = {"line", "a", "line", "b", NULL};
  for (const char *const *name = (const char *const[]){"m.pth", "m.npz", NULL}; *name; name++) {
    const char *path = scratch(*name);
    surgery_error err = {0};
    write_ok(path, one, 1, small);
    surgery_weights *w = open_ok(path);
    assert_int_equal(surgery_weights_count(w), 1);
    assert_string_equal(surgery_weights_metadata(w, "line"), "a\nb");
    assert_string_equal(surgery_weights_metadata(w, "network"), "\"Netz\"");
    surgery_weights_close(w);
    assert_true(surgery_weights_keeps(path, small));
    assert_false(surgery_weights_keeps(path, both));
    write_ok(path, one, 1, both);
    w = open_ok(path);
    assert_string_equal(surgery_weights_metadata(w, "network"), "\"Netz\"");
    assert_null(surgery_weights_metadata(w, "names"));
    surgery_weights_close(w);
    assert_int_equal(surgery_weights_write(path, one, 1, twice, &err), -1);
    assert_non_null(strstr(err.message, "metadata 'line' is given twice"));
  }
  assert_true(surgery_weights_keeps("m.safetensors", both));
}

static void expect_no_write(const char *path, const surgery_tensor_out *what, size_t count, const char *message) {
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
  const surgery_tensor_out no_data = {"n", SURGERY_F32, 1, {1}, NULL}, no_utf8 = {"\xff", SURGERY_F32, 0, {0}, numbers};
  const surgery_tensor_out u64 = {"u", SURGERY_U64, 1, {1}, counts}, brain = {"b", SURGERY_BF16, 1, {1}, counts};
  const char *path = scratch("new.safetensors");
  expect_no_write(path, twice, 3, "two tensors are named 'layer.weight'");
  expect_no_write(path, &unnamed, 1, "a tensor without a name");
  expect_no_write(path, &negative, 1, "tensor 'n': the shape (-1,) is not possible");
  expect_no_write(path, &no_data, 1, "tensor 'n' has no data");
  expect_no_write(path, &no_utf8, 1, "'\\xff' cannot be a tensor's name in safetensors");
  expect_no_write(scratch("new.pth"), &u64, 1, "tensor 'u': PyTorch's format has no dtype u64");
  expect_no_write(scratch("new.npz"), &brain, 1, "tensor 'b': numpy has no dtype bf16; .safetensors and .pth have");
  expect_no_write(scratch("new.bin"), tensors, 1,
                  "the format of a weight file follows its suffix: .safetensors, .pth, .pt or .npz");
  expect_no_write("/nowhere/at all/x.pth", tensors, 1,
                  "the folder '/nowhere/at all' cannot be opened: No such file or directory");
  surgery_tensor_out odd = tensors[0];
  odd.rank = 9;
  expect_no_write(path, &odd, 1, "tensor 'layer.weight': dtype 0 or rank 9 is out of range");
  odd.rank = 2, odd.dtype = (surgery_dtype)99;
  expect_no_write(path, &odd, 1, "tensor 'layer.weight': dtype 99 or rank 2 is out of range");
  static char long_name[70000];
  memset(long_name, 'n', sizeof long_name - 1);
  const surgery_tensor_out named = {long_name, SURGERY_F32, 0, {0}, numbers};
  surgery_error err = {0};
  assert_int_equal(surgery_weights_write(scratch("new.npz"), &named, 1, NULL, &err), -1);
  assert_non_null(strstr(err.message, "…' is too long for a zip entry"));
  static const char *const metadata[][5] = {{"a", "1", "a", "2"}, {"a", "\xff"}, {"a", NULL}};
  static const char *const messages[] = {"metadata 'a' is given twice", "metadata 'a' must have a value, both UTF-8",
                                         "metadata 'a' must have a value, both UTF-8"};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(surgery_weights_write(path, tensors, 1, metadata[i], &err), -1);
    assert_non_null(strstr(err.message, messages[i]));
  }
  assert_false(exists(path) || exists(scratch("new.pth")) || exists(scratch("new.npz")) || exists(scratch("new.bin")));
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

static void test_read_file(void **state) {
  const char *path = scratch("whole");
  uint8_t *data;
  size_t size;
  surgery_error err = {0};
  assert_int_equal(sg_write_file(path, "hello", 5, &err), 0);
  assert_int_equal(sg_read_file(path, &data, &size, &err), 0);
  assert_int_equal(size, 5);
  assert_memory_equal(data, "hello", 5);
  free(data);
  assert_int_equal(sg_write_file(path, "", 0, &err), 0);
  assert_int_equal(sg_read_file(path, &data, &size, &err), 0);
  assert_int_equal(size, 0);
  free(data);
  assert_int_equal(sg_read_file(scratch("absent"), &data, &size, &err), -1);
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trips), cmocka_unit_test(test_safetensors_bytes), cmocka_unit_test(test_zip_metadata),
      cmocka_unit_test(test_refused),     cmocka_unit_test(test_file_too_large),    cmocka_unit_test(test_disk_full),
      cmocka_unit_test(test_targets),     cmocka_unit_test(test_abandoned),         cmocka_unit_test(test_read_file),
      cmocka_unit_test(test_messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
