/* How the Winograd kernels are cut into work items, where their slices lie in scratch, and the order of the tiles that
 * are transformed at a time.
 *
 * A work item is a slice of the output blocks (of 16 channels, in pairs) of one group of tiles. A tile is 4 × 4 outputs
 * (8 × 8 of WINOGRAD_DILATED); a group is a band of tile rows of one image or, where images are small, all tiles of
 * several images: as many tiles as make the transforming of the weights, which is done again for every group, cheap
 * beside the products. Work items of the same group follow each other: a thread that takes several of them transforms
 * the group's input once. */
#ifndef SURGERY_WINOGRAD_TILES_H
#define SURGERY_WINOGRAD_TILES_H
#include "runtime/kernels/conv/conv.h"

#define WINOGRAD_WEIGHTS 36  /* values in the transformed weights of one input and one output channel, 6 × 6 */
#define WINOGRAD_MOST_EDGE 9 /* points of a row or column of a transformed tile, at most */

/* What winograd_vec.h says of them. */
typedef enum WinogradKind { WINOGRAD_STRIDE_1, WINOGRAD_STRIDE_2, WINOGRAD_DILATED } WinogradKind;

INLINE int64_t winograd_edge(WinogradKind kind) { /* points of a row of a transformed tile */
  return kind == WINOGRAD_STRIDE_1 ? 6 : 9;
}
/* A tile may be small, in its rows, its columns, or both: of 14 outputs two tiles take four and two small ones three,
 * instead of four tiles that hang over the edge. Which points of a row or column it lacks (winograd_vec.h). */
INLINE int64_t winograd_lacks(WinogradKind kind, int64_t small, int64_t point) {
  return small && (kind == WINOGRAD_STRIDE_1 ? point == 4 : point == 3 || point == 8);
}
INLINE int64_t winograd_window(WinogradKind kind, int64_t small) { /* inputs of a row of a tile */
  return kind == WINOGRAD_STRIDE_1 ? 6 - small : kind == WINOGRAD_STRIDE_2 ? 9 - 2 * small : 5 - small;
}
INLINE int64_t winograd_step(WinogradKind kind) { /* inputs from a tile to the next */
  return kind == WINOGRAD_STRIDE_2 ? 8 : 4;
}
INLINE int64_t winograd_outputs(WinogradKind kind) { /* outputs of a row of a tile */
  return kind == WINOGRAD_DILATED ? 8 : 4;
}
/* Full tiles of a row or column of `outputs`: the first ones. The others are small. */
INLINE int64_t winograd_full(WinogradKind kind, int64_t outputs) {
  const int64_t quarter = winograd_outputs(kind) / 4, tiles = ceil_div(outputs, 4 * quarter);
  return max64(0, tiles - (4 * tiles - ceil_div(outputs, quarter)));
}
/* Where tile t begins, in quarters of a full tile. */
INLINE int64_t winograd_begin(int64_t full, int64_t t) { return 3 * t + min64(t, full); }
/* The transformed weights of point p: a strided tile's last four of a row have the same. */
INLINE int64_t winograd_weight(WinogradKind kind, int64_t p) {
  const int64_t edge = winograd_edge(kind);
  return min64(p / edge, 5) * 6 + min64(p % edge, 5);
}

/* How an image is cut into tiles. */
typedef struct TileGrid {
  WinogradKind kind;
  int64_t rows, cols;           /* tiles */
  int64_t full_rows, full_cols; /* of these, the first ones; the rest are small */
} TileGrid;

INLINE TileGrid tile_grid(WinogradKind kind, int64_t oh, int64_t ow) {
  return (TileGrid){.kind = kind,
                    .rows = ceil_div(oh, winograd_outputs(kind)),
                    .cols = ceil_div(ow, winograd_outputs(kind)),
                    .full_rows = winograd_full(kind, oh),
                    .full_cols = winograd_full(kind, ow)};
}
INLINE int64_t has_small_tiles(const TileGrid *t) { return t->full_rows < t->rows || t->full_cols < t->cols; }

#define WINOGRAD_TILES 56  /* of a group, about; half as many where a tile has more points */
#define WINOGRAD_SLICES 16 /* of the output blocks, at most */
#define WINOGRAD_CHUNK 4   /* input blocks whose transformed weights stay in the second-level cache */
#define WINOGRAD_FEW 8     /* tiles of a whole batch below which transforming the weights does not pay */
#define WINOGRAD_WIDE 14   /* tiles whose sums are held at a time, at most */
#define WINOGRAD_NARROW 6  /* with narrow vectors */

