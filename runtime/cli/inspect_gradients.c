/* The size of the gradients that the program's own train step computes, over a data set, without an update. What is
 * frozen has none: no code for it was compiled. The step runs as in training (batch statistics, dropout), so the
 * weights are put back as they were: it moves the running statistics. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/inspect.h"
#include "runtime/base/error.h"
#include "runtime/train/batch_source.h"
#include "runtime/train/gradients.h"

#define SHUFFLE_SEED 0 /* the same batches each time */

/* The tensor is that of the name, or lies in the layer or block of the name. */
static bool within(const char *tensor, const char *name) {
  size_t length = strlen(name);
  return strncmp(tensor, name, length) == 0 && (tensor[length] == 0 || tensor[length] == '.');
}

static int add_name(Gradients *g, const char *name, size_t length, bool tensor, bool block) {
  GradientNorm *to = &g->at[g->count];
  *to = (GradientNorm){.name = strndup(name, length), .tensor = tensor, .block = block};
  g->count++;
  return to->name ? 0 : -1;
}

static int list_names(Gradients *g, const Manifest *m) {
  const int64_t *grad = m->phases[0].grad;
  g->at = calloc(2 * m->tensor_count + m->block_count + 1, sizeof *g->at);
  if (!g->at) return -1;
  for (size_t i = 0; i < m->tensor_count; i++)
    if (grad[i] >= 0 && add_name(g, m->tensors[i].name, strlen(m->tensors[i].name), true, false)) return -1;
  size_t tensors = g->count;
  for (size_t i = 0; i < tensors; i++) {
    const char *name = g->at[i].name, *dot = strrchr(name, '.');
    size_t length = dot ? (size_t)(dot - name) : 0;
    if (!length) continue; /* a parameter of the network itself */
    const GradientNorm *last = &g->at[g->count - 1];
    bool known = g->count > tensors && strlen(last->name) == length && strncmp(last->name, name, length) == 0;
    if (!known && add_name(g, name, length, false, false)) return -1;
  }
  g->blocks = g->count;
  for (size_t i = 0; i < m->block_count; i++)
    if (add_name(g, m->blocks[i].name, strlen(m->blocks[i].name), false, true)) return -1;
  for (size_t i = 0; i < g->count; i++)
    for (size_t k = 0; k < m->tensor_count; k++)
      if (grad[k] >= 0 && within(m->tensors[k].name, g->at[i].name)) g->at[i].count += m->tensors[k].shape.count;
  return 0;
}

/* Norms of the weights before the first step; or one batch's of the gradients, added up. */
static void add_norms(Gradients *g, const surgery_net *net, double *squares, bool gradients) {
  const Manifest *m = net->manifest;
  const int64_t *grad = net_first_phase(net)->grad;
  for (size_t k = 0; k < m->tensor_count; k++) {
    const ManifestTensor *t = &m->tensors[k];
    const void *at = gradients ? net->grads + grad[k] : net->weights + t->offset;
    squares[k] = grad[k] >= 0 ? sum_of_squares(at, t->shape.count) : 0;
  }
  for (size_t i = 0; i < g->count; i++) {
    double sum = 0;
    for (size_t k = 0; k < m->tensor_count; k++)
      if (grad[k] >= 0 && within(m->tensors[k].name, g->at[i].name)) sum += squares[k];
    *(gradients ? &g->at[i].norm : &g->at[i].weights) += sqrt(sum);
  }
}

void spread_samples(int64_t *order, int64_t count, int64_t all) {
  for (int64_t i = 0; i < count; i++) order[i] = (int64_t)((__int128)i * all / count);
}

typedef struct Pass {
  Gradients *g;
  surgery_net *net;
  BatchSource *feed;
  int64_t batch, limit;
  double *squares;
  void (*each)(void *context, int64_t done, int64_t total);
  void *context;
} Pass;

static int run_steps(Pass *p, const int64_t *order, surgery_error *err) {
  FeedBatch b;
  int status = 1;
  int64_t done = 0;
  float loss;
  if (batch_source_start(p->feed, 0, order, 0, p->batch, err)) return -1;
  /* Whole batches as far as the limit goes, or the set's own last one. */
  while ((done + p->batch <= p->limit || p->limit == batch_source_count(p->feed)) &&
         (status = batch_source_next(p->feed, &b, err)) > 0) {
    done += b.taken;
    if (b.n == 0 || net_lonely_batchnorm(p->net->manifest, net_first_phase(p->net), b.n))
      continue; /* a last batch of one has no statistics */
    NetRun run = {NET_STEP,       net_first_phase(p->net), .n = b.n,     .x = b.x,
                  .mask = b.mask, .target = b.step_target, .loss = &loss};
    if (net_gradients(p->net, &run, err)) return -1;
    add_norms(p->g, p->net, p->squares, true);
    p->g->loss += loss, p->g->batches++, p->g->samples += b.n;
    if (p->each) p->each(p->context, done < p->limit ? done : p->limit, p->limit);
  }
  if (status < 0) return -1;
  if (p->g->batches == 0)
    return sg_fail(err, SURGERY_BAD_INPUT, "no batch of the data set can be used for a training step");
  for (size_t i = 0; i < p->g->count; i++) p->g->at[i].norm /= (double)p->g->batches;
  p->g->loss /= (double)p->g->batches;
  return 0;
}

/* The chosen samples shuffled, in front of all others, which are not reached. */
static int64_t *choose_order(int64_t limit, int64_t all) {
  int64_t *order = malloc((size_t)(all + 1) * sizeof *order), *spread = malloc((size_t)(limit + 1) * sizeof *spread);
  int64_t *mixed = malloc((size_t)(limit + 1) * sizeof *mixed);
  if (order && spread && mixed) {
    spread_samples(spread, limit, all);
    random_permutation(SHUFFLE_SEED, 0, mixed, limit);
    int64_t next = 0, at = limit;
    for (int64_t i = 0; i < limit; i++) order[i] = spread[mixed[i]];
    for (int64_t i = 0; i < all; i++)
      if (next < limit && spread[next] == i) next++;
      else order[at++] = i;
  } else {
    free(order);
    order = NULL;
  }
  free(spread), free(mixed);
  return order;
}

int gradients_measure(Gradients *g, surgery_net *net, Dataset *set, int64_t batch, int64_t limit,
                      void (*each)(void *context, int64_t done, int64_t total), void *context, surgery_error *err) {
  const Manifest *m = net->manifest;
  *g = (Gradients){0};
  if (limit <= 0 || limit > set->count) limit = set->count;
  FeedOptions o = {.phase = net_first_phase(net), .cache = false, .training = true};
  Pass p = {
      .g = g, .net = net, .batch = batch < limit ? batch : limit, .limit = limit, .each = each, .context = context};
  unsigned char *kept = malloc((size_t)m->weights_bytes + 1);
  int64_t *order = choose_order(limit, set->count);
  p.squares = calloc(m->tensor_count + 1, sizeof *p.squares);
  int status = -1;
  if (!kept || !order || !p.squares || list_names(g, m)) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the gradients' norms");
  } else if ((p.feed = batch_source_open(net, set, &o, err))) {
    memcpy(kept, net->weights, (size_t)m->weights_bytes);
    add_norms(g, net, p.squares, false);
    status = run_steps(&p, order, err);
    memcpy(net->weights, kept, (size_t)m->weights_bytes);
  }
  batch_source_close(p.feed);
  free(kept), free(order), free(p.squares);
  return status;
}

void gradients_free(Gradients *g) {
  for (size_t i = 0; g->at && i < g->count; i++) free(g->at[i].name);
  free(g->at);
}
