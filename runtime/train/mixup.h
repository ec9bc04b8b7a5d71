/* mixup (Zhang, Cisse, Dauphin, Lopez-Paz: "mixup: Beyond Empirical Risk Minimization", ICLR 2018): each sample of a
 * batch is mixed with another one of it, and their targets in the same proportion. Used by feed.c. */
#ifndef SURGERY_MIXUP_H
#define SURGERY_MIXUP_H
#include "runtime/base/random.h"

/* A number of Beta(alpha, alpha). */
double mixup_beta(Random *random, double alpha);
/* The proportion of one batch, and with whom each of its n samples is mixed; from the stream only. */
double mixup_draw(Random *random, double alpha, int64_t n, int64_t *other);
/* to[i] = share * from[i] + (1 - share) * from[other[i]], for n rows of `count` floats. */
void mixup_rows(const float *from, int64_t n, int64_t count, double share, const int64_t *other, float *to);
#endif
