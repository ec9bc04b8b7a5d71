/* Matrix products, for linear layers, im2col and attention: by OpenBLAS (blas_library.c), each part of a product on one
 * thread of ours, and by loops where there is no OpenBLAS. All matrices are row-major; sizes are checked here before
 * they become BLAS's int. Called by the kernels in the runtime, and (sg_gemm) by templates. */
#include "runtime/kernels/blas.h"
#include "runtime/abi.h"
#include <cblas.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

/* c (m, n) = a (m, k) b (k, n), or added to c; c_row: floats from a row of c to the next. */
typedef struct Product {
  int64_t m, n, k;
  Matrix a, b;
  bool accumulate;
  float *c;
  int64_t c_row;
  bool by_rows, by_gemv; /* it is cut into parts of its rows, else of its columns; each row by gemv */
  int64_t parts;
} Product;

/* Rows of a, or terms of the sum, in one BLAS call: keeps 64-bit counts within BLAS's int. */
#define AT_ONCE ((int64_t)1 << 24)
/* Terms in one call of gemv, which adds them up in float one after the other: sums of sums lose less. */
#define GEMV_TERMS ((int64_t)1 << 13)

static bool fits(Matrix a) { return a.row <= INT_MAX && a.col <= INT_MAX; }

/* For sizes that BLAS's int cannot hold, and where there is no BLAS: some columns of a row at a time, so that
 * b is read along its rows where it lies so. */
static void product_by_loop(const Product *p) {
  enum { COLUMNS = 256 };
  for (int64_t i = 0; i < p->m; i++)
    for (int64_t from = 0; from < p->n; from += COLUMNS) {
      int64_t count = p->n - from < COLUMNS ? p->n - from : COLUMNS;
      double sum[COLUMNS] = {0};
      const float *a = p->a.at + i * p->a.row, *b = p->b.at + from * p->b.col;
      float *c = p->c + i * p->c_row + from;
      if (p->b.col == 1)
        for (int64_t t = 0; t < p->k; t++)
          for (int64_t j = 0; j < count; j++) sum[j] += (double)a[t * p->a.col] * b[t * p->b.row + j];
      else
        for (int64_t j = 0; j < count; j++) sum[j] = blas_dot(a, p->a.col, b + j * p->b.col, p->b.row, p->k);
      for (int64_t j = 0; j < count; j++) c[j] = (p->accumulate ? c[j] : 0) + (float)sum[j];
    }
}

/* The leading dimension; BLAS needs it to be at least as large as a row even where there is only one. */
static int leading(Matrix a, int64_t rows, int64_t cols) {
  int64_t lead = a.col == 1 ? a.row : a.col, least = a.col == 1 ? cols : rows;
  return (int)(lead > least ? lead : least);
}

/* By one matrix-vector product for each row, sized within int. gemv reads the whole of b for each row, but
 * without packing it first. */
static void rows_by_gemv(const BlasLibrary *blas, int m, int n, int k, Matrix a, Matrix b, float beta, float *c,
                         int64_t c_row) {
  bool straight = b.col == 1; /* b is (k, n) in memory, else (n, k) */
  for (int i = 0; i < m; i++)
    blas->sgemv(CblasRowMajor, straight ? CblasTrans : CblasNoTrans, straight ? k : n, straight ? n : k, 1, b.at,
                leading(b, k, n), a.at + i * a.row, (int)a.col, beta, c + i * c_row, 1);
}

/* Measured on two cores: for one row gemv is twice as fast from some size on; for a few rows it stays ahead
 * while b is in the cache; below, OpenBLAS has kernels for small matrices that no loop of ours beats. */
static bool prefers_gemv(int64_t m, int64_t n, int64_t k) {
  int64_t size = n * k;
  return size >= 1 << 16 && (m == 1 || (m <= 8 && size <= 1 << 20));
}

