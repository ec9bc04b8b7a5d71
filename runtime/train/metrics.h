/* What a classifier or a regression did on a data set: loss as torch computes it, top-1, top-5, each class,
 * the confusion matrix. Filled by evaluate.c and the training loop, printed by the commands. */
#ifndef SURGERY_METRICS_H
#define SURGERY_METRICS_H
#include "runtime/manifest.h"

#define METRICS_MAX_CONFUSION 2048 /* classes; above, the matrix is left out */

typedef struct Metrics {
  LossType loss;
  int64_t classes, positions; /* 0 classes: no classifier */
  int64_t values;             /* numbers in the output of one sample */
  double label_smoothing;
  const float *class_weights; /* the manifest's */
  int64_t samples;
  double loss_sum, weight_sum; /* the mean loss is their quotient */
  int64_t targets, top1, top5; /* targets: samples × positions */
  int64_t *seen, *right;       /* [classes] by the true class */
  int64_t *confusion;          /* [true][predicted], or NULL */
} Metrics;

/* classes: the set's targets are classes; false: floats, one for each output. */
int metrics_init(Metrics *metrics, const Manifest *manifest, bool classes, surgery_error *err);
void metrics_free(Metrics *metrics);
/* y: (n, classes, positions) logits and int32 targets, or (n, …) values and float targets. One logit of BCEWithLogits is
 * one of two classes. */
void metrics_add(Metrics *metrics, int64_t n, const float *y, const void *target);
double metrics_loss(const Metrics *metrics); /* NAN before the first sample */
double metrics_top1(const Metrics *metrics); /* 0..1; NAN where it is no classifier */
double metrics_top5(const Metrics *metrics);
#endif
