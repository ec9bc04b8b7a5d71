/* The optimizers of optimizer.h. The arithmetic follows torch/optim/{sgd,adam,adamw}.py (1.13, single tensor
 * form) operation by operation, in one pass over each tensor; scalars are computed in double and rounded to
 * f32 where torch hands them to a kernel. Does no input or output. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/train/optimizer.h"
#include "runtime/train/schedule.h"

#define MAX_STATES 3

typedef struct Rates { /* of one group at one step, as f32 scalars */
  float step_size, weight_decay, decay_factor, momentum, one_less_dampening;
  float beta1, one_less_beta1, beta2, one_less_beta2, bias2_sqrt, eps, alpha, one_less_alpha;
} Rates;

struct Optimizer {
  const Manifest *manifest;
  const ManifestPhase *phase;       /* whose settings these are */
  const ScheduleSettings *schedule; /* NULL: a constant rate */
  double lr;                        /* of the default group, before the schedule */
  int64_t steps, time, total;       /* time of total: for the schedule */
  Chunks chunks;
  Rates *rates; /* [groups] */
  unsigned char *state[MAX_STATES];
  int state_count;
  unsigned char *weights; /* of the apply that is running */
  const unsigned char *grads;
};

static double group_value(double own, double common) { return isnan(own) ? common : own; }

static bool has_momentum(const ManifestPhase *p) {
  if (p->schedule.type == SCHEDULE_TYPE_ONE_CYCLE && p->schedule.cycle_momentum) return true;
  for (size_t g = 0; g < p->group_count; g++)
    if (group_value(p->groups[g].momentum, p->optimizer.momentum) != 0) return true;
  return false;
}

/* The names of the arrays that the phase needs; how many. */
static int state_names(const ManifestPhase *p, const char *names[MAX_STATES]) {
  const OptimizerSettings *o = &p->optimizer;
  if (o->type == OPTIMIZER_TYPE_SGD) {
    names[0] = "momentum_buffer";
    return has_momentum(p);
  }
  if (o->type == OPTIMIZER_TYPE_RMSPROP) {
    names[0] = "square_avg", names[1] = "momentum_buffer", names[2] = "grad_avg";
    return o->centered ? 3 : has_momentum(p) ? 2 : 1;
  }
  names[0] = "exp_avg", names[1] = "exp_avg_sq", names[2] = "max_exp_avg_sq";
  return o->amsgrad ? 3 : 2;
}

static int check_settings(const ManifestPhase *p, surgery_error *err) {
  const OptimizerSettings *o = &p->optimizer;
  for (size_t g = 0; g < p->group_count; g++) {
    double lr = group_value(p->groups[g].lr, o->lr), decay = group_value(p->groups[g].weight_decay, o->weight_decay);
    double momentum = group_value(p->groups[g].momentum, o->momentum);
    if (!(lr >= 0) || !(decay >= 0) || !(momentum >= 0) || isinf(lr) || isinf(decay) || isinf(momentum))
      return sg_fail(err, SURGERY_BAD_INPUT, "optimizer: lr, weight_decay and momentum must be 0 or more");
    if (o->type == OPTIMIZER_TYPE_SGD && o->nesterov && (momentum <= 0 || o->dampening != 0))
      return sg_fail(err, SURGERY_BAD_INPUT, "optimizer: nesterov requires a momentum above 0 and no dampening");
  }
  if (o->type == OPTIMIZER_TYPE_RMSPROP && !(o->alpha >= 0 && o->eps >= 0))
    return sg_fail(err, SURGERY_BAD_INPUT, "optimizer: alpha and eps must be 0 or more");
  if (o->type != OPTIMIZER_TYPE_SGD && !(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1 && o->eps >= 0))
    return sg_fail(err, SURGERY_BAD_INPUT, "optimizer: betas must be in [0, 1) and eps 0 or more");
  return 0;
}

