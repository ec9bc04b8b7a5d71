/* The sums of metrics.h, in double. Does no output. */
#include <math.h>
#include <stdlib.h>
#include "runtime/base/error.h"
#include "runtime/net/net.h"
#include "runtime/train/metrics.h"

int metrics_init(Metrics *m, const Manifest *manifest, bool classes_given, surgery_error *err) {
  const LossConfig *loss = &manifest->train->loss;
  *m = (Metrics){.target = loss_target(loss),
                 .classes = classes_given ? net_classes(manifest) : 0,
                 .positions = net_positions(manifest),
                 .values = manifest->outputs[0].shape.count,
                 .ignores = net_ignores(manifest, loss_ignored(loss)),
                 .ignore_index = loss_ignored(loss),
                 .class_weights =
                     loss_target(loss) == LOSS_CLASSES && loss_weights(loss) ? loss_weights(loss)->at : NULL};
  size_t classes = (size_t)m->classes;
  m->seen = calloc(classes + 1, sizeof *m->seen);
  m->right = calloc(classes + 1, sizeof *m->right);
  if (classes && classes <= METRICS_MAX_CONFUSION) m->confusion = calloc(classes * classes, sizeof *m->confusion);
  if (m->seen && m->right && (m->confusion || !classes || classes > METRICS_MAX_CONFUSION)) {
    if (classes || metrics_values_init(m, err) == 0) return 0;
    metrics_free(m);
    return -1;
  }
  metrics_free(m);
  return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the metrics of %zu classes", classes);
}

void metrics_free(Metrics *m) {
  free(m->seen), free(m->right), free(m->confusion);
  m->seen = m->right = m->confusion = NULL;
  metrics_values_free(m);
}

static void add_rank(Metrics *m, const float *logit, int64_t stride, int64_t target) {
  int64_t best = 0, above = 0;
  float own = logit[target * stride];
  for (int64_t c = 0; c < m->classes; c++) {
    float other = logit[c * stride];
    if (other > logit[best * stride] || isnan(logit[best * stride])) best = c;
    if (other > own || (other == own && c < target) || isnan(own)) above++;
  }
  m->targets++;
  m->seen[target]++;
  if (m->confusion) m->confusion[target * m->classes + best]++;
  if (above == 0) m->right[target]++, m->top1++;
  if (above < 5) m->top5++;
}

/* One sample of labels whose target is a class. */
static void add_label(Metrics *m, const float *y, int32_t class) {
  float both[2] = {0, m->values == 1 ? y[0] : 0}; /* the logit against 0 */
  add_rank(m, m->values == 1 ? both : y, 1, class);
}

static bool counts(const Metrics *m, int32_t class) { return !m->ignores || class != m->ignore_index; }

void metrics_add(Metrics *m, int64_t n, const float *y, const void *target) {
  const int32_t *class = target;
  m->samples += n;
  if (!m->classes) metrics_values_add(m, n, y, target);
  for (int64_t i = 0; m->classes && m->target == LOSS_LABELS && i < n; i++) add_label(m, y + i * m->values, class[i]);
  for (int64_t i = 0; m->classes && m->target == LOSS_CLASSES && i < n * m->positions; i++)
    if (counts(m, class[i])) add_rank(m, y + i / m->positions * m->values + i % m->positions, m->positions, class[i]);
}

/* What the mean divides by: the weights of the classes that count, or how many values there are. */
static double divisor(const Metrics *m, int64_t n, const int32_t *class) {
  if (!m->classes || m->target != LOSS_CLASSES) return (double)(n * m->values);
  double sum = 0;
  for (int64_t i = 0; i < n * m->positions; i++)
    if (counts(m, class[i])) sum += m->class_weights ? m->class_weights[class[i]] : 1;
  return sum;
}

void metrics_add_loss(Metrics *m, int64_t n, const void *target, double mean) {
  double weight = divisor(m, n, target);
  if (weight == 0) return; /* nothing counts, and the mean is not a number */
  m->loss_sum += mean * weight;
  m->weight_sum += weight;
}

double metrics_loss(const Metrics *m) { return m->loss_sum / m->weight_sum; }
double metrics_top1(const Metrics *m) { return m->classes ? (double)m->top1 / (double)m->targets : NAN; }
double metrics_top5(const Metrics *m) { return m->classes ? (double)m->top5 / (double)m->targets : NAN; }
