/* The first page of a TIFF by libtiff. Channels of 8 or 16 bits (of which the upper eight count) are read as they are,
 * so that alpha and a fourth channel stay; palettes, fewer bits, CMYK and YCbCr go through libtiff's own conversion.
 * The orientation is part of the format and is always applied, as in PIL. */
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>
#include "runtime/data/image_decode.h"
#include "runtime/base/error.h"

// clang-format off
#define FUNCTIONS(X) \
  X(TIFFOpenOptionsAlloc) X(TIFFOpenOptionsFree) X(TIFFOpenOptionsSetMaxSingleMemAlloc) \
  X(TIFFOpenOptionsSetErrorHandlerExtR) X(TIFFOpenOptionsSetWarningHandlerExtR) X(TIFFClientOpenExt) \
  X(TIFFClose) X(TIFFGetField) X(TIFFGetFieldDefaulted) X(TIFFIsTiled) X(TIFFScanlineSize64) \
  X(TIFFReadScanline) X(TIFFTileSize64) X(TIFFReadTile) X(TIFFReadRGBAImageOriented)
// clang-format on
static struct {
#define X(name) __typeof__(&name) name;
  FUNCTIONS(X)
#undef X
} tiff;
static const char *const names[] = {
#define X(name) #name,
    FUNCTIONS(X) NULL
#undef X
};
static ImageLibrary library = {
    .format = "TIFF", .file = "libtiff.so.6", .package = "libtiff6", .names = names, .functions = &tiff};

#define MAX_BUFFER ((tmsize_t)1 << 30) /* libtiff allocates no more than this at once, whatever a file says */

typedef struct Memory {
  uint8_t *bytes;
  size_t size, at;
  char message[200]; /* the first error */
} Memory;

static tmsize_t read_memory(thandle_t handle, void *to, tmsize_t size) {
  Memory *m = handle;
  size_t left = m->at < m->size ? m->size - m->at : 0, got = size < 0 ? 0 : (size_t)size < left ? (size_t)size : left;
  memcpy(to, m->bytes + (got ? m->at : 0), got);
  m->at += got;
  return (tmsize_t)got;
}
static tmsize_t write_nothing(thandle_t handle, void *from, tmsize_t size) { return 0; }
static toff_t seek_memory(thandle_t handle, toff_t offset, int from) {
  Memory *m = handle;
  m->at = (size_t)(from == SEEK_SET ? offset : from == SEEK_CUR ? m->at + offset : m->size + offset);
  return m->at;
}
static int close_nothing(thandle_t handle) { return 0; }
static toff_t size_memory(thandle_t handle) { return ((Memory *)handle)->size; }
static int map_memory(thandle_t handle, void **base, toff_t *size) {
  *base = ((Memory *)handle)->bytes, *size = ((Memory *)handle)->size;
  return 1;
}
static void unmap_nothing(thandle_t handle, void *base, toff_t size) {}

static int keep_message(TIFF *file, void *memory, const char *module, const char *format, va_list list) {
  Memory *m = memory;
  if (!m->message[0]) vsnprintf(m->message, sizeof m->message, format, list);
  return 1;
}
static int ignore(TIFF *file, void *memory, const char *module, const char *format, va_list list) { return 1; }

typedef struct Layout {
  uint32_t width, height;
  uint16_t bits, samples, photometric, planar, orientation, extra;
  int color;   /* channels of colour */
  bool direct; /* the samples are read as they are */
  bool alpha, premultiplied;
} Layout;