Optimizer *optimizer_new(const Manifest *m, const ManifestPhase *phase, surgery_error *err) {
  if (check_settings(phase, err)) return NULL;
  Optimizer *o = calloc(1, sizeof *o);
  if (!o) goto memory;
  o->manifest = m;
  o->phase = phase;
  o->lr = phase->optimizer.lr;
  o->rates = calloc(phase->group_count, sizeof *o->rates);
  if (!o->rates || chunks_init(&o->chunks, m, phase)) goto memory;
  const char *names[MAX_STATES];
  o->state_count = state_names(phase, names);
  for (int i = 0; i < o->state_count; i++)
    if (!(o->state[i] = calloc(1, (size_t)m->grads_bytes + 1))) goto memory;
  return o;
memory:
  optimizer_free(o);
  sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the optimizer's state");
  return NULL;
}

void optimizer_free(Optimizer *o) {
  if (!o) return;
  for (int i = 0; i < MAX_STATES; i++) free(o->state[i]);
  chunks_free(&o->chunks), free(o->rates), free(o);
}

/* torch/optim/sgd.py: _single_tensor_sgd. buf is NULL without momentum; first: buf becomes a copy of the
 * gradient. */
static void sgd(int64_t count, float *w, const float *g, float *buf, const Rates *r, const OptimizerSettings *o,
                bool first) {
  float sign = o->maximize ? -1.0f : 1.0f;
  for (int64_t i = 0; i < count; i++) {
    float d = sign * g[i];
    d += r->weight_decay * w[i];
    if (buf) {
      float b = first ? d : r->momentum * buf[i] + r->one_less_dampening * d;
      buf[i] = b;
      d = o->nesterov ? d + r->momentum * b : b;
    }
    w[i] -= r->step_size * d;
  }
}

/* torch/optim/adam.py and adamw.py: decay_factor is AdamW's 1 - lr * weight_decay, and 1 for Adam, whose
 * weight_decay is added to the gradient. maximum is NULL without amsgrad. */
static void adam(int64_t count, float *restrict w, const float *restrict g, float *restrict m, float *restrict v,
                 float *restrict maximum, const Rates *r, float sign) {
  for (int64_t i = 0; i < count; i++) {
    float p = w[i] * r->decay_factor;
    float d = sign * g[i] + r->weight_decay * p;
    m[i] = m[i] * r->beta1 + r->one_less_beta1 * d;
    v[i] = v[i] * r->beta2 + r->one_less_beta2 * d * d;
    float second = v[i];
    if (maximum) second = maximum[i] = maximum[i] > second ? maximum[i] : second;
    float denominator = sqrtf(second) / r->bias2_sqrt + r->eps;
    w[i] = p - r->step_size * m[i] / denominator;
  }
}

/* torch/optim/rmsprop.py: buf is used where there is momentum; mean is NULL where it is not centered. */
static void rmsprop(int64_t count, float *restrict w, const float *restrict g, float *restrict square,
                    float *restrict buf, float *restrict mean, const Rates *r, float sign) {
  for (int64_t i = 0; i < count; i++) {
    float d = sign * g[i] + r->weight_decay * w[i];
    square[i] = square[i] * r->alpha + r->one_less_alpha * d * d;
    float average = square[i];
    if (mean) {
      mean[i] = mean[i] * r->alpha + r->one_less_alpha * d;
      average -= mean[i] * mean[i];
    }
    float denominator = sqrtf(average) + r->eps;
    if (r->momentum > 0) {
      buf[i] = buf[i] * r->momentum + d / denominator;
      w[i] -= r->step_size * buf[i];
    } else {
      w[i] -= r->step_size * (d / denominator);
    }
  }
}

static void apply_chunks(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  Optimizer *o = buf[0];
  const OptimizerSettings *s = &o->phase->optimizer;
  for (int64_t c = begin; c < end; c++) {
    const Chunk *chunk = &o->chunks.at[c];
    const Rates *r = &o->rates[chunk->group];
    float *w = (float *)(void *)(o->weights + chunk->weight), *state[MAX_STATES] = {NULL};
    const float *g = (const float *)(const void *)(o->grads + chunk->grad);
    for (int i = 0; i < o->state_count; i++) state[i] = (float *)(void *)(o->state[i] + chunk->grad);
    if (s->type == OPTIMIZER_TYPE_SGD) sgd(chunk->count, w, g, r->momentum != 0 ? state[0] : NULL, r, s, o->steps == 1);
    else if (s->type == OPTIMIZER_TYPE_RMSPROP)
      rmsprop(chunk->count, w, g, state[0], state[1], state[2], r, s->maximize ? -1.0f : 1.0f);
    else adam(chunk->count, w, g, state[0], state[1], state[2], r, s->maximize ? -1.0f : 1.0f);
  }
}

