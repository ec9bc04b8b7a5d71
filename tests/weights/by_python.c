/* Files of the writers as Debian's PyTorch and numpy read them: every dtype, rank 0 to 8, nothing inside,
 * many tensors, names of all kinds, ZIP64. read_by_python.py prints what it got, this prints what was
 * written, and the two must be the same. Skipped where /usr/bin/python3 has no torch. */
#include "tests/weights/support.h"

#include <inttypes.h>
#include <sys/wait.h>
#include <zlib.h>

enum { MANY = 1500, MOST = 2000 };

/* What read_by_python.py prints for these tensors. */
static void print_expected(Bytes *to, const surgery_tensor_out *tensors, size_t count) {
  static const char *const names[] = {
      [SURGERY_F32] = "float32", [SURGERY_F64] = "float64", [SURGERY_F16] = "float16", [SURGERY_BF16] = "bfloat16",
      [SURGERY_I64] = "int64",   [SURGERY_I32] = "int32",   [SURGERY_I16] = "int16",   [SURGERY_I8] = "int8",
      [SURGERY_U8] = "uint8",    [SURGERY_BOOL] = "bool",   [SURGERY_U16] = "uint16",  [SURGERY_U32] = "uint32",
      [SURGERY_U64] = "uint64"};
  bytes_text(to, "file\n");
  for (size_t i = 0; i < count; i++) {
    const surgery_tensor_out *t = &tensors[i];
    bytes_text(to, t->name);
    bytes_format(to, " %s ", names[t->dtype]);
    for (int d = 0; d < t->rank; d++) bytes_format(to, d ? ",%" PRId64 : "%" PRId64, t->shape[d]);
    if (t->rank == 0) bytes_text(to, "-");
    bytes_format(to, " %08lx\n", crc32_z(0, t->data, out_bytes(t)));
  }
}

static unsigned char values[8 * 720];
static const bool bits[16] = {true, false, true, true};

static surgery_tensor_out tensor(const char *name, surgery_dtype dtype, int rank, const int64_t *shape) {
  surgery_tensor_out t = {.name = name, .dtype = dtype, .rank = rank, .data = values};
  if (dtype == SURGERY_BOOL) t.data = bits;
  if (rank) memcpy(t.shape, shape, (size_t)rank * sizeof *shape);
  return t;
}

/* Every dtype that the format has, each of a shape of its own; then the odd ones. */
static size_t make_tensors(surgery_tensor_out *to, bool numpy) {
  static const int64_t shapes[][8] = {{2, 3}, {7}, {2, 2, 2}, {5}, {3, 1}, {1, 1, 4}, {6},
                                      {2},    {9}, {3, 3},    {4}, {4},    {4}};
  static const int ranks[] = {2, 1, 3, 1, 2, 3, 1, 1, 1, 2, 1, 1, 1};
  static const char *const names[] = {"f32", "f64", "f16",  "bf16", "i64", "i32", "i16",
                                      "i8",  "u8",  "bool", "u16",  "u32", "u64"};
  size_t n = 0;
  for (int d = SURGERY_F32; d <= SURGERY_U64; d++) {
    if (numpy ? d == SURGERY_BF16 : d >= SURGERY_U16) continue;
    to[n++] = tensor(names[d], (surgery_dtype)d, ranks[d], shapes[d]);
  }
  to[n++] = tensor("scalar", SURGERY_F32, 0, NULL);
  to[n++] = tensor("layer.num_batches_tracked", SURGERY_I64, 0, NULL);
  to[n++] = tensor("empty", SURGERY_F32, 3, (int64_t[]){2, 0, 4});
  to[n++] = tensor("rank.8", SURGERY_F32, 8, (int64_t[]){1, 2, 3, 1, 2, 1, 5, 1});
  to[n++] = tensor("naïve.\"quoted\".ü", SURGERY_F32, 1, (int64_t[]){3});
  to[n++] = tensor("a/b\\c", SURGERY_F32, 1, (int64_t[]){1});
  return n;
}

