/* From raw OIHW weights to the order in which the convolution templates read them, with an inference
 * BatchNorm folded in where asked. A work item is one block of the packed output; nothing depends on the batch.
 * Run once after weights were loaded or changed, by the generated pack(). */
#include "runtime/kernels/conv/conv.h"

/* What a folded BatchNorm makes of output channel c: w * scale, bias * scale + shift. In double, rounded
 * once. */
typedef struct Fold {
  double scale, shift;
} Fold;

INLINE Fold fold_channel(const conv2d_pack_operands *b, const Conv2dPackParams *k, int64_t c) {
  Fold f = {1, 0};
  if (!k->fold_bn) return f;
  f.scale = 1 / __builtin_sqrt((double)b->bn_var[c] + k->eps);
  if (k->bn_affine) f.scale *= b->bn_weight[c];
  f.shift = -b->bn_mean[c] * f.scale;
  if (k->bn_affine) f.shift += b->bn_bias[c];
  return f;
}

/* The bias of one block; zeros in the pad lanes, and where the convolution has none. */
INLINE void pack_bias(const conv2d_pack_operands *b, const Conv2dPackParams *k, int64_t block) {
  for (int64_t lane = 0; lane < LANES; lane++) {
    int64_t c = block * LANES + lane;
    b->packed_bias[c] = 0;
    if (c >= k->oc) continue;
    Fold f = fold_channel(b, k, c);
    b->packed_bias[c] = (float)((k->has_bias ? b->bias[c] : 0) * f.scale + f.shift);
  }
}

/* `lanes` values that lie `stride` apart; zeros in the other lanes. */
INLINE v16 gather(const float *from, int64_t stride, int64_t lanes) {
  v16 v = {0};
  if (lanes >= LANES) {
    for (int64_t i = 0; i < LANES; i++) v[i] = from[i * stride];
  } else {
    for (int64_t i = 0; i < lanes; i++) v[i] = from[i * stride];
  }
  return v;
}

PLAN(conv2d_pack) { per_call(plan, BLOCKS(k->oc), 0); }
/* packed: [OCB][ICB][KH][KW][16 ic][16 oc], nchw_x: [OCB][KH][KW][IC][16 oc]; a work item is an output block.
 * The taps innermost: then each of the 16 filters is read from front to back, and what is written meanwhile is near. */
TEMPLATE(conv2d_pack) {
  const float *w = b->w;
  const int64_t inputs = k->ic / k->groups, taps = k->kh * k->kw;
  const int64_t rows = k->nchw_x ? inputs : BLOCKS(inputs) * LANES, group_blocks = BLOCKS(k->oc / k->groups);
  for (int64_t block = begin; block < end; block++) {
    float *to = b->packed + block * rows * taps * LANES;
    pack_bias(b, k, block);
    const int64_t left = k->oc / k->groups - block % group_blocks * LANES, outs = left < LANES ? left : LANES;
    v16d scale = {0};
    if (k->fold_bn)
      for (int64_t lane = 0; lane < outs; lane++) scale[lane] = fold_channel(b, k, block * LANES + lane).scale;
    for (int64_t i = 0; i < rows; i++)
      for (int64_t t = 0; t < taps; t++) {
        int64_t row = k->nchw_x ? t * inputs + i : (i / LANES * taps + t) * LANES + i % LANES;
        v16 value = {0};
        if (i < inputs) value = gather(w + (block * LANES * inputs + i) * taps + t, inputs * taps, outs);
        if (k->fold_bn) value = __builtin_convertvector(__builtin_convertvector(value, v16d) * scale, v16);
        *(v16 *)(to + row * LANES) = value;
      }
  }
}

PLAN(conv2d_pack_transposed) { per_call(plan, BLOCKS(k->ic), 0); }
/* packed: [ICB][OCB of a group][KH][KW][16 oc][16 ic], kernel flipped; a work item is a block of forward input
 * channels. */
TEMPLATE(conv2d_pack_transposed) {
  const float *w = b->w;
  const int64_t inputs = k->ic / k->groups, outputs = k->oc / k->groups, taps = k->kh * k->kw;
  const int64_t out_blocks = BLOCKS(outputs);
  for (int64_t block = begin; block < end; block++) {
    float *to = b->packed + block * out_blocks * taps * LANES * LANES;
    /* groups are whole blocks, or there is one group */
    const int64_t c = block * LANES, group = c / inputs, left = k->ic - c, lanes = left < LANES ? left : LANES;
    for (int64_t o = 0; o < out_blocks * LANES; o++)
      for (int64_t t = 0; t < taps; t++) {
        v16 value = {0};
        if (o < outputs)
          value = gather(w + ((group * outputs + o) * inputs + c % inputs) * taps + taps - 1 - t, taps, lanes);
        *(v16 *)(to + ((o / LANES * taps + t) * LANES + o % LANES) * LANES) = value;
      }
  }
}

PLAN(depthwise_pack) { per_call(plan, BLOCKS(k->oc), 0); }
/* packed: [CB][KH][KW][16], raw: [c][1][KH][KW]; a work item is a block. */
TEMPLATE(depthwise_pack) {
  const float *w = b->w;
  const int64_t taps = k->kh * k->kw;
  const conv2d_pack_operands norm = {.bias = b->bias,
                                     .bn_weight = b->bn_weight,
                                     .bn_bias = b->bn_bias,
                                     .bn_mean = b->bn_mean,
                                     .bn_var = b->bn_var,
                                     .packed_bias = b->packed_bias};
  for (int64_t block = begin; block < end; block++) {
    float *to = b->packed + block * taps * LANES;
    pack_bias(&norm, k, block);
    for (int64_t lane = 0; lane < LANES; lane++) {
      int64_t c = block * LANES + lane;
      double scale = c < k->oc ? fold_channel(&norm, k, c).scale : 0;
      for (int64_t t = 0; t < taps; t++) to[t * LANES + lane] = c < k->oc ? (float)(w[c * taps + t] * scale) : 0;
    }
  }
}
