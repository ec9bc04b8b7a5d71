/* Losses: from the first output and the target to one value, the mean over the batch, and in training the output's
 * gradient. One function for each row of LOSS in grammar/train.def; each emits one call. Called by compiler/plan. */
#include "compiler/ops/lower.h"
#include "runtime/base/recipe.h"

void lower_loss_CrossEntropy(Lower *l, const LossCall *c) {
  CrossEntropyParams k = {.classes = c->classes,
                          .positions = c->count / c->classes,
                          .has_weights = c->weights != NO_ID,
                          .smoothing = c->own->CrossEntropy.label_smoothing,
                          .soft = c->soft,
                          .ignore = c->own->CrossEntropy.ignore_index};
  EMIT(l, cross_entropy, &k, NO_ID, "loss", .logits = c->x, .target = c->target, .weights = c->weights, .loss = c->loss,
       .dlogits = c->dx);
}

void lower_loss_MSE(Lower *l, const LossCall *c) {
  RegressionParams k = {.count = c->count};
  EMIT(l, mse, &k, NO_ID, "loss", .x = c->x, .target = c->target, .loss = c->loss, .dx = c->dx);
}

void lower_loss_L1(Lower *l, const LossCall *c) {
  RegressionParams k = {.count = c->count};
  EMIT(l, l1, &k, NO_ID, "loss", .x = c->x, .target = c->target, .loss = c->loss, .dx = c->dx);
}

void lower_loss_Huber(Lower *l, const LossCall *c) {
  RegressionParams k = {.count = c->count, .delta = c->own->Huber.delta, .factor = 1};
  EMIT(l, huber, &k, NO_ID, "loss", .x = c->x, .target = c->target, .loss = c->loss, .dx = c->dx);
}

/* Huber's over beta; with beta 0 there is no curve. */
void lower_loss_SmoothL1(Lower *l, const LossCall *c) {
  double beta = c->own->SmoothL1.beta;
  RegressionParams k = {.count = c->count, .delta = beta, .factor = 1 / beta};
  if (beta == 0) lower_loss_L1(l, c);
  else EMIT(l, huber, &k, NO_ID, "loss", .x = c->x, .target = c->target, .loss = c->loss, .dx = c->dx);
}

void lower_loss_BCEWithLogits(Lower *l, const LossCall *c) {
  BinaryParams k = {.classes = c->classes, .positions = c->count / c->classes, .has_weights = c->weights != NO_ID};
  EMIT(l, bce_with_logits, &k, NO_ID, "loss", .x = c->x, .target = c->target, .weights = c->weights, .loss = c->loss,
       .dx = c->dx);
}
