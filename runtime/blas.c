/* Matrix products by OpenBLAS, for linear layers and for attention: the only file that includes cblas.h. Called by generated code
 * (compiler/kernels/kernels.h, RUNTIME rows). All matrices are plain, row-major; sizes are checked here
 * before they become BLAS's int. */
#include "compiler/kernels/kernels.h"
#include "runtime/abi.h"
#include "runtime/blas.h"
#include <cblas.h>
#include <limits.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>

/* ---- which of OpenBLAS's kernels ---- */

/* OpenBLAS takes CPUs younger than itself for an AVX2 machine, at half the speed where there is AVX-512. It
 * chooses in its own constructor, from the CPU or from OPENBLAS_CORETYPE; to set that variable earlier is no
 * way out (what .preinit_array sets is lost when libc takes over the environment, and a shared library has no
 * such section). So our constructor, which runs after that of the library we depend on, has it choose again.
 */
extern void gotoblas_dynamic_init(void) __attribute__((weak)); /* absent in builds for one CPU */
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

static int is_less_than_avx512(const char *core) {
  static const char *const less[] = {"Haswell",   "Zen",         "Sandybridge", "Nehalem",
                                     "Excavator", "Steamroller", "Piledriver",  "Bulldozer",
                                     "Barcelona", "Prescott",    "Core2"};
  for (size_t i = 0; i < sizeof less / sizeof *less; i++)
    if (strcmp(core, less[i]) == 0) return 1;
  return 0;
}

/* Not static for its test. Leaves alone what the user set, and a process that has threads already. */
void sgr_choose_blas_core(void);
__attribute__((constructor)) void sgr_choose_blas_core(void) {
#ifdef __x86_64__
  __builtin_cpu_init();
  int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (!avx512 || !gotoblas_dynamic_init || !gotoblas_dynamic_quit || !__libc_single_threaded) return;
  if (getenv("OPENBLAS_CORETYPE") || !is_less_than_avx512(openblas_get_corename())) return;
  if (setenv("OPENBLAS_CORETYPE", "SkylakeX", 0) != 0) return;
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv("OPENBLAS_CORETYPE"); /* child processes choose for themselves */
#endif
}

const char *blas_name(void) {
  return openblas_get_config();
}

/* ---- products ---- */

/* Element (i, j) lies at i * row + j * col; one of the two is 1. */
typedef struct Matrix {
  const float *at;
  int64_t row, col;
} Matrix;

/* Rows of a, or terms of the sum, in one BLAS call: keeps 64-bit counts within BLAS's int. */
#define AT_ONCE ((int64_t)1 << 24)

static int fits(Matrix a) {
  return a.row <= INT_MAX && a.col <= INT_MAX;
}

static float dot(const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)a[i * a_step] * b[i * b_step];
  return (float)sum;
}

/* c (m, n) = beta c + a (m, k) b (k, n) for sizes that BLAS's int cannot hold; c_row: floats from a row of c to the next. */
static void product_by_loop(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, float beta, float *c, int64_t c_row) {
#pragma omp parallel for num_threads(sg_threads())
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      float sum = dot(a.at + i * a.row, a.col, b.at + j * b.col, b.row, k);
      c[i * c_row + j] = beta != 0 ? c[i * c_row + j] + sum : sum;
    }
}

/* The leading dimension; BLAS wants it at least as large as a row even where there is but one. */
static int leading(Matrix a, int64_t rows, int64_t cols) {
  int64_t lead = a.col == 1 ? a.row : a.col, least = a.col == 1 ? cols : rows;
  return (int)(lead > least ? lead : least);
}

/* By one matrix-vector product for each row, sized within int. gemv reads the whole of b for each row, but
 * without packing it first. */
static void rows_by_gemv(int m, int n, int k, Matrix a, Matrix b, float beta, float *c, int64_t c_row) {
  int straight = b.col == 1; /* b is (k, n) in memory, else (n, k) */
  for (int i = 0; i < m; i++)
    cblas_sgemv(CblasRowMajor, straight ? CblasTrans : CblasNoTrans, straight ? k : n, straight ? n : k, 1,
                b.at, leading(b, k, n), a.at + i * a.row, (int)a.col, beta, c + i * c_row, 1);
}

/* Measured on two cores: for one row gemv is twice as fast from some size on; for a few rows it stays ahead
 * while b is in the cache; below, OpenBLAS has kernels for small matrices that no loop of ours beats. */
static int prefers_gemv(int64_t m, int64_t n, int64_t k) {
  int64_t size = n * k;
  return size >= 1 << 16 && (m == 1 || (m <= 8 && size <= 1 << 20));
}

