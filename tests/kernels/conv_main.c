/* Runs the convolution kernels' tests. */
#include "tests/kernels/conv_tests.h"
#include <string.h>

/* The table of kernels is whole: each row has a plan function and constants that travel as words. */
void test_table(void **state) {
  (void)state;
  for (int id = 0; id < KERNEL_COUNT; id++) {
    const KernelInfo *info = kernel_info(id);
    assert_non_null(info->plan);
    size_t prefix = info->is_template ? 4 : 3;
    assert_memory_equal(info->symbol, info->is_template ? "sgk_" : "sg_", prefix);
    assert_string_equal(info->symbol + prefix, info->name);
    assert_in_range(info->words, 1, MAX_CALL_WORDS);
  }
  assert_null(kernel_info(KERNEL_COUNT));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_table),
      cmocka_unit_test(test_forward),
      cmocka_unit_test(test_forward_plain),
      cmocka_unit_test(test_forward_any),
      cmocka_unit_test(test_forward_batch),
      cmocka_unit_test(test_winograd),
      cmocka_unit_test(test_stem),
      cmocka_unit_test(test_grad_input),
      cmocka_unit_test(test_grad_weight),
      cmocka_unit_test(test_gradients_winograd),
      cmocka_unit_test(test_gradients_any),
      cmocka_unit_test(test_channel_sum),
      cmocka_unit_test(test_finite_differences),
      cmocka_unit_test(test_depthwise),
      cmocka_unit_test(test_depthwise_gradients),
  };
  return cmocka_run_group_tests_name("convolution kernels", tests, NULL, NULL);
}
