/* The sums of gradients.h, tensor by tensor; what lies between tensors is not looked at. Does no input or output. */
#include <math.h>
#include <string.h>
#include "runtime/train/gradients.h"

static float *floats(unsigned char *base, int64_t bytes) {
  return (float *)(void *)(base + bytes);
}
static const float *const_floats(const unsigned char *base, int64_t bytes) {
  return (const float *)(const void *)(base + bytes);
}

void gradients_add(const Manifest *m, unsigned char *sum, const unsigned char *grads, double scale, bool first) {
  float factor = (float)scale;
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    if (!t->trainable) continue;
    float *to = floats(sum, t->grad);
    const float *from = const_floats(grads, t->grad);
    for (int64_t k = 0; k < t->shape.count; k++) to[k] = (first ? 0 : to[k]) + factor * from[k];
  }
}

double gradients_clip(const Manifest *m, unsigned char *grads, double max_norm) {
  double squares = 0;
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    if (!t->trainable) continue;
    const float *g = const_floats(grads, t->grad);
    for (int64_t k = 0; k < t->shape.count; k++) squares += (double)g[k] * g[k];
  }
  double norm = sqrt(squares);
  float factor = (float)(max_norm / (norm + 1e-6));
  for (size_t i = 0; i < m->tensor_count && factor < 1; i++) {
    const ManifestTensor *t = &m->tensors[i];
    if (!t->trainable) continue;
    float *g = floats(grads, t->grad);
    for (int64_t k = 0; k < t->shape.count; k++) g[k] *= factor;
  }
  return norm;
}

void weights_average(const Manifest *m, unsigned char *average, const unsigned char *weights, double decay) {
  float share = (float)(1 - decay);
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *t = &m->tensors[i];
    if (t->i64) {
      memcpy(average + t->offset, weights + t->offset, (size_t)t->shape.count * 8);
      continue;
    }
    float *to = floats(average, t->offset);
    const float *from = const_floats(weights, t->offset);
    for (int64_t k = 0; k < t->shape.count; k++) to[k] += share * (from[k] - to[k]);
  }
}
