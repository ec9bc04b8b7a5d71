/* Group normalisation (Wu and He, 2018) of NCHW16c and of row-major (N, C, HW), and its gradients. Sums are kept in
 * double, and deviations are those from the group's mean, so that nothing cancels. A work item is some whole groups of
 * one sample: of NCHW16c as many as fill whole channel blocks, else one. Called by generated code and by tests/kernels.
 */
#include "runtime/kernels/template.h"

SIMD int64_t group_channels(const GroupNormParams *k) { return k->c / k->groups; }
SIMD int64_t item_groups(const GroupNormParams *k) {
  int64_t groups = 1;
  if (!k->row_major)
    while (groups < k->groups && groups * group_channels(k) % LANES) groups++;
  return groups;
}
/* Channels that a vector is of. */
SIMD int64_t plane_channels(const GroupNormParams *k) { return k->row_major ? 1 : LANES; }

static inline void group_plan(const GroupNormParams *k, CallPlan *plan, double flops) {
  per_sample(plan, chunks_of(k->groups, item_groups(k)), flops * (double)(k->c * k->hw));
  plan->scratch_bytes =
      BLOCKS(item_groups(k) * group_channels(k)) * LANES * (2 * (int64_t)sizeof(double) + 5 * (int64_t)sizeof(float));
}

/* What is known of each channel of an item, in scratch; the lanes after the last channel are 0. */
typedef struct Channels {
  int64_t sample, group, groups, first, count; /* count: to whole blocks of NCHW16c */
  double *sum, *second;
  float *mean, *scale, *weight, *bias; /* weight, bias: what x or g is multiplied by, and what is added or taken away */
  float *along;
} Channels;

SIMD Channels channels_of(const GroupNormParams *k, int64_t item, void *scratch) {
  int64_t each = item_groups(k), items = chunks_of(k->groups, each), all = BLOCKS(each * group_channels(k)) * LANES;
  Channels c = {.sample = item / items, .group = item % items * each};
  c.groups = k->groups - c.group < each ? k->groups - c.group : each;
  c.first = c.group * group_channels(k);
  c.count = chunks_of(c.groups * group_channels(k), plane_channels(k)) * plane_channels(k);
  c.sum = scratch;
  c.second = c.sum + all;
  c.mean = (float *)(c.second + all);
  c.scale = c.mean + all;
  c.weight = c.scale + all;
  c.bias = c.weight + all;
  c.along = c.bias + all;
  return c;
}

/* The values of one channel, or of a block of them: so many vectors, the last with so many lanes in use. */
typedef struct Plane {
  int64_t at, vectors;
} Plane;
SIMD Plane plane_of(const GroupNormParams *k, int64_t sample, int64_t channel) {
  if (k->row_major) return (Plane){(sample * k->c + channel) * k->hw, chunks_of(k->hw, LANES)};
  return (Plane){(sample * BLOCKS(k->c) + channel / LANES) * k->hw * LANES, k->hw};
}
SIMD int64_t plane_lanes(const GroupNormParams *k, int64_t v) { return k->row_major ? k->hw - v * LANES : LANES; }
SIMD v16 of_channel(const GroupNormParams *k, const float *at) { return k->row_major ? v16_set(*at) : v16_load(at); }
SIMD void set_channel(const GroupNormParams *k, double *at, v16d v) {
  if (k->row_major) *at = v16d_sum(v);
  else
    for (int64_t i = 0; i < LANES; i++) at[i] = v[i];
}

/* Of each channel the sums of d and of d times what it is multiplied by: without dy d = x - mean, and itself; with dy
 * d = dy, and (x - mean) scale. */
