/* conv2d and conv2d_generic against the naive twin: every shape, NCHW16c and NCHW x, batches of 0, 1 and 3, each
 * epilogue, accumulation, BatchNorm folding, and work items divided in odd ways. */
#include "tests/kernels/conv_tests.h"
#include <math.h>
#include <stdlib.h>
#include "tests/kernels/call.h"

/* What is added to a convolution. */
typedef struct Epilogue {
  int activation, bias, residual, accumulate, fold_bn;
} Epilogue;

static double activated(double x, int activation) {
  if (activation == ACT_NONE) return x;
  if (x < 0) return 0;
  return activation == ACT_RELU6 && x > 6 ? 6 : x;
}

typedef struct Parameters {
  float *w, *bias, *bn[4];
} Parameters;

static Parameters parameters_new(const Shape *s) {
  Parameters p = {random_floats(s->oc * s->ic / s->groups * s->kh * s->kw, 2), random_floats(s->oc, 3), {0}};
  for (int i = 0; i < 4; i++) p.bn[i] = random_floats(s->oc, 10 + i);
  for (int64_t c = 0; c < s->oc; c++) p.bn[3][c] = fabsf(p.bn[3][c]) + 0.1f;
  return p;
}
static void parameters_free(Parameters *p) {
  free(p->w);
  free(p->bias);
  for (int i = 0; i < 4; i++) free(p->bn[i]);
}

/* The naive convolution with the epilogue applied, in place. residual, before: NCHW. */
static void naive_epilogue(const Shape *s, const Epilogue *e, const Parameters *p, const float *residual,
                           const float *before, Result *r) {
  for (int64_t i = 0; i < r->count; i++) {
    int64_t c = i / (s->oh * s->ow) % s->oc;
    double v = r->value[i] + (e->bias ? p->bias[c] : 0);
    if (e->fold_bn) {
      double scale = p->bn[0][c] / sqrt(p->bn[3][c] + 1e-5);
      v = (v - p->bn[2][c]) * scale + p->bn[1][c];
      r->magnitude[i] = (r->magnitude[i] + 2) * (fabs(scale) + 1);
    }
    if (e->residual) v += residual[i];
    if (e->accumulate) v += before[i];
    r->value[i] = activated(v, e->activation);
  }
}

