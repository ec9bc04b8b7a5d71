/* Batch normalisation (Ioffe and Szegedy, 2015) of NCHW16c and of (N, C): statistics,
 * application, gradients. Sums are kept in double, over short runs in float, so that a large mean does not
 * drown a small variance. Called by generated code and by tests/kernels.
 *
 * The activation after it may be none, relu, relu6, sigmoid or tanh (and a GELU, but only without a gradient:
 * these kernels take the derivative from y). */
#include "runtime/kernels/mathf.h"

/* How a channel block lies in memory: its first vector in sample 0, and the distances in floats. */
typedef struct Block {
  int64_t first, sample, pixel, lanes;
} Block;

SIMD Block block_of(const BatchNormParams *k, int64_t block) {
  int64_t lanes = block_lanes(block, k->c);
  if (k->row_major) return (Block){block * LANES, k->c, k->c, lanes};
  return (Block){block * k->hw * LANES, BLOCKS(k->c) * k->hw * LANES, LANES, LANES};
}
SIMD int64_t pixels_of(const BatchNormParams *k) { return k->row_major ? 1 : k->hw; }

/* Of one sample. */
SIMD double norm_flops(const BatchNormParams *k, double each) { return each * (double)(k->c * pixels_of(k)); }
/* Of apply and grad_input: some pixels of a channel block, or, of (N, C), a sample. */
SIMD int64_t norm_items(const BatchNormParams *k) { return k->row_major ? 1 : items_of_pixels(BLOCKS(k->c), k->hw); }

/* A run short enough for the nearest cache and for float sums: some pixels of one sample, or, where
 * samples are small, all pixels of several. */
#define RUN_VECTORS 128
typedef struct Run {
  int64_t n0, n1, p0, p1;
} Run;

/* Fewer where a sample has few pixels: then one accumulator takes most of the sum. */
SIMD int64_t run_samples(int64_t pixels) { return (pixels < 16 ? RUN_VECTORS / 4 : RUN_VECTORS) / pixels; }

SIMD int64_t runs_of(int64_t n, int64_t pixels) {
  if (pixels >= RUN_VECTORS) return n * chunks_of(pixels, RUN_VECTORS);
  return chunks_of(n, run_samples(pixels));
}
SIMD Run run_at(int64_t i, int64_t n, int64_t pixels) {
  if (pixels >= RUN_VECTORS) {
    ItemRun r = item_run(i, pixels, RUN_VECTORS);
    return (Run){r.sample, r.sample + 1, r.from, r.to};
  }
  int64_t samples = run_samples(pixels), end = (i + 1) * samples;
  return (Run){i * samples, end < n ? end : n, 0, pixels};
}

/* ---- statistics ---- */

