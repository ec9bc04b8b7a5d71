/* A network on a whole data set, without training it. For `eval` and for the validation within training. */
#ifndef SURGERY_EVALUATE_H
#define SURGERY_EVALUATE_H
#include "runtime/train/batch_source.h"
#include "runtime/train/metrics.h"

/* One pass over the feed in batches; adds to metrics. `each`, if not NULL, is told after every batch. A set
 * *stop ends it early with SURGERY_INTERRUPTED. Nothing usable in the set is an error. */
int evaluate(surgery_net *net, BatchSource *feed, int64_t batch, Metrics *metrics, const volatile sig_atomic_t *stop,
             void (*each)(void *context, int64_t done, int64_t total), void *context, surgery_error *err);
#endif
