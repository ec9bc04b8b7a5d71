/* Statistics of every value over the samples: moments, extremes, zeros, dead channels, and how much a layer or a block
 * changes what flows through it. Values are shared out over the threads; each is summed in the order of the samples, so
 * that no number depends on how many threads there are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/abi.h"
#include "runtime/cli/inspect.h"
#include "runtime/base/error.h"

#define LANES 16

static const ManifestShape *shape_of(const Manifest *m, int value) {
  return value < 0 ? &m->input.shape : &m->values[value].shape;
}

const float *value_plain(const surgery_net *net, int value, int64_t n, int64_t sample, const float *x, float *to) {
  const Manifest *m = net->manifest;
  const ManifestShape *shape = shape_of(m, value);
  if (value < 0 || m->values[value].offset < 0) return x + sample * shape->count;
  const float *base = (const float *)(const void *)(net->arena + m->values[value].offset * n);
  if (!m->values[value].blocked) return base + sample * shape->count;
  int64_t channels = shape->dim[0], hw = shape->count / channels, blocks = (channels + LANES - 1) / LANES;
  base += sample * blocks * hw * LANES;
  for (int64_t c = 0; c < channels; c++)
    for (int64_t p = 0; p < hw; p++) to[c * hw + p] = base[(c / LANES * hw + p) * LANES + c % LANES];
  return to;
}

/* Images and vectors have their channels first, sequences (T, D) last. */
static int64_t channels_of(const ManifestShape *shape) {
  return shape->rank == 0 ? 1 : shape->rank == 2 ? shape->dim[1] : shape->dim[0];
}

static int depth_of(const int *depth, int value) { return value < 0 ? 0 : depth[value]; }

/* Of the two inputs of a sum the one with fewer layers above it is the identity. */
static void find_identities(Stats *s, int *depth) {
  const Manifest *m = s->net->manifest;
  for (size_t i = 0; i < m->value_count; i++) {
    const ManifestValue *v = &m->values[i];
    s->value[i].identity = -1;
    depth[i] = 1;
    for (size_t k = 0; k < v->input_count; k++)
      if (depth_of(depth, v->inputs[k]) >= depth[i]) depth[i] = depth_of(depth, v->inputs[k]) + 1;
    if (strcmp(v->type, "add") != 0 || v->input_count != 2) continue;
    int a = depth_of(depth, v->inputs[0]), b = depth_of(depth, v->inputs[1]);
    if (a != b) s->value[i].identity = a < b ? 0 : 1;
  }
}

int stats_init(Stats *s, const surgery_net *net, surgery_error *err) {
  const Manifest *m = net->manifest;
  *s = (Stats){.net = net, .scratch_floats = m->input.shape.count};
  s->value = calloc(m->value_count + 1, sizeof *s->value);
  s->block = calloc(m->block_count + 1, sizeof *s->block);
  int *depth = calloc(m->value_count + 1, sizeof *depth);
  bool memory = s->value && s->block && depth;
  for (size_t i = 0; memory && i < m->value_count; i++) {
    ValueStats *v = &s->value[i];
    *v = (ValueStats){.least = INFINITY, .most = -INFINITY, .channels = channels_of(&m->values[i].shape)};
    memory = (v->alive = calloc((size_t)v->channels + 1, 1)) != NULL;
    if (m->values[i].shape.count > s->scratch_floats) s->scratch_floats = m->values[i].shape.count;
  }
  s->threads = sg_threads();
  if (memory) memory = (s->scratch = calloc((size_t)(3 * s->scratch_floats * s->threads), sizeof(float))) != NULL;
  if (memory) find_identities(s, depth);
  free(depth);
  return memory ? 0 : sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the statistics");
}

void stats_free(Stats *s) {
  for (size_t i = 0; s->value && i < s->net->manifest->value_count; i++) free(s->value[i].alive);
  free(s->value), free(s->block), free(s->scratch);
}

typedef struct Dots {
  double aa, bb, ab, difference;
} Dots;

static Dots dots(const float *a, const float *b, int64_t count) {
  Dots d = {0};
  for (int64_t i = 0; i < count; i++) {
    double u = a[i], v = b[i];
    d.aa += u * u, d.bb += v * v, d.ab += u * v, d.difference += (v - u) * (v - u);
  }
  return d;
}

