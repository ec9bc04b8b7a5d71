/* What happens to gradients between backward and the optimizer's step: several batches' are added up, long ones are
 * clipped; and the averaged copy of the weights behind the step. Used by loop.c. */
#ifndef SURGERY_GRADIENTS_H
#define SURGERY_GRADIENTS_H
#include "runtime/manifest.h"

/* sum = (first ? 0 : sum) + scale * grads, over what is trained now. */
void gradients_add(const Manifest *manifest, unsigned char *sum, const unsigned char *grads, double scale, bool first);
/* torch.nn.utils.clip_grad_norm_ over all that is trained now; returns the norm before. */
double gradients_clip(const Manifest *manifest, unsigned char *grads, double max_norm);
/* average = decay * average + (1 - decay) * weights, for every number of the state dict; integers are copied. What does
 * not move stays as it is, to the bit. */
void weights_average(const Manifest *manifest, unsigned char *average, const unsigned char *weights, double decay);
#endif
