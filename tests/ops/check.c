/* Holds a compiled case against PyTorch's numbers, against itself at other batch sizes, and against finite
 * differences. Every judgement passes through check_error(), which keeps the worst of each kind. */
#include "tests/ops/check.h"
#include "tests/numeric/formula.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int check_failures;

/* Errors are shares of the largest entry (of the loss: of itself). Measured, the worst over all cases with -O0 to -O3
 * and for x86-64-v2, v3 and v4: forward 5e-7, loss 5e-7, gradients and other batch sizes 5e-6 (where batch
 * normalisation makes a bias's gradient a difference of large numbers), statistics 2e-7, differences 3e-3 (a relu's
 * kink in the way). */
static struct {
  const char *name;
  double tolerance, worst;
  char where[240];
} kinds[ERROR_KINDS] = {
    [ERROR_FORWARD] = {"forward against PyTorch", 1e-5, 0, ""},
    [ERROR_LOSS] = {"loss against PyTorch", 1e-5, 0, ""},
    [ERROR_GRADIENT] = {"gradients against PyTorch", 1e-5, 0, ""},
    [ERROR_STATISTICS] = {"batch statistics against PyTorch", 1e-5, 0, ""},
    [ERROR_BATCHES] = {"other batch sizes", 1e-5, 0, ""},
    [ERROR_DIFFERENCES] = {"finite differences", 1e-2, 0, ""},
};

void check_error(const Net *net, ErrorKind kind, const char *where, double error) {
  if (isnan(error) || error > kinds[kind].worst) {
    kinds[kind].worst = error;
    snprintf(kinds[kind].where, sizeof kinds[kind].where, "%s, %s", net->c->name, where);
  }
  if (error <= kinds[kind].tolerance) return; /* a NaN is not */
  check_failures++;
  printf("%s: %s: %s is off by %.3g, allowed is %.3g\n", net->c->name, kinds[kind].name, where, error,
         kinds[kind].tolerance);
}

int check_report(void) {
  for (int i = 0; i < ERROR_KINDS; i++)
    printf("%-34s worst %.2g of %.0e %s%s%s\n", kinds[i].name, kinds[i].worst, kinds[i].tolerance,
           *kinds[i].where ? "(" : "", kinds[i].where, *kinds[i].where ? ")" : "");
  check_failures += guard_failures;
  guard_failures = 0;
  return check_failures;
}

static double largest_of(const float *values, int64_t count) {
  double largest = 0;
  for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)values[i]));
  return largest;
}

/* The largest difference as a share of `scale`; NaN where one is. */
static double difference(const float *got, const float *want, int64_t count, double scale) {
  double worst = 0;
  for (int64_t i = 0; i < count; i++) {
    double d = fabs((double)got[i] - want[i]);
    if (!(d <= worst)) worst = d;
  }
  return worst == 0 ? 0 : worst / fmax(scale, 1e-30);
}

/* A gradient that is zero but for rounding (of a bias behind which a batch normalisation takes every shift away) is
 * judged by the network's largest gradient: nothing finer than a tenth of the tolerance of that. */
static double gradient_scale(const Net *net, const float *grads, const ManifestTensor *t) {
  double all = 0;
  for (size_t i = 0; i < net->m->tensor_count; i++) {
    const ManifestTensor *other = &net->m->tensors[i];
    if (grad_of(net, other) >= 0) all = fmax(all, largest_of(grads + grad_of(net, other) / 4, other->shape.count));
  }
  return fmax(0.1 * all, largest_of(grads + grad_of(net, t) / 4, t->shape.count));
}

static void compare_gradients(const Net *net, ErrorKind kind, const char *what, const float *want) {
  for (size_t i = 0; i < net->m->tensor_count; i++) {
    const ManifestTensor *t = &net->m->tensors[i];
    if (grad_of(net, t) < 0) continue;
    char where[160];
    snprintf(where, sizeof where, "%s%s", what, t->name);
    check_error(net, kind, where,
                difference(net->grads + grad_of(net, t) / 4, want + grad_of(net, t) / 4, t->shape.count,
                           gradient_scale(net, want, t)));
  }
}

/* ---- evaluation ---- */

static void compare_outputs(Net *net, const char *what, float *y, int64_t n, const float *want) {
  double worst = 0, scale = largest_of(want, net->c->n * net->outputs);
  for (int64_t s = 0; s < n; s++) {
    double error = difference(y + s * net->outputs, want + s % net->c->n * net->outputs, net->outputs, scale);
    if (!(error <= worst)) worst = error;
  }
  check_error(net, ERROR_FORWARD, what, worst);
  guard_free(net, "y", y);
}

