/* What the calls of forward take on this machine, one by one, for one sample: generated code notes when each is
 * done (sg_mark). Fused layers are timed with the one they are fused into. The least of several runs counts:
 * what other programs take away makes a run longer, nothing makes it shorter. */
#include <stdlib.h>
#include "runtime/cli/inspect.h"
#include "runtime/base/error.h"
#include "runtime/train/batch_source.h"

#define RUNS 12

int times_measure(Times *t, surgery_net *net, const float *x, surgery_error *err) {
  const Manifest *m = net->manifest;
  size_t calls = m->forward_call_count;
  *t = (Times){.value = calloc(m->value_count + 1, sizeof *t->value)};
  double *ends = calloc(calls + 1, sizeof *ends), *least = calloc(calls + 1, sizeof *least), start;
  int status = t->value && ends && least ? 0 : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  for (int run = -1; run < RUNS && status == 0; run++) { /* the first warms up */
    start = seconds_now();
    status = net_run(net, &(NetRun){NET_FORWARD, .n = 1, .x = x, .times = ends}, err);
    if (status || run < 0) continue;
    for (size_t i = 0; i < calls; i++) {
      double spent = ends[i] - (i ? ends[i - 1] : start);
      if (run == 0 || spent < least[i]) least[i] = spent;
    }
  }
  for (size_t i = 0; i < calls && status == 0; i++) {
    t->forward += least[i];
    if (m->forward_calls[i] >= 0) t->value[m->forward_calls[i]] += least[i];
  }
  free(ends), free(least);
  return status;
}

void times_free(Times *t) { free(t->value); }
