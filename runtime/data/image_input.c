/* From pixels to a network's input: colours, the manifest's steps, the augmentations, normalisation;
 * torchvision's arithmetic and rounding. Randomness comes from the given seed only. Called by the sources of
 * data sets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_work.h"
#include "runtime/base/error.h"

/* ITU-R 601-2 luma in PIL's fixed point. */
uint8_t image_luma(const uint8_t *rgb) {
  return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static Work start(const Image *picture) {
  Work w = {.now = *picture, .whole_width = picture->width, .whole_height = picture->height};
  double reduced = picture->reduced > 1 ? picture->reduced : 1;
  if (picture->reduced > 1) w.whole_width = picture->whole_width, w.whole_height = picture->whole_height;
  w.area = (Area){0, 0, w.whole_width / reduced, w.whole_height / reduced};
  return w;
}

int work_replace(Work *w, Image with, int failed) {
  if (failed) return failed;
  with.alpha = w->now.alpha;
  if (w->own) free(w->now.pixels);
  *w = start(&with);
  w->own = true;
  return 0;
}

static void convert_pixels(const Image *from, int channels, uint8_t *to) {
  size_t count = (size_t)from->width * (size_t)from->height;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *p = from->pixels + i * (size_t)from->channels;
    uint8_t *q = to + i * (size_t)channels;
    if (channels < 3) q[0] = from->channels < 3 ? p[0] : image_luma(p);
    else if (from->channels < 3) q[0] = q[1] = q[2] = p[0];
    else memcpy(q, p, 3);
    if (channels % 2 == 0) q[channels - 1] = from->channels % 2 == 0 ? p[from->channels - 1] : 255;
  }
}

int work_own(Work *w, int channels, surgery_error *err) {
  if (w->own && w->now.channels == channels) return 0;
  Image copy = w->now;
  size_t bytes = (size_t)copy.width * (size_t)copy.height * (size_t)channels;
  copy.channels = channels, copy.alpha = w->now.alpha && channels % 2 == 0;
  if (!(copy.pixels = malloc(bytes + 1))) return sg_fail_memory(err, "a picture", bytes);
  if (channels == w->now.channels) memcpy(copy.pixels, w->now.pixels, bytes);
  else convert_pixels(&w->now, channels, copy.pixels);
  if (w->own) free(w->now.pixels);
  w->now = copy, w->own = true;
  return 0;
}

static int make_gray(Work *w, surgery_error *err) {
  Image *p = &w->now;
  if (p->channels != 3) return 0;
  if (work_own(w, 3, err)) return -1;
  for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *rgb = p->pixels + 3 * i;
    rgb[0] = rgb[1] = rgb[2] = image_luma(rgb);
  }
  return 0;
}

/* Of what a resize makes: a picture one pixel high may become very wide. */
#define MAX_RESIZED (1 << 26)

/* PIL's conversion to "RGBa" and back: what is not to be seen does not shine through to its neighbours. */
static void weigh_colors(Image *p) {
  for (size_t i = 0, size = (size_t)p->channels; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *at = p->pixels + i * size, alpha = at[size - 1];
    for (size_t c = 0; c + 1 < size; c++) {
      int t = at[c] * alpha + 128;
      at[c] = (uint8_t)(((t >> 8) + t) >> 8);
    }
  }
}
static void unweigh_colors(Image *p) {
  for (size_t i = 0, size = (size_t)p->channels; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *at = p->pixels + i * size, alpha = at[size - 1];
    for (size_t c = 0; c + 1 < size && alpha != 0 && alpha != 255; c++) {
      int v = 255 * at[c] / alpha;
      at[c] = (uint8_t)(v > 255 ? 255 : v);
    }
  }
}

int work_resize(Work *w, Area area, int width, int height, Box part, surgery_error *err) {
  Image out;
  if (w->now.alpha) {
    if (work_own(w, w->now.channels, err)) return -1;
    weigh_colors(&w->now);
  }
  int failed = image_resize(&w->now, area, width, height, part, &out, err);
  if (!failed && w->now.alpha) unweigh_colors(&out);
  return work_replace(w, out, failed);
}

/* What a resize step makes of width × height. Width -1: the shorter side becomes `size`, the longer keeps the aspect,
 * rounded down as torchvision does. false: nothing, or too much. */
static bool resized_size(const int64_t size[2], int width, int height, int64_t *to_width, int64_t *to_height) {
  *to_height = size[0], *to_width = size[1];
  if (size[1] < 0) {
    int64_t shorter = width < height ? width : height, longer = width < height ? height : width;
    int64_t far = (int64_t)((double)size[0] * (double)longer / (double)shorter);
    *to_height = width < height ? far : size[0];
    *to_width = width < height ? size[0] : far;
  }
  return *to_height >= 1 && *to_width >= 1 && *to_height <= MAX_RESIZED / *to_width;
}