static double rate_of(const Optimizer *o, const OptimizerGroup *group) {
  double base = group_value(group->lr, o->lr);
  return o->schedule ? schedule_lr(o->schedule, base, o->time, o->total) : base;
}

static Rates rates_of(const Optimizer *o, const OptimizerGroup *group) {
  const OptimizerSettings *s = &o->phase->optimizer;
  double lr = rate_of(o, group), decay = group_value(group->weight_decay, s->weight_decay);
  double cycled = o->schedule ? schedule_momentum(o->schedule, o->time, o->total) : NAN;
  double beta1 = group_value(cycled, s->beta1);
  double bias1 = 1 - pow(beta1, (double)o->steps), bias2 = 1 - pow(s->beta2, (double)o->steps);
  Rates r = {.step_size = (float)lr,
             .weight_decay = (float)decay,
             .decay_factor = 1,
             .momentum = (float)group_value(cycled, group_value(group->momentum, s->momentum)),
             .one_less_dampening = (float)(1 - s->dampening),
             .beta1 = (float)beta1,
             .one_less_beta1 = (float)(1 - beta1),
             .beta2 = (float)s->beta2,
             .one_less_beta2 = (float)(1 - s->beta2),
             .bias2_sqrt = (float)sqrt(bias2),
             .eps = (float)s->eps,
             .alpha = (float)s->alpha,
             .one_less_alpha = (float)(1 - s->alpha)};
  if (s->type == OPTIMIZER_TYPE_SGD || s->type == OPTIMIZER_TYPE_RMSPROP) return r;
  r.step_size = (float)(lr / bias1);
  if (s->type == OPTIMIZER_TYPE_ADAMW) r.decay_factor = (float)(1 - lr * decay), r.weight_decay = 0;
  return r;
}

void optimizer_apply(Optimizer *o, unsigned char *weights, const unsigned char *grads) {
  o->steps++;
  o->weights = weights, o->grads = grads;
  for (size_t g = 0; g < o->phase->group_count; g++) o->rates[g] = rates_of(o, &o->phase->groups[g]);
  chunks_run(&o->chunks, apply_chunks, o);
}

void optimizer_step(Optimizer *o, surgery_net *net) {
  net_take_off_trained(net, o->phase);
  optimizer_apply(o, net->weights, net->grads);
  net->packed_stale = net->packed_stale || o->phase->repack;
}

const ManifestPhase *optimizer_phase(const Optimizer *o) { return o->phase; }
double optimizer_lr(const Optimizer *o) { return rate_of(o, &o->phase->groups[0]); }
void optimizer_set_schedule(Optimizer *o, int64_t total) {
  const ScheduleSettings *s = &o->phase->schedule;
  o->schedule = s->type == SCHEDULE_TYPE_NONE ? NULL : s;
  o->total = total, o->time = 0;
  if (s->type == SCHEDULE_TYPE_ONE_CYCLE) o->lr = s->max_lr;
}
void optimizer_set_time(Optimizer *o, int64_t time) { o->time = time; }
void optimizer_set_lr(Optimizer *o, double lr) { o->lr = lr; }
const Chunks *optimizer_chunks(const Optimizer *o) { return &o->chunks; }
int64_t *optimizer_steps(Optimizer *o) { return &o->steps; }
int optimizer_state_count(const Optimizer *o) { return o->state_count; }
unsigned char *optimizer_state(const Optimizer *o, int index) { return o->state[index]; }

const char *optimizer_state_name(const Optimizer *o, int index) {
  const char *names[MAX_STATES];
  state_names(o->phase, names);
  return names[index];
}

const char *optimizer_type_name(OptimizerType type) {
  static const char *const names[] = {"SGD", "Adam", "AdamW", "RMSprop"};
  return names[type];
}
