/* The convolutions' naive twins, in double over NCHW tensors, and the means to run a template: buffers of
 * exactly the promised size, filled with NaN where nothing may be read. Shared by the conv_*.c tests. */
#ifndef SURGERY_TESTS_CONV_NAIVE_H
#define SURGERY_TESTS_CONV_NAIVE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/kernels/call.h"

/* One convolution: what all kernels' constants are made of. */
typedef struct Shape {
  const char *name;
  int64_t groups, ic, ih, iw, oc, kh, kw, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;
  int64_t oh, ow; /* filled by shape_finish */
} Shape;
void shape_finish(Shape *s);
Conv2dParams forward_constants(const Shape *s);
/* The input's gradient as a convolution of dy with transposed weights. */
Conv2dParams input_gradient_constants(const Shape *s);
Conv2dGradWeightParams gradient_constants(const Shape *s);

/* NCHW tensors of floats, with the sum of magnitudes of each result, from which its tolerance follows. */
typedef struct Result {
  double *value, *magnitude;
  int64_t count;
} Result;
Result naive_forward(const Shape *s, int64_t n, const float *x, const float *w);
Result naive_grad_input(const Shape *s, int64_t n, const float *dy, const float *w);
Result naive_grad_weight(const Shape *s, int64_t n, const float *x, const float *dy);
void result_free(Result *r);

float *random_floats(int64_t count, uint64_t seed); /* in [-1, 1); malloc, 64-byte aligned, exact size */
float *nan_floats(int64_t count);
float *copy_floats(const float *x, int64_t count);
float *to_nchw16c(const float *x, int64_t n, int64_t c, int64_t pixels); /* pad lanes zero */
/* Back to NCHW; fails the test when a pad lane is not zero. */
float *from_nchw16c(const char *what, const float *x, int64_t n, int64_t c, int64_t pixels);

/* Runs a kernel over all its work items, `step` of them a call, in order or backwards. Its scratch is filled with
 * NaN. */
void run_kernel(KernelId id, const void *k, const void *operands, int64_t n, int64_t step, int backwards);
/* Runs it whole, item by item, by threes and backwards, each time from a copy of `out` as it was given, and
 * fails when any bit differs. `out` (count floats) must be one of the operands; it holds the result. */
void run_splits(const char *what, KernelId id, const void *k, const void *operands, int64_t n, float *out,
                int64_t count);
/* |got - want| ≤ 1e-6 * magnitude + 1e-6: some ten roundings of the sum of magnitudes.
 * Measured: at most 0.27 of that. */
/* Widens expect_close to Winograd's method: a multiple of a direct sum's tolerance, taken for the largest sum, since
 * the rounding of a tile is spread over all its outputs, those that see only padding too. */
void winograd_tolerance(Result *want);
void expect_close(const char *what, const float *got, const Result *want);

typedef enum Method { DIRECT, ANY, WINOGRAD, STEM } Method; /* which kernel is tested */

extern const Shape conv_shapes[]; /* ends with a row without a name */
#endif
