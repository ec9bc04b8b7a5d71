/* What the decoders of pictures share. Private to image_*.c. */
#ifndef SURGERY_IMAGE_DECODE_H
#define SURGERY_IMAGE_DECODE_H
#include <stdio.h>
#include "runtime/data/dataset.h"

/* What becomes of the picture. */
typedef struct ImageUse {
  const char *path;
  const DatasetSpec *spec; /* NULL: not known, all pixels are wanted */
  bool augmented;
  bool alpha;   /* the input has 2 or 4 channels: alpha is kept where the file has it */
  bool upright; /* turned as EXIF says */
} ImageUse;

/* Each fills *p, whose pixels are the caller's also after an error. The file is at its begin. */
int image_jpeg(FILE *file, const ImageUse *use, Image *p, surgery_error *err);
int image_png(FILE *file, const ImageUse *use, Image *p, surgery_error *err);
int image_webp(FILE *file, const ImageUse *use, Image *p, surgery_error *err);
int image_gif(FILE *file, const ImageUse *use, Image *p, surgery_error *err);
int image_bmp(FILE *file, const ImageUse *use, Image *p, surgery_error *err);
int image_tiff(FILE *file, const ImageUse *use, Image *p, surgery_error *err);

/* ---- image_decode.c ---- */
/* -1: no pixels, or more than PIL's limit against decompression bombs. */
int image_check_size(uint64_t width, uint64_t height, const char *path, surgery_error *err);
/* A new picture, all black. */
int image_reserve(Image *p, uint64_t width, uint64_t height, int channels, const char *path, surgery_error *err);
/* Every pixel becomes this one. A small file may announce many: no loop over them. */
void image_fill(Image *p, const uint8_t *pixel);
int image_read_file(FILE *file, const char *path, uint8_t **bytes, size_t *size, surgery_error *err);

/* ---- image_orient.c ---- */
/* EXIF's orientation, 1 to 8, of the TIFF structure that an Exif block is, with or without "Exif\0\0" before it; 1
 * where there is none. */
int exif_orientation(const uint8_t *bytes, size_t size);
/* Turns and mirrors the picture so that it is upright. */
int image_orient(Image *p, int orientation, const char *path, surgery_error *err);

/* ---- image_library.c ---- */
/* A decoder's library, loaded when the first file of its format arrives: programs start as fast as without, and run
 * where it is not installed. */
typedef struct ImageLibrary {
  const char *format, *file, *package; /* "TIFF", "libtiff.so.6", "libtiff6" */
  const char *const *names;            /* of the functions, ended by NULL */
  void *functions;                     /* a struct of as many pointers */
  bool loaded;
} ImageLibrary;
int image_library(ImageLibrary *library, const char *path, surgery_error *err);
#endif
