/* The sources of samples that are no folders of pictures, with good files and with malformed ones, and the
 * loader. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "runtime/data/dataset.h"
#include "tests/runtime/fake.h"

static surgery_error err;
static ManifestInput tensor64 = {.kind = INPUT_TENSOR, .shape = {1, {64}, 64}};
static ManifestInput image8 = {.kind = INPUT_IMAGE, .shape = {3, {1, 8, 8}, 64}};

static DatasetSpec classes(const ManifestInput *input) {
  return (DatasetSpec){.input = input, .target = TARGET_CLASSES, .target_count = 1, .classes = FAKE_CLASSES};
}

static Dataset *open_good(const char *path, const DatasetSpec *spec) {
  Dataset *set = dataset_open(path, spec, &err);
  if (!set) fail_msg("%s", err.message);
  return set;
}

static void refuses(const char *path, const DatasetSpec *spec, const char *part) {
  err.message[0] = 0;
  Dataset *set = dataset_open(path, spec, &err);
  if (set) fail_msg("%s was accepted", path);
  if (!strstr(err.message, part)) fail_msg("'%s' is not in:\n%s", part, err.message);
  if (!strstr(err.message, test_path(""))) fail_msg("no file is named in:\n%s", err.message);
}

static void test_csv(void **state) {
  (void)state;
  float x[64], expected[10 * 64];
  int32_t label, labels[10];
  DatasetSpec spec = classes(&tensor64);
  test_write_csv("good.csv", 1, 10);
  test_clusters(1, 10, expected, labels);
  Dataset *set = open_good(test_path("good.csv"), &spec);
  assert_int_equal(set->count, 10);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(set->load(set, i, DATASET_NO_AUGMENT, x, &label, &err), 0);
    assert_int_equal(label, labels[i]);
    assert_memory_equal(x, expected + 64 * i, sizeof x);
  }
  dataset_close(set);
}

/* Samples alone: whoever asks for a target all the same gets nothing, and nothing is read for it. */
static void test_csv_inputs(void **state) {
  (void)state;
  float x[2];
  int32_t label = 77;
  ManifestInput two = {.kind = INPUT_TENSOR, .shape = {1, {2}, 2}};
  DatasetSpec spec = {.input = &two, .target_count = 1};
  const char *texts[] = {"1,2\n3,4\n", "1,2,0\n3,4,1\n"};
  for (int i = 0; i < 2; i++) {
    test_write("inputs.csv", texts[i], strlen(texts[i]));
    Dataset *set = open_good(test_path("inputs.csv"), &spec);
    assert_int_equal(set->load(set, 1, DATASET_NO_AUGMENT, x, &label, &err), 0);
    assert_true(x[0] == 3 && x[1] == 4 && label == 77);
    dataset_close(set);
  }
}

static void test_csv_forms(void **state) {
  (void)state;
  float x[2];
  int32_t label;
  ManifestInput two = {.kind = INPUT_TENSOR, .shape = {1, {2}, 2}};
  DatasetSpec spec = classes(&two);
  const char *text = "\xef\xbb\xbf\"a\";\"class\";\"b\"\r\n1;wasp;2.5\r\n\r\n 3 ;\"a \"\"b\"\"\";-1e3\r\n5;wasp;6";
  test_write_gz("named.csv.gz", text,
                strlen(text)); /* a header, the label in the middle, names, quotes, no last newline */
  Dataset *set = open_good(test_path("named.csv.gz"), &spec);
  assert_int_equal(set->count, 3);
  assert_int_equal(set->class_count, 2);
  assert_string_equal(set->class_names[0], "a \"b\"");
  assert_int_equal(set->load(set, 1, DATASET_NO_AUGMENT, x, &label, &err), 0);
  assert_true(label == 0 && x[0] == 3 && x[1] == -1000);
  assert_int_equal(set->load(set, 2, DATASET_NO_AUGMENT, x, &label, &err), 0);
  assert_true(label == 1 && x[0] == 5 && x[1] == 6);
  dataset_close(set);
  char *names[] = {"wasp", "bee", "a \"b\""};
  spec.labels = names, spec.label_count = 3; /* names are found among the network's labels */
  set = open_good(test_path("named.csv.gz"), &spec);
  assert_int_equal(set->labels[0], 0);
  assert_int_equal(set->labels[1], 2);
  dataset_close(set);
  spec.label_count = 1;
  refuses(test_path("named.csv.gz"), &spec, "not among the network's");
  DatasetSpec values = {.input = &two, .target = TARGET_VALUES, .target_count = 1};
  test_write("values.csv", "1,2,0.5\n3,4,-1.5\n", 17);
  float value;
  set = open_good(test_path("values.csv"), &values);
  assert_int_equal(set->load(set, 1, DATASET_NO_AUGMENT, x, &value, &err), 0);
  assert_true(value == -1.5f);
  dataset_close(set);
}

