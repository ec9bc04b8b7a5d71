/* schedule and early_stop of the train block: torch.optim.lr_scheduler's arguments and their defaults, with what a
 * training knows anyway left out (the number of epochs and steps). Called by settings_train.c. */
#include "compiler/settings/binder.h"

/* What all but one_cycle take behind their own arguments. */
#define WARMUP                                                                                                         \
  {"warmup", false}, {"start_factor", false}, { "interval", false }

static bool read_interval(Eval *e, const char *name, const Arg *arg, ScheduleConfig *out) {
  static const char *const words[] = {"epoch", "step"};
  size_t word = 0;
  if (!word_arg(e, name, "interval", arg, words, 2, &word)) return false;
  out->per_step = word == 1;
  return true;
}

static bool read_warmup(Eval *e, const char *name, const Arg *const arg[3], ScheduleConfig *out) {
  if (!int_arg(e, name, "warmup", arg[0], 0, 1000000000, &out->warmup) ||
      !float_arg(e, name, "start_factor", arg[1], 0, 1, &out->start_factor) || !read_interval(e, name, arg[2], out))
    return false;
  if (out->start_factor > 0 && (out->warmup > 0 || !arg[1])) return true;
  Diag *d = front_error(e->s, DIAG_E0515, arg[1]->value->span,
                        out->start_factor > 0 ? "%s: start_factor says where a warm-up begins, but there is none"
                                              : "%s: start_factor must be above 0",
                        name);
  if (out->start_factor > 0)
    diag_help(&e->s->diags, d, "give its length: %s(warmup=3, start_factor=%g)", name, out->start_factor);
  return false;
}

static bool read_milestones(Eval *e, const Arg *arg, ScheduleConfig *out) {
  Session *s = e->s;
  Const c;
  if (!eval_expr(e, arg->value, &c)) return false;
  if (c.kind != CONST_LIST || c.list.count == 0) {
    front_error(s, DIAG_E0112, arg->value->span, "multistep: milestones must be a list of epochs, as [10, 20], not %s",
                const_text(s->arena, &c));
    return false;
  }
  for (size_t i = 0; i < c.list.count; i++) {
    int64_t at;
    if (!want_int(s, &c.list.at[i], arg->value->span, "multistep", "milestones", 1, 1000000000, &at)) return false;
    if (i && at <= out->milestones.at[i - 1]) {
      Diag *d = front_error(s, DIAG_E0515, arg->value->span, "multistep: milestone %lld stands behind %lld",
                            (long long)at, (long long)out->milestones.at[i - 1]);
      diag_help(&s->diags, d, "milestones go upwards: multistep([10, 20])");
      return false;
    }
    vec_push(s->arena, &out->milestones, at);
  }
  return true;
}

static bool read_step(Eval *e, const Arg *args, Span span, ScheduleConfig *out) {
  static const Formal formals[] = {{"step_size", true}, {"gamma", false}, WARMUP};
  const Arg *bound[LENGTH(formals)];
  out->gamma = 0.1;
  return bind_arguments(e->s, "step", formals, LENGTH(formals), args, span, bound) &&
         int_arg(e, "step", "step_size", bound[0], 1, 1000000000, &out->step_size) &&
         float_arg(e, "step", "gamma", bound[1], 0, LARGE, &out->gamma) && read_warmup(e, "step", bound + 2, out);
}

static bool read_multistep(Eval *e, const Arg *args, Span span, ScheduleConfig *out) {
  static const Formal formals[] = {{"milestones", true}, {"gamma", false}, WARMUP};
  const Arg *bound[LENGTH(formals)];
  out->gamma = 0.1;
  return bind_arguments(e->s, "multistep", formals, LENGTH(formals), args, span, bound) &&
         read_milestones(e, bound[0], out) && float_arg(e, "multistep", "gamma", bound[1], 0, LARGE, &out->gamma) &&
         read_warmup(e, "multistep", bound + 2, out);
}

