/* The train block after evaluation: the recipe that the compiled network carries, and what only the compiler knows of
 * it: where the script says it, which parameters it is about, what each phase trains. */
#ifndef SURGERY_SETTINGS_CONFIG_H
#define SURGERY_SETTINGS_CONFIG_H
#include "compiler/graph/graph.h"
#include "runtime/base/recipe.h"

typedef struct GroupConfig {
  Args_Group args;
  VEC(ParamId) params;
  Span span;
} GroupConfig;

typedef struct AugmentStep {
  AugmentConfig config;
  Span span, size_span; /* the step, and its size */
} AugmentStep;

typedef struct FreezeConfig { /* a freeze or unfreeze in a phase */
  bool freeze;
  VEC(ParamId) params;
  VEC(ModuleId) modules; /* empty where only the gradient is meant */
  Span span;
} FreezeConfig;

/* One stage of the training: a phase of the script, or all of it. */
typedef struct PhaseConfig {
  StageRecipe recipe; /* its lists are made of the two below when the network is compiled */
  VEC(GroupConfig) groups;
  VEC(AugmentStep) augment;
  Span said[SETTING_KINDS];  /* where the script says each setting; SPAN_NONE: it does not */
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
  TrainRecipe recipe; /* its lists are made of what follows */
  PhaseConfig all;    /* what holds where a phase says nothing else */
  VEC(PhaseConfig) phases;
  VEC(SaveConfig) saves;
  Span span, said[SETTING_KINDS], weight_span; /* weight_span: of the loss's weights */
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
