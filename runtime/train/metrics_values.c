/* Measures of outputs whose targets are numbers, as scikit-learn defines them: of a regression the mean
 * absolute error and R² (the mean over the outputs), of labels of 0 and 1 the average precision and F1 at a
 * probability of one half (the means over the labels that occur). Called by metrics.c and the commands. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/train/metrics.h"

#define MOST_SCORES ((int64_t)1 << 28) /* kept for the average precision, five bytes each */

int metrics_values_init(Metrics *m, surgery_error *err) {
  m->labels = m->target == LOSS_LABELS ? m->values / m->positions : 0;
  if (m->labels) m->label = calloc((size_t)m->labels, sizeof *m->label);
  else m->value = calloc((size_t)m->values + 1, sizeof *m->value);
  return m->label || m->value
             ? 0
             : sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the metrics of %lld outputs", (long long)m->values);
}

void metrics_values_free(Metrics *m) {
  free(m->value), free(m->label), free(m->scores), free(m->wanted);
  m->value = NULL, m->label = NULL, m->scores = NULL, m->wanted = NULL;
}

/* Welford: the spread of targets that are all large would drown in their squares. */
static void add_value(ValueSums *v, double y, double target) {
  double d = target - v->mean;
  v->count++;
  v->mean += d / (double)v->count;
  v->spread += d * (target - v->mean);
  v->absolute += fabs(y - target);
  v->squares += (y - target) * (y - target);
}

/* Room for another batch, or none any more: then there is no average precision. */
static bool reserve_scores(Metrics *m, int64_t n) {
  int64_t wanted = (m->scored + n) * m->labels;
  if (m->no_scores) return false;
  if (wanted > m->score_room) {
    int64_t room = wanted > 2 * m->score_room ? wanted : 2 * m->score_room;
    float *scores = room <= 2 * MOST_SCORES ? realloc(m->scores, (size_t)room * sizeof *scores) : NULL;
    if (scores) m->scores = scores;
    uint8_t *positive = scores ? realloc(m->wanted, (size_t)room) : NULL;
    if (positive) m->wanted = positive, m->score_room = room;
    m->no_scores = !positive || wanted > MOST_SCORES;
  }
  return !m->no_scores;
}

static void add_labels(Metrics *m, const float *y, const float *target) {
  for (int64_t i = 0; i < m->values; i++) {
    LabelSums *l = &m->label[i / m->positions];
    bool wanted = target[i] >= 0.5f, given = y[i] > 0;
    l->count++, l->positive += wanted;
    l->hits += wanted && given, l->wrong += given && !wanted;
  }
}

void metrics_values_add(Metrics *m, int64_t n, const float *y, const float *target) {
  if (m->labels && m->positions == 1 && reserve_scores(m, n)) {
    memcpy(m->scores + m->scored * m->labels, y, (size_t)(n * m->labels) * sizeof *y);
    for (int64_t i = 0; i < n * m->labels; i++) m->wanted[m->scored * m->labels + i] = target[i] >= 0.5f;
    m->scored += n;
  }
  for (int64_t s = 0; s < n; s++) {
    if (m->labels) {
      add_labels(m, y + s * m->values, target + s * m->values);
      continue;
    }
    for (int64_t i = 0; i < m->values; i++) add_value(&m->value[i], y[s * m->values + i], target[s * m->values + i]);
  }
}

/* ---- regression ---- */

double metrics_mae(const Metrics *m, int64_t output) {
  double sum = 0;
  if (output >= 0) return m->value[output].absolute / (double)m->value[output].count;
  for (int64_t i = 0; i < m->values; i++) sum += metrics_mae(m, i);
  return sum / (double)m->values;
}

double metrics_r2(const Metrics *m, int64_t output) {
  double sum = 0;
  if (output >= 0) {
    const ValueSums *v = &m->value[output];
    if (v->count < 2) return NAN;
    return v->spread > 0 ? 1 - v->squares / v->spread : v->squares > 0 ? 0 : 1;
  }
  for (int64_t i = 0; i < m->values; i++) sum += metrics_r2(m, i);
  return sum / (double)m->values;
}

/* ---- labels ---- */

typedef struct Score {
  float score;
  bool wanted;
} Score;

static int by_score(const void *a, const void *b) {
  float x = ((const Score *)a)->score, y = ((const Score *)b)->score;
  if (isnan(x) || isnan(y)) return isnan(x) - isnan(y); /* NaN is worse than all */
  return (x < y) - (x > y);
}

double metrics_average_precision(const Metrics *m, int64_t label) {
  if (m->no_scores || m->positions != 1 || m->label[label].positive == 0) return NAN;
  Score *sorted = malloc((size_t)m->scored * sizeof *sorted + 1);
  if (!sorted) return NAN;
  for (int64_t i = 0; i < m->scored; i++)
    sorted[i] = (Score){m->scores[i * m->labels + label], m->wanted[i * m->labels + label]};
  qsort(sorted, (size_t)m->scored, sizeof *sorted, by_score);
  double sum = 0, hits = 0, before = 0;
  for (int64_t i = 0; i < m->scored; i++) {
    hits += sorted[i].wanted;
    if (i + 1 < m->scored && by_score(&sorted[i], &sorted[i + 1]) == 0) continue; /* equals are one threshold */
    sum += (hits - before) * hits / (double)(i + 1);
    before = hits;
  }
  free(sorted);
  return sum / (double)m->label[label].positive;
}

double metrics_f1(const LabelSums *l) {
  int64_t all = l->hits + l->wrong + l->positive;
  return all ? 2 * (double)l->hits / (double)all : NAN;
}

/* The mean over the labels that have one: of the others nothing is known. */
static double mean_of(const Metrics *m, bool precision) {
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < m->labels; i++) {
    double one = precision ? metrics_average_precision(m, i) : metrics_f1(&m->label[i]);
    if (m->label[i].positive && !isnan(one)) sum += one, count++;
  }
  return count ? sum / (double)count : NAN;
}

double metrics_micro_f1(const Metrics *m) {
  LabelSums all = {0};
  for (int64_t i = 0; i < m->labels; i++)
    all.positive += m->label[i].positive, all.hits += m->label[i].hits, all.wrong += m->label[i].wrong;
  return metrics_f1(&all);
}

MetricsSummary metrics_summary(const Metrics *m) {
  MetricsSummary s = {{NULL, NULL}, {NAN, NAN}};
  if (m->label) {
    s.name[0] = "mean AP", s.value[0] = mean_of(m, true);
    s.name[1] = "F1", s.value[1] = mean_of(m, false);
  } else if (m->value) {
    s.name[0] = "MAE", s.value[0] = metrics_mae(m, -1);
    s.name[1] = "R2", s.value[1] = metrics_r2(m, -1);
  }
  return s;
}