static bool read_exponential(Eval *e, const Arg *args, Span span, ScheduleConfig *out) {
  static const Formal formals[] = {{"gamma", true}, WARMUP};
  const Arg *bound[LENGTH(formals)];
  return bind_arguments(e->s, "exponential", formals, LENGTH(formals), args, span, bound) &&
         float_arg(e, "exponential", "gamma", bound[0], 0, LARGE, &out->gamma) &&
         read_warmup(e, "exponential", bound + 1, out);
}

static bool read_cosine(Eval *e, const Arg *args, Span span, ScheduleConfig *out) {
  static const Formal formals[] = {{"T_max", false}, {"eta_min", false}, WARMUP};
  const Arg *bound[LENGTH(formals)];
  return bind_arguments(e->s, "cosine", formals, LENGTH(formals), args, span, bound) &&
         int_arg(e, "cosine", "T_max", bound[0], 1, 1000000000, &out->t_max) &&
         float_arg(e, "cosine", "eta_min", bound[1], 0, LARGE, &out->eta_min) &&
         read_warmup(e, "cosine", bound + 2, out);
}

static bool read_linear(Eval *e, const Arg *args, Span span, ScheduleConfig *out) {
  static const Formal formals[] = {
      {"start_factor", false}, {"end_factor", false}, {"total_iters", false}, {"interval", false}};
  const Arg *bound[LENGTH(formals)];
  if (!bind_arguments(e->s, "linear", formals, LENGTH(formals), args, span, bound) ||
      !float_arg(e, "linear", "start_factor", bound[0], 0, 1, &out->start_factor) ||
      !float_arg(e, "linear", "end_factor", bound[1], 0, 1, &out->end_factor) ||
      !int_arg(e, "linear", "total_iters", bound[2], 1, 1000000000, &out->total_iters) ||
      !read_interval(e, "linear", bound[3], out))
    return false;
  if (out->start_factor > 0) return true;
  front_error(e->s, DIAG_E0515, bound[0]->value->span, "linear: start_factor must be above 0");
  return false;
}

static bool read_one_cycle(Eval *e, const Arg *args, Span span, ScheduleConfig *out) {
  static const Formal formals[] = {{"max_lr", true},          {"pct_start", false},        {"anneal_strategy", false},
                                   {"cycle_momentum", false}, {"base_momentum", false},    {"max_momentum", false},
                                   {"div_factor", false},     {"final_div_factor", false}, {"three_phase", false}};
  static const char *const words[] = {"cos", "linear"}, *const name = "one_cycle";
  const Arg *bound[LENGTH(formals)];
  size_t word = 0;
  out->pct_start = 0.3, out->cycle_momentum = true, out->base_momentum = 0.85, out->max_momentum = 0.95;
  out->div_factor = 25, out->final_div_factor = 1e4, out->per_step = true;
  if (!bind_arguments(e->s, name, formals, LENGTH(formals), args, span, bound) ||
      !float_arg(e, name, "max_lr", bound[0], 0, LARGE, &out->max_lr) ||
      !float_arg(e, name, "pct_start", bound[1], 0, 1, &out->pct_start) ||
      !word_arg(e, name, "anneal_strategy", bound[2], words, 2, &word) ||
      !bool_arg(e, name, "cycle_momentum", bound[3], &out->cycle_momentum) ||
      !float_arg(e, name, "base_momentum", bound[4], 0, BELOW_ONE, &out->base_momentum) ||
      !float_arg(e, name, "max_momentum", bound[5], 0, BELOW_ONE, &out->max_momentum) ||
      !float_arg(e, name, "div_factor", bound[6], 1e-30, LARGE, &out->div_factor) ||
      !float_arg(e, name, "final_div_factor", bound[7], 1e-30, LARGE, &out->final_div_factor) ||
      !bool_arg(e, name, "three_phase", bound[8], &out->three_phase))
    return false;
  out->linear = word == 1;
  return true;
}

