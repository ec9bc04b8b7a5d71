/* How each call is cut into units: read by the templates, which take a unit apart, and by plan_other.c, which
 * counts them. A unit never depends on the number of threads. Counts are for one sample unless said. */
#ifndef SURGERY_KERNELS_UNITS_H
#define SURGERY_KERNELS_UNITS_H
#include "runtime/kernels/kernels.h"

#define ELEMENTWISE_CHUNK 8192 /* elements: 32 KiB */
#define COLUMN_CHUNK 64        /* columns of a sum over all rows: four vectors */
#define ROW_CHUNK 8            /* rows of a layer normalisation */
#define QUERY_CHUNK 128        /* queries whose scores an attention holds at once */
#define PIXEL_CHUNK 1024       /* pixels of a channel block: 64 KiB */

static inline int64_t units_of(int64_t count, int64_t chunk) { return (count + chunk - 1) / chunk; }

/* A run [from, to) of one sample. */
typedef struct UnitRun {
  int64_t sample, from, to;
} UnitRun;
static inline UnitRun unit_run(int64_t unit, int64_t count, int64_t chunk) {
  int64_t per_sample = units_of(count, chunk), from = unit % per_sample * chunk;
  return (UnitRun){unit / per_sample, from, from + chunk < count ? from + chunk : count};
}

/* A run of pixels [from, to) of one channel block of one sample. */
typedef struct UnitPixels {
  int64_t sample, block, from, to;
} UnitPixels;
static inline UnitPixels unit_pixels(int64_t unit, int64_t blocks, int64_t hw) {
  int64_t chunks = units_of(hw, PIXEL_CHUNK), from = unit % chunks * PIXEL_CHUNK;
  return (UnitPixels){unit / chunks / blocks, unit / chunks % blocks, from,
                      from + PIXEL_CHUNK < hw ? from + PIXEL_CHUNK : hw};
}
static inline int64_t units_pixels(int64_t blocks, int64_t hw) { return blocks * units_of(hw, PIXEL_CHUNK); }

/* Lanes in use of a channel block: 16, or what is left of c. */
static inline int64_t block_lanes(int64_t block, int64_t c) {
  return c - block * LANES < LANES ? c - block * LANES : LANES;
}
/* Blocks of y that cat_copy writes: those that hold channels [to, to + c). */
static inline int64_t cat_blocks(const CatParams *k) {
  return k->c ? (k->to + k->c - 1) / LANES - k->to / LANES + 1 : 0;
}
#endif
