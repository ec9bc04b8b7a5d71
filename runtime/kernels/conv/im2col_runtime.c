/* A convolution for any sizes, decided when it is called: each sample's windows are written out as the columns of a
 * matrix, which OpenBLAS multiplies by the weights ("im2col": Chellapilla, Puri, Simard: "High performance
 * convolutional neural networks for document processing", 2006). Programs use it in `inspect`, where a kernel compiled
 * for each shape would cost more than it brings. Called by generated code. */
#include "runtime/abi.h"
#include "runtime/kernels/blas.h"
#include "runtime/kernels/conv/conv.h"
#include <string.h>

#define COLUMNS_FLOATS ((int64_t)1 << 20) /* or one output row's where that is more */

/* Of one output row. */
static inline int64_t row_floats(const Conv2dParams *k) { return k->ic / k->groups * k->kh * k->kw * k->ow; }
/* Output rows whose columns are there at a time. */
static inline int64_t band_rows(const Conv2dParams *k) {
  int64_t row = row_floats(k);
  return max64(1, min64(k->oh, row > 0 ? COLUMNS_FLOATS / row : 1));
}

PLAN(conv2d_im2col) {
  per_call(plan, 1, CONV_FLOPS(k));
  plan->workspace_bytes = 4 * row_floats(k) * band_rows(k);
}

/* Output columns [*from, *to) whose tap `t` of the window lies in the image. */
static void inside(int64_t out, int64_t in, int64_t stride, int64_t offset, int64_t *from, int64_t *to) {
  *from = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  *to = in - offset <= 0 ? 0 : (in - offset - 1) / stride + 1;
  if (*from > out) *from = out;
  if (*to > out) *to = out;
  if (*to < *from) *to = *from;
}

/* What tap (th, tw) of one channel's windows sees, for output rows [row, row + rows). */
static void tap_row(const Conv2dParams *k, const float *x, int64_t th, int64_t tw, int64_t row, int64_t rows,
                    float *to) {
  int64_t from, stop, offset = tw * k->dil_w - k->pad_w;
  inside(k->ow, k->iw, k->stride_w, offset, &from, &stop);
  for (int64_t r = 0; r < rows; r++, to += k->ow) {
    int64_t at = (row + r) * k->stride_h + th * k->dil_h - k->pad_h;
    if (at < 0 || at >= k->ih) {
      memset(to, 0, (size_t)k->ow * sizeof *to);
      continue;
    }
    const float *line = x + at * k->iw + offset;
    for (int64_t i = 0; i < from; i++) to[i] = 0;
    if (k->stride_w == 1 && stop > from) memcpy(to + from, line + from, (size_t)(stop - from) * sizeof *to);
    for (int64_t i = from; k->stride_w != 1 && i < stop; i++) to[i] = line[i * k->stride_w];
    for (int64_t i = stop; i < k->ow; i++) to[i] = 0;
  }
}

/* One convolution's items on the threads, where they are worth it. */
typedef struct Work {
  const Conv2dParams *k;
  const float *x, *w, *bias;
  float *y;
  int64_t row, rows; /* of the output, for columns */
} Work;

static void run_task(int64_t threads, sg_task *task, Work *work, int64_t n, int64_t items, bool worth) {
  void *const buf[] = {work};
  if (worth) sg_parallel(task, buf, n, items, threads, NULL, 0);
  else if (items > 0) task(buf, n, 0, items, NULL);
}

static void column_task(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Work *w = buf[0];
  const Conv2dParams *k = w->k;
  int64_t taps = k->kh * k->kw;
  for (int64_t i = begin; i < end; i++)
    tap_row(k, w->x + i / taps * k->ih * k->iw, i % taps / k->kw, i % k->kw, w->row, w->rows,
            w->y + i * w->rows * k->ow);
}