bool read_schedule(Block *b, const Stmt *stmt) {
  static const struct {
    const char *name;
    ScheduleKind kind;
    bool (*read)(Eval *e, const Arg *args, Span span, ScheduleConfig *out);
  } table[] = {{"step", SCHEDULE_STEP, read_step},       {"multistep", SCHEDULE_MULTISTEP, read_multistep},
               {"cosine", SCHEDULE_COSINE, read_cosine}, {"exponential", SCHEDULE_EXPONENTIAL, read_exponential},
               {"linear", SCHEDULE_LINEAR, read_linear}, {"one_cycle", SCHEDULE_ONE_CYCLE, read_one_cycle}};
  static const char *const later[] = {"cyclic", "plateau", "cosine_warm_restarts", "polynomial", "lambda"};
  static const TorchName torch[] = {{"StepLR", "step", NULL},
                                    {"MultiStepLR", "multistep", NULL},
                                    {"CosineAnnealingLR", "cosine", NULL},
                                    {"ExponentialLR", "exponential", NULL},
                                    {"LinearLR", "linear", NULL},
                                    {"OneCycleLR", "one_cycle", NULL},
                                    {"warmup", "linear", NULL},
                                    {"linear_warmup", "linear", NULL},
                                    {"CyclicLR", "cyclic", NULL},
                                    {"CosineAnnealingWarmRestarts", "cosine_warm_restarts", NULL},
                                    {"PolynomialLR", "polynomial", NULL},
                                    {"LambdaLR", "lambda", NULL}};
  Session *s = b->eval.s;
  const char *known[LENGTH(table)];
  const Expr *name;
  const Arg *args;
  for (size_t i = 0; i < LENGTH(table); i++) known[i] = table[i].name;
  const Expr *value = single_value(s, stmt);
  if (value && value->kind == EXPR_NONE) { /* a phase without the block's */
    ((TrainBlock *)b->data)->stage->schedule = (ScheduleConfig){.kind = SCHEDULE_NONE};
    return true;
  }
  if (!value || !read_choice(s, value, "a schedule", &name, &args)) return false;
  if (streq(name->text, "ReduceLROnPlateau") || streq(name->text, "plateau")) {
    Diag *d = front_error(s, DIAG_E0503, name->span, "schedule '%s' is not supported yet by this version", name->text);
    diag_help(
        &s->diags, d,
        "`early_stop patience=3` ends the training at a plateau; a schedule lowers the rate by the calendar: cosine");
    diag_fix(&s->diags, d, value->span, "cosine");
    return false;
  }
  if (!choice_known(s, "schedule", name, known, LENGTH(known), later, LENGTH(later), torch, LENGTH(torch)))
    return false;
  ScheduleConfig out = {.start_factor = 1.0 / 3, .end_factor = 1, .total_iters = 5, .span = stmt->span};
  for (size_t i = 0; i < LENGTH(table); i++) {
    if (!streq(table[i].name, name->text)) continue;
    out.kind = table[i].kind;
    if (!table[i].read(&b->eval, args, value->span, &out)) return false;
  }
  ((TrainBlock *)b->data)->stage->schedule = out;
  return true;
}

/* early_stop patience=5 min_delta=0.001 monitor="accuracy" */
bool read_early_stop(Block *b, const Stmt *stmt) {
  static const Formal formals[] = {{"patience", true}, {"min_delta", false}, {"monitor", false}};
  static const char *const words[] = {"loss", "accuracy"};
  TrainConfig *train = ((TrainBlock *)b->data)->train;
  const Arg *bound[3], *args = stmt->args;
  size_t word = 0;
  if (!bind_arguments(b->eval.s, "early_stop", formals, 3, args, stmt->span, bound) ||
      !int_arg(&b->eval, "early_stop", "patience", bound[0], 1, 1000000, &train->patience) ||
      !float_arg(&b->eval, "early_stop", "min_delta", bound[1], 0, LARGE, &train->min_delta) ||
      !word_arg(&b->eval, "early_stop", "monitor", bound[2], words, 2, &word))
    return false;
  train->watch_accuracy = word == 1;
  return true;
}
