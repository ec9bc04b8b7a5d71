/* How conv2d and conv2d_grad_weight are cut into work items: read by the templates and by their plans. Sizes are chosen
 * for cache, not for one machine; every value follows from the constants.
 */
#ifndef SURGERY_CONV_TILES_H
#define SURGERY_CONV_TILES_H
#include "runtime/kernels/conv/conv.h"

/* What several items need is prepared by a thread once: its scratch says at its start, in a line of its own, for which
 * of them it holds it. `group` is at least 1 and no other's of the call. False: the caller prepares it. */
#define HELD_FLOATS LANES
INLINE int held_in_scratch(void *scratch, int64_t group, int64_t begin) {
  int64_t *held = scratch;
  const int holds = begin > 0 && *held == group;
  *held = group;
  return holds;
}

/* ---- conv2d ----
 * A work item is a slice of the output blocks of one band of output rows of one image, or, where images are small,
 * of several whole images, so that the weights are fetched once for all of them. Work items of the same band
 * follow each other: a thread that takes several of them copies the band's input once. */
#define CONV_PIXELS 400         /* output pixels for which one fetch of the weights should serve */
#define CONV_INPUT_BYTES 786432 /* of one band; stays in the second-level cache */
#define CONV_SLICES 16          /* of the output blocks, at most */

typedef struct ConvTiling {
  int64_t flat;                    /* 1 × 1, stride 1: the image is read in place, as one row of pixels */
  int64_t images;                  /* in a work item; more than 1 only where bands is 1 */
  int64_t rows, cols, band, bands; /* the output; `band` rows (flat: pixels) in a band */
  int64_t slices;                  /* of a band and image */
  int64_t in_blocks, out_blocks;   /* within a group; in_blocks: channels of NCHW */
  int64_t pairs;                   /* of output blocks, all groups */
  int64_t pick_h, pick_w;          /* only every pick-th row and column of the input is looked at, and copied */
  int64_t in_rows, in_cols, in_block, in_image; /* scratch: rows, columns, floats in a block, floats in an image */
} ConvTiling;

INLINE ConvTiling conv_tiling(const Conv2dParams *k) {
  ConvTiling u = {0};
  Axis h = conv_axis(k->kw, k->stride_w, k->pad_w, k->dil_w, k->input_dil_w);
  int64_t lanes = k->nchw_x ? 1 : LANES;
  u.flat = !k->nchw_x && k->kh == 1 && k->kw == 1 && k->stride_h == 1 && k->stride_w == 1 && k->pad_h == 0 &&
           k->pad_w == 0 && k->input_dil_h == 1 && k->input_dil_w == 1 && k->ih == k->oh && k->iw == k->ow;
  u.in_blocks = k->nchw_x ? k->ic / k->groups : BLOCKS(k->ic / k->groups);
  u.out_blocks = BLOCKS(k->oc / k->groups);
  u.pairs = k->groups * ceil_div(u.out_blocks, 2);
  u.slices = min64(u.pairs, CONV_SLICES);
  u.rows = u.flat ? 1 : k->oh;
  u.cols = u.flat ? k->oh * k->ow : k->ow;
  u.pick_h = k->kh == 1 && k->input_dil_h == 1 ? k->stride_h : 1;
  u.pick_w = k->kw == 1 && k->input_dil_w == 1 ? k->stride_w : 1;
  u.in_cols = u.pick_w > 1 ? k->ow : axis_high(&h, k->ow) - axis_low(&h, 0) + 1;
  if (u.flat) {
    int64_t most = max64(14, min64(CONV_PIXELS, CONV_INPUT_BYTES / (u.in_blocks * LANES * 4)));
    u.bands = ceil_div(u.cols, most);
    u.band = u.bands == 1 ? u.cols : ceil_div(ceil_div(u.cols, u.bands), 14) * 14;
    u.bands = ceil_div(u.cols, u.band);
    u.images = u.bands == 1 ? max64(1, most / u.cols) : 1;
    u.in_block = u.cols * LANES;
    return u;
  }
  int64_t row_bytes = u.in_blocks * u.in_cols * lanes * 4;
  int64_t halo = (k->kh - 1) * k->dil_h / k->input_dil_h + 1;
  int64_t step = u.pick_h > 1 ? 1 : max64(1, k->stride_h / k->input_dil_h);
  int64_t most = max64(1, (CONV_INPUT_BYTES / row_bytes - halo) / step);
  most = min64(most, max64(4, ceil_div(CONV_PIXELS, k->ow)));
  u.bands = ceil_div(k->oh, min64(most, k->oh));
  u.band = ceil_div(k->oh, u.bands);
  u.bands = ceil_div(k->oh, u.band);
  u.in_rows = u.pick_h > 1
                  ? u.band
                  : ((u.band - 1) * k->stride_h + (k->kh - 1) * k->dil_h) / k->input_dil_h + 1 + (k->input_dil_h > 1);
  u.in_block = ceil_div(u.in_rows * u.in_cols * lanes, LANES) * LANES;
  u.in_image = u.in_block * u.in_blocks;
  u.images = 1;
  if (u.bands == 1) u.images = max64(1, min64(CONV_PIXELS / (k->oh * k->ow), CONV_INPUT_BYTES / (u.in_image * 4)));
  return u;
}