int work_half_even(double v) { return (int)nearbyint(v); }

/* torchvision pads a smaller picture to the size first, the odd pixel at the right and below. */
static Box center_box(int width, int height, const int64_t size[2]) {
  int h = (int)size[0], w = (int)size[1];
  int top = height >= h ? work_half_even((height - h) / 2.0) : -((h - height) / 2);
  int left = width >= w ? work_half_even((width - w) / 2.0) : -((w - width) / 2);
  return (Box){left, top, w, h};
}

/* crop: the center_crop that comes next, or NULL. *cropped: it is done too, since then no more than its pixels are
 * made; not where it is larger than the picture. */
static int resize_step(Work *w, const int64_t size[2], const int64_t *crop, bool *cropped, surgery_error *err) {
  int64_t width, height;
  *cropped = false;
  if (!resized_size(size, w->whole_width, w->whole_height, &width, &height))
    return sg_fail(err, SURGERY_BAD_INPUT, "%d x %d pixels cannot be resized to %lld x %lld", w->whole_width,
                   w->whole_height, (long long)width, (long long)height);
  if (height == w->now.height && width == w->now.width) return 0;
  Box part = {0, 0, (int)width, (int)height};
  if (crop && crop[0] <= height && crop[1] <= width) part = center_box((int)width, (int)height, crop), *cropped = true;
  return work_resize(w, w->area, (int)width, (int)height, part, err);
}

static int center_crop_step(Work *w, const int64_t size[2], surgery_error *err) {
  if (size[0] > MAX_RESIZED / size[1])
    return sg_fail(err, SURGERY_BAD_INPUT, "a crop of %lld x %lld pixels is too large", (long long)size[0],
                   (long long)size[1]);
  Image out;
  int failed = image_crop(&w->now, center_box(w->now.width, w->now.height, size), &out, err);
  return work_replace(w, out, failed);
}

static int augment(Work *w, const DatasetSpec *spec, Random *random, surgery_error *err) {
  for (int64_t i = 0; i < spec->augment.count; i++)
    if (work_augment(w, &spec->augment.at[i], random, err)) return -1;
  return 0;
}

static const AugmentConfig *find_step(const DatasetSpec *spec, AugmentKind kind) {
  for (int64_t i = 0; i < spec->augment.count; i++)
    if (spec->augment.at[i].kind == kind) return &spec->augment.at[i];
  return NULL;
}

/* random_resized_crop replaces all sizing steps, random_crop only center_crop. */
typedef enum Sizing { SIZE_ALL, SIZE_RESIZE_ALONE, SIZE_NONE } Sizing;

static Sizing sizing_of(const DatasetSpec *spec, bool augmented) {
  if (!augmented) return SIZE_ALL;
  if (find_step(spec, AUGMENT_random_crop)) return SIZE_RESIZE_ALONE;
  return find_step(spec, AUGMENT_random_resized_crop) ? SIZE_NONE : SIZE_ALL;
}

static int run_steps(Work *w, const DatasetSpec *spec, Sizing sizing, surgery_error *err) {
  const ManifestInput *input = spec->input;
  if (spec->raw) return 0;
  for (size_t i = 0; i < input->step_count; i++) {
    const PreprocessStep *s = &input->steps[i], *next = i + 1 < input->step_count ? s + 1 : NULL;
    bool cropped = false;
    int failed = 0;
    if (sizing != SIZE_ALL || !next || next->op != PREPROCESS_CENTER_CROP) next = NULL;
    if (s->op == PREPROCESS_GRAYSCALE) failed = make_gray(w, err);
    if (s->op == PREPROCESS_RESIZE && sizing != SIZE_NONE)
      failed = resize_step(w, s->size, next ? next->size : NULL, &cropped, err);
    if (s->op == PREPROCESS_CENTER_CROP && sizing == SIZE_ALL) failed = center_crop_step(w, s->size, err);
    if (failed) return failed;
    i += cropped;
  }
  return 0;
}

/* random_crop comes after the preprocessing, everything else before it. */
static int size_and_augment(Work *w, const DatasetSpec *spec, Random *random, surgery_error *err) {
  Sizing sizing = sizing_of(spec, random != NULL);
  if (!random) return run_steps(w, spec, sizing, err);
  if (sizing == SIZE_RESIZE_ALONE) return run_steps(w, spec, sizing, err) || augment(w, spec, random, err) ? -1 : 0;
  return augment(w, spec, random, err) || run_steps(w, spec, sizing, err) ? -1 : 0;
}

/* ---- what the decoder may leave out ---- */

