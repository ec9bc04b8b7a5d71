/* Linear layers and their gradients, by OpenBLAS (blas.h), row-major, with the raw weights. Called by generated code.
 */
#include "runtime/abi.h"
#include "runtime/kernels/blas.h"
#include "runtime/kernels/template.h"

static inline double linear_flops(const LinearParams *k) {
  return 2.0 * (double)k->rows * (double)k->in * (double)k->out;
}
PLAN(linear) {
  per_call(plan, 1, linear_flops(k));
  plan->weights_bytes = 4.0 * (double)k->in * (double)k->out;
}
PLAN(linear_grad_input) { per_call(plan, 1, linear_flops(k)); }
PLAN(linear_grad_weight) { per_call(plan, 1, linear_flops(k)); }
PLAN(linear_grad_bias) { per_call(plan, 1, (double)(k->rows * k->out)); }

/* On so many threads where the work is worth it. */
static void run_task(int64_t threads, sg_task *task, void *const *buf, int64_t items, bool worth) {
  if (worth) sg_parallel(task, buf, 1, items, threads, NULL, 0);
  else if (items > 0) task(buf, 1, 0, items, NULL);
}

static float activated(float x, int64_t activation) { return activation == ACT_RELU && x < 0 ? 0 : x; }

typedef struct Rows { /* of a linear layer */
  const float *x, *w, *bias;
  float *y;
  int64_t rows;
  const LinearParams *k;
} Rows;

/* y += act(x W^T + b): BLAS adds before an activation could come, so row by row here. */
static void add_rows(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Rows *r = buf[0];
  const LinearParams *k = r->k;
  for (int64_t i = begin; i < end; i++)
    for (int64_t o = 0; o < k->out; o++)
      r->y[i * k->out + o] += activated(
          blas_dot(r->x + i * k->in, 1, r->w + o * k->in, 1, k->in) + (r->bias ? r->bias[o] : 0), k->activation);
}

static void activate_rows(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Rows *r = buf[0];
  const LinearParams *k = r->k;
  for (int64_t i = begin; i < end; i++)
    for (int64_t o = 0; o < k->out; o++)
      r->y[i * k->out + o] = activated(r->y[i * k->out + o] + (r->bias ? r->bias[o] : 0), k->activation);
}

/* x: (rows, in), w: (out, in), bias: [out] → y: (rows, out); activation: none or relu */
RUNTIME(linear) {
  const float *x = b->x, *w = b->w, *bias = k->has_bias ? b->bias : NULL;
  float *y = b->y;
  int64_t rows = n * k->rows;
  Rows r = {x, w, bias, y, rows, k};
  if (k->accumulate && k->activation != ACT_NONE) {
    run_task(threads, add_rows, (void *[]){&r}, rows, true);
    return;
  }
  blas_product(threads, rows, k->out, k->in, (Matrix){x, k->in, 1}, (Matrix){w, 1, k->in}, k->accumulate, y, k->out);
  if (bias || k->activation != ACT_NONE)
    run_task(threads, activate_rows, (void *[]){&r}, rows, rows * k->out > 1 << 16);
}

/* dx = dy W */
RUNTIME(linear_grad_input) {
  blas_product(threads, n * k->rows, k->in, k->out, (Matrix){b->dy, k->out, 1}, (Matrix){b->w, k->in, 1}, k->accumulate,
               b->dx, k->in);
}

/* dw = dy^T x */
RUNTIME(linear_grad_weight) {
  blas_product(threads, k->out, k->in, n * k->rows, (Matrix){b->dy, 1, k->out}, (Matrix){b->x, k->in, 1}, k->accumulate,
               b->dw, k->in);
}

/* db = column sums of dy, in double; a work item is a run of columns, so the order of the sum is fixed */
enum { BIAS_COLUMNS = 64 };
static void sum_columns(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Rows *r = buf[0]; /* x: dy; y: db */
  const LinearParams *k = r->k;
  for (int64_t chunk = begin; chunk < end; chunk++) {
    int64_t from = chunk * BIAS_COLUMNS, count = k->out - from < BIAS_COLUMNS ? k->out - from : BIAS_COLUMNS;
    double sum[BIAS_COLUMNS] = {0};
    for (int64_t i = 0; i < r->rows; i++)
      for (int64_t c = 0; c < count; c++) sum[c] += r->x[i * k->out + from + c];
    for (int64_t c = 0; c < count; c++) r->y[from + c] = (float)(k->accumulate ? r->y[from + c] + sum[c] : sum[c]);
  }
}

RUNTIME(linear_grad_bias) {
  Rows r = {.x = b->dy, .y = b->db, .rows = n * k->rows, .k = k};
  run_task(threads, sum_columns, (void *[]){&r}, (k->out + BIAS_COLUMNS - 1) / BIAS_COLUMNS, r.rows * k->out > 1 << 16);
}
