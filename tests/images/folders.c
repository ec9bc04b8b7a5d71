/* Folders of pictures as data sets: classes, order, links that lead back up, broken pictures among good ones,
 * and batches that are the same on any number of threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "images.h"

enum { SIDE = 8, COUNT = 3 * SIDE * SIDE };
static Preprocess input;

static void make_input(void) {
  preprocess_make(&input, 3, SIDE, SIDE, "resize 8 8");
  input.augment[0] =
      (AugmentConfig){AUGMENT_random_resized_crop,
                      {.random_resized_crop = {.size = {SIDE, SIDE}, .scale = {0.08, 1}, .ratio = {0.75, 1.3}}}};
  input.augment[1] = (AugmentConfig){AUGMENT_horizontal_flip, {.horizontal_flip = {.p = 0.5}}};
  input.spec.augment.count = 2;
  input.spec.target = TARGET_CLASSES;
}

static Dataset *open_good(const char *path) {
  surgery_error err;
  Dataset *set = dataset_open(path, &input.spec, &err);
  if (!set) fail_msg("%s", err.message);
  return set;
}

static void refused(const char *path, const char *part) {
  surgery_error err;
  if (dataset_open(path, &input.spec, &err)) fail_msg("%s is taken", path);
  if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
}

static void copy_image(const char *from, const char *to) {
  size_t size;
  char path[1000];
  snprintf(path, sizeof path, "%s/%s", PICTURES, from);
  uint8_t *bytes = read_bytes(path, &size);
  write_bytes(to, bytes, size);
  free(bytes);
}

static void folder(const char *name) { assert_int_equal(mkdir(work_path(name), 0755), 0); }

static void test_classes_and_order(void **state) {
  make_input();
  Dataset *set = open_good(PICTURES);
  char name[1000];
  assert_string_equal(set->format, "folder");
  assert_int_equal(set->count, 25);
  assert_int_equal(set->class_count, 2);
  assert_string_equal(set->class_names[0], "jpeg");
  assert_string_equal(set->class_names[1], "png");
  for (int64_t i = 0; i < set->count; i++) assert_int_equal(set->labels[i], i >= 10);
  assert_non_null(strstr(set->name(set, 0, name, sizeof name), "jpeg/cmyk.jpg"));
  assert_non_null(strstr(set->name(set, 24, name, sizeof name), "png/tall.png"));
  dataset_close(set);
  char *labels[] = {"png", "jpeg"}; /* the script's order is another one */
  input.spec.labels = labels, input.spec.label_count = 2;
  set = open_good(PICTURES);
  for (int64_t i = 0; i < set->count; i++) assert_int_equal(set->labels[i], i < 10);
  dataset_close(set);
  labels[0] = "gif";
  input.spec.labels_of = "labels of the script";
  refused(PICTURES, "the class 'png' is not among the network's 2 labels\n  in " PICTURES
                    ": jpeg, png\n  labels of the script: gif, jpeg");
  labels[0] = "PNG"; /* in another case: said, and the same class */
  set = open_good(PICTURES);
  for (int64_t i = 0; i < set->count; i++) assert_int_equal(set->labels[i], i < 10);
  assert_non_null(strstr(set->note, "'png' is taken for the class 'PNG'"));
  dataset_close(set);
}

/* A set that lacks a class is numbered by its names, or not at all. */
static void test_missing_class(void **state) {
  make_input();
  input.spec.classes = 3;
  input.spec.role = ROLE_TEST;
  refused(PICTURES, "2 of the network's 3 classes (jpeg, png), and neither the script nor the weights say which");
  char *labels[] = {"bmp", "jpeg", "png"};
  input.spec.labels = labels, input.spec.label_count = 3;
  Dataset *set = open_good(PICTURES);
  for (int64_t i = 0; i < set->count; i++) assert_int_equal(set->labels[i], 1 + (i >= 10));
  assert_null(set->note);
  dataset_close(set);
  labels[1] = "tiff"; /* a training that goes on from the weights may have classes of its own */
  input.spec.role = ROLE_TRAIN, input.spec.may_rename = true;
  set = open_good(PICTURES);
  for (int64_t i = 0; i < set->count; i++) assert_int_equal(set->labels[i], i >= 10);
  assert_true(set->names_classes);
  assert_non_null(strstr(set->note, "numbered anew: jpeg, png (before: bmp, tiff, png)"));
  dataset_close(set);
}

