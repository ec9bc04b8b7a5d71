/* Matrix products for the kernels in the runtime; blas.c has them of OpenBLAS, which blas_library.c loads. */
#ifndef SURGERY_BLAS_H
#define SURGERY_BLAS_H
#include <stdbool.h>
#include <stdint.h>

/* Version and kernels: "OpenBLAS 0.3.21 … SkylakeX". */
const char *blas_name(void);

/* Element (i, j) lies at i * row + j * col; one of the two is 1. */
typedef struct Matrix {
  const float *at;
  int64_t row, col;
} Matrix;

/* c (m, n) = a (m, k) b (k, n), or added to c; row i of c begins at i * c_row. On so many threads. Sizes beyond BLAS's
 * int are done by a loop. */
void blas_product(int64_t threads, int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, bool accumulate, float *c,
                  int64_t c_row);

static inline float blas_dot(const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)a[i * a_step] * b[i * b_step];
  return (float)sum;
}

/* ---- blas_library.c, for blas.c only ---- */

typedef struct BlasLibrary {
  void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                const float *b, int ldb, float beta, float *c, int ldc);
  void (*sgemv)(int order, int transpose, int m, int n, float alpha, const float *a, int lda, const float *x,
                int x_step, float beta, float *y, int y_step);
} BlasLibrary;

typedef struct BlasCall { /* between begin and end */
  int callers_threads;    /* what OpenMP is told afterwards */
} BlasCall;

/* Loads it at the first call. Between begin and end the calling thread's calls take one thread. NULL, which
 * ends nothing: it is not there, or there is no room for what it would map. */
const BlasLibrary *blas_begin(BlasCall *call);
void blas_end(const BlasCall *call);
#endif
