/* BMP, by a reader of our own: Debian has no library that reads only this format. Headers from OS/2's 12 bytes to
 * version 5, 1 to 32 bits a pixel, run lengths (RLE4, RLE8), masks. What comes out are RGB or RGBA bytes, as PIL has
 * them. */
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_decode.h"
#include "runtime/base/error.h"

typedef struct Mask {
  uint32_t bits;
  int shift;
  uint32_t most; /* the largest value; 0: there is none */
} Mask;

typedef struct Bmp {
  const char *path;
  const uint8_t *file;
  size_t size;
  size_t header, offset; /* bytes of the second header; of the pixels in the file */
  int64_t width, height;
  bool top_down;
  int bits;
  uint32_t compression;
  uint8_t color[256][3];
  Mask mask[4]; /* red, green, blue, alpha */
} Bmp;

enum { PLAIN, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS = 6 };

static uint32_t number(const Bmp *b, size_t at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint32_t)b->file[at + (size_t)i] << 8 * i;
  return value;
}

static int broken(const Bmp *b, const char *what, surgery_error *err) {
  return sg_fail(err, SURGERY_BAD_INPUT, "%s: a broken BMP: %s", b->path, what);
}

static void set_mask(Mask *m, uint32_t bits) {
  *m = (Mask){.bits = bits};
  if (!bits) return;
  m->shift = __builtin_ctz(bits);
  m->most = bits >> m->shift;
}

static int read_masks(Bmp *b, surgery_error *err) {
  static const uint32_t five[] = {0x7c00, 0x3e0, 0x1f, 0}, eight[] = {0xff0000, 0xff00, 0xff, 0};
  bool masked = b->compression == BITFIELDS || b->compression == ALPHA_BITFIELDS;
  int given = b->header >= 56 || b->compression == ALPHA_BITFIELDS ? 4 : 3;
  if (masked && 14 + 40 + 4 * (size_t)given > b->size) return broken(b, "it ends in its masks", err);
  for (int i = 0; i < 4; i++)
    set_mask(&b->mask[i], masked          ? (i < given ? number(b, 14 + 40 + 4 * (size_t)i, 4) : 0)
                          : b->bits == 16 ? five[i]
                                          : eight[i]);
  return 0;
}

static int read_palette(Bmp *b, uint32_t used, surgery_error *err) {
  size_t most = (size_t)1 << b->bits, count = used && used < most ? used : most, each = b->header == 12 ? 3 : 4;
  size_t at = 14 + b->header, room = b->size > at ? (b->size - at) / each : 0;
  if (b->offset > at && (b->offset - at) / each < count) count = (b->offset - at) / each;
  if (count > room) return broken(b, "it ends in its colours", err);
  if (b->offset == at) b->offset += each * count; /* some writers forget the colours */
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < 3; c++) b->color[i][c] = b->file[at + each * i + 2 - c];
  return 0;
}

static int read_header(Bmp *b, surgery_error *err) {
  if (b->size < 14 + 12) return broken(b, "it ends in its header", err);
  b->offset = number(b, 10, 4), b->header = number(b, 14, 4);
  bool small = b->header == 12;
  if (!small && b->header != 16 && (b->header < 40 || b->header > 124))
    return broken(b, "its header is of an unknown size", err);
  if (14 + b->header > b->size) return broken(b, "it ends in its header", err);
  int bytes = small ? 2 : 4;
  b->width = number(b, 18, bytes), b->height = number(b, 18 + (size_t)bytes, bytes);
  if (!small && b->height > INT32_MAX) b->height = ((int64_t)1 << 32) - b->height, b->top_down = true;
  b->bits = (int)number(b, small ? 24 : 28, 2);
  b->compression = b->header >= 40 ? number(b, 30, 4) : PLAIN;
  if (image_check_size((uint64_t)b->width, (uint64_t)b->height, b->path, err)) return -1;
  bool indexed = b->bits == 1 || b->bits == 4 || b->bits == 8;
  if (!indexed && b->bits != 16 && b->bits != 24 && b->bits != 32)
    return broken(b, "its pixels are of an unknown size", err);
  bool runs = (b->compression == RLE8 && b->bits == 8) || (b->compression == RLE4 && b->bits == 4);
  bool masked = (b->compression == BITFIELDS || b->compression == ALPHA_BITFIELDS) && (b->bits == 16 || b->bits == 32);
  if (b->compression != PLAIN && !runs && !masked) return broken(b, "it is compressed in an unknown way", err);
  if (indexed ? read_palette(b, b->header >= 40 ? number(b, 46, 4) : 0, err) : read_masks(b, err)) return -1;
  return b->offset <= b->size ? 0 : broken(b, "its pixels lie behind its end", err);
}

