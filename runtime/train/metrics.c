/* The sums of metrics.h, in double. Does no output. */
#include <math.h>
#include <stdlib.h>
#include "runtime/error.h"
#include "runtime/net.h"
#include "runtime/train/metrics.h"

int metrics_init(Metrics *m, const Manifest *manifest, surgery_error *err) {
  const ManifestTrain *train = &manifest->train;
  *m = (Metrics){.loss = train->loss,
                 .classes = net_classes(manifest),
                 .positions = net_positions(manifest),
                 .values = manifest->outputs[0].shape.count,
                 .label_smoothing = train->label_smoothing,
                 .class_weights = train->class_weights};
  size_t classes = (size_t)m->classes;
  m->seen = calloc(classes + 1, sizeof *m->seen);
  m->right = calloc(classes + 1, sizeof *m->right);
  if (classes && classes <= METRICS_MAX_CONFUSION)
    m->confusion = calloc(classes * classes, sizeof *m->confusion);
  if (m->seen && m->right && (m->confusion || !classes || classes > METRICS_MAX_CONFUSION)) return 0;
  metrics_free(m);
  return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for the metrics of %zu classes", classes);
}

void metrics_free(Metrics *m) {
  free(m->seen), free(m->right), free(m->confusion);
  m->seen = m->right = m->confusion = NULL;
}

/* torch.nn.functional.cross_entropy: the target's part and, smoothed, all classes' part, each weighted. */
static void add_cross_entropy(Metrics *m, const float *logit, int64_t stride, int64_t target) {
  double largest = -INFINITY, sum = 0, all = 0;
  for (int64_t c = 0; c < m->classes; c++) largest = fmax(largest, logit[c * stride]);
  for (int64_t c = 0; c < m->classes; c++) sum += exp(logit[c * stride] - largest);
  double log_sum = log(sum) + largest, weight = m->class_weights ? m->class_weights[target] : 1;
  if (m->label_smoothing > 0)
    for (int64_t c = 0; c < m->classes; c++)
      all += (m->class_weights ? m->class_weights[c] : 1) * (log_sum - logit[c * stride]);
  m->loss_sum += (1 - m->label_smoothing) * weight * (log_sum - logit[target * stride]) +
                 m->label_smoothing / (double)m->classes * all;
  m->weight_sum += weight;
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

void metrics_add(Metrics *m, int64_t n, const float *y, const void *target) {
  m->samples += n;
  if (m->loss == LOSS_TYPE_MSE) {
    const float *value = target;
    for (int64_t i = 0; i < n * m->values; i++) {
      double d = (double)y[i] - value[i];
      m->loss_sum += d * d;
    }
    m->weight_sum += (double)(n * m->values);
    return;
  }
  const int32_t *class = target;
  for (int64_t i = 0; i < n * m->positions; i++) {
    const float *logit = y + i / m->positions * m->values + i % m->positions;
    add_cross_entropy(m, logit, m->positions, class[i]);
    add_rank(m, logit, m->positions, class[i]);
  }
}

double metrics_loss(const Metrics *m) {
  return m->loss_sum / m->weight_sum;
}
double metrics_top1(const Metrics *m) {
  return m->classes ? (double)m->top1 / (double)m->targets : NAN;
}
double metrics_top5(const Metrics *m) {
  return m->classes ? (double)m->top5 / (double)m->targets : NAN;
}
