/* Antialiased bilinear resizing, as PIL does it: a triangle filter as wide as the scale, coefficients in
 * fixed point with 22 bits, columns first, then rows, rounded to 8 bits in between. Same arithmetic, so that
 * the results are equal to the last bit, with vector instructions or without. Our own, since no C library
 * gives these bits. Called by image_input.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_resize.h"
#include "runtime/base/error.h"
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define PRECISION 22

/* One direction of a resize. */
typedef struct Line {
  int in;              /* pixels there are */
  double from, extent; /* of them [from, from + extent) */
  int out;             /* becomes so many, */
  int first, count;    /* of which these are made */
} Line;

typedef struct Taps { /* of one output position: `count` inputs from `first` on, at least one */
  int first, count;
} Taps;

typedef struct Filter {
  Taps *taps;      /* [line.count] */
  int32_t *weight; /* [line.count][width] */
  int width;
} Filter;

static void filter_free(Filter *f) {
  free(f->taps);
  free(f->weight);
}

static int filter_make(Filter *f, const Line *line) {
  double scale = line->extent / line->out, stretch = scale < 1 ? 1 : scale, support = stretch, shrink = 1 / stretch;
  f->width = (int)ceil(support) * 2 + 1;
  f->taps = malloc(sizeof *f->taps * (size_t)line->count + 1);
  f->weight = calloc((size_t)line->count * (size_t)f->width + 1, sizeof *f->weight);
  double *w = malloc(sizeof *w * (size_t)f->width);
  if (!f->taps || !f->weight || !w) {
    free(w);
    return -1;
  }
  for (int i = 0; i < line->count; i++) {
    double center = line->from + (line->first + i + 0.5) * scale, sum = 0;
    int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
    if (first < 0) first = 0;
    if (last > line->in) last = line->in;
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

/* ---- the two passes, for any CPU and for AVX2 ---- */

enum { HALF = 1 << (PRECISION - 1) };

typedef struct Pass {
  const Filter *filter;
  int count, channels; /* positions to make; of `from` */
  const uint8_t *from;
  uint8_t *to;
  size_t from_stride, to_stride; /* bytes from a row to the next */
  int rows;                      /* across: to go through; down: unused */
} Pass;

static inline uint8_t clip8(int32_t v) {
  v >>= PRECISION;
  return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void across_row(const Pass *p, const uint8_t *from, uint8_t *to) {
  const Filter *f = p->filter;
  for (int i = 0; i < p->count; i++) {
    const int32_t *w = f->weight + (size_t)i * (size_t)f->width;
    const uint8_t *at = from + (size_t)f->taps[i].first * (size_t)p->channels;
    for (int c = 0; c < p->channels; c++) {
      int32_t sum = HALF;
      for (int k = 0; k < f->taps[i].count; k++) sum += at[k * p->channels + c] * w[k];
      to[i * p->channels + c] = clip8(sum);
    }
  }
}

/* Bytes [x, to_stride) of output row y. */
static void down_row(const Pass *p, int y, size_t x) {
  const int32_t *w = p->filter->weight + (size_t)y * (size_t)p->filter->width;
  const uint8_t *from = p->from + (size_t)p->filter->taps[y].first * p->from_stride;
  for (; x < p->to_stride; x++) {
    int32_t sum = HALF;
    for (int k = 0; k < p->filter->taps[y].count; k++) sum += from[(size_t)k * p->from_stride + x] * w[k];
    p->to[(size_t)y * p->to_stride + x] = clip8(sum);
  }
}

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m128i four_ints(const uint8_t *at) {
  int32_t bytes;
  memcpy(&bytes, at, sizeof bytes);
  return _mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes));
}

/* Three channels of a pixel at once, with a byte of the next: not of the last one, after which there may be nothing.
 * Packing cuts off what is not in 0 … 255. */
AVX2 static void across_row_rgb(const Pass *p, const uint8_t *from, uint8_t *to) {
  const Filter *f = p->filter;
  for (int i = 0; i < p->count; i++) {
    const int32_t *w = f->weight + (size_t)i * (size_t)f->width;
    const uint8_t *at = from + 3 * (size_t)f->taps[i].first;
    __m128i sum = _mm_set1_epi32(HALF);
    int last = f->taps[i].count - 1, k = 0;
    for (; k < last; k++) sum = _mm_add_epi32(sum, _mm_mullo_epi32(four_ints(at + 3 * k), _mm_set1_epi32(w[k])));
    const uint8_t pixel[4] = {at[3 * k], at[3 * k + 1], at[3 * k + 2], 0};
    sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_mullo_epi32(four_ints(pixel), _mm_set1_epi32(w[k]))), PRECISION);
    sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
    uint32_t rgb = (uint32_t)_mm_cvtsi128_si32(sum);
    memcpy(to + 3 * i, &rgb, 3);
  }
}

AVX2 static void down_row_avx2(const Pass *p, int y) {
  const int32_t *w = p->filter->weight + (size_t)y * (size_t)p->filter->width;
  const uint8_t *from = p->from + (size_t)p->filter->taps[y].first * p->from_stride;
  size_t x = 0;
  for (; x + 16 <= p->to_stride; x += 16) {
    __m256i low = _mm256_set1_epi32(HALF), high = low;
    for (int k = 0; k < p->filter->taps[y].count; k++) {
      __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(from + (size_t)k * p->from_stride + x));
      __m256i weight = _mm256_set1_epi32(w[k]);
      low = _mm256_add_epi32(low, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), weight));
      high = _mm256_add_epi32(high, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)), weight));
    }
    __m256i words = _mm256_packs_epi32(_mm256_srai_epi32(low, PRECISION), _mm256_srai_epi32(high, PRECISION));
    words = _mm256_permute4x64_epi64(words, 0xd8); /* packing goes by halves */
    __m128i out = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)(void *)(p->to + (size_t)y * p->to_stride + x), out);
  }
  down_row(p, y, x);
}
#else
#define across_row_rgb across_row
#define down_row_avx2(p, y) down_row(p, y, 0)
#endif

