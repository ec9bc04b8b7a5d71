/* What a classifier or a regression did on a data set: loss as torch computes it, top-1, top-5, each class,
 * the confusion matrix. Filled by evaluate.c and the training loop, printed by the commands. */
#ifndef SURGERY_METRICS_H
#define SURGERY_METRICS_H
#include "runtime/net/manifest.h"

#define METRICS_MAX_CONFUSION 2048 /* classes; above, the matrix is left out */

/* Of one output of a regression. */
typedef struct ValueSums {
  int64_t count;
  double mean, spread;      /* of the targets; the spread is the sum of squares about their mean */
  double absolute, squares; /* of the errors */
} ValueSums;
/* Of one label of 0 and 1. */
typedef struct LabelSums {
  int64_t count, positive; /* targets, and those that are 1 */
  int64_t hits, wrong;     /* given and 1; given and 0 */
} LabelSums;
/* What says how good a network is whose targets are no classes: two names with values; NULL and NAN: none. */
typedef struct MetricsSummary {
  const char *name[2];
  double value[2];
} MetricsSummary;

typedef struct Metrics {
  LossTarget target;
  int64_t classes, positions; /* 0 classes: no classifier */
  int64_t values;             /* numbers in the output of one sample */
  bool ignores;               /* positions of this class count for nothing */
  int64_t ignore_index;
  const float *class_weights; /* the manifest's */
  int64_t samples;
  double loss_sum, weight_sum; /* the mean loss is their quotient */
  int64_t targets, top1, top5; /* targets: samples × positions */
  int64_t *seen, *right;       /* [classes] by the true class */
  int64_t *confusion;          /* [true][predicted], or NULL */
  /* targets that are numbers: one of the two */
  ValueSums *value; /* [values] */
  LabelSums *label; /* [labels] */
  int64_t labels;
  float *scores;   /* [scored][labels] outputs, for the average precision */
  uint8_t *wanted; /* [scored][labels]: 1 where the target is */
  int64_t scored, score_room;
  bool no_scores; /* too many of them */
} Metrics;

/* classes: the set's targets are classes; false: floats, one for each output. */
int metrics_init(Metrics *metrics, const Manifest *manifest, bool classes, surgery_error *err);
void metrics_free(Metrics *metrics);
/* y: (n, classes, positions) logits and int32 targets, or (n, …) values and float targets. One logit of BCEWithLogits
 * is one of two classes. */
void metrics_add(Metrics *metrics, int64_t n, const float *y, const void *target);
/* The mean loss of the same batch, as the network's loss function returns it. */
void metrics_add_loss(Metrics *metrics, int64_t n, const void *target, double mean);
double metrics_loss(const Metrics *metrics); /* NAN before the first sample */
double metrics_top1(const Metrics *metrics); /* 0..1; NAN where it is no classifier */
double metrics_top5(const Metrics *metrics);

/* ---- metrics_values.c: where there are no classes ---- */
int metrics_values_init(Metrics *metrics, surgery_error *err); /* these three for metrics.c */
void metrics_values_free(Metrics *metrics);
void metrics_values_add(Metrics *metrics, int64_t n, const float *y, const float *target);
double metrics_mae(const Metrics *metrics, int64_t output);              /* output -1: the mean over all */
double metrics_r2(const Metrics *metrics, int64_t output);               /* NAN of fewer than two samples */
double metrics_average_precision(const Metrics *metrics, int64_t label); /* NAN where the label never occurs */
double metrics_f1(const LabelSums *label);                               /* NAN where it neither occurs nor is given */
double metrics_micro_f1(const Metrics *metrics);                         /* all labels counted together */
MetricsSummary metrics_summary(const Metrics *metrics);
#endif
