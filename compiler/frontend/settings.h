/* The train block after evaluation: what the compiled program gets as defaults. */
#ifndef SURGERY_SETTINGS_H
#define SURGERY_SETTINGS_H
#include "compiler/graph/graph.h"

typedef enum OptimizerKind { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW } OptimizerKind;
typedef struct OptimizerConfig { /* torch.optim's names and defaults */
  OptimizerKind kind;
  double lr, momentum, dampening, weight_decay, beta1, beta2, eps;
  bool nesterov, amsgrad, maximize;
} OptimizerConfig;

typedef enum LossKind { LOSS_CROSS_ENTROPY, LOSS_MSE } LossKind;
typedef struct LossConfig {
  LossKind kind;
  double label_smoothing;
  VEC(double) weight; /* class weights; empty: none */
} LossConfig;

typedef struct GroupConfig { /* what differs from the optimizer's own arguments; NAN: does not */
  VEC(ParamId) params;
  double lr, weight_decay, momentum;
  Span span;
} GroupConfig;

typedef enum AugmentKind { AUGMENT_RANDOM_RESIZED_CROP, AUGMENT_HORIZONTAL_FLIP } AugmentKind;
typedef struct AugmentConfig {
  AugmentKind kind;
  int64_t size[2];
  double scale[2], ratio[2], p;
} AugmentConfig;

struct TrainConfig {
  OptimizerConfig optimizer;
  LossConfig loss;
  VEC(GroupConfig) groups;
  VEC(AugmentConfig) augment;
  int64_t batch, epochs, seed;
  Span span;
};
typedef struct TrainConfig TrainConfig;
#endif