static void find_layout(TIFF *file, Layout *l) {
  uint16_t format = SAMPLEFORMAT_UINT, extras = 0, *kinds = NULL;
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_BITSPERSAMPLE, &l->bits);
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLESPERPIXEL, &l->samples);
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_PLANARCONFIG, &l->planar);
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_ORIENTATION, &l->orientation);
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLEFORMAT, &format);
  if (!tiff.TIFFGetField(file, TIFFTAG_PHOTOMETRIC, &l->photometric)) l->photometric = PHOTOMETRIC_MINISBLACK;
  if (!tiff.TIFFGetField(file, TIFFTAG_EXTRASAMPLES, &extras, &kinds)) extras = 0;
  bool gray = l->photometric == PHOTOMETRIC_MINISBLACK || (l->photometric == PHOTOMETRIC_MINISWHITE && l->samples <= 2);
  bool many = l->photometric == PHOTOMETRIC_RGB || (gray && l->samples >= 3); /* bands, as surveys have them */
  l->color = many ? 3 : 1;
  l->extra = l->samples > l->color ? (uint16_t)(l->samples - l->color) : 0;
  l->direct = (l->bits == 8 || l->bits == 16) && format == SAMPLEFORMAT_UINT && (gray || many) &&
              l->samples >= l->color && l->extra <= 1;
  bool told = extras >= 1 && kinds;
  l->premultiplied = told && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
  l->alpha = l->extra == 1 && (!told ? l->photometric == PHOTOMETRIC_RGB : kinds[0] != EXTRASAMPLE_UNSPECIFIED);
}

/* Samples from a row or a tile of `wide` × `high` pixels into the picture; `plane`: only this channel is in it, -1:
 * all. */
static void put(const Layout *l, const uint8_t *from, int64_t wide, int64_t high, int64_t left, int64_t top, int plane,
                Image *p) {
  int64_t bytes = l->bits / 8, samples = plane < 0 ? l->samples : 1;
  uint8_t flip = l->photometric == PHOTOMETRIC_MINISWHITE ? 255 : 0;
  for (int64_t y = 0; y < high && top + y < p->height; y++)
    for (int64_t x = 0; x < wide && left + x < p->width; x++) {
      const uint8_t *at = from + (y * wide + x) * samples * bytes;
      uint8_t *to = p->pixels + ((size_t)(top + y) * (size_t)p->width + (size_t)(left + x)) * (size_t)p->channels;
      for (int c = plane < 0 ? 0 : plane; c < (plane < 0 ? p->channels : plane + 1); c++) {
        uint8_t value = at[(plane < 0 ? c : 0) * bytes + bytes - 1]; /* little-endian: the upper byte comes last */
        to[c] = c < l->color ? value ^ flip : value;
      }
    }
}

static int read_rows(TIFF *file, const Layout *l, uint8_t *buffer, Image *p) {
  int planes = l->planar == PLANARCONFIG_SEPARATE ? p->channels : 1;
  for (int plane = 0; plane < planes; plane++)
    for (uint32_t y = 0; y < l->height; y++) {
      if (tiff.TIFFReadScanline(file, buffer, y, (uint16_t)plane) < 0) return -1;
      put(l, buffer, l->width, 1, 0, y, planes > 1 ? plane : -1, p);
    }
  return 0;
}

static int read_tiles(TIFF *file, const Layout *l, uint32_t wide, uint32_t high, uint8_t *buffer, Image *p) {
  int planes = l->planar == PLANARCONFIG_SEPARATE ? p->channels : 1;
  for (int plane = 0; plane < planes; plane++)
    for (uint64_t y = 0; y < l->height; y += high)
      for (uint64_t x = 0; x < l->width; x += wide) {
        if (tiff.TIFFReadTile(file, buffer, (uint32_t)x, (uint32_t)y, 0, (uint16_t)plane) < 0) return -1;
        put(l, buffer, wide, high, (int64_t)x, (int64_t)y, planes > 1 ? plane : -1, p);
      }
  return 0;
}

/* As in PIL's conversion from "RGBa". */
static void divide_by_alpha(Image *p, int color, const Layout *l) {
  if (!l->premultiplied || p->channels == color) return;
  for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++) {
    uint8_t *at = p->pixels + i * (size_t)p->channels, alpha = at[color];
    for (int c = 0; c < color && alpha != 0 && alpha != 255; c++) {
      int v = 255 * at[c] / alpha;
      at[c] = (uint8_t)(v > 255 ? 255 : v);
    }
  }
}

static int broken(const ImageUse *use, const Memory *m, surgery_error *err) {
  return sg_fail(err, SURGERY_BAD_INPUT, "%s: a broken TIFF%s%s", use->path, m->message[0] ? ": " : "",
                 SG_Q(m->message));
}