SIMD void plane_sums(const GroupNormParams *k, Plane p, const float *x, const float *dy, v16 mean, v16 scale, v16d *sum,
                     v16d *second) {
  *sum = *second = (v16d){0};
  for (int64_t v = 0; v < p.vectors; v++) {
    int64_t lanes = plane_lanes(k, v), at = p.at + v * LANES;
    v16 d = v16_load_lanes(x + at, lanes) - mean, g = d;
    if (dy) g = v16_load_lanes(dy + at, lanes), d *= scale;
    else g = v16_keep(v16_first_lanes(lanes), g);
    *sum += v16_widen(g);
    *second += v16_widen(g * d);
  }
}
SIMD void channel_sums(const GroupNormParams *k, const Channels *c, const float *x, const float *dy) {
  for (int64_t i = 0; i < c->count; i += plane_channels(k)) {
    v16d sum, second;
    plane_sums(k, plane_of(k, c->sample, c->first + i), x, dy, of_channel(k, c->mean + i), of_channel(k, c->scale + i),
               &sum, &second);
    set_channel(k, c->sum + i, sum);
    set_channel(k, c->second + i, second);
  }
}

/* Over the channels of group g of an item, each with its weight. */
SIMD double group_sum(const GroupNormParams *k, const double *values, const float *weight, int64_t first, int64_t g) {
  double sum = 0;
  for (int64_t i = g * group_channels(k); i < (g + 1) * group_channels(k); i++)
    sum += values[i] * (weight ? (double)weight[first + i] : 1.0);
  return sum;
}
SIMD void set_group(const GroupNormParams *k, float *values, int64_t g, float value) {
  for (int64_t i = g * group_channels(k); i < (g + 1) * group_channels(k); i++) values[i] = value;
}
SIMD void clear_channels(const Channels *c) {
  for (int64_t i = 0; i < c->count; i++) c->mean[i] = c->scale[i] = c->weight[i] = c->bias[i] = c->along[i] = 0;
}

PLAN(groupnorm) { group_plan(k, plan, 8); }
/* x, weight and bias [c] → y, and stats (n, groups, 2) where there is room for them */
TEMPLATE(groupnorm) {
  const double count = (double)(group_channels(k) * k->hw);
  for (int64_t item = begin; item < end; item++) {
    Channels c = channels_of(k, item, scratch);
    clear_channels(&c);
    channel_sums(k, &c, b->x, NULL);
    for (int64_t g = 0; g < c.groups; g++) set_group(k, c.mean, g, (float)(group_sum(k, c.sum, NULL, 0, g) / count));
    channel_sums(k, &c, b->x, NULL);
    for (int64_t g = 0; g < c.groups; g++) {
      /* the mean is rounded: what is left of the sum of deviations corrects the variance, and y by the bias */
      double left = group_sum(k, c.sum, NULL, 0, g) / count;
      double scale = 1.0 / __builtin_sqrt(group_sum(k, c.second, NULL, 0, g) / count - left * left + k->eps);
      float *stats = b->stats ? b->stats + 2 * (c.sample * k->groups + c.group + g) : NULL;
      if (stats) stats[0] = (float)(c.mean[g * group_channels(k)] + left), stats[1] = (float)scale;
      for (int64_t i = g * group_channels(k); i < (g + 1) * group_channels(k); i++) {
        double weight = b->weight ? scale * b->weight[c.first + i] : scale;
        c.weight[i] = (float)weight;
        c.bias[i] = (float)((b->bias ? b->bias[c.first + i] : 0) - left * weight);
      }
    }
    for (int64_t i = 0; i < c.count; i += plane_channels(k)) {
      Plane p = plane_of(k, c.sample, c.first + i);
      v16 mean = of_channel(k, c.mean + i), weight = of_channel(k, c.weight + i), bias = of_channel(k, c.bias + i);
      for (int64_t v = 0; v < p.vectors; v++) {
        int64_t lanes = plane_lanes(k, v), at = p.at + v * LANES;
        v16_store_lanes(b->y + at, (v16_load_lanes(b->x + at, lanes) - mean) * weight + bias, lanes);
      }
    }
  }
}

