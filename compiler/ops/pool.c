/* Pooling, in NCHW16c, and means over whole dimensions. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"

/* ---- windows ---- */

/* PyTorch's pooling_output_shape: with ceil_mode the last window must begin inside the input or its left padding. */
static int64_t pool_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                         bool ceil_mode) {
  int64_t span = in + 2 * padding - dilation * (kernel - 1) - 1;
  if (span < 0 && !(ceil_mode && span + stride - 1 >= 0)) return 0;
  int64_t out = (span + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (out - 1) * stride >= in + padding) out--;
  return out;
}

/* What both poolings have; the rest lies elsewhere in each. */
static bool pool_ceil_mode(OpId op, const OpArgs *a) {
  return op == OP_MaxPool2d ? a->MaxPool2d.ceil_mode : a->AvgPool2d.ceil_mode;
}

bool shape_pool2d(ShapeContext *c) {
  MaxPool2dArgs *a = &c->args->MaxPool2d; /* the window's first three are AvgPool2d's, too */
  bool ceil_mode = pool_ceil_mode(c->op, c->args);
  if (c->in[0].rank != 3) return shape_wants_rank(c, "(N, C, H, W)", "pooling needs a map: put it before the flatten");
  Shape out = c->in[0];
  for (int i = 0; i < 2; i++) {
    if (a->stride[i] == NONE_VALUE) a->stride[i] = a->kernel_size[i];
    int64_t dilation = c->op == OP_MaxPool2d ? a->dilation[i] : 1;
    if (a->padding[i] > a->kernel_size[i] / 2) {
      Span own = c->args->arg_span[2]; /* padding, in both rows */
      bool there = shape_in_script(c, own);
      Diag *d = diag_report(&c->s->diags, DIAG_E0306, there ? own : c->node->origin,
                            "%s: padding %lld is more than half of the window %lld", c->node->name,
                            (long long)a->padding[i], (long long)a->kernel_size[i]);
      diag_help(&c->s->diags, d, "at most padding=%lld", (long long)a->kernel_size[i] / 2);
      if (there && a->padding[0] == a->padding[1])
        diag_fix(&c->s->diags, d, own, "%lld", (long long)a->kernel_size[i] / 2);
      return false;
    }
    out.dim[1 + i] =
        pool_size(c->in[0].dim[1 + i], a->kernel_size[i], a->stride[i], a->padding[i], dilation, ceil_mode);
    if (out.dim[1 + i] <= 0)
      return shape_window_too_large(c, i, dilation * (a->kernel_size[i] - 1) + 1,
                                    c->in[0].dim[1 + i] + 2 * a->padding[i]);
  }
  *c->out = out;
  return true;
}

bool shape_adaptive_avgpool2d(ShapeContext *c) {
  if (c->in[0].rank != 3) return shape_wants_rank(c, "(N, C, H, W)", "pooling needs a map: put it before the flatten");
  *c->out = c->in[0];
  for (int i = 0; i < 2; i++)
    if (c->args->AdaptiveAvgPool2d.output_size[i] != NONE_VALUE)
      c->out->dim[1 + i] = c->args->AdaptiveAvgPool2d.output_size[i];
  return true;
}

static Pool2dParams pool_constants(const Lower *l, NodeId n) {
  const OpArgs *args = node_args(l->g, n);
  const MaxPool2dArgs *a = &args->MaxPool2d;
  const Node *node = node_at(l->g, n);
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
                        .count_include_pad = !max && args->AvgPool2d.count_include_pad};
}

static AdaptivePoolParams adaptive_constants(const Lower *l, NodeId n) {
  const Node *node = node_at(l->g, n);
  const Shape *in = value_shape(l, node->inputs.at[0]), *out = value_shape(l, node->output);
  return (AdaptivePoolParams){
      .c = in->dim[0], .ih = in->dim[1], .iw = in->dim[2], .oh = out->dim[1], .ow = out->dim[2]};
}

static BufferId input_of(Lower *l, NodeId n) { return value_in(l, input_value(l, n), LAYOUT_NCHW16C); }
void lower_maxpool2d(Lower *l, NodeId n) {
  Pool2dParams k = pool_constants(l, n);
  BufferId x = input_of(l, n);
  EMIT(l, maxpool2d, &k, n, "forward", .x = x, .y = node_out(l, n, LAYOUT_NCHW16C));
}

void lower_avgpool2d(Lower *l, NodeId n) {
  Pool2dParams k = pool_constants(l, n);
  BufferId x = input_of(l, n);
  EMIT(l, avgpool2d, &k, n, "forward", .x = x, .y = node_out(l, n, LAYOUT_NCHW16C));
}

