/* Which learning rates are no mistake: for the compiler, of what a script says, and for the program, of --lr. Adam,
 * AdamW and RMSprop divide by the size of the gradient: their rate is the size of a step. */
#ifndef SURGERY_TRAIN_USUAL_RATE_H
#define SURGERY_TRAIN_USUAL_RATE_H
#include <stddef.h>
#include <string.h>

typedef struct UsualRate {
  const char *optimizer;
  double least, most; /* beyond them a training learns nothing, or diverges nearly always */
  const char *usual;
} UsualRate;

/* NULL for a name that is none. */
static inline const UsualRate *usual_rate(const char *optimizer) {
  static const UsualRate rates[] = {{"SGD", 1e-9, 10, "0.001 to 0.1"},
                                    {"Adam", 1e-9, 0.5, "0.0001 to 0.01"},
                                    {"AdamW", 1e-9, 0.5, "0.0001 to 0.01"},
                                    {"RMSprop", 1e-9, 0.5, "0.0001 to 0.01"}};
  for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
    if (strcmp(rates[i].optimizer, optimizer) == 0) return &rates[i];
  return NULL;
}

/* "with a rate of %g nothing is learnt", a format for the rate; NULL where there is no doubt. */
static inline const char *rate_doubt(const UsualRate *r, double rate) {
  return rate == 0         ? "with a rate of %g nothing is learnt"
         : rate < r->least ? "with a rate of %g the weights hardly change"
         : rate > r->most  ? "with a rate of %g a training nearly always diverges"
                           : NULL;
}
#endif