typedef struct WinogradTiling {
  TileGrid grid;
  int64_t points;      /* of a transformed tile */
  int64_t bands, band; /* of an image; tile rows of a band, at most */
  int64_t images;      /* in a group; 1 where an image has several bands */
  int64_t tiles;       /* of a full group */
  int64_t block, rest_a,
      rest_b; /* tiles whose sums are held at a time; and of what a point leaves over, for up to so many */
  int64_t in_blocks, out_blocks, pairs, slices;
  int64_t v_point, u_point, m_point; /* floats between the points of input, weights and products, in scratch */
  int64_t scratch;                   /* floats, after HELD_FLOATS */
} WinogradTiling;

/* most: WINOGRAD_WIDE or WINOGRAD_NARROW. */
INLINE WinogradTiling winograd_tiling(const Conv2dParams *k, int64_t most) {
  const WinogradKind kind = k->input_dil_h == 2 ? WINOGRAD_DILATED
                            : k->stride_h == 2  ? WINOGRAD_STRIDE_2
                                                : WINOGRAD_STRIDE_1;
  const int64_t half = kind == WINOGRAD_STRIDE_1 ? 1 : 2;
  WinogradTiling u = {.grid = tile_grid(kind, k->oh, k->ow), .points = winograd_edge(kind) * winograd_edge(kind)};
  const int64_t all = u.grid.rows * u.grid.cols;
  u.bands = ceil_div(u.grid.rows, max64(1, WINOGRAD_TILES / half / u.grid.cols));
  u.band = ceil_div(u.grid.rows, u.bands); /* or one less: band b begins with row b * grid.rows / bands */
  u.images = 1;
  if (u.bands == 1 && all <= 16) /* a power of two, as batches are: the last group is then as full as the others */
    while (2 * u.images * all <= 64 / half) u.images *= 2;
  u.tiles = u.images * u.band * u.grid.cols;
  if (has_small_tiles(&u.grid)) { /* several numbers of tiles: halves and quarters, as of 14 and 7 */
    u.block = min64(8, most);
    u.rest_a = 2;
    u.rest_b = 4;
  } else if (u.images == 1) {
    u.block = ceil_div(u.tiles, ceil_div(u.tiles, most));
    u.rest_a = u.tiles % u.block;
    u.rest_b = u.grid.rows / u.bands * u.grid.cols % u.block;
  } else if (all <= most) { /* whole images, at most three where they have four tiles or more */
    u.block = min64(3, most / all) * all;
    u.rest_a = all % u.block;
    u.rest_b = 2 * all % u.block;
  } else { /* what one image leaves over, all but a full block, is never less than what several do */
    u.block = ceil_div(all, ceil_div(all, most));
    u.rest_a = u.rest_b = all % u.block;
  }
  if (u.rest_a > u.rest_b) { /* of bands that differ by a row */
    const int64_t more = u.rest_a;
    u.rest_a = u.rest_b;
    u.rest_b = more;
  }
  const int64_t room = u.tiles + u.block; /* the last block of a point may make more than its tiles */
  u.in_blocks = BLOCKS(k->ic);
  u.out_blocks = BLOCKS(k->oc);
  u.pairs = ceil_div(u.out_blocks, 2);
  u.slices = min64(u.pairs, WINOGRAD_SLICES);
  /* A line more than a power of two: points of one tile then lie in different sets of the cache. */
  u.v_point = ((u.in_blocks - 1) * u.tiles + room) * LANES + LANES;
  u.u_point = WINOGRAD_CHUNK * LANES * 2 * LANES + LANES;
  u.m_point = room * 2 * LANES + LANES;
  u.scratch = u.points * (u.v_point + u.m_point) + WINOGRAD_WEIGHTS * u.u_point;
  return u;
}

/* ---- conv2d_grad_weight_wino ---- as its file says */
#define GRAD_BLOCKS 4       /* of input and of output channels in a work item */
#define GRAD_TILES 24       /* transformed at a time, about; half as many where a tile has more points */
#define GRAD_SPLIT_ITEMS 16 /* with fewer items the batch is shared too */

typedef struct WinogradGradTiling {
  TileGrid grid;
  int64_t points; /* of a transformed tile */
  int64_t images; /* whose tiles are transformed at a time; 1 where an image has several bands */
  int64_t bands;  /* of an image: b begins with row b * grid.rows / bands */
  int64_t in_blocks, out_blocks, in_items, out_items, splits, items;
  int64_t ins, outs;        /* blocks of a work item: GRAD_BLOCKS, or all that there are */
  int64_t v_point, s_point; /* floats between the points of tiles and of sums, in scratch */
  int64_t scratch;          /* floats */
} WinogradGradTiling;

