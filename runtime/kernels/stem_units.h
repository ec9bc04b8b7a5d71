/* How conv2d_stem is cut into work units, and where its parts lie in scratch: shared by the template and by
 * plan_conv.c.
 *
 * A tile is 4 × 4 outputs. A unit is a band of tile rows of one image: as many as make its halo cheap, few enough that
 * one image keeps several threads busy. */
#ifndef SURGERY_STEM_UNITS_H
#define SURGERY_STEM_UNITS_H
#include "runtime/kernels/conv_axis.h"

#define STEM_TILES 56 /* of a unit, about */
#define STEM_SIDE 7   /* points in one dimension, the last at infinity */
#define STEM_POINTS (STEM_SIDE * STEM_SIDE)
#define STEM_WIDE 14  /* tiles whose sums are held at a time, at most */
#define STEM_NARROW 6 /* with narrow vectors */

typedef struct StemUnits {
  int64_t tile_rows, tile_cols; /* of an image */
  int64_t bands, band;          /* of an image; tile rows of a band */
  int64_t block, blocks;      /* tiles whose sums are held at a time, in a tile row; the last block may pass its end */
  int64_t in_rows, groups;    /* input rows of a band; vectors of tiles, one tile further than the blocks */
  int64_t planes, out_blocks; /* 4 phases × channels */
  int64_t pitch, v_pitch;     /* floats from one column of eight, and from one plane, to the next */
  int64_t v_row, m_point;     /* floats of a tile row's transformed input; between the points of the products */
  int64_t padded, split, half, v, u, m, scratch; /* where each part begins, in floats; the whole */
} StemUnits;

/* most: STEM_WIDE or STEM_NARROW. */
INLINE StemUnits stem_units(const Conv2dParams *k, int64_t most) {
  StemUnits u = {0};
  u.tile_rows = ceil_div(k->oh, 4);
  u.tile_cols = ceil_div(k->ow, 4);
  u.bands = ceil_div(u.tile_rows, max64(1, STEM_TILES / u.tile_cols));
  u.band = ceil_div(u.tile_rows, u.bands);
  u.bands = ceil_div(u.tile_rows, u.band);
  u.blocks = ceil_div(u.tile_cols, most);
  u.block = ceil_div(u.tile_cols, u.blocks);
  u.in_rows = 8 * u.band + 5;
  u.groups = ceil_div(u.blocks * u.block + 1, LANES);
  u.planes = 4 * k->ic;
  u.out_blocks = BLOCKS(k->oc);
  u.v_pitch = ceil_div(u.blocks * u.block, LANES) * LANES;
  u.pitch = u.groups * LANES + LANES;
  u.v_row = STEM_POINTS * u.planes * u.v_pitch;
  u.m_point = u.block * 2 * LANES + LANES;
  u.split = u.padded + u.groups * 8 * LANES;
  u.half = u.split + u.in_rows * 8 * u.pitch;
  u.v = u.half + (2 * STEM_SIDE - 1) * 8 * u.pitch;
  u.u = u.v + u.band * u.v_row;
  u.m = u.u + u.out_blocks * STEM_POINTS * u.planes * LANES;
  u.scratch = u.m + STEM_SIDE * (1 + 4) * u.m_point;
  return u;
}
#endif
