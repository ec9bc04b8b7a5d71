/* The optimizers of optimizer.h. The arithmetic follows torch/optim/{sgd,adam,adamw}.py (1.13, single tensor
 * form) operation by operation, in one pass over each tensor; scalars are computed in double and rounded to
 * f32 where torch hands them to a kernel. Does no input or output. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/train/optimizer.h"
#include "runtime/train/schedule.h"

#define MAX_STATES 8

/* ---- what each keeps: the states of its row ---- */

typedef struct StateInfo {
  const char *name;
  bool needed;
  float first;
} StateInfo;

#define STATES(...) __VA_ARGS__
#define STATE(name, ...) float *name;
#define OPTIMIZER(name, args, checks, states, ...)                                                                     \
  typedef struct State_##name {                                                                                        \
    states                                                                                                             \
  } State_##name;                                                                                                      \
  _Static_assert(sizeof(State_##name) <= MAX_STATES * sizeof(float *), #name " has too many states");
#include "grammar/train.def"
#undef STATE

/* Fills list[MAX_STATES], ended by a name NULL. */
#define STATE(name, condition, first) {#name, (condition), (float)(first)},
#define OPTIMIZER(name, args, checks, states, ...)                                                                     \
  static void states_of_##name(const Args_##name *a, bool has_momentum, StateInfo *list) {                             \
    const StateInfo all[MAX_STATES + 1] = {states{NULL, false, 0}};                                                    \
    (void)a;                                                                                                           \
    memcpy(list, all, sizeof all);                                                                                     \
  }
#include "grammar/train.def"
#undef STATE
#undef STATES

struct Optimizer {
  const Manifest *manifest;
  const ManifestPhase *phase;
  const StageRecipe *stage;       /* whose settings these are */
  const ScheduleConfig *schedule; /* NULL: a constant rate */
  double lr;                      /* of the default group, before the schedule */
  int64_t steps, time, total;     /* time of total: for the schedule */
  Chunks chunks;
  StateInfo info[MAX_STATES + 1];
  unsigned char *state[MAX_STATES]; /* by `info`; NULL where it is not needed */
  int kept[MAX_STATES], kept_count; /* those that are */
  unsigned char *weights;           /* of the apply that is running */
  const unsigned char *grads;
};

static double group_value(double own, double common) { return isnan(own) ? common : own; }
static double common_value(const StageRecipe *s, const char *name) {
  return train_number(optimizer_rows, &s->optimizer, name, 0);
}

static bool has_momentum(const StageRecipe *s) {
  if (s->schedule.kind == SCHEDULE_one_cycle && s->schedule.one_cycle.cycle_momentum) return true;
  for (int64_t g = 0; g < s->groups.count; g++)
    if (group_value(s->groups.at[g].momentum, common_value(s, "momentum")) != 0) return true;
  return false;
}

static void find_states(const StageRecipe *s, StateInfo *list) {
  switch ((OptimizerKind)s->optimizer.kind) {
#define OPTIMIZER(name, ...)                                                                                           \
  case OPTIMIZER_##name: states_of_##name(&s->optimizer.name, has_momentum(s), list); break;
#include "grammar/train.def"
  case OPTIMIZER_KINDS: break;
  }
}

/* What a group can make wrong; all else was checked when the network was compiled. */
static int check_groups(const StageRecipe *s, surgery_error *err) {
  const OptimizerConfig *o = &s->optimizer;
  for (int64_t g = 0; g < s->groups.count; g++)
    if (o->kind == OPTIMIZER_SGD && o->SGD.nesterov && group_value(s->groups.at[g].momentum, o->SGD.momentum) <= 0)
      return sg_fail(err, SURGERY_BAD_INPUT, "optimizer: nesterov requires a momentum above 0 and no dampening");
  return 0;
}

static float *new_state(const Manifest *m, float first) {
  size_t count = (size_t)m->grads_bytes / sizeof(float);
  float *state = calloc(count + 1, sizeof *state);
  for (size_t i = 0; state && first != 0 && i < count; i++) state[i] = first;
  return state;
}

Optimizer *optimizer_new(const Manifest *m, const ManifestPhase *phase, surgery_error *err) {
  const StageRecipe *stage = phase->recipe;
  if (check_groups(stage, err)) return NULL;
  Optimizer *o = calloc(1, sizeof *o);
  if (!o) goto memory;
  o->manifest = m;
  o->phase = phase, o->stage = stage;
  o->lr = stage->optimizer.lr;
  if (chunks_init(&o->chunks, m, phase)) goto memory;
  find_states(stage, o->info);
  for (int i = 0; o->info[i].name; i++) {
    if (!o->info[i].needed) continue;
    if (!(o->state[i] = (unsigned char *)new_state(m, o->info[i].first))) goto memory;
    o->kept[o->kept_count++] = i;
  }
  return o;
memory:
  optimizer_free(o);
  sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the optimizer's state");
  return NULL;
}

void optimizer_free(Optimizer *o) {
  if (!o) return;
  for (int i = 0; i < MAX_STATES; i++) free(o->state[i]);
  chunks_free(&o->chunks), free(o);
}

/* ---- one step of each, on a run of parameters: update_NAME ---- */

typedef struct Update {
  int64_t count;
  float *w;
  const float *g;
  double lr, weight_decay, momentum, beta1; /* of the group, under the schedule; beta1 NaN: the optimizer's */
  int64_t step;                             /* from 1 */
} Update;

/* torch/optim/sgd.py: _single_tensor_sgd. In the first step the buffer becomes a copy of the gradient. */
static void update_SGD(const Update *u, const Args_SGD *a, const State_SGD *s) {
  float sign = a->maximize ? -1.0f : 1.0f, step_size = (float)u->lr, weight_decay = (float)u->weight_decay;
  float momentum = (float)u->momentum, one_less_dampening = (float)(1 - a->dampening);
  float *w = u->w, *buf = momentum != 0 ? s->momentum_buffer : NULL;
  for (int64_t i = 0; i < u->count; i++) {
    float d = sign * u->g[i];
    d += weight_decay * w[i];
    if (buf) {
      float b = u->step == 1 ? d : momentum * buf[i] + one_less_dampening * d;
      buf[i] = b;
      d = a->nesterov ? d + momentum * b : b;
    }
    w[i] -= step_size * d;
  }
}

/* torch/optim/adam.py and adamw.py. decoupled: AdamW's 1 - lr * weight_decay in place of Adam's weight_decay in the
 * gradient. maximum is NULL without amsgrad. */
static void adam(const Update *u, const double betas[2], double epsilon, bool maximize, bool decoupled,
                 float *restrict m, float *restrict v, float *restrict maximum) {
  double first = isnan(u->beta1) ? betas[0] : u->beta1, second = betas[1];
  double bias1 = 1 - pow(first, (double)u->step), bias2 = 1 - pow(second, (double)u->step);
  float sign = maximize ? -1.0f : 1.0f, step_size = (float)(u->lr / bias1), bias2_sqrt = (float)sqrt(bias2);
  float decay_factor = decoupled ? (float)(1 - u->lr * u->weight_decay) : 1;
  float weight_decay = decoupled ? 0 : (float)u->weight_decay, eps = (float)epsilon;
  float beta1 = (float)first, one_less_beta1 = (float)(1 - first), beta2 = (float)second,
        one_less_beta2 = (float)(1 - second);
  float *restrict w = u->w;
  const float *restrict g = u->g;
  for (int64_t i = 0; i < u->count; i++) {
    float p = w[i] * decay_factor;
    float d = sign * g[i] + weight_decay * p;
    m[i] = m[i] * beta1 + one_less_beta1 * d;
    v[i] = v[i] * beta2 + one_less_beta2 * d * d;
    float most = v[i];
    if (maximum) most = maximum[i] = maximum[i] > most ? maximum[i] : most;
    float denominator = sqrtf(most) / bias2_sqrt + eps;
    w[i] = p - step_size * m[i] / denominator;
  }
}

static void update_Adam(const Update *u, const Args_Adam *a, const State_Adam *s) {
  adam(u, a->betas, a->eps, a->maximize, false, s->exp_avg, s->exp_avg_sq, s->max_exp_avg_sq);
}

static void update_AdamW(const Update *u, const Args_AdamW *a, const State_AdamW *s) {
  adam(u, a->betas, a->eps, a->maximize, true, s->exp_avg, s->exp_avg_sq, s->max_exp_avg_sq);
}

/* torch/optim/rmsprop.py */
static void update_RMSprop(const Update *u, const Args_RMSprop *a, const State_RMSprop *s) {
  float sign = a->maximize ? -1.0f : 1.0f, step_size = (float)u->lr, weight_decay = (float)u->weight_decay;
  float momentum = (float)u->momentum, alpha = (float)a->alpha, one_less_alpha = (float)(1 - a->alpha),
        eps = (float)a->eps;
  float *restrict w = u->w, *restrict square = s->square_avg, *restrict buf = s->momentum_buffer,
                  *restrict mean = s->grad_avg;
  const float *restrict g = u->g;
  for (int64_t i = 0; i < u->count; i++) {
    float d = sign * g[i] + weight_decay * w[i];
    square[i] = square[i] * alpha + one_less_alpha * d * d;
    float average = square[i];
    if (mean) {
      mean[i] = mean[i] * alpha + one_less_alpha * d;
      average -= mean[i] * mean[i];
    }
    float denominator = sqrtf(average) + eps;
    if (momentum > 0) {
      buf[i] = buf[i] * momentum + d / denominator;
      w[i] -= step_size * buf[i];
    } else {
      w[i] -= step_size * (d / denominator);
    }
  }
}

/* torch/optim/adagrad.py: _single_tensor_adagrad */
static void update_Adagrad(const Update *u, const Args_Adagrad *a, const State_Adagrad *s) {
  float sign = a->maximize ? -1.0f : 1.0f, weight_decay = (float)u->weight_decay, eps = (float)a->eps;
  float step_size = (float)(u->lr / (1 + (double)(u->step - 1) * a->lr_decay));
  float *restrict w = u->w, *restrict sum = s->sum;
  const float *restrict g = u->g;
  for (int64_t i = 0; i < u->count; i++) {
    float d = sign * g[i] + weight_decay * w[i];
    sum[i] += d * d;
    w[i] -= step_size * (d / (sqrtf(sum[i]) + eps));
  }
}

/* ---- all of them ---- */

static double rate_of(const Optimizer *o, const Args_Group *group) {
  double base = group_value(group->lr, o->lr);
  return o->schedule ? schedule_lr(o->schedule, base, o->time, o->total) : base;
}

static Update update_of(const Optimizer *o, const Args_Group *group) {
  double cycled = o->schedule ? schedule_momentum(o->schedule, o->time, o->total) : NAN;
  return (Update){.lr = rate_of(o, group),
                  .weight_decay = group_value(group->weight_decay, common_value(o->stage, "weight_decay")),
                  .momentum = group_value(cycled, group_value(group->momentum, common_value(o->stage, "momentum"))),
                  .beta1 = cycled,
                  .step = o->steps};
}

static void apply_chunks(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  Optimizer *o = buf[0];
  const OptimizerConfig *config = &o->stage->optimizer;
  Update u = {0};
  for (int64_t c = begin, group = -1; c < end; c++) {
    const Chunk *chunk = &o->chunks.at[c];
    float *state[MAX_STATES] = {NULL};
    if (chunk->group != group) u = update_of(o, &o->stage->groups.at[group = chunk->group]);
    u.count = chunk->count;
    u.w = (float *)(void *)(o->weights + chunk->weight);
    u.g = (const float *)(const void *)(o->grads + chunk->grad);
    for (int i = 0; i < MAX_STATES; i++)
      if (o->state[i]) state[i] = (float *)(void *)(o->state[i] + chunk->grad);
    switch ((OptimizerKind)config->kind) {
#define OPTIMIZER(name, ...)                                                                                           \
  case OPTIMIZER_##name: update_##name(&u, &config->name, (const State_##name *)(const void *)state); break;
#include "grammar/train.def"
    case OPTIMIZER_KINDS: break;
    }
  }
}

void optimizer_apply(Optimizer *o, unsigned char *weights, const unsigned char *grads) {
  o->steps++;
  o->weights = weights, o->grads = grads;
  chunks_run(&o->chunks, apply_chunks, o);
}

void optimizer_step(Optimizer *o, surgery_net *net) {
  net_take_off_trained(net, o->phase);
  optimizer_apply(o, net->weights, net->grads);
  net->packed_stale = net->packed_stale || o->phase->repack;
}

const ManifestPhase *optimizer_phase(const Optimizer *o) { return o->phase; }
double optimizer_lr(const Optimizer *o) { return rate_of(o, &o->stage->groups.at[0]); }
void optimizer_set_schedule(Optimizer *o, int64_t total) {
  const ScheduleConfig *s = &o->stage->schedule;
  o->schedule = s->kind ? s : NULL;
  o->total = total, o->time = 0;
  if (s->kind == SCHEDULE_one_cycle) o->lr = s->one_cycle.max_lr;
}
void optimizer_set_time(Optimizer *o, int64_t time) { o->time = time; }
void optimizer_set_lr(Optimizer *o, double lr) { o->lr = lr; }
const Chunks *optimizer_chunks(const Optimizer *o) { return &o->chunks; }
int64_t *optimizer_steps(Optimizer *o) { return &o->steps; }
int optimizer_state_count(const Optimizer *o) { return o->kept_count; }
unsigned char *optimizer_state(const Optimizer *o, int index) { return o->state[o->kept[index]]; }
const char *optimizer_state_name(const Optimizer *o, int index) { return o->info[o->kept[index]].name; }
