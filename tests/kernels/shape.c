/* NCHW ↔ NCHW16c, and the parts of a concatenation. Values only move: no error is allowed. */
#include "tests/kernels/support.h"

static void test_layouts(void **state) {
  static const struct {
    int64_t n, c, h, w;
  } sizes[] = {{2, 3, 5, 5},  {1, 16, 4, 4}, {2, 21, 3, 7},  {3, 7, 1, 1},
               {1, 40, 1, 1}, {0, 3, 4, 4},  {1, 1, 37, 41}, {1, 33, 2, 8}};
  for (size_t i = 0; i < 2 * (sizeof sizes / sizeof *sizes); i++) {
    int64_t n = sizes[i / 2].n, c = sizes[i / 2].c, h = sizes[i / 2].h, w = sizes[i / 2].w, count = n * c * h * w;
    LayoutParams k = {c, h, w, i % 2};
    double *x = new_random(count, -1, 1), *before = i % 2 ? new_random(count, -1, 1) : new_doubles(count);
    float *y = i % 2 ? new_nchw16c(before, n, c, h * w) : new_floats(stored_count(n, c, h * w));
    run_kernel(KERNEL_to_nchw16c, OPERANDS(to_nchw16c, .x = as_floats(x, count), .y = y), n, &k,
               (Out[]){{y, (size_t)stored_count(n, c, h * w) * 4}, {0}});
    double *want = new_doubles(count);
    for (int64_t j = 0; j < count; j++) want[j] = (float)((float)x[j] + (float)before[j]);
    check_close("to_nchw16c", from_nchw16c(y, n, c, h * w), want, count, 0);
    float *z = as_floats(before, count);
    if (i % 2 == 0) memset(z, 0xff, (size_t)count * 4);
    run_kernel(KERNEL_to_nchw, OPERANDS(to_nchw, .x = new_nchw16c(x, n, c, h * w), .y = z), n, &k,
               (Out[]){{z, (size_t)count * 4}, {0}});
    check_close("to_nchw", from_floats(z, count), want, count, 0);
  }
}

/* The parts one after the other; the whole starts as garbage. */
static void run_cat(int64_t n, int64_t hw, int plain, const int64_t *parts, int64_t accumulate) {
  int64_t total = 0, to = 0;
  for (const int64_t *c = parts; *c; c++) total += *c;
  int64_t stored = plain ? n * total * hw : stored_count(n, total, hw);
  double *want = new_random(n * total * hw, -1, 1), *before = new_random(n * total * hw, -1, 1);
  float *y = new_floats(stored);
  if (accumulate) y = plain ? as_floats(before, n * total * hw) : new_nchw16c(before, n, total, hw);
  float *dy = plain ? as_floats(want, n * total * hw) : new_nchw16c(want, n, total, hw);
  for (const int64_t *c = parts; *c; to += *c, c++) {
    /* plain: the parts lie along the middle of (outer = 1, total, inner = hw) of each sample */
    CatParams k = {.c = *c,
                   .to = to,
                   .total = total,
                   .hw = hw,
                   .row_major = plain,
                   .outer = 1,
                   .inner = hw,
                   .accumulate = accumulate};
    double *x = new_doubles(n * *c * hw), *grad = new_doubles(n * *c * hw);
    for (int64_t s = 0; s < n; s++)
      memcpy(x + s * *c * hw, want + (s * total + to) * hw, (size_t)(*c * hw) * sizeof *x);
    run_kernel(KERNEL_cat_copy,
               OPERANDS(cat_copy, .x = plain ? as_floats(x, n * *c * hw) : new_nchw16c(x, n, *c, hw), .y = y), n, &k,
               (Out[]){{y, (size_t)stored * 4}, {0}});
    int64_t part = plain ? n * *c * hw : stored_count(n, *c, hw);
    float *dx = new_floats(part);
    if (accumulate) dx = plain ? as_floats(x, part) : new_nchw16c(x, n, *c, hw);
    run_kernel(KERNEL_cat_grad, OPERANDS(cat_grad, .dy = dy, .dx = dx), n, &k, (Out[]){{dx, (size_t)part * 4}, {0}});
    for (int64_t i = 0; i < n * *c * hw; i++) grad[i] = x[i] * (double)(1 + accumulate);
    check_close("cat_grad", plain ? from_floats(dx, part) : from_nchw16c(dx, n, *c, hw), grad, n * *c * hw, 0);
  }
  for (int64_t i = 0; accumulate && i < n * total * hw; i++) want[i] = (float)((float)want[i] + (float)before[i]);
  check_close("cat_copy", plain ? from_floats(y, stored) : from_nchw16c(y, n, total, hw), want, n * total * hw, 0);
}

static void test_cat(void **state) {
  static const int64_t parts[][5] = {{16, 32, 0}, {3, 5, 0},        {1, 1, 1, 1, 0}, {21, 16, 7, 0}, {5, 40, 3, 0},
                                     {64, 64, 0}, {8, 8, 16, 9, 0}, {7, 0},          {24, 24, 24, 0}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    for (int plain = 0; plain < 2; plain++)
      for (int64_t accumulate = 0; accumulate < 2; accumulate++) {
        run_cat(2, 6, plain, parts[i], accumulate);
        run_cat(1, 1, plain, parts[i], accumulate);
        run_cat(0, 5, plain, parts[i], accumulate);
        free_buffers();
      }
}

static void test_cat_outer(void **state) { /* along the last of (2 outer, c, inner 1) */
  CatParams k = {.c = 2, .to = 1, .total = 4, .row_major = 1, .outer = 2, .inner = 1};
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[16] = {0};
  const float want[16] = {0, 1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0, 0, 7, 8, 0};
  run_kernel(KERNEL_cat_copy, OPERANDS(cat_copy, .x = x, .y = y), 2, &k, (Out[]){{y, sizeof y}, {0}});
  assert_memory_equal(y, want, sizeof y);
}

static const struct CMUnitTest tests[] = {TEST(test_layouts), TEST(test_cat), TEST(test_cat_outer)};
GROUP(layout_group, tests);
