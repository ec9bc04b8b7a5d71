/* Antialiased bilinear resizing, as PIL does it: a triangle filter as wide as the scale, coefficients in
 * fixed point with 22 bits, columns first, then rows, rounded to 8 bits in between. Same arithmetic, so that
 * the results are equal to the last bit. Called by image_input.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_resize.h"
#include "runtime/error.h"

#define PRECISION 22

typedef struct Taps { /* of one output position: `count` inputs from `first` on */
  int first, count;
} Taps;

typedef struct Filter {
  Taps *taps;      /* [out] */
  int32_t *weight; /* [out][width] */
  int width;
} Filter;

static void filter_free(Filter *f) {
  free(f->taps);
  free(f->weight);
}

static int filter_make(Filter *f, int in, int out) {
  double scale = (double)in / out, stretch = scale < 1 ? 1 : scale, support = stretch, shrink = 1 / stretch;
  f->width = (int)ceil(support) * 2 + 1;
  f->taps = malloc(sizeof *f->taps * (size_t)out);
  f->weight = calloc((size_t)out * (size_t)f->width, sizeof *f->weight);
  double *w = malloc(sizeof *w * (size_t)f->width);
  if (!f->taps || !f->weight || !w) {
    free(w);
    return -1;
  }
  for (int i = 0; i < out; i++) {
    double center = (i + 0.5) * scale, sum = 0;
    int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
    if (first < 0) first = 0;
    if (last > in) last = in;
    for (int k = 0; k < last - first; k++) {
      double x = fabs((k + first - center + 0.5) * shrink);
      w[k] = x < 1 ? 1 - x : 0;
      sum += w[k];
    }
    f->taps[i] = (Taps){first, last - first};
    for (int k = 0; k < last - first; k++)
      f->weight[(size_t)i * (size_t)f->width + (size_t)k] =
          (int32_t)(0.5 + (sum != 0 ? w[k] / sum : 0) * (1 << PRECISION));
  }
  free(w);
  return 0;
}

static uint8_t clip8(int32_t v) {
  v >>= PRECISION;
  return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Rows of `in` pixels, `step` bytes from one pixel to the next, to `out` pixels; for each of the channels. */
static void resample_row(const Filter *f, const uint8_t *from, uint8_t *to, int out, int channels) {
  for (int i = 0; i < out; i++) {
    const int32_t *w = f->weight + (size_t)i * (size_t)f->width;
    const uint8_t *at = from + (size_t)f->taps[i].first * (size_t)channels;
    for (int c = 0; c < channels; c++) {
      int32_t sum = 1 << (PRECISION - 1);
      for (int k = 0; k < f->taps[i].count; k++) sum += at[k * channels + c] * w[k];
      to[i * channels + c] = clip8(sum);
    }
  }
}

static void resample_columns(const Filter *f, const uint8_t *from, uint8_t *to, int out, size_t row_bytes,
                             int32_t *sum) {
  for (int i = 0; i < out; i++) {
    const int32_t *w = f->weight + (size_t)i * (size_t)f->width;
    for (size_t x = 0; x < row_bytes; x++) sum[x] = 1 << (PRECISION - 1);
    for (int k = 0; k < f->taps[i].count; k++) {
      const uint8_t *row = from + (size_t)(f->taps[i].first + k) * row_bytes;
      for (size_t x = 0; x < row_bytes; x++) sum[x] += row[x] * w[k];
    }
    for (size_t x = 0; x < row_bytes; x++) to[(size_t)i * row_bytes + x] = clip8(sum[x]);
  }
}

static int picture_new(Picture *to, int width, int height, int channels, surgery_error *err) {
  size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
  *to = (Picture){.width = width, .height = height, .channels = channels, .pixels = calloc(bytes + 1, 1)};
  return to->pixels ? 0 : sg_fail_memory(err, "a picture", bytes);
}

int picture_crop(const Picture *from, Box box, Picture *to, surgery_error *err) {
  if (picture_new(to, box.width, box.height, from->channels, err)) return -1;
  int left = box.left < 0 ? 0 : box.left;
  int right = box.left + box.width < from->width ? box.left + box.width : from->width;
  for (int y = 0; y < box.height && left < right; y++) {
    int row = box.top + y;
    if (row < 0 || row >= from->height) continue;
    memcpy(to->pixels + ((size_t)y * (size_t)box.width + (size_t)(left - box.left)) * (size_t)from->channels,
           from->pixels + ((size_t)row * (size_t)from->width + (size_t)left) * (size_t)from->channels,
           (size_t)(right - left) * (size_t)from->channels);
  }
  return 0;
}

/* Columns of the box's rows into `middle`; a pass that would change nothing is a copy, as in PIL. */
static int horizontal(const Picture *from, Box box, int width, Picture *middle, surgery_error *err) {
  if (width == box.width) return picture_crop(from, box, middle, err);
  Filter f = {0};
  if (picture_new(middle, width, box.height, from->channels, err) || filter_make(&f, box.width, width)) {
    filter_free(&f);
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory to resize a picture");
  }
  size_t row = (size_t)from->width * (size_t)from->channels;
  for (int y = 0; y < box.height; y++)
    resample_row(&f, from->pixels + (size_t)(box.top + y) * row + (size_t)box.left * (size_t)from->channels,
                 middle->pixels + (size_t)y * (size_t)width * (size_t)from->channels, width, from->channels);
  filter_free(&f);
  return 0;
}

int picture_resize(const Picture *from, Box box, int width, int height, Picture *to, surgery_error *err) {
  Picture middle = {0};
  *to = (Picture){0};
  int failed = horizontal(from, box, width, &middle, err);
  if (!failed && height == box.height) {
    *to = middle;
    return 0;
  }
  Filter f = {0};
  size_t row = (size_t)width * (size_t)from->channels;
  int32_t *sum = malloc(sizeof *sum * (row + 1));
  if (!failed && (!sum || filter_make(&f, box.height, height)))
    failed = sg_fail(err, SURGERY_ENVIRONMENT, "no memory to resize a picture");
  if (!failed) failed = picture_new(to, width, height, from->channels, err);
  if (!failed) resample_columns(&f, middle.pixels, to->pixels, height, row, sum);
  filter_free(&f);
  free(sum);
  free(middle.pixels);
  return failed;
}
