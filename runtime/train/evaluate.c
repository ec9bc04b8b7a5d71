/* The pass of evaluate.h. */
#include "runtime/base/error.h"
#include "runtime/train/evaluate.h"

int evaluate(surgery_net *net, BatchSource *feed, int64_t batch, Metrics *metrics, const volatile sig_atomic_t *stop,
             void (*each)(void *context, int64_t done, int64_t total), void *context, surgery_error *err) {
  const ManifestPhase *phase = batch_source_phase(feed);
  NetFunction function = net_has(net, phase, NET_PREFIX) ? NET_TAIL : NET_FORWARD;
  FeedBatch b;
  int status;
  int64_t done = 0;
  if (batch_source_start(feed, 0, NULL, 0, batch, err)) return -1;
  while ((status = batch_source_next(feed, &b, err)) > 0) {
    if (stop && *stop) return sg_fail(err, SURGERY_INTERRUPTED, "interrupted");
    if (net_run(net, &(NetRun){function, phase, .n = b.n, .x = b.x, .mask = b.mask}, err)) return -1;
    if (b.n) metrics_add(metrics, b.n, net->outputs[0], b.target);
    done += b.taken;
    if (each) each(context, done, batch_source_count(feed));
  }
  if (status == 0 && metrics->samples == 0)
    return sg_fail(err, SURGERY_BAD_INPUT, "none of the %lld samples can be used", (long long)batch_source_count(feed));
  return status;
}
