/* What the tests of the kernels in the other files share: buffers with guards, running a kernel in several splits,
 * layouts, and judging errors. A failure ends the test through cmocka. */
#ifndef SURGERY_TESTS_OTHER_SUPPORT_H
#define SURGERY_TESTS_OTHER_SUPPORT_H
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/kernels/call.h"

/* 64-byte aligned; behind the end lies a guard that free_buffers checks (under ASan nothing lies there). */
void *new_buffer(size_t bytes);
float *new_floats(int64_t count);   /* each a NaN: whoever forgets to write one is found */
double *new_doubles(int64_t count); /* zeros */
void free_buffers(void);            /* all of them, after each test */

void seed_random(uint64_t seed);
double random_uniform(double low, double high);
/* Distinct floats in random order, evenly spread over [low, high]: no ties, no two near each other. */
double *new_random(int64_t count, double low, double high);
float *as_floats(const double *values, int64_t count); /* rounded; the doubles too, in place, so that both are equal */

/* (n, c, hw) doubles → NCHW16c floats and back; the way back asserts that the pad lanes hold zeros. */
float *new_nchw16c(const double *plain, int64_t n, int64_t c, int64_t hw);
int64_t stored_count(int64_t n, int64_t c, int64_t hw);
double *from_nchw16c(const float *blocked, int64_t n, int64_t c, int64_t hw);
double *from_floats(const float *values, int64_t count);

typedef struct Out {
  void *at;
  size_t bytes;
} Out;
/* Runs the kernel over all its work items in one call, then each item alone from the last to the first, then in
 * two uneven halves, from the same initial contents of the outputs (ended by {NULL}), and asserts equal bits.
 */
void run_kernel(KernelId kernel, const void *operands, int64_t n, const void *k, const Out *outs);

/* max |got - want| over max |want|, at most `tolerance`; the worst for each label is printed at the end. */
void check_close(const char *label, const double *got, const double *want, int64_t count, double tolerance);
void print_errors(void);

/* y (ny) = f(context, x (nx)) */
typedef void Function(const void *context, const double *x, double *y);
/* dx, against central differences of sum(dy * f(x)), for every element of x. */
void check_gradient(const char *label, Function *f, const void *context, const double *x, int64_t nx, const double *dy,
                    int64_t ny, const double *dx, double tolerance);

/* Numbers that PyTorch made: goldens.txt names runs of goldens.bin. NULL when there is none of that name. */
const float *golden(const char *name, int64_t *count);
const float *golden_of(const char *kind, int number, const char *part, int64_t *count); /* "kind3.part" */

typedef struct TestGroup {
  const struct CMUnitTest *tests;
  size_t count;
  const char *name;
} TestGroup;
extern const TestGroup math_group, elementwise_group, pool_group, norm_group, layout_group, reduce_group, loss_group,
    golden_group, sequence_group, layernorm_group, attention_group, groupnorm_group;
#define GROUP(name, tests) const TestGroup name = {tests, sizeof tests / sizeof *tests, #name}
int free_after(void **state);
#define TEST(f) cmocka_unit_test_teardown(f, free_after)
#endif
