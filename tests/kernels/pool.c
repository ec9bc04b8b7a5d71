/* Pooling against loops over PyTorch's definition of each window. */
#include "tests/kernels/support.h"

typedef struct Case {
  int64_t n;
  Pool2dParams k;
} Case;

/* oh, ow are given as the shape pass would, some of them with ceil_mode */
static const Case cases[] = {
    {2, {.c = 16, .ih = 8, .iw = 8, .oh = 4, .ow = 4, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2}},
    {2,
     {.c = 21,
      .ih = 9,
      .iw = 7,
      .oh = 5,
      .ow = 4,
      .kh = 3,
      .kw = 3,
      .stride_h = 2,
      .stride_w = 2,
      .pad_h = 1,
      .pad_w = 1}},
    {1, {.c = 5, .ih = 7, .iw = 8, .oh = 4, .ow = 4, .kh = 3, .kw = 2, .stride_h = 2, .stride_w = 2}}, /* ceil */
    {1,
     {.c = 3,
      .ih = 6,
      .iw = 6,
      .oh = 4,
      .ow = 3,
      .kh = 3,
      .kw = 3,
      .stride_h = 2,
      .stride_w = 3,
      .pad_h = 1,
      .pad_w = 1,
      .count_include_pad = 1}}, /* ceil */
    {1,
     {.c = 1,
      .ih = 5,
      .iw = 4,
      .oh = 5,
      .ow = 4,
      .kh = 3,
      .kw = 3,
      .stride_h = 1,
      .stride_w = 1,
      .pad_h = 1,
      .pad_w = 1,
      .count_include_pad = 1}},
    {1, {.c = 17, .ih = 1, .iw = 1, .oh = 1, .ow = 1, .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1}},
    {1,
     {.c = 2,
      .ih = 1,
      .iw = 1,
      .oh = 2,
      .ow = 2,
      .kh = 2,
      .kw = 2,
      .stride_h = 1,
      .stride_w = 1,
      .pad_h = 1,
      .pad_w = 1}},
    {0, {.c = 4, .ih = 4, .iw = 4, .oh = 2, .ow = 2, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2}},
    {1,
     {.c = 4,
      .ih = 9,
      .iw = 9,
      .oh = 3,
      .ow = 7,
      .kh = 3,
      .kw = 2,
      .stride_h = 2,
      .stride_w = 1,
      .dil_h = 2,
      .dil_w = 2}}, /* maximum only */
    {1, {.c = 3, .ih = 5, .iw = 6, .oh = 2, .ow = 2, .kh = 2, .kw = 2, .stride_h = 3, .stride_w = 4}}};

typedef struct Twin {
  int64_t n;
  Pool2dParams k;
  int max;
} Twin;

static void pool_twin(const void *context, const double *x, double *y) {
  const Twin *t = context;
  const Pool2dParams *k = &t->k;
  for (int64_t o = 0; o < t->n * k->c * k->oh * k->ow; o++) {
    int64_t ow = o % k->ow, oh = o / k->ow % k->oh, plane = o / k->ow / k->oh, inside = 0, padded = 0;
    double sum = 0, max = -INFINITY;
    for (int64_t i = 0; i < k->kh; i++)
      for (int64_t j = 0; j < k->kw; j++) {
        int64_t h = oh * k->stride_h - k->pad_h + i * (t->max ? k->dil_h : 1);
        int64_t w = ow * k->stride_w - k->pad_w + j * (t->max ? k->dil_w : 1);
        padded += h < k->ih + k->pad_h && w < k->iw + k->pad_w;
        if (h < 0 || h >= k->ih || w < 0 || w >= k->iw) continue;
        double v = x[(plane * k->ih + h) * k->iw + w];
        inside++;
        sum += v;
        if (v > max || isnan(v)) max = v;
      }
    y[o] = t->max ? max : inside ? sum / (double)(k->count_include_pad ? padded : inside) : 0;
  }
}

