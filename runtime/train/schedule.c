/* The schedules of schedule.h, in the closed forms of torch/optim/lr_scheduler.py; a warm-up is SequentialLR of
 * LinearLR and the schedule, which then counts from its own beginning. Does no input or output. */
#include <math.h>
#include "runtime/train/schedule.h"

static double linear_factor(double start, double end, int64_t time, int64_t length) {
  return time >= length ? end : start + (end - start) * (double)time / (double)length;
}

/* ---- OneCycleLR ---- */

typedef struct Piece { /* of the cycle: from one value to another, both for the rate and the momentum */
  double end;          /* the step at which it ends */
  double lr[2], momentum[2];
} Piece;

static int make_pieces(const Args_one_cycle *s, double max_lr, int64_t total, Piece piece[3]) {
  double first = max_lr / s->div_factor, last = first / s->final_div_factor, steps = (double)total;
  double low = s->base_momentum, high = s->max_momentum, turn = s->pct_start * steps - 1;
  piece[0] = (Piece){turn, {first, max_lr}, {high, low}};
  if (!s->three_phase) {
    piece[1] = (Piece){steps - 1, {max_lr, last}, {low, high}};
    return 2;
  }
  piece[1] = (Piece){2 * s->pct_start * steps - 2, {max_lr, first}, {low, high}};
  piece[2] = (Piece){steps - 1, {first, last}, {high, high}};
  return 3;
}

static double anneal(const Args_one_cycle *s, const double range[2], double part) {
  if (s->anneal_strategy) return (range[1] - range[0]) * part + range[0];
  return range[1] + (range[0] - range[1]) / 2 * (cos(M_PI * part) + 1);
}

/* Which piece, and how far in it. */
static const Piece *find_piece(const Piece *piece, int count, int64_t time, double *part) {
  double begin = 0, at = (double)time;
  int i = 0;
  while (i + 1 < count && at > piece[i].end) begin = piece[i++].end;
  double length = piece[i].end - begin;
  *part = length > 0 ? (at - begin) / length : 1;
  if (*part > 1) *part = 1;
  return &piece[i];
}

static double rate_one_cycle(const Args_one_cycle *s, double max_lr, int64_t time, int64_t total) {
  Piece piece[3];
  double part;
  const Piece *at = find_piece(piece, make_pieces(s, max_lr, total, piece), time, &part);
  return anneal(s, at->lr, part);
}

double schedule_momentum(const ScheduleConfig *config, int64_t time, int64_t total) {
  const Args_one_cycle *s = &config->one_cycle;
  Piece piece[3];
  double part;
  if (config->kind != SCHEDULE_one_cycle || !s->cycle_momentum) return NAN;
  const Piece *at = find_piece(piece, make_pieces(s, s->max_lr, total, piece), time, &part);
  return anneal(s, at->momentum, part);
}

/* ---- the others: rate_NAME of the group's rate `base`, after `time` of `total` epochs or steps ---- */

static double rate_step(const Args_step *s, double base, int64_t time, int64_t total) {
  return base * pow(s->gamma, (double)(time / s->step_size));
}

static double rate_multistep(const Args_multistep *s, double base, int64_t time, int64_t total) {
  int64_t passed = 0;
  while (passed < s->milestones.count && s->milestones.at[passed] <= time) passed++;
  return base * pow(s->gamma, (double)passed);
}

static double rate_exponential(const Args_exponential *s, double base, int64_t time, int64_t total) {
  return base * pow(s->gamma, (double)time);
}

static double rate_linear(const Args_linear *s, double base, int64_t time, int64_t total) {
  return base * linear_factor(s->start_factor, s->end_factor, time, s->total_iters);
}

static double rate_cosine(const Args_cosine *s, double base, int64_t time, int64_t total) {
  int64_t length = s->T_max ? s->T_max : total > 0 ? total : 1;
  return s->eta_min + (base - s->eta_min) * (1 + cos(M_PI * (double)time / (double)length)) / 2;
}

static double rate_polynomial(const Args_polynomial *s, double base, int64_t time, int64_t total) {
  int64_t left = time < s->total_iters ? s->total_iters - time : 0;
  return base * pow((double)left / (double)s->total_iters, s->power);
}

double schedule_lr(const ScheduleConfig *s, double base, int64_t time, int64_t total) {
  int64_t warmup = train_count(schedule_rows, s, "warmup", 0);
  if (time < warmup) return base * linear_factor(train_number(schedule_rows, s, "start_factor", 1), 1, time, warmup);
  time -= warmup, total -= warmup;
  switch ((ScheduleKind)s->kind) {
#define SCHEDULE(name, ...)                                                                                            \
  case SCHEDULE_##name: return rate_##name(&s->name, base, time, total);
#include "grammar/train.def"
  case SCHEDULE_none:
  case SCHEDULE_KINDS: break;
  }
  return base;
}
