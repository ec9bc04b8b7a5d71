/* From pixels to a network's input: colours, the manifest's steps, the augmentations, normalisation;
 * torchvision's arithmetic and rounding. Randomness comes from the given seed alone. Called by the sources of
 * data sets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_resize.h"
#include "runtime/base/error.h"

/* ITU-R 601-2 luma in PIL's fixed point. */
uint8_t picture_luma(const uint8_t *rgb) {
  return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* The picture on its way. */
typedef struct Work {
  Picture now;
  bool own;                      /* its pixels; else they are the caller's, to be left as they are */
  int whole_width, whole_height; /* as if the decoder had reduced nothing */
  Area area;                     /* what of its pixels that is: the last ones of a reduced picture stand for fewer */
} Work;

static Work start(const Picture *picture) {
  Work w = {.now = *picture, .whole_width = picture->width, .whole_height = picture->height};
  double reduced = picture->reduced > 1 ? picture->reduced : 1;
  if (picture->reduced > 1) w.whole_width = picture->whole_width, w.whole_height = picture->whole_height;
  w.area = (Area){0, 0, w.whole_width / reduced, w.whole_height / reduced};
  return w;
}

static int replace(Work *w, Picture with, int failed) {
  if (failed) return failed;
  with.alpha = w->now.alpha;
  if (w->own) free(w->now.pixels);
  *w = start(&with);
  w->own = true;
  return 0;
}

static void convert_pixels(const Picture *from, int channels, uint8_t *to) {
  size_t count = (size_t)from->width * (size_t)from->height;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *p = from->pixels + i * (size_t)from->channels;
    uint8_t *q = to + i * (size_t)channels;
    if (channels < 3) q[0] = from->channels < 3 ? p[0] : picture_luma(p);
    else if (from->channels < 3) q[0] = q[1] = q[2] = p[0];
    else memcpy(q, p, 3);
    if (channels % 2 == 0) q[channels - 1] = from->channels % 2 == 0 ? p[from->channels - 1] : 255;
  }
}

/* Before what changes pixels in place: a copy of the caller's, of `channels` channels. */
static int make_own(Work *w, int channels, surgery_error *err) {
  if (w->own && w->now.channels == channels) return 0;
  Picture copy = w->now;
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
  Picture *p = &w->now;
  if (p->channels != 3) return 0;
  if (make_own(w, 3, err)) return -1;
  for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *rgb = p->pixels + 3 * i;
    rgb[0] = rgb[1] = rgb[2] = picture_luma(rgb);
  }
  return 0;
}

/* Of what a resize makes: a picture one pixel high may become very wide. */
#define MAX_RESIZED (1 << 26)

/* PIL's conversion to "RGBa" and back: what is not to be seen does not shine through to its neighbours. */
static void weigh_colors(Picture *p) {
  for (size_t i = 0, size = (size_t)p->channels; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *at = p->pixels + i * size, alpha = at[size - 1];
    for (size_t c = 0; c + 1 < size; c++) {
      int t = at[c] * alpha + 128;
      at[c] = (uint8_t)(((t >> 8) + t) >> 8);
    }
  }
}
static void unweigh_colors(Picture *p) {
  for (size_t i = 0, size = (size_t)p->channels; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *at = p->pixels + i * size, alpha = at[size - 1];
    for (size_t c = 0; c + 1 < size && alpha != 0 && alpha != 255; c++) {
      int v = 255 * at[c] / alpha;
      at[c] = (uint8_t)(v > 255 ? 255 : v);
    }
  }
}

