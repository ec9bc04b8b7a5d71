/* surgery_train_step: single steps for C programs, with the script's optimizer at a constant rate. Its state stays with
 * the network from the first step on, so that one that is never trained has none. Arguments are checked here, since
 * they come from other people's programs. Called by C programs, by itself or through NAME_train_step. */
#include <stdlib.h>
#include "runtime/net/net.h"
#include "runtime/train/optimizer.h"

static void end_stepping(void *optimizer) { optimizer_free(optimizer); }

/* NULL: no memory. */
static Optimizer *optimizer_of(surgery_net *net) {
  if (!net->stepping) net->stepping = optimizer_new(net->manifest, net_first_phase(net), NULL);
  net->end_stepping = end_stepping;
  return net->stepping;
}

static bool has_classes(const Manifest *m) { /* targets are classes even where the step takes floats */
  return !net_takes_floats(m) || (loss_target(&m->train->loss) == LOSS_CLASSES && m->train->mixup > 0);
}

static int check_step(const surgery_net *net, size_t n, const void *x, const int32_t *target) {
  if (!net) return SURGERY_NULL_ARGUMENT;
  if (!net_has(net, net_first_phase(net), NET_STEP)) return SURGERY_NOT_TRAINABLE;
  int failure = net_check_input(net, n, x, target);
  if (failure || n == 0) return failure;
  if (net_lonely_batchnorm(net->manifest, net_first_phase(net), (int64_t)n)) return SURGERY_SMALL_BATCH;
  return has_classes(net->manifest) && net_check_targets(net->manifest, (int64_t)n, target, NULL) ? SURGERY_BAD_TARGET
                                                                                                  : SURGERY_OK;
}

/* Whatever fails here is memory: the rest is checked. */
static int train_step(surgery_net *net, int64_t n, const void *x, const int32_t *mask, const int32_t *target,
                      float *loss) {
  const ManifestPhase *phase = net_first_phase(net);
  Optimizer *optimizer = optimizer_of(net);
  const void *input = NULL;
  if (!optimizer) return SURGERY_NO_MEMORY;
  if (net_has(net, phase, NET_PREFIX)) {
    if (net_features(net, phase, n, x, mask, NULL)) return SURGERY_NO_MEMORY;
    input = net->features;
  } else if (!(input = net_stage(net, n, x, NULL))) {
    return SURGERY_NO_MEMORY;
  }
  const void *taken = target;
  float *soft = NULL;
  if (net_takes_floats(net->manifest) && has_classes(net->manifest)) {
    if (!(soft = calloc((size_t)n, (size_t)net->manifest->outputs[0].shape.count * sizeof *soft)))
      return SURGERY_NO_MEMORY;
    net_one_hot(net->manifest, n, target, soft);
    taken = soft;
  }
  NetRun run = {NET_STEP, phase, .n = n, .x = input, .mask = mask, .target = taken, .loss = loss};
  int status = net_gradients(net, &run, NULL);
  if (status == 0) optimizer_step(optimizer, net);
  free(soft);
  return status ? SURGERY_NO_MEMORY : SURGERY_OK;
}

int surgery_train_step_masked(surgery_net *net, size_t n, const void *x, const int32_t *mask, const int32_t *target,
                              float *loss) {
  float ignored;
  if (!loss) loss = &ignored;
  *loss = 0;
  int failure = check_step(net, n, x, target);
  if (failure || n == 0) return failure;
  return train_step(net, (int64_t)n, x, mask, target, loss);
}

int surgery_train_step(surgery_net *net, size_t n, const float *x, const int32_t *target, float *loss) {
  return surgery_train_step_masked(net, n, x, NULL, target, loss);
}
