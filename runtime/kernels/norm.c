/* Batch normalisation (Ioffe and Szegedy, 2015) of blocked (N, C, HW) and of plain (N, C): statistics,
 * application, gradients. Sums are kept in double, over short runs in float, so that a large mean does not
 * drown a small variance. Called by generated code and by tests/kernels.
 *
 * The activation after it may be none, relu, relu6, sigmoid or tanh (and a GELU, but only without a gradient:
 * these kernels take the derivative from y). */
#include "runtime/kernels/mathf.h"
#include "runtime/kernels/units.h"

/* How a channel block lies in memory: its first vector in sample 0, and the distances in floats. */
typedef struct Block {
  int64_t first, sample, pixel, lanes;
} Block;

SIMD Block block_of(const BatchNormParams *k, int64_t block) {
  int64_t lanes = block_lanes(block, k->c);
  if (k->plain) return (Block){block * LANES, k->c, k->c, lanes};
  return (Block){block * k->hw * LANES, BLOCKS(k->c) * k->hw * LANES, LANES, LANES};
}
SIMD int64_t pixels_of(const BatchNormParams *k) { return k->plain ? 1 : k->hw; }

/* A run short enough for the nearest cache and for float sums: some pixels of one sample, or, where
 * samples are small, all pixels of several. */
#define RUN_VECTORS 128
typedef struct Run {
  int64_t n0, n1, p0, p1;
} Run;

/* Fewer where a sample has few pixels: then one accumulator takes most of the sum. */
SIMD int64_t run_samples(int64_t pixels) { return (pixels < 16 ? RUN_VECTORS / 4 : RUN_VECTORS) / pixels; }

