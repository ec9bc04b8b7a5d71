/* The configuration of a training, as the compiler fills it, a compiled network carries it as constant data, and the
 * program reads it: the structs of the rows of grammar/train.def, and a description of their arguments. SG_ABI
 * (runtime/abi.h) guards their layout. Every field has eight bytes or a multiple, so that no struct has a gap. Holds no
 * logic of any row. Used by compiler/settings, compiler/codegen and the runtime. */
#ifndef SURGERY_RECIPE_H
#define SURGERY_RECIPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the arguments of each row: Args_SGD, Args_cosine … ---- */

typedef struct NumberList {
  const float *at;
  int64_t count;
} NumberList;
typedef struct StepList {
  const int64_t *at;
  int64_t count;
} StepList;

#define FIELD_NUMBER(name) double name;
#define FIELD_POSITIVE(name) double name;
#define FIELD_COUNT(name) int64_t name;
#define FIELD_SWITCH(name) int64_t name;
#define FIELD_WORD(name) int64_t name;
#define FIELD_PAIR(name) double name[2];
#define FIELD_RANGE(name) double name[2];
#define FIELD_SIZE(name) int64_t name[2];
#define FIELD_NUMBERS(name) NumberList name;
#define FIELD_STEPS(name) StepList name;
#define ARGS(...) __VA_ARGS__
#define ARG(name, type, ...) FIELD_##type(name)
#define ARGUMENTS(name, args, ...)                                                                                     \
  typedef struct Args_##name {                                                                                         \
    args                                                                                                               \
  } Args_##name;
#define OPTIMIZER(name, args, ...) ARGUMENTS(name, args)
#define LOSS(name, args, ...) ARGUMENTS(name, args)
#define SCHEDULE(name, args, ...) ARGUMENTS(name, args)
#define AUGMENT(name, args, ...) ARGUMENTS(name, args)
#include "grammar/train.def"
#undef ARGS
#undef ARG

/* ---- one row that is chosen, with its arguments ---- */

typedef enum OptimizerKind {
#define OPTIMIZER(name, ...) OPTIMIZER_##name,
#include "grammar/train.def"
  OPTIMIZER_KINDS
} OptimizerKind;
typedef enum LossKind {
#define LOSS(name, ...) LOSS_##name,
#include "grammar/train.def"
  LOSS_KINDS
} LossKind;
typedef enum ScheduleKind {
  SCHEDULE_none,
#define SCHEDULE(name, ...) SCHEDULE_##name,
#include "grammar/train.def"
  SCHEDULE_KINDS
} ScheduleKind;
typedef enum AugmentKind {
#define AUGMENT(name, ...) AUGMENT_##name,
#include "grammar/train.def"
  AUGMENT_KINDS
} AugmentKind;

/* kind: of the enumeration above. */
typedef struct OptimizerConfig {
  int64_t kind;
  union {
    double lr; /* the first argument of each */
#define OPTIMIZER(name, ...) Args_##name name;
#include "grammar/train.def"
  };
} OptimizerConfig;
typedef struct LossConfig {
  int64_t kind;
  union {
#define LOSS(name, ...) Args_##name name;
#include "grammar/train.def"
  };
} LossConfig;
typedef struct ScheduleConfig {
  int64_t kind;
  union {
#define SCHEDULE(name, ...) Args_##name name;
#include "grammar/train.def"
  };
} ScheduleConfig;
typedef struct AugmentConfig {
  int64_t kind;
  union {
#define AUGMENT(name, ...) Args_##name name;
#include "grammar/train.def"
  };
} AugmentConfig;

/* ---- all of a training ---- */

typedef struct GroupList {
  const Args_Group *at; /* the first: what no group of the script has; NaN: as the optimizer has it */
  int64_t count;
} GroupList;
typedef struct AugmentList {
  const AugmentConfig *at;
  int64_t count;
} AugmentList;

#define FIELD_OPTIMIZER(name) OptimizerConfig name;
#define FIELD_LOSS(name) LossConfig name;
#define FIELD_SCHEDULE(name) ScheduleConfig name;
#define FIELD_AUGMENTS(name) AugmentList name;
#define FIELD_EARLY_STOP(name) Args_EarlyStop name; /* patience 0: none */
#define SCOPE_PHASE(name, type)

typedef struct StageRecipe { /* a phase, or all of a training without phases */
#define SCOPE_STAGE(name, type) FIELD_##type(name)
#define SCOPE_TRAINING(name, type)
#define SETTING(name, scope, type, ...) SCOPE_##scope(name, type)
#include "grammar/train.def"
#undef SCOPE_STAGE
#undef SCOPE_TRAINING
  GroupList groups;
  const char *name; /* of the phase; NULL: there are no phases */
  int64_t own_lr;   /* the phase sets the rate itself: --lr leaves it alone */
} StageRecipe;