PLAN(groupnorm_grad_input) { group_plan(k, plan, 13); }
/* dx = scale (g - mean(g) - xhat mean(g xhat)) with g = dy weight, xhat = (x - mean) scale, means over the group */
TEMPLATE(groupnorm_grad_input) {
  const double count = (double)(group_channels(k) * k->hw);
  for (int64_t item = begin; item < end; item++) {
    Channels c = channels_of(k, item, scratch);
    const float *stats = b->stats + 2 * (c.sample * k->groups + c.group);
    clear_channels(&c);
    for (int64_t g = 0; g < c.groups; g++) {
      set_group(k, c.mean, g, stats[2 * g]);
      set_group(k, c.scale, g, stats[2 * g + 1]);
    }
    channel_sums(k, &c, b->x, b->dy);
    for (int64_t g = 0; g < c.groups; g++) {
      float g_mean = (float)(group_sum(k, c.sum, b->weight, c.first, g) / count);
      float g_along = (float)(group_sum(k, c.second, b->weight, c.first, g) / count);
      set_group(k, c.bias, g, g_mean);
      for (int64_t i = g * group_channels(k); i < (g + 1) * group_channels(k); i++)
        c.weight[i] = b->weight ? b->weight[c.first + i] : 1;
      set_group(k, c.along, g, g_along);
    }
    for (int64_t i = 0; i < c.count; i += plane_channels(k)) {
      Plane p = plane_of(k, c.sample, c.first + i);
      v16 mean = of_channel(k, c.mean + i), scale = of_channel(k, c.scale + i), weight = of_channel(k, c.weight + i),
          g_mean = of_channel(k, c.bias + i), g_along = of_channel(k, c.along + i);
      for (int64_t v = 0; v < p.vectors; v++) {
        int64_t lanes = plane_lanes(k, v), at = p.at + v * LANES;
        v16 hat = (v16_load_lanes(b->x + at, lanes) - mean) * scale;
        v16 g = v16_load_lanes(b->dy + at, lanes) * weight;
        v16_store_or_add(b->dx + at, (g - g_mean - hat * g_along) * scale, lanes, k->accumulate);
      }
    }
  }
}

PLAN(groupnorm_grad_params) { per_call(plan, chunks_of(k->c, plane_channels(k)), 4.0 * (double)(k->c * k->hw)); }
/* dweight[c] = sum of dy xhat, dbias[c] = sum of dy, over batch and pixels. A work item is a channel, or a block. */
TEMPLATE(groupnorm_grad_params) {
  for (int64_t item = begin; item < end; item++) {
    const int64_t channel = item * plane_channels(k), left = k->c - channel;
    const int64_t channels = left < plane_channels(k) ? left : plane_channels(k);
    v16d sum = {0}, second = {0};
    for (int64_t sample = 0; sample < n; sample++) {
      v16 mean = {0}, scale = {0};
      for (int64_t i = 0; i < channels; i++) {
        const float *stats = b->stats + 2 * (sample * k->groups + (channel + i) / group_channels(k));
        mean[i] = stats[0], scale[i] = stats[1];
      }
      if (k->row_major) mean = v16_set(mean[0]), scale = v16_set(scale[0]);
      v16d a, along;
      plane_sums(k, plane_of(k, sample, channel), b->x, b->dy, mean, scale, &a, &along);
      sum += a;
      second += along;
    }
    double db[LANES], dw[LANES];
    set_channel(k, db, sum);
    set_channel(k, dw, second);
    for (int64_t i = 0; i < channels; i++) {
      float *dweight = b->dweight ? b->dweight + channel + i : NULL, *dbias = b->dbias ? b->dbias + channel + i : NULL;
      if (dweight) *dweight = (float)(k->accumulate ? *dweight + dw[i] : dw[i]);
      if (dbias) *dbias = (float)(k->accumulate ? *dbias + db[i] : db[i]);
    }
  }
}
