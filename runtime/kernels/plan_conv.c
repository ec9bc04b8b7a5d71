/* The host's side of the convolution templates: units, scratch and arithmetic of a call, from its constants.
 * The cuts themselves are in conv_units.h, which the templates read too. Called through kernel_info(). */
#include "runtime/kernels/conv_units.h"
#include "runtime/kernels/stem_units.h"
#include "runtime/kernels/units.h"
#include "runtime/kernels/winograd_units.h"

static double conv_flops(double oc, double ic_of_group, int64_t kh, int64_t kw, int64_t oh, int64_t ow) {
  return 2 * oc * ic_of_group * (double)(kh * kw) * (double)oh * (double)ow;
}
static double forward_flops(const Conv2dParams *k) {
  return conv_flops(k->oc, k->ic / k->groups, k->kh, k->kw, k->oh, k->ow);
}
static double gradient_flops(const Conv2dGradWeightParams *k) {
  return conv_flops(k->oc, k->ic / k->groups, k->kh, k->kw, k->oh, k->ow);
}
static double weight_bytes(const Conv2dParams *k) {
  return 4.0 * (double)(k->oc * (k->ic / k->groups) * k->kh * k->kw);
}
#define WINOGRAD_PREPARING                                                                                             \
  5 /* measured: transforming the weights takes as long as reading this many times their bytes */
static int64_t whole_lines(int64_t floats) { return ceil_div(floats, LANES) * LANES * 4; }

void plan_conv2d(const void *constants, CallPlan *plan) {
  const Conv2dParams *k = constants;
  ConvUnits u = conv_units(k);
  *plan = (CallPlan){.units_per_sample = u.bands * u.parts,
                     .scratch_bytes = u.flat ? 0 : whole_lines(HELD_FLOATS + u.images * u.in_image),
                     .weights_bytes = weight_bytes(k),
                     /* the gradient of a strided convolution multiplies by no zeros */
                     .flops_per_sample = forward_flops(k) / (double)(k->up_h * k->up_w)};
}

void plan_conv2d_im2col(const void *constants, CallPlan *plan) {
  *plan = (CallPlan){.units_fixed = 1, .flops_per_sample = forward_flops(constants)};
}

/* Scratch for whichever vectors the program will have; units do not depend on them. The arithmetic is that of the
 * convolution, whatever the method. */
void plan_conv2d_wino(const void *constants, CallPlan *plan) {
  const Conv2dParams *k = constants;
  WinogradUnits u = winograd_units(k, WINOGRAD_WIDE), narrow = winograd_units(k, WINOGRAD_NARROW);
  CallPlan direct; /* which it falls back to for few tiles */
  plan_conv2d(k, &direct);
  *plan = (CallPlan){.units_per_sample = u.bands * u.parts,
                     .scratch_bytes =
                         max64(whole_lines(HELD_FLOATS + max64(u.scratch, narrow.scratch)), direct.scratch_bytes),
                     .flops_per_sample = forward_flops(k),
                     .weights_bytes = WINOGRAD_PREPARING * weight_bytes(k),
                     .weights_samples = u.images};
}

void plan_conv2d_stem(const void *constants, CallPlan *plan) {
  const Conv2dParams *k = constants;
  StemUnits u = stem_units(k, STEM_WIDE), narrow = stem_units(k, STEM_NARROW);
  *plan = (CallPlan){.units_per_sample = u.bands,
                     .scratch_bytes = whole_lines(max64(u.scratch, narrow.scratch)),
                     .flops_per_sample = forward_flops(k),
                     .weights_bytes = WINOGRAD_WEIGHTS * weight_bytes(k)};
}

void plan_conv2d_pack(const void *constants, CallPlan *plan) {
  const Conv2dPackParams *k = constants;
  *plan = (CallPlan){.units_fixed = BLOCKS(k->oc)};
}
void plan_conv2d_pack_transposed(const void *constants, CallPlan *plan) {
  const Conv2dPackParams *k = constants;
  *plan = (CallPlan){.units_fixed = BLOCKS(k->ic)};
}
void plan_depthwise_pack(const void *constants, CallPlan *plan) {
  const Conv2dPackParams *k = constants;
  *plan = (CallPlan){.units_fixed = BLOCKS(k->oc)};
}

void plan_conv2d_grad_weight(const void *constants, CallPlan *plan) {
  const Conv2dGradWeightParams *k = constants;
  GradUnits u = grad_units(k);
  *plan = (CallPlan){.units_fixed = u.units,
                     .scratch_bytes = whole_lines(u.sums + (k->plain_x ? u.in_rows * u.in_cols : 0)),
                     .flops_per_sample = gradient_flops(k)};
}

int64_t grad_weight_shares(const Conv2dGradWeightParams *k, int winograd) {
  return winograd ? winograd_grad_units(k).shares : grad_units(k).shares;
}
void plan_conv2d_grad_weight_wino(const void *constants, CallPlan *plan) {
  const Conv2dGradWeightParams *k = constants;
  WinogradGradUnits u = winograd_grad_units(k);
  *plan = (CallPlan){
      .units_fixed = u.units, .scratch_bytes = whole_lines(u.scratch), .flops_per_sample = gradient_flops(k)};
}
void plan_conv2d_grad_weight_sum(const void *constants, CallPlan *plan) {
  const GradWeightSumParams *k = constants;
  *plan = (CallPlan){.units_fixed = units_of(k->count, ELEMENTWISE_CHUNK)};
}

void plan_channel_sum(const void *constants, CallPlan *plan) {
  const ChannelSumParams *k = constants;
  *plan = (CallPlan){.units_fixed = BLOCKS(k->c), .flops_per_sample = (double)k->c * (double)k->hw};
}

void plan_depthwise(const void *constants, CallPlan *plan) {
  const Conv2dParams *k = constants;
  *plan = (CallPlan){.units_per_sample = BLOCKS(k->oc) * depthwise_bands(k->oc, k->oh),
                     .flops_per_sample = forward_flops(k)};
}
void plan_depthwise_grad_input(const void *constants, CallPlan *plan) {
  const Conv2dGradWeightParams *k = constants;
  *plan = (CallPlan){.units_per_sample = BLOCKS(k->ic) * depthwise_bands(k->ic, k->ih),
                     .flops_per_sample = gradient_flops(k)};
}
void plan_depthwise_grad_weight(const void *constants, CallPlan *plan) {
  const Conv2dGradWeightParams *k = constants;
  *plan = (CallPlan){
      .units_fixed = BLOCKS(k->oc), .scratch_bytes = k->kh * k->kw * LANES * 4, .flops_per_sample = gradient_flops(k)};
}

void plan_conv2d_generic(const void *constants, CallPlan *plan) {
  const Conv2dParams *k = constants;
  *plan = (CallPlan){.units_per_sample = BLOCKS(k->oc), .flops_per_sample = forward_flops(k)};
}
void plan_conv2d_generic_grad_input(const void *constants, CallPlan *plan) {
  const Conv2dGradWeightParams *k = constants;
  *plan = (CallPlan){.units_per_sample = BLOCKS(k->ic), .flops_per_sample = gradient_flops(k)};
}
void plan_conv2d_generic_grad_weight(const void *constants, CallPlan *plan) {
  const Conv2dGradWeightParams *k = constants;
  *plan = (CallPlan){.units_fixed = k->oc, .flops_per_sample = gradient_flops(k)};
}