/* ---- conv2d_grad_weight ----
 * A work item makes the weights of one pair of output blocks, `blocks` input blocks and `taps_h` kernel rows, over the
 * whole batch, in the order of the images: no sum is ever shared between items. The sums wait in scratch while bands of
 * x and dy that fit the first-level cache go by. NCHW x has few channels: a work item makes the weights of all of
 * them, so that dy, which is large, passes once, and of one split of the batch's bands, each split a gradient of its
 * own.
 */
#define GRAD_NCHW_ITEMS 16 /* about */
#define GRAD_BYTES 36864   /* of x and dy in one band */
#define GRAD_TAPS_W 12     /* NCHW: sums held at a time for a pair of output blocks */

typedef struct GradTiling {
  int64_t flat;
  int64_t rows, cols;                   /* the output, flat: one row */
  int64_t band_rows, band_cols;         /* of the output */
  int64_t images;                       /* small ones that pass together */
  int64_t in_blocks, out_blocks, pairs; /* within a group */
  int64_t blocks, taps_h;               /* of a work item */
  int64_t block_items, tap_items, splits, items;
  int64_t sums;             /* floats of scratch for the sums */
  int64_t in_rows, in_cols; /* NCHW: the padded copy of x in scratch */
} GradTiling;

INLINE GradTiling grad_tiling(const Conv2dGradWeightParams *k) {
  GradTiling u = {0};
  u.flat = !k->nchw_x && k->kh == 1 && k->kw == 1 && k->stride_h == 1 && k->stride_w == 1 && k->pad_h == 0 &&
           k->pad_w == 0 && k->ih == k->oh && k->iw == k->ow;
  u.rows = u.flat ? 1 : k->oh;
  u.cols = u.flat ? k->oh * k->ow : k->ow;
  u.in_blocks = k->nchw_x ? k->ic / k->groups : BLOCKS(k->ic / k->groups);
  u.out_blocks = BLOCKS(k->oc / k->groups);
  u.pairs = ceil_div(u.out_blocks, 2);
  /* A work item with few taps takes several input blocks, so that dy is not fetched for a few products only. */
  u.blocks = k->nchw_x ? u.in_blocks : max64(1, min64(u.in_blocks, 4 / (k->kh * k->kw)));
  u.block_items = ceil_div(u.in_blocks, u.blocks);
  u.taps_h = k->kh;
  if (!k->nchw_x && k->groups * u.pairs * u.block_items < 32 && k->kh > 1 && k->kw > 1) u.taps_h = 1;
  u.tap_items = ceil_div(k->kh, u.taps_h);
  u.splits = k->nchw_x ? max64(1, GRAD_NCHW_ITEMS / (k->groups * u.pairs)) : 1;
  u.items = k->groups * u.pairs * u.block_items * u.tap_items * u.splits;
  int64_t x_pixel = k->nchw_x ? 4 : 64;
  if (u.flat) {
    u.band_rows = 1;
    u.band_cols = min64(u.cols, GRAD_BYTES / 192);
  } else {
    int64_t row = u.cols * (128 + x_pixel * k->stride_w * min64(k->stride_h, u.taps_h * k->dil_h));
    int64_t halo = (u.taps_h - 1) * k->dil_h * u.cols * k->stride_w * x_pixel;
    u.band_rows = min64(u.rows, max64(1, (GRAD_BYTES - halo) / row));
    u.band_cols = u.cols;
  }
  u.images = 1;
  if (u.band_rows == u.rows && u.band_cols == u.cols)
    u.images = max64(1, GRAD_BYTES / (128 * u.rows * u.cols + x_pixel * k->ih * k->iw));
  if (k->nchw_x) u.images = 1;
  u.sums = u.taps_h * k->kw * 2 * LANES * u.blocks * (k->nchw_x ? 1 : LANES);
  u.in_rows = (u.band_rows - 1) * k->stride_h + (u.taps_h - 1) * k->dil_h + 1;
  u.in_cols = (k->ow - 1) * k->stride_w + (k->kw - 1) * k->dil_w + 1;
  return u;
}

/* ---- depthwise ---- a work item is a band of rows of one block of one image */
INLINE int64_t depthwise_bands(int64_t c, int64_t oh) { return max64(1, min64(oh / 4, ceil_div(32, BLOCKS(c)))); }
#endif
