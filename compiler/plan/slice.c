/* How many samples of a batch an evaluation should take through the network at a time. All of a large batch at once
 * means that a layer's activations have left the caches before the next layer reads them; few at a time means that the
 * weights are read, and by Winograd's method transformed, again and again. What both move is estimated for one sample,
 * and a size taken that is much the cheaper. Works on a planned schedule; changes only its `samples`. */
#include "compiler/plan/plan.h"
#include "compiler/ops/shape.h"

#define CACHE_BYTES (16 << 20) /* of the last level: about what a program can count on */
#define MOST_SAMPLES 8         /* beyond it the whole batch is taken at once, estimated as MANY_SAMPLES */
#define MANY_SAMPLES 16

/* Bytes that a sample moves between memory and caches when `samples` pass together. */
static double bytes_moved(const Program *s, int64_t samples) {
  double moved = 0;
  for (size_t c = 0; c < s->calls.count; c++) {
    const Call *call = &s->calls.at[c];
    int64_t activations = 0;
    for (int k = 0; k < call->buf_count; k++)
      if (call->buf[k] != NO_ID && s->buffers.at[call->buf[k]].per_sample)
        activations += s->buffers.at[call->buf[k]].bytes;
    if (activations * samples > CACHE_BYTES) moved += (double)activations;
    int64_t share =
        call->plan.weights_samples && call->plan.weights_samples < samples ? call->plan.weights_samples : samples;
    moved += call->plan.weights_bytes / (double)share;
  }
  return moved;
}

/* The pointers to the samples behind the first few must be 64-byte aligned too: those of what comes in, and goes out.
 */
static bool stays_aligned(const Plan *plan, const Program *s, int64_t samples) {
  const Graph *g = plan->graph;
  bool features_in = s == &plan->tail, features_out = s == &plan->prefix;
  if ((features_in || features_out) && plan->features_bytes * samples % 64) return false;
  if (!features_in && shape_count(&value_at(g, g->input_value)->shape) * samples * 4 % 64) return false;
  if (features_out) return true;
  for (size_t i = 0; i < g->outputs.count; i++)
    if (shape_count(&value_at(g, g->outputs.at[i].value)->shape) * samples * 4 % 64) return false;
  return true;
}

void plan_samples(const Plan *plan, Program *s) {
  if (value_at(plan->graph, plan->graph->input_value)->shape.rank != 3)
    return; /* matrix products are the better the larger */
  /* What is not estimated, fuller units and fewer calls, speaks for the whole batch: ResNet-50 is slower for a fifth
   * less. */
  double least = bytes_moved(s, MANY_SAMPLES) * 2 / 3;
  for (int64_t samples = MOST_SAMPLES; samples > 0; samples /= 2) {
    double moved = bytes_moved(s, samples);
    if (moved >= least || !stays_aligned(plan, s, samples)) continue;
    least = moved;
    s->samples = samples;
  }
  /* A training has to hold more than activations: of a frozen prefix it never needs those of more samples. */
  if (s == &plan->prefix && !s->samples && stays_aligned(plan, s, MOST_SAMPLES)) s->samples = MOST_SAMPLES;
}