bool image_resize_plainly; /* for the tests: both ways give the same */

static bool has_avx2(void) {
#ifdef __x86_64__
  return !image_resize_plainly && __builtin_cpu_supports("avx2");
#else
  return false;
#endif
}

static void run_across(const Pass *p) {
  bool wide = has_avx2() && p->channels == 3;
  for (int y = 0; y < p->rows; y++) {
    const uint8_t *from = p->from + (size_t)y * p->from_stride;
    uint8_t *to = p->to + (size_t)y * p->to_stride;
    if (wide) across_row_rgb(p, from, to);
    else across_row(p, from, to);
  }
}

static void run_down(const Pass *p) {
  bool wide = has_avx2();
  for (int y = 0; y < p->count; y++)
    if (wide) down_row_avx2(p, y);
    else down_row(p, y, 0);
}

/* ---- pictures ---- */

static int image_new(Image *to, int width, int height, int channels, surgery_error *err) {
  size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
  *to = (Image){.width = width, .height = height, .channels = channels, .pixels = malloc(bytes + 1)};
  return to->pixels ? 0 : sg_fail_memory(err, "a picture", bytes);
}

int image_crop(const Image *from, Box box, Image *to, surgery_error *err) {
  if (image_new(to, box.width, box.height, from->channels, err)) return -1;
  size_t size = (size_t)from->channels, row_bytes = (size_t)box.width * size;
  int left = box.left < 0 ? 0 : box.left;
  int right = box.left + box.width < from->width ? box.left + box.width : from->width;
  if (box.left < 0 || box.top < 0 || right < box.left + box.width || box.top + box.height > from->height)
    memset(to->pixels, 0, row_bytes * (size_t)box.height);
  for (int y = 0; y < box.height && left < right; y++) {
    int row = box.top + y;
    if (row < 0 || row >= from->height) continue;
    memcpy(to->pixels + (size_t)y * row_bytes + (size_t)(left - box.left) * size,
           from->pixels + ((size_t)row * (size_t)from->width + (size_t)left) * size, (size_t)(right - left) * size);
  }
  return 0;
}

/* The whole pixels that an area touches. */
static Box touched(const Image *p, Area a) {
  int left = (int)floor(a.left), top = (int)floor(a.top), right = (int)ceil(a.left + a.width),
      bottom = (int)ceil(a.top + a.height);
  if (right > p->width) right = p->width;
  if (bottom > p->height) bottom = p->height;
  return (Box){left, top, right - left, bottom - top};
}

/* A pass that would change nothing is none, as in PIL. */
static bool changes(const Line *l) { return l->in != l->out || l->from != 0 || l->extent != l->out; }

/* Rows [first, first + rows) of `from` into `middle`. */
static int resize_across(const Image *from, const Line *line, int left, int first, int rows, Image *middle,
                         surgery_error *err) {
  Filter f = {0};
  size_t stride = (size_t)from->width * (size_t)from->channels;
  if (image_new(middle, line->count, rows, from->channels, err)) return -1;
  if (filter_make(&f, line)) {
    filter_free(&f);
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory to resize a picture");
  }
  run_across(&(Pass){.filter = &f,
                     .count = line->count,
                     .channels = from->channels,
                     .from = from->pixels + (size_t)first * stride + (size_t)left * (size_t)from->channels,
                     .to = middle->pixels,
                     .from_stride = stride,
                     .to_stride = (size_t)line->count * (size_t)from->channels,
                     .rows = rows});
  filter_free(&f);
  return 0;
}

int image_resize(const Image *from, Area area, int width, int height, Box part, Image *to, surgery_error *err) {
  Box in = touched(from, area);
  Line across = {in.width, area.left - in.left, area.width, width, part.left, part.width};
  Line down = {in.height, area.top - in.top, area.height, height, part.top, part.height};
  Filter f = {0};
  Image middle = {0};
  *to = (Image){0};
  int first = part.top, rows = part.height; /* of the touched ones, that are needed */
  int failed =
      changes(&down) && filter_make(&f, &down) ? sg_fail(err, SURGERY_ENVIRONMENT, "no memory to resize a picture") : 0;
  if (!failed && changes(&down))
    first = f.taps[0].first, rows = f.taps[part.height - 1].first + f.taps[part.height - 1].count - first;
  if (!failed)
    failed = changes(&across)
                 ? resize_across(from, &across, in.left, in.top + first, rows, &middle, err)
                 : image_crop(from, (Box){in.left + part.left, in.top + first, part.width, rows}, &middle, err);
  if (!failed && !changes(&down)) *to = middle;
  if (!failed && changes(&down)) {
    size_t stride = (size_t)part.width * (size_t)from->channels;
    for (int i = 0; i < part.height; i++) f.taps[i].first -= first;
    failed = image_new(to, part.width, part.height, from->channels, err);
    if (!failed)
      run_down(&(Pass){.filter = &f,
                       .count = part.height,
                       .channels = from->channels,
                       .from = middle.pixels,
                       .to = to->pixels,
                       .from_stride = stride,
                       .to_stride = stride});
  }
  if (to->pixels != middle.pixels) free(middle.pixels);
  filter_free(&f);
  return failed;
}
