/* Resampling of 8-bit pictures with the arithmetic of PIL (Pillow's Resample.c), which torchvision uses. */
#ifndef SURGERY_IMAGE_RESIZE_H
#define SURGERY_IMAGE_RESIZE_H
#include "runtime/data/dataset.h"

/* image_resize.c */

typedef struct Box {
  int left, top, width, height;
} Box;
/* The part `box` of `from`, resized to width × height with the antialiased bilinear filter; nothing outside
 * the box is looked at. A new picture in *to (free its pixels). -1: no memory. */
int picture_resize(const Picture *from, Box box, int width, int height, Picture *to, surgery_error *err);
/* A cut-out; what lies outside the picture is black, as torchvision pads. */
int picture_crop(const Picture *from, Box box, Picture *to, surgery_error *err);

/* image_input.c: what random_resized_crop cuts out of width × height pixels; torchvision's
 * RandomResizedCrop.get_params. The box is within the picture and has at least one pixel. */
Box picture_random_box(Random *random, const AugmentStep *crop, int width, int height);
#endif
