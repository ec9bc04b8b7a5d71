/* The numbers that both sides of a golden make for themselves instead of storing them: a counter-based formula of the
 * tensor's name, equal bit for bit to formula.py. Used by numtool.c and by tests/ops. */
#ifndef SURGERY_TESTS_FORMULA_H
#define SURGERY_TESTS_FORMULA_H
#include <stdint.h>

/* FNV-1a of prefix and text, one behind the other. */
uint64_t formula_seed(const char *prefix, const char *text);
/* The i-th number of splitmix64 from that seed. */
uint64_t formula_mix(uint64_t seed, uint64_t i);
/* In [-1, 1): 24 random bits. */
float formula_uniform(uint64_t seed, uint64_t i);
/* A tensor of the state dict by its name (its last component tells what it is); dim0 is its first dimension, count its
 * elements. num_batches_tracked is not filled here: it is 0. */
void formula_fill(const char *name, int rank, int64_t dim0, int64_t count, float *to);
#endif
