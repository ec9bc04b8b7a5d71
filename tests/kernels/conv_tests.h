/* The tests of the convolution kernels, run by conv_main.c. */
#ifndef SURGERY_TESTS_CONV_TESTS_H
#define SURGERY_TESTS_CONV_TESTS_H
#include <stdbool.h>
#include "tests/kernels/conv_naive.h"
void test_forward(void **state);
void test_forward_plain(void **state);
void test_forward_any(void **state);
void test_forward_batch(void **state);
extern const Shape winograd_shapes[];
bool takes_winograd(const Shape *s); /* whether conv2d_wino and conv2d_grad_weight_wino do it */
void test_winograd(void **state);
void test_stem(void **state);
void test_grad_input(void **state);
void test_grad_weight(void **state);
void test_gradients_winograd(void **state);
void test_gradients_any(void **state);
void test_channel_sum(void **state);
void test_finite_differences(void **state);
void test_depthwise(void **state);
void test_depthwise_gradients(void **state);
void test_table(void **state);
#endif