static void test_csv_malformed(void **state) {
  (void)state;
  ManifestInput two = {.kind = INPUT_TENSOR, .shape = {1, {2}, 2}};
  DatasetSpec spec = classes(&two);
  static const struct {
    const char *name, *text, *part;
  } rows[] = {{"ragged.csv", "1,2,0\n1,2,3,0\n", "line 2: 4 columns, but the first line has 3"},
              {"words.csv", "1,2,0\n1,two,0\n", "line 2: not a number: two"},
              {"range.csv", "1,2,0\n1,2,10\n", "label 10 of sample 1 is not in 0..9"},
              {"negative.csv", "1,2,-1\n", "label -1 of sample 0"},
              {"narrow.csv", "1,0\n", "2 columns"},
              {"wide.csv", "1,2,3,4,0\n", "the input is (N, 2)"},
              {"header.csv", "a,b,label\n", "no samples"},
              {"empty.csv", "", "no samples"},
              {"quote.csv", "1,2,0\n1,\"2,0\n", "line 2: a quote is not closed"},
              {"inf.csv", "1,2,0\n1,inf,0\n", "line 2: not a number"},
              {"nan.csv", "1,2,0\nnan,1,0\n", "line 2: not a number"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    test_write(rows[i].name, rows[i].text, strlen(rows[i].text));
    refuses(test_path(rows[i].name), &spec, rows[i].part);
  }
  test_write("binary.csv", "1,2\0,0\n", 7);
  refuses(test_path("binary.csv"), &spec, "zero byte");
  test_write_csv("long.csv", 1, 200);
  size_t size;
  char *plain = test_read("long.csv", &size);
  test_write_gz("cut.csv.gz", plain, size);
  free(plain);
  assert_int_equal(truncate(test_path("cut.csv.gz"), 5000), 0);
  spec.input = &tensor64;
  refuses(test_path("cut.csv.gz"), &spec, "truncated");
}

static void test_idx(void **state) {
  (void)state;
  float x[64];
  int32_t label, labels[30];
  static float unused[30 * 64];
  DatasetSpec spec = classes(&tensor64);
  test_write_idx("idx/train-images-idx3-ubyte.gz", "idx/train-labels-idx1-ubyte.gz", 1, 20);
  test_write_idx("idx/t10k-images-idx3-ubyte.gz", "idx/t10k-labels-idx1-ubyte.gz", 2, 30);
  test_clusters(2, 30, unused, labels);
  Dataset *set = open_good(test_path("idx"), &spec);
  assert_int_equal(set->count, 20);
  dataset_close(set);
  assert_true(dataset_has_test_part(test_path("idx")));
  spec.role = ROLE_TEST;
  set = open_good(test_path("idx"), &spec);
  assert_int_equal(set->count, 30);
  for (int i = 0; i < 30; i++) {
    assert_int_equal(set->load(set, i, DATASET_NO_AUGMENT, x, &label, &err), 0);
    assert_int_equal(label, labels[i]);
    for (int k = 0; k < 64; k++) assert_true(x[k] == rintf(x[k] * 255) / 255.0f); /* bytes / 255 */
  }
  dataset_close(set);
  set = open_good(test_path("idx/train-images-idx3-ubyte.gz"), &spec); /* a file: its labels are found beside it */
  assert_int_equal(set->count, 20);
  dataset_close(set);
  float pixels[64];
  spec.input = &image8; /* the same bytes through the preprocessing of pictures: here nothing but / 255 */
  set = open_good(test_path("idx"), &spec);
  assert_true(set->can_augment);
  assert_int_equal(set->load(set, 29, DATASET_NO_AUGMENT, pixels, &label, &err), 0);
  for (int k = 0; k < 64; k++) assert_true(fabsf(pixels[k] - x[k]) < 1e-7f);
  dataset_close(set);
}

static void test_idx_malformed(void **state) {
  (void)state;
  DatasetSpec spec = classes(&tensor64);
  unsigned char good[16 + 64] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 8}, bad[sizeof good];
  static const struct {
    const char *part;
    int at, value;
    size_t size;
  } rows[] = {{"byte 2: unknown IDX type", 2, 7, 80},
              {"byte 3: rank", 3, 9, 80},
              {"announces 128 numbers", 7, 2, 80},
              {"truncated", 7, 1, 79},
              {"truncated", 3, 3, 12},
              {"numbers of 1 bytes, but 65", 7, 1, 81},
              {"too large", 3, 4, 80},
              {"holds no samples", 7, 0, 16}};
  test_write("bad-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x01\0", 9);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    unsigned char file[81] = {0};
    memcpy(bad, good, sizeof bad);
    bad[rows[i].at] = (unsigned char)rows[i].value;
    if (rows[i].at == 3 && rows[i].value == 4) memset(bad + 4, 0xff, 16); /* 2^128 numbers */
    memcpy(file, bad, sizeof bad);
    test_write("bad-images-idx3-ubyte", file, rows[i].size);
    refuses(test_path("bad-images-idx3-ubyte"), &spec, rows[i].part);
  }
  test_write("bad-images-idx3-ubyte", "garbage", 7);
  refuses(test_path("bad-images-idx3-ubyte"), &spec, "byte 0");
  test_write("bad-images-idx3-ubyte", good, sizeof good);
  test_write("bad-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x02\0\0", 10);
  refuses(test_path("bad-images-idx3-ubyte"), &spec, "2 labels, but 1 samples");
  test_write("bad-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x01\x0a", 9);
  refuses(test_path("bad-images-idx3-ubyte"), &spec, "label 10 of sample 0 is not in 0..9");
  unlink(test_path("bad-labels-idx1-ubyte"));
  refuses(test_path("bad-images-idx3-ubyte"), &spec, "no file of labels");
  ManifestInput small = {.kind = INPUT_TENSOR, .shape = {1, {63}, 63}};
  DatasetSpec none = {.input = &small};
  refuses(test_path("bad-images-idx3-ubyte"), &none, "(N, 63)");
  test_write_idx("cut/train-images-idx3-ubyte.gz", "cut/train-labels-idx1-ubyte.gz", 1, 200);
  assert_int_equal(truncate(test_path("cut/train-images-idx3-ubyte.gz"), 3000), 0);
  err.message[0] = 0;
  assert_null(dataset_open(test_path("cut"), &spec, &err));
  assert_non_null(strstr(err.message, "truncated"));
}