INLINE WinogradGradTiling winograd_grad_tiling(const Conv2dGradWeightParams *k) {
  const WinogradKind kind = k->stride_h == 2 ? WINOGRAD_STRIDE_2 : WINOGRAD_STRIDE_1;
  WinogradGradTiling u = {.grid = tile_grid(kind, k->oh, k->ow), .points = winograd_edge(kind) * winograd_edge(kind)};
  const int64_t all = u.grid.rows * u.grid.cols, most = kind == WINOGRAD_STRIDE_1 ? GRAD_TILES : GRAD_TILES / 2;
  u.images = max64(1, most / max64(1, all));
  u.bands = max64(1, min64(u.grid.rows, ceil_div(all, most)));
  u.in_blocks = BLOCKS(k->ic);
  u.out_blocks = BLOCKS(k->oc);
  u.ins = min64(GRAD_BLOCKS, u.in_blocks);
  u.outs = min64(GRAD_BLOCKS, u.out_blocks);
  u.in_items = ceil_div(u.in_blocks, u.ins);
  u.out_items = ceil_div(u.out_blocks, u.outs);
  u.splits = max64(1, GRAD_SPLIT_ITEMS / (u.in_items * u.out_items));
  u.items = u.in_items * u.out_items * u.splits;
  u.v_point = u.images * ceil_div(u.grid.rows, u.bands) * u.grid.cols * max64(u.ins, u.outs) * LANES + LANES;
  u.s_point = u.ins * LANES * u.outs * LANES + LANES;
  u.scratch = 2 * u.points * u.v_point + WINOGRAD_WEIGHTS * u.s_point;
  return u;
}

/* ---- the tiles of a group ---- */

/* What is small of a tile; constants in each call, so that its loops are unrolled. */
typedef struct TileShape {
  WinogradKind kind;
  int64_t low, narrow; /* 1: three quarters of the rows, of the columns */
} TileShape;

/* Tile rows [row, row + rows) of `images` images. Tiles of one shape follow each other, image by image, row by row: low
 * ones of full width, full ones, narrow ones of full height, low and narrow ones. Those that have a point are then a
 * run. */
typedef struct Group {
  int64_t image, images, row, rows, full_rows, tiles;
  int64_t start[2][2]; /* of the tiles of a shape: [low][narrow] */
} Group;

INLINE Group group_of(const TileGrid *t, int64_t image, int64_t images, int64_t row, int64_t rows) {
  Group g = {.image = image, .images = images, .row = row, .rows = rows, .tiles = images * rows * t->cols};
  g.full_rows = min64(rows, max64(0, t->full_rows - row));
  g.start[0][0] = images * (rows - g.full_rows) * t->full_cols;
  g.start[0][1] = images * rows * t->full_cols;
  g.start[1][1] = g.start[0][1] + images * g.full_rows * (t->cols - t->full_cols);
  return g;
}

/* The tiles that have point p. */
INLINE void group_tiles(WinogradKind kind, const Group *g, int64_t p, int64_t *begin, int64_t *end) {
  const int64_t edge = winograd_edge(kind), full_height = winograd_lacks(kind, 1, p / edge),
                full_width = winograd_lacks(kind, 1, p % edge);
  *begin = full_height ? g->start[0][0] : 0;
  *end = full_width ? g->start[0][1] : full_height ? g->start[1][1] : g->tiles;
}

/* The tiles of one shape. */
typedef struct Run {
  int64_t first, rows, cols; /* in an image of the group */
  int64_t row, col;          /* of the image: where they begin */
} Run;

INLINE Run group_run(TileShape s, const TileGrid *t, const Group *g) {
  return (Run){.first = g->start[s.low][s.narrow],
               .rows = s.low ? g->rows - g->full_rows : g->full_rows,
               .cols = s.narrow ? t->cols - t->full_cols : t->full_cols,
               .row = g->row + (s.low ? g->full_rows : 0),
               .col = s.narrow ? t->full_cols : 0};
}

/* DO(shape) for each shape of tile that the grid has. */
#define EACH_SHAPE_OF_GRID(KIND, GRID, DO)                                                                             \
  do {                                                                                                                 \
    const int64_t low = (GRID)->full_rows < (GRID)->rows, narrow = (GRID)->full_cols < (GRID)->cols;                   \
    DO(((TileShape){KIND, 0, 0}));                                                                                     \
    if (narrow) DO(((TileShape){KIND, 0, 1}));                                                                         \
    if (low) DO(((TileShape){KIND, 1, 0}));                                                                            \
    if (low && narrow) DO(((TileShape){KIND, 1, 1}));                                                                  \
  } while (0)
#endif
