/* The random numbers and the mixing of mixup.h. Does no input or output. */
#include <math.h>
#include "runtime/train/mixup.h"

static double normal(Random *random) { /* Box and Muller, the second one unused */
  double radius = sqrt(-2 * log(1 - random_uniform(random)));
  return radius * cos(2 * M_PI * random_uniform(random));
}

/* The logarithm of a number of Gamma(shape, 1): Marsaglia and Tsang, "A simple method for generating gamma variables"
 * (2000), with their step for shapes below 1, whose numbers may be too small for a double. */
static double log_gamma_number(Random *random, double shape) {
  double boost = 0;
  if (shape < 1) {
    boost = log(1 - random_uniform(random)) / shape;
    shape += 1;
  }
  double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    double x = normal(random), v = 1 + c * x;
    if (v <= 0) continue;
    v = v * v * v;
    if (log(1 - random_uniform(random)) < 0.5 * x * x + d - d * v + d * log(v)) return log(d * v) + boost;
  }
}

double mixup_beta(Random *random, double alpha) {
  double a = log_gamma_number(random, alpha), b = log_gamma_number(random, alpha);
  return 1 / (1 + exp(b - a));
}

double mixup_draw(Random *random, double alpha, int64_t n, int64_t *other) {
  double share = mixup_beta(random, alpha);
  for (int64_t i = 0; i < n; i++) other[i] = i;
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)random_below(random, (uint64_t)i + 1), t = other[i];
    other[i] = other[j], other[j] = t;
  }
  return share;
}

void mixup_rows(const float *from, int64_t n, int64_t count, double share, const int64_t *other, float *to) {
  float own = (float)share, rest = (float)(1 - share);
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < count; k++)
      to[i * count + k] = own * from[i * count + k] + rest * from[other[i] * count + k];
}