static size_t make_many(surgery_tensor_out *to) {
  static char names[MANY][40];
  for (int i = 0; i < MANY; i++) {
    snprintf(names[i], sizeof names[i], "layers.%d.%s", i, i % 3 ? "weight" : "bias");
    to[i] = tensor(names[i], i % 5 ? SURGERY_F32 : SURGERY_F16, 2, (int64_t[]){1 + i % 4, 1 + i % 7});
  }
  return MANY;
}

/* Runs the script; its output must be `expected`. */
static void compare(const char *files, Bytes *expected) {
  char command[2000];
  snprintf(command, sizeof command,
           "[ -x /usr/bin/python3 ] || exit 77; /usr/bin/python3 -W error %s/read_by_python.py %s", FOLDER, files);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  Bytes got = {0};
  for (int c; (c = fgetc(pipe)) != EOF;) bytes_le(&got, (uint64_t)c, 1);
  int status = pclose(pipe);
  bytes_le(&got, 0, 1);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    print_message("SKIPPED: no /usr/bin/python3 with torch and numpy here (Debian's python3-torch)\n");
    bytes_free(&got);
    bytes_free(expected);
    skip();
  }
  if (status || got.count != expected->count || memcmp(got.at, expected->at, got.count) != 0) {
    print_error("%s: status %d\ngot\n%.20000s\nexpected\n%.20000s\n", command, status, (char *)got.at,
                (char *)expected->at);
    fail();
  }
  bytes_free(&got);
}

static void write_ok(const char *path, const surgery_tensor_out *tensors, size_t count, surgery_dtype dtype) {
  surgery_error err = {0};
  if (surgery_weights_write_as(path, tensors, count, NULL, dtype, NULL, &err)) fail_msg("%s", err.message);
}

/* One start of Python for all files: importing torch takes seconds. */
static void test_python_reads(void **state) {
  static surgery_tensor_out tensors[MOST];
  Bytes expected = {0};
  char files[1500];
  surgery_error err = {0};
  for (size_t i = 0; i < sizeof values; i++) values[i] = i % 8 == 7 ? 0x3f : (unsigned char)(i * 37 % 2 + (i % 3 == 0));
  const char *paths[] = {scratch("all.pth"), scratch("many.pt"),  scratch("none.pth"), scratch("zip64.pth"),
                         scratch("f16.pth"), scratch("bf16.pth"), scratch("all.npz")};
  snprintf(files, sizeof files, "%s %s %s %s %s %s %s", paths[0], paths[1], paths[2], paths[3], paths[4], paths[5],
           paths[6]);
  size_t count = make_tensors(tensors, false);
  write_ok(paths[0], tensors, count, SURGERY_F32);
  print_expected(&expected, tensors, count);
  count = make_many(tensors);
  write_ok(paths[1], tensors, count, SURGERY_F32);
  print_expected(&expected, tensors, count);
  write_ok(paths[2], tensors, 0, SURGERY_F32);
  print_expected(&expected, tensors, 0);
  /* ZIP64 records, which otherwise only files of 4 GiB have. PyTorch's zip reader takes an offset in the
   * extra field for 4 GiB as long as the size is not there too, so all sizes must be at the limit, and none
   * 0. */
  assert_int_equal(write_torch_limit(paths[3], tensors, 6, NULL, 1, &err), 0);
  print_expected(&expected, tensors, 6);
  for (int k = 0; k < 2; k++) { /* rounded; what to, the test `rounding` knows */
    static uint16_t rounded[720];
    surgery_dtype dtype = k ? SURGERY_BF16 : SURGERY_F16;
    count = make_tensors(tensors, false);
    write_ok(paths[4 + k], tensors, count, dtype);
    dtype_from_f32(dtype, (const float *)(const void *)values, rounded, 720);
    for (size_t i = 0; i < count; i++)
      if (tensors[i].dtype == SURGERY_F32) tensors[i].dtype = dtype, tensors[i].data = rounded;
    print_expected(&expected, tensors, count);
  }
  count = make_tensors(tensors, true);
  write_ok(paths[6], tensors, count, SURGERY_F32);
  print_expected(&expected, tensors, count);
  bytes_le(&expected, 0, 1);
  compare(files, &expected);
  bytes_free(&expected);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_python_reads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
