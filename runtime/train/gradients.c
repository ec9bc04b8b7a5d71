/* The sums of gradients.h, piece by piece; what lies between tensors is not looked at. Does no input or output. */
#include <math.h>
#include <string.h>
#include "runtime/train/gradients.h"

typedef struct Work {
  const Chunks *chunks;
  unsigned char *to;
  const unsigned char *from;
  float factor;
  bool first;
} Work;

static float *floats(unsigned char *base, int64_t bytes) { return (float *)(void *)(base + bytes); }
static const float *const_floats(const unsigned char *base, int64_t bytes) {
  return (const float *)(const void *)(base + bytes);
}

/* ---- several batches ---- */

static void add_scaled(float *restrict to, const float *restrict from, float factor, int64_t count, bool first) {
  if (first)
    for (int64_t k = 0; k < count; k++) to[k] = factor * from[k];
  else
    for (int64_t k = 0; k < count; k++) to[k] += factor * from[k];
}

static void add_chunks(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Work *w = buf[0];
  for (const Chunk *c = w->chunks->at + begin; c < w->chunks->at + end; c++)
    add_scaled(floats(w->to, c->grad), const_floats(w->from, c->grad), w->factor, c->count, w->first);
}

void gradients_add(const Chunks *trained, unsigned char *sum, const unsigned char *grads, double scale, bool first) {
  chunks_run(trained, add_chunks, &(Work){trained, sum, grads, (float)scale, first});
}

/* ---- the norm ---- */

#define LANES 8 /* a sum of doubles waits for the one before; eight do not wait for each other */

double sum_of_squares(const float *at, int64_t count) {
  double lane[LANES] = {0};
  int64_t k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int i = 0; i < LANES; i++) lane[i] += (double)at[k + i] * at[k + i];
  for (; k < count; k++) lane[k % LANES] += (double)at[k] * at[k];
  double sum = 0;
  for (int i = 0; i < LANES; i++) sum += lane[i];
  return sum;
}

static void square_chunks(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Work *w = buf[0];
  for (int64_t i = begin; i < end; i++)
    w->chunks->sum[i] = sum_of_squares(const_floats(w->from, w->chunks->at[i].grad), w->chunks->at[i].count);
}

static void scale_chunks(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Work *w = buf[0];
  for (const Chunk *c = w->chunks->at + begin; c < w->chunks->at + end; c++) {
    float *g = floats(w->to, c->grad);
    for (int64_t k = 0; k < c->count; k++) g[k] *= w->factor;
  }
}

double gradients_clip(const Chunks *trained, unsigned char *grads, double max_norm) {
  double squares = 0;
  chunks_run(trained, square_chunks, &(Work){.chunks = trained, .from = grads});
  for (int64_t i = 0; i < trained->count; i++) squares += trained->sum[i];
  double norm = sqrt(squares);
  float factor = (float)(max_norm / (norm + 1e-6));
  if (factor < 1) chunks_run(trained, scale_chunks, &(Work){.chunks = trained, .to = grads, .factor = factor});
  return norm;
}

/* ---- the average ---- */

static void follow(float *restrict to, const float *restrict from, float share, int64_t count) {
  for (int64_t k = 0; k < count; k++) to[k] += share * (from[k] - to[k]);
}

static void average_chunks(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  const Work *w = buf[0];
  for (const Chunk *c = w->chunks->at + begin; c < w->chunks->at + end; c++)
    follow(floats(w->to, c->weight), const_floats(w->from, c->weight), w->factor, c->count);
}

void weights_average(const Manifest *m, const Chunks *all, unsigned char *average, const unsigned char *weights,
                     double decay) {
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    if (t->i64) memcpy(average + t->offset, weights + t->offset, (size_t)t->shape.count * 8);
  }
  chunks_run(all, average_chunks, &(Work){.chunks = all, .to = average, .from = weights, .factor = (float)(1 - decay)});
}
