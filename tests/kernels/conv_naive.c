/* See conv_naive.h. */
#include "tests/kernels/conv_naive.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void shape_finish(Shape *s) {
  s->oh = (s->ih + 2 * s->pad_h - s->dil_h * (s->kh - 1) - 1) / s->stride_h + 1;
  s->ow = (s->iw + 2 * s->pad_w - s->dil_w * (s->kw - 1) - 1) / s->stride_w + 1;
}

Conv2dParams forward_constants(const Shape *s) {
  return (Conv2dParams){.groups = s->groups,
                        .ic = s->ic,
                        .ih = s->ih,
                        .iw = s->iw,
                        .oc = s->oc,
                        .oh = s->oh,
                        .ow = s->ow,
                        .kh = s->kh,
                        .kw = s->kw,
                        .stride_h = s->stride_h,
                        .stride_w = s->stride_w,
                        .pad_h = s->pad_h,
                        .pad_w = s->pad_w,
                        .dil_h = s->dil_h,
                        .dil_w = s->dil_w,
                        .input_dil_h = 1,
                        .input_dil_w = 1};
}

Conv2dParams input_gradient_constants(const Shape *s) {
  return (Conv2dParams){.groups = s->groups,
                        .ic = s->oc,
                        .ih = s->oh,
                        .iw = s->ow,
                        .oc = s->ic,
                        .oh = s->ih,
                        .ow = s->iw,
                        .kh = s->kh,
                        .kw = s->kw,
                        .stride_h = 1,
                        .stride_w = 1,
                        .pad_h = s->dil_h * (s->kh - 1) - s->pad_h,
                        .pad_w = s->dil_w * (s->kw - 1) - s->pad_w,
                        .dil_h = s->dil_h,
                        .dil_w = s->dil_w,
                        .input_dil_h = s->stride_h,
                        .input_dil_w = s->stride_w};
}

Conv2dGradWeightParams gradient_constants(const Shape *s) {
  return (Conv2dGradWeightParams){.groups = s->groups,
                                  .ic = s->ic,
                                  .ih = s->ih,
                                  .iw = s->iw,
                                  .oc = s->oc,
                                  .oh = s->oh,
                                  .ow = s->ow,
                                  .kh = s->kh,
                                  .kw = s->kw,
                                  .stride_h = s->stride_h,
                                  .stride_w = s->stride_w,
                                  .pad_h = s->pad_h,
                                  .pad_w = s->pad_w,
                                  .dil_h = s->dil_h,
                                  .dil_w = s->dil_w};
}

static Result result_new(int64_t count) {
  return (Result){calloc((size_t)count + 1, sizeof(double)), calloc((size_t)count + 1, sizeof(double)), count};
}
void result_free(Result *r) {
  free(r->value);
  free(r->magnitude);
}
static void result_add(Result *r, int64_t at, double product) {
  r->value[at] += product;
  r->magnitude[at] += fabs(product);
}

/* Every product of the convolution, by its places in x, w and y. */
typedef void Product(void *context, int64_t x, int64_t w, int64_t y);
static void each_product(const Shape *s, int64_t n, Product *product, void *context) {
  int64_t inputs = s->ic / s->groups, outputs = s->oc / s->groups;
  for (int64_t b = 0; b < n; b++)
    for (int64_t o = 0; o < s->oc; o++)
      for (int64_t i = 0; i < inputs; i++)
        for (int64_t oy = 0; oy < s->oh; oy++)
          for (int64_t ox = 0; ox < s->ow; ox++)
            for (int64_t kh = 0; kh < s->kh; kh++)
              for (int64_t kw = 0; kw < s->kw; kw++) {
                int64_t iy = oy * s->stride_h - s->pad_h + kh * s->dil_h,
                        ix = ox * s->stride_w - s->pad_w + kw * s->dil_w;
                if (iy < 0 || iy >= s->ih || ix < 0 || ix >= s->iw) continue;
                product(context, ((b * s->ic + o / outputs * inputs + i) * s->ih + iy) * s->iw + ix,
                        ((o * inputs + i) * s->kh + kh) * s->kw + kw, ((b * s->oc + o) * s->oh + oy) * s->ow + ox);
              }
}

typedef struct Sum {
  Result r;
  const float *a, *b;
} Sum;
static void into_y(void *context, int64_t x, int64_t w, int64_t y) {
  Sum *s = context;
  result_add(&s->r, y, (double)s->a[x] * s->b[w]);
}
static void into_x(void *context, int64_t x, int64_t w, int64_t y) {
  Sum *s = context;
  result_add(&s->r, x, (double)s->a[y] * s->b[w]);
}
static void into_w(void *context, int64_t x, int64_t w, int64_t y) {
  Sum *s = context;
  result_add(&s->r, w, (double)s->a[x] * s->b[y]);
}

