/* Resampling of 8-bit pictures with the arithmetic of PIL (Pillow's Resample.c), which torchvision uses. */
#ifndef SURGERY_IMAGE_RESIZE_H
#define SURGERY_IMAGE_RESIZE_H
#include "runtime/data/dataset.h"

/* image_resize.c */

typedef struct Box {
  int left, top, width, height;
} Box;
typedef struct Area { /* in pixels, whole ones or not */
  double left, top, width, height;
} Area;
/* The part `area` of `from`, resized to width × height with the antialiased bilinear filter; nothing outside the pixels
 * that the area touches is looked at. Of the result `part` alone is made, which lies inside of it. A new picture in *to
 * (free its pixels). -1: no memory. */
int image_resize(const Image *from, Area area, int width, int height, Box part, Image *to, surgery_error *err);
extern bool image_resize_plainly; /* use no vector instructions: for the tests only */
/* A cut-out; what lies outside the picture is black, as torchvision pads. */
int image_crop(const Image *from, Box box, Image *to, surgery_error *err);

/* image_input.c: how many times smaller (1, 2, 4, 8) a JPEG of width × height pixels may be decoded without harm to
 * what image_to_input makes of it, with a seed (augmented) or without. */
int image_reduction(const DatasetSpec *spec, bool augmented, int width, int height);
/* What random_resized_crop cuts out of width × height pixels; torchvision's RandomResizedCrop.get_params. The box is
 * within the picture and has at least one pixel. */
Box image_random_box(Random *random, const Args_random_resized_crop *crop, int width, int height);
/* What erasing erases of a picture; torchvision's RandomErasing.get_params. Width 0: nothing. */
Box image_erased_box(Random *random, const Args_erasing *erasing, int width, int height);
uint8_t image_luma(const uint8_t *rgb); /* PIL's "L" */

/* image_color.c: torchvision.transforms.functional.adjust_* on a PIL image; factor 1 (hue: 0) changes nothing. */
typedef enum ColorChange { COLOR_BRIGHTNESS, COLOR_CONTRAST, COLOR_SATURATION, COLOR_HUE } ColorChange;
void image_adjust(Image *picture, ColorChange change, double factor);
/* PIL's rotate: around the middle, the nearest pixel, black outside, the same size. -1: no memory. */
int image_rotate(Image *picture, double degrees, surgery_error *err);
#endif
