/* Changes of colour and rotations against torchvision's on PIL images (color_goldens.safetensors, made by
 * make_color_goldens.py), and the augmentations that are made of them: crops with padding, flips, jitter, erasing. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "images.h"
#include "tests/runtime/fake.h"

static surgery_weights *goldens;

static float *golden_of(const char *name, int64_t *count) {
  surgery_error err;
  if (!goldens && !(goldens = surgery_weights_open(COLOR_GOLDENS, &err))) fail_msg("%s", err.message);
  const surgery_tensor *t = surgery_weights_find(goldens, name);
  if (!t) fail_msg("no golden '%s'", name);
  float *values = malloc((size_t)t->count * sizeof *values + 1);
  assert_non_null(values);
  if (surgery_weights_read(goldens, t, values, t->count, &err)) fail_msg("%s", err.message);
  *count = t->count;
  return values;
}

/* The formula's picture, as one channel too. */
static Image image_of(int channels, int width, int height) {
  Image p = formula(width, height);
  if (channels == 3) return p;
  for (int i = 0; i < width * height; i++) p.pixels[i] = image_luma(p.pixels + 3 * i);
  p.channels = 1;
  return p;
}

static void test_against_pil(void **state) {
  static const char *const names[] = {"brightness", "contrast", "saturation", "hue", "rotate"};
  int seen = 0;
  int64_t count;
  free(golden_of("erasing/area", &count)); /* opens the file */
  for (size_t i = 0; i < surgery_weights_count(goldens); i++) {
    const char *name = surgery_weights_at(goldens, i)->name;
    char word[32];
    int channels, which = -1;
    double factor;
    if (sscanf(name, "%31[a-z]/%d/%lf", word, &channels, &factor) != 3) continue;
    for (int k = 0; k < 5; k++)
      if (strcmp(names[k], word) == 0) which = k;
    assert_true(which >= 0);
    Image p = image_of(channels, 17, 13);
    surgery_error err;
    if (which == 4) assert_int_equal(image_rotate(&p, factor, &err), 0);
    else image_adjust(&p, (ColorChange)which, factor);
    float *want = golden_of(name, &count);
    for (int64_t k = 0; k < count; k++)
      if (p.pixels[k] != want[k])
        fail_msg("%s: byte %d is %d instead of %g", name, (int)k, p.pixels[k], (double)want[k]);
    free(want), free(p.pixels);
    seen++;
  }
  assert_int_equal(seen, 54);
}

static void augmented(Preprocess *p, int height, int width, const char *steps, const AugmentConfig *step) {
  preprocess_make(p, 3, height, width, steps);
  p->augment[0] = *step;
  p->spec.augment.count = 1;
}

static void test_vertical_flip(void **state) {
  Image picture = formula(5, 7);
  AugmentConfig step = {AUGMENT_vertical_flip, {.vertical_flip = {.p = 1}}};
  Preprocess plain, p;
  preprocess_make(&plain, 3, 7, 5, "");
  augmented(&p, 7, 5, "", &step);
  float *straight = input_of(&picture, &plain, DATASET_NO_AUGMENT), *turned = input_of(&picture, &p, 1);
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < 7; y++)
      for (int x = 0; x < 5; x++) assert_true(turned[(c * 7 + y) * 5 + x] == straight[(c * 7 + 6 - y) * 5 + x]);
  free(straight), free(turned), free(picture.pixels);
}

