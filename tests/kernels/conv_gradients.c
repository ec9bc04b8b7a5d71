/* The convolutions' gradients: by x (conv2d with transposed weights), by w, by the bias, and the slow kernels
 * for any grouping; against naive twins, and by finite differences of the forward kernel. */
#include "tests/kernels/conv_tests.h"
#include <math.h>
#include <stdlib.h>
#include "tests/kernels/call.h"

typedef struct Tensors {
  float *x, *w, *dy, *x_in, *dy_in;
} Tensors;

static Tensors tensors_new(const Shape *s, int64_t n, int nchw_x) {
  Tensors t = {.x = random_floats(n * s->ic * s->ih * s->iw, 1),
               .w = random_floats(s->oc * s->ic / s->groups * s->kh * s->kw, 2),
               .dy = random_floats(n * s->oc * s->oh * s->ow, 3)};
  t.x_in = nchw_x ? copy_floats(t.x, n * s->ic * s->ih * s->iw) : to_nchw16c(t.x, n, s->ic, s->ih * s->iw);
  t.dy_in = to_nchw16c(t.dy, n, s->oc, s->oh * s->ow);
  return t;
}
static void tensors_free(Tensors *t) {
  free(t->x);
  free(t->w);
  free(t->dy);
  free(t->x_in);
  free(t->dy_in);
}

static void add_before(Result *r, const float *before) {
  for (int64_t i = 0; i < r->count; i++) r->value[i] += before[i];
}

static void check_grad_input(const Shape *s, int64_t n, int accumulate, Method method) {
  Conv2dParams k = input_gradient_constants(s);
  Conv2dGradWeightParams slow = gradient_constants(s);
  k.accumulate = slow.accumulate = accumulate;
  Tensors t = tensors_new(s, n, 0);
  int64_t pixels = s->ih * s->iw, count = n * BLOCKS(s->ic) * pixels * LANES;
  float *before = random_floats(n * s->ic * pixels, 4);
  float *dx = accumulate ? to_nchw16c(before, n, s->ic, pixels) : nan_floats(count);
  if (method == ANY) {
    run_splits(s->name, KERNEL_conv2d_generic_grad_input, &slow,
               OPERANDS(conv2d_generic_grad_input, .dy = t.dy_in, .w = t.w, .dx = dx), n, dx, count);
  } else {
    Conv2dPackParams pack = {s->groups, s->ic, s->oc, s->kh, s->kw, 0, 0, 0, 0, 0};
    float *packed = nan_floats(BLOCKS(s->ic) * BLOCKS(s->oc / s->groups) * s->kh * s->kw * LANES * LANES);
    run_kernel(KERNEL_conv2d_pack_transposed, &pack, OPERANDS(conv2d_pack_transposed, .w = t.w, .packed = packed), 0, 0,
               0);
    const conv2d_operands in = {.x = t.dy_in, .w = packed, .y = dx};
    if (method == WINOGRAD) run_splits(s->name, KERNEL_conv2d_wino, &k, &in, n, dx, count);
    else run_splits(s->name, KERNEL_conv2d, &k, &in, n, dx, count);
    free(packed);
  }
  Result want = naive_grad_input(s, n, t.dy, t.w);
  if (method == WINOGRAD) winograd_tolerance(&want);
  if (accumulate) add_before(&want, before);
  float *got = from_nchw16c(s->name, dx, n, s->ic, pixels);
  expect_close(s->name, got, &want);
  result_free(&want);
  tensors_free(&t);
  free(before);
  free(dx);
  free(got);
}

typedef enum WeightKernel { BY_DIRECT, BY_DIRECT_NCHW, BY_WINOGRAD, BY_ANY } WeightKernel;

