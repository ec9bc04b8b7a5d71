/* Losses over a batch, with the gradient already divided by what the mean divides by. One item does the whole
 * call, so that the sum has one order; sums are kept in double. Called by generated code and by
 * tests/kernels.
 *
 * As in PyTorch, the mean of nothing (n == 0, or every target ignored) is not a number. */
#include "runtime/kernels/mathf.h"

/* ln(x) for positive, normal x: x = 2^e m with m near 1, ln m = 2 artanh((m - 1) / (m + 1)), whose series in
 * s^2 <= 0.0295 is cut after 10 terms, below 1e-16. */
static inline double natural_log(double x) {
  union {
    double value;
    uint64_t bits;
  } u = {x};
  if (!(x > 0) || x > 0x1.fffffffffffffp1023) return x * 0 + x; /* NaN and infinity go through */
  int64_t e = (int64_t)(u.bits >> 52) - 1023;
  u.bits = (u.bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
  if (u.value > 1.4142135623730951) {
    u.value *= 0.5;
    e++;
  }
  double s = (u.value - 1) / (u.value + 1), s2 = s * s, sum = 0;
  for (int i = 19; i >= 1; i -= 2) sum = sum * s2 + 1.0 / i;
  return (double)e * 0.6931471805599453 + 2 * s * sum;
}

/* ---- cross entropy ----
 * For one position, with target t, class weights w and smoothing e over C classes:
 *   loss = sum over c of a_c * -log softmax(z)_c,  a_c = (1 - e) w_t [c = t] + e w_c / C
 * and the mean divides by the sum of w_t over all positions that are not ignored (torch.nn.CrossEntropyLoss).
 */

typedef struct Loss {
  const CrossEntropyParams *k;
  const float *weights; /* [classes], or NULL: all 1 */
  double all_weights;   /* their sum */
  double divisor;
} Loss;

/* PyTorch's ignore_index; a target outside of the classes is never an address either. */
SIMD int counts(const CrossEntropyParams *k, int32_t target) {
  return target >= 0 && target < k->classes && target != k->ignore;
}
SIMD double weight_of(const Loss *l, int64_t c) { return l->weights ? (double)l->weights[c] : 1.0; }

/* From what the classes gave at one position: max and sum of exp(z - max), and for smoothing the sum of
 * w_c (z_c - max). Returns the loss; *scale is what exp(z_c - max) is multiplied by in the gradient, and
 * *at_target the gradient at the target, taken in double because of the difference 1 - softmax of a sure
 * network. */
SIMD double position_loss(const Loss *l, float target_logit, int32_t target, float max, double sum, double dot,
                          float *scale, float *at_target) {
  double smoothing = l->k->smoothing, share = smoothing / (double)l->k->classes;
  double own = (1 - smoothing) * weight_of(l, target), all = own;
  if (smoothing != 0) all += share * l->all_weights;
  double target_exp = v16_exp(v16_set(target_logit - max))[0];
  *scale = (float)(all / (sum * l->divisor));
  *at_target = (float)((all * target_exp / sum - own - share * weight_of(l, target)) / l->divisor);
  double loss = all * natural_log(sum) - own * ((double)target_logit - (double)max);
  return smoothing != 0 ? loss - share * dot : loss;
}
/* What the gradient loses at class c by smoothing, but for w_c. */
SIMD float smooth_part(const Loss *l) { return (float)(l->k->smoothing / (double)l->k->classes / l->divisor); }

SIMD v16 class_weights(const Loss *l, int64_t c, int64_t lanes) {
  return l->weights ? v16_load_lanes(l->weights + c, lanes) : v16_keep(v16_first_lanes(lanes), v16_set(1));
}

/* One position whose classes lie together. z, dz: [classes]; dz may be NULL. */
SIMD double row_loss(const Loss *l, const float *z, float *dz, int32_t target) {
  int64_t classes = l->k->classes;
  v16 top = v16_set(-__builtin_inff());
  v16d sum = {0}, dot = {0};
  for (int64_t c = 0; c < classes; c += 16)
    top = v16_larger(top, v16_select(v16_first_lanes(classes - c), v16_load_lanes(z + c, classes - c), top));
  float max = v16_max(top), scale, at_target;
  for (int64_t c = 0; c < classes; c += 16) {
    v16 v = v16_load_lanes(z + c, classes - c) - max;
    sum += v16_widen(v16_keep(v16_first_lanes(classes - c), v16_exp(v)));
    if (l->k->smoothing != 0) dot += v16_widen(v * class_weights(l, c, classes - c));
  }
  double loss = position_loss(l, z[target], target, max, v16d_sum(sum), v16d_sum(dot), &scale, &at_target);
  if (!dz) return loss;
  for (int64_t c = 0; c < classes; c += 16) {
    v16 g = v16_exp(v16_load_lanes(z + c, classes - c) - max) * scale;
    if (l->k->smoothing != 0) g -= class_weights(l, c, classes - c) * smooth_part(l);
    v16_store_lanes(dz + c, g, classes - c);
  }
  dz[target] = at_target;
  return loss;
}

/* `lanes` positions side by side; classes are `positions` apart. */
SIMD double columns_loss(const Loss *l, const float *z, float *dz, const int32_t *target, int64_t lanes) {
  int64_t classes = l->k->classes, step = l->k->positions;
  v16 max = v16_set(-__builtin_inff()), scale = {0};
  v16d sum = {0}, dot = {0};
  v16i counted = {0};
  for (int64_t c = 0; c < classes; c++) max = v16_larger(max, v16_load_lanes(z + c * step, lanes));
  for (int64_t c = 0; c < classes; c++) {
    v16 v = v16_load_lanes(z + c * step, lanes) - max;
    sum += v16_widen(v16_exp(v));
    if (l->k->smoothing != 0) dot += v16_widen(v) * weight_of(l, c);
  }
  double loss = 0;
  float scales[16], at_target[16];
  for (int64_t i = 0; i < lanes && i < 16; i++) {
    if (!counts(l->k, target[i])) continue;
    loss += position_loss(l, z[target[i] * step + i], target[i], max[i], sum[i], dot[i], &scales[i], &at_target[i]);
    scale[i] = scales[i];
    counted[i] = -1;
  }
  if (!dz) return loss;
  for (int64_t c = 0; c < classes; c++) {
    v16 g = v16_exp(v16_load_lanes(z + c * step, lanes) - max) * scale;
    if (l->k->smoothing != 0) g -= (float)weight_of(l, c) * smooth_part(l);
    v16_store_lanes(dz + c * step, v16_keep(counted, g), lanes);
  }
  for (int64_t i = 0; i < lanes && i < 16; i++)
    if (counts(l->k, target[i])) dz[target[i] * step + i] = at_target[i];
  return loss;
}

/* ---- with a probability for each class as the target ----
 *   loss = sum over c of q_c * -log softmax(z)_c,  q_c = w_c ((1 - e) t_c + e / C)
 * and the mean divides by the number of positions, as torch.nn.CrossEntropyLoss does with such targets. */

/* Every `step`-th float, for classes that lie `positions` apart; the lanes after the end are zero. */
SIMD v16 load_strided(const float *p, int64_t step, int64_t lanes) {
  if (step == 1) return v16_load_lanes(p, lanes);
  v16 v = {0};
  for (int64_t i = 0; i < lanes && i < 16; i++) v[i] = p[i * step];
  return v;
}
SIMD void store_strided(float *p, int64_t step, v16 v, int64_t lanes) {
  if (step == 1) {
    v16_store_lanes(p, v, lanes);
    return;
  }
  for (int64_t i = 0; i < lanes && i < 16; i++) p[i * step] = v[i];
}
SIMD v16 soft_target(const Loss *l, const float *t, int64_t c) {
  int64_t lanes = l->k->classes - c;
  float share = (float)(l->k->smoothing / (double)l->k->classes), own = (float)(1 - l->k->smoothing);
  v16 q = load_strided(t + c * l->k->positions, l->k->positions, lanes) * own + share;
  return v16_keep(v16_first_lanes(lanes), q * class_weights(l, c, lanes));
}

/* One position; z, t, dz: [classes], `positions` apart; dz may be NULL. */
SIMD double soft_loss(const Loss *l, const float *z, const float *t, float *dz) {
  int64_t classes = l->k->classes, step = l->k->positions;
  v16 top = v16_set(-__builtin_inff());
  v16d sum = {0}, all = {0}, dot = {0};
  for (int64_t c = 0; c < classes; c += 16)
    top = v16_larger(top, v16_select(v16_first_lanes(classes - c), load_strided(z + c * step, step, classes - c), top));
  float max = v16_max(top);
  for (int64_t c = 0; c < classes; c += 16) {
    v16 v = v16_keep(v16_first_lanes(classes - c), load_strided(z + c * step, step, classes - c) - max);
    v16 q = soft_target(l, t, c);
    sum += v16_widen(v16_keep(v16_first_lanes(classes - c), v16_exp(v)));
    all += v16_widen(q);
    dot += v16_widen(q) * v16_widen(v);
  }
  double total = v16d_sum(sum), mass = v16d_sum(all);
  float scale = (float)(mass / (total * l->divisor)), share = (float)(1 / l->divisor);
  for (int64_t c = 0; dz && c < classes; c += 16) {
    v16 v = load_strided(z + c * step, step, classes - c) - max;
    store_strided(dz + c * step, step, v16_exp(v) * scale - soft_target(l, t, c) * share, classes - c);
  }
  return mass * natural_log(total) - v16d_sum(dot);
}

SIMD void soft_cross_entropy(const cross_entropy_operands *b, int64_t n, const CrossEntropyParams *k) {
  Loss l = {k, k->has_weights ? b->weights : NULL, 0, (double)(n * k->positions)};
  double loss = 0;
  for (int64_t i = 0; i < n * k->positions; i++) {
    int64_t at = i / k->positions * k->classes * k->positions + i % k->positions;
    loss += soft_loss(&l, b->logits + at, (const float *)b->target + at, b->dlogits ? b->dlogits + at : NULL);
  }
  *b->loss = (float)(loss / l.divisor);
}

PLAN(cross_entropy) { per_call(plan, 1, 25.0 * (double)(k->classes * k->positions)); }
/* logits: (n, classes, positions), target: int32 (n, positions), weights: [classes] where has_weights
 * → loss: one float, dlogits. soft: target f32 (n, classes, positions) */
TEMPLATE(cross_entropy) {
  if (begin >= end) return;
  if (k->soft) {
    soft_cross_entropy(b, n, k);
    return;
  }
  const int32_t *target = b->target;
  Loss l = {k, k->has_weights ? b->weights : NULL, 0, 0};
  for (int64_t c = 0; c < k->classes; c++) l.all_weights += weight_of(&l, c);
  for (int64_t i = 0; i < n * k->positions; i++)
    if (counts(k, target[i])) l.divisor += weight_of(&l, target[i]);
  double loss = 0;
  for (int64_t s = 0; s < n; s++) {
    const float *z = b->logits + s * k->classes * k->positions;
    float *dz = b->dlogits ? b->dlogits + s * k->classes * k->positions : NULL;
    if (k->positions > 1) {
      for (int64_t p = 0; p < k->positions; p += 16)
        loss += columns_loss(&l, z + p, dz ? dz + p : NULL, target + s * k->positions + p, k->positions - p);
    } else if (counts(k, target[s])) {
      loss += row_loss(&l, z, dz, target[s]);
    } else if (dz) {
      for (int64_t c = 0; c < k->classes; c++) dz[c] = 0;
    }
  }
  *b->loss = (float)(loss / l.divisor);
}

/* ---- of the difference of each element, d = x - target ---- */

/* Of 16 differences: what each adds to the sum, and the slope there. NaN goes through. */
typedef v16d difference_loss(v16 d, v16 *slope, const RegressionParams *k);

/* x, target: (n, count) → loss: one float, the mean; dx */
SIMD void regression(difference_loss *of, const float *x, const float *target, float *loss, float *dx, int64_t n,
                     const RegressionParams *k) {
  int64_t count = n * k->count;
  float share = (float)(1 / (double)count);
  v16d sum = {0};
  for (int64_t i = 0; i < count; i += 16) {
    v16 slope, d = v16_load_lanes(x + i, count - i) - v16_load_lanes(target + i, count - i);
    sum += of(d, &slope, k);
    if (dx) v16_store_lanes(dx + i, slope * share, count - i);
  }
  *loss = (float)(v16d_sum(sum) / (double)count);
}
#define REGRESSION(name, of)                                                                                           \
  PLAN(name) { per_call(plan, 1, 4.0 * (double)k->count); }                                                            \
  TEMPLATE(name) {                                                                                                     \
    if (begin < end) regression(of, b->x, b->target, b->loss, b->dx, n, k);                                            \
  }

SIMD v16d square(v16 d, v16 *slope, const RegressionParams *k) {
  v16d wide = v16_widen(d);
  *slope = 2.0f * d;
  return wide * wide;
}
REGRESSION(mse, square)

/* The slope is the sign of d, 0 where both are equal. */
SIMD v16d size(v16 d, v16 *slope, const RegressionParams *k) {
  *slope = v16_select(d > 0.0f, v16_set(1), v16_select(d < 0.0f, v16_set(-1), d));
  return v16_widen(v16_abs(d));
}
REGRESSION(l1, size)

/* factor times d^2 / 2 within delta of 0, and the tangents of that beyond (torch.nn.HuberLoss). With c = d cut to
 * ±delta both are c (d - c / 2), whose slope is c. */
SIMD v16d huber(v16 d, v16 *slope, const RegressionParams *k) {
  v16 delta = v16_set((float)k->delta), cut = v16_select(d > delta, delta, v16_select(d < -delta, -delta, d));
  *slope = cut * (float)k->factor;
  return v16_widen(cut) * (v16_widen(d) - 0.5 * v16_widen(cut)) * k->factor;
}
REGRESSION(huber, huber)

/* ---- binary cross entropy of logits ----
 * loss = (1 - t) x + a (log(1 + exp(-|x|)) + max(-x, 0)),  a = 1 + (pos_weight - 1) t, so that nothing overflows
 * (torch.nn.BCEWithLogitsLoss); its derivative is (1 - t) - a sigmoid(-x). */

/* 16 elements of one class (or of several, where each has one position). Returns the sum of the losses. */
SIMD double binary_loss(const float *x, const float *t, v16 pos_weight, float *dx, float scale, int64_t lanes) {
  v16 v = v16_load_lanes(x, lanes), target = v16_load_lanes(t, lanes);
  v16 a = (pos_weight - 1.0f) * target + 1.0f, e = v16_exp(-v16_abs(v));
  double sum = 0;
  for (int64_t i = 0; i < lanes && i < 16; i++) {
    double softplus = natural_log(1 + (double)e[i]) + (v[i] < 0 ? -(double)v[i] : 0);
    sum += (1 - (double)target[i]) * v[i] + (double)a[i] * softplus;
  }
  if (dx) v16_store_lanes(dx, ((1.0f - target) - a * v16_sigmoid(-v)) * scale, lanes);
  return sum;
}

PLAN(bce_with_logits) { per_call(plan, 1, 30.0 * (double)(k->classes * k->positions)); }
/* x, target: (n, classes, positions), weights: [classes] where has_weights → loss: one float, dx */
TEMPLATE(bce_with_logits) {
  if (begin >= end) return;
  int64_t one = k->classes * k->positions, run = k->positions > 1 ? k->positions : k->classes;
  const float *weights = k->has_weights ? b->weights : NULL;
  double sum = 0;
  for (int64_t row = 0; row < n * one / run; row++) {
    int64_t c = k->positions > 1 ? row % k->classes : 0;
    for (int64_t i = 0; i < run; i += 16) {
      v16 w = v16_set(1);
      if (weights) w = k->positions > 1 ? v16_set(weights[c]) : v16_load_lanes(weights + i, run - i);
      int64_t at = row * run + i;
      sum += binary_loss(b->x + at, b->target + at, w, b->dx ? b->dx + at : NULL, (float)(1.0 / (double)(n * one)),
                         run - i);
    }
  }
  *b->loss = (float)(sum / (double)(n * one));
}
