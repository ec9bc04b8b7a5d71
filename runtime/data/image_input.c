/* From pixels to a network's input: colours, the manifest's steps, the augmentations, normalisation;
 * torchvision's arithmetic and rounding. Randomness comes from the given seed alone. Called by the sources of
 * data sets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_resize.h"
#include "runtime/error.h"

/* ITU-R 601-2 luma in PIL's fixed point. */
uint8_t picture_luma(const uint8_t *rgb) {
  return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* A copy of the picture with `channels` channels. */
static int convert(const Picture *from, int channels, Picture *to, surgery_error *err) {
  size_t count = (size_t)from->width * (size_t)from->height;
  *to = (Picture){from->width, from->height, channels, malloc(count * (size_t)channels + 1)};
  if (!to->pixels) return sg_fail_memory(err, "a picture", count * (size_t)channels);
  for (size_t i = 0; i < count; i++) {
    const uint8_t *p = from->pixels + i * (size_t)from->channels;
    uint8_t *q = to->pixels + i * (size_t)channels;
    if (channels == from->channels)
      memcpy(q, p, (size_t)channels);
    else if (channels == 1)
      q[0] = picture_luma(p);
    else
      q[0] = q[1] = q[2] = p[0];
  }
  return 0;
}

static void make_gray(Picture *p) {
  if (p->channels != 3) return;
  for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *rgb = p->pixels + 3 * i;
    rgb[0] = rgb[1] = rgb[2] = picture_luma(rgb);
  }
}

static int replace(Picture *p, Picture with, int failed) {
  if (failed) return failed;
  free(p->pixels);
  *p = with;
  return 0;
}

/* Of what a resize makes: a picture one pixel high may become very wide. */
#define MAX_RESIZED (1 << 26)

/* Width -1: the shorter side becomes `size`, the longer keeps the aspect, rounded down as torchvision does.
 */
static int resize_step(Picture *p, const int64_t size[2], surgery_error *err) {
  int64_t height = size[0], width = size[1];
  if (width < 0) {
    int64_t shorter = p->width < p->height ? p->width : p->height,
            longer = p->width < p->height ? p->height : p->width;
    int64_t far = (int64_t)((double)size[0] * (double)longer / (double)shorter);
    height = p->width < p->height ? far : size[0];
    width = p->width < p->height ? size[0] : far;
  }
  if (height < 1 || width < 1 || height > MAX_RESIZED / width)
    return sg_fail(err, SURGERY_BAD_INPUT, "%d x %d pixels cannot be resized to %lld x %lld", p->width,
                   p->height, (long long)width, (long long)height);
  if (height == p->height && width == p->width) return 0;
  Picture out;
  int failed = picture_resize(p, (Box){0, 0, p->width, p->height}, (int)width, (int)height, &out, err);
  return replace(p, out, failed);
}

/* Python's round(): halves go to the even number. */
static int half_even(double v) {
  return (int)nearbyint(v);
}

static int center_crop_step(Picture *p, const int64_t size[2], surgery_error *err) {
  if (size[0] > MAX_RESIZED / size[1])
    return sg_fail(err, SURGERY_BAD_INPUT, "a crop of %lld x %lld pixels is too large", (long long)size[0],
                   (long long)size[1]);
  int height = (int)size[0], width = (int)size[1];
  /* torchvision pads a smaller picture to the size first, the odd pixel at the right and below. */
  int top = p->height >= height ? half_even((p->height - height) / 2.0) : -((height - p->height) / 2);
  int left = p->width >= width ? half_even((p->width - width) / 2.0) : -((width - p->width) / 2);
  Picture out;
  int failed = picture_crop(p, (Box){left, top, width, height}, &out, err);
  return replace(p, out, failed);
}

Box picture_random_box(Random *random, const AugmentStep *a, int width, int height) {
  double area = (double)width * height, low = log(a->ratio[0]), high = log(a->ratio[1]);
  for (int attempt = 0; attempt < 10; attempt++) {
    double target = area * (a->scale[0] + (a->scale[1] - a->scale[0]) * random_uniform(random));
    double ratio = exp(low + (high - low) * random_uniform(random));
    int w = half_even(sqrt(target * ratio)), h = half_even(sqrt(target / ratio));
    if (w <= 0 || h <= 0 || w > width || h > height) continue;
    int top = (int)random_below(random, (uint64_t)(height - h + 1));
    int left = (int)random_below(random, (uint64_t)(width - w + 1));
    return (Box){left, top, w, h};
  }
  double in_ratio = (double)width / height;
  int w = width, h = height;
  if (in_ratio < a->ratio[0])
    h = (int)fmax(1, half_even(width / a->ratio[0]));
  else if (in_ratio > a->ratio[1])
    w = (int)fmax(1, half_even(height * a->ratio[1]));
  return (Box){(width - w) / 2, (height - h) / 2, w, h};
}

