/* From a file to pixels: JPEG by libjpeg-turbo, PNG by libpng, chosen by the first bytes. The values are
 * those of PIL's Image.open: the slow exact DCT, smooth upsampling, no EXIF rotation, no gamma; but a JPEG that will be
 * made much smaller is decoded smaller. Broken and hostile files end in an error; the libraries' own exits are caught.
 * Called by folder.c alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>
#include <png.h>
#include "runtime/data/image_resize.h"
#include "runtime/error.h"

/* PIL's limit against decompression bombs. */
#define MAX_PIXELS 178956970ull
/* Each scan of a progressive JPEG goes over the whole picture, however few bytes it has: a small file could
 * keep the machine busy for hours. Real ones have about ten. */
#define MAX_SCANS 500

/* What becomes of the picture. */
typedef struct Use {
  const char *path;
  const DatasetSpec *spec; /* NULL: not known, all pixels are wanted */
  bool augmented;
} Use;

static int check_size(uint64_t width, uint64_t height, const char *path, surgery_error *err) {
  if (width == 0 || height == 0) return sg_fail(err, SURGERY_BAD_INPUT, "%s: a picture without pixels", path);
  if (width > MAX_PIXELS / height)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: %llu x %llu pixels are more than the limit of %llu", path,
                   (unsigned long long)width, (unsigned long long)height, MAX_PIXELS);
  return 0;
}

static int reserve(Picture *p, uint64_t width, uint64_t height, int channels, const char *path,
                   surgery_error *err) {
  if (check_size(width, height, path, err)) return -1;
  size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
  *p = (Picture){.width = (int)width, .height = (int)height, .channels = channels, .pixels = malloc(bytes)};
  return p->pixels ? 0 : sg_fail_memory(err, path, bytes);
}

/* ---- JPEG ---- */

typedef struct JpegState {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
  JSAMPROW row; /* of four channels, when the file has them */
} JpegState;

static void jpeg_leave(j_common_ptr info) {
  JpegState *state = info->client_data;
  info->err->format_message(info, state->message);
  longjmp(state->leave, 1);
}

/* A warning about a file that ends too early is an error, as in PIL; the others are tolerated, as there. */
static void jpeg_warn(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) jpeg_leave(info);
}

static void jpeg_watch(j_common_ptr info) {
  JpegState *state = info->client_data;
  if (state->info.input_scan_number <= MAX_SCANS) return;
  snprintf(state->message, sizeof state->message, "more than %d scans", MAX_SCANS);
  longjmp(state->leave, 1);
}

/* Adobe's CMYK is stored inverted; PIL's conversion to RGB. */
static void cmyk_to_rgb(const uint8_t *from, uint8_t *to, int width) {
  for (int x = 0; x < width; x++) {
    int k = from[4 * x + 3];
    for (int c = 0; c < 3; c++) {
      int t = (255 - from[4 * x + c]) * k + 128;
      int v = k - (((t >> 8) + t) >> 8);
      to[3 * x + c] = (uint8_t)(v < 0 ? 0 : v);
    }
  }
}

/* libjpeg leaves out the high frequencies of each block, which the resize would average away. */
static int jpeg_reduce(struct jpeg_decompress_struct *info, const Use *use) {
  int width = (int)info->image_width, height = (int)info->image_height;
  int reduced = use->spec ? picture_reduction(use->spec, use->augmented, width, height) : 1;
  info->scale_num = (unsigned)(8 / reduced), info->scale_denom = 8;
  jpeg_calc_output_dimensions(info);
  return reduced;
}

static int jpeg_rows(JpegState *s, Picture *p, const Use *use, surgery_error *err) {
  const char *path = use->path;
  jpeg_read_header(&s->info, TRUE);
  bool four = s->info.num_components == 4;
  int channels = s->info.num_components == 1 ? 1 : 3;
  s->info.out_color_space = four ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  if (check_size(s->info.image_width, s->info.image_height, path, err)) return -1;
  int reduced = jpeg_reduce(&s->info, use);
  if (reserve(p, s->info.output_width, s->info.output_height, channels, path, err)) return -1;
  if (reduced > 1)
    p->reduced = reduced, p->whole_width = (int)s->info.image_width, p->whole_height = (int)s->info.image_height;
  if (four && !(s->row = malloc((size_t)p->width * 4)))
    return sg_fail_memory(err, path, (size_t)p->width * 4);
  jpeg_start_decompress(&s->info);
  while (s->info.output_scanline < s->info.output_height) {
    uint8_t *to = p->pixels + (size_t)s->info.output_scanline * (size_t)p->width * (size_t)channels;
    JSAMPROW row = four ? s->row : to;
    jpeg_read_scanlines(&s->info, &row, 1);
    if (four) cmyk_to_rgb(row, to, p->width);
  }
  jpeg_finish_decompress(&s->info);
  return 0;
}

