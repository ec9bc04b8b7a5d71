/* Memory and runs of a compiled case; see net.h. Compares nothing. */
#include "tests/ops/net.h"
#include "tests/numeric/formula.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 256
int guard_failures;

typedef struct Guard {
  int64_t bytes;
  unsigned char before[GUARD - sizeof(int64_t)];
} Guard;

void *guard_alloc(int64_t bytes) {
  void *memory;
  if (posix_memalign(&memory, 64, (size_t)bytes + 2 * GUARD)) die("no memory");
  memset(memory, 0xff, (size_t)bytes + 2 * GUARD); /* as floats, NaN */
  ((Guard *)memory)->bytes = bytes;
  return (char *)memory + GUARD;
}

void guard_free(const Net *net, const char *what, void *memory) {
  Guard *guard = (Guard *)((char *)memory - GUARD);
  int damaged = 0;
  for (size_t i = 0; i < sizeof guard->before; i++) damaged += guard->before[i] != 0xff;
  for (size_t i = 0; i < GUARD; i++) damaged += ((unsigned char *)memory)[guard->bytes + (int64_t)i] != 0xff;
  if (damaged) printf("%s: %d bytes beside %s were written over\n", net->c->name, damaged, what);
  guard_failures += damaged != 0;
  free(guard);
}

static float *tensor_at(const Net *net, void *base, const ManifestTensor *t) {
  return (float *)((char *)base + (base == net->grads ? grad_of(net, t) : t->offset));
}

const float *class_weights(const Net *net) {
  const NumberList *list = loss_weights(&net->m->train->loss);
  return list ? list->at : NULL;
}

Net net_open_case(const Case *c, const sg_network *code) {
  surgery_error err = {0};
  Net net = {.c = c, .code = code, .m = manifest_parse(code->manifest, code->train, &err), .rng = {7, 3}};
  if (!net.m) die("%s: %s", c->name, err.message);
  net.weights = guard_alloc(net.m->weights_bytes);
  net.packed = guard_alloc(net.m->packed_bytes);
  net.grads = guard_alloc(net.m->grads_bytes);
  memset(net.grads, 0, (size_t)net.m->grads_bytes); /* what the loss does not depend on stays 0 */
  for (size_t i = 0; i < net.m->tensor_count; i++) {
    const ManifestTensor *t = &net.m->tensors[i];
    float *to = tensor_at(&net, net.weights, t);
    char *name = must_print("%s/%s", c->name, t->name);
    if (t->i64) memset(to, 0, 8);
    else formula_fill(name, t->shape.rank, t->shape.rank ? t->shape.dim[0] : 1, t->shape.count, to);
    free(name);
  }
  net.fresh = must_alloc(net.m->weights_bytes);
  memcpy(net.fresh, net.weights, (size_t)net.m->weights_bytes);
  net.inputs = net.m->input.shape.count;
  net.outputs = net.m->outputs[0].shape.count;
  net.tokens = net.m->input.mask ? net.m->input.shape.dim[0] : 0;
  return net;
}

void net_restore(Net *net) { memcpy(net->weights, net->fresh, (size_t)net->m->weights_bytes); }