static void test_cifar(void **state) {
  (void)state;
  static unsigned char batch[2 * 3074];
  static float x[3072];
  int32_t label;
  ManifestInput input = {.kind = INPUT_IMAGE, .shape = {3, {3, 32, 32}, 3072}};
  DatasetSpec spec = classes(&input);
  batch[0] = 7, batch[3073] = 3;
  for (int c = 0; c < 3; c++) memset(batch + 3074 + 1024 * c, 50 * c + 5, 1024);
  test_write("cifar/data_batch_1.bin", batch, 2 * 3073);
  test_write("cifar/test_batch.bin", batch, 3073);
  Dataset *set = open_good(test_path("cifar"), &spec);
  assert_int_equal(set->count, 2);
  assert_int_equal(set->load(set, 1, DATASET_NO_AUGMENT, x, &label, &err), 0);
  assert_int_equal(label, 3);
  for (int c = 0; c < 3; c++)
    assert_true(fabsf(x[1024 * c + 77] - (float)(50 * c + 5) / 255) < 1e-6f); /* planes stay planes */
  dataset_close(set);
  spec.role = ROLE_TEST;
  set = open_good(test_path("cifar"), &spec);
  assert_int_equal(set->count, 1);
  dataset_close(set);
  batch[0] = 10;
  test_write("range.bin", batch, 3073);
  refuses(test_path("range.bin"), &spec, "label 10 of sample 0");
  test_write("odd.bin", batch, 3072);
  refuses(test_path("odd.bin"), &spec, "no CIFAR batch");
  test_write("none.bin", batch, 0);
  refuses(test_path("none.bin"), &spec, "0 bytes");
  DatasetSpec hundred = spec;
  hundred.classes = 100;
  batch[0] = 1, batch[1] = 99;
  test_write("cifar100.bin", batch, 3074);
  set = open_good(test_path("cifar100.bin"), &hundred);
  assert_int_equal(set->labels[0], 99); /* the fine label */
  dataset_close(set);
}

