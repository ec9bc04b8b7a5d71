/* What happens to gradients between backward and the optimizer's step: several batches' are added up, long ones are
 * clipped; and the averaged copy of the weights after the step. Each on the threads of sg_parallel, with the same
 * result for any number of them. Used by loop.c. */
#ifndef SURGERY_GRADIENTS_H
#define SURGERY_GRADIENTS_H
#include "runtime/train/chunks.h"

/* sum = (first ? 0 : sum) + scale * grads, over what is trained now. */
void gradients_add(const Chunks *trained, unsigned char *sum, const unsigned char *grads, double scale, bool first);
/* torch.nn.utils.clip_grad_norm_ over all that is trained now; returns the norm before. */
double gradients_clip(const Chunks *trained, unsigned char *grads, double max_norm);
/* average = decay * average + (1 - decay) * weights, for every number of the state dict; integers are copied. What does
 * not move stays as it is, to the bit. `all`: the chunks of all floats. */
void weights_average(const Manifest *manifest, const Chunks *all, unsigned char *average, const unsigned char *weights,
                     double decay);
double sum_of_squares(const float *at, int64_t count);
#endif
