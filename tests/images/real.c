/* Ten photographs through the flagship's preprocessing against torchvision: resize 256, center_crop 224,
 * before and after normalize. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "images.h"

/* What is asked for; measured: 0, the same decoder and the same arithmetic. */
#define EVERYWHERE (2.0 / 255)
#define IN_THE_MEAN (0.2 / 255)
#define STRIDE 5
#define BLOCK 16

enum { SIDE = 224, SAMPLES = (SIDE + STRIDE - 1) / STRIDE, BLOCKS = SIDE / BLOCK };
static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
static double worst, worst_mean;

static void within(const char *file, const char *what, double got, double want, double tolerance, double *largest) {
  double error = fabs(got - want);
  if (!(error <= *largest)) *largest = error;
  if (!(error <= tolerance)) fail_msg("%s: %s: %g instead of %g", file, what, got, want);
}

static float *wanted(const char *file, const char *what) {
  char name[300];
  snprintf(name, sizeof name, "real/%s/%s", file, what);
  return golden(name, NULL);
}

static void check_samples(const char *file, const float *x, const float *normalized) {
  float *samples = wanted(file, "samples");
  for (int c = 0, k = 0; c < 3; c++)
    for (int y = 0; y < SIDE; y += STRIDE)
      for (int i = 0; i < SIDE; i += STRIDE, k++) {
        int at = (c * SIDE + y) * SIDE + i;
        double want = samples[k] / 255.0;
        within(file, "a pixel", x[at], want, EVERYWHERE, &worst);
        within(file, "a normalized pixel", normalized[at], (want - mean[c]) / std[c], EVERYWHERE, &worst);
      }
  free(samples);
}

/* Every pixel is in one of the blocks, so that an error between the samples is seen too. */
static void check_blocks(const char *file, const float *x) {
  float *blocks = wanted(file, "blocks");
  for (int k = 0; k < 3 * BLOCKS * BLOCKS; k++) {
    int c = k / (BLOCKS * BLOCKS), top = k / BLOCKS % BLOCKS * BLOCK, left = k % BLOCKS * BLOCK;
    double sum = 0;
    for (int i = 0; i < BLOCK * BLOCK; i++) sum += x[(c * SIDE + top + i / BLOCK) * SIDE + left + i % BLOCK];
    within(file, "a block's mean", sum / (BLOCK * BLOCK), blocks[k] / 255.0, IN_THE_MEAN, &worst_mean);
  }
  free(blocks);
}

static void check_means(const char *file, const char *what, const float *x) {
  float *means = wanted(file, what);
  for (int c = 0; c < 3; c++) {
    double sum = 0;
    for (int i = 0; i < SIDE * SIDE; i++) sum += x[c * SIDE * SIDE + i];
    within(file, what, sum / (SIDE * SIDE), means[c], IN_THE_MEAN, &worst_mean);
  }
  free(means);
}

static void check_file(const char *rest) {
  char file[200], path[1000];
  const char *end = strrchr(rest, '/');
  if (strcmp(end, "/samples") != 0) return;
  snprintf(file, sizeof file, "%.*s", (int)(end - rest), rest);
  snprintf(path, sizeof path, "%s/%s", SHARED_PICTURES, file);
  Image picture;
  surgery_error err;
  Preprocess plain, whole;
  preprocess_imagenet(&plain, false);
  if (image_decode_for(&plain.spec, false, path, &picture, &err)) fail_msg("%s", err.message);
  preprocess_imagenet(&whole, true);
  float *x = input_of(&picture, &plain, DATASET_NO_AUGMENT),
        *normalized = input_of(&picture, &whole, DATASET_NO_AUGMENT);
  check_samples(file, x, normalized);
  check_blocks(file, x);
  check_means(file, "means", x);
  check_means(file, "normalized", normalized);
  free(x), free(normalized), free(picture.pixels);
}

static void test_ten_photographs(void **state) {
  if (access(SHARED_PICTURES, R_OK) != 0) {
    print_message("SKIPPED: no %s; set SURGERY_SHARED_DATA when configuring\n", SHARED_PICTURES);
    skip();
  }
  assert_int_equal(each_golden("real/", check_file), 4 * 10);
  print_message("worst error %.3g / 255 of 2, in the mean %.3g / 255 of 0.2\n", worst * 255, worst_mean * 255);
}

/* Those that are decoded smaller, against all of their pixels. Measured: see LEFT_TIMES in image_input.c. */
static void reduces(const char *file, const char *steps, int side, int reduced) {
  char path[1000];
  Image all, fewer;
  surgery_error err;
  Preprocess p;
  preprocess_make(&p, 3, side, side, steps);
  snprintf(path, sizeof path, "%s/%s", SHARED_PICTURES, file);
  if (image_decode(path, &all, &err) || image_decode_for(&p.spec, false, path, &fewer, &err))
    fail_msg("%s", err.message);
  assert_int_equal(fewer.reduced, reduced);
  float *want = input_of(&all, &p, DATASET_NO_AUGMENT), *got = input_of(&fewer, &p, DATASET_NO_AUGMENT);
  double sum = 0, largest = 0;
  for (int i = 0; i < 3 * side * side; i++) {
    within(file, steps, got[i], want[i], EVERYWHERE, &largest);
    sum += fabs(got[i] - want[i]);
  }
  print_message("%s, 1 / %d: %.3g / 255, in the mean %.3g / 255\n", steps, reduced, largest * 255,
                sum / (3 * side * side) * 255);
  assert_true(sum / (3 * side * side) <= IN_THE_MEAN);
  free(want), free(got), free(all.pixels), free(fewer.pixels);
}

static void test_reduced(void **state) {
  static const char five[] =
      "val/ants/ants-devouring-remains-of-large-dead-insect-on-red-tile-in-Stellenbosch-South-Africa-closeup-1-DHD.jpg",
                    three[] = "train/ants/Nepenthes_rafflesiana_ant.jpg";
  if (access(SHARED_PICTURES, R_OK) != 0) {
    print_message("SKIPPED: no %s; set SURGERY_SHARED_DATA when configuring\n", SHARED_PICTURES);
    skip();
  }
  reduces(five, "resize 194;center_crop 192 192", 192, 2); /* 10.02 times smaller */
  reduces(five, "resize 128;center_crop 112 112", 112, 2);
  reduces(five, "resize 32;center_crop 32 32", 32, 2); /* not 4: 486 pixels would be left */
  reduces(three, "resize 148;center_crop 128 128", 128, 2);
}

TESTS(real, cmocka_unit_test(test_ten_photographs), cmocka_unit_test(test_reduced));