static void write_arrays(const char *path, const int64_t x_shape[3], surgery_dtype y_type, const void *y,
                         int64_t y_count) {
  static float x[4 * 64];
  for (int i = 0; i < 4 * 64; i++) x[i] = (float)i;
  const surgery_tensor_out tensors[] = {{"x", SURGERY_F32, 3, {x_shape[0], x_shape[1], x_shape[2]}, x},
                                        {"y", y_type, 1, {y_count}, y}};
  if (surgery_weights_write(path, tensors, 2, NULL, &err)) fail_msg("%s", err.message);
}

static void test_arrays(void **state) {
  (void)state;
  float x[64];
  int32_t label;
  const int64_t shape[3] = {4, 8, 8}, other[3] = {4, 4, 16}, labels[4] = {0, 9, 4, 3}, out[4] = {0, 1, 2, 10};
  const float reals[4] = {0, 1, 2, 3}, halves[4] = {0, 1, 2.5f, 3};
  DatasetSpec spec = classes(&image8);
  static const char *const suffixes[] = {"arrays.safetensors", "arrays.npz"};
  for (int i = 0; i < 2; i++) {
    write_arrays(test_path(suffixes[i]), shape, SURGERY_I64, labels, 4);
    Dataset *set = open_good(test_path(suffixes[i]), &spec);
    assert_int_equal(set->count, 4);
    assert_false(set->can_augment);
    assert_int_equal(set->load(set, 1, DATASET_NO_AUGMENT, x, &label, &err), 0);
    assert_true(label == 9 && x[0] == 64 && x[63] == 127);
    dataset_close(set);
  }
  write_arrays(test_path("f.npz"), shape, SURGERY_F32, reals, 4); /* labels as floats: whole numbers pass */
  dataset_close(open_good(test_path("f.npz"), &spec));
  write_arrays(test_path("h.npz"), shape, SURGERY_F32, halves, 4);
  refuses(test_path("h.npz"), &spec, "y[2] is 2.5");
  write_arrays(test_path("o.npz"), shape, SURGERY_I64, out, 4);
  refuses(test_path("o.npz"), &spec, "label 10 of sample 3");
  write_arrays(test_path("s.npz"), shape, SURGERY_I64, labels, 3);
  refuses(test_path("s.npz"), &spec, "y is (3)");
  write_arrays(test_path("t.npz"), other, SURGERY_I64, labels, 4);
  refuses(test_path("t.npz"), &spec, "its samples are (N, 4, 16), but the input is (N, 1, 8, 8)");
  const surgery_tensor_out alone = {"x", SURGERY_F32, 1, {4}, reals};
  assert_int_equal(surgery_weights_write(test_path("a.npz"), &alone, 1, NULL, &err), 0);
  refuses(test_path("a.npz"), &spec, "no array 'y'");
}