static void write_columns(int64_t threads, const Conv2dParams *k, const float *x, int64_t row, int64_t rows,
                          float *columns) {
  int64_t all = k->ic / k->groups * k->kh * k->kw;
  run_task(threads, column_task, &(Work){.k = k, .x = x, .y = columns, .row = row, .rows = rows}, 1, all,
           all * rows * k->ow > 1 << 14);
}

/* One group of one sample. */
static void by_columns(int64_t threads, const Conv2dParams *k, const float *x, const float *w, float *columns,
                       float *y) {
  int64_t out = k->oc / k->groups, sum = k->ic / k->groups * k->kh * k->kw, band = band_rows(k);
  for (int64_t row = 0; row < k->oh; row += band) {
    int64_t rows = k->oh - row < band ? k->oh - row : band;
    write_columns(threads, k, x, row, rows, columns);
    blas_product(threads, out, rows * k->ow, sum, (Matrix){w, sum, 1}, (Matrix){columns, rows * k->ow, 1}, false,
                 y + row * k->ow, k->oh * k->ow);
  }
}

/* One output channel of few input channels: a product would spend its time on the columns. */
static void by_taps(const Conv2dParams *k, const float *x, const float *w, float *y) {
  int64_t taps = k->kh * k->kw, from, stop;
  for (int64_t i = 0; i < k->oh * k->ow; i++) y[i] = 0;
  for (int64_t c = 0; c < k->ic / k->groups; c++)
    for (int64_t t = 0; t < taps; t++) {
      float weight = w[c * taps + t];
      int64_t offset = t % k->kw * k->dil_w - k->pad_w;
      inside(k->ow, k->iw, k->stride_w, offset, &from, &stop);
      for (int64_t r = 0; r < k->oh; r++) {
        int64_t at = r * k->stride_h + t / k->kw * k->dil_h - k->pad_h;
        if (at < 0 || at >= k->ih) continue;
        const float *line = x + (c * k->ih + at) * k->iw + offset;
        for (int64_t i = from; i < stop; i++) y[r * k->ow + i] += weight * line[i * k->stride_w];
      }
    }
}

static void bias_task(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Work *w = buf[0];
  int64_t hw = w->k->oh * w->k->ow;
  for (int64_t i = begin; i < end; i++)
    for (int64_t p = 0; p < hw; p++) w->y[i * hw + p] += w->bias[i % w->k->oc];
}

static void channel_task(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Work *w = buf[0];
  const Conv2dParams *k = w->k;
  int64_t ins = k->ic / k->groups, outs = k->oc / k->groups, image = k->ih * k->iw;
  for (int64_t i = begin; i < end; i++) {
    int64_t sample = i / k->oc, channel = i % k->oc;
    by_taps(k, w->x + (sample * k->ic + channel / outs * ins) * image, w->w + channel * ins * k->kh * k->kw,
            w->y + i * k->oh * k->ow);
  }
}

/* x: (n, ic, ih, iw), w: (oc, ic / groups, kh, kw), bias: [oc] → y: (n, oc, oh, ow); columns: of the plan */
RUNTIME(conv2d_im2col) {
  const float *x = b->x, *w = b->w, *bias = k->has_bias ? b->bias : NULL;
  float *columns = b->columns, *y = b->y;
  int64_t ins = k->ic / k->groups, outs = k->oc / k->groups, image = k->ih * k->iw, map = k->oh * k->ow;
  Work work = {.k = k, .x = x, .w = w, .bias = bias, .y = y};
  if (outs < 4) {
    run_task(threads, channel_task, &work, n, n * k->oc, n * k->oc * map > 1 << 12);
  } else {
    for (int64_t i = 0; i < n * k->groups; i++) {
      int64_t sample = i / k->groups, group = i % k->groups;
      by_columns(threads, k, x + (sample * k->ic + group * ins) * image, w + group * outs * ins * k->kh * k->kw,
                 columns, y + (sample * k->oc + group * outs) * map);
    }
  }
  if (bias) run_task(threads, bias_task, &work, n, n * k->oc, n * k->oc * map > 1 << 14);
}
