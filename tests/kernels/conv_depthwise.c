/* The depthwise kernels and their gradients against the naive twins (a group for each channel). */
#include "tests/kernels/conv_tests.h"
#include <math.h>
#include <stdlib.h>
#include "tests/kernels/call.h"

static const Shape shapes[] = {
    /* name, groups (= c), ic, ih, iw, oc, kernel, stride, padding, dilation */
    {"one pixel", 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0},
    {"one pixel, 3x3", 3, 3, 1, 1, 3, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"3x3", 16, 16, 9, 23, 16, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"3x3, odd channels", 40, 40, 7, 7, 40, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"3x3 stride 2", 17, 17, 14, 15, 17, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0},
    {"3x3 stride 3, no padding", 24, 24, 14, 16, 24, 3, 3, 3, 3, 0, 0, 1, 1, 0, 0},
    {"5x5 stride 2", 16, 16, 12, 25, 16, 5, 5, 2, 2, 2, 2, 1, 1, 0, 0},
    {"5x3, wide padding", 3, 3, 4, 5, 3, 5, 3, 1, 1, 5, 4, 1, 1, 0, 0},
    {"3x3 dilation 2", 33, 33, 9, 12, 33, 3, 3, 1, 1, 2, 2, 2, 2, 0, 0},
    {"3x3 dilation 2 stride 2", 16, 16, 9, 12, 16, 3, 3, 2, 2, 2, 2, 2, 2, 0, 0},
    {"7x11, kernel past the image", 16, 16, 5, 6, 16, 7, 11, 1, 1, 3, 5, 1, 1, 0, 0},
    {"2x2, stride past the kernel", 16, 16, 11, 12, 16, 2, 2, 3, 4, 0, 0, 1, 1, 0, 0},
    {0},
};