static void test_npy(void **state) {
  (void)state;
  float values[2 * 64], x[64];
  for (int i = 0; i < 128; i++) values[i] = (float)i / 3;
  const int64_t two[3] = {2, 8, 8}, one[2] = {8, 8}, wrong[2] = {2, 63};
  assert_int_equal(npy_write(test_path("two.npy"), 3, two, values, &err), 0);
  assert_int_equal(npy_write(test_path("one.npy"), 2, one, values, &err), 0);
  assert_int_equal(npy_write(test_path("wrong.npy"), 2, wrong, values, &err), 0);
  DatasetSpec spec = {.input = &image8};
  const char *paths[] = {test_path("two.npy"), test_path("one.npy")};
  Dataset *set = dataset_open_inputs(paths, 2, &spec, &err);
  if (!set) fail_msg("%s", err.message);
  assert_int_equal(set->count, 3);
  assert_int_equal(set->load(set, 1, DATASET_NO_AUGMENT, x, NULL, &err), 0);
  assert_memory_equal(x, values + 64, sizeof x);
  char name[600];
  assert_non_null(strstr(set->name(set, 1, name, sizeof name), "two.npy[1]"));
  dataset_close(set);
  paths[0] = test_path("wrong.npy");
  assert_null(dataset_open_inputs(paths, 1, &spec, &err));
  assert_non_null(strstr(err.message, "(N, 63)"));
  size_t size;
  char *good = test_read("two.npy", &size), *shape = strstr(good + 10, "(2, 8");
  static const struct {
    size_t at;
    const char *bytes;
  } damage[] = {{6, "\x07"}, {8, "\xff\xff"}, {0, "\x92"}};
  for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
    char *bad = malloc(size);
    memcpy(bad, good, size);
    memcpy(bad + damage[i].at, damage[i].bytes, strlen(damage[i].bytes));
    test_write("bad.npy", bad, size);
    paths[0] = test_path("bad.npy");
    assert_null(dataset_open_inputs(paths, 1, &spec, &err));
    free(bad);
  }
  test_write("bad.npy", good, size - 1);
  assert_null(dataset_open_inputs((const char *[]){test_path("bad.npy")}, 1, &spec, &err));
  memcpy(shape, "(9, 8", 5);
  test_write("bad.npy", good, size);
  assert_null(dataset_open_inputs((const char *[]){test_path("bad.npy")}, 1, &spec, &err));
  free(good);
}

/* ---- lists of pictures; reading the pictures is tested with folders ---- */

static void test_list(void **state) {
  (void)state;
  char name[300];
  DatasetSpec spec = classes(&image8);
  static const char numbers[] = "a b.png  2\r\n\n  \nsub/c.jpg\t0\n/d.png 1";
  test_write("list.txt", numbers, sizeof numbers - 1);
  Dataset *set = open_good(test_path("list.txt"), &spec);
  assert_int_equal(set->count, 3);
  assert_memory_equal(set->labels, ((int32_t[]){2, 0, 1}), 12);
  assert_string_equal(set->name(set, 0, name, sizeof name), test_path("a b.png"));
  assert_string_equal(set->name(set, 2, name, sizeof name), "/d.png");
  dataset_close(set);
  test_write("list.lst", "a.png dog\nb.png cat\n", 20);
  set = open_good(test_path("list.lst"), &spec);
  assert_memory_equal(set->labels, ((int32_t[]){1, 0}), 8); /* sorted */
  dataset_close(set);
  test_write("list.lst", "a.png 1\nb.png\n", 14);
  refuses(test_path("list.lst"), &spec, "line 2: a file and its class are needed");
  test_write("list.lst", "a.png 1\nb\0.png 2\n", 18);
  refuses(test_path("list.lst"), &spec, "a zero byte");
  test_write("list.lst", "a.png 99\n", 9);
  refuses(test_path("list.lst"), &spec, "label 99");
  test_write("list.lst", "no picture\n", 11);
  refuses(test_path("list.lst"), &spec, "not a data set");
}

static void test_no_data_set(void **state) {
  (void)state;
  DatasetSpec spec = classes(&tensor64);
  refuses(test_path("nothing.csv"), &spec, "No such file");
  test_write("text.txt", "hello, this is text", 19);
  refuses(test_path("text.txt"), &spec, "not a data set");
  test_write("emptyfolder/sub/x.txt", "", 0);
  refuses(test_path("emptyfolder"), &spec, "");
  assert_null(dataset_open("/dev/null", &spec, &err));
}

/* ---- the loader ---- */

static int load_numbered(Dataset *set, int64_t index, uint64_t seed, float *x, void *target, surgery_error *failure) {
  (void)set;
  if (index % 7 == 3) return snprintf(failure->message, sizeof failure->message, "sample %lld", (long long)index), 1;
  if (index == 1000)
    return failure->status = SURGERY_ENVIRONMENT, snprintf(failure->message, sizeof failure->message, "disk"), -1;
  for (int i = 0; i < 64; i++) x[i] = (float)index;
  x[1] = (float)(seed % 1000);
  memcpy(target, &(int32_t){(int32_t)index}, 4);
  return 0;
}

