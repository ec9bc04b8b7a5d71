/* Samples in arrays: bytes are pictures, in every layout; floats are inputs; an array that nobody takes is an error. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "runtime/data/dataset.h"
#include "tests/runtime/fake.h"

enum { C = 3, H = 4, W = 5, N = 2, SIZE = C * H * W };
static surgery_error err;
static PreprocessStep normalize = {
    .op = PREPROCESS_NORMALIZE, .channels = 3, .mean = {0.5, 0.25, 0}, .std = {0.5, 0.25, 2}};
static ManifestInput color = {.kind = INPUT_IMAGE, .shape = {3, {C, H, W}, SIZE}, .steps = &normalize, .step_count = 1};

static DatasetSpec classes(void) {
  return (DatasetSpec){.input = &color, .target = TARGET_CLASSES, .target_count = 1, .classes = FAKE_CLASSES};
}

static uint8_t pixel(int n, int c, int y, int x) { return (uint8_t)(n * 101 + c * 67 + y * 13 + x * 3); }

static float expected(int n, int c, int y, int x, bool raw) {
  int v = pixel(n, c, y, x);
  return raw ? (float)v : ((float)v / 255.0f - (float)normalize.mean[c]) / (float)normalize.std[c];
}

static void fill(bool channels_last, uint8_t *to) {
  for (int n = 0; n < N; n++)
    for (int c = 0; c < C; c++)
      for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
          to[channels_last ? ((n * H + y) * W + x) * C + c : ((n * C + c) * H + y) * W + x] = pixel(n, c, y, x);
}

static void check_set(Dataset *set, bool raw) {
  float got[SIZE];
  int32_t label;
  if (!set) fail_msg("%s", err.message);
  assert_int_equal(set->count, N);
  for (int n = 0; n < N; n++) {
    assert_int_equal(set->load(set, n, DATASET_NO_AUGMENT, got, &label, &err), 0);
    for (int c = 0; c < C; c++)
      for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
          if (got[(c * H + y) * W + x] != expected(n, c, y, x, raw))
            fail_msg("sample %d, (%d, %d, %d): %g, not %g", n, c, y, x, (double)got[(c * H + y) * W + x],
                     (double)expected(n, c, y, x, raw));
  }
}

static void write_set(const char *path, surgery_dtype dtype, int rank, const int64_t *shape, const void *values) {
  static const int64_t labels[N] = {7, 2};
  surgery_tensor_out tensors[] = {{"x", dtype, rank, {0}, values}, {"y", SURGERY_I64, 1, {N}, labels}};
  memcpy(tensors[0].shape, shape, (size_t)rank * sizeof *shape);
  if (surgery_weights_write(path, tensors, 2, NULL, &err)) fail_msg("%s", err.message);
}

static void test_bytes(void **state) {
  (void)state;
  static const char *const names[] = {"bytes.npz", "bytes.safetensors", "bytes.pth"};
  const int64_t first[] = {N, C, H, W}, last[] = {N, H, W, C}, flat[] = {N, SIZE};
  const struct {
    bool last;
    int rank;
    const int64_t *shape;
  } layouts[] = {{false, 4, first}, {true, 4, last}, {false, 2, flat}};
  uint8_t bytes[N * SIZE];
  for (size_t i = 0; i < 9; i++)
    for (int raw = 0; raw < 2; raw++) {
      DatasetSpec spec = classes();
      spec.raw = raw;
      fill(layouts[i / 3].last, bytes);
      write_set(test_path(names[i % 3]), SURGERY_U8, layouts[i / 3].rank, layouts[i / 3].shape, bytes);
      Dataset *set = dataset_open(test_path(names[i % 3]), &spec, &err);
      check_set(set, raw);
      assert_true(set->can_augment);
      assert_null(set->note);
      dataset_close(set);
    }
}

/* A picture of another size goes through the steps; without one that makes it fit, the answer names the cure. */
static void test_other_size(void **state) {
  (void)state;
  const int64_t shape[] = {N, 5, 4, 3}, strange[] = {N, 2, 2, 5, 3};
  uint8_t bytes[N * SIZE] = {0};
  float x[SIZE];
  DatasetSpec spec = classes();
  write_set(test_path("other.npz"), SURGERY_U8, 4, shape, bytes);
  Dataset *set = dataset_open(test_path("other.npz"), &spec, &err);
  assert_non_null(set);
  assert_int_equal(set->load(set, 0, DATASET_NO_AUGMENT, x, NULL, &err), -1);
  assert_non_null(
      strstr(err.message, "4 x 5 pixels after preprocessing, but the input is (N, 3, 4, 5); add `resize (H, W)`"));
  set->spec.raw = true;
  assert_int_equal(set->load(set, 0, DATASET_NO_AUGMENT, x, NULL, &err), -1);
  assert_non_null(strstr(err.message, "with --raw it is not resized"));
  dataset_close(set);
  PreprocessStep resize = {.op = PREPROCESS_RESIZE, .size = {H, W}};
  ManifestInput resized = {.kind = INPUT_IMAGE, .shape = color.shape, .steps = &resize, .step_count = 1};
  spec.input = &resized;
  set = dataset_open(test_path("other.npz"), &spec, &err);
  assert_int_equal(set->load(set, 0, DATASET_NO_AUGMENT, x, NULL, &err), 0);
  dataset_close(set);
  write_set(test_path("strange.npz"), SURGERY_U8, 5, strange, bytes);
  assert_null(dataset_open(test_path("strange.npz"), &spec, &err));
  assert_non_null(strstr(err.message,
                         "bytes are pictures, (H, W), (C, H, W) or (H, W, C) with at most 4 channels, but its "
                         "samples are (2, 2, 5, 3)"));
}