/* c (m, n) = a (m, k) b (k, n), or added to c. */
static void product(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, int64_t accumulate, float *c, int64_t c_row) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    for (int64_t i = 0; i < m && !accumulate; i++) memset(c + i * c_row, 0, (size_t)n * sizeof *c);
    return;
  }
  if (n > INT_MAX || c_row > INT_MAX || !fits(a) || !fits(b)) {
    product_by_loop(m, n, k, a, b, accumulate ? 1 : 0, c, c_row);
    return;
  }
  int caller_threads = omp_get_max_threads(); /* OpenBLAS takes as many as OpenMP would give the caller */
  if (caller_threads != sg_threads()) omp_set_num_threads(sg_threads());
  for (int64_t i = 0; i < m; i += AT_ONCE)
    for (int64_t t = 0; t < k; t += AT_ONCE) {
      int rows = (int)(m - i < AT_ONCE ? m - i : AT_ONCE), terms = (int)(k - t < AT_ONCE ? k - t : AT_ONCE);
      Matrix pa = {a.at + i * a.row + t * a.col, a.row, a.col}, pb = {b.at + t * b.row, b.row, b.col};
      float beta = accumulate || t > 0 ? 1 : 0;
      if (prefers_gemv(rows, n, terms))
        rows_by_gemv(rows, (int)n, terms, pa, pb, beta, c + i * c_row, c_row);
      else
        cblas_sgemm(CblasRowMajor, a.col == 1 ? CblasNoTrans : CblasTrans,
                    b.col == 1 ? CblasNoTrans : CblasTrans, rows, (int)n, terms, 1, pa.at,
                    leading(a, rows, terms), pb.at, leading(b, terms, n), beta, c + i * c_row, (int)c_row);
    }
  if (caller_threads != sg_threads()) omp_set_num_threads(caller_threads);
}

void blas_product(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c, int64_t c_row) {
  product(m, n, k, (Matrix){a, k, 1}, (Matrix){b, n, 1}, 0, c, c_row);
}

/* OpenBLAS takes one thread within a parallel region; outside of one it is asked to, so that the order of a sum does
 * not depend on where a task runs. */
void sg_gemm(int64_t transpose_a, int64_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
             const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  int caller_threads = omp_in_parallel() ? 1 : omp_get_max_threads();
  if (m <= 0 || n <= 0) return;
  if (caller_threads != 1) omp_set_num_threads(1);
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k,
              alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
  if (caller_threads != 1) omp_set_num_threads(caller_threads);
}

static float activated(float x, int64_t activation) {
  return activation == ACT_RELU && x < 0 ? 0 : x;
}

/* y += act(x W^T + b): BLAS adds before an activation could come, so row by row here. */
static void linear_added(const float *x, const float *w, const float *bias, float *y, int64_t rows,
                         const LinearK *k) {
#pragma omp parallel for num_threads(sg_threads())
  for (int64_t i = 0; i < rows; i++)
    for (int64_t o = 0; o < k->out; o++)
      y[i * k->out + o] +=
          activated(dot(x + i * k->in, 1, w + o * k->in, 1, k->in) + (bias ? bias[o] : 0), k->activation);
}

/* x: (rows, in), w: (out, in), bias: [out] → y: (rows, out); activation: none or relu */
void sgr_linear(SGK_RUNTIME_ARGS, const LinearK *k) {
  const float *x = buf[0], *w = buf[1], *bias = k->has_bias ? buf[2] : NULL;
  float *y = buf[3];
  int64_t rows = n * k->rows;
  if (k->accumulate && k->activation != ACT_NONE) {
    linear_added(x, w, bias, y, rows, k);
    return;
  }
  product(rows, k->out, k->in, (Matrix){x, k->in, 1}, (Matrix){w, 1, k->in}, k->accumulate, y, k->out);
  if (!bias && k->activation == ACT_NONE) return;
#pragma omp parallel for num_threads(sg_threads()) if (rows * k->out > 1 << 16)
  for (int64_t i = 0; i < rows; i++)
    for (int64_t o = 0; o < k->out; o++)
      y[i * k->out + o] = activated(y[i * k->out + o] + (bias ? bias[o] : 0), k->activation);
}

/* dx = dy W */
void sgr_linear_grad_input(SGK_RUNTIME_ARGS, const LinearK *k) {
  product(n * k->rows, k->in, k->out, (Matrix){buf[0], k->out, 1}, (Matrix){buf[1], k->in, 1}, k->accumulate,
          buf[2], k->in);
}

/* dw = dy^T x */
void sgr_linear_grad_weight(SGK_RUNTIME_ARGS, const LinearK *k) {
  product(k->out, k->in, n * k->rows, (Matrix){buf[1], 1, k->out}, (Matrix){buf[0], k->in, 1}, k->accumulate,
          buf[2], k->in);
}

/* db = column sums of dy, in double; a thread's share is a run of columns, so the order of the sum is fixed
 */
void sgr_linear_grad_bias(SGK_RUNTIME_ARGS, const LinearK *k) {
  enum { COLUMNS = 64 };
  const float *dy = buf[0];
  float *db = buf[1];
  int64_t rows = n * k->rows, chunks = (k->out + COLUMNS - 1) / COLUMNS;
#pragma omp parallel for num_threads(sg_threads()) if (rows * k->out > 1 << 16)
  for (int64_t chunk = 0; chunk < chunks; chunk++) {
    int64_t from = chunk * COLUMNS, count = k->out - from < COLUMNS ? k->out - from : COLUMNS;
    double sum[COLUMNS] = {0};
    for (int64_t i = 0; i < rows; i++)
      for (int64_t c = 0; c < count; c++) sum[c] += dy[i * k->out + from + c];
    for (int64_t c = 0; c < count; c++)
      db[from + c] = (float)(k->accumulate ? db[from + c] + sum[c] : sum[c]);
  }
}
