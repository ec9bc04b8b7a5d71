/* The rows of grammar/train.def as data, and the few questions that all ask of them. */
#include "runtime/base/recipe.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tables ---- */

#define REQUIRED NULL
#define NONE "none"
#define ARGS(...) __VA_ARGS__
#define ARG(name, type, fallback, least, most)                                                                         \
  {#name, TYPE_##type, fallback, (double)(least), (double)(most), offsetof(Row, name)},
/* A function, in which Row is the struct that the arguments are fields of. */
#define ARGUMENTS(name, ...)                                                                                           \
  static const TrainArg *args_of_##name(void) {                                                                        \
    typedef Args_##name Row __attribute__((unused));                                                                   \
    static const TrainArg list[] = {__VA_ARGS__{NULL, TYPE_NUMBER, NULL, 0, 0, 0}};                                    \
    return list;                                                                                                       \
  }
#define OPTIMIZER(name, args, ...) ARGUMENTS(name, args)
#define LOSS(name, args, ...) ARGUMENTS(name, args)
#define SCHEDULE(name, args, ...) ARGUMENTS(name, args)
#define AUGMENT(name, args, ...) ARGUMENTS(name, args)
#include "grammar/train.def"

#define COUNT_OF(array) (int)(sizeof(array) / sizeof *(array))
static const TrainRow optimizers[] = {
#define OPTIMIZER(name, args, checks, states, least, most, usual, doc) {#name, #name, doc, args_of_##name},
#include "grammar/train.def"
};
static const TrainRow losses[] = {
#define LOSS(name, args, checks, target, torch, doc) {#name, torch, doc, args_of_##name},
#include "grammar/train.def"
};
static const TrainArg *no_args(void) {
  static const TrainArg list[] = {{NULL, TYPE_NUMBER, NULL, 0, 0, 0}};
  return list;
}
static const TrainRow schedules[] = {
    {"none", "", "the rate stays", no_args},
#define SCHEDULE(name, args, torch, doc) {#name, torch, doc, args_of_##name},
#include "grammar/train.def"
};
static const TrainRow augments[] = {
#define AUGMENT(name, args, checks, place, torch, doc) {#name, torch, doc, args_of_##name},
#include "grammar/train.def"
};
const TrainRows optimizer_rows = {optimizers, COUNT_OF(optimizers)}, loss_rows = {losses, COUNT_OF(losses)},
                schedule_rows = {schedules, COUNT_OF(schedules)}, augment_rows = {augments, COUNT_OF(augments)};
const TrainRow early_stop_row = {"early_stop", "", "", args_of_EarlyStop}, group_row = {"group", "", "", args_of_Group};