/* How many times larger the picture, or the smallest crop of it, is than what it is resized to; 0: it is not resized
 * first. */
static double shrinkage(const DatasetSpec *spec, bool augmented, int width, int height) {
  Sizing sizing = sizing_of(spec, augmented);
  if (sizing == SIZE_NONE) {
    const Args_random_resized_crop *a = &find_step(spec, AUGMENT_random_resized_crop)->random_resized_crop;
    double area = (double)width * height * a->scale[0];
    return fmin(sqrt(area * a->ratio[0]) / (double)a->size[1], sqrt(area / a->ratio[1]) / (double)a->size[0]);
  }
  for (size_t i = 0; !spec->raw && i < spec->input->step_count; i++) {
    const PreprocessStep *s = &spec->input->steps[i];
    int64_t to_width, to_height;
    if (s->op == PREPROCESS_CENTER_CROP && sizing == SIZE_ALL) return 0;
    if (s->op != PREPROCESS_RESIZE) continue;
    if (!resized_size(s->size, width, height, &to_width, &to_height)) return 0;
    return fmin((double)width / (double)to_width, (double)height / (double)to_height);
  }
  return 0;
}

/* What is left must still be so many times larger than wanted, and so many pixels high and wide: photographs straight
 * from a camera are smooth from pixel to pixel, those of some hundred pixels are not. Measured on photographs of 3 and
 * 5 million pixels: at most 2 / 255 from what all pixels give, 0.17 / 255 in the mean of the differences; at 4 times 3
 * / 255. */
#define LEFT_TIMES 5
#define LEFT_PIXELS 512

int image_reduction(const DatasetSpec *spec, bool augmented, int width, int height) {
  double times = shrinkage(spec, augmented, width, height);
  for (int reduced = 8; reduced > 1; reduced /= 2)
    if (times >= LEFT_TIMES * reduced && width >= LEFT_PIXELS * reduced && height >= LEFT_PIXELS * reduced)
      return reduced;
  return 1;
}

/* (H, W, C) bytes → (C, H, W) floats: / 255, then minus mean, over std, in float as torch does; raw: the bytes. */
static void to_floats(const Image *p, const PreprocessStep *normalize, bool raw, float *x) {
  size_t count = (size_t)p->width * (size_t)p->height;
  for (int c = 0; c < p->channels; c++) {
    int k = normalize ? (normalize->channels == 1 ? 0 : c) : 0;
    float mean = normalize ? (float)normalize->mean[k] : 0, std = normalize ? (float)normalize->std[k] : 1;
    float table[256];
    for (int v = 0; v < 256; v++) table[v] = raw ? (float)v : ((float)v / 255.0f - mean) / std;
    const uint8_t *from = p->pixels + c;
    float *to = x + (size_t)c * count;
    for (size_t i = 0; i < count; i++) to[i] = table[from[i * (size_t)p->channels]];
  }
}

int image_to_input(const Image *picture, const DatasetSpec *spec, uint64_t seed, float *x, surgery_error *err) {
  const ManifestShape *want = &spec->input->shape;
  int channels = want->rank == 3 ? (int)want->dim[0] : 1;
  if (channels < 1 || channels > PICTURE_MAX_CHANNELS)
    return sg_fail(err, SURGERY_BAD_INPUT, "a picture has 1 to %d channels, but the input has %d", PICTURE_MAX_CHANNELS,
                   channels);
  const PreprocessStep *normalize = NULL;
  for (size_t i = 0; i < spec->input->step_count; i++)
    if (spec->input->steps[i].op == PREPROCESS_NORMALIZE) normalize = &spec->input->steps[i];
  Random random = random_stream(seed, 0), *draws = seed == DATASET_NO_AUGMENT ? NULL : &random;
  Work w = start(picture);
  int failed = channels != picture->channels ? work_own(&w, channels, err) : 0;
  if (!failed) failed = size_and_augment(&w, spec, draws, err);
  if (!failed && (want->rank != 3 || w.now.height != want->dim[1] || w.now.width != want->dim[2])) {
    char text[SHAPE_TEXT];
    failed =
        sg_fail(err, SURGERY_BAD_INPUT, "the picture is %d x %d pixels%s, but the input is %s%s", w.now.width,
                w.now.height, spec->raw ? "" : " after preprocessing", manifest_shape_text(want, text),
                spec->raw ? "; with --raw it is not resized" : "; add `resize (H, W)` to the script's input block");
  }
  if (!failed) to_floats(&w.now, normalize, spec->raw, x);
  for (int64_t i = 0; !failed && draws && i < spec->augment.count; i++)
    input_augment(want, x, &spec->augment.at[i], draws);
  if (w.own) free(w.now.pixels);
  return failed;
}
