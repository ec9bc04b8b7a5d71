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

static int make_pieces(const ScheduleSettings *s, double max_lr, int64_t total, Piece piece[3]) {
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

static double anneal(const ScheduleSettings *s, const double range[2], double part) {
  if (s->linear) return (range[1] - range[0]) * part + range[0];
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

double schedule_momentum(const ScheduleSettings *s, int64_t time, int64_t total) {
  Piece piece[3];
  double part;
  if (s->type != SCHEDULE_TYPE_ONE_CYCLE || !s->cycle_momentum) return NAN;
  const Piece *at = find_piece(piece, make_pieces(s, s->max_lr, total, piece), time, &part);
  return anneal(s, at->momentum, part);
}

static double one_cycle(const ScheduleSettings *s, double max_lr, int64_t time, int64_t total) {
  Piece piece[3];
  double part;
  const Piece *at = find_piece(piece, make_pieces(s, max_lr, total, piece), time, &part);
  return anneal(s, at->lr, part);
}

/* ---- the others ---- */

static double cosine(const ScheduleSettings *s, double base, int64_t time, int64_t total) {
  int64_t length = s->t_max ? s->t_max : total > 0 ? total : 1;
  return s->eta_min + (base - s->eta_min) * (1 + cos(M_PI * (double)time / (double)length)) / 2;
}

double schedule_lr(const ScheduleSettings *s, double base, int64_t time, int64_t total) {
  if (s->type == SCHEDULE_TYPE_NONE) return base;
  if (s->type == SCHEDULE_TYPE_ONE_CYCLE) return one_cycle(s, base, time, total);
  if (s->type == SCHEDULE_TYPE_LINEAR)
    return base * linear_factor(s->start_factor, s->end_factor, time, s->total_iters);
  if (time < s->warmup) return base * linear_factor(s->start_factor, 1, time, s->warmup);
  time -= s->warmup, total -= s->warmup;
  size_t passed = 0;
  switch (s->type) {
  case SCHEDULE_TYPE_STEP: return base * pow(s->gamma, (double)(time / s->step_size));
  case SCHEDULE_TYPE_MULTISTEP:
    while (passed < s->milestone_count && s->milestones[passed] <= time) passed++;
    return base * pow(s->gamma, (double)passed);
  case SCHEDULE_TYPE_EXPONENTIAL: return base * pow(s->gamma, (double)time);
  case SCHEDULE_TYPE_COSINE: return cosine(s, base, time, total);
  default: return base;
  }
}