/* Floats are inputs already; with the channels last they are moved; what no picture gives is noted. */
static void test_floats(void **state) {
  (void)state;
  const int64_t first[] = {N, C, H, W}, last[] = {N, H, W, C}, none[] = {N, W, H, C};
  uint8_t bytes[N * SIZE];
  float values[N * SIZE];
  for (int i = 0; i < 2; i++) {
    fill(i == 1, bytes);
    for (int k = 0; k < N * SIZE; k++) values[k] = bytes[k];
    DatasetSpec spec = classes();
    write_set(test_path("floats.npz"), SURGERY_F32, 4, i ? last : first, values);
    Dataset *set = dataset_open(test_path("floats.npz"), &spec, &err);
    check_set(set, true);
    assert_non_null(set->note);
    assert_non_null(strstr(set->note, "but preprocessed pictures lie between -1 and 3 here"));
    dataset_close(set);
  }
  for (int k = 0; k < N * SIZE; k++) values[k] = (float)k / (N * SIZE) * 4 - 1;
  DatasetSpec spec = classes();
  write_set(test_path("floats.npz"), SURGERY_F32, 4, first, values);
  Dataset *set = dataset_open(test_path("floats.npz"), &spec, &err);
  assert_non_null(set);
  assert_null(set->note);
  dataset_close(set);
  write_set(test_path("floats.npz"), SURGERY_F32, 4, none, values);
  assert_null(dataset_open(test_path("floats.npz"), &spec, &err));
  assert_non_null(strstr(err.message, "its samples are (N, 5, 4, 3), but the input is (N, 3, 4, 5)"));
}

static void test_unknown_array(void **state) {
  (void)state;
  uint8_t bytes[N * SIZE] = {0};
  const int64_t labels[N] = {0, 1};
  const surgery_tensor_out tensors[] = {{"x", SURGERY_U8, 4, {N, C, H, W}, bytes},
                                        {"y", SURGERY_I64, 1, {N}, labels},
                                        {"weights", SURGERY_I64, 1, {N}, labels}};
  DatasetSpec with_targets = classes(), without = {.input = &color};
  const char *path = test_path("three.npz");
  if (surgery_weights_write(path, tensors, 3, NULL, &err)) fail_msg("%s", err.message);
  assert_null(dataset_open(path, &with_targets, &err));
  assert_non_null(
      strstr(err.message, "the network takes no 'weights' (2): a data set has x, the samples, y, the targets"));
  assert_null(dataset_open_inputs(&path, 1, &without, &err));
  assert_non_null(strstr(err.message, "the network takes no 'weights'"));
  if (surgery_weights_write(path, tensors, 2, NULL, &err)) fail_msg("%s", err.message);
  Dataset *set = dataset_open_inputs(&path, 1, &without, &err); /* targets are there, and not asked for */
  assert_non_null(set);
  dataset_close(set);
}

static void write_npy(const char *name, const char *shape, const void *bytes, size_t size) {
  char file[128 + N * SIZE * 2] = "\x93NUMPY\x01\0\x76\0";
  int length = snprintf(file + 10, 118, "{'descr': '|u1', 'fortran_order': False, 'shape': %s, }", shape);
  memset(file + 10 + length, ' ', (size_t)(118 - length));
  file[127] = '\n';
  memcpy(file + 128, bytes, size);
  test_write(name, file, 128 + size);
}

/* One picture or several, by their sizes. */
static void test_npy_bytes(void **state) {
  (void)state;
  static const struct {
    const char *shape;
    bool gray; /* the input */
    int count;
    size_t size;
  } cases[] = {
      {"(2, 3, 4, 5)", false, 2, 120}, {"(2, 4, 5, 3)", false, 2, 120}, {"(3, 4, 5)", false, 1, 60},
      {"(4, 5, 3)", false, 1, 60},     {"(4, 5)", false, 1, 20},        {"(60,)", false, 1, 60},
      {"(6, 4, 5)", false, 6, 120},    {"(3, 4, 5)", true, 3, 60},      {"(4, 5, 3)", true, 1, 60},
      {"(1, 4, 5)", true, 1, 20},      {"(4, 5)", true, 1, 20},         {"(2, 1, 4, 5)", true, 2, 40},
  };
  ManifestInput gray = {.kind = INPUT_IMAGE, .shape = {3, {1, H, W}, H * W}};
  uint8_t bytes[N * SIZE];
  float x[SIZE];
  fill(false, bytes);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    DatasetSpec spec = {.input = cases[i].gray ? &gray : &color};
    const char *path = test_path("bytes.npy");
    write_npy("bytes.npy", cases[i].shape, bytes, cases[i].size);
    Dataset *set = dataset_open_inputs(&path, 1, &spec, &err);
    if (!set) fail_msg("%s: %s", cases[i].shape, err.message);
    if (set->count != cases[i].count)
      fail_msg("%s: %d samples, not %d", cases[i].shape, (int)set->count, cases[i].count);
    for (int64_t n = 0; n < set->count; n++)
      if (set->load(set, n, DATASET_NO_AUGMENT, x, NULL, &err)) fail_msg("%s: %s", cases[i].shape, err.message);
    dataset_close(set);
  }
}

int run_array_tests(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bytes),         cmocka_unit_test(test_other_size), cmocka_unit_test(test_floats),
      cmocka_unit_test(test_unknown_array), cmocka_unit_test(test_npy_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
