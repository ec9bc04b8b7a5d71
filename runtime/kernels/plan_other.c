/* How the calls of all kernels but convolutions and sequences are cut into units, and what they cost. Read by the
 * analysis when it makes a call; the same counts are taken apart again by the templates (units.h). None needs
 * scratch. */
#include "runtime/kernels/plan.h"

/* ---- pool.c ---- */

static double pool_flops(const Pool2dParams *k) { return (double)(k->c * k->oh * k->ow) * (double)(k->kh * k->kw); }
PLAN(maxpool2d) {
  const Pool2dParams *k = constants;
  per_sample(plan, BLOCKS(k->c) * k->oh, pool_flops(k));
}
PLAN(maxpool2d_grad) {
  const Pool2dParams *k = constants;
  per_sample(plan, BLOCKS(k->c), 2 * pool_flops(k));
}
PLAN(avgpool2d) { plan_maxpool2d(constants, plan); }
PLAN(avgpool2d_grad) {
  const Pool2dParams *k = constants;
  per_sample(plan, BLOCKS(k->c), pool_flops(k));
}
PLAN(adaptive_avgpool2d) {
  const AdaptivePoolParams *k = constants;
  per_sample(plan, BLOCKS(k->c), (double)(k->c * k->ih * k->iw));
}
PLAN(adaptive_avgpool2d_grad) { plan_adaptive_avgpool2d(constants, plan); }

/* ---- norm.c ---- */

static int64_t norm_values(const BatchNormParams *k) { return k->c * (k->plain ? 1 : k->hw); }
static int64_t norm_units(const BatchNormParams *k) { return k->plain ? 1 : units_pixels(BLOCKS(k->c), k->hw); }
PLAN(batchnorm_stats) {
  const BatchNormParams *k = constants;
  fixed(plan, BLOCKS(k->c), 5.0 * (double)norm_values(k));
}
PLAN(batchnorm_apply) {
  const BatchNormParams *k = constants;
  per_sample(plan, norm_units(k), 3.0 * (double)norm_values(k));
}
PLAN(batchnorm_grad_sums) {
  const BatchNormParams *k = constants;
  fixed(plan, BLOCKS(k->c), 4.0 * (double)norm_values(k));
}
PLAN(batchnorm_grad_params) {
  const BatchNormParams *k = constants;
  fixed(plan, BLOCKS(k->c), 0);
}
PLAN(batchnorm_grad_input) {
  const BatchNormParams *k = constants;
  per_sample(plan, norm_units(k), 5.0 * (double)norm_values(k));
}

/* ---- elementwise.c ---- */

static void elementwise(const ElementwiseParams *k, CallPlan *plan, double flops) {
  per_sample(plan, units_of(k->count, ELEMENTWISE_CHUNK), flops * (double)k->count);
}
static double activation_flops(int64_t activation) {
  return activation == ACT_NONE ? 0 : activation <= ACT_LEAKY_RELU ? 1 : 20;
}
PLAN(activation) {
  const ElementwiseParams *k = constants;
  elementwise(k, plan, activation_flops(k->activation));
}
PLAN(activation_grad) {
  const ElementwiseParams *k = constants;
  elementwise(k, plan, 1 + activation_flops(k->activation));
}
PLAN(add) {
  const ElementwiseParams *k = constants;
  elementwise(k, plan, 1 + activation_flops(k->activation));
}
PLAN(copy) { elementwise(constants, plan, 0); }
PLAN(scale) { elementwise(constants, plan, 1); }
PLAN(dropout) {
  const DropoutParams *k = constants;
  per_sample(plan, units_of(k->count, ELEMENTWISE_CHUNK), 10.0 * (double)k->count);
}

/* ---- layout.c ---- */

PLAN(to_nchw16c) {
  const LayoutParams *k = constants;
  per_sample(plan, units_pixels(BLOCKS(k->c), k->h * k->w), 0);
}
PLAN(to_nchw) { plan_to_nchw16c(constants, plan); }
PLAN(cat_copy) {
  const CatParams *k = constants;
  per_sample(plan, k->plain ? k->outer : cat_blocks(k), 0);
}
PLAN(cat_grad) {
  const CatParams *k = constants;
  per_sample(plan, k->plain ? k->outer : BLOCKS(k->c), 0);
}

/* ---- reduce.c ---- */

static void reduce(const MeanParams *k, CallPlan *plan, double flops) {
  per_sample(plan, k->outer, flops * (double)(k->outer * k->reduce * k->inner));
}
PLAN(mean) { reduce(constants, plan, 1); }
PLAN(mean_grad) { reduce(constants, plan, 1); }
PLAN(softmax) { reduce(constants, plan, 20); }
PLAN(softmax_grad) { reduce(constants, plan, 4); }

/* ---- loss.c ---- */

PLAN(cross_entropy) {
  const CrossEntropyParams *k = constants;
  fixed(plan, 1, 25.0 * (double)(k->classes * k->positions));
}
PLAN(mse) {
  const RegressionParams *k = constants;
  fixed(plan, 1, 4.0 * (double)k->count);
}
PLAN(l1) { plan_mse(constants, plan); }
PLAN(bce_with_logits) {
  const BinaryParams *k = constants;
  fixed(plan, 1, 30.0 * (double)(k->classes * k->positions));
}

/* ---- runtime/kernels/blas.c: called once, so no units ---- */

static double linear_flops(const LinearParams *k) { return 2.0 * (double)k->rows * (double)k->in * (double)k->out; }
PLAN(linear) {
  const LinearParams *k = constants;
  fixed(plan, 1, linear_flops(k));
  plan->weights_bytes = 4.0 * (double)k->in * (double)k->out;
}
PLAN(linear_grad_input) { fixed(plan, 1, linear_flops(constants)); }
PLAN(linear_grad_weight) { fixed(plan, 1, linear_flops(constants)); }
PLAN(linear_grad_bias) {
  const LinearParams *k = constants;
  fixed(plan, 1, (double)(k->rows * k->out));
}
