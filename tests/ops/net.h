/* A compiled network in memory of the test's own: exact sizes as its manifest says, filled with NaN before each run so
 * that nothing can be read before it is written, and with guards at both ends so that nothing is written beside it. */
#ifndef SURGERY_TESTS_OPS_NET_H
#define SURGERY_TESTS_OPS_NET_H
#include "runtime/abi.h"
#include "runtime/net/manifest.h"
#include "tests/ops/cases.h"

typedef struct Net {
  const Case *c;
  const sg_network *code;
  Manifest *m;
  float *weights, *packed, *grads;
  void *fresh;             /* the weights as they were filled */
  int64_t inputs, outputs; /* numbers for one sample: of x, of the first output */
  uint64_t rng[2];
  int64_t tokens; /* numbers of a sample's mask; 0: it has none */
} Net;

typedef struct Batch { /* x and the target of n samples; with a prefix, features is what it made of x */
  int64_t n;
  float *x, *features; /* of tokens: int32 in their place */
  void *target;
  int32_t *mask; /* NULL: the case has none */
} Batch;

/* Bytes in the gradients; -1: the tensor is not trained. */
static inline int64_t grad_of(const Net *net, const ManifestTensor *t) {
  return net->m->phases[0].grad[t - net->m->tensors];
}

/* Weights by the formula of the case's and the tensor's name. */
const float *class_weights(const Net *net); /* of its loss; NULL: none */
Net net_open_case(const Case *c, const sg_network *code);
/* The first n samples of the case, over and over where it has fewer; one sample from `first` on. */
Batch net_batch(const Net *net, int64_t first, int64_t n);
void net_restore(Net *net);
/* Into y (guarded memory that is given back by guard_free), from the weights of now. pack runs before it. */
float *net_eval(Net *net, NetFunction function, int64_t n, const float *x, const int32_t *mask);
/* Loss of one step; gradients are in net->grads, and the batch statistics in the weights have moved. Where y is not
 * NULL, *y is what the network returned, guarded. */
float net_step(Net *net, const Batch *b, float **y);

/* 64-byte aligned, filled with NaN. Freeing it checks the guards: what was written over is told, and counted. */
void *guard_alloc(int64_t bytes);
void guard_free(const Net *net, const char *what, void *memory);
extern int guard_failures;
#endif
