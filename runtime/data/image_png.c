/* PNG by libpng: the values of PIL's Image.open, no gamma. The library's own exit is caught. Called by image_decode.c.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <png.h>
#include "runtime/data/image_decode.h"
#include "runtime/base/error.h"

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

static int png_orientation(png_structp png, png_infop info) {
  png_uint_32 size = 0;
  png_bytep block = NULL;
  if (!(png_get_valid(png, info, PNG_INFO_eXIf)) || !png_get_eXIf_1(png, info, &size, &block) || !block) return 1;
  return exif_orientation(block, size);
}

/* Eight bits, gray or RGB; palettes are looked up, alpha is dropped unless the input has a channel for it, as PIL's
 * convert() does. Of 16 bits the upper eight are taken; PIL does so with RGB, but cuts gray off at 255, which leaves
 * nothing of a picture. What comes after the pixels is not read, as in PIL. */
static int png_rows(png_structp png, png_infop info, PngState *s, const ImageUse *use, Image *p, surgery_error *err) {
  const char *path = use->path;
  png_read_info(png, info);
  png_set_expand(png);
  png_set_strip_16(png);
  if (!use->alpha) png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  uint32_t height = png_get_image_height(png, info);
  int channels = png_get_channels(png, info);
  if (image_reserve(p, png_get_image_width(png, info), height, channels, path, err)) return -1;
  if (!(s->rows = malloc(sizeof *s->rows * height))) return sg_fail_memory(err, path, sizeof *s->rows * height);
  for (uint32_t y = 0; y < height; y++) s->rows[y] = p->pixels + (size_t)y * (size_t)p->width * (size_t)channels;
  png_read_image(png, s->rows);
  p->alpha = channels == 2 || channels == 4;
  return 0;
}

int image_png(FILE *file, const ImageUse *use, Image *p, surgery_error *err) {
  const char *path = use->path;
  PngState s = {{0}, NULL};
  PngState *volatile state = &s;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, png_leave, png_ignore);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  volatile int result, orientation = 1;
  if (!info) {
    result = sg_fail_memory(err, path, sizeof(Image));
  } else if (setjmp(png_jmpbuf(png)) == 0) {
    png_init_io(png, file);
    result = png_rows(png, info, state, use, p, err);
    if (result == 0 && use->upright) orientation = png_orientation(png, info);
  } else {
    result = sg_fail(err, SURGERY_BAD_INPUT, "%s: a broken PNG: %s", path, state->message);
  }
  png_destroy_read_struct(&png, &info, NULL);
  free(state->rows);
  return result ? result : image_orient(p, orientation, path, err);
}