static void run_pool(const Case *c, int max, int64_t accumulate) {
  Twin t = {c->n, c->k, max};
  t.k.accumulate = accumulate;
  if (!t.k.dil_h) t.k.dil_h = t.k.dil_w = 1;
  const Pool2dParams *k = &t.k;
  int64_t in = k->ih * k->iw, out = k->oh * k->ow, xs = c->n * k->c * in, ys = c->n * k->c * out;
  double *x = new_random(xs, -1, 1), *dy = new_random(ys, -1, 1), *want = new_doubles(ys);
  double *y0 = new_random(ys, -1, 1), *dx0 = new_random(xs, -1, 1);
  pool_twin(&t, x, want);
  float *bx = new_nchw16c(x, c->n, k->c, in), *bdy = new_nchw16c(dy, c->n, k->c, out);
  float *y = accumulate ? new_nchw16c(y0, c->n, k->c, out) : new_floats(stored_count(c->n, k->c, out));
  float *dx = accumulate ? new_nchw16c(dx0, c->n, k->c, in) : new_floats(stored_count(c->n, k->c, in));
  for (int64_t i = 0; accumulate && i < ys; i++) want[i] += y0[i];
  run_kernel(max ? KERNEL_maxpool2d : KERNEL_avgpool2d, OPERANDS(maxpool2d, .x = bx, .y = y), c->n, k,
             (Out[]){{y, (size_t)stored_count(c->n, k->c, out) * 4}, {0}});
  /* maximum: measured 0 (3.5e-8 when added); mean: 1.0e-7 */
  check_close(max ? "maxpool2d" : "avgpool2d", from_nchw16c(y, c->n, k->c, out), want, ys, 3e-7);

  run_kernel(max ? KERNEL_maxpool2d_grad : KERNEL_avgpool2d_grad,
             max ? (const void *)OPERANDS(maxpool2d_grad, .x = bx, .dy = bdy, .dx = dx)
                 : OPERANDS(avgpool2d_grad, .dy = bdy, .dx = dx),
             c->n, k, (Out[]){{dx, (size_t)stored_count(c->n, k->c, in) * 4}, {0}});
  double *got = from_nchw16c(dx, c->n, k->c, in);
  for (int64_t i = 0; accumulate && i < xs; i++) got[i] -= dx0[i];
  check_gradient(max ? "maxpool2d_grad" : "avgpool2d_grad", pool_twin, &t, x, xs, dy, ys, got,
                 1e-6); /* 6.5e-8, 2.9e-7 */
}

static void test_pools(void **state) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int64_t accumulate = 0; accumulate < 2; accumulate++) {
      run_pool(&cases[i], 1, accumulate);
      if (!cases[i].k.dil_h) run_pool(&cases[i], 0, accumulate);
    }
}

/* Of equal maxima the first in row-major order has the gradient; NaN goes through and has it. */
static void test_max_ties_and_nan(void **state) {
  Pool2dParams k = {.c = 1,
                    .ih = 2,
                    .iw = 4,
                    .oh = 1,
                    .ow = 2,
                    .kh = 2,
                    .kw = 2,
                    .stride_h = 2,
                    .stride_w = 2,
                    .dil_h = 1,
                    .dil_w = 1};
  const double x[8] = {3, 3, 1, NAN, 3, 2, 5, 0}, dy[2] = {7, 11};
  const double y_want[2] = {3, NAN}, dx_want[8] = {7, 0, 0, 11, 0, 0, 0, 0};
  float *bx = new_nchw16c(x, 1, 1, 8), *y = new_floats(32), *dx = new_floats(128);
  run_kernel(KERNEL_maxpool2d, OPERANDS(maxpool2d, .x = bx, .y = y), 1, &k, (Out[]){{y, 128}, {0}});
  check_close("maxpool2d, ties and NaN", from_nchw16c(y, 1, 1, 2), y_want, 2, 0);
  run_kernel(KERNEL_maxpool2d_grad, OPERANDS(maxpool2d_grad, .x = bx, .dy = new_nchw16c(dy, 1, 1, 2), .dx = dx), 1, &k,
             (Out[]){{dx, 512}, {0}});
  check_close("maxpool2d_grad, ties and NaN", from_nchw16c(dx, 1, 1, 8), dx_want, 8, 0);
}

/* A dilated window may miss the input altogether. */
static void test_empty_window(void **state) {
  Pool2dParams k = {.c = 3,
                    .ih = 1,
                    .iw = 1,
                    .oh = 1,
                    .ow = 1,
                    .kh = 2,
                    .kw = 2,
                    .stride_h = 1,
                    .stride_w = 1,
                    .pad_h = 1,
                    .pad_w = 1,
                    .dil_h = 2,
                    .dil_w = 2};
  const double x[3] = {1, 2, 3}, dy[3] = {1, 1, 1}, zeros[3] = {0};
  float *bx = new_nchw16c(x, 1, 3, 1), *y = new_floats(16), *dx = new_floats(16);
  run_kernel(KERNEL_maxpool2d, OPERANDS(maxpool2d, .x = bx, .y = y), 1, &k, (Out[]){{y, 64}, {0}});
  double *got = from_nchw16c(y, 1, 3, 1);
  for (int i = 0; i < 3; i++) assert_true(got[i] == -INFINITY);
  run_kernel(KERNEL_maxpool2d_grad, OPERANDS(maxpool2d_grad, .x = bx, .dy = new_nchw16c(dy, 1, 3, 1), .dx = dx), 1, &k,
             (Out[]){{dx, 64}, {0}});
  check_close("maxpool2d_grad, empty window", from_nchw16c(dx, 1, 3, 1), zeros, 3, 0);
}

