/* The program of the tests in the other files: every template but the convolutions, against naive twins in double,
 * finite differences and PyTorch's numbers. Prints the largest errors at its end. */
#include "tests/kernels/support.h"

int main(void) {
  /* In this order: what one takes of the random numbers decides on those of the next. */
  const TestGroup *groups[] = {&math_group,     &elementwise_group, &pool_group,      &norm_group,
                               &layout_group,   &reduce_group,      &loss_group,      &golden_group,
                               &sequence_group, &layernorm_group,   &attention_group, &groupnorm_group};
  int failed = 0;
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    failed += _cmocka_run_group_tests(groups[i]->name, groups[i]->tests, groups[i]->count, NULL, NULL);
  print_errors();
  return failed != 0;
}
