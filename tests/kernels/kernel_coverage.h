/* TEST_KERNEL(name): at file scope, above the tests of that row of kernels.def. tests/kernels/coverage.c
 * looks for these marks and fails for a row that has none. */
#ifndef SURGERY_TESTS_KERNEL_COVERAGE_H
#define SURGERY_TESTS_KERNEL_COVERAGE_H
#include "runtime/kernels/kernels.h"
#define TEST_KERNEL(name) _Static_assert(KERNEL_##name >= 0, "a row of kernels.def")
#endif
