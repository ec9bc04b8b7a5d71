/* Matrix products for the rest of the runtime; blas.c has them of OpenBLAS. */
#ifndef SURGERY_BLAS_H
#define SURGERY_BLAS_H
#include <stdint.h>

/* Version and kernels: "OpenBLAS 0.3.21 … SkylakeX". */
const char *blas_name(void);
/* c (m, n) = a (m, k) b (k, n), row-major; row i of c begins at i * c_row, rows of a and b follow each other. On all
 * threads. Sizes beyond BLAS's int are done by a loop. */
void blas_product(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c, int64_t c_row);
#endif