/* From shares of the batch where there are several. */
static void check_grad_weight(const Shape *s, int64_t n, int accumulate, WeightKernel kernel) {
  static const KernelId ids[] = {KERNEL_conv2d_grad_weight, KERNEL_conv2d_grad_weight, KERNEL_conv2d_grad_weight_wino,
                                 KERNEL_conv2d_generic_grad_weight};
  Conv2dGradWeightParams k = gradient_constants(s);
  k.accumulate = accumulate;
  k.nchw_x = kernel == BY_DIRECT_NCHW;
  Tensors t = tensors_new(s, n, k.nchw_x);
  GradWeightSumParams sum = {s->oc * s->ic / s->groups * s->kh * s->kw, 1, accumulate};
  if (kernel != BY_ANY) sum.splits = kernel_plan(ids[kernel], &k).splits;
  float *before = random_floats(sum.count, 4),
        *dw = accumulate ? copy_floats(before, sum.count) : nan_floats(sum.count);
  float *partial = sum.splits > 1 ? nan_floats(sum.count * sum.splits) : NULL;
  float *to = partial ? partial : dw;
  run_splits(s->name, ids[kernel], &k, OPERANDS(conv2d_grad_weight, .x = t.x_in, .dy = t.dy_in, .dw = to), n, to,
             sum.splits * sum.count);
  if (partial)
    run_splits(s->name, KERNEL_conv2d_grad_weight_sum, &sum,
               OPERANDS(conv2d_grad_weight_sum, .partial = partial, .dw = dw), n, dw, sum.count);
  Result want = naive_grad_weight(s, n, t.x, t.dy);
  if (kernel == BY_WINOGRAD) winograd_tolerance(&want);
  if (accumulate) add_before(&want, before);
  expect_close(s->name, dw, &want);
  result_free(&want);
  tensors_free(&t);
  free(before);
  free(dw);
  free(partial);
}

#define EACH_SHAPE(s)                                                                                                  \
  for (const Shape *row = conv_shapes; row->name; row++)                                                               \
    for (Shape s = *row, *once = &s; once && (shape_finish(&s), 1); once = NULL)

void test_grad_input(void **state) {
  (void)state;
  EACH_SHAPE(s) for (int64_t n = 0; n <= 3; n += n + 1) check_grad_input(&s, n, n == 3, DIRECT);
}

void test_grad_weight(void **state) {
  (void)state;
  EACH_SHAPE(s) for (int64_t n = 0; n <= 3; n += n + 1) {
    check_grad_weight(&s, n, n == 3, BY_DIRECT);
    if (s.groups == 1) check_grad_weight(&s, n, n == 1, BY_DIRECT_NCHW);
  }
  Shape many = {"many small images", 1, 17, 3, 3, 40, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0};
  shape_finish(&many);
  check_grad_weight(&many, 67, 0, BY_DIRECT);
}

void test_gradients_winograd(void **state) {
  (void)state;
  static const Shape large = {"one share", 1, 250, 6, 10, 257, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0};
  for (int more = 0; more < 2; more++)
    for (const Shape *row = more ? winograd_shapes : conv_shapes; row->name; row++) {
      Shape s = *row;
      shape_finish(&s);
      if (!takes_winograd(&s)) continue;
      for (int64_t n = 0; n <= 3; n += n + 1) {
        check_grad_weight(&s, n, n == 3, BY_WINOGRAD);
        if (s.stride_h == 1 || (s.pad_h == 1 && s.pad_w == 1)) check_grad_input(&s, n, n == 3, WINOGRAD);
      }
    }
  Shape s = large;
  shape_finish(&s);
  assert_int_equal(kernel_plan(KERNEL_conv2d_grad_weight_wino,
                               &(Conv2dGradWeightParams){.groups = 1, .ic = s.ic, .oc = s.oc, .oh = s.oh, .ow = s.ow})
                       .splits,
                   1);
  for (int64_t n = 0; n <= 1; n++) check_grad_weight(&s, n, n == 1, BY_WINOGRAD);
}

