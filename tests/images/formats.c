/* Images of every format, with 1 to 4 channels, turned or not, against what PIL makes of them
 * (make_format_goldens.py). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "images.h"

static surgery_weights *goldens;

/* Where a decoder has some freedom: lossy formats, and libtiff's own conversion of CMYK. The rest is exact. */
static double tolerance_of(const char *file) {
  static const char *const lossy[] = {"lossy", ".jpg", "jpeg.tif", "cmyk.tif"};
  for (size_t i = 0; i < sizeof lossy / sizeof *lossy; i++)
    if (strstr(file, lossy[i])) return 2;
  return 0.01;
}

/* What the steps make of the file, compared with the golden. */
static void compare(const surgery_tensor *t, int channels, const char *file, const char *steps, bool upright) {
  char path[1000];
  Preprocess p;
  Image picture;
  surgery_error err = {0};
  float *want = malloc((size_t)t->count * sizeof *want);
  assert_int_equal(surgery_weights_read(goldens, t, want, t->count, &err), 0);
  int height = (int)t->shape[0], width = (int)t->shape[1];
  assert_int_equal(t->shape[2], channels);
  snprintf(path, sizeof path, "%s/%s", strncmp(file, "png/", 4) == 0 ? PICTURES : FORMATS, file);
  preprocess_make(&p, channels, height, width, steps);
  if (upright) p.steps[p.input.step_count++] = (PreprocessStep){.op = PREPROCESS_EXIF_TRANSPOSE};
  if (image_decode_for(&p.spec, false, path, &picture, &err)) fail_msg("%s", err.message);
  float *x = input_of(&picture, &p, DATASET_NO_AUGMENT);
  int64_t count = (int64_t)height * width;
  double most = 0;
  for (int64_t i = 0; i < count; i++)
    for (int c = 0; c < channels; c++) most = fmax(most, fabs(x[c * count + i] * 255.0 - want[i * channels + c]));
  if (!(most <= tolerance_of(file))) fail_msg("%s: up to %g from PIL's", t->name, most);
  free(x), free(want), free(picture.pixels);
}

static int each(const char *prefix, const char *steps, bool upright) {
  int count = 0;
  for (size_t i = 0; i < surgery_weights_count(goldens); i++) {
    const surgery_tensor *t = surgery_weights_at(goldens, i);
    size_t length = strlen(prefix);
    if (strncmp(t->name, prefix, length) != 0) continue;
    compare(t, atoi(t->name + length), t->name + length + 2, steps, upright);
    count++;
  }
  return count;
}

static int open_goldens(void **state) {
  surgery_error err;
  goldens = surgery_weights_open(FORMAT_GOLDENS, &err);
  return goldens ? 0 : -1;
}
static int close_goldens(void **state) {
  surgery_weights_close(goldens);
  return 0;
}

static void test_formats(void **state) { assert_int_equal(each("decode/", "", false), 39 * 4 + 9 * 2 + 4 * 2); }
static void test_upright(void **state) { assert_int_equal(each("upright/", "", true), 9); }
/* What is not to be seen does not shine through. */
static void test_alpha(void **state) { assert_int_equal(each("resize/", "resize 9 7", false), 4 * 2); }

/* Without a word about alpha: as before, 1 or 3 channels. */
static void test_plain(void **state) {
  static const char *const names[] = {"webp/alpha.webp", "tiff/rgba.tif", "bmp/alpha.bmp", "gif/transparent.gif"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[1000];
    Image picture;
    surgery_error err;
    snprintf(path, sizeof path, "%s/%s", FORMATS, names[i]);
    if (image_decode(path, &picture, &err)) fail_msg("%s", err.message);
    assert_true(picture.channels == 3 && !picture.alpha);
    free(picture.pixels);
  }
}

/* The block that says how a picture is turned may say anything. */
static void test_exif_block(void **state) {
  int exif_orientation(const uint8_t *bytes, size_t size);
  const uint8_t good[] = "MM\0*\0\0\0\10\0\2\1\0\0\4\0\0\0\1\0\0\0\5\1\22\0\3\0\0\0\1\0\6\0\0\0\0\0\0";
  uint8_t damaged[sizeof good];
  assert_int_equal(exif_orientation(good, sizeof good), 6);
  for (size_t cut = 0; cut < 34; cut++) { /* up to the end of the entry */
    uint8_t *exact = malloc(cut + 1);     /* for the sanitizers */
    memcpy(exact, good, cut);
    assert_int_equal(exif_orientation(exact, cut), 1);
    free(exact);
  }
  for (size_t at = 0; at < sizeof good - 1; at++)
    for (int bit = 0; bit < 8; bit++) {
      memcpy(damaged, good, sizeof good);
      damaged[at] ^= (uint8_t)(1 << bit);
      int got = exif_orientation(damaged, sizeof good);
      assert_true(got >= 1 && got <= 8);
    }
}

TESTS(format, cmocka_unit_test_setup_teardown(test_formats, open_goldens, close_goldens),
      cmocka_unit_test_setup_teardown(test_upright, open_goldens, close_goldens),
      cmocka_unit_test_setup_teardown(test_alpha, open_goldens, close_goldens), cmocka_unit_test(test_plain),
      cmocka_unit_test(test_exif_block));
