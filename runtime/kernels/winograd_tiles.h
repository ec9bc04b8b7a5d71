/* The tiles that Winograd's kernels transform at a time, and the order they lie in. */
#ifndef SURGERY_WINOGRAD_TILES_H
#define SURGERY_WINOGRAD_TILES_H
#include "runtime/kernels/winograd_vec.h"

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
