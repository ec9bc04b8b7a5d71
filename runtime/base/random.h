/* Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A number depends on (seed, stream, position) only, never on what was drawn before
 * elsewhere: so a shuffle, an augmentation, an initial value is the same on any number of threads and after a
 * resume. Used by the training loop, the loader, the augmentations and, for fresh weights, by the compiler
 * too. */
#ifndef SURGERY_RANDOM_H
#define SURGERY_RANDOM_H
#include <stdint.h>
#include <stddef.h>

typedef struct Random {
  uint64_t seed, stream, counter;
  uint32_t block[4];
  int left; /* words of block not yet handed out */
} Random;

Random random_stream(uint64_t seed, uint64_t stream);
uint64_t random_u64(Random *random);
double random_uniform(Random *random);                 /* [0, 1), 53 bits */
uint64_t random_below(Random *random, uint64_t bound); /* [0, bound), unbiased; bound >= 1 */
/* A stream's number from a text (a tensor's dotted name) or from two numbers (epoch, index). */
uint64_t random_key_text(const char *text);
uint64_t random_key(uint64_t a, uint64_t b);
/* Fisher-Yates over 0 … count-1. */
void random_permutation(uint64_t seed, uint64_t stream, int64_t *order, int64_t count);
/* Initial values of the tensor `name`: uniform in [-bound, bound). */
void random_fill_uniform(uint64_t seed, const char *name, double bound, float *to, int64_t count);
/* Normal around 0, by Box and Muller: two uniform numbers give two normal ones. */
void random_fill_normal(uint64_t seed, const char *name, double deviation, float *to, int64_t count);
#endif