/* ---- adaptive ---- */

typedef struct Adaptive {
  int64_t n;
  AdaptivePoolParams k;
} Adaptive;

static void adaptive_twin(const void *context, const double *x, double *y) {
  const Adaptive *t = context;
  const AdaptivePoolParams *k = &t->k;
  for (int64_t o = 0; o < t->n * k->c * k->oh * k->ow; o++) {
    int64_t ow = o % k->ow, oh = o / k->ow % k->oh, plane = o / k->ow / k->oh;
    int64_t h0 = (int64_t)floor((double)(oh * k->ih) / (double)k->oh);
    int64_t h1 = (int64_t)ceil((double)((oh + 1) * k->ih) / (double)k->oh);
    int64_t w0 = (int64_t)floor((double)(ow * k->iw) / (double)k->ow);
    int64_t w1 = (int64_t)ceil((double)((ow + 1) * k->iw) / (double)k->ow);
    double sum = 0;
    for (int64_t h = h0; h < h1; h++)
      for (int64_t w = w0; w < w1; w++) sum += x[(plane * k->ih + h) * k->iw + w];
    y[o] = sum / (double)((h1 - h0) * (w1 - w0));
  }
}

static void test_adaptive(void **state) {
  static const Adaptive sizes[] = {{2, {16, 7, 7, 1, 1, 0}}, {1, {21, 7, 5, 3, 2, 0}}, {1, {3, 3, 4, 5, 7, 0}},
                                   {1, {1, 1, 1, 1, 1, 0}},  {0, {4, 5, 5, 1, 1, 0}},  {1, {2, 40, 33, 1, 1, 0}},
                                   {1, {5, 6, 6, 6, 6, 0}},  {1, {17, 1, 1, 3, 3, 0}}};
  for (size_t i = 0; i < 2 * (sizeof sizes / sizeof *sizes); i++) {
    Adaptive t = sizes[i / 2];
    AdaptivePoolParams *k = &t.k;
    k->accumulate = i % 2;
    int64_t in = k->ih * k->iw, out = k->oh * k->ow, xs = t.n * k->c * in, ys = t.n * k->c * out;
    double *x = new_random(xs, 1, 2), *dy = new_random(ys, -1, 1), *want = new_doubles(ys);
    double *y0 = new_random(ys, -1, 1), *dx0 = new_random(xs, -1, 1);
    adaptive_twin(&t, x, want);
    float *y = i % 2 ? new_nchw16c(y0, t.n, k->c, out) : new_floats(stored_count(t.n, k->c, out));
    float *dx = i % 2 ? new_nchw16c(dx0, t.n, k->c, in) : new_floats(stored_count(t.n, k->c, in));
    for (int64_t j = 0; i % 2 && j < ys; j++) want[j] += y0[j];
    run_kernel(KERNEL_adaptive_avgpool2d, OPERANDS(adaptive_avgpool2d, .x = new_nchw16c(x, t.n, k->c, in), .y = y), t.n,
               k, (Out[]){{y, (size_t)stored_count(t.n, k->c, out) * 4}, {0}});
    check_close("adaptive_avgpool2d", from_nchw16c(y, t.n, k->c, out), want, ys, 5e-7); /* 1.3e-7 */
    run_kernel(KERNEL_adaptive_avgpool2d_grad,
               OPERANDS(adaptive_avgpool2d_grad, .dy = new_nchw16c(dy, t.n, k->c, out), .dx = dx), t.n, k,
               (Out[]){{dx, (size_t)stored_count(t.n, k->c, in) * 4}, {0}});
    double *got = from_nchw16c(dx, t.n, k->c, in);
    for (int64_t j = 0; i % 2 && j < xs; j++) got[j] -= dx0[j];
    if (xs < 1000) check_gradient("adaptive_avgpool2d_grad", adaptive_twin, &t, x, xs, dy, ys, got, 1e-6); /* 4.3e-7 */
  }
}

static const struct CMUnitTest tests[] = {TEST(test_pools), TEST(test_max_ties_and_nan), TEST(test_empty_window),
                                          TEST(test_adaptive)};
GROUP(pool_group, tests);
