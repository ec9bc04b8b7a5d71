/* The augmentations of grammar/train.def, a function each, on a picture on its way to the network's input:
 * torchvision's transforms. Randomness comes from the given stream only. Called by image_input.c. */
#include <math.h>
#include "runtime/base/error.h"
#include "runtime/data/image_work.h"

Box image_random_box(Random *random, const Args_random_resized_crop *a, int width, int height) {
  double area = (double)width * height, low = log(a->ratio[0]), high = log(a->ratio[1]);
  for (int attempt = 0; attempt < 10; attempt++) {
    double target = area * (a->scale[0] + (a->scale[1] - a->scale[0]) * random_uniform(random));
    double ratio = exp(low + (high - low) * random_uniform(random));
    int w = work_half_even(sqrt(target * ratio)), h = work_half_even(sqrt(target / ratio));
    if (w <= 0 || h <= 0 || w > width || h > height) continue;
    int top = (int)random_below(random, (uint64_t)(height - h + 1));
    int left = (int)random_below(random, (uint64_t)(width - w + 1));
    return (Box){left, top, w, h};
  }
  double in_ratio = (double)width / height;
  int w = width, h = height;
  if (in_ratio < a->ratio[0]) h = (int)fmax(1, work_half_even(width / a->ratio[0]));
  else if (in_ratio > a->ratio[1]) w = (int)fmax(1, work_half_even(height * a->ratio[1]));
  return (Box){(width - w) / 2, (height - h) / 2, w, h};
}

Box image_erased_box(Random *random, const Args_erasing *a, int width, int height) {
  double area = (double)width * height, low = log(a->ratio[0]), high = log(a->ratio[1]);
  for (int attempt = 0; attempt < 10; attempt++) {
    double target = area * (a->scale[0] + (a->scale[1] - a->scale[0]) * random_uniform(random));
    double ratio = exp(low + (high - low) * random_uniform(random));
    int h = work_half_even(sqrt(target * ratio)), w = work_half_even(sqrt(target / ratio));
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

static int augment_horizontal_flip(Work *w, const Args_horizontal_flip *a, Random *random, surgery_error *err) {
  const Image *p = &w->now;
  size_t size = (size_t)p->channels;
  if (!(random_uniform(random) < a->p)) return 0;
  for (int y = 0; y < p->height; y++) {
    uint8_t *row = p->pixels + (size_t)y * (size_t)p->width * size;
    for (int x = 0; x < p->width / 2; x++)
      swap_bytes(row + (size_t)x * size, row + (size_t)(p->width - 1 - x) * size, size);
  }
  w->area.left = p->width - w->area.left - w->area.width;
  return 0;
}

static int augment_vertical_flip(Work *w, const Args_vertical_flip *a, Random *random, surgery_error *err) {
  const Image *p = &w->now;
  size_t bytes = (size_t)p->width * (size_t)p->channels;
  if (!(random_uniform(random) < a->p)) return 0;
  for (int y = 0; y < p->height / 2; y++)
    swap_bytes(p->pixels + (size_t)y * bytes, p->pixels + (size_t)(p->height - 1 - y) * bytes, bytes);
  w->area.top = p->height - w->area.top - w->area.height;
  return 0;
}

/* The padded picture is not made: outside of the picture a crop is black. */
static int augment_random_crop(Work *w, const Args_random_crop *a, Random *random, surgery_error *err) {
  const Image *p = &w->now;
  int64_t height = p->height + 2 * a->padding, width = p->width + 2 * a->padding;
  if (a->size[0] > height || a->size[1] > width)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "the picture is %d x %d pixels, too small for random_crop(%lld); a larger padding or a resize "
                   "in the script's input block may help",
                   p->width, p->height, (long long)a->size[0]);
  int top = (int)((int64_t)random_below(random, (uint64_t)(height - a->size[0] + 1)) - a->padding);
  int left = (int)((int64_t)random_below(random, (uint64_t)(width - a->size[1] + 1)) - a->padding);
  Image out;
  int failed = image_crop(p, (Box){left, top, (int)a->size[1], (int)a->size[0]}, &out, err);
  return work_replace(w, out, failed);
}

static double between(Random *random, const double range[2]) {
  return range[0] + (range[1] - range[0]) * random_uniform(random);
}

/* The four changes in a random order, as ColorJitter makes them. */
static int augment_color_jitter(Work *w, const Args_color_jitter *a, Random *random, surgery_error *err) {
  const double *const ranges[] = {[COLOR_BRIGHTNESS] = a->brightness,
                                  [COLOR_CONTRAST] = a->contrast,
                                  [COLOR_SATURATION] = a->saturation,
                                  [COLOR_HUE] = a->hue};
  int order[4] = {0, 1, 2, 3};
  for (int i = 3; i > 0; i--) {
    int j = (int)random_below(random, (uint64_t)i + 1), t = order[i];
    order[i] = order[j], order[j] = t;
  }
  for (int i = 0; i < 4; i++) {
    const double *range = ranges[order[i]], neutral = order[i] == COLOR_HUE ? 0 : 1;
    if (range[0] == neutral && range[1] == neutral) continue;
    image_adjust(&w->now, (ColorChange)order[i], between(random, range));
  }
  return 0;
}

static int augment_rotation(Work *w, const Args_rotation *a, Random *random, surgery_error *err) {
  return image_rotate(&w->now, between(random, a->degrees), err);
}

static int augment_random_resized_crop(Work *w, const Args_random_resized_crop *a, Random *random, surgery_error *err) {
  Box box = image_random_box(random, a, w->whole_width, w->whole_height);
  double x = w->area.width / w->whole_width, y = w->area.height / w->whole_height;
  Area area = {w->area.left + box.left * x, w->area.top + box.top * y, box.width * x, box.height * y};
  int width = (int)a->size[1], height = (int)a->size[0];
  return work_resize(w, area, width, height, (Box){0, 0, width, height}, err);
}

static int augment_gray(Work *w, const Args_gray *a, Random *random, surgery_error *err) {
  const Image *p = &w->now;
  if (!(random_uniform(random) < a->p) || p->channels < 3) return 0;
  for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *rgb = p->pixels + i * (size_t)p->channels;
    rgb[0] = rgb[1] = rgb[2] = image_luma(rgb);
  }
  return 0;
}