Box picture_erased_box(Random *random, const AugmentStep *a, int width, int height) {
  double area = (double)width * height, low = log(a->ratio[0]), high = log(a->ratio[1]);
  for (int attempt = 0; attempt < 10; attempt++) {
    double target = area * (a->scale[0] + (a->scale[1] - a->scale[0]) * random_uniform(random));
    double ratio = exp(low + (high - low) * random_uniform(random));
    int h = half_even(sqrt(target * ratio)), w = half_even(sqrt(target / ratio));
    if (h >= height || w >= width) continue;
    int top = (int)random_below(random, (uint64_t)(height - h + 1));
    int left = (int)random_below(random, (uint64_t)(width - w + 1));
    return (Box){left, top, w, h};
  }
  return (Box){0, 0, 0, 0};
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint8_t t = a[i];
    a[i] = b[i], b[i] = t;
  }
}

static void flip(Picture *p) {
  size_t size = (size_t)p->channels;
  for (int y = 0; y < p->height; y++) {
    uint8_t *row = p->pixels + (size_t)y * (size_t)p->width * size;
    for (int x = 0; x < p->width / 2; x++) swap_bytes(row + (size_t)x * size, row + (size_t)(p->width - 1 - x) * size, size);
  }
}

static void flip_vertically(Picture *p) {
  size_t bytes = (size_t)p->width * (size_t)p->channels;
  for (int y = 0; y < p->height / 2; y++)
    swap_bytes(p->pixels + (size_t)y * bytes, p->pixels + (size_t)(p->height - 1 - y) * bytes, bytes);
}

/* The padded picture is not made: outside of the picture a crop is black. */
static int random_crop(Picture *p, const AugmentStep *a, Random *random, surgery_error *err) {
  int64_t height = p->height + 2 * a->padding, width = p->width + 2 * a->padding;
  if (a->size[0] > height || a->size[1] > width)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "the picture is %d x %d pixels, too small for random_crop(%lld); a larger padding or a resize "
                   "in the script's input block may help",
                   p->width, p->height, (long long)a->size[0]);
  int top = (int)((int64_t)random_below(random, (uint64_t)(height - a->size[0] + 1)) - a->padding);
  int left = (int)((int64_t)random_below(random, (uint64_t)(width - a->size[1] + 1)) - a->padding);
  Picture out;
  int failed = picture_crop(p, (Box){left, top, (int)a->size[1], (int)a->size[0]}, &out, err);
  return replace(p, out, failed);
}

static double between(Random *random, const double range[2]) {
  return range[0] + (range[1] - range[0]) * random_uniform(random);
}

/* The four changes in a random order, as ColorJitter makes them. */
static void color_jitter(Picture *p, const AugmentStep *a, Random *random) {
  int order[4] = {0, 1, 2, 3};
  for (int i = 3; i > 0; i--) {
    int j = (int)random_below(random, (uint64_t)i + 1), t = order[i];
    order[i] = order[j], order[j] = t;
  }
  for (int i = 0; i < 4; i++) {
    const double *range = a->jitter[order[i]], neutral = order[i] == COLOR_HUE ? 0 : 1;
    if (range[0] == neutral && range[1] == neutral) continue;
    picture_adjust(p, (ColorChange)order[i], between(random, range));
  }
}

static int resized_crop(Picture *p, const AugmentStep *a, Random *random, surgery_error *err) {
  Picture out;
  Box box = picture_random_box(random, a, p->width, p->height);
  int failed = picture_resize(p, box, (int)a->size[1], (int)a->size[0], &out, err);
  return replace(p, out, failed);
}

/* All but erasing, which is done on the network's input. */
static int augment(Picture *p, const DatasetSpec *spec, Random *random, surgery_error *err) {
  for (size_t i = 0; i < spec->augment_count; i++) {
    const AugmentStep *a = &spec->augment[i];
    int failed = 0;
    switch (a->op) {
    case AUGMENT_OP_HORIZONTAL_FLIP:
      if (random_uniform(random) < a->p) flip(p);
      break;
    case AUGMENT_OP_VERTICAL_FLIP:
      if (random_uniform(random) < a->p) flip_vertically(p);
      break;
    case AUGMENT_OP_RANDOM_RESIZED_CROP:
      failed = resized_crop(p, a, random, err);
      break;
    case AUGMENT_OP_RANDOM_CROP:
      failed = random_crop(p, a, random, err);
      break;
    case AUGMENT_OP_COLOR_JITTER:
      color_jitter(p, a, random);
      break;
    case AUGMENT_OP_ROTATION:
      failed = picture_rotate(p, between(random, a->degrees), err);
      break;
    case AUGMENT_OP_ERASING:
      break;
    }
    if (failed) return -1;
  }
  return 0;
}