Batch net_batch(const Net *net, int64_t first, int64_t n) {
  const Case *c = net->c;
  Batch b = {
      .n = n, .x = guard_alloc(n * net->inputs * 4), .mask = net->tokens ? guard_alloc(n * net->tokens * 4) : NULL};
  uint64_t x = formula_seed(c->name, "/x"), y = formula_seed(c->name, "/y"), mask = formula_seed(c->name, "/mask");
  const ManifestShape *out = &net->m->outputs[0].shape;
  bool regression = net->m->train->loss.kind != LOSS_CrossEntropy;
  int64_t classes = out->rank ? out->dim[0] : 1, targets = regression ? net->outputs : net->outputs / classes;
  b.target = guard_alloc(n * targets * 4);
  for (int64_t s = 0; s < n; s++) {
    int64_t sample = (first + s) % c->n;
    for (int64_t i = 0; i < net->inputs; i++) {
      uint64_t at = (uint64_t)(sample * net->inputs + i);
      if (c->vocabulary)
        ((int32_t *)(void *)b.x)[s * net->inputs + i] = (int32_t)(formula_mix(x, at) % (uint64_t)c->vocabulary);
      else b.x[s * net->inputs + i] = formula_uniform(x, at);
    }
    for (int64_t i = 0; i < net->tokens; i++) /* a third of the mask is 0, but never its first number */
      b.mask[s * net->tokens + i] = i == 0 || formula_mix(mask, (uint64_t)(sample * net->tokens + i)) % 3 != 0;
    for (int64_t i = 0; i < targets; i++) {
      uint64_t at = (uint64_t)(sample * targets + i);
      if (regression) ((float *)b.target)[s * targets + i] = formula_uniform(y, at);
      else ((int32_t *)b.target)[s * targets + i] = (int32_t)(formula_mix(y, at) % (uint64_t)classes);
    }
  }
  return b;
}

static sg_function *function_of(const Net *net, NetFunction function) {
  sg_function *const table[] = {
      [NET_FORWARD] = net->code->forward, [NET_PREFIX] = net->code->prefix, [NET_TAIL] = net->code->tail,
      [NET_STEP] = net->code->step,       [NET_PACK] = net->code->pack,     [NET_INSPECT] = net->code->inspect};
  return table[function];
}

/* inspect leaves its values in the arena; the last of them is what these networks return. */
static void copy_last_value(const Net *net, const sg_run *run) {
  const ManifestValue *v = &net->m->values[net->m->value_count - 1];
  if (v->offset < 0) {
    memcpy(run->y[0], run->x, (size_t)(run->n * v->shape.count) * 4);
    return;
  }
  const float *from = (const float *)((const char *)run->arena + v->offset * run->n);
  int64_t channels = v->blocked ? v->shape.dim[0] : 1, hw = v->shape.count / channels, lanes = v->blocked ? 16 : 1;
  int64_t sample = (channels + lanes - 1) / lanes * lanes * hw;
  for (int64_t i = 0; i < run->n * v->shape.count; i++) {
    int64_t s = i / v->shape.count, c = i % v->shape.count / hw, p = i % hw;
    ((float *)run->y[0])[i] = from[s * sample + (c / lanes * hw + p) * lanes + c % lanes];
  }
}

static void call(Net *net, NetFunction function, sg_run *run) {
  const ManifestFunction *f = manifest_function(net->m, &net->m->phases[0], function);
  run->threads = sg_threads();
  run->arena = guard_alloc(f->per_sample * run->n + f->fixed + f->scratch * run->threads);
  run->weights = net->weights;
  run->packed = net->packed;
  run->grads = net->grads;
  run->rng = net->rng;
  run->class_weights = class_weights(net);
  function_of(net, function)(run);
  if (function == NET_INSPECT) copy_last_value(net, run);
  guard_free(net, "the arena", run->arena);
}

static void pack(Net *net) {
  if (!net->code->pack) return;
  memset(net->packed, 0xff, (size_t)net->m->packed_bytes);
  call(net, NET_PACK, &(sg_run){.n = 1});
}

float *net_eval(Net *net, NetFunction function, int64_t n, const float *x, const int32_t *mask) {
  pack(net);
  int64_t bytes = function == NET_PREFIX ? net->m->phases[0].features_bytes * n : net->outputs * 4 * n;
  float *y = guard_alloc(bytes);
  call(net, function, &(sg_run){.n = n, .x = x, .mask = mask, .y = {y}});
  return y;
}

float net_step(Net *net, const Batch *b, float **y) {
  pack(net);
  float *out = guard_alloc(net->outputs * 4 * b->n), loss = 0;
  const float *x = b->features ? b->features : b->x;
  call(net, NET_STEP, &(sg_run){.n = b->n, .x = x, .mask = b->mask, .y = {out}, .target = b->target, .loss = &loss});
  if (y) *y = out;
  else guard_free(net, "y", out);
  return loss;
}
