/* Convolutions of any grouping at all (a group's channels no multiple of 16), straight from raw OIHW weights:
 * simple and slow, for shapes that no other template takes. x and y are NCHW16c. A work item is a block of channels of
 * one image; for the weights' gradient one output channel over the whole batch. */
#include "runtime/kernels/conv/conv.h"

/* Index of channel c's pixel 0 in NCHW16c (n, channels, pixels). */
INLINE int64_t plane(int64_t image, int64_t channels, int64_t c, int64_t pixels) {
  return (image * BLOCKS(channels) + c / LANES) * pixels * LANES + c % LANES;
}

INLINE float generic_output(const Conv2dParams *k, const float *x, const float *w, int64_t image, int64_t c, int64_t oy,
                            int64_t ox) {
  const int64_t inputs = k->ic / k->groups, first = c / (k->oc / k->groups) * inputs;
  float sum = 0;
  for (int64_t i = 0; i < inputs; i++)
    for (int64_t th = 0; th < k->kh; th++)
      for (int64_t tw = 0; tw < k->kw; tw++) {
        int64_t row = oy * k->stride_h - k->pad_h + th * k->dil_h, col = ox * k->stride_w - k->pad_w + tw * k->dil_w;
        if (row < 0 || col < 0 || row % k->input_dil_h || col % k->input_dil_w) continue;
        row /= k->input_dil_h;
        col /= k->input_dil_w;
        if (row < k->ih && col < k->iw)
          sum += x[plane(image, k->ic, first + i, k->ih * k->iw) + (row * k->iw + col) * LANES] *
                 w[((c * inputs + i) * k->kh + th) * k->kw + tw];
      }
  return sum;
}

PLAN(conv2d_generic) { per_sample(plan, BLOCKS(k->oc), CONV_FLOPS(k)); }
TEMPLATE(conv2d_generic) {
  const float *x = b->x, *w = b->w, *bias = b->bias, *residual = b->residual;
  float *y = b->y;
  for (int64_t item = begin; item < end; item++) {
    int64_t image = item / BLOCKS(k->oc), block = item % BLOCKS(k->oc);
    for (int64_t pixel = 0; pixel < k->oh * k->ow; pixel++) {
      int64_t at = plane(image, k->oc, block * LANES, k->oh * k->ow) + pixel * LANES;
      v16 out = {0};
      for (int64_t lane = 0; lane < min64(LANES, k->oc - block * LANES); lane++) {
        int64_t c = block * LANES + lane;
        out[lane] = generic_output(k, x, w, image, c, pixel / k->ow, pixel % k->ow) + (k->has_bias ? bias[c] : 0);
      }
      if (k->has_residual) out += *(const v16 *)(residual + at);
      if (k->accumulate) out += *(const v16 *)(y + at);
      *(v16 *)(y + at) = activate(out, k->activation);
    }
  }
}

INLINE float generic_input_gradient(const Conv2dGradWeightParams *k, const float *dy, const float *w, int64_t image,
                                    int64_t c, int64_t iy, int64_t ix) {
  const int64_t inputs = k->ic / k->groups, outputs = k->oc / k->groups, group = c / inputs;
  float sum = 0;
  for (int64_t o = group * outputs; o < (group + 1) * outputs; o++)
    for (int64_t th = 0; th < k->kh; th++)
      for (int64_t tw = 0; tw < k->kw; tw++) {
        int64_t row = iy + k->pad_h - th * k->dil_h, col = ix + k->pad_w - tw * k->dil_w;
        if (row < 0 || col < 0 || row % k->stride_h || col % k->stride_w) continue;
        row /= k->stride_h;
        col /= k->stride_w;
        if (row < k->oh && col < k->ow)
          sum += dy[plane(image, k->oc, o, k->oh * k->ow) + (row * k->ow + col) * LANES] *
                 w[((o * inputs + c % inputs) * k->kh + th) * k->kw + tw];
      }
  return sum;
}

PLAN(conv2d_generic_grad_input) { per_sample(plan, BLOCKS(k->ic), CONV_FLOPS(k)); }
TEMPLATE(conv2d_generic_grad_input) {
  const float *dy = b->dy, *w = b->w;
  float *dx = b->dx;
  for (int64_t item = begin; item < end; item++) {
    int64_t image = item / BLOCKS(k->ic), block = item % BLOCKS(k->ic);
    for (int64_t pixel = 0; pixel < k->ih * k->iw; pixel++) {
      int64_t at = plane(image, k->ic, block * LANES, k->ih * k->iw) + pixel * LANES;
      v16 out = {0};
      for (int64_t lane = 0; lane < min64(LANES, k->ic - block * LANES); lane++)
        out[lane] = generic_input_gradient(k, dy, w, image, block * LANES + lane, pixel / k->iw, pixel % k->iw);
      if (k->accumulate) out += *(const v16 *)(dx + at);
      *(v16 *)(dx + at) = out;
    }
  }
}

INLINE float generic_weight_gradient(const Conv2dGradWeightParams *k, const float *x, const float *dy, int64_t n,
                                     int64_t o, int64_t c, int64_t th, int64_t tw) {
  float sum = 0;
  for (int64_t image = 0; image < n; image++)
    for (int64_t oy = 0; oy < k->oh; oy++) {
      int64_t row = oy * k->stride_h - k->pad_h + th * k->dil_h;
      if (row < 0 || row >= k->ih) continue;
      for (int64_t ox = 0; ox < k->ow; ox++) {
        int64_t col = ox * k->stride_w - k->pad_w + tw * k->dil_w;
        if (col < 0 || col >= k->iw) continue;
        sum += x[plane(image, k->ic, c, k->ih * k->iw) + (row * k->iw + col) * LANES] *
               dy[plane(image, k->oc, o, k->oh * k->ow) + (oy * k->ow + ox) * LANES];
      }
    }
  return sum;
}

PLAN(conv2d_generic_grad_weight) { per_call(plan, k->oc, CONV_FLOPS(k)); }
TEMPLATE(conv2d_generic_grad_weight) {
  const float *x = b->x, *dy = b->dy;
  float *dw = b->dw;
  const int64_t inputs = k->ic / k->groups, outputs = k->oc / k->groups;
  for (int64_t o = begin; o < end; o++)
    for (int64_t i = 0; i < inputs; i++)
      for (int64_t th = 0; th < k->kh; th++)
        for (int64_t tw = 0; tw < k->kw; tw++) {
          float sum = generic_weight_gradient(k, x, dy, n, o, o / outputs * inputs + i, th, tw);
          float *to = dw + ((o * inputs + i) * k->kh + th) * k->kw + tw;
          *to = k->accumulate ? *to + sum : sum;
        }
}