static void check_forward(const Shape *s, int64_t n, const Epilogue *e, int nchw_x, Method method) {
  const int any = method == ANY;
  Conv2dParams k = forward_constants(s);
  k.nchw_x = nchw_x;
  k.activation = e->activation;
  k.has_bias = e->bias || e->fold_bn;
  k.has_residual = e->residual;
  k.accumulate = e->accumulate;
  Conv2dPackParams pack = {s->groups, s->ic, s->oc, s->kh, s->kw, nchw_x, e->bias, e->fold_bn, 1, 1e-5};
  int64_t y_count = n * s->oc * s->oh * s->ow, y_blocked = n * BLOCKS(s->oc) * s->oh * s->ow * LANES;
  Parameters p = parameters_new(s);
  float *x = random_floats(n * s->ic * s->ih * s->iw, 1), *residual = random_floats(y_count, 4),
        *before = random_floats(y_count, 5);
  float *x_in = nchw_x ? copy_floats(x, n * s->ic * s->ih * s->iw) : to_nchw16c(x, n, s->ic, s->ih * s->iw);
  float *residual_in = to_nchw16c(residual, n, s->oc, s->oh * s->ow);
  float *y = e->accumulate ? to_nchw16c(before, n, s->oc, s->oh * s->ow) : nan_floats(y_blocked);
  int64_t rows = nchw_x ? s->ic : BLOCKS(s->ic / s->groups) * LANES;
  float *packed = nan_floats(BLOCKS(s->oc) * LANES * rows * s->kh * s->kw),
        *packed_bias = nan_floats(BLOCKS(s->oc) * LANES);
  const conv2d_pack_operands packing = {.w = p.w,
                                        .bias = e->bias ? p.bias : NULL,
                                        .bn_weight = p.bn[0],
                                        .bn_bias = p.bn[1],
                                        .bn_mean = p.bn[2],
                                        .bn_var = p.bn[3],
                                        .packed = packed,
                                        .packed_bias = packed_bias};
  if (!any) run_kernel(KERNEL_conv2d_pack, &pack, &packing, 0, 0, 0);
  const conv2d_operands in = {.x = x_in,
                              .w = any ? p.w : packed,
                              .bias = k.has_bias ? any ? p.bias : packed_bias : NULL,
                              .residual = e->residual ? residual_in : NULL,
                              .y = y}; /* those of all methods */
  static const KernelId kernels[] = {[DIRECT] = KERNEL_conv2d,
                                     [ANY] = KERNEL_conv2d_generic,
                                     [WINOGRAD] = KERNEL_conv2d_wino,
                                     [STEM] = KERNEL_conv2d_stem};
  run_splits(s->name, kernels[method], &k, &in, n, y, y_blocked);
  Result want = naive_forward(s, n, x, p.w);
  naive_epilogue(s, e, &p, residual, before, &want);
  float *got = from_nchw16c(s->name, y, n, s->oc, s->oh * s->ow);
  if (method == WINOGRAD || method == STEM) winograd_tolerance(&want);
  expect_close(s->name, got, &want);
  result_free(&want);
  parameters_free(&p);
  float *all[] = {x, residual, before, x_in, residual_in, y, packed, packed_bias, got};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static const Epilogue epilogues[] = {
    {ACT_NONE, 0, 0, 0, 0}, {ACT_RELU, 1, 0, 0, 0}, {ACT_RELU6, 1, 1, 0, 0},
    {ACT_NONE, 0, 0, 1, 0}, {ACT_RELU, 1, 1, 0, 1}, {ACT_NONE, 0, 0, 0, 1},
};
#define EPILOGUES (sizeof epilogues / sizeof *epilogues)

void test_forward(void **state) {
  (void)state;
  for (const Shape *row = conv_shapes; row->name; row++) {
    Shape s = *row;
    shape_finish(&s);
    for (int64_t n = 0; n <= 3; n += n + 1)
      for (size_t e = 0; e < EPILOGUES; e++)
        if (n == 1 || e % 3 == 1) check_forward(&s, n, &epilogues[e], 0, DIRECT);
  }
}

void test_forward_plain(void **state) {
  (void)state;
  for (const Shape *row = conv_shapes; row->name; row++) {
    Shape s = *row;
    shape_finish(&s);
    if (s.groups > 1) continue;
    check_forward(&s, 1, &epilogues[4], 1, DIRECT);
    check_forward(&s, 3, &epilogues[2], 1, DIRECT);
  }
}

/* Groups whose channels are no multiple of 16 have only this kernel; all other shapes must agree as well. */
void test_forward_any(void **state) {
  (void)state;
  static const Shape odd[] = {
      {"groups 3 of 2", 3, 6, 5, 6, 9, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
      {"groups 5 of 4, stride 2", 5, 20, 7, 7, 35, 3, 2, 2, 2, 1, 1, 1, 2, 0, 0},
      {"depthwise, two outputs each", 17, 17, 6, 5, 34, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
      {0},
  };
  for (const Shape *row = odd; row->name; row++) {
    Shape s = *row;
    shape_finish(&s);
    for (int64_t n = 0; n <= 3; n += n + 1)
      for (size_t e = 0; e < 4; e++) check_forward(&s, n, &epilogues[e], 0, ANY);
  }
  for (const Shape *row = conv_shapes; row->name; row++) {
    Shape s = *row;
    shape_finish(&s);
    check_forward(&s, 1, &epilogues[2], 0, ANY);
  }
}

const Shape winograd_shapes[] = {
    {"several bands", 1, 20, 30, 61, 33, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"bands of one row", 1, 16, 9, 230, 32, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"small tiles alone", 1, 32, 6, 6, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"narrow tiles alone, some low ones", 1, 32, 17, 9, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"stride 2, small tiles alone", 1, 32, 12, 12, 64, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0},
    {"stride 2, twice as many small tiles", 1, 32, 40, 25, 64, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0},
    {"sixteen tiles", 1, 16, 14, 14, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"several chunks of input", 1, 150, 7, 7, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"uneven padding", 1, 16, 11, 6, 32, 3, 3, 1, 1, 2, 0, 1, 1, 0, 0},
    {"few tiles, on the way by direct convolution", 1, 40, 7, 7, 70, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
    {"stride 2, several bands", 1, 20, 61, 122, 33, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0},
    {"stride 2, even", 1, 64, 28, 28, 48, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0},
    {"stride 2, uneven padding", 1, 16, 19, 12, 32, 3, 3, 2, 2, 2, 0, 1, 1, 0, 0},
    {"stride 2, few tiles", 1, 40, 14, 14, 70, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0},
    {0},
};

bool takes_winograd(const Shape *s) {
  return s->kh == 3 && s->kw == 3 && s->stride_h == s->stride_w && s->stride_h <= 2 &&
         s->dil_h * s->dil_w * s->groups == 1;
}

void test_winograd(void **state) {
  (void)state;
  for (int more = 0; more < 2; more++)
    for (const Shape *row = more ? winograd_shapes : conv_shapes; row->name; row++) {
      Shape s = *row;
      shape_finish(&s);
      if (!takes_winograd(&s)) continue;
      for (int64_t n = 0; n <= 3; n += n + 1)
        for (size_t e = 0; e < EPILOGUES; e++)
          if (n == 1 || e % 3 == 1) check_forward(&s, n, &epilogues[e], 0, WINOGRAD);
    }
  static const struct {
    Shape shape;
    int64_t n;
  } many[] = {{{"more images than one group", 1, 16, 7, 8, 16, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}, 37},
              {{"stride 2, more images than one group", 1, 16, 13, 16, 16, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0}, 37},
              {{"a block for each of several images", 1, 32, 12, 12, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}, 4},
              {{"small tiles of several images", 1, 32, 14, 14, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}, 7},
              {{"small tiles alone of several images", 1, 48, 6, 5, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}, 5},
              {{"stride 2, small tiles of several images", 1, 32, 28, 27, 64, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0}, 5},
              {{"a group that blocks of tiles do not divide", 1, 80, 11, 19, 33, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}, 4}};
  for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
    Shape s = many[i].shape;
    shape_finish(&s);
    check_forward(&s, many[i].n, &epilogues[2], 0, WINOGRAD);
  }
}

#define STEM_ROW(name, ic, ih, iw, oc, kh, kw, ph, pw) {name, 1, ic, ih, iw, oc, kh, kw, 2, 2, ph, pw, 1, 1, 0, 0}
static const Shape stem_shapes[] = {
    STEM_ROW("ResNet's, smaller", 3, 64, 64, 64, 7, 7, 3, 3),
    STEM_ROW("SqueezeNet's, no padding", 3, 61, 74, 96, 7, 7, 0, 0),
    STEM_ROW("one channel, as of digits", 1, 28, 28, 16, 7, 7, 3, 3),
    STEM_ROW("two channels, odd sizes", 2, 33, 31, 20, 7, 7, 3, 3),
    STEM_ROW("four channels, several bands", 4, 120, 150, 17, 7, 7, 3, 3),
    STEM_ROW("one output", 3, 7, 7, 5, 7, 7, 0, 0),
    STEM_ROW("smaller than the kernel", 3, 2, 3, 33, 7, 7, 3, 3),
    STEM_ROW("one pixel, wide padding", 3, 1, 1, 16, 7, 7, 9, 11),
    STEM_ROW("tiles that no block divides", 3, 9, 245, 48, 7, 7, 3, 3),
    STEM_ROW("wider than high", 1, 8, 400, 16, 7, 7, 3, 3),
    STEM_ROW("5x5", 3, 30, 33, 32, 5, 5, 2, 2),
    STEM_ROW("6x6, uneven padding", 3, 29, 33, 32, 6, 6, 2, 1),
    STEM_ROW("5x7", 3, 20, 21, 16, 5, 7, 0, 3),
    {0},
};
#undef STEM_ROW

void test_stem(void **state) {
  (void)state;
  for (const Shape *row = stem_shapes; row->name; row++) {
    Shape s = *row;
    shape_finish(&s);
    for (int64_t n = 0; n <= 3; n += n + 1)
      for (size_t e = 0; e < EPILOGUES; e++)
        if (n == 1 || e % 3 == 1) check_forward(&s, n, &epilogues[e], 1, STEM);
  }
}

/* One image alone and among others: the same bits. */
void test_forward_batch(void **state) {
  (void)state;
  Shape s = {"batch", 1, 33, 7, 7, 48, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0};
  shape_finish(&s);
  Conv2dParams k = forward_constants(&s);
  int64_t n = 13, x_image = BLOCKS(s.ic) * s.ih * s.iw * LANES, y_image = BLOCKS(s.oc) * s.oh * s.ow * LANES;
  float *plain = random_floats(n * s.ic * s.ih * s.iw, 1), *x = to_nchw16c(plain, n, s.ic, s.ih * s.iw);
  float *w = random_floats(BLOCKS(s.oc) * BLOCKS(s.ic) * 9 * LANES * LANES, 2), *y = nan_floats(n * y_image),
        *one = nan_floats(y_image);
  const conv2d_operands in = {.x = x, .w = w, .y = y};
  run_splits("batch", KERNEL_conv2d, &k, &in, n, y, n * y_image);
  for (int64_t i = 0; i < n; i++) {
    run_kernel(KERNEL_conv2d, &k, OPERANDS(conv2d, .x = x + i * x_image, .w = w, .y = one), 1, 0, 0);
    assert_memory_equal(one, y + i * y_image, (size_t)y_image * sizeof(float));
  }
  float *all[] = {plain, x, w, y, one};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}