static double cosine_of(const Dots *d) { return d->ab / sqrt(d->aa * d->bb); }

static void add_numbers(ValueStats *v, const ManifestShape *shape, const float *at) {
  bool last = shape->rank == 2; /* channels last */
  int64_t run = shape->count / v->channels;
  for (int64_t i = 0; i < shape->count; i++) {
    double number = at[i];
    if (!isfinite(number)) {
      v->not_finite++;
      continue;
    }
    v->count++, v->sum += number, v->squares += number * number;
    v->least = number < v->least ? number : v->least, v->most = number > v->most ? number : v->most;
    if (number == 0) v->zeros++;
    else v->alive[last ? i % v->channels : i / run] = 1;
  }
}

/* One sample of a value: itself, and against what it was made of. */
static void add_value(Stats *s, size_t index, int64_t n, int64_t sample, const float *x, float *scratch) {
  const Manifest *m = s->net->manifest;
  const ManifestValue *v = &m->values[index];
  ValueStats *to = &s->value[index];
  const float *at = value_plain(s->net, (int)index, n, sample, x, scratch);
  add_numbers(to, &v->shape, at);
  if (v->input_count == 1 && shape_of(m, v->inputs[0])->count == v->shape.count) {
    Dots d = dots(value_plain(s->net, v->inputs[0], n, sample, x, scratch + s->scratch_floats), at, v->shape.count);
    if (d.aa > 0 && d.bb > 0) to->cosine += cosine_of(&d), to->cosines++;
  }
  if (to->identity < 0) return;
  const float *identity = value_plain(s->net, v->inputs[to->identity], n, sample, x, scratch + s->scratch_floats);
  const float *branch = value_plain(s->net, v->inputs[1 - to->identity], n, sample, x, scratch + 2 * s->scratch_floats);
  Dots d = dots(identity, branch, v->shape.count);
  if (d.aa > 0) to->branch += sqrt(d.bb / d.aa), to->branches++;
  Dots through = dots(identity, at, v->shape.count);
  if (through.aa > 0 && through.bb > 0) to->cosine += cosine_of(&through), to->cosines++;
}

static void add_block(Stats *s, size_t index, int64_t n, int64_t sample, const float *x, float *scratch) {
  const Manifest *m = s->net->manifest;
  const ManifestBlock *b = &m->blocks[index];
  BlockStats *to = &s->block[index];
  const float *in = value_plain(s->net, b->in, n, sample, x, scratch);
  Dots d =
      dots(in, value_plain(s->net, b->out, n, sample, x, scratch + s->scratch_floats), m->values[b->out].shape.count);
  if (!(d.aa > 0)) return;
  to->samples++;
  to->change += sqrt(d.difference / d.aa);
  if (d.bb > 0) to->cosine += cosine_of(&d);
}

typedef struct Pass {
  Stats *stats;
  int64_t n;
  const float *x;
} Pass;

/* Values, then blocks. */
static void add_work(void *const *buf, int64_t ignored, int64_t begin, int64_t end, void *scratch) {
  const Pass *p = buf[0];
  size_t values = p->stats->net->manifest->value_count;
  for (size_t i = (size_t)begin; i < (size_t)end; i++)
    for (int64_t sample = 0; sample < p->n; sample++)
      if (i < values) add_value(p->stats, i, p->n, sample, p->x, scratch);
      else add_block(p->stats, i - values, p->n, sample, p->x, scratch);
}

void stats_add(Stats *s, int64_t n, const float *x) {
  const Manifest *m = s->net->manifest;
  void *const buf[] = {&(Pass){s, n, x}};
  sg_parallel(add_work, buf, 1, (int64_t)(m->value_count + m->block_count), s->threads, s->scratch,
              3 * s->scratch_floats * (int64_t)sizeof(float));
  s->samples += n;
}

double stats_mean(const ValueStats *v) { return v->count > 0 ? v->sum / v->count : NAN; }

double stats_deviation(const ValueStats *v) {
  double mean = stats_mean(v);
  return v->count > 0 ? sqrt(fmax(0, v->squares / v->count - mean * mean)) : NAN;
}

int64_t stats_dead(const ValueStats *v) {
  int64_t dead = 0;
  for (int64_t i = 0; i < v->channels; i++) dead += !v->alive[i];
  return dead;
}