SIMD v16 run_sum(const float *x, Run r, Block b) {
  v16 sum[4] = {{0}, {0}, {0}, {0}};
  for (int64_t s = r.n0; s < r.n1; s++) {
    const float *row = x + b.first + s * b.sample;
    int64_t p = r.p0;
    for (; p + 4 <= r.p1; p += 4)
      for (int j = 0; j < 4; j++) sum[j] += v16_load_lanes(row + (p + j) * b.pixel, b.lanes);
    for (; p < r.p1; p++) sum[0] += v16_load_lanes(row + p * b.pixel, b.lanes);
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Sums of x - about and of its square. */
SIMD void run_deviations(const float *x, Run r, Block b, v16 about, v16 *deviation, v16 *square) {
  v16 sum[4] = {{0}, {0}, {0}, {0}}, squares[4] = {{0}, {0}, {0}, {0}};
  for (int64_t s = r.n0; s < r.n1; s++) {
    const float *row = x + b.first + s * b.sample;
    int64_t p = r.p0;
    for (; p + 4 <= r.p1; p += 4)
      for (int j = 0; j < 4; j++) {
        v16 d = v16_load_lanes(row + (p + j) * b.pixel, b.lanes) - about;
        sum[j] += d;
        squares[j] += d * d;
      }
    for (; p < r.p1; p++) {
      v16 d = v16_load_lanes(row + p * b.pixel, b.lanes) - about;
      sum[0] += d;
      squares[0] += d * d;
    }
  }
  *deviation = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  *square = (squares[0] + squares[1]) + (squares[2] + squares[3]);
}

/* Count, mean and sum of squared deviations, joined run by run (Chan, Golub and LeVeque, 1979). */
typedef struct Moments {
  double count;
  v16d mean, squares;
} Moments;

SIMD Moments block_moments(const float *x, int64_t n, int64_t pixels, Block b) {
  Moments m = {0, {0}, {0}};
  int64_t runs = n * pixels > 0 ? runs_of(n, pixels) : 0;
  for (int64_t i = 0; i < runs; i++) {
    Run r = run_at(i, n, pixels);
    double count = (double)((r.n1 - r.n0) * (r.p1 - r.p0));
    v16 about = run_sum(x, r, b) / (float)count, deviation, square;
    run_deviations(x, r, b, about, &deviation, &square);
    /* `about` is rounded: what is left of the sum of deviations corrects both */
    v16d left = v16_widen(deviation), run_mean = v16_widen(about) + left / count;
    v16d run_squares = v16_widen(square) - left * left / count;
    v16d apart = run_mean - m.mean;
    double all = m.count + count;
    m.mean += apart * (count / all);
    m.squares += run_squares + apart * apart * (m.count * count / all);
    m.count = all;
  }
  return m;
}

PLAN(batchnorm_stats) { per_call(plan, BLOCKS(k->c), norm_flops(k, 5)); }
/* x → mean, inv_std (padded to 16, pads zero), and the running buffers. A work item is a channel block. Of a
 * single value the variance is 0; of none the mean too, and the running buffers stay as they are. */
TEMPLATE(batchnorm_stats) {
  float *mean = b->mean, *inv_std = b->inv_std, *running_mean = b->running_mean, *running_var = b->running_var;
  int64_t *tracked = b->num_batches_tracked, values = n * pixels_of(k);
  for (int64_t block = begin; block < end; block++) {
    Moments m = block_moments(b->x, n, pixels_of(k), block_of(k, block));
    int64_t lanes = block_lanes(block, k->c);
    for (int64_t i = 0; i < LANES; i++) {
      int64_t c = block * LANES + i;
      double squares = m.squares[i] > 0 ? m.squares[i] : m.squares[i] * 0; /* NaN stays */
      mean[c] = i < lanes ? (float)m.mean[i] : 0;
      inv_std[c] = i < lanes ? (float)(1.0 / __builtin_sqrt((values ? squares / (double)values : 0) + k->eps)) : 0;
      if (i >= lanes || !values) continue;
      double unbiased = values > 1 ? squares / (double)(values - 1) : 0;
      if (running_mean) running_mean[c] = (float)(k->momentum * m.mean[i] + (1 - k->momentum) * running_mean[c]);
      if (running_var) running_var[c] = (float)(k->momentum * unbiased + (1 - k->momentum) * running_var[c]);
    }
    if (block == 0 && tracked && values) *tracked += 1;
  }
}

/* ---- application ---- */

/* A channel block's constants. The statistics are those of the batch, or the running ones, raw tensors of c
 * values, whose variance is turned into a deviation here. */
typedef struct Scales {
  v16 mean, inv_std, weight, bias;
} Scales;

SIMD Scales scales_of(const BatchNormParams *k, int64_t block, const float *mean, const float *inv_std,
                      const float *weight, const float *bias) {
  int64_t at = block * LANES, lanes = block_lanes(block, k->c);
  Scales s = {v16_load_lanes(mean + at, lanes), v16_load_lanes(inv_std + at, lanes), v16_set(1), v16_set(0)};
  if (k->use_running) { /* the lanes after the last stay 0: eps may be 0 too */
    v16 inv_std = v16_narrow(1.0 / v16d_sqrt(v16_widen(s.inv_std) + k->eps));
    s.inv_std = v16_keep(v16_first_lanes(lanes), inv_std);
  }
  if (weight) s.weight = v16_load_lanes(weight + at, lanes);
  if (bias) s.bias = v16_load_lanes(bias + at, lanes);
  return s;
}

/* A work item of apply and grad_input is some pixels of a channel block, or, of (N, C), a sample: so many spans of
 * `count` vectors that lie together from `at` on, `lanes` of each in use. */
typedef struct Span {
  int64_t block, at, count, lanes;
} Span;
SIMD int64_t item_spans(const BatchNormParams *k) { return k->row_major ? BLOCKS(k->c) : 1; }
SIMD Span item_span(const BatchNormParams *k, int64_t item, int64_t i) {
  int64_t blocks = BLOCKS(k->c);
  if (k->row_major) return (Span){i, item * k->c + i * LANES, 1, block_lanes(i, k->c)};
  ItemPixels u = item_pixels(item, blocks, k->hw);
  return (Span){u.block, ((u.sample * blocks + u.block) * k->hw + u.from) * LANES, u.to - u.from, LANES};
}

SIMD void apply_span(const batchnorm_apply_operands *b, const BatchNormParams *k, Span p) {
  Scales s = scales_of(k, p.block, b->mean, b->inv_std, k->affine ? b->weight : NULL, k->affine ? b->bias : NULL);
  const float *x = b->x + p.at, *residual = k->has_residual ? b->residual + p.at : NULL;
  float *y = b->y + p.at;
  v16 scale = s.inv_std * s.weight;
  int clear = k->activation == ACT_SIGMOID && !k->row_major && block_lanes(p.block, k->c) < LANES;
  v16i used = v16_first_lanes(block_lanes(p.block, k->c));
  for (int64_t i = 0; i < p.count * LANES; i += LANES) {
    v16 z = (v16_load_lanes(x + i, p.lanes) - s.mean) * scale + s.bias;
    if (residual) z += v16_load_lanes(residual + i, p.lanes);
    z = v16_activate(z, k->activation, 0);
    if (clear) z = v16_keep(used, z);
    v16_store_or_add(y + i, z, p.lanes, k->accumulate);
  }
}

PLAN(batchnorm_apply) { per_sample(plan, norm_items(k), norm_flops(k, 3)); }
/* y = act((x - mean) * inv_std * weight + bias + residual); y may be x or the residual */
TEMPLATE(batchnorm_apply) {
  for (int64_t item = begin; item < end; item++)
    for (int64_t i = 0; i < item_spans(k); i++) apply_span(b, k, item_span(k, item, i));
}

/* ---- gradients ---- */

/* The gradient before the activation, whose output is y, or, with no_y, is made again from x as apply_run made it. */
SIMD v16 load_dz(const float *x, const float *dy, const float *y, const Scales *s, int64_t lanes,
                 const BatchNormParams *k) {
  v16 g = v16_load_lanes(dy, lanes), out;
  if (k->activation == ACT_NONE) return g;
  if (k->no_y)
    out = v16_activate((v16_load_lanes(x, lanes) - s->mean) * (s->inv_std * s->weight) + s->bias, k->activation, 0);
  else out = v16_load_lanes(y, lanes);
  return v16_activate_grad(v16_set(0), out, g, k->activation, 1);
}

SIMD void add_products(const float *x, const float *dy, const float *y, int64_t at, v16 *sum, v16 *sum_x,
                       const Scales *s, int64_t lanes, const BatchNormParams *k) {
  v16 dz = load_dz(x + at, dy + at, y ? y + at : NULL, s, lanes, k);
  *sum += dz;
  *sum_x += dz * (v16_load_lanes(x + at, lanes) - s->mean);
}

PLAN(batchnorm_grad_sums) { per_call(plan, BLOCKS(k->c), norm_flops(k, 4)); }
/* sums[0][c] = sum of dz, sums[1][c] = sum of dz * xhat, over batch and pixels; a work item is a channel block */
TEMPLATE(batchnorm_grad_sums) {
  const float *x = b->x, *dy = b->dy, *y = b->y;
  float *sums = b->sums;
  int64_t pixels = pixels_of(k), runs = n * pixels > 0 ? runs_of(n, pixels) : 0;
  for (int64_t block = begin; block < end; block++) {
    Block place = block_of(k, block);
    Scales s = scales_of(k, block, b->mean, b->inv_std, k->no_y ? b->weight : NULL, k->no_y ? b->bias : NULL);
    v16d total = {0}, total_x = {0};
    for (int64_t i = 0; i < runs; i++) {
      Run r = run_at(i, n, pixels);
      v16 sum = {0}, sum_x = {0}, odd = {0}, odd_x = {0};
      for (int64_t sample = r.n0; sample < r.n1; sample++) {
        int64_t at = place.first + sample * place.sample + r.p0 * place.pixel, p = r.p0;
        for (; p + 2 <= r.p1; p += 2, at += 2 * place.pixel) {
          add_products(x, dy, y, at, &sum, &sum_x, &s, place.lanes, k);
          add_products(x, dy, y, at + place.pixel, &odd, &odd_x, &s, place.lanes, k);
        }
        if (p < r.p1) add_products(x, dy, y, at, &sum, &sum_x, &s, place.lanes, k);
      }
      total += v16_widen(sum + odd);
      total_x += v16_widen(sum_x + odd_x);
    }
    v16_store(sums + block * LANES, v16_narrow(total));
    v16_store(sums + (BLOCKS(k->c) + block) * LANES, v16_narrow(total_x * v16_widen(s.inv_std)));
  }
}

PLAN(batchnorm_grad_params) { per_call(plan, BLOCKS(k->c), 0); }
/* sums → dweight, dbias (c values each); a work item is a channel block */
TEMPLATE(batchnorm_grad_params) {
  const float *sums = b->sums;
  float *dweight = b->dweight, *dbias = b->dbias;
  for (int64_t block = begin; block < end; block++) {
    int64_t at = block * LANES, lanes = block_lanes(block, k->c);
    v16 db = v16_load(sums + at), dw = v16_load(sums + BLOCKS(k->c) * LANES + at);
    if (dbias) v16_store_or_add(dbias + at, db, lanes, k->accumulate);
    if (dweight) v16_store_or_add(dweight + at, dw, lanes, k->accumulate);
  }
}

SIMD void grad_input_span(const batchnorm_grad_input_operands *b, int64_t n, const BatchNormParams *k, Span p) {
  Scales s = scales_of(k, p.block, b->mean, b->inv_std, k->affine ? b->weight : NULL, k->affine ? b->bias : NULL);
  const float *x = b->x, *dy = b->dy + p.at, *y = b->y ? b->y + p.at : NULL;
  float *dx = b->dx, *dresidual = k->has_residual ? b->dresidual : NULL;
  v16 scale = s.inv_std * s.weight, mean_dz = {0}, slope = {0};
  if (!k->use_running) { /* what dz loses through the batch's mean and variance */
    double each = 1.0 / (double)(n * pixels_of(k));
    mean_dz = v16_narrow(v16_widen(v16_load(b->sums + p.block * LANES)) * each);
    slope = v16_narrow(v16_widen(v16_load(b->sums + (BLOCKS(k->c) + p.block) * LANES)) * each) * s.inv_std;
  }
  for (int64_t i = 0; i < p.count * LANES; i += LANES) {
    v16 dz = load_dz(x ? x + p.at + i : NULL, dy + i, y ? y + i : NULL, &s, p.lanes, k);
    if (dx) {
      v16 g = dz * scale;
      if (!k->use_running) g = (dz - mean_dz - (v16_load_lanes(x + p.at + i, p.lanes) - s.mean) * slope) * scale;
      v16_store_or_add(dx + p.at + i, g, p.lanes, k->accumulate);
    }
    if (dresidual) v16_store_or_add(dresidual + p.at + i, dz, p.lanes, k->residual_accumulate);
  }
}

PLAN(batchnorm_grad_input) { per_sample(plan, norm_items(k), norm_flops(k, 5)); }
/* dx from dz, and dz itself for the residual. With use_running neither x nor sums is read. dx may be dy where
 * there is no dresidual of the same buffer. */
TEMPLATE(batchnorm_grad_input) {
  for (int64_t item = begin; item < end; item++)
    for (int64_t i = 0; i < item_spans(k); i++) grad_input_span(b, n, k, item_span(k, item, i));
}