/* Every place of an 8 x 8 crop in 8 x 8 pixels with 2 around them, each as likely: 25 of them. */
static void test_random_crop(void **state) {
  enum { DRAWS = 5000 };
  Image picture = formula(8, 8);
  for (int i = 0; i < 64 * 3; i++) picture.pixels[i] |= 1; /* black is outside */
  AugmentConfig step = {AUGMENT_random_crop, {.random_crop = {.size = {8, 8}, .padding = 2}}};
  Preprocess p;
  augmented(&p, 8, 8, "center_crop 8 8", &step);
  int seen[5][5] = {{0}};
  for (uint64_t seed = 0; seed < DRAWS; seed++) {
    float *x = input_of(&picture, &p, seed);
    int found = 0, top = 0, left = 0;
    for (int t = -2; t <= 2; t++)
      for (int l = -2; l <= 2; l++) {
        bool same = true;
        for (int i = 0; i < 64 && same; i++) {
          int y = i / 8 + t, k = i % 8 + l;
          float want = y < 0 || y > 7 || k < 0 || k > 7 ? 0 : (float)picture.pixels[3 * (8 * y + k)] / 255.0f;
          same = x[i] == want;
        }
        if (same) found++, top = t, left = l;
      }
    assert_int_equal(found, 1);
    seen[top + 2][left + 2]++;
    free(x);
  }
  for (int i = 0; i < 25; i++) /* five standard deviations of DRAWS / 25 */
    assert_true(fabs(seen[i / 5][i % 5] - DRAWS / 25.0) < 5 * sqrt(DRAWS / 25.0));
  surgery_error err;
  float *x = malloc(3 * 20 * 20 * sizeof *x);
  step.random_crop.size[0] = step.random_crop.size[1] = 20;
  augmented(&p, 20, 20, "", &step);
  assert_int_equal(image_to_input(&picture, &p.spec, 1, x, &err), -1);
  assert_non_null(strstr(err.message, "too small for random_crop(20)"));
  augmented(&p, 20, 20, "resize 20 20", &step); /* behind the resize it is not */
  assert_int_equal(image_to_input(&picture, &p.spec, 1, x, &err), 0);
  free(x), free(picture.pixels);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* As augment.c judges the crops: the distance of Kolmogorov and Smirnov is above 0.0138 once in a thousand times. */
static void same_distribution(const char *name, double *values, int count) {
  int64_t percentiles;
  float *percentile = golden_of(name, &percentiles);
  double worst = 0;
  qsort(values, (size_t)count, sizeof *values, by_value);
  for (int k = 0; k < 99; k++) {
    int below = 0, upto;
    double at = percentile[k], slack = 1e-6 * fabs(at) + 1e-9, want = (k + 1) / 100.0;
    while (below < count && values[below] < at - slack) below++;
    for (upto = below; upto < count && values[upto] <= at + slack;) upto++;
    double low = (double)below / count, high = (double)upto / count;
    worst = fmax(worst, want < low ? low - want : want > high ? want - high : 0);
  }
  print_message("%s: largest distance of the distributions %.4f of 0.0138\n", name, worst);
  assert_true(worst < 0.0138);
  free(percentile);
}

static void test_erasing(void **state) {
  enum { DRAWS = 40000 };
  AugmentConfig step = {AUGMENT_erasing, {.erasing = {.p = 1, .scale = {0.02, 0.33}, .ratio = {0.3, 3.3}, .value = 9}}};
  double *area = calloc(DRAWS, sizeof *area), *ratio = calloc(DRAWS, sizeof *ratio);
  for (int i = 0; i < DRAWS; i++) {
    Random random = random_stream((uint64_t)i, 0);
    Box b = image_erased_box(&random, &step.erasing, 50, 40);
    assert_true(b.width >= 1 && b.height >= 1 && b.left >= 0 && b.top >= 0 && b.left + b.width <= 50 &&
                b.top + b.height <= 40);
    area[i] = b.width * b.height, ratio[i] = log((double)b.height / b.width);
  }
  same_distribution("erasing/area", area, DRAWS);
  same_distribution("erasing/ratio", ratio, DRAWS);
  free(area), free(ratio);
  Image picture = formula(20, 20);
  Preprocess p;
  augmented(&p, 20, 20, "", &step);
  float *x = input_of(&picture, &p, 3);
  int erased = 0;
  for (int i = 0; i < 400; i++) {
    erased += x[i] == 9;
    assert_true((x[i] == 9) == (x[400 + i] == 9) && (x[i] == 9) == (x[800 + i] == 9)); /* in all channels */
  }
  assert_true(erased > 0 && erased < 400);
  free(x), free(picture.pixels);
}

static void test_jitter_and_rotation(void **state) {
  Image picture = formula(12, 12);
  AugmentConfig jitter = {AUGMENT_color_jitter,
                          {.color_jitter = {.brightness = {0.5, 1.5}, .contrast = {1, 1}, .saturation = {1, 1}}}};
  AugmentConfig turn = {AUGMENT_rotation, {.rotation = {.degrees = {-20, 20}}}};
  Preprocess p, plain;
  preprocess_make(&plain, 3, 12, 12, "");
  float *straight = input_of(&picture, &plain, DATASET_NO_AUGMENT);
  for (int k = 0; k < 2; k++) {
    int different = 0;
    augmented(&p, 12, 12, "", k ? &turn : &jitter);
    for (uint64_t seed = 0; seed < 50; seed++) {
      float *a = input_of(&picture, &p, seed), *b = input_of(&picture, &p, seed);
      assert_memory_equal(a, b, 3 * 144 * sizeof *a); /* from the seed alone */
      different += memcmp(a, straight, 3 * 144 * sizeof *a) != 0;
      for (int i = 0; i < 3 * 144 && !k; i++)
        assert_true(a[i] >= 0.5f * straight[i] - 0.004f && a[i] <= 1.5f * straight[i] + 1e-6f);
      free(a), free(b);
    }
    assert_true(different > 25); /* a turn by less than five degrees moves no pixel of so small a picture */
  }
  free(straight), free(picture.pixels);
}

/* augments/NAME.json, made by make_augment_goldens.py: what torchvision makes of the formula's picture, or how often a
 * step changes it. */
static void test_golden_of_row(void *config, void *golden) {
  const char *name = json_string_value(json_object_get(golden, "name")),
             *pixels = json_string_value(json_object_get(golden, "pixels"));
  double share = json_number_value(json_object_get(golden, "share"));
  enum { WIDTH = 17, HEIGHT = 13, DRAWS = 20000 };
  Image picture = formula(WIDTH, HEIGHT);
  Preprocess p, plain;
  preprocess_make(&plain, 3, HEIGHT, WIDTH, "");
  augmented(&p, HEIGHT, WIDTH, "", config);
  float *x = input_of(&picture, &p, 1);
  for (int i = 0; pixels && i < WIDTH * HEIGHT * 3; i++) {
    int at = i % 3 * WIDTH * HEIGHT + i / 3; /* (H, W, C) in the file */
    unsigned want;
    assert_int_equal(sscanf(pixels + 2 * i, "%2x", &want), 1);
    if (lround(255 * x[at]) != (long)want) fail_msg("%s: byte %d is %g instead of %u", name, i, 255.0 * x[at], want);
  }
  float *straight = input_of(&picture, &plain, DATASET_NO_AUGMENT);
  int changed = 0;
  for (uint64_t seed = 0; !pixels && seed < DRAWS; seed++) {
    float *drawn = input_of(&picture, &p, seed);
    changed += memcmp(drawn, straight, WIDTH * HEIGHT * 3 * sizeof *drawn) != 0;
    free(drawn);
  }
  if (!pixels && !(fabs(changed - DRAWS * share) < 5 * sqrt(DRAWS * share * (1 - share)))) /* five deviations */
    fail_msg("%s: %d of %d pictures are changed", name, changed, DRAWS);
  free(x), free(straight), free(picture.pixels);
}

static void test_goldens_of_rows(void **state) { test_goldens_of("augment", augment_rows, false, test_golden_of_row); }

TESTS(color, cmocka_unit_test(test_goldens_of_rows), cmocka_unit_test(test_against_pil),
      cmocka_unit_test(test_vertical_flip), cmocka_unit_test(test_random_crop), cmocka_unit_test(test_erasing),
      cmocka_unit_test(test_jitter_and_rotation));
