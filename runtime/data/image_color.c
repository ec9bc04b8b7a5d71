/* Changes of colour and rotation of 8-bit pictures with the arithmetic of PIL (ImageEnhance.py, Blend.c, Convert.c,
 * Geometry.c), which torchvision's ColorJitter and RandomRotation use on pictures. Called by image_input.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_resize.h"
#include "runtime/base/error.h"

static size_t pixels_of(const Image *p) { return (size_t)p->width * (size_t)p->height; }

/* Between `from` (0) and the picture's own value (1), or beyond; truncated as in Blend.c. */
static uint8_t blend(int from, int own, float factor) {
  float value = (float)from + factor * (float)(own - from);
  return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
}

/* A second or fourth channel is no colour. */
static void blend_all(Image *p, int from, double factor) {
  size_t size = (size_t)p->channels, colors = size % 2 ? size : size - 1;
  for (size_t i = 0; i < pixels_of(p); i++)
    for (size_t c = 0; c < colors; c++) p->pixels[i * size + c] = blend(from, p->pixels[i * size + c], (float)factor);
}

static void brightness(Image *p, double factor) { blend_all(p, 0, factor); }

static int gray_of(const Image *p, size_t i) {
  const uint8_t *at = p->pixels + i * (size_t)p->channels;
  return p->channels >= 3 ? image_luma(at) : at[0];
}

static void contrast(Image *p, double factor) {
  uint64_t sum = 0;
  for (size_t i = 0; i < pixels_of(p); i++) sum += (uint64_t)gray_of(p, i);
  int mean = (int)((double)sum / (double)pixels_of(p) + 0.5);
  blend_all(p, mean, factor);
}

static void saturation(Image *p, double factor) {
  if (p->channels < 3) return;
  for (size_t i = 0; i < pixels_of(p); i++) {
    int gray = gray_of(p, i);
    uint8_t *at = p->pixels + i * (size_t)p->channels;
    for (int c = 0; c < 3; c++) at[c] = blend(gray, at[c], (float)factor);
  }
}

static void to_hsv(const uint8_t *rgb, uint8_t *hsv) {
  int r = rgb[0], g = rgb[1], b = rgb[2];
  int most = r > g ? (r > b ? r : b) : (g > b ? g : b), least = r < g ? (r < b ? r : b) : (g < b ? g : b);
  hsv[0] = hsv[1] = 0, hsv[2] = (uint8_t)most;
  if (most == least) return;
  float range = (float)(most - least), s = range / (float)most, h;
  float rc = (float)(most - r) / range, gc = (float)(most - g) / range, bc = (float)(most - b) / range;
  h = r == most ? bc - gc : g == most ? (float)(2.0 + rc - bc) : (float)(4.0 + gc - rc);
  h = (float)fmod(h / 6.0 + 1.0, 1.0);
  hsv[0] = (uint8_t)(int)(h * 255.0), hsv[1] = (uint8_t)(int)(s * 255.0);
}

static uint8_t clip(int v) { return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v; }

static void from_hsv(const uint8_t *hsv, uint8_t *rgb) {
  uint8_t h = hsv[0], s = hsv[1], v = hsv[2];
  int i = (int)floor((float)h * 6.0 / 255.0);
  float f = (float)((float)h * 6.0 / 255.0 - i), fs = (float)((float)s / 255.0);
  uint8_t p = clip((int)round((float)v * (1.0 - fs))), q = clip((int)round((float)v * (1.0 - fs * f))),
          t = clip((int)round((float)v * (1.0 - fs * (1.0 - f))));
  const uint8_t turn[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
  const uint8_t gray[3] = {v, v, v};
  memcpy(rgb, s == 0 ? gray : turn[i % 6], 3);
}

static void hue(Image *p, double factor) {
  uint8_t shift = (uint8_t)(int)(factor * 255);
  if (p->channels < 3) return;
  for (size_t i = 0; i < pixels_of(p); i++) {
    uint8_t hsv[3], *at = p->pixels + i * (size_t)p->channels;
    to_hsv(at, hsv);
    hsv[0] = (uint8_t)(hsv[0] + shift);
    from_hsv(hsv, at);
  }
}

void image_adjust(Image *p, ColorChange change, double factor) {
  static void (*const how[])(Image *p, double factor) = {brightness, contrast, saturation, hue};
  how[change](p, factor);
}

/* ---- rotation ---- */

/* Python's round(value, 15), as far as cosines need it. */
static double rounded(double value) { return nearbyint(value * 1e15) / 1e15; }
static int64_t fixed(double value) { return (int64_t)floor(value * 65536 + 0.5); }

static void turn_around(Image *p) {
  size_t count = pixels_of(p), size = (size_t)p->channels;
  for (size_t i = 0; i < count / 2; i++)
    for (size_t c = 0; c < size; c++) {
      uint8_t *a = p->pixels + i * size + c, *b = p->pixels + (count - 1 - i) * size + c, t = *a;
      *a = *b, *b = t;
    }
}

int image_rotate(Image *p, double degrees, surgery_error *err) {
  double turn = fmod(degrees, 360);
  if (turn < 0) turn += 360;
  if (turn == 0) return 0;
  if (turn == 180) {
    turn_around(p);
    return 0;
  }
  size_t size = (size_t)p->channels, bytes = pixels_of(p) * size;
  uint8_t *out = calloc(bytes + 1, 1);
  if (!out) return sg_fail_memory(err, "a picture", bytes);
  double angle = -turn * M_PI / 180, c = rounded(cos(angle)), s = rounded(sin(angle));
  double cx = p->width / 2.0, cy = p->height / 2.0;
  double left = -cx * c - cy * s + cx, top = cx * s - cy * c + cy;
  int64_t row_x = fixed(left + c * 0.5 + s * 0.5), row_y = fixed(top - s * 0.5 + c * 0.5);
  for (int y = 0; y < p->height; y++, row_x += fixed(s), row_y += fixed(c)) {
    int64_t at_x = row_x, at_y = row_y;
    for (int x = 0; x < p->width; x++, at_x += fixed(c), at_y += fixed(-s)) {
      int64_t from_x = at_x >> 16, from_y = at_y >> 16;
      if (from_x < 0 || from_x >= p->width || from_y < 0 || from_y >= p->height) continue;
      memcpy(out + ((size_t)y * (size_t)p->width + (size_t)x) * size,
             p->pixels + ((size_t)from_y * (size_t)p->width + (size_t)from_x) * size, size);
    }
  }
  free(p->pixels);
  p->pixels = out;
  return 0;
}
