/* The small pictures in pictures/ as PIL decodes them, and the steps of the preprocessing as torchvision does
 * them, on pictures by formula. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "images.h"

/* C/KIND/NAME: exactly for PNG; a JPEG decoder has some freedom, ours is PIL's. Measured: 0. */
static void check_decoded(const char *rest) {
  char path[1000], name[300];
  int channels = atoi(rest);
  int64_t dim[SURGERY_MAX_RANK];
  snprintf(path, sizeof path, "%s/%s", PICTURES, rest + 2);
  snprintf(name, sizeof name, "decode/%s", rest);
  float *want = golden(name, dim);
  Image picture;
  surgery_error err;
  if (image_decode(path, &picture, &err)) fail_msg("%s", err.message);
  assert_int_equal(picture.height, dim[0]);
  assert_int_equal(picture.width, dim[1]);
  Preprocess p;
  preprocess_make(&p, channels, picture.height, picture.width, "");
  float *x = input_of(&picture, &p, DATASET_NO_AUGMENT);
  double tolerance = strncmp(rest + 2, "png/", 4) == 0 ? 0.01 : 2;
  int64_t count = dim[0] * dim[1];
  for (int64_t i = 0; i < count; i++)
    for (int c = 0; c < channels; c++) {
      double got = x[c * count + i] * 255.0, wanted = want[i * channels + c];
      if (!(fabs(got - wanted) <= tolerance))
        fail_msg("%s: %g instead of %g at pixel %lld, channel %d", name, got, wanted, (long long)i, c);
    }
  free(x), free(want), free(picture.pixels);
}

static void test_decoding(void **state) { assert_int_equal(each_golden("decode/", check_decoded), 25 + 4); }

/* C/WxH/STEPS */
static void check_case(const char *rest) {
  int channels, width, height, at = 0;
  char name[300];
  int64_t dim[SURGERY_MAX_RANK];
  assert_int_equal(sscanf(rest, "%d/%dx%d/%n", &channels, &width, &height, &at), 3);
  snprintf(name, sizeof name, "case/%s", rest);
  float *want = golden(name, dim);
  Image picture = formula(width, height);
  Preprocess p;
  preprocess_make(&p, channels, (int)dim[1], (int)dim[2], rest + at);
  float *x = input_of(&picture, &p, DATASET_NO_AUGMENT);
  for (int64_t i = 0; i < p.input.shape.count; i++)
    if (!(fabs(x[i] * 255.0 - want[i]) <= 0.01)) /* no rounding may differ */
      fail_msg("%s: %g instead of %g at %lld", name, x[i] * 255.0, want[i], (long long)i);
  free(x), free(want), free(picture.pixels);
}

static void test_steps(void **state) {
  assert_int_equal(each_golden("case/", check_case), 28);
  image_resize_plainly = true; /* as on a CPU without AVX2 */
  assert_int_equal(each_golden("case/", check_case), 28);
  image_resize_plainly = false;
}

static void test_normalize(void **state) {
  Image picture = formula(5, 4);
  Preprocess p;
  preprocess_make(&p, 3, 4, 5, "");
  p.steps[p.input.step_count++] =
      (PreprocessStep){.op = PREPROCESS_NORMALIZE, .channels = 3, .mean = {0.5, 0.25, 0}, .std = {0.5, 2, 1}};
  float *x = input_of(&picture, &p, DATASET_NO_AUGMENT);
  for (int i = 0; i < 20; i++) {
    const uint8_t *rgb = picture.pixels + 3 * i;
    assert_true(x[i] == ((float)rgb[0] / 255.0f - 0.5f) / 0.5f);
    assert_true(x[20 + i] == ((float)rgb[1] / 255.0f - 0.25f) / 2.0f);
    assert_true(x[40 + i] == (float)rgb[2] / 255.0f);
  }
  free(x);
  p.steps[0].channels = 1; /* the same for all */
  x = input_of(&picture, &p, DATASET_NO_AUGMENT);
  assert_true(x[41] == ((float)picture.pixels[5] / 255.0f - 0.5f) / 0.5f);
  free(x), free(picture.pixels);
}

static void refuses(const Image *picture, const Preprocess *p, const char *part) {
  surgery_error err = {0};
  float *x = calloc((size_t)p->input.shape.count, sizeof *x);
  assert_int_equal(image_to_input(picture, &p->spec, DATASET_NO_AUGMENT, x, &err), -1);
  if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
  free(x);
}

static void test_wrong_sizes(void **state) {
  Image picture = formula(17, 13), line = formula(4000, 1);
  Preprocess p;
  preprocess_make(&p, 3, 8, 8, "");
  refuses(&picture, &p, "17 x 13 pixels after preprocessing, but the input is (N, 3, 8, 8)");
  preprocess_make(&p, 3, 8, 8, "resize 8");
  refuses(&picture, &p, "10 x 8 pixels after preprocessing");
  preprocess_make(&p, 5, 13, 17, "");
  refuses(&picture, &p, "a picture has 1 to 4 channels, but the input has 5");
  preprocess_make(&p, 3, 256, 256, "resize 256;center_crop 256 256"); /* would be 1,024,000 x 256 */
  refuses(&line, &p, "4000 x 1 pixels cannot be resized to 1024000 x 256");
  preprocess_make(&p, 3, 8, 8, "center_crop 60000 60000");
  refuses(&picture, &p, "too large");
  free(picture.pixels), free(line.pixels);
}

/* Elongated, but not that much: torchvision does these, and so do we. */
static void test_elongated(void **state) {
  Image line = formula(300, 1), column = formula(1, 300);
  Preprocess p;
  preprocess_make(&p, 3, 224, 224, "resize 256;center_crop 224 224");
  float *x = input_of(&line, &p, DATASET_NO_AUGMENT), *y = input_of(&column, &p, DATASET_NO_AUGMENT);
  for (int i = 1; i < 224; i++) { /* nothing can change along the side that was one pixel */
    assert_true(x[i * 224] == x[0]);
    assert_true(y[i] == y[0]);
  }
  free(x), free(y), free(line.pixels), free(column.pixels);
}

TESTS(small, cmocka_unit_test(test_decoding), cmocka_unit_test(test_steps), cmocka_unit_test(test_normalize),
      cmocka_unit_test(test_wrong_sizes), cmocka_unit_test(test_elongated));