typedef struct SaveRecipe { /* after the training */
  const char *file;
  const int64_t *tensors; /* places in the manifest's list */
  int64_t count;
} SaveRecipe;

typedef struct TrainRecipe {
#define SCOPE_STAGE(name, type)
#define SCOPE_TRAINING(name, type) FIELD_##type(name)
#define SETTING(name, scope, type, ...) SCOPE_##scope(name, type)
#include "grammar/train.def"
#undef SCOPE_STAGE
#undef SCOPE_TRAINING
#undef SCOPE_PHASE
  const StageRecipe *stages; /* at least one */
  int64_t stage_count;
  const SaveRecipe *saves;
  int64_t save_count;
} TrainRecipe;

/* ---- the rows as data ---- */

typedef enum TrainType { /* of an argument, or of a setting */
                         TYPE_NUMBER,
                         TYPE_POSITIVE,
                         TYPE_COUNT,
                         TYPE_SWITCH,
                         TYPE_WORD,
                         TYPE_PAIR,
                         TYPE_RANGE,
                         TYPE_SIZE,
                         TYPE_NUMBERS,
                         TYPE_STEPS,
                         TYPE_OPTIMIZER,
                         TYPE_LOSS,
                         TYPE_SCHEDULE,
                         TYPE_AUGMENTS,
                         TYPE_EARLY_STOP
} TrainType;

typedef struct TrainArg {
  const char *name;
  TrainType type;
  const char *fallback; /* as the table writes it; NULL: it must be given */
  double least, most;
  size_t offset; /* in its struct */
} TrainArg;

typedef struct TrainRow {
  const char *name, *torch, *doc;
  const TrainArg *(*args)(void); /* ended by a name NULL */
} TrainRow;

typedef struct TrainRows {
  const TrainRow *at; /* by kind */
  int count;
} TrainRows;
typedef enum TrainFamily { FAMILY_OPTIMIZER, FAMILY_LOSS, FAMILY_SCHEDULE, FAMILY_AUGMENT } TrainFamily;
extern const TrainRows optimizer_rows, loss_rows, schedule_rows, augment_rows;
extern const TrainRow early_stop_row, group_row;

typedef enum TrainScope { SCOPE_TRAINING, SCOPE_STAGE, SCOPE_PHASE } TrainScope;
typedef enum SettingKind {
#define SETTING(name, ...) SETTING_##name,
#include "grammar/train.def"
  SETTING_KINDS
} SettingKind;
typedef struct TrainSetting {
  TrainArg arg; /* offset: in TrainRecipe or StageRecipe */
  TrainScope scope;
  const char *doc;
} TrainSetting;
extern const TrainSetting train_settings[SETTING_KINDS];

/* Where the arguments of what is chosen begin in OptimizerConfig and the other three. */
#define TRAIN_ARGS sizeof(int64_t)
/* The kind of that name, or -1. */
int train_find(TrainRows rows, const char *name);
/* The argument of that name of what is chosen, `config` a struct of `rows`; NULL: it has none. */
const void *train_value(TrainRows rows, const void *config, const char *name);
double train_number(TrainRows rows, const void *config, const char *name, double absent);
int64_t train_count(TrainRows rows, const void *config, const char *name, int64_t absent);
/* What a number x means for a RANGE. */
void train_range(const TrainArg *arg, double x, double to[2]);
/* The default of an argument or a setting into its struct, zeroed; of all of a row. */
void train_default(const TrainArg *arg, void *to);
void train_defaults(const TrainArg *args, void *to);
/* A WORD's word: train_word("epoch|step", 1, …) is "step". */
const char *train_word(const TrainArg *arg, int64_t value, char to[32]);

const char *optimizer_name(const OptimizerConfig *optimizer);
const char *loss_name(const LossConfig *loss);
typedef enum LossTarget { LOSS_CLASSES, LOSS_LABELS, LOSS_VALUES } LossTarget; /* as train.def's head says */
LossTarget loss_target(const LossConfig *loss);
const char *schedule_name(const ScheduleConfig *schedule);
const char *augment_name(const AugmentConfig *augment);
typedef enum AugmentPlace { PLACE_PIXELS, PLACE_CROP, PLACE_INPUT } AugmentPlace; /* as train.def's head says */
AugmentPlace augment_place(const AugmentConfig *augment);
bool schedule_counts_steps(const ScheduleConfig *schedule); /* not epochs */
int64_t loss_ignored(const LossConfig *loss);           /* the class of targets that count for nothing; -100: none */
const NumberList *loss_weights(const LossConfig *loss); /* one a class or output; NULL or empty: none */

/* Of a network without a train block: SGD(lr=0.01), CrossEntropy, batch 16. */
extern const TrainRecipe recipe_unsaid;

/* "with a rate of %g nothing is learnt", a format for the rate; NULL where there is no doubt. */
const char *rate_doubt(const OptimizerConfig *optimizer, double rate);
const char *usual_rates(const OptimizerConfig *optimizer);
#endif