static int decode_jpeg(FILE *file, const Use *use, Picture *p, surgery_error *err) {
  const char *path = use->path;
  JpegState *s = calloc(1, sizeof *s);
  if (!s) return sg_fail_memory(err, path, sizeof *s);
  s->info.err = jpeg_std_error(&s->errors);
  s->errors.error_exit = jpeg_leave;
  s->errors.emit_message = jpeg_warn;
  s->info.client_data = s;
  int result;
  if (setjmp(s->leave) == 0) {
    jpeg_create_decompress(&s->info);
    s->progress.progress_monitor = jpeg_watch;
    s->info.progress = &s->progress;
    jpeg_stdio_src(&s->info, file);
    result = jpeg_rows(s, p, use, err);
  } else {
    result = sg_fail(err, SURGERY_BAD_INPUT, "%s: a broken JPEG: %s", path, s->message);
  }
  jpeg_destroy_decompress(&s->info);
  free(s->row);
  free(s);
  return result;
}

/* ---- PNG ---- */

typedef struct PngState {
  char message[200];
  png_bytep *rows;
} PngState;

static void png_leave(png_structp png, png_const_charp text) {
  PngState *state = png_get_error_ptr(png);
  snprintf(state->message, sizeof state->message, "%s", text);
  longjmp(png_jmpbuf(png), 1);
}

static void png_ignore(png_structp png, png_const_charp text) {}

/* Eight bits, gray or RGB; palettes are looked up, alpha is dropped, as PIL's convert() does. Of 16 bits the
 * upper eight are taken; PIL does so with RGB, but cuts gray off at 255, which leaves nothing of a picture.
 * What comes after the pixels is not read, as in PIL. */
static int png_rows(png_structp png, png_infop info, PngState *s, Picture *p, const char *path,
                    surgery_error *err) {
  png_read_info(png, info);
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  uint32_t height = png_get_image_height(png, info);
  int channels = png_get_channels(png, info);
  if (channels != 1 && channels != 3)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: a PNG of %d channels", path, channels);
  if (reserve(p, png_get_image_width(png, info), height, channels, path, err)) return -1;
  if (!(s->rows = malloc(sizeof *s->rows * height)))
    return sg_fail_memory(err, path, sizeof *s->rows * height);
  for (uint32_t y = 0; y < height; y++)
    s->rows[y] = p->pixels + (size_t)y * (size_t)p->width * (size_t)channels;
  png_read_image(png, s->rows);
  return 0;
}

static int decode_png(FILE *file, const char *path, Picture *p, surgery_error *err) {
  PngState s = {{0}, NULL};
  PngState *volatile state = &s;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, png_leave, png_ignore);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  int result;
  if (!info) {
    result = sg_fail_memory(err, path, sizeof(Picture));
  } else if (setjmp(png_jmpbuf(png)) == 0) {
    png_init_io(png, file);
    result = png_rows(png, info, state, p, path, err);
  } else {
    result = sg_fail(err, SURGERY_BAD_INPUT, "%s: a broken PNG: %s", path, state->message);
  }
  png_destroy_read_struct(&png, &info, NULL);
  free(state->rows);
  return result;
}

static int decode(const Use *use, Picture *picture, surgery_error *err) {
  const char *path = use->path;
  *picture = (Picture){0};
  FILE *file = fopen(path, "rbe");
  if (!file) return sg_fail_system(err, errno, "%s", path);
  uint8_t head[8] = {0};
  size_t got = fread(head, 1, sizeof head, file);
  int result;
  if (ferror(file))
    result = sg_fail_system(err, errno, "%s", path);
  else if (got == 0)
    result = sg_fail(err, SURGERY_BAD_INPUT, "%s: an empty file", path);
  else {
    rewind(file);
    if (memcmp(head, "\xff\xd8\xff", 3) == 0)
      result = decode_jpeg(file, use, picture, err);
    else if (memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0)
      result = decode_png(file, path, picture, err);
    else
      result = sg_fail(err, SURGERY_BAD_INPUT, "%s: neither a JPEG nor a PNG", path);
  }
  fclose(file);
  if (result) {
    free(picture->pixels);
    *picture = (Picture){0};
  }
  return result;
}

int picture_decode(const char *path, Picture *picture, surgery_error *err) {
  return decode(&(Use){.path = path}, picture, err);
}

int picture_decode_for(const DatasetSpec *spec, bool augmented, const char *path, Picture *picture, surgery_error *err) {
  return decode(&(Use){path, spec, augmented}, picture, err);
}
