/* EXIF's orientation: found in its block, and applied to pixels. Called by the decoders. */
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_decode.h"
#include "runtime/base/error.h"

static uint32_t number(const uint8_t *at, int bytes, bool big) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint32_t)at[i] << 8 * (big ? bytes - 1 - i : i);
  return value;
}

int exif_orientation(const uint8_t *bytes, size_t size) {
  if (size >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) bytes += 6, size -= 6;
  if (size < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0)) return 1;
  bool big = bytes[0] == 'M';
  size_t at = number(bytes + 4, 4, big);
  if (at > size - 2) return 1;
  size_t entries = number(bytes + at, 2, big);
  for (at += 2; entries > 0 && at + 12 <= size; entries--, at += 12) {
    if (number(bytes + at, 2, big) != 0x0112) continue;
    if (number(bytes + at + 2, 2, big) != 3 || number(bytes + at + 4, 4, big) != 1) return 1;
    uint32_t value = number(bytes + at + 8, 2, big);
    return value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}

int image_orient(Image *p, int orientation, const char *path, surgery_error *err) {
  if (orientation <= 1 || orientation > 8) return 0;
  int width = p->width, height = p->height, channels = p->channels;
  bool turned = orientation >= 5; /* rows become columns */
  /* where the first pixel of what comes out lies, seen from the first one of what is there */
  bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
  uint8_t *out = malloc(bytes + 1), *to = out;
  if (!out) return sg_fail_memory(err, path, bytes);
  int out_width = turned ? height : width, out_height = turned ? width : height;
  for (int y = 0; y < out_height; y++)
    for (int x = 0; x < out_width; x++, to += channels) {
      int column = turned ? y : x, row = turned ? x : y;
      if (from_right) column = width - 1 - column;
      if (from_below) row = height - 1 - row;
      memcpy(to, p->pixels + ((size_t)row * (size_t)width + (size_t)column) * (size_t)channels, (size_t)channels);
    }
  free(p->pixels);
  p->pixels = out, p->width = out_width, p->height = out_height;
  return 0;
}