/* n = 0 writes nothing: the guard before and the guard behind are all there is. */
static void check_forward(Net *net, const float *want) {
  int64_t sizes[] = {0, 1, net->c->n, 2 * net->c->n + 1};
  for (int i = 0; i < 4; i++) {
    char what[64];
    snprintf(what, sizeof what, "y of %lld samples", (long long)sizes[i]);
    Batch b = net_batch(net, 0, sizes[i]);
    compare_outputs(net, what, net_eval(net, NET_FORWARD, sizes[i], b.x, b.mask), sizes[i], want);
    if (net->code->inspect)
      compare_outputs(net, must_print("inspect's %s", what), net_eval(net, NET_INSPECT, sizes[i], b.x, b.mask),
                      sizes[i], want);
    if (net->code->prefix) {
      float *features = net_eval(net, NET_PREFIX, sizes[i], b.x, b.mask);
      compare_outputs(net, must_print("tail's %s", what), net_eval(net, NET_TAIL, sizes[i], features, b.mask), sizes[i],
                      want);
      guard_free(net, "the features", features);
    }
    guard_free(net, "x", b.x);
    if (b.mask) guard_free(net, "the mask", b.mask);
    guard_free(net, "the target", b.target);
  }
}

/* ---- training ---- */

static Batch training_batch(Net *net, int64_t first, int64_t n) {
  Batch b = net_batch(net, first, n);
  if (net->code->prefix) b.features = net_eval(net, NET_PREFIX, n, b.x, b.mask);
  return b;
}

static void free_batch(const Net *net, Batch *b) {
  guard_free(net, "x", b->x);
  if (b->mask) guard_free(net, "the mask", b->mask);
  guard_free(net, "the target", b->target);
  if (b->features) guard_free(net, "the features", b->features);
}

/* The running statistics as the step left them; where PyTorch's did not move, not a bit may have changed, and neither
 * may any parameter. Returns what lies behind them in the golden. */
static void check_weights(Net *net, const float *want) {
  for (size_t i = 0; i < net->m->tensor_count; i++) {
    const ManifestTensor *t = &net->m->tensors[i];
    const float *now = net->weights + t->offset / 4, *before = (const float *)net->fresh + t->offset / 4;
    bool same = memcmp(now, before, (size_t)t->shape.count * (t->i64 ? 8 : 4)) == 0;
    if (!t->buffer && !same) check_error(net, ERROR_STATISTICS, must_print("the step changed %s, which", t->name), NAN);
    if (grad_of(net, t) >= 0) want += t->shape.count;
    if (!t->buffer || t->i64) continue;
    bool moved = memcmp(want, before, (size_t)t->shape.count * 4) != 0;
    if (!moved && !same) check_error(net, ERROR_STATISTICS, must_print("frozen %s moved, it", t->name), NAN);
    check_error(net, ERROR_STATISTICS, t->name,
                difference(now, want, t->shape.count, largest_of(want, t->shape.count)));
    want += t->shape.count;
  }
}

/* The golden's gradients, which lie between the statistics, at the places that the manifest gives them. */
static float *wanted_gradients(const Net *net, const float *golden) {
  float *want = must_alloc(net->m->grads_bytes);
  for (size_t i = 0; i < net->m->tensor_count; i++) {
    const ManifestTensor *t = &net->m->tensors[i];
    if (grad_of(net, t) >= 0) memcpy(want + grad_of(net, t) / 4, golden, (size_t)t->shape.count * 4);
    if (grad_of(net, t) >= 0 || (t->buffer && !t->i64)) golden += t->shape.count;
  }
  return want;
}

static void check_step(Net *net, const Batch *b, const float *golden) {
  float *want = wanted_gradients(net, golden + 1), loss = net_step(net, b, NULL);
  check_error(net, ERROR_LOSS, "the loss", fabs((double)loss - golden[0]) / fmax(fabs(golden[0]), 1e-30));
  compare_gradients(net, ERROR_GRADIENT, "d ", want);
  check_weights(net, golden + 1);
  /* Again, over the gradients of before: nothing may be added to what is left there. */
  memcpy(want, net->grads, (size_t)net->m->grads_bytes);
  net_restore(net);
  float again = net_step(net, b, NULL);
  if (again != loss || memcmp(want, net->grads, (size_t)net->m->grads_bytes) != 0)
    check_error(net, ERROR_GRADIENT, "a second step", NAN);
  net_restore(net);
  free(want);
}

/* After a step: whether it counted a batch. */
static bool moved_statistics(const Net *net) {
  return memcmp(net->weights, net->fresh, (size_t)net->m->weights_bytes) != 0;
}

/* A batch twice over has the loss and the gradients of the batch. And without batch statistics the gradient of a
 * batch is the mean over its samples, one at a time. */