static int64_t announced;
static void note_ahead(const Dataset *set, int64_t index) { announced += set->count + index; }

static double run_loader(int threads, bool help, int64_t first, uint64_t epoch, int64_t *seen, int *broken) {
  Dataset set = {
      .count = 100, .spec = classes(&tensor64), .load = load_numbered, .ahead = note_ahead, .can_augment = true};
  int64_t order[100];
  for (int64_t i = 0; i < 100; i++) order[i] = 99 - i;
  LoaderOptions o = {.order = order,
                     .count = 100,
                     .first = first,
                     .batch = 8,
                     .augment = true,
                     .seed = 1,
                     .epoch = epoch,
                     .threads = threads,
                     .help = help};
  Loader *loader = loader_start(&set, &o, &err);
  Batch batch;
  double sum = 0;
  int64_t position = first;
  *seen = 0, *broken = 0;
  while (loader_next(loader, &batch, &err) > 0) {
    assert_int_equal(batch.first, position);
    position += batch.taken;
    for (int64_t i = 0; i < batch.n; i++) {
      assert_int_equal(((int32_t *)batch.target)[i], batch.index[i]);
      assert_true(batch.x[i * 64] == (float)batch.index[i]);
      sum = sum * 1.0000001 + batch.x[i * 64 + 1] * (double)(i + 1);
    }
    *seen += batch.n;
    *broken += (int)batch.broken_count;
    for (size_t i = 0; i < batch.broken_count; i++) assert_non_null(strstr(batch.broken[i], "sample "));
  }
  loader_stop(loader);
  assert_int_equal(position, 100);
  return sum;
}

static void test_loader(void **state) {
  (void)state;
  int64_t seen;
  int broken;
  double one = run_loader(1, false, 0, 0, &seen, &broken);
  assert_int_equal(seen, 86);
  assert_int_equal(broken, 14);
  for (int threads = 2; threads <= 5; threads++) assert_true(run_loader(threads, false, 0, 0, &seen, &broken) == one);
  assert_true(run_loader(2, false, 0, 1, &seen, &broken) != one); /* another epoch, other augmentations */
  run_loader(3, false, 96, 0, &seen, &broken);
  assert_int_equal(seen + broken, 4);
  /* The caller's threads as well, or alone: then the files of each batch but the first are announced. */
  assert_int_equal(announced, 0);
  for (int threads = 1; threads <= 3; threads++) assert_true(run_loader(threads, true, 0, 0, &seen, &broken) == one);
  assert_int_equal(announced, 0);
  assert_true(run_loader(0, true, 0, 0, &seen, &broken) == one);
  assert_int_equal(announced, 92 * 100 + 91 * 92 / 2); /* those of the order 99 … 0 behind the first eight */
  run_loader(0, true, 96, 0, &seen, &broken);
  assert_int_equal(seen + broken, 4);
  Dataset set = {.count = 2000, .spec = classes(&tensor64), .load = load_numbered};
  LoaderOptions o = {.count = 2000, .batch = 8, .threads = 3};
  Loader *loader = loader_start(&set, &o, &err);
  Batch batch;
  int status;
  while ((status = loader_next(loader, &batch, &err)) > 0) {}
  assert_int_equal(status, -1); /* a failure that is no broken sample ends it */
  assert_string_equal(err.message, "disk");
  loader_stop(loader);
  loader = loader_start(&set, &o, &err); /* stopped in the middle: no thread stays behind */
  assert_int_equal(loader_next(loader, &batch, &err), 1);
  loader_stop(loader);
}

int run_data_tests(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_csv),           cmocka_unit_test(test_csv_inputs),  cmocka_unit_test(test_csv_forms),
      cmocka_unit_test(test_csv_malformed), cmocka_unit_test(test_idx),         cmocka_unit_test(test_idx_malformed),
      cmocka_unit_test(test_cifar),         cmocka_unit_test(test_arrays),      cmocka_unit_test(test_npy),
      cmocka_unit_test(test_list),          cmocka_unit_test(test_no_data_set), cmocka_unit_test(test_loader)};
  return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
