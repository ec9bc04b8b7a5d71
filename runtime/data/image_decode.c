/* From a file to pixels: the decoder is chosen by the first bytes. The values are those of PIL's Image.open; EXIF's
 * orientation is applied where the input's steps say so. Broken and hostile files end in an error. Called by folder.c
 * only. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_decode.h"
#include "runtime/base/error.h"

/* PIL's limit against decompression bombs. */
#define MAX_PIXELS 178956970ull
#define MAX_FILE ((size_t)1 << 30) /* of those that are read into memory */

int image_check_size(uint64_t width, uint64_t height, const char *path, surgery_error *err) {
  if (width == 0 || height == 0) return sg_fail(err, SURGERY_BAD_INPUT, "%s: a picture without pixels", path);
  if (width > MAX_PIXELS / height)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: %llu x %llu pixels are more than the limit of %llu", path,
                   (unsigned long long)width, (unsigned long long)height, MAX_PIXELS);
  return 0;
}

int image_reserve(Image *p, uint64_t width, uint64_t height, int channels, const char *path, surgery_error *err) {
  if (image_check_size(width, height, path, err)) return -1;
  size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
  *p = (Image){.width = (int)width, .height = (int)height, .channels = channels, .pixels = calloc(bytes, 1)};
  return p->pixels ? 0 : sg_fail_memory(err, path, bytes);
}

void image_fill(Image *p, const uint8_t *pixel) {
  size_t bytes = (size_t)p->width * (size_t)p->height * (size_t)p->channels, done = (size_t)p->channels;
  memcpy(p->pixels, pixel, done);
  for (size_t more; done < bytes; done += more) {
    more = done < bytes - done ? done : bytes - done;
    memcpy(p->pixels + done, p->pixels, more);
  }
}

int image_read_file(FILE *file, const char *path, uint8_t **bytes, size_t *size, surgery_error *err) {
  size_t room = 1 << 16, got = 0;
  *bytes = NULL;
  for (;;) {
    uint8_t *more = realloc(*bytes, room);
    if (!more) {
      free(*bytes);
      return sg_fail_memory(err, path, room);
    }
    *bytes = more;
    got += fread(more + got, 1, room - got, file);
    if (got < room) break;
    if (room >= MAX_FILE) {
      free(*bytes);
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: a picture of more than %zu bytes", path, MAX_FILE);
    }
    room *= 2;
  }
  *size = got;
  if (!ferror(file)) return 0;
  free(*bytes);
  return sg_fail_system(err, errno, "%s", path);
}

typedef struct Format {
  const char *begin, *then; /* what a file begins with; what follows `gap` bytes later, or NULL */
  size_t length, gap;
  int (*decode)(FILE *file, const ImageUse *use, Image *p, surgery_error *err);
} Format;

static const Format formats[] = {
    {"\xff\xd8\xff", NULL, 3, 0, image_jpeg}, {"\x89PNG\r\n\x1a\n", NULL, 8, 0, image_png},
    {"RIFF", "WEBP", 4, 4, image_webp},       {"GIF87a", NULL, 6, 0, image_gif},
    {"GIF89a", NULL, 6, 0, image_gif},        {"BM", NULL, 2, 0, image_bmp},
    {"II*\0", NULL, 4, 0, image_tiff},        {"MM\0*", NULL, 4, 0, image_tiff},
    {"II+\0", NULL, 4, 0, image_tiff},        {"MM\0+", NULL, 4, 0, image_tiff},
};

static const Format *find_format(const uint8_t *head, size_t size) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    const Format *f = &formats[i];
    size_t at = f->length + f->gap, rest = f->then ? strlen(f->then) : 0;
    if (size >= at + rest && memcmp(head, f->begin, f->length) == 0 &&
        (!f->then || memcmp(head + at, f->then, rest) == 0))
      return f;
  }
  return NULL;
}

bool image_begins(const uint8_t *head, size_t size) { return find_format(head, size) != NULL; }

static int decode(const ImageUse *use, Image *picture, surgery_error *err) {
  const char *path = use->path;
  *picture = (Image){0};
  FILE *file = fopen(path, "rbe");
  if (!file) return sg_fail_system(err, errno, "%s", path);
  uint8_t head[16] = {0};
  size_t got = fread(head, 1, sizeof head, file);
  const Format *format = find_format(head, got);
  int result;
  if (ferror(file)) result = sg_fail_system(err, errno, "%s", path);
  else if (got == 0) result = sg_fail(err, SURGERY_BAD_INPUT, "%s: an empty file", path);
  else if (!format)
    result = sg_fail(err, SURGERY_BAD_INPUT, "%s: no picture: neither JPEG, PNG, WebP, GIF, BMP nor TIFF", path);
  else {
    rewind(file);
    result = format->decode(file, use, picture, err);
  }
  fclose(file);
  if (result) {
    free(picture->pixels);
    *picture = (Image){0};
  }
  return result;
}

int image_decode(const char *path, Image *picture, surgery_error *err) {
  return decode(&(ImageUse){.path = path}, picture, err);
}

int image_decode_for(const DatasetSpec *spec, bool augmented, const char *path, Image *picture, surgery_error *err) {
  const ManifestInput *input = spec->input;
  ImageUse use = {.path = path, .spec = spec, .augmented = augmented};
  use.alpha = input->shape.rank == 3 && input->shape.dim[0] % 2 == 0;
  for (size_t i = 0; i < input->step_count; i++) use.upright |= input->steps[i].op == PREPROCESS_EXIF_TRANSPOSE;
  return decode(&use, picture, err);
}
