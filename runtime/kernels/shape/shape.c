/* Kernels that move values: NCHW ↔ NCHW16c, the parts of a concatenation, one place of a dimension; and counting.
 * Called by generated code and by tests/kernels. */
#include "runtime/kernels/template.h"

/* ---- NCHW ↔ NCHW16c ---- */

/* 16 pixels (or `pixels`, fewer) of `lanes` channels; rows of NCHW are hw apart. */
SIMD void tile_to_nchw16c(const float *x, float *y, int64_t hw, int64_t lanes, int64_t pixels, int64_t accumulate) {
  v16 m[16];
  for (int64_t i = 0; i < 16; i++) m[i] = i < lanes ? v16_load_lanes(x + i * hw, pixels) : v16_set(0);
  transpose16(m);
  for (int64_t p = 0; p < 16; p++)
    if (p < pixels) v16_store_or_add(y + p * LANES, m[p], 16, accumulate);
}
SIMD void tile_to_nchw(const float *x, float *y, int64_t hw, int64_t lanes, int64_t pixels, int64_t accumulate) {
  v16 m[16];
  for (int64_t p = 0; p < 16; p++) m[p] = p < pixels ? v16_load(x + p * LANES) : v16_set(0);
  transpose16(m);
  for (int64_t i = 0; i < 16; i++)
    if (i < lanes) v16_store_or_add(y + i * hw, m[i], pixels, accumulate);
}

PLAN(to_nchw16c) { per_sample(plan, items_of_pixels(BLOCKS(k->c), k->h * k->w), 0); }
/* x: (n, c, h, w) → y: NCHW16c, pad lanes zero */
TEMPLATE(to_nchw16c) {
  int64_t hw = k->h * k->w, blocks = BLOCKS(k->c);
  for (int64_t item = begin; item < end; item++) {
    ItemPixels u = item_pixels(item, blocks, hw);
    const float *x = b->x + (u.sample * k->c + u.block * LANES) * hw;
    float *y = b->y + (u.sample * blocks + u.block) * hw * LANES;
    int64_t lanes = block_lanes(u.block, k->c), p = u.from;
    if (hw == 1) {
      v16_store_or_add(y, v16_load_lanes(x, lanes), 16, k->accumulate);
      continue;
    }
    for (; p + 16 <= u.to; p += 16) tile_to_nchw16c(x + p, y + p * LANES, hw, lanes, 16, k->accumulate);
    if (p < u.to) tile_to_nchw16c(x + p, y + p * LANES, hw, lanes, u.to - p, k->accumulate);
  }
}

PLAN(to_nchw) { per_sample(plan, items_of_pixels(BLOCKS(k->c), k->h * k->w), 0); }
/* x: NCHW16c → y: (n, c, h, w) */
TEMPLATE(to_nchw) {
  int64_t hw = k->h * k->w, blocks = BLOCKS(k->c);
  for (int64_t item = begin; item < end; item++) {
    ItemPixels u = item_pixels(item, blocks, hw);
    const float *x = b->x + (u.sample * blocks + u.block) * hw * LANES;
    float *y = b->y + (u.sample * k->c + u.block * LANES) * hw;
    int64_t lanes = block_lanes(u.block, k->c), p = u.from;
    if (hw == 1) {
      v16_store_or_add(y, v16_load(x), lanes, k->accumulate);
      continue;
    }
    for (; p + 16 <= u.to; p += 16) tile_to_nchw(x + p * LANES, y + p, hw, lanes, 16, k->accumulate);
    if (p < u.to) tile_to_nchw(x + p * LANES, y + p, hw, lanes, u.to - p, k->accumulate);
  }
}

/* ---- concatenation ---- */

/* Blocks of y that cat_copy writes: those that hold channels [to, to + c). */
static inline int64_t cat_blocks(const CatParams *k) {
  return k->c ? (k->to + k->c - 1) / LANES - k->to / LANES + 1 : 0;
}

/* Lanes [shift, shift + 16) of the 32 lanes of a then b. */
SIMD v16 joined_lanes(v16 a, v16 b, int64_t shift) {
  float both[2 * LANES] __attribute__((aligned(64)));
  v16_store(both, a);
  v16_store(both + LANES, b);
  return v16_load(both + shift);
}

SIMD void copy_row(const float *x, float *y, int64_t count, int64_t accumulate) {
  for (int64_t i = 0; i < count; i += 16)
    v16_store_or_add(y + i, v16_load_lanes(x + i, count - i), count - i, accumulate);
}

