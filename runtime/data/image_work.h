/* Between image_input.c and augment.c: a picture on its way to the network's input. */
#ifndef SURGERY_IMAGE_WORK_H
#define SURGERY_IMAGE_WORK_H
#include "runtime/data/image_resize.h"

/* The picture on its way. */
typedef struct Work {
  Image now;
  bool own;                      /* its pixels; else they are the caller's, to be left as they are */
  int whole_width, whole_height; /* as if the decoder had reduced nothing */
  Area area;                     /* what of its pixels that is: the last ones of a reduced picture stand for fewer */
} Work;

/* `with` in its place, unless `failed`, which is returned. */
int work_replace(Work *work, Image with, int failed);
/* Before what changes pixels in place: a copy of the caller's, of `channels` channels. */
int work_own(Work *work, int channels, surgery_error *err);
/* image_resize, with colours weighed by their alpha. */
int work_resize(Work *work, Area area, int width, int height, Box part, surgery_error *err);
int work_half_even(double v); /* Python's round(): halves go to the even number */
/* augment.c: a step on the picture, and one on the input x (C, H, W). */
int work_augment(Work *work, const AugmentConfig *step, Random *random, surgery_error *err);
void input_augment(const ManifestShape *shape, float *x, const AugmentConfig *step, Random *random);
#endif
