/* Pooling, in the blocked layout. */
#include "compiler/ops/lower.h"

static Pool2dParams pool_constants(const Lower *l, NodeId n) {
  const OpArgs *a = node_args(l->g, n);
  const Node *node = &l->g->nodes.at[n];
  const Shape *in = value_shape(l, node->inputs.at[0]), *out = value_shape(l, node->output);
  bool max = node->op == OP_MaxPool2d;
  return (Pool2dParams){.c = in->dim[0],
                        .ih = in->dim[1],
                        .iw = in->dim[2],
                        .oh = out->dim[1],
                        .ow = out->dim[2],
                        .kh = a->kernel_size[0],
                        .kw = a->kernel_size[1],
                        .stride_h = a->stride[0],
                        .stride_w = a->stride[1],
                        .pad_h = a->padding[0],
                        .pad_w = a->padding[1],
                        .dil_h = max ? a->dilation[0] : 1,
                        .dil_w = max ? a->dilation[1] : 1,
                        .count_include_pad = a->count_include_pad};
}

static AdaptivePoolParams adaptive_constants(const Lower *l, NodeId n) {
  const Node *node = &l->g->nodes.at[n];
  const Shape *in = value_shape(l, node->inputs.at[0]), *out = value_shape(l, node->output);
  return (AdaptivePoolParams){
      .c = in->dim[0], .ih = in->dim[1], .iw = in->dim[2], .oh = out->dim[1], .ow = out->dim[2]};
}

static BufferId input_of(Lower *l, NodeId n) { return value_in(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_NCHW16C); }
static BufferId output_of(Lower *l, NodeId n) {
  return l->node[n].y = value_out(l, l->g->nodes.at[n].output, LAYOUT_NCHW16C);
}

void lower_maxpool2d(Lower *l, NodeId n) {
  Pool2dParams k = pool_constants(l, n);
  BufferId x = input_of(l, n);
  EMIT(l, maxpool2d, &k, n, "forward", x, output_of(l, n));
}

void lower_avgpool2d(Lower *l, NodeId n) {
  Pool2dParams k = pool_constants(l, n);
  BufferId x = input_of(l, n);
  EMIT(l, avgpool2d, &k, n, "forward", x, output_of(l, n));
}

void lower_adaptive_avgpool2d(Lower *l, NodeId n) {
  AdaptivePoolParams k = adaptive_constants(l, n);
  BufferId x = input_of(l, n);
  EMIT(l, adaptive_avgpool2d, &k, n, "forward", x, output_of(l, n));
}

void grad_maxpool2d(Lower *l, NodeId n) {
  Pool2dParams k = pool_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW16C);
  GradOut dx = grad_begin(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_NCHW16C);
  k.accumulate = dx.accumulate;
  EMIT(l, maxpool2d_grad, &k, n, "grad_input", input_of(l, n), dy, dx.buffer);
  grad_end(l, n, &dx);
}

void grad_avgpool2d(Lower *l, NodeId n) {
  Pool2dParams k = pool_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW16C);
  GradOut dx = grad_begin(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_NCHW16C);
  k.accumulate = dx.accumulate;
  EMIT(l, avgpool2d_grad, &k, n, "grad_input", dy, dx.buffer);
  grad_end(l, n, &dx);
}

void grad_adaptive_avgpool2d(Lower *l, NodeId n) {
  AdaptivePoolParams k = adaptive_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW16C);
  GradOut dx = grad_begin(l, l->g->nodes.at[n].inputs.at[0], LAYOUT_NCHW16C);
  k.accumulate = dx.accumulate;
  EMIT(l, adaptive_avgpool2d_grad, &k, n, "grad_input", dy, dx.buffer);
  grad_end(l, n, &dx);
}