void lower_adaptive_avgpool2d(Lower *l, NodeId n) {
  AdaptivePoolParams k = adaptive_constants(l, n);
  BufferId x = input_of(l, n);
  EMIT(l, adaptive_avgpool2d, &k, n, "forward", .x = x, .y = node_out(l, n, LAYOUT_NCHW16C));
}

void grad_maxpool2d(Lower *l, NodeId n) {
  Pool2dParams k = pool_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW16C);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW16C);
  k.accumulate = dx.accumulate;
  EMIT(l, maxpool2d_grad, &k, n, "grad_input", .x = input_of(l, n), .dy = dy, .dx = dx.buffer);
  grad_end(l, n, &dx);
}

void grad_avgpool2d(Lower *l, NodeId n) {
  Pool2dParams k = pool_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW16C);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW16C);
  k.accumulate = dx.accumulate;
  EMIT(l, avgpool2d_grad, &k, n, "grad_input", .dy = dy, .dx = dx.buffer);
  grad_end(l, n, &dx);
}

void grad_adaptive_avgpool2d(Lower *l, NodeId n) {
  AdaptivePoolParams k = adaptive_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW16C);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW16C);
  k.accumulate = dx.accumulate;
  EMIT(l, adaptive_avgpool2d_grad, &k, n, "grad_input", .dy = dy, .dx = dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- mean: over each run of neighbouring dimensions in turn, from the last to the first ---- */

bool shape_mean(ShapeContext *c) {
  const Shape *in = &c->in[0];
  bool gone[MAX_SHAPE_RANK] = {false};
  for (int i = 0; i < c->args->mean.dim.count; i++) {
    int dim = shape_inner_dimension(in, c->args->mean.dim.at[i]);
    if (dim < 0 || gone[dim]) return shape_bad_dimension(c, 0, c->args->mean.dim.at[i], dim >= 0);
    gone[dim] = true;
  }
  *c->out = (Shape){.rank = 0, .dtype = in->dtype};
  for (int i = 0; i < in->rank; i++) {
    if (!gone[i]) c->out->dim[c->out->rank++] = in->dim[i];
    else if (c->args->mean.keepdim) c->out->dim[c->out->rank++] = 1;
  }
  return true;
}

typedef struct MeanStep {
  MeanParams k;
  int64_t count; /* of the result */
} MeanStep;

static int mean_steps(const Lower *l, NodeId n, MeanStep *steps) {
  Shape shape = *value_shape(l, input_value(l, n));
  const meanArgs *a = &node_args(l->g, n)->mean;
  bool gone[MAX_SHAPE_RANK] = {false};
  for (int i = 0; i < a->dim.count; i++) gone[shape_around(&shape, a->dim.at[i]).at] = true;
  int count = 0;
  for (int end = shape.rank; end > 0; end--) {
    if (!gone[end - 1]) continue;
    int begin = end - 1;
    while (begin > 0 && gone[begin - 1]) begin--;
    MeanStep step = {{.outer = 1, .reduce = 1, .inner = 1}, 0};
    for (int i = 0; i < shape.rank; i++)
      *(i < begin ? &step.k.outer : i < end ? &step.k.reduce : &step.k.inner) *= shape.dim[i];
    for (int i = begin; i < end; i++) shape.dim[i] = 1;
    step.count = step.k.outer * step.k.inner;
    steps[count++] = step;
    end = begin + 1;
  }
  return count;
}

void lower_mean(Lower *l, NodeId n) {
  MeanStep steps[MAX_SHAPE_RANK];
  int count = mean_steps(l, n, steps);
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  for (int i = 0; i < count; i++) {
    BufferId y = i + 1 < count ? new_buffer(l, node_at(l->g, n)->name, true, steps[i].count * 4)
                               : value_out(l, output_value(l, n), LAYOUT_NCHW);
    EMIT(l, mean, &steps[i].k, n, "forward", .x = x, .y = y);
    x = y;
  }
  l->node[n].y = x;
}

void grad_mean(Lower *l, NodeId n) {
  MeanStep steps[MAX_SHAPE_RANK];
  int count = mean_steps(l, n, steps);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  for (int i = count - 1; i > 0; i--) {
    BufferId dx = new_buffer(l, node_at(l->g, n)->name, true, steps[i - 1].count * 4);
    EMIT(l, mean_grad, &steps[i].k, n, "grad_input", .dy = dy, .dx = dx);
    dy = dx;
  }
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  steps[0].k.accumulate = dx.accumulate;
  EMIT(l, mean_grad, &steps[0].k, n, "grad_input", .dy = dy, .dx = dx.buffer);
  grad_end(l, n, &dx);
}