SIMD int64_t runs_of(int64_t n, int64_t pixels) {
  if (pixels >= RUN_VECTORS) return n * units_of(pixels, RUN_VECTORS);
  return units_of(n, run_samples(pixels));
}
SIMD Run run_at(int64_t i, int64_t n, int64_t pixels) {
  if (pixels >= RUN_VECTORS) {
    UnitRun r = unit_run(i, pixels, RUN_VECTORS);
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

/* x → mean, inv_std (padded to 16, pads zero), and the running buffers. A unit is a channel block. Of a
 * single value the variance is 0; of none the mean too, and the running buffers stay as they are. */
void sgk_batchnorm_stats(SGK_TEMPLATE_ARGS, const BatchNormParams *k) {
  float *mean = buf[1], *inv_std = buf[2], *running_mean = buf[3], *running_var = buf[4];
  int64_t *tracked = buf[5], values = n * pixels_of(k);
  for (int64_t block = begin; block < end; block++) {
    Moments m = block_moments(buf[0], n, pixels_of(k), block_of(k, block));
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
  if (k->use_running) { /* the lanes behind stay 0: eps may be 0 too */
    v16 inv_std = v16_narrow(1.0 / __builtin_elementwise_sqrt(v16_widen(s.inv_std) + k->eps));
    s.inv_std = v16_keep(v16_first_lanes(lanes), inv_std);
  }
  if (weight) s.weight = v16_load_lanes(weight + at, lanes);
  if (bias) s.bias = v16_load_lanes(bias + at, lanes);
  return s;
}

/* Units of apply and grad_input: pixels of a channel block, or, plain, a sample. `each` does `count` vectors
 * that lie together from `at` on, `lanes` of each in use. */
typedef void Each(void *const *buf, int64_t n, int64_t block, int64_t at, int64_t count, int64_t lanes,
                  const BatchNormParams *k);

SIMD void each_unit(Each *each, void *const *buf, int64_t n, int64_t begin, int64_t end, const BatchNormParams *k) {
  int64_t blocks = BLOCKS(k->c);
  for (int64_t unit = begin; unit < end; unit++) {
    if (k->plain) {
      for (int64_t b = 0; b < blocks; b++) each(buf, n, b, unit * k->c + b * LANES, 1, block_lanes(b, k->c), k);
      continue;
    }
    UnitPixels u = unit_pixels(unit, blocks, k->hw);
    each(buf, n, u.block, ((u.sample * blocks + u.block) * k->hw + u.from) * LANES, u.to - u.from, LANES, k);
  }
}

SIMD void apply_run(void *const *buf, int64_t n, int64_t block, int64_t at, int64_t count, int64_t lanes,
                    const BatchNormParams *k) {
  Scales s = scales_of(k, block, buf[1], buf[2], k->affine ? buf[3] : NULL, k->affine ? buf[4] : NULL);
  const float *x = (const float *)buf[0] + at, *residual = k->has_residual ? (const float *)buf[5] + at : NULL;
  float *y = (float *)buf[6] + at;
  v16 scale = s.inv_std * s.weight;
  int clear = k->activation == ACT_SIGMOID && !k->plain && block_lanes(block, k->c) < LANES;
  v16i used = v16_first_lanes(block_lanes(block, k->c));
  for (int64_t i = 0; i < count * LANES; i += LANES) {
    v16 z = (v16_load_lanes(x + i, lanes) - s.mean) * scale + s.bias;
    if (residual) z += v16_load_lanes(residual + i, lanes);
    z = v16_activate(z, k->activation, 0);
    if (clear) z = v16_keep(used, z);
    v16_store_or_add(y + i, z, lanes, k->accumulate);
  }
}

/* y = act((x - mean) * inv_std * weight + bias + residual); y may be x or the residual */
void sgk_batchnorm_apply(SGK_TEMPLATE_ARGS, const BatchNormParams *k) { each_unit(apply_run, buf, n, begin, end, k); }

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

/* sums[0][c] = sum of dz, sums[1][c] = sum of dz * xhat, over batch and pixels; a unit is a channel block */
void sgk_batchnorm_grad_sums(SGK_TEMPLATE_ARGS, const BatchNormParams *k) {
  const float *x = buf[0], *dy = buf[1], *y = buf[2];
  float *sums = buf[7];
  int64_t pixels = pixels_of(k), runs = n * pixels > 0 ? runs_of(n, pixels) : 0;
  for (int64_t block = begin; block < end; block++) {
    Block b = block_of(k, block);
    Scales s = scales_of(k, block, buf[3], buf[4], k->no_y ? buf[5] : NULL, k->no_y ? buf[6] : NULL);
    v16d total = {0}, total_x = {0};
    for (int64_t i = 0; i < runs; i++) {
      Run r = run_at(i, n, pixels);
      v16 sum = {0}, sum_x = {0}, odd = {0}, odd_x = {0};
      for (int64_t sample = r.n0; sample < r.n1; sample++) {
        int64_t at = b.first + sample * b.sample + r.p0 * b.pixel, p = r.p0;
        for (; p + 2 <= r.p1; p += 2, at += 2 * b.pixel) {
          add_products(x, dy, y, at, &sum, &sum_x, &s, b.lanes, k);
          add_products(x, dy, y, at + b.pixel, &odd, &odd_x, &s, b.lanes, k);
        }
        if (p < r.p1) add_products(x, dy, y, at, &sum, &sum_x, &s, b.lanes, k);
      }
      total += v16_widen(sum + odd);
      total_x += v16_widen(sum_x + odd_x);
    }
    v16_store(sums + block * LANES, v16_narrow(total));
    v16_store(sums + (BLOCKS(k->c) + block) * LANES, v16_narrow(total_x * v16_widen(s.inv_std)));
  }
}

/* sums → dweight, dbias (c values each); a unit is a channel block */
void sgk_batchnorm_grad_params(SGK_TEMPLATE_ARGS, const BatchNormParams *k) {
  const float *sums = buf[0];
  float *dweight = buf[1], *dbias = buf[2];
  for (int64_t block = begin; block < end; block++) {
    int64_t at = block * LANES, lanes = block_lanes(block, k->c);
    v16 db = v16_load(sums + at), dw = v16_load(sums + BLOCKS(k->c) * LANES + at);
    if (dbias) v16_store_or_add(dbias + at, db, lanes, k->accumulate);
    if (dweight) v16_store_or_add(dweight + at, dw, lanes, k->accumulate);
  }
}

SIMD void grad_input_run(void *const *buf, int64_t n, int64_t block, int64_t at, int64_t count, int64_t lanes,
                         const BatchNormParams *k) {
  Scales s = scales_of(k, block, buf[3], buf[4], k->affine ? buf[5] : NULL, k->affine ? buf[6] : NULL);
  const float *x = (const float *)buf[0], *dy = (const float *)buf[1] + at, *sums = buf[7];
  const float *y = buf[2] ? (const float *)buf[2] + at : NULL;
  float *dx = (float *)buf[8], *dresidual = k->has_residual ? buf[9] : NULL;
  v16 scale = s.inv_std * s.weight, mean_dz = {0}, slope = {0};
  if (!k->use_running) { /* what dz loses through the batch's mean and variance */
    double each = 1.0 / (double)(n * pixels_of(k));
    mean_dz = v16_narrow(v16_widen(v16_load(sums + block * LANES)) * each);
    slope = v16_narrow(v16_widen(v16_load(sums + (BLOCKS(k->c) + block) * LANES)) * each) * s.inv_std;
  }
  for (int64_t i = 0; i < count * LANES; i += LANES) {
    v16 dz = load_dz(x ? x + at + i : NULL, dy + i, y ? y + i : NULL, &s, lanes, k);
    if (dx) {
      v16 g = dz * scale;
      if (!k->use_running) g = (dz - mean_dz - (v16_load_lanes(x + at + i, lanes) - s.mean) * slope) * scale;
      v16_store_or_add(dx + at + i, g, lanes, k->accumulate);
    }
    if (dresidual) v16_store_or_add(dresidual + at + i, dz, lanes, k->residual_accumulate);
  }
}

/* dx from dz, and dz itself for the residual. With use_running neither x nor sums is read. dx may be dy where
 * there is no dresidual of the same buffer. */
void sgk_batchnorm_grad_input(SGK_TEMPLATE_ARGS, const BatchNormParams *k) {
  each_unit(grad_input_run, buf, n, begin, end, k);
}