#define OFFSET_TRAINING(name) offsetof(TrainRecipe, name)
#define OFFSET_STAGE(name) offsetof(StageRecipe, name)
#define OFFSET_PHASE(name) offsetof(StageRecipe, optimizer) + offsetof(OptimizerConfig, name)
const TrainSetting train_settings[SETTING_KINDS] = {
#define SETTING(name, scope, type, fallback, least, most, doc)                                                         \
  {{#name, TYPE_##type, fallback, (double)(least), (double)(most), OFFSET_##scope(name)}, SCOPE_##scope, doc},
#include "grammar/train.def"
};

/* ---- names and values ---- */

int train_find(TrainRows rows, const char *name) {
  for (int i = 0; i < rows.count; i++)
    if (strcmp(rows.at[i].name, name) == 0) return i;
  return -1;
}

#define OF_CHOICE(rows, config) &(rows).at[*(const int64_t *)(config)]

const void *train_value(TrainRows rows, const void *config, const char *name) {
  const TrainRow *row = OF_CHOICE(rows, config);
  for (const TrainArg *arg = row->args(); arg->name; arg++)
    if (strcmp(arg->name, name) == 0) return (const char *)config + TRAIN_ARGS + arg->offset;
  return NULL;
}

double train_number(TrainRows rows, const void *config, const char *name, double absent) {
  const double *value = train_value(rows, config, name);
  return value ? *value : absent;
}

int64_t train_count(TrainRows rows, const void *config, const char *name, int64_t absent) {
  const int64_t *value = train_value(rows, config, name);
  return value ? *value : absent;
}

const char *optimizer_name(const OptimizerConfig *o) { return optimizers[o->kind].name; }
const char *loss_name(const LossConfig *l) { return losses[l->kind].name; }
const char *schedule_name(const ScheduleConfig *s) { return schedules[s->kind].name; }
const char *augment_name(const AugmentConfig *a) { return augments[a->kind].name; }

AugmentPlace augment_place(const AugmentConfig *a) {
  static const AugmentPlace places[] = {
#define AUGMENT(name, args, checks, place, ...) PLACE_##place,
#include "grammar/train.def"
  };
  return places[a->kind];
}

bool schedule_counts_steps(const ScheduleConfig *s) { return train_count(schedule_rows, s, "interval", 1) == 1; }

LossTarget loss_target(const LossConfig *loss) {
  static const LossTarget targets[] = {
#define LOSS(name, args, checks, target, ...) LOSS_##target,
#include "grammar/train.def"
  };
  return targets[loss->kind];
}

int64_t loss_ignored(const LossConfig *loss) { return train_count(loss_rows, loss, "ignore_index", -100); }

const NumberList *loss_weights(const LossConfig *loss) {
  const NumberList *weight = train_value(loss_rows, loss, "weight");
  return weight ? weight : train_value(loss_rows, loss, "pos_weight");
}

/* ---- defaults ---- */

/* "0.5", "1/3"; *rest: what follows. */
static double number_of(const char *text, char **rest) {
  double value = strcmp(text, "none") ? strtod(text, rest) : NAN;
  return !isnan(value) && **rest == '/' ? value / strtod(*rest + 1, rest) : value;
}

void train_range(const TrainArg *arg, double x, double to[2]) {
  double middle = arg->least == 0 ? 1 : 0;
  to[0] = middle - x < arg->least ? arg->least : middle - x;
  to[1] = middle + x;
}

/* Of a setting that chooses: the row's name, or none. */
static void default_choice(TrainRows rows, const char *name, void *to) {
  int kind = train_find(rows, name);
  *(int64_t *)to = kind;
  train_defaults(rows.at[kind].args(), (char *)to + TRAIN_ARGS);
}

void train_default(const TrainArg *arg, void *to) {
  void *at = (char *)to + arg->offset;
  char *rest = NULL;
  double *number = at;
  int64_t *count = at;
  switch (arg->type) {
  case TYPE_NUMBER:
  case TYPE_POSITIVE: *number = number_of(arg->fallback, &rest); break;
  case TYPE_COUNT: *count = strtoll(arg->fallback, &rest, 10); break; /* none: 0 */
  case TYPE_SWITCH: *count = strcmp(arg->fallback, "true") == 0; break;
  case TYPE_PAIR:
    number[0] = number_of(arg->fallback + 1, &rest);
    number[1] = number_of(rest + 1, &rest);
    break;
  case TYPE_RANGE: train_range(arg, number_of(arg->fallback, &rest), number); break;
  case TYPE_OPTIMIZER: default_choice(optimizer_rows, arg->fallback, at); break;
  case TYPE_LOSS: default_choice(loss_rows, arg->fallback, at); break;
  case TYPE_SCHEDULE: default_choice(schedule_rows, arg->fallback, at); break;
  default: break; /* a word's first, an empty list: zeros */
  }
}

void train_defaults(const TrainArg *args, void *to) {
  for (const TrainArg *arg = args; arg->name; arg++)
    if (arg->fallback) train_default(arg, to);
}

const char *train_word(const TrainArg *arg, int64_t value, char to[32]) {
  const char *word = arg->fallback;
  for (; value > 0; value--) word = strchr(word, '|') + 1;
  snprintf(to, 32, "%.*s", (int)strcspn(word, "|"), word);
  return to;
}

static const Args_Group unsaid_group[] = {{NAN, NAN, NAN}};
static const StageRecipe unsaid_stage[] = {
    {.optimizer = {OPTIMIZER_SGD, {.SGD = {.lr = 0.01}}}, .batch = 16, .epochs = 10, .groups = {unsaid_group, 1}}};
const TrainRecipe recipe_unsaid = {.loss = {LOSS_CrossEntropy, {.CrossEntropy = {.ignore_index = -100}}},
                                   .accumulate = 1,
                                   .stages = unsaid_stage,
                                   .stage_count = 1};

/* ---- rates ---- */

static const struct {
  double least, most;
  const char *usual;
} rates[] = {
#define OPTIMIZER(name, args, checks, states, least, most, usual, doc) {least, most, usual},
#include "grammar/train.def"
};

const char *rate_doubt(const OptimizerConfig *o, double rate) {
  return rate == 0                     ? "with a rate of %g nothing is learnt"
         : rate < rates[o->kind].least ? "with a rate of %g the weights hardly change"
         : rate > rates[o->kind].most  ? "with a rate of %g a training nearly always diverges"
                                       : NULL;
}
const char *usual_rates(const OptimizerConfig *o) { return rates[o->kind].usual; }
