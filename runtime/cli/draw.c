/* See draw.h. The letters are drawn for this file; the colours are five of viridis (van der Walt, Smith, Firing 2015)
 * with straight lines between them. Knows nothing of networks. Called by inspect_maps.c. */
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/draw.h"
#include "runtime/base/error.h"
#include "runtime/base/io.h"

#define MAX_SIDE 16384

int canvas_new(Canvas *c, int width, int height, Colour background, surgery_error *err) {
  *c = (Canvas){.width = width, .height = height};
  if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE)
    return sg_fail(err, SURGERY_BAD_INPUT, "a picture of %d x %d pixels cannot be drawn", width, height);
  c->pixels = malloc((size_t)width * (size_t)height * 3);
  if (!c->pixels) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for a picture of %d x %d pixels", width, height);
  canvas_fill(c, 0, 0, width, height, background);
  return 0;
}

void canvas_free(Canvas *c) {
  free(c->pixels);
  c->pixels = NULL;
}

void canvas_fill(Canvas *c, int x, int y, int width, int height, Colour colour) {
  for (int row = y < 0 ? 0 : y; row < y + height && row < c->height; row++)
    for (int col = x < 0 ? 0 : x; col < x + width && col < c->width; col++)
      memcpy(c->pixels + 3 * ((size_t)row * (size_t)c->width + (size_t)col), (uint8_t[]){colour.r, colour.g, colour.b},
             3);
}

/* ---- text ---- */

/* Of each letter seven rows from the top, two hexadecimal digits a row, the five dots its lowest bits. */
static const uint64_t letters[95] = {
    0x00000000000000, 0x04040404040004, 0x0A0A0A00000000, 0x0A0A1F0A1F0A0A, 0x040F140E051E04, /*  !"#$ */
    0x18190204081303, 0x0C12140815120D, 0x04040800000000, 0x02040808080402, 0x08040202020408, /* %&'() */
    0x0004150E150400, 0x0004041F040400, 0x000000000C0408, 0x0000001F000000, 0x00000000000C0C, /* *+,-. */
    0x00010204081000, 0x0E11131519110E, 0x040C040404040E, 0x0E11010204081F, 0x1F02040201110E, /* /0123 */
    0x02060A121F0202, 0x1F101E0101110E, 0x0608101E11110E, 0x1F010204080808, 0x0E11110E11110E, /* 45678 */
    0x0E11110F01020C, 0x000C0C000C0C00, 0x000C0C000C0408, 0x02040810080402, 0x00001F001F0000, /* 9:;<= */
    0x08040201020408, 0x0E110102040004, 0x0E11010D15150E, 0x0E11111F111111, 0x1E11111E11111E, /* >?@AB */
    0x0E11101010110E, 0x1C12111111121C, 0x1F10101E10101F, 0x1F10101E101010, 0x0E11101711110F, /* CDEFG */
    0x1111111F111111, 0x0E04040404040E, 0x0702020202120C, 0x11121418141211, 0x1010101010101F, /* HIJKL */
    0x111B1515111111, 0x11111915131111, 0x0E11111111110E, 0x1E11111E101010, 0x0E11111115120D, /* MNOPQ */
    0x1E11111E141211, 0x0F10100E01011E, 0x1F040404040404, 0x1111111111110E, 0x11111111110A04, /* RSTUV */
    0x1111111515150A, 0x11110A040A1111, 0x11110A04040404, 0x1F01020408101F, 0x0E08080808080E, /* WXYZ[ */
    0x00100804020100, 0x0E02020202020E, 0x040A1100000000, 0x0000000000001F, 0x08040200000000, /* \]^_` */
    0x00000E010F110F, 0x1010161911111E, 0x00000E1010110E, 0x01010D1311110F, 0x00000E111F100E, /* abcde */
    0x0609081C080808, 0x000F11110F010E, 0x10101619111111, 0x04000C0404040E, 0x0200060202120C, /* fghij */
    0x10101214181412, 0x0C04040404040E, 0x00001A15151111, 0x00001619111111, 0x00000E1111110E, /* klmno */
    0x00001E111E1010, 0x00000D130F0101, 0x00001619101010, 0x00000E100E011E, 0x08081C08080906, /* pqrst */
    0x0000111111130D, 0x00001111110A04, 0x0000111115150A, 0x0000110A040A11, 0x000011110F010E, /* uvwxy */
    0x00001F0204081F, 0x02040408040402, 0x04040404040404, 0x08040402040408, 0x00000815020000, /* z{|}~ */
};
#define BOX 0x1F11111111111F