static int read_direct(TIFF *file, const Layout *l, const Memory *m, const ImageUse *use, Image *p,
                       surgery_error *err) {
  int keep = l->extra && (use->alpha || l->premultiplied) ? 1 : 0;
  if (image_reserve(p, l->width, l->height, l->color + keep, use->path, err)) return -1;
  p->alpha = keep && l->alpha;
  uint32_t wide = l->width, high = 1;
  bool tiled = tiff.TIFFIsTiled(file);
  if (tiled &&
      (!tiff.TIFFGetField(file, TIFFTAG_TILEWIDTH, &wide) || !tiff.TIFFGetField(file, TIFFTAG_TILELENGTH, &high)))
    return broken(use, m, err);
  uint64_t size = tiled ? tiff.TIFFTileSize64(file) : tiff.TIFFScanlineSize64(file), wanted;
  uint64_t each = (uint64_t)(l->planar == PLANARCONFIG_SEPARATE ? 1 : l->samples) * (l->bits / 8);
  if (__builtin_mul_overflow((uint64_t)wide * high, each, &wanted) || size != wanted || size == 0 ||
      size > (uint64_t)MAX_BUFFER)
    return broken(use, m, err);
  uint8_t *buffer = malloc(size);
  if (!buffer) return sg_fail_memory(err, use->path, size);
  int status = tiled ? read_tiles(file, l, wide, high, buffer, p) : read_rows(file, l, buffer, p);
  free(buffer);
  if (status) return broken(use, m, err);
  divide_by_alpha(p, l->color, l);
  return 0;
}

static int read_converted(TIFF *file, const Layout *l, const Memory *m, const ImageUse *use, Image *p,
                          surgery_error *err) {
  size_t count = (size_t)l->width * l->height;
  if (image_reserve(p, l->width, l->height, 3, use->path, err)) return -1;
  uint32_t *all = malloc(count * sizeof *all);
  if (!all) return sg_fail_memory(err, use->path, count * sizeof *all);
  int status =
      tiff.TIFFReadRGBAImageOriented(file, l->width, l->height, all, l->orientation, 1) ? 0 : broken(use, m, err);
  for (size_t i = 0; i < count && status == 0; i++) {
    uint8_t *to = p->pixels + 3 * i;
    to[0] = (uint8_t)TIFFGetR(all[i]), to[1] = (uint8_t)TIFFGetG(all[i]), to[2] = (uint8_t)TIFFGetB(all[i]);
  }
  free(all);
  return status;
}

static int read_page(TIFF *file, const Memory *m, const ImageUse *use, Image *p, surgery_error *err) {
  Layout l = {.width = 0};
  if (!tiff.TIFFGetField(file, TIFFTAG_IMAGEWIDTH, &l.width) ||
      !tiff.TIFFGetField(file, TIFFTAG_IMAGELENGTH, &l.height))
    return broken(use, m, err);
  if (image_check_size(l.width, l.height, use->path, err)) return -1;
  find_layout(file, &l);
  int status = l.direct ? read_direct(file, &l, m, use, p, err) : read_converted(file, &l, m, use, p, err);
  return status ? status : image_orient(p, l.orientation, use->path, err);
}

int image_tiff(FILE *stream, const ImageUse *use, Image *p, surgery_error *err) {
  Memory m = {.at = 0};
  if (image_library(&library, use->path, err) || image_read_file(stream, use->path, &m.bytes, &m.size, err)) return -1;
  TIFFOpenOptions *options = tiff.TIFFOpenOptionsAlloc();
  TIFF *file = NULL;
  if (options) {
    tiff.TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_BUFFER);
    tiff.TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, &m);
    tiff.TIFFOpenOptionsSetWarningHandlerExtR(options, ignore, &m);
    file = tiff.TIFFClientOpenExt(use->path, "r", &m, read_memory, write_nothing, seek_memory, close_nothing,
                                  size_memory, map_memory, unmap_nothing, options);
  }
  int status = file ? read_page(file, &m, use, p, err) : broken(use, &m, err);
  if (file) tiff.TIFFClose(file);
  if (options) tiff.TIFFOpenOptionsFree(options);
  free(m.bytes);
  return status;
}
