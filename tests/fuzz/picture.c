/* Fuzzing of pictures: decoded, and a decoded one taken the whole way to a network's input, plain and
 * augmented. */
#include "runtime/data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static PreprocessStep steps[] = {
    {.op = PREPROCESS_RESIZE, .size = {9, -1}},
    {.op = PREPROCESS_CENTER_CROP, .size = {8, 8}},
    {.op = PREPROCESS_NORMALIZE, .channels = 3, .mean = {0.5, 0.5, 0.5}, .std = {1, 1, 1}}};
static const ManifestInput input = {
    .kind = INPUT_IMAGE, .shape = {3, {3, 8, 8}, 192}, .steps = steps, .step_count = sizeof steps / sizeof *steps};
static PreprocessStep upright[] = {{.op = PREPROCESS_EXIF_TRANSPOSE}, {.op = PREPROCESS_RESIZE, .size = {8, 8}}};
static const ManifestInput with_alpha[] = {
    {.kind = INPUT_IMAGE, .shape = {3, {4, 8, 8}, 256}, .steps = upright, .step_count = 2},
    {.kind = INPUT_IMAGE, .shape = {3, {2, 8, 8}, 128}, .steps = upright, .step_count = 2}};
static const AugmentConfig augment[] = {
    {AUGMENT_random_resized_crop,
     {.random_resized_crop = {.size = {8, 8}, .scale = {0.08, 1}, .ratio = {0.75, 4.0 / 3}}}},
    {AUGMENT_horizontal_flip, {.horizontal_flip = {.p = 0.5}}},
    {AUGMENT_vertical_flip, {.vertical_flip = {.p = 0.5}}},
    {AUGMENT_color_jitter,
     {.color_jitter =
          {.brightness = {0.5, 1.5}, .contrast = {0.5, 1.5}, .saturation = {0.5, 1.5}, .hue = {-0.5, 0.5}}}},
    {AUGMENT_rotation, {.rotation = {.degrees = {-180, 180}}}},
    {AUGMENT_erasing, {.erasing = {.p = 0.5, .scale = {0.02, 0.33}, .ratio = {0.3, 3.3}}}}};
static const AugmentConfig padded[] = {{AUGMENT_random_crop, {.random_crop = {.size = {8, 8}, .padding = 2}}}};

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  static int fd = -1;
  char path[64];
  float x[256];
  if (fd < 0) fd = memfd_create("picture", 0);
  if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  surgery_error err = {0};
  Image picture;
  DatasetSpec spec = {.input = &input, .augment = {augment, sizeof augment / sizeof *augment}};
  if (image_decode(path, &picture, &err)) return err.message[0] && !picture.pixels ? 0 : (abort(), 0);
  free(picture.pixels);
  if (image_decode_for(&spec, size % 2, path, &picture, &err)) abort();
  if ((int64_t)picture.width * picture.height < 1 << 20) { /* resizing has a time of its own */
    (void)!image_to_input(&picture, &spec, DATASET_NO_AUGMENT, x, &err);
    (void)!image_to_input(&picture, &spec, size, x, &err);
    spec.augment = (AugmentList){padded, 1};
    (void)!image_to_input(&picture, &spec, size, x, &err);
  }
  free(picture.pixels);
  spec = (DatasetSpec){.input = &with_alpha[size / 2 % 2]};
  if (image_decode_for(&spec, false, path, &picture, &err)) return err.message[0] && !picture.pixels ? 0 : (abort(), 0);
  if ((int64_t)picture.width * picture.height < 1 << 20)
    (void)!image_to_input(&picture, &spec, DATASET_NO_AUGMENT, x, &err);
  free(picture.pixels);
  return 0;
}