static void check_batches(Net *net, const Batch *b) {
  int64_t count = net->m->grads_bytes / 4;
  float *want = must_alloc(count * 4), *one = must_alloc(count * 4);
  float loss = net_step(net, b, NULL);
  memcpy(want, net->grads, (size_t)count * 4);
  bool alone = !moved_statistics(net) && !class_weights(net);
  net_restore(net);
  Batch twice = training_batch(net, 0, 2 * b->n);
  float other = net_step(net, &twice, NULL);
  check_error(net, ERROR_BATCHES, "the loss of a batch twice over",
              fabs((double)other - loss) / fmax(fabs(loss), 1e-30));
  compare_gradients(net, ERROR_BATCHES, "a batch twice over: d ", want);
  free_batch(net, &twice);
  net_restore(net);
  if (alone) {
    for (int64_t s = 0; s < b->n; s++) {
      Batch single = training_batch(net, s, 1);
      net_step(net, &single, NULL);
      for (int64_t i = 0; i < count; i++) one[i] += net->grads[i] / (float)b->n;
      free_batch(net, &single);
    }
    memcpy(net->grads, one, (size_t)count * 4);
    compare_gradients(net, ERROR_BATCHES, "one sample at a time: d ", want);
  }
  net_restore(net);
  free(want), free(one);
}

/* ---- finite differences ---- */

static double loss_along(Net *net, const Batch *b, const double *direction, double h) {
  net_restore(net);
  for (size_t i = 0; i < net->m->tensor_count; i++) {
    const ManifestTensor *t = &net->m->tensors[i];
    for (int64_t k = 0; grad_of(net, t) >= 0 && k < t->shape.count; k++)
      net->weights[t->offset / 4 + k] += (float)(h * direction[grad_of(net, t) / 4 + k]);
  }
  return net_step(net, b, NULL);
}

static double norm_of(const double *v, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += v[i] * v[i];
  return sqrt(sum);
}

/* Half of a direction is the gradient's own, so that the derivative is not small beside it; the other half is random. A
 * step is right where it is neither lost in the loss's 24 bits nor, for relu and maxima, so long that it passes a
 * kink: of eight lengths the best counts. A wrong gradient is off at every length. */
static double direction_error(Net *net, const Batch *b, const double *gradient, int64_t count, uint64_t seed) {
  double *direction = must_alloc(count * 8), slope = 0, best = INFINITY;
  bool padded =
      strstr(net->c->layers, "padding_idx") != NULL; /* that row does not learn, whatever the loss says of it */
  for (int64_t i = 0; i < count; i++)
    direction[i] = padded && gradient[i] == 0 ? 0 : formula_uniform(seed, (uint64_t)i);
  double random = norm_of(direction, count), steep = norm_of(gradient, count);
  for (int64_t i = 0; i < count; i++) {
    direction[i] = direction[i] / random + (steep > 0 ? gradient[i] / steep : 0);
    slope += direction[i] * gradient[i];
  }
  double scale = fmax(steep * norm_of(direction, count), 1e-4);
  for (double h = 0.08; h > 0.0005 && !(best < 1e-3); h /= 2) {
    double measured = (loss_along(net, b, direction, h) - loss_along(net, b, direction, -h)) / (2 * h);
    best = fmin(best, fabs(measured - slope) / scale);
  }
  free(direction);
  return best;
}

void check_differences(Net *net, const Batch *b) {
  int64_t count = net->m->grads_bytes / 4;
  double *gradient = must_alloc(count * 8);
  net_restore(net);
  net_step(net, b, NULL);
  for (size_t i = 0; i < net->m->tensor_count; i++) {
    const ManifestTensor *t = &net->m->tensors[i];
    for (int64_t k = 0; grad_of(net, t) >= 0 && k < t->shape.count; k++)
      gradient[grad_of(net, t) / 4 + k] = net->grads[grad_of(net, t) / 4 + k];
  }
  for (int i = 0; i < 2; i++) {
    char where[32];
    snprintf(where, sizeof where, "direction %d", i);
    check_error(net, ERROR_DIFFERENCES, where,
                direction_error(net, b, gradient, count, formula_seed(net->c->name, where)));
  }
  net_restore(net);
  free(gradient);
}

/* ---- one case ---- */

static int64_t golden_size(const Net *net) {
  int64_t count = net->c->n * net->outputs;
  if (!net->code->step) return count;
  for (size_t i = 0; i < net->m->tensor_count; i++) {
    const ManifestTensor *t = &net->m->tensors[i];
    if (grad_of(net, t) >= 0 || (t->buffer && !t->i64)) count += t->shape.count;
  }
  return count + 1;
}

void check_case(Net *net, const float *golden, int64_t golden_count) {
  if (golden_size(net) != golden_count) {
    printf("%s: the golden has %lld numbers, the network %lld\n", net->c->name, (long long)golden_count,
           (long long)golden_size(net));
    check_failures++;
    return;
  }
  check_forward(net, golden);
  if (!net->code->step) return;
  Batch b = training_batch(net, 0, net->c->n);
  check_step(net, &b, golden + net->c->n * net->outputs);
  check_batches(net, &b);
  check_differences(net, &b);
  free_batch(net, &b);
}
