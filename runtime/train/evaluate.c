/* The pass of evaluate.h. */
#include <stdlib.h>
#include "runtime/base/error.h"
#include "runtime/train/evaluate.h"

/* The batch's outputs and its loss; labels of 0 and 1 (`labels`: room for them) are made of classes. */
static int add_batch(surgery_net *net, const FeedBatch *b, float *labels, Metrics *metrics, surgery_error *err) {
  float loss;
  metrics_add(metrics, b->n, net->outputs[0], b->target);
  if (labels) net_one_hot(net->manifest, b->n, b->target, labels);
  if (net_loss(net, b->n, labels ? labels : b->target, &loss, err)) return -1;
  metrics_add_loss(metrics, b->n, b->target, (double)loss);
  return 0;
}

typedef struct Evaluation {
  surgery_net *net;
  BatchSource *feed;
  Metrics *metrics;
  float *labels; /* NULL: the targets are taken as they are */
} Evaluation;

static int one_batch(const Evaluation *e, NetFunction function, const FeedBatch *b, surgery_error *err) {
  NetRun run = {function, batch_source_phase(e->feed), .n = b->n, .x = b->x, .mask = b->mask};
  if (net_run(e->net, &run, err)) return -1;
  return b->n ? add_batch(e->net, b, e->labels, e->metrics, err) : 0;
}

int evaluate(surgery_net *net, BatchSource *feed, int64_t batch, Metrics *metrics, const volatile sig_atomic_t *stop,
             void (*each)(void *context, int64_t done, int64_t total), void *context, surgery_error *err) {
  NetFunction function = net_has(net, batch_source_phase(feed), NET_PREFIX) ? NET_TAIL : NET_FORWARD;
  Evaluation e = {net, feed, metrics, NULL};
  FeedBatch b;
  int status;
  int64_t done = 0;
  if (batch_source_start(feed, 0, NULL, 0, batch, err)) return -1;
  if (metrics->classes && metrics->target == LOSS_LABELS) {
    size_t values = (size_t)(batch * metrics->values);
    if (!(e.labels = calloc(values + 1, sizeof *e.labels)))
      return sg_fail_memory(err, "labels", values * sizeof *e.labels);
  }
  while ((status = batch_source_next(feed, &b, err)) > 0) {
    if (stop && *stop) status = sg_fail(err, SURGERY_INTERRUPTED, "interrupted");
    else status = one_batch(&e, function, &b, err);
    if (status) break;
    done += b.taken;
    if (each) each(context, done, batch_source_count(feed));
  }
  free(e.labels);
  if (status == 0 && metrics->samples == 0)
    return sg_fail(err, SURGERY_BAD_INPUT, "none of the %lld samples can be used", (long long)batch_source_count(feed));
  return status;
}