static uint8_t *row_of(const Bmp *b, const Image *p, int64_t row) {
  return p->pixels + (size_t)(b->top_down ? row : b->height - 1 - row) * (size_t)p->width * (size_t)p->channels;
}

static void put_index(const Bmp *b, const Image *p, int64_t row, int64_t x, int index) {
  memcpy(row_of(b, p, row) + (size_t)x * (size_t)p->channels, b->color[index], 3);
}

static uint8_t masked(const Mask *m, uint32_t pixel, uint8_t none) {
  return m->most ? (uint8_t)((uint64_t)((pixel & m->bits) >> m->shift) * 255 / m->most) : none;
}

static int read_plain(const Bmp *b, Image *p, surgery_error *err) {
  size_t stride = ((size_t)b->width * (size_t)b->bits + 31) / 32 * 4;
  size_t least = ((size_t)b->width * (size_t)b->bits + 7) / 8; /* the last row may lack its padding */
  if (stride * (size_t)(b->height - 1) + least > b->size - b->offset) return broken(b, "it ends in its pixels", err);
  for (int64_t y = 0; y < b->height; y++) {
    size_t at = b->offset + (size_t)y * stride;
    uint8_t *to = row_of(b, p, y);
    for (int64_t x = 0; x < b->width; x++, to += p->channels) {
      if (b->bits <= 8) {
        int each = 8 / b->bits, place = (int)(each - 1 - x % each) * b->bits;
        memcpy(to, b->color[b->file[at + (size_t)(x / each)] >> place & ((1 << b->bits) - 1)], 3);
        continue;
      }
      uint32_t pixel = number(b, at + (size_t)x * (size_t)(b->bits / 8), b->bits / 8);
      for (int c = 0; c < p->channels; c++) to[c] = masked(&b->mask[c], pixel, c == 3 ? 255 : 0);
    }
  }
  return 0;
}

/* Bytes in pairs: a run; or 0 and: the end of the row, the end of all, a step to another place, so many indices as they
 * are. */
static int read_runs(const Bmp *b, Image *p, surgery_error *err) {
  int64_t x = 0, y = 0;
  size_t at = b->offset;
  int half = b->bits == 4;
  image_fill(p, b->color[0]);
  while (y < b->height) {
    if (b->size - at < 2) return broken(b, "it ends in its pixels", err);
    int count = b->file[at], value = b->file[at + 1];
    at += 2;
    if (count > 0) { /* what does not fit into the row is left out */
      for (int i = 0; i < count && x < b->width; i++, x++)
        put_index(b, p, y, x, !half ? value : i % 2 ? value & 15 : value >> 4);
    } else if (value == 0) {
      x = 0, y++;
    } else if (value == 1) {
      return 0;
    } else if (value == 2) {
      if (b->size - at < 2) return broken(b, "it ends in its pixels", err);
      x += b->file[at], y += b->file[at + 1], at += 2;
    } else {
      size_t bytes = half ? ((size_t)value + 1) / 2 : (size_t)value;
      if (b->size - at < bytes) return broken(b, "it ends in its pixels", err);
      for (int i = 0; i < value && x < b->width; i++, x++) {
        int byte = b->file[at + (size_t)(half ? i / 2 : i)];
        put_index(b, p, y, x, !half ? byte : i % 2 ? byte & 15 : byte >> 4);
      }
      at += bytes + bytes % 2; /* an even number of them */
      if (at > b->size) return broken(b, "it ends in its pixels", err);
    }
  }
  return 0;
}

int image_bmp(FILE *file, const ImageUse *use, Image *p, surgery_error *err) {
  uint8_t *bytes;
  Bmp b = {.path = use->path};
  if (image_read_file(file, use->path, &bytes, &b.size, err)) return -1;
  b.file = bytes;
  int status = read_header(&b, err);
  bool alpha = use->alpha && b.bits > 8 && b.mask[3].most;
  if (status == 0) status = image_reserve(p, (uint64_t)b.width, (uint64_t)b.height, alpha ? 4 : 3, use->path, err);
  p->alpha = alpha;
  if (status == 0)
    status = b.compression == RLE8 || b.compression == RLE4 ? read_runs(&b, p, err) : read_plain(&b, p, err);
  free(bytes);
  return status;
}