static void product_by_blas(const BlasLibrary *blas, const Product *p) {
  const Matrix a = p->a, b = p->b;
  const int64_t most_terms = p->by_gemv ? GEMV_TERMS : AT_ONCE;
  for (int64_t i = 0; i < p->m; i += AT_ONCE)
    for (int64_t t = 0; t < p->k; t += most_terms) {
      int rows = (int)(p->m - i < AT_ONCE ? p->m - i : AT_ONCE),
          terms = (int)(p->k - t < most_terms ? p->k - t : most_terms);
      Matrix pa = {a.at + i * a.row + t * a.col, a.row, a.col}, pb = {b.at + t * b.row, b.row, b.col};
      float beta = p->accumulate || t > 0 ? 1 : 0, *c = p->c + i * p->c_row;
      if (p->by_gemv) rows_by_gemv(blas, rows, (int)p->n, terms, pa, pb, beta, c, p->c_row);
      else
        blas->sgemm(CblasRowMajor, a.col == 1 ? CblasNoTrans : CblasTrans, b.col == 1 ? CblasNoTrans : CblasTrans, rows,
                    (int)p->n, terms, 1, pa.at, leading(a, rows, terms), pb.at, leading(b, terms, p->n), beta, c,
                    (int)p->c_row);
    }
}

static bool is_for_blas(const Product *p) { return p->n <= INT_MAX && p->c_row <= INT_MAX && fits(p->a) && fits(p->b); }

/* Where part `i` of so many begins; the vectors of OpenBLAS's kernels stay whole. */
static int64_t part_begin(int64_t total, int64_t i, int64_t parts) {
  enum { VECTOR = 16 };
  return i == parts ? total : total * i / parts / VECTOR * VECTOR;
}

static void product_parts(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Product *whole = buf[0];
  BlasCall call;
  const BlasLibrary *blas = is_for_blas(whole) ? blas_begin(&call) : NULL;
  for (int64_t i = begin; i < end; i++) {
    Product p = *whole;
    int64_t total = p.by_rows ? p.m : p.n, from = part_begin(total, i, p.parts),
            size = part_begin(total, i + 1, p.parts) - from;
    if (p.by_rows) p.m = size, p.a.at += from * p.a.row, p.c += from * p.c_row;
    else p.n = size, p.b.at += from * p.b.col, p.c += from;
    if (p.m <= 0 || p.n <= 0) continue;
    if (blas) product_by_blas(blas, &p);
    else product_by_loop(&p);
  }
  if (blas) blas_end(&call);
}

/* As many parts as threads, so that the same parts are computed in every run: how large a product is decides
 * on its kernel. Below these sizes a part takes less than some microseconds. */
static int64_t parts_of(const Product *p, int64_t threads) {
  enum { PART_READ = 1 << 15, PART_PRODUCT = 1 << 18, PART_LINES = 32 };
  int64_t lines = (p->by_rows ? p->m : p->n) / PART_LINES;
  double parts = (double)p->m * (double)p->n * (double)p->k / (p->by_gemv ? PART_READ : PART_PRODUCT);
  int64_t most = lines < threads ? lines : threads;
  return parts < 2 || most < 2 ? 1 : parts < (double)most ? (int64_t)parts : most;
}

void blas_product(int64_t threads, int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, bool accumulate, float *c,
                  int64_t c_row) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    for (int64_t i = 0; i < m && !accumulate; i++) memset(c + i * c_row, 0, (size_t)n * sizeof *c);
    return;
  }
  Product p = {m, n, k, a, b, accumulate, c, c_row, .by_gemv = prefers_gemv(m, n, k)};
  p.by_rows = !p.by_gemv && m > n;
  p.parts = parts_of(&p, threads);
  sg_parallel(product_parts, (void *[]){&p}, 1, p.parts, threads, NULL, 0);
}

/* alpha op(a) op(b) + beta c in loops. */
static void gemm_by_loop(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                         const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      float sum = alpha * blas_dot(transpose_a ? a + i : a + i * lda, transpose_a ? lda : 1,
                                   transpose_b ? b + j * ldb : b + j, transpose_b ? 1 : ldb, k);
      c[i * ldc + j] = beta != 0 ? sum + beta * c[i * ldc + j] : sum;
    }
}

void sg_gemm(int64_t transpose_a, int64_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
             int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  if (m <= 0 || n <= 0) return;
  BlasCall call;
  const BlasLibrary *blas = blas_begin(&call);
  if (!blas) {
    gemm_by_loop(transpose_a != 0, transpose_b != 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  blas->sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)m,
              (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
  blas_end(&call);
}