/* Block `block` of x (of `blocks`) at the pixels, or zeros where there is no such block. */
SIMD v16 load_block(const float *x, int64_t block, int64_t blocks, int64_t hw, int64_t pixel) {
  return block >= 0 && block < blocks ? v16_load(x + (block * hw + pixel) * LANES) : v16_set(0);
}

/* A block of y (of `total` channels), of which x fills the lanes that are its own; the others keep what they
 * hold, except the pad lanes after the last channel, which the last part clears. */
SIMD void cat_copy_block(const float *x, float *y, int64_t block, const CatParams *k) {
  int64_t shift = k->to % LANES, source = block - k->to / LANES;
  int64_t first = source == 0 ? shift : 0, last = k->to + k->c - block * LANES;
  if (last > LANES || k->to + k->c == k->total) last = LANES;
  v16i own = ~v16_first_lanes(first) & v16_first_lanes(last);
  for (int64_t p = 0; p < k->hw; p++) {
    float *to = y + (block * k->hw + p) * LANES;
    v16 v = load_block(x, source, BLOCKS(k->c), k->hw, p);
    if (shift) v = joined_lanes(load_block(x, source - 1, BLOCKS(k->c), k->hw, p), v, LANES - shift);
    v16 old = v16_load(to);
    if (k->accumulate) v += old;
    v16_store(to, v16_select(own, v, old));
  }
}

PLAN(cat_copy) { per_sample(plan, k->row_major ? k->outer : cat_blocks(k), 0); }
/* x: channels [0, c) → channels [to, to + c) of y, which has `total` */
TEMPLATE(cat_copy) {
  const float *x = b->x;
  float *y = b->y;
  for (int64_t item = begin; item < end; item++) {
    if (k->row_major) {
      copy_row(x + item * k->c * k->inner, y + (item * k->total + k->to) * k->inner, k->c * k->inner, k->accumulate);
      continue;
    }
    int64_t parts = cat_blocks(k), sample = item / parts;
    cat_copy_block(x + sample * BLOCKS(k->c) * k->hw * LANES, y + sample * BLOCKS(k->total) * k->hw * LANES,
                   k->to / LANES + item % parts, k);
  }
}

PLAN(cat_grad) { per_sample(plan, k->row_major ? k->outer : BLOCKS(k->c), 0); }
/* dy: `total` channels → dx: its channels [to, to + c) */
TEMPLATE(cat_grad) {
  const float *dy = b->dy;
  float *dx = b->dx;
  int64_t shift = k->to % LANES, blocks = BLOCKS(k->total);
  for (int64_t item = begin; item < end; item++) {
    if (k->row_major) {
      copy_row(dy + (item * k->total + k->to) * k->inner, dx + item * k->c * k->inner, k->c * k->inner, k->accumulate);
      continue;
    }
    int64_t block = item % BLOCKS(k->c), source = k->to / LANES + block;
    const float *from = dy + item / BLOCKS(k->c) * blocks * k->hw * LANES;
    float *to = dx + item * k->hw * LANES;
    v16i used = v16_first_lanes(block_lanes(block, k->c));
    for (int64_t p = 0; p < k->hw; p++) {
      v16 v = load_block(from, source, blocks, k->hw, p);
      if (shift) v = joined_lanes(v, load_block(from, source + 1, blocks, k->hw, p), shift);
      v16_store_or_add(to + p * LANES, v16_keep(used, v), 16, k->accumulate);
    }
  }
}

/* ---- one place of a dimension, and counting ---- */

PLAN(positions) { per_sample(plan, 1, 0); }
/* y (n, count), int32: 0, step, 2 step … */
TEMPLATE(positions) {
  for (int64_t item = begin; item < end; item++) {
    int32_t *y = b->y + item * k->count;
    for (int64_t i = 0; i < k->count; i++) y[i] = (int32_t)(i * k->step);
  }
}

PLAN(select_grad) { per_sample(plan, k->outer, 0); }
/* A work item is one (sample, outer). */
TEMPLATE(select_grad) {
  for (int64_t item = begin; item < end; item++) {
    const float *dy = b->dy + item * k->inner;
    float *dx = b->dx + item * k->total * k->inner;
    for (int64_t i = 0; i < k->total * k->inner && !k->accumulate; i += 16)
      v16_store_lanes(dx + i, (v16){0}, k->total * k->inner - i);
    float *to = dx + k->to * k->inner;
    for (int64_t i = 0; i < k->inner; i += 16)
      v16_store_or_add(to + i, v16_load_lanes(dy + i, k->inner - i), k->inner - i, 1);
  }
}