static int resize(Work *w, Area area, int width, int height, Box part, surgery_error *err) {
  Picture out;
  if (w->now.alpha) {
    if (make_own(w, w->now.channels, err)) return -1;
    weigh_colors(&w->now);
  }
  int failed = picture_resize(&w->now, area, width, height, part, &out, err);
  if (!failed && w->now.alpha) unweigh_colors(&out);
  return replace(w, out, failed);
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

/* Python's round(): halves go to the even number. */
static int half_even(double v) { return (int)nearbyint(v); }

/* torchvision pads a smaller picture to the size first, the odd pixel at the right and below. */
static Box center_box(int width, int height, const int64_t size[2]) {
  int h = (int)size[0], w = (int)size[1];
  int top = height >= h ? half_even((height - h) / 2.0) : -((h - height) / 2);
  int left = width >= w ? half_even((width - w) / 2.0) : -((w - width) / 2);
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
  return resize(w, w->area, (int)width, (int)height, part, err);
}

static int center_crop_step(Work *w, const int64_t size[2], surgery_error *err) {
  if (size[0] > MAX_RESIZED / size[1])
    return sg_fail(err, SURGERY_BAD_INPUT, "a crop of %lld x %lld pixels is too large", (long long)size[0],
                   (long long)size[1]);
  Picture out;
  int failed = picture_crop(&w->now, center_box(w->now.width, w->now.height, size), &out, err);
  return replace(w, out, failed);
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
  if (in_ratio < a->ratio[0]) h = (int)fmax(1, half_even(width / a->ratio[0]));
  else if (in_ratio > a->ratio[1]) w = (int)fmax(1, half_even(height * a->ratio[1]));
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

static void flip(Work *w) {
  const Picture *p = &w->now;
  size_t size = (size_t)p->channels;
  for (int y = 0; y < p->height; y++) {
    uint8_t *row = p->pixels + (size_t)y * (size_t)p->width * size;
    for (int x = 0; x < p->width / 2; x++)
      swap_bytes(row + (size_t)x * size, row + (size_t)(p->width - 1 - x) * size, size);
  }
  w->area.left = p->width - w->area.left - w->area.width;
}

static void flip_vertically(Work *w) {
  const Picture *p = &w->now;
  size_t bytes = (size_t)p->width * (size_t)p->channels;
  for (int y = 0; y < p->height / 2; y++)
    swap_bytes(p->pixels + (size_t)y * bytes, p->pixels + (size_t)(p->height - 1 - y) * bytes, bytes);
  w->area.top = p->height - w->area.top - w->area.height;
}

/* The padded picture is not made: outside of the picture a crop is black. */
static int random_crop(Work *w, const AugmentStep *a, Random *random, surgery_error *err) {
  const Picture *p = &w->now;
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
  return replace(w, out, failed);
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

static int resized_crop(Work *w, const AugmentStep *a, Random *random, surgery_error *err) {
  Box box = picture_random_box(random, a, w->whole_width, w->whole_height);
  double x = w->area.width / w->whole_width, y = w->area.height / w->whole_height;
  Area area = {w->area.left + box.left * x, w->area.top + box.top * y, box.width * x, box.height * y};
  int width = (int)a->size[1], height = (int)a->size[0];
  return resize(w, area, width, height, (Box){0, 0, width, height}, err);
}

/* All but erasing, which is done on the network's input. */
static int augment(Work *w, const DatasetSpec *spec, Random *random, surgery_error *err) {
  for (size_t i = 0; i < spec->augment_count; i++) {
    const AugmentStep *a = &spec->augment[i];
    bool in_place =
        a->op != AUGMENT_OP_RANDOM_RESIZED_CROP && a->op != AUGMENT_OP_RANDOM_CROP && a->op != AUGMENT_OP_ERASING;
    int failed = in_place ? make_own(w, w->now.channels, err) : 0;
    if (failed) return failed;
    switch (a->op) {
    case AUGMENT_OP_HORIZONTAL_FLIP:
      if (random_uniform(random) < a->p) flip(w);
      break;
    case AUGMENT_OP_VERTICAL_FLIP:
      if (random_uniform(random) < a->p) flip_vertically(w);
      break;
    case AUGMENT_OP_RANDOM_RESIZED_CROP: failed = resized_crop(w, a, random, err); break;
    case AUGMENT_OP_RANDOM_CROP: failed = random_crop(w, a, random, err); break;
    case AUGMENT_OP_COLOR_JITTER: color_jitter(&w->now, a, random); break;
    case AUGMENT_OP_ROTATION: failed = picture_rotate(&w->now, between(random, a->degrees), err); break;
    case AUGMENT_OP_ERASING: break;
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

static const AugmentStep *find_step(const DatasetSpec *spec, AugmentOp op) {
  for (size_t i = 0; i < spec->augment_count; i++)
    if (spec->augment[i].op == op) return &spec->augment[i];
  return NULL;
}

/* random_resized_crop stands in place of all sizing steps, random_crop of center_crop alone. */
typedef enum Sizing { SIZE_ALL, SIZE_RESIZE_ALONE, SIZE_NONE } Sizing;

static Sizing sizing_of(const DatasetSpec *spec, bool augmented) {
  if (!augmented) return SIZE_ALL;
  if (find_step(spec, AUGMENT_OP_RANDOM_CROP)) return SIZE_RESIZE_ALONE;
  return find_step(spec, AUGMENT_OP_RANDOM_RESIZED_CROP) ? SIZE_NONE : SIZE_ALL;
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

/* random_crop comes behind the preprocessing and all else before it. */
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
    const AugmentStep *a = find_step(spec, AUGMENT_OP_RANDOM_RESIZED_CROP);
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

int picture_reduction(const DatasetSpec *spec, bool augmented, int width, int height) {
  double times = shrinkage(spec, augmented, width, height);
  for (int reduced = 8; reduced > 1; reduced /= 2)
    if (times >= LEFT_TIMES * reduced && width >= LEFT_PIXELS * reduced && height >= LEFT_PIXELS * reduced)
      return reduced;
  return 1;
}

/* (H, W, C) bytes → (C, H, W) floats: / 255, then minus mean, over std, in float as torch does; raw: the bytes. */
static void to_floats(const Picture *p, const PreprocessStep *normalize, bool raw, float *x) {
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

int picture_to_input(const Picture *picture, const DatasetSpec *spec, uint64_t seed, float *x, surgery_error *err) {
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
  int failed = channels != picture->channels ? make_own(&w, channels, err) : 0;
  if (!failed) failed = size_and_augment(&w, spec, draws, err);
  if (!failed && (want->rank != 3 || w.now.height != want->dim[1] || w.now.width != want->dim[2])) {
    char text[SHAPE_TEXT];
    failed =
        sg_fail(err, SURGERY_BAD_INPUT, "the picture is %d x %d pixels%s, but the input is %s%s", w.now.width,
                w.now.height, spec->raw ? "" : " after preprocessing", manifest_shape_text(want, text),
                spec->raw ? "; with --raw it is not resized" : "; add `resize (H, W)` to the script's input block");
  }
  if (!failed) to_floats(&w.now, normalize, spec->raw, x);
  if (!failed && draws) erase(spec, draws, x);
  if (w.own) free(w.now.pixels);
  return failed;
}