Result naive_forward(const Shape *s, int64_t n, const float *x, const float *w) {
  Sum sum = {result_new(n * s->oc * s->oh * s->ow), x, w};
  each_product(s, n, into_y, &sum);
  return sum.r;
}
Result naive_grad_input(const Shape *s, int64_t n, const float *dy, const float *w) {
  Sum sum = {result_new(n * s->ic * s->ih * s->iw), dy, w};
  each_product(s, n, into_x, &sum);
  return sum.r;
}
Result naive_grad_weight(const Shape *s, int64_t n, const float *x, const float *dy) {
  Sum sum = {result_new(s->oc * s->ic / s->groups * s->kh * s->kw), x, dy};
  each_product(s, n, into_w, &sum);
  return sum.r;
}

static float *aligned(int64_t count) {
  void *p = NULL;
  if (posix_memalign(&p, 64, (size_t)(count > 0 ? count : 1) * sizeof(float))) abort();
  return p;
}
float *random_floats(int64_t count, uint64_t seed) {
  float *x = aligned(count);
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (int64_t i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    x[i] = (float)(int32_t)(state >> 32) / 2147483648.0f;
  }
  return x;
}
float *nan_floats(int64_t count) {
  float *x = aligned(count);
  for (int64_t i = 0; i < count; i++) x[i] = NAN;
  return x;
}
float *copy_floats(const float *x, int64_t count) {
  float *y = aligned(count);
  memcpy(y, x, (size_t)count * sizeof(float));
  return y;
}

float *to_nchw16c(const float *x, int64_t n, int64_t c, int64_t pixels) {
  float *y = aligned(n * BLOCKS(c) * pixels * LANES);
  memset(y, 0, (size_t)(n * BLOCKS(c) * pixels * LANES) * sizeof(float));
  for (int64_t b = 0; b < n; b++)
    for (int64_t i = 0; i < c; i++)
      for (int64_t p = 0; p < pixels; p++)
        y[((b * BLOCKS(c) + i / LANES) * pixels + p) * LANES + i % LANES] = x[(b * c + i) * pixels + p];
  return y;
}
float *from_nchw16c(const char *what, const float *x, int64_t n, int64_t c, int64_t pixels) {
  float *y = aligned(n * c * pixels);
  for (int64_t b = 0; b < n; b++)
    for (int64_t i = 0; i < BLOCKS(c) * LANES; i++)
      for (int64_t p = 0; p < pixels; p++) {
        float value = x[((b * BLOCKS(c) + i / LANES) * pixels + p) * LANES + i % LANES];
        if (i < c) y[(b * c + i) * pixels + p] = value;
        else if (value != 0)
          fail_msg("%s: pad lane %d of image %d, pixel %d holds %g", what, (int)i, (int)b, (int)p, value);
      }
  return y;
}

void run_kernel(KernelId id, const void *k, const void *operands, int64_t n, int64_t step, int backwards) {
  const CallPlan plan = kernel_plan(id, k);
  int64_t items = plan.items_per_sample * n + plan.items_fixed;
  assert_int_equal(plan.scratch_bytes % 64, 0);
  float *scratch = nan_floats(plan.scratch_bytes / 4);
  if (step <= 0) step = items > 0 ? items : 1;
  if (items == 0) call_template(id, operands, n, 0, 0, scratch, k);
  for (int64_t i = 0; i < items; i += step) {
    int64_t from = i, to = i + step < items ? i + step : items;
    if (backwards) from = items - to, to = items - i;
    call_template(id, operands, n, from, to, scratch, k);
  }
  free(scratch);
}

void run_splits(const char *what, KernelId id, const void *k, const void *operands, int64_t n, float *out,
                int64_t count) {
  static const struct {
    int step, backwards;
  } ways[] = {{1, 0}, {3, 0}, {7, 1}, {0, 0}};
  float *given = copy_floats(out, count), *first = NULL;
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    memcpy(out, given, (size_t)count * sizeof(float));
    run_kernel(id, k, operands, n, ways[i].step, ways[i].backwards);
    if (!first) first = copy_floats(out, count);
    else if (memcmp(first, out, (size_t)count * sizeof(float)))
      fail_msg("%s, n = %d: %d items a call give other bits", what, (int)n, ways[i].step);
  }
  free(given);
  free(first);
}

void expect_close(const char *what, const float *got, const Result *want) {
  for (int64_t i = 0; i < want->count; i++) {
    double error = fabs(got[i] - want->value[i]);
    if (!(error <= 1e-6 * want->magnitude[i] + 1e-6))
      fail_msg("%s: element %d of %d: got %.9g, want %.9g", what, (int)i, (int)want->count, got[i], want->value[i]);
  }
}

/* Measured: below 0.5. */
#define WINOGRAD_ROUNDING 1
void winograd_tolerance(Result *want) {
  double largest = 0;
  for (int64_t i = 0; i < want->count; i++) largest = fmax(largest, want->magnitude[i]);
  for (int64_t i = 0; i < want->count; i++) want->magnitude[i] = WINOGRAD_ROUNDING * largest;
}
