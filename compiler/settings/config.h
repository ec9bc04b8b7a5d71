/* The train block after evaluation: what the compiled program gets as defaults. */
#ifndef SURGERY_SETTINGS_CONFIG_H
#define SURGERY_SETTINGS_CONFIG_H
#include "compiler/graph/graph.h"

typedef enum OptimizerKind { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_RMSPROP } OptimizerKind;
typedef struct OptimizerConfig { /* torch.optim's names and defaults */
  OptimizerKind kind;
  double lr, momentum, dampening, weight_decay, beta1, beta2, eps, alpha;
  bool nesterov, amsgrad, maximize, centered;
  Span span; /* where the script says it; empty: it does not */
} OptimizerConfig;

typedef enum LossKind { LOSS_CROSS_ENTROPY, LOSS_MSE, LOSS_L1, LOSS_BCE_WITH_LOGITS } LossKind;
enum { IGNORE_INDEX = -100 }; /* torch.nn.CrossEntropyLoss's default */
typedef struct LossConfig {
  LossKind kind;
  double label_smoothing;
  int64_t ignore_index; /* the class of positions that count for nothing: of CrossEntropy */
  VEC(double) weight;   /* class weights, or BCEWithLogits' pos_weight; empty: none */
  Span span, weight_span;
} LossConfig;

typedef struct GroupConfig { /* what differs from the optimizer's own arguments; NAN: does not */
  VEC(ParamId) params;
  double lr, weight_decay, momentum;
  Span span;
} GroupConfig;

typedef enum AugmentKind {
  AUGMENT_RANDOM_RESIZED_CROP,
  AUGMENT_HORIZONTAL_FLIP,
  AUGMENT_VERTICAL_FLIP,
  AUGMENT_RANDOM_CROP,
  AUGMENT_COLOR_JITTER,
  AUGMENT_ROTATION,
  AUGMENT_ERASING
} AugmentKind;
typedef struct AugmentConfig {
  AugmentKind kind;
  int64_t size[2], padding; /* of the crops */
  double scale[2], ratio[2], p, value;
  double degrees[2];
  Span span, size_span; /* the step, and its size */
  double jitter[4][2];  /* brightness, contrast, saturation, hue: from, to; equal and neutral: left out */
} AugmentConfig;

typedef enum ScheduleKind {
  SCHEDULE_NONE,
  SCHEDULE_STEP,
  SCHEDULE_MULTISTEP,
  SCHEDULE_EXPONENTIAL,
  SCHEDULE_COSINE,
  SCHEDULE_LINEAR,
  SCHEDULE_ONE_CYCLE
} ScheduleKind;
typedef struct ScheduleConfig { /* torch.optim.lr_scheduler's names and defaults */
  ScheduleKind kind;
  bool per_step; /* the scheduler moves on with each step of the optimizer, not with each epoch */
  int64_t step_size, total_iters;
  int64_t t_max;  /* cosine; 0: all that there are behind the warm-up */
  int64_t warmup; /* LinearLR before it, for so many */
  double gamma, eta_min, start_factor, end_factor;
  VEC(int64_t) milestones;
  double max_lr, pct_start, div_factor, final_div_factor, base_momentum, max_momentum; /* one_cycle */
  bool linear, three_phase, cycle_momentum;
  Span span;
} ScheduleConfig;

typedef struct FreezeConfig { /* a freeze or unfreeze in a phase */
  bool freeze;
  VEC(ParamId) params;
  VEC(ModuleId) modules; /* empty where the gradient alone is meant */
  Span span;
} FreezeConfig;

/* One stage of the training: a phase of the script, or all of it. */
typedef struct PhaseConfig {
  const char *name; /* NULL: there are no phases */
  OptimizerConfig optimizer;
  bool own_lr; /* the phase sets the rate itself: --lr leaves it alone */
  ScheduleConfig schedule;
  VEC(GroupConfig) groups;
  VEC(AugmentConfig) augment;
  int64_t batch, epochs;
  bool epochs_given;
  VEC(FreezeConfig) freezes; /* in their order */
  /* What is trained and what is frozen in it, by ParamId and ModuleId; settings_phases() fills them. NULL: as the
   * graph says. */
  bool *trainable, *frozen;
  Span span;
} PhaseConfig;

typedef struct SaveConfig { /* a save in the train block: after the training, by the program */
  const char *file;
  VEC(ParamId) params;
  Span span;
} SaveConfig;

struct TrainConfig {
  PhaseConfig all; /* what holds where a phase says nothing else */
  VEC(PhaseConfig) phases;
  LossConfig loss;
  int64_t seed, accumulate;
  double clip_norm, mixup, ema; /* 0: none */
  int64_t patience;             /* of early_stop; 0: none */
  double min_delta;
  bool watch_accuracy; /* early_stop: not the loss */
  VEC(SaveConfig) saves;
  Span span, mixup_span, epochs_span;
};
typedef struct TrainConfig TrainConfig;

/* The stages of a training: its phases, or the one that is all of it. */
static inline size_t train_phase_count(const TrainConfig *train) {
  return train && train->phases.count ? train->phases.count : 1;
}
static inline const PhaseConfig *train_phase(const TrainConfig *train, size_t index) {
  return train->phases.count ? &train->phases.at[index] : &train->all;
}
#endif