/* x: (C, H, W), normalised already. */
static void erase(const DatasetSpec *spec, Random *random, float *x) {
  const ManifestShape *shape = &spec->input->shape;
  int height = (int)shape->dim[1], width = (int)shape->dim[2];
  for (size_t i = 0; i < spec->augment_count; i++) {
    const AugmentStep *a = &spec->augment[i];
    if (a->op != AUGMENT_OP_ERASING || !(random_uniform(random) < a->p)) continue;
    Box box = picture_erased_box(random, a, width, height);
    for (int64_t c = 0; c < shape->dim[0]; c++)
      for (int y = box.top; y < box.top + box.height; y++)
        for (int k = box.left; k < box.left + box.width; k++) x[(c * height + y) * width + k] = (float)a->value;
  }
}

static bool has_step(const DatasetSpec *spec, AugmentOp op) {
  for (size_t i = 0; i < spec->augment_count; i++)
    if (spec->augment[i].op == op) return true;
  return false;
}

typedef enum Sizing { SIZE_ALL, SIZE_RESIZE_ALONE, SIZE_NONE } Sizing;

static int run_steps(Picture *p, const ManifestInput *input, Sizing sizing, surgery_error *err) {
  for (size_t i = 0; i < input->step_count; i++) {
    const PreprocessStep *s = &input->steps[i];
    int failed = 0;
    if (s->op == PREPROCESS_GRAYSCALE) make_gray(p);
    if (s->op == PREPROCESS_RESIZE && sizing != SIZE_NONE) failed = resize_step(p, s->size, err);
    if (s->op == PREPROCESS_CENTER_CROP && sizing == SIZE_ALL) failed = center_crop_step(p, s->size, err);
    if (failed) return failed;
  }
  return 0;
}

/* random_resized_crop stands in place of all sizing steps, random_crop of center_crop alone; so the latter comes behind
 * the preprocessing and all else before it. */
static int size_and_augment(Picture *p, const DatasetSpec *spec, Random *random, surgery_error *err) {
  if (!random) return run_steps(p, spec->input, SIZE_ALL, err);
  if (has_step(spec, AUGMENT_OP_RANDOM_CROP))
    return run_steps(p, spec->input, SIZE_RESIZE_ALONE, err) || augment(p, spec, random, err) ? -1 : 0;
  Sizing sizing = has_step(spec, AUGMENT_OP_RANDOM_RESIZED_CROP) ? SIZE_NONE : SIZE_ALL;
  return augment(p, spec, random, err) || run_steps(p, spec->input, sizing, err) ? -1 : 0;
}

/* (H, W, C) bytes → (C, H, W) floats: / 255, then minus mean, over std, in float as torch does. */
static void to_floats(const Picture *p, const PreprocessStep *normalize, float *x) {
  size_t count = (size_t)p->width * (size_t)p->height;
  for (int c = 0; c < p->channels; c++) {
    int k = normalize ? (normalize->channels == 1 ? 0 : c) : 0;
    float mean = normalize ? (float)normalize->mean[k] : 0, std = normalize ? (float)normalize->std[k] : 1;
    float table[256];
    for (int v = 0; v < 256; v++) table[v] = ((float)v / 255.0f - mean) / std;
    const uint8_t *from = p->pixels + c;
    float *to = x + (size_t)c * count;
    for (size_t i = 0; i < count; i++) to[i] = table[from[i * (size_t)p->channels]];
  }
}

int picture_to_input(const Picture *picture, const DatasetSpec *spec, uint64_t seed, float *x,
                     surgery_error *err) {
  const ManifestShape *want = &spec->input->shape;
  int channels = want->rank == 3 ? (int)want->dim[0] : 1;
  if (channels != 1 && channels != 3)
    return sg_fail(err, SURGERY_BAD_INPUT, "a picture has 1 or 3 channels, but the input has %d", channels);
  Picture p = {0};
  const PreprocessStep *normalize = NULL;
  for (size_t i = 0; i < spec->input->step_count; i++)
    if (spec->input->steps[i].op == PREPROCESS_NORMALIZE) normalize = &spec->input->steps[i];
  Random random = random_stream(seed, 0), *draws = seed == DATASET_NO_AUGMENT ? NULL : &random;
  int failed = convert(picture, channels, &p, err);
  if (!failed) failed = size_and_augment(&p, spec, draws, err);
  if (!failed && (want->rank != 3 || p.height != want->dim[1] || p.width != want->dim[2])) {
    char text[SHAPE_TEXT];
    failed = sg_fail(
        err, SURGERY_BAD_INPUT,
        "the picture is %d x %d pixels after preprocessing, but the input is %s; add `resize (H, W)` to the "
        "script's input block",
        p.width, p.height, manifest_shape_text(want, text));
  }
  if (!failed) to_floats(&p, normalize, x);
  if (!failed && draws) erase(spec, draws, x);
  free(p.pixels);
  return failed;
}