static void test_wrong_folders(void **state) {
  make_input();
  folder("none");
  refused(work_path("none"), "no class folders in it");
  folder("none/one");
  copy_image("png/rgb.png", "none/one/a.png");
  refused(work_path("none"), "one class folder alone, 'one'");
  folder("none/two");
  refused(work_path("none"), "none/two: no pictures");
  folder("none/two/deeper");
  copy_image("png/rgb.png", "none/two/deeper/a.png");
  Dataset *set = open_good(work_path("none"));
  assert_int_equal(set->count, 2);
  dataset_close(set);
  folder("none/three");
  copy_image("png/rgb.png", "none/three/a.png");
  refused(work_path("none"), "3 classes, but the network has 2");
}

/* Two links in each of two folders that lead to the top: without care there are as many paths as grains of
 * sand. */
static void test_links_that_lead_back(void **state) {
  make_input();
  folder("links");
  folder("links/a");
  folder("links/b");
  copy_image("png/rgb.png", "links/a/1.png");
  copy_image("png/rgb.png", "links/b/2.png");
  for (const char *const *l = (const char *const[]){"links/a/x", "links/a/y", "links/b/x", "links/b/y", NULL}; *l; l++)
    assert_int_equal(symlink("..", work_path(*l)), 0);
  Dataset *set = open_good(work_path("links"));
  assert_true(set->count >= 2 && set->count <= 30); /* a folder is read once on each way that does not go in a circle */
  dataset_close(set);
}

typedef struct Seen {
  float x[25 * COUNT];
  int32_t target[25];
  int64_t index[25], n;
  size_t broken;
} Seen;

static Seen *load_all(Dataset *set, int threads, uint64_t epoch, bool augment) {
  Seen *seen = calloc(1, sizeof *seen);
  surgery_error err;
  LoaderOptions o = {
      .count = set->count, .batch = 4, .augment = augment, .seed = 3, .epoch = epoch, .threads = threads};
  Loader *loader = loader_start(set, &o, &err);
  assert_non_null(loader);
  Batch batch;
  int status;
  while ((status = loader_next(loader, &batch, &err)) > 0) {
    memcpy(seen->x + seen->n * COUNT, batch.x, (size_t)batch.n * COUNT * sizeof(float));
    memcpy(seen->target + seen->n, batch.target, (size_t)batch.n * sizeof(int32_t));
    memcpy(seen->index + seen->n, batch.index, (size_t)batch.n * sizeof(int64_t));
    seen->n += batch.n;
    for (size_t i = 0; i < batch.broken_count; i++) assert_non_null(strstr(batch.broken[i], "broken"));
    seen->broken += batch.broken_count;
  }
  if (status) fail_msg("%s", err.message);
  loader_stop(loader);
  return seen;
}

static void test_any_number_of_threads(void **state) {
  make_input();
  Dataset *set = open_good(PICTURES);
  Seen *one = load_all(set, 1, 0, true), *four = load_all(set, 4, 0, true);
  Seen *later = load_all(set, 2, 1, true), *plain = load_all(set, 2, 1, false), *again = load_all(set, 3, 0, false);
  assert_int_equal(one->n, 25);
  assert_memory_equal(one, four, sizeof *one);
  assert_memory_equal(plain, again, sizeof *plain);
  assert_memory_not_equal(one, later, sizeof *one); /* another epoch, other crops */
  assert_memory_not_equal(one, plain, sizeof *one);
  free(one), free(four), free(later), free(plain), free(again);
  dataset_close(set);
}

static void test_broken_among_good(void **state) {
  make_input();
  folder("mixed");
  folder("mixed/a");
  folder("mixed/b");
  copy_image("png/rgb.png", "mixed/a/1.png");
  copy_image("jpeg/rgb.jpg", "mixed/b/1.jpg");
  copy_image("jpeg/gray.jpg", "mixed/b/3.jpeg");
  size_t size;
  uint8_t *bytes = read_bytes(PICTURES "/jpeg/rgb.jpg", &size);
  write_bytes("mixed/b/2-broken.jpg", bytes, size / 2);
  free(bytes);
  write_bytes("mixed/a/2-broken.png", "", 0);
  write_bytes("mixed/a/3-broken.webp", "RIFF", 4);
  write_bytes("mixed/a/notes.txt", "no picture", 10); /* not looked at */
  Dataset *set = open_good(work_path("mixed"));
  assert_int_equal(set->count, 6);
  Seen *seen = load_all(set, 2, 0, false);
  static const int64_t good[] = {0, 3, 5};
  assert_int_equal(seen->n, 3);
  assert_int_equal(seen->broken, 3);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(seen->index[i], good[i]);
    assert_int_equal(seen->target[i], i > 0);
  }
  free(seen);
  dataset_close(set);
}

TESTS(folder, cmocka_unit_test(test_classes_and_order), cmocka_unit_test(test_missing_class),
      cmocka_unit_test(test_wrong_folders), cmocka_unit_test(test_links_that_lead_back),
      cmocka_unit_test(test_any_number_of_threads), cmocka_unit_test(test_broken_among_good));
