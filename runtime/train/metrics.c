/* The sums of metrics.h, in double. Does no output. */
#include <math.h>
#include <stdlib.h>
#include "runtime/base/error.h"
#include "runtime/net/net.h"
#include "runtime/train/metrics.h"

int metrics_init(Metrics *m, const Manifest *manifest, bool classes_given, surgery_error *err) {
  const LossConfig *loss = &manifest->train->loss;
  *m = (Metrics){.loss = (LossKind)loss->kind,
                 .classes = classes_given ? net_classes(manifest) : 0,
                 .positions = net_positions(manifest),
                 .values = manifest->outputs[0].shape.count,
                 .label_smoothing = train_number(loss_rows, loss, "label_smoothing", 0),
                 .ignores = net_ignores(manifest, loss_ignored(loss)),
                 .ignore_index = loss_ignored(loss),
                 .class_weights = loss_weights(loss) ? loss_weights(loss)->at : NULL};
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

/* torch.nn.functional.binary_cross_entropy_with_logits. */
static double binary_loss(const Metrics *m, double x, double target, int64_t output) {
  double weight = m->class_weights ? m->class_weights[output / m->positions] : 1;
  double softplus = log1p(exp(-fabs(x))) + fmax(-x, 0);
  return (1 - target) * x + (1 + (weight - 1) * target) * softplus;
}

static void add_values(Metrics *m, int64_t n, const float *y, const float *value) {
  for (int64_t i = 0; i < n * m->values; i++) {
    double d = (double)y[i] - value[i];
    m->loss_sum += m->loss == LOSS_MSE  ? d * d
                   : m->loss == LOSS_L1 ? fabs(d)
                                        : binary_loss(m, y[i], value[i], i % m->values);
  }
  m->weight_sum += (double)(n * m->values);
}

/* One sample under BCEWithLogits whose target is a class. */
static void add_binary(Metrics *m, const float *y, int32_t class) {
  for (int64_t c = 0; c < m->values; c++) m->loss_sum += binary_loss(m, y[c], m->values == 1 ? class : c == class, c);
  m->weight_sum += (double)m->values;
  float both[2] = {0, m->values == 1 ? y[0] : 0}; /* the logit against 0 */
  add_rank(m, m->values == 1 ? both : y, 1, class);
}

void metrics_add(Metrics *m, int64_t n, const float *y, const void *target) {
  m->samples += n;
  const int32_t *class = target;
  if (!m->classes) {
    add_values(m, n, y, target);
    metrics_values_add(m, n, y, target);
    return;
  }
  if (m->loss == LOSS_BCEWithLogits) {
    for (int64_t i = 0; i < n; i++) add_binary(m, y + i * m->values, class[i]);
    return;
  }
  for (int64_t i = 0; i < n * m->positions; i++) {
    if (m->ignores && class[i] == m->ignore_index) continue;
    const float *logit = y + i / m->positions * m->values + i % m->positions;
    add_cross_entropy(m, logit, m->positions, class[i]);
    add_rank(m, logit, m->positions, class[i]);
  }
}

double metrics_loss(const Metrics *m) { return m->loss_sum / m->weight_sum; }
double metrics_top1(const Metrics *m) { return m->classes ? (double)m->top1 / (double)m->targets : NAN; }
double metrics_top5(const Metrics *m) { return m->classes ? (double)m->top5 / (double)m->targets : NAN; }
