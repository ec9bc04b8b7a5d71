/* OpenBLAS, as blas.c calls it. */
#ifndef SURGERY_BLAS_LIBRARY_H
#define SURGERY_BLAS_LIBRARY_H
#include <stdbool.h>

typedef struct BlasLibrary {
  void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                const float *b, int ldb, float beta, float *c, int ldc);
  void (*sgemv)(int order, int transpose, int m, int n, float alpha, const float *a, int lda, const float *x,
                int x_step, float beta, float *y, int y_step);
} BlasLibrary;

/* Loads it at the first call. Between begin and end the calling thread's calls take one thread. NULL, which
 * ends nothing: it is not there, or there is no room for what it would map. */
const BlasLibrary *blas_begin(void);
void blas_end(void);
#endif