static void check_depthwise(const Shape *s, int64_t n, int activation, int extras, int fold_bn) {
  Conv2dParams k = forward_constants(s);
  k.activation = activation;
  k.has_bias = 1;
  k.has_residual = extras;
  k.accumulate = extras;
  Conv2dPackParams pack = {s->groups, s->ic, s->oc, s->kh, s->kw, 0, 1, fold_bn, 1, 1e-5};
  int64_t c = s->oc, pixels = s->oh * s->ow, count = n * BLOCKS(c) * pixels * LANES;
  float *x = random_floats(n * c * s->ih * s->iw, 1), *w = random_floats(c * s->kh * s->kw, 2),
        *bias = random_floats(c, 3);
  float *residual = random_floats(n * c * pixels, 4), *before = random_floats(n * c * pixels, 5);
  float *gamma = random_floats(c, 6), *beta = random_floats(c, 7), *mean = random_floats(c, 8),
        *var = random_floats(c, 9);
  for (int64_t i = 0; i < c; i++) var[i] = fabsf(var[i]) + 0.1f;
  float *x_in = to_nchw16c(x, n, c, s->ih * s->iw), *residual_in = to_nchw16c(residual, n, c, pixels);
  float *y = extras ? to_nchw16c(before, n, c, pixels) : nan_floats(count);
  float *packed = nan_floats(BLOCKS(c) * s->kh * s->kw * LANES), *packed_bias = nan_floats(BLOCKS(c) * LANES);
  const depthwise_pack_operands packing = {.w = w,
                                           .bias = bias,
                                           .bn_weight = gamma,
                                           .bn_bias = beta,
                                           .bn_mean = mean,
                                           .bn_var = var,
                                           .packed = packed,
                                           .packed_bias = packed_bias};
  run_kernel(KERNEL_depthwise_pack, &pack, &packing, 0, 0, 0);
  const depthwise_operands in = {
      .x = x_in, .w = packed, .bias = packed_bias, .residual = extras ? residual_in : NULL, .y = y};
  run_splits(s->name, KERNEL_depthwise, &k, &in, n, y, count);
  Result want = naive_forward(s, n, x, w);
  for (int64_t i = 0; i < want.count; i++) {
    int64_t o = i / pixels % c;
    double scale = fold_bn ? gamma[o] / sqrt(var[o] + 1e-5) : 1;
    double v = (want.value[i] + bias[o] - (fold_bn ? mean[o] : 0)) * scale + (fold_bn ? beta[o] : 0);
    want.magnitude[i] = (want.magnitude[i] + 2) * (fabs(scale) + 1);
    if (extras) v += residual[i] + before[i];
    if (activation != ACT_NONE && v < 0) v = 0;
    want.value[i] = activation == ACT_RELU6 && v > 6 ? 6 : v;
  }
  float *got = from_nchw16c(s->name, y, n, c, pixels);
  expect_close(s->name, got, &want);
  result_free(&want);
  float *all[] = {x, w, bias, residual, before, gamma, beta, mean, var, x_in, residual_in, y, packed, packed_bias, got};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

void test_depthwise(void **state) {
  (void)state;
  for (const Shape *row = shapes; row->name; row++) {
    Shape s = *row;
    shape_finish(&s);
    for (int64_t n = 0; n <= 3; n += n + 1) {
      check_depthwise(&s, n, ACT_RELU6, 0, 1);
      check_depthwise(&s, n, ACT_NONE, 1, 0);
      check_depthwise(&s, n, ACT_RELU, 1, 1);
    }
  }
}

static void check_gradients(const Shape *s, int64_t n, int accumulate) {
  Conv2dGradWeightParams k = gradient_constants(s);
  k.accumulate = accumulate;
  Conv2dPackParams pack = {s->groups, s->ic, s->oc, s->kh, s->kw, 0, 0, 0, 0, 0};
  int64_t c = s->ic, in = s->ih * s->iw, out = s->oh * s->ow, taps = s->kh * s->kw;
  float *x = random_floats(n * c * in, 1), *w = random_floats(c * taps, 2), *dy = random_floats(n * c * out, 3);
  float *x_before = random_floats(n * c * in, 4), *w_before = random_floats(c * taps, 5);
  float *x_in = to_nchw16c(x, n, c, in), *dy_in = to_nchw16c(dy, n, c, out);
  float *packed = nan_floats(BLOCKS(c) * taps * LANES), *bias = nan_floats(BLOCKS(c) * LANES);
  float *dx = accumulate ? to_nchw16c(x_before, n, c, in) : nan_floats(n * BLOCKS(c) * in * LANES);
  float *dw = accumulate ? copy_floats(w_before, c * taps) : nan_floats(c * taps);
  run_kernel(KERNEL_depthwise_pack, &pack, OPERANDS(depthwise_pack, .w = w, .packed = packed, .packed_bias = bias), 0,
             0, 0);
  const depthwise_grad_input_operands for_x = {.dy = dy_in, .w = packed, .dx = dx};
  const depthwise_grad_weight_operands for_w = {.x = x_in, .dy = dy_in, .dw = dw};
  run_splits(s->name, KERNEL_depthwise_grad_input, &k, &for_x, n, dx, n * BLOCKS(c) * in * LANES);
  run_splits(s->name, KERNEL_depthwise_grad_weight, &k, &for_w, n, dw, c * taps);
  Result want_x = naive_grad_input(s, n, dy, w), want_w = naive_grad_weight(s, n, x, dy);
  for (int64_t i = 0; accumulate && i < want_x.count; i++) want_x.value[i] += x_before[i];
  for (int64_t i = 0; accumulate && i < want_w.count; i++) want_w.value[i] += w_before[i];
  float *got = from_nchw16c(s->name, dx, n, c, in);
  expect_close(s->name, got, &want_x);
  expect_close(s->name, dw, &want_w);
  result_free(&want_x);
  result_free(&want_w);
  float *all[] = {x, w, dy, x_before, w_before, x_in, dy_in, packed, bias, dx, dw, got};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

void test_depthwise_gradients(void **state) {
  (void)state;
  for (const Shape *row = shapes; row->name; row++) {
    Shape s = *row;
    shape_finish(&s);
    for (int64_t n = 0; n <= 3; n += n + 1) check_gradients(&s, n, n == 3);
  }
}
