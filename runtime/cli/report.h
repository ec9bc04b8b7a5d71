/* The report of a training as one HTML file that needs no other: settings, curves of loss, accuracy and rate as inline
 * SVG, what each class came to. Filled while the training runs, written after it. Called by cli/train.c. */
#ifndef SURGERY_REPORT_H
#define SURGERY_REPORT_H
#include "runtime/cli/cli.h"
#include "runtime/train/loop.h"
#include "runtime/train/metrics.h"

typedef struct ReportPoint {
  double at; /* epochs since the beginning */
  double value;
} ReportPoint;

typedef enum ReportCurve {
  REPORT_STEP_LOSS,
  REPORT_LOSS,
  REPORT_VAL_LOSS,
  REPORT_ACCURACY,
  REPORT_VAL_ACCURACY,
  REPORT_RATE,
  REPORT_CURVES
} ReportCurve;

typedef struct Report {
  ReportPoint *point[REPORT_CURVES];
  size_t count[REPORT_CURVES], room[REPORT_CURVES];
  bool failed; /* no memory for a point: report_write tells */
} Report;

/* What a report tells besides its curves. */
typedef struct ReportFacts {
  const Manifest *manifest;
  const ClassNames *classes;
  const TrainOptions *options;
  const TrainResult *result;
  const Dataset *train, *val; /* val may be NULL */
  const Metrics *metrics;     /* of val, or without it of the training set; NULL: not evaluated */
  const char *weights;        /* the file */
  const char *cpu;            /* that the functions are compiled for */
} ReportFacts;

void report_event(Report *report, const TrainEvent *event);
/* Whole or not at all. */
int report_write(const Report *report, const ReportFacts *facts, const char *path, surgery_error *err);
void report_free(Report *report);
#endif