void test_gradients_any(void **state) {
  (void)state;
  static const Shape odd[] = {
      {"groups 3 of 2", 3, 6, 5, 6, 9, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
      {"groups 5 of 4, stride 2", 5, 20, 7, 7, 35, 3, 2, 2, 2, 1, 1, 1, 2, 0, 0},
      {"3x3, stride past the kernel", 1, 16, 13, 13, 16, 3, 3, 5, 4, 0, 1, 1, 1, 0, 0},
      {"groups 2", 2, 32, 6, 7, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
      {0},
  };
  for (const Shape *row = odd; row->name; row++) {
    Shape s = *row;
    shape_finish(&s);
    for (int64_t n = 0; n <= 3; n += n + 1) {
      check_grad_input(&s, n, n == 3, ANY);
      check_grad_weight(&s, n, n == 3, BY_ANY);
    }
  }
}

void test_channel_sum(void **state) {
  (void)state;
  static const struct {
    int64_t c, hw, n;
  } rows[] = {{1, 1, 1}, {16, 49, 3}, {17, 5, 2}, {40, 196, 1}, {3, 7, 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (int accumulate = 0; accumulate < 2; accumulate++) {
      int64_t c = rows[i].c, hw = rows[i].hw, n = rows[i].n;
      ChannelSumParams k = {c, hw, accumulate};
      float *x = random_floats(n * c * hw, 1), *in = to_nchw16c(x, n, c, hw), *before = random_floats(c, 2);
      float *sum = accumulate ? copy_floats(before, c) : nan_floats(c);
      run_splits("channel_sum", KERNEL_channel_sum, &k, OPERANDS(channel_sum, .x = in, .sum = sum), n, sum, c);
      for (int64_t o = 0; o < c; o++) {
        double want = accumulate ? before[o] : 0;
        for (int64_t j = 0; j < n * hw; j++) want += x[(j / hw * c + o) * hw + j % hw];
        assert_float_equal(sum[o], want, 1e-5); /* measured 2.8e-6 for sums of 196 numbers below 1 */
      }
      free(x);
      free(in);
      free(before);
      free(sum);
    }
}

/* The forward kernel as a scalar function: sum of conv(x, w) * dy. */
static double weighted_sum(const Shape *s, int64_t n, const Tensors *t) {
  Conv2dParams k = forward_constants(s);
  Conv2dPackParams pack = {s->groups, s->ic, s->oc, s->kh, s->kw, 0, 0, 0, 0, 0};
  int64_t count = n * BLOCKS(s->oc) * s->oh * s->ow * LANES;
  float *in = to_nchw16c(t->x, n, s->ic, s->ih * s->iw), *y = nan_floats(count),
        *bias = nan_floats(BLOCKS(s->oc) * LANES);
  float *packed = nan_floats(BLOCKS(s->oc) * BLOCKS(s->ic / s->groups) * s->kh * s->kw * LANES * LANES);
  run_kernel(KERNEL_conv2d_pack, &pack, OPERANDS(conv2d_pack, .w = t->w, .packed = packed, .packed_bias = bias), 0, 0,
             0);
  run_kernel(KERNEL_conv2d, &k, OPERANDS(conv2d, .x = in, .w = packed, .y = y), n, 0, 0);
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)y[i] * t->dy_in[i];
  free(in);
  free(y);
  free(bias);
  free(packed);
  return sum;
}

/* A convolution is linear in x and in w, so a large step is exact up to rounding. */
static double slope(const Shape *s, int64_t n, const Tensors *t, float *at) {
  float old = *at;
  *at = old + 4;
  double up = weighted_sum(s, n, t);
  *at = old - 4;
  double down = weighted_sum(s, n, t);
  *at = old;
  return (up - down) / 8;
}

static void check_finite_differences(const Shape *s) {
  const int64_t n = 2, weights = s->oc * s->ic / s->groups * s->kh * s->kw, inputs = n * s->ic * s->ih * s->iw;
  Tensors t = tensors_new(s, n, 0);
  Conv2dParams k = input_gradient_constants(s);
  Conv2dGradWeightParams kw = gradient_constants(s);
  Conv2dPackParams pack = {s->groups, s->ic, s->oc, s->kh, s->kw, 0, 0, 0, 0, 0};
  float *packed = nan_floats(BLOCKS(s->ic) * BLOCKS(s->oc / s->groups) * s->kh * s->kw * LANES * LANES);
  float *dx_blocked = nan_floats(n * BLOCKS(s->ic) * s->ih * s->iw * LANES), *dw = nan_floats(weights);
  run_kernel(KERNEL_conv2d_pack_transposed, &pack, OPERANDS(conv2d_pack_transposed, .w = t.w, .packed = packed), 0, 0,
             0);
  run_kernel(KERNEL_conv2d, &k, OPERANDS(conv2d, .x = t.dy_in, .w = packed, .y = dx_blocked), n, 0, 0);
  run_kernel(KERNEL_conv2d_grad_weight, &kw, OPERANDS(conv2d_grad_weight, .x = t.x_in, .dy = t.dy_in, .dw = dw), n, 0,
             0);
  float *dx = from_nchw16c(s->name, dx_blocked, n, s->ic, s->ih * s->iw);
  for (int64_t i = 0; i < 3; i++) { /* step 4, outputs up to 60, float: measured 2.5e-5 at most */
    int64_t x_at = i * (inputs - 1) / 2, w_at = i * (weights - 1) / 2;
    assert_float_equal(dx[x_at], slope(s, n, &t, &t.x[x_at]), 2e-4);
    assert_float_equal(dw[w_at], slope(s, n, &t, &t.w[w_at]), 2e-4);
  }
  tensors_free(&t);
  free(packed);
  free(dx_blocked);
  free(dw);
  free(dx);
}

void test_finite_differences(void **state) {
  (void)state;
  EACH_SHAPE(s) check_finite_differences(&s);
}
