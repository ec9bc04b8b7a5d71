/* Which blocks could go. The evidence is what becomes of the network's output without a block, where that was tried:
 * the mean of how much it changes and how often another class wins. These blocks come first. Of the others it is how
 * little a block changes what flows through it, |out - in| / |in|: without it, `in` flows on instead of `out`. A
 * gradient that is small beside those of the other blocks makes it up to twice as dispensable, a large one up to twice
 * as needed: where the loss hardly depends on the weights, training will miss them less. */
#include <math.h>
#include <stdlib.h>
#include "runtime/cli/inspect.h"

/* What saves less than a thousandth of the parameters and a hundredth of the time is not worth a line. */
static bool saves(const Suggestion *s, const Manifest *m, const Times *t) {
  return (double)s->block->parameters >= 1e-3 * (double)m->parameters_total || s->seconds >= 1e-2 * t->forward;
}

static int by_score(const void *pa, const void *pb) {
  const Suggestion *a = pa, *b = pb;
  if (isnan(a->output) != isnan(b->output)) return isnan(a->output) ? 1 : -1;
  if (a->score != b->score) return a->score < b->score ? -1 : 1;
  int64_t x = a->block->parameters, y = b->block->parameters; /* the one that saves more */
  if (x != y) return x > y ? -1 : 1;
  return (a->block > b->block) - (a->block < b->block);
}

static double median_gradient(const Suggestion *list, int64_t count) {
  double *known = malloc((size_t)(count + 1) * sizeof *known);
  int64_t n = 0;
  for (int64_t i = 0; known && i < count; i++)
    if (isfinite(list[i].gradient)) known[n++] = list[i].gradient;
  double median = known ? cli_median(known, n) : 0;
  free(known);
  return median;
}

static double gradient_factor(double gradient, double median) {
  if (!isfinite(gradient) || !(median > 0)) return 1;
  return fmin(2, fmax(0.5, gradient / median));
}

int64_t find_blocks(const Stats *stats, const Times *times, const Gradients *gradients, Suggestion **suggestions) {
  const Manifest *m = stats->net->manifest;
  Suggestion *list = calloc(m->block_count + 1, sizeof *list);
  int64_t count = 0;
  if (!list) return -1;
  for (size_t i = 0; i < m->block_count; i++) {
    const BlockStats *b = &stats->block[i];
    Suggestion s = {.block = &m->blocks[i], .output = NAN, .agreement = NAN, .gradient = NAN};
    for (size_t k = 0; k < s.block->value_count; k++)
      if (s.block->values[k] >= 0) s.seconds += times->value[s.block->values[k]];
    if (!b->samples || !saves(&s, m, times)) continue;
    s.change = b->change / (double)b->samples, s.cosine = b->cosine / (double)b->samples;
    if (!isfinite(s.change)) continue;
    const GradientNorm *g = gradients ? &gradients->at[gradients->blocks + i] : NULL;
    if (g && g->count && g->weights > 0) s.gradient = g->norm / g->weights;
    list[count++] = s;
  }
  *suggestions = list;
  return count;
}

static double evidence(const Suggestion *s) {
  if (isnan(s->output)) return s->change;
  return isnan(s->agreement) ? s->output : (s->output + 1 - s->agreement) / 2;
}

void rank_blocks(Suggestion *list, int64_t count) {
  double median = median_gradient(list, count);
  for (int64_t i = 0; i < count; i++) list[i].score = evidence(&list[i]) * gradient_factor(list[i].gradient, median);
  qsort(list, (size_t)count, sizeof *list, by_score);
}
