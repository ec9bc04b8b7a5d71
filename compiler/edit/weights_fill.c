/* The values of one parameter: read from its donor's file, or fresh. Fresh numbers come from a stream of
 * their own for each name, so that they depend on seed and name alone. Called by the driver when it writes
 * the weights. */
#include "compiler/edit/weights.h"
#include "runtime/random.h"
#include <math.h>
#include <stdlib.h>

/* ---- fresh ---- */

static int64_t fan_of(const Shape *weight, FreshFan fan) {
  int64_t window = 1;
  for (int i = 2; i < weight->rank; i++) window *= weight->dim[i];
  int64_t in = weight->rank > 1 ? weight->dim[1] * window : 1,
          out = weight->rank > 0 ? weight->dim[0] * window : 1;
  return fan == FAN_IN ? in : fan == FAN_OUT ? out : (in + out) / 2;
}

/* torch.nn: Conv2d and Linear draw weight and bias from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), which is what
 * kaiming_uniform(a = sqrt(5)) comes to; batch normalisation begins as the identity. */
static FreshInit default_init(const Graph *g, const Param *p) {
  const Module *m = &g->modules.at[p->module];
  const char *role = op_info(m->op)->params[p->role].name;
  if (m->op == OP_Conv2d || m->op == OP_Linear) {
    const Shape *weight = &g->params.at[m->params.at[0]].shape;
    int64_t fan = fan_of(weight, FAN_IN);
    return (FreshInit){.kind = FRESH_UNIFORM, .value = fan > 0 ? 1 / sqrt((double)fan) : 0};
  }
  bool one = streq(role, "weight") || streq(role, "running_var");
  return (FreshInit){.kind = FRESH_CONSTANT, .value = one ? 1 : 0};
}

FreshInit param_fresh_init(const Graph *g, ParamId id) {
  const Param *p = &g->params.at[id];
  if (!p->has_init) return default_init(g, p);
  FreshInit init = p->init;
  if (init.fan != FAN_NONE) {
    double fan = init.fan == FAN_MEAN ? (fan_of(&p->shape, FAN_IN) + fan_of(&p->shape, FAN_OUT)) / 2.0
                                      : (double)fan_of(&p->shape, init.fan);
    init.value = fan > 0 ? init.value / sqrt(fan) : 0;
    init.fan = FAN_NONE;
  }
  return init;
}

static void fill_fresh(const Graph *g, ParamId id, uint64_t seed, void *to) {
  const Param *p = &g->params.at[id];
  FreshInit init = param_fresh_init(g, id);
  int64_t count = shape_count(&p->shape);
  float *f32 = to;
  if (p->shape.dtype == DTYPE_I64) {
    for (int64_t i = 0; i < count; i++) ((int64_t *)to)[i] = (int64_t)init.value;
    return;
  }
  if (init.kind == FRESH_UNIFORM) random_fill_uniform(seed, p->name, init.value, f32, count);
  if (init.kind == FRESH_NORMAL) random_fill_normal(seed, p->name, init.value, f32, count);
  for (int64_t i = 0; i < count; i++) {
    if (init.kind == FRESH_CONSTANT) f32[i] = (float)init.value;
    if (init.shift != 0) f32[i] += (float)init.shift;
  }
}

/* ---- from the donor ---- */

static bool fail(surgery_error *err, surgery_status status, const char *file, const char *name,
                 const char *why) {
  if (err) {
    err->status = status;
    snprintf(err->message, sizeof err->message, "%s: %s: %s", file, name, why);
  }
  return false;
}

/* timm's rule: one channel is the sum over all; n channels repeat the old ones, scaled so that the sum stays.
 * from: (out, old, window), to: (out, new, window). */
static void adapt_channels(const float *from, int64_t out, int64_t old, int64_t window, int64_t new,
                           float *to) {
  for (int64_t o = 0; o < out; o++)
    for (int64_t c = 0; c < new; c++)
      for (int64_t w = 0; w < window; w++) {
        double sum = from[(o * old + c % old) * window + w] * ((double)old / (double)new);
        if (new == 1) {
          sum = 0;
          for (int64_t k = 0; k < old; k++) sum += from[(o * old + k) * window + w];
        }
        to[(o * new + c) * window + w] = (float)sum;
      }
}

static bool read_adapted(const Param *p, const DonorFile *donor, const surgery_tensor *t, float *to,
                         surgery_error *err) {
  const Shape *s = &p->shape;
  bool fits = s->rank == 4 && t->rank == 4 && t->shape[0] == s->dim[0] && t->shape[1] == p->adapt_from &&
              t->shape[2] == s->dim[2] && t->shape[3] == s->dim[3];
  if (!fits)
    return fail(err, SURGERY_BAD_INPUT, donor->path, p->donor_key,
                "its shape is not the one that adapt expects");
  float *old = malloc((size_t)t->count * sizeof *old + 1);
  if (!old) return fail(err, SURGERY_ENVIRONMENT, donor->path, p->donor_key, "no memory");
  bool ok = surgery_weights_read(donor->open, t, old, t->count, err) == 0;
  if (ok) adapt_channels(old, s->dim[0], p->adapt_from, s->dim[2] * s->dim[3], s->dim[1], to);
  free(old);
  return ok;
}

/* (in, out) in the file, (out, in) in the network. */
static bool read_transposed(const Param *p, const DonorFile *donor, const surgery_tensor *t, float *to, surgery_error *err) {
  int64_t out = p->shape.dim[0], in = p->shape.dim[1];
  if (t->rank != 2 || t->shape[0] != in || t->shape[1] != out)
    return fail(err, SURGERY_BAD_INPUT, donor->path, p->donor_key, "the tensor's shape has changed");
  float *from = malloc((size_t)t->count * sizeof *from + 1);
  if (!from) return fail(err, SURGERY_ENVIRONMENT, donor->path, p->donor_key, "no memory");
  bool ok = surgery_weights_read(donor->open, t, from, t->count, err) == 0;
  for (int64_t o = 0; ok && o < out; o++)
    for (int64_t i = 0; i < in; i++) to[o * in + i] = from[i * out + o];
  free(from);
  return ok;
}

static bool read_donor(const Param *p, DonorFile *donor, void *to, surgery_error *err) {
  if (!donor->open) donor->open = surgery_weights_open(donor->path, err);
  if (!donor->open) return false;
  const surgery_tensor *t = surgery_weights_find(donor->open, p->donor_key);
  if (!t)
    return fail(err, SURGERY_BAD_INPUT, donor->path, p->donor_key, "the tensor is no longer in the file");
  if (p->adapt_from) return read_adapted(p, donor, t, to, err);
  if (p->donor_form == DONOR_TRANSPOSED) return read_transposed(p, donor, t, to, err);
  if (t->count != shape_count(&p->shape))
    return fail(err, SURGERY_BAD_INPUT, donor->path, p->donor_key, "the tensor's size has changed");
  if (p->shape.dtype == DTYPE_I64) return surgery_weights_read_i64(donor->open, t, to, t->count, err) == 0;
  return surgery_weights_read(donor->open, t, to, t->count, err) == 0;
}

bool weights_fill(Session *s, const Graph *g, const TrainConfig *train, ParamId id, void *to,
                  surgery_error *err) {
  const Param *p = &g->params.at[id];
  if (p->donor != NO_ID) return read_donor(p, &g->donors.at[p->donor], to, err);
  fill_fresh(g, id, train ? (uint64_t)train->seed : 0, to);
  return true;
}
