/* SGD, Adam, AdamW and RMSprop with the arithmetic of torch.optim (1.13), over the flat tensors of an opened network.
 * State is kept for trainable tensors only, in arrays laid out as the gradients are. Owned by the training loop and by
 * step.c; checkpoints read and write the state. */
#ifndef SURGERY_OPTIMIZER_H
#define SURGERY_OPTIMIZER_H
#include "runtime/net/net.h"
#include "runtime/train/chunks.h"

typedef struct Optimizer Optimizer;
/* Of a phase of the manifest; both must outlive it. NULL with *err: no memory, or arguments that torch refuses. */
Optimizer *optimizer_new(const Manifest *manifest, const ManifestPhase *phase, surgery_error *err);
void optimizer_free(Optimizer *optimizer);
/* One step: every trainable tensor in weights is updated from its gradient. On the threads of sg_parallel. */
void optimizer_apply(Optimizer *optimizer, unsigned char *weights, const unsigned char *grads);
const Chunks *optimizer_chunks(const Optimizer *optimizer); /* of what it trains */
const ManifestPhase *optimizer_phase(const Optimizer *optimizer);
/* optimizer_apply on the network's weights with its gradients: what the phase trains is trained now, and packed anew
 * where it has to be. */
void optimizer_step(Optimizer *optimizer, surgery_net *net);
double optimizer_lr(const Optimizer *optimizer); /* of the default group, now */
/* The phase's schedule holds from now on: `total` epochs or steps in all, as it counts. Without this call rates are
 * constant. Sets the rate to one_cycle's max_lr; optimizer_set_lr may follow. */
void optimizer_set_schedule(Optimizer *optimizer, int64_t total);
void optimizer_set_time(Optimizer *optimizer, int64_t time); /* epochs or steps done */
void optimizer_set_lr(Optimizer *optimizer, double lr);      /* groups with a rate of their own keep it */
/* For checkpoints: steps done, and the state arrays (grads_bytes each) by torch's names. */
int64_t *optimizer_steps(Optimizer *optimizer);
int optimizer_state_count(const Optimizer *optimizer);
const char *optimizer_state_name(const Optimizer *optimizer, int index);
unsigned char *optimizer_state(const Optimizer *optimizer, int index);
#endif