static uint64_t next_letter(const char **text) {
  unsigned char c = (unsigned char)*(*text)++;
  if (c >= 32 && c < 127) return letters[c - 32];
  while (((unsigned char)**text & 0xC0) == 0x80) ++*text; /* the rest of a character */
  return BOX;
}

void canvas_text(Canvas *c, int x, int y, int scale, Colour colour, const char *text) {
  for (; *text; x += 6 * scale) {
    uint64_t letter = next_letter(&text);
    for (int row = 0; row < TEXT_HEIGHT; row++)
      for (int col = 0; col < 5; col++)
        if (letter >> (8 * (TEXT_HEIGHT - 1 - row) + 4 - col) & 1)
          canvas_fill(c, x + col * scale, y + row * scale, scale, scale, colour);
  }
}

int text_width(const char *text, int scale) {
  int count = 0;
  while (*text) next_letter(&text), count++;
  return count ? (6 * count - 1) * scale : 0;
}

/* ---- values as colours ---- */

Colour map_colour(double value) {
  static const double anchors[5][3] = {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
  double at = value > 0 ? (value < 1 ? value * 4 : 4) : 0; /* NaN: 0 */
  int below = at < 3 ? (int)at : 3;
  double part = at - below, mixed[3];
  for (int i = 0; i < 3; i++) mixed[i] = anchors[below][i] + part * (anchors[below + 1][i] - anchors[below][i]);
  return (Colour){(uint8_t)(mixed[0] + 0.5), (uint8_t)(mixed[1] + 0.5), (uint8_t)(mixed[2] + 0.5)};
}

MapScale map_scale(int64_t h, int64_t w, int wanted) {
  int64_t longer = h > w ? h : w;
  if (longer <= wanted) return (MapScale){(int)(wanted / longer), 1};
  int64_t shrink = (longer + wanted - 1) / wanted;
  return (MapScale){1, shrink > 1 << 20 ? 1 << 20 : (int)shrink};
}

int map_pixels(int64_t side, MapScale s) {
  int64_t pixels = s.shrink > 1 ? (side + s.shrink - 1) / s.shrink : side * s.zoom;
  return pixels > MAX_SIDE ? MAX_SIDE : (int)pixels;
}

static double mean_at(const float *values, int64_t h, int64_t w, int64_t row, int64_t col, int shrink) {
  double sum = 0;
  int64_t count = 0;
  for (int64_t r = row * shrink; r < (row + 1) * shrink && r < h; r++)
    for (int64_t c = col * shrink; c < (col + 1) * shrink && c < w; c++) sum += values[r * w + c], count++;
  return count ? sum / (double)count : 0;
}

void canvas_map(Canvas *c, int x, int y, const float *values, int64_t h, int64_t w, MapScale s, double low,
                double high) {
  double range = high > low ? high - low : 1;
  int height = map_pixels(h, s), width = map_pixels(w, s);
  for (int row = 0; row < height; row += s.zoom)
    for (int col = 0; col < width; col += s.zoom) {
      double value = mean_at(values, h, w, row / s.zoom, col / s.zoom, s.shrink);
      canvas_fill(c, x + col, y + row, s.zoom, s.zoom, map_colour((value - low) / range));
    }
}

/* ---- PNG ---- */

typedef struct Bytes {
  uint8_t *at;
  size_t size, room;
} Bytes;

static void append(png_structp png, png_bytep data, png_size_t size) {
  Bytes *b = png_get_io_ptr(png);
  if (b->size + size > b->room) {
    size_t room = 2 * b->room + size + 4096;
    uint8_t *more = realloc(b->at, room);
    if (!more) png_error(png, "no memory");
    b->at = more, b->room = room;
  }
  memcpy(b->at + b->size, data, size);
  b->size += size;
}

static void flush(png_structp png) { (void)png; }

static void leave(png_structp png, png_const_charp message) {
  (void)message;
  png_longjmp(png, 1);
}

static bool encode(const Canvas *c, Bytes *bytes) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, leave, NULL);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_set_write_fn(png, bytes, append, flush);
  png_set_IHDR(png, info, (png_uint_32)c->width, (png_uint_32)c->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int row = 0; row < c->height; row++) png_write_row(png, c->pixels + (size_t)row * (size_t)c->width * 3);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  return true;
}

int canvas_write(const Canvas *c, const char *path, surgery_error *err) {
  Bytes bytes = {0};
  int status = encode(c, &bytes) ? sg_write_file(path, bytes.at, bytes.size, err)
                                 : sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for the picture", path);
  free(bytes.at);
  return status;
}
