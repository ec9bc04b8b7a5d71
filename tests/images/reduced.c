/* JPEGs that are decoded smaller because little is made of them: when that is done, and that crops, flips and odd sizes
 * come to lie where they lie in the whole picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include "images.h"

/* Smooth, but different everywhere. */
static void paint(uint8_t *row, int y, int width) {
  for (int x = 0; x < width; x++)
    for (int c = 0; c < 3; c++)
      row[3 * x + c] = (uint8_t)lrint(127 + 90 * sin(x / (180.0 + 70 * c)) * cos(y / (150.0 + 40 * c)) + x % 7 + y % 5);
}

static const char *write_jpeg(const char *name, int width, int height) {
  const char *path = work_path(name);
  struct jpeg_compress_struct info = {.err = NULL};
  struct jpeg_error_mgr errors;
  FILE *file = fopen(path, "wb");
  uint8_t *row = malloc((size_t)width * 3);
  assert_true(file && row);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, file);
  info.image_width = (JDIMENSION)width, info.image_height = (JDIMENSION)height;
  info.input_components = 3, info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < height; y++) {
    paint(row, y, width);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  fclose(file), free(row);
  return path;
}

static const AugmentConfig
    whole_crop = {AUGMENT_random_resized_crop,
                  {.random_resized_crop = {.size = {24, 32}, .scale = {0.5, 1}, .ratio = {0.75, 4.0 / 3}}}},
    small_crop = {AUGMENT_random_resized_crop,
                  {.random_resized_crop = {.size = {24, 32}, .scale = {0.001, 1}, .ratio = {0.75, 4.0 / 3}}}};

static void test_when(void **state) {
  Preprocess p;
  preprocess_make(&p, 3, 224, 224, "resize 256;center_crop 224 224");
  assert_int_equal(image_reduction(&p.spec, false, 500, 375), 1);
  assert_int_equal(image_reduction(&p.spec, false, 2559, 4000), 1);
  assert_int_equal(image_reduction(&p.spec, false, 4000, 2560), 2);
  assert_int_equal(image_reduction(&p.spec, false, 5120, 5120), 4);
  assert_int_equal(image_reduction(&p.spec, false, 20000, 10240), 8);
  assert_int_equal(image_reduction(&p.spec, false, 60000, 50000), 8);
  preprocess_make(&p, 3, 8, 8, "resize 8 8"); /* small, but only large pictures are smooth enough */
  assert_int_equal(image_reduction(&p.spec, false, 1023, 5000), 1);
  assert_int_equal(image_reduction(&p.spec, false, 1024, 5000), 2);
  preprocess_make(&p, 3, 8, 400, "resize 8 400"); /* the side that shrinks less */
  assert_int_equal(image_reduction(&p.spec, false, 3999, 4000), 1);
  assert_int_equal(image_reduction(&p.spec, false, 4000, 4000), 2);
  preprocess_make(&p, 3, 8, 8, "center_crop 100 100;resize 8 8"); /* the crop is of the file's pixels */
  assert_int_equal(image_reduction(&p.spec, false, 9000, 9000), 1);
  preprocess_make(&p, 3, 8, 8, "");
  assert_int_equal(image_reduction(&p.spec, false, 9000, 9000), 1);
}

static void test_when_augmented(void **state) {
  Preprocess p;
  preprocess_make(&p, 3, 24, 32, "resize 64;center_crop 24 32");
  p.augment[0] = whole_crop, p.spec.augment.count = 1;
  assert_int_equal(image_reduction(&p.spec, true, 4000, 3000),
                   4);       /* the smallest crop: 2,121 x 2,121 pixels, 66 times 32 */
  p.augment[0] = small_crop; /* 95 x 95: nothing of it may be lost */
  assert_int_equal(image_reduction(&p.spec, true, 4000, 3000), 1);
  assert_int_equal(image_reduction(&p.spec, false, 4000, 3000), 4); /* as for validation */
  p.augment[0] = (AugmentConfig){AUGMENT_random_crop, {.random_crop = {.size = {24, 32}}}};
  assert_int_equal(image_reduction(&p.spec, true, 4000, 3000), 4); /* behind the resize */
  preprocess_make(&p, 3, 24, 32, "");
  p.augment[0] = (AugmentConfig){AUGMENT_random_crop, {.random_crop = {.size = {24, 32}}}}, p.spec.augment.count = 1;
  assert_int_equal(image_reduction(&p.spec, true, 4000, 3000), 1); /* of the picture as it is */
}

static void same(const char *path, const Preprocess *p, uint64_t seed, int reduced) {
  Image all, fewer;
  surgery_error err;
  if (image_decode(path, &all, &err) || image_decode_for(&p->spec, seed != DATASET_NO_AUGMENT, path, &fewer, &err))
    fail_msg("%s", err.message);
  assert_int_equal(all.reduced, 0);
  assert_int_equal(fewer.reduced, reduced);
  float *want = input_of(&all, p, seed), *got = input_of(&fewer, p, seed);
  for (int64_t i = 0; i < p->input.shape.count; i++)
    if (!(fabsf(got[i] - want[i]) <= 2.0f / 255))
      fail_msg("%g instead of %g at %d", got[i] * 255, want[i] * 255, (int)i);
  free(want), free(got), free(all.pixels), free(fewer.pixels);
}

static void test_places(void **state) {
  /* sizes that no block divides; the longer side after a resize is what the whole picture says */
  static const int sizes[][2] = {{2049, 1031}, {1031, 2049}, {2055, 2050}, {1024, 1600}};
  for (size_t i = 0; i < 4; i++) {
    const char *path = write_jpeg("smooth.jpg", sizes[i][0], sizes[i][1]);
    int reduced = i == 2 ? 4 : 2;
    Preprocess p;
    preprocess_make(&p, 3, 72, 72, "resize 80;center_crop 72 72");
    same(path, &p, DATASET_NO_AUGMENT, reduced);
    preprocess_make(&p, 3, 50, 97, "resize 50 97");
    same(path, &p, DATASET_NO_AUGMENT, reduced);
    preprocess_make(&p, 1, 72, 72, "grayscale;resize 80;center_crop 72 72");
    same(path, &p, DATASET_NO_AUGMENT, reduced);
    preprocess_make(&p, 3, 24, 32, "");
    p.augment[0] = (AugmentConfig){AUGMENT_horizontal_flip, {.horizontal_flip = {.p = 1}}};
    p.augment[1] = (AugmentConfig){AUGMENT_vertical_flip, {.vertical_flip = {.p = 1}}};
    p.augment[2] = whole_crop;
    p.spec.augment.count = 3;
    for (uint64_t seed = 0; seed < 6; seed++)
      same(path, &p, seed, image_reduction(&p.spec, true, sizes[i][0], sizes[i][1]));
  }
}

TESTS(reduced, cmocka_unit_test(test_when), cmocka_unit_test(test_when_augmented), cmocka_unit_test(test_places));