/* x: (C, H, W), normalised already. */
static void augment_erasing(const ManifestShape *shape, float *x, const Args_erasing *a, Random *random) {
  int height = (int)shape->dim[1], width = (int)shape->dim[2];
  if (!(random_uniform(random) < a->p)) return;
  Box box = image_erased_box(random, a, width, height);
  for (int64_t c = 0; c < shape->dim[0]; c++)
    for (int y = box.top; y < box.top + box.height; y++)
      for (int k = box.left; k < box.left + box.width; k++) x[(c * height + y) * width + k] = (float)a->value;
}

int work_augment(Work *w, const AugmentConfig *a, Random *random, surgery_error *err) {
  switch ((AugmentKind)a->kind) {
#define RUN_PIXELS(name) return work_own(w, w->now.channels, err) ? -1 : augment_##name(w, &a->name, random, err);
#define RUN_CROP(name) return augment_##name(w, &a->name, random, err);
#define RUN_INPUT(name) return 0;
#define AUGMENT(name, args, checks, place, ...)                                                                        \
  case AUGMENT_##name: RUN_##place(name)
#include "grammar/train.def"
#undef RUN_PIXELS
#undef RUN_CROP
#undef RUN_INPUT
  case AUGMENT_KINDS: break;
  }
  return 0;
}

void input_augment(const ManifestShape *shape, float *x, const AugmentConfig *a, Random *random) {
  switch ((AugmentKind)a->kind) {
#define RUN_PIXELS(name)
#define RUN_CROP(name)
#define RUN_INPUT(name) augment_##name(shape, x, &a->name, random);
#define AUGMENT(name, args, checks, place, ...)                                                                        \
  case AUGMENT_##name: RUN_##place(name) break;
#include "grammar/train.def"
  case AUGMENT_KINDS: break;
  }
}
