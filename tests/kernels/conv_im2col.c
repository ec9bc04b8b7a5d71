/* runtime/kernels/conv/im2col_runtime.c: the convolution by columns and OpenBLAS against the naive twin, at the shapes
 * at which the templates are tested, with groups, depthwise ones and more columns than fit one band besides. */
#include "runtime/abi.h"
#include "tests/kernels/conv_naive.h"
#include "tests/kernels/call.h"
#include <math.h>
#include <stdlib.h>

static void check_product(const Shape *row, int64_t n, int has_bias) {
  Shape s = *row;
  shape_finish(&s);
  Conv2dParams k = forward_constants(&s);
  k.has_bias = has_bias;
  int64_t pixels = s.oh * s.ow;
  float *x = random_floats(n * s.ic * s.ih * s.iw, 1), *w = random_floats(s.oc * s.ic / s.groups * s.kh * s.kw, 2);
  float *bias = random_floats(s.oc, 3),
        *columns = nan_floats(kernel_plan(KERNEL_conv2d_im2col, &k).workspace_bytes / 4),
        *y = nan_floats(n * s.oc * pixels);
  sg_conv2d_im2col(OPERANDS(conv2d_im2col, .x = x, .w = w, .bias = has_bias ? bias : NULL, .columns = columns, .y = y),
                   n, sg_threads(), &k);
  Result want = naive_forward(&s, n, x, w);
  for (int64_t i = 0; has_bias && i < want.count; i++) want.value[i] += bias[i / pixels % s.oc], want.magnitude[i] += 1;
  expect_close(s.name, y, &want);
  result_free(&want);
  free(x), free(w), free(bias), free(columns), free(y);
}

static void test_shapes(void **state) {
  (void)state;
  for (const Shape *row = conv_shapes; row->name; row++)
    for (int64_t n = 0; n <= 2; n++) check_product(row, n, n != 1);
}

static void test_groups(void **state) {
  (void)state;
  static const Shape shapes[] = {{"depthwise", 17, 17, 9, 11, 17, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
                                 {"depthwise, stride 2", 40, 40, 9, 12, 40, 5, 3, 2, 2, 2, 1, 1, 1, 0, 0},
                                 {"depthwise, dilated, wide padding", 8, 8, 6, 7, 8, 3, 3, 1, 2, 4, 5, 2, 2, 0, 0},
                                 {"two outputs of an input", 6, 6, 8, 8, 12, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
                                 {"odd groups", 3, 15, 8, 9, 21, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
                                 {"several bands", 1, 64, 100, 90, 8, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
                                 {"a row that is more than a band", 1, 40, 3, 1000, 4, 3, 27, 1, 1, 1, 13, 1, 1, 0, 0}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_product(&shapes[i], 2, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_groups)};
  return cmocka_run_group_tests_name("convolution by columns", tests, NULL, NULL);
}
