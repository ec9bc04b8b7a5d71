/* Convolutions.
 *
 * Where no gradient flows through it (evaluation, or a frozen part of the network), a following BatchNorm that uses
 * its stored statistics is folded into the packed weights. Packed weights of frozen layers are made once, by
 * pack(); those of trained layers in every step, in the arena. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"
#include <inttypes.h>

/* ---- arguments, parameters, shapes ---- */

static int64_t conv_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  int64_t span = in + 2 * padding - dilation * (kernel - 1) - 1;
  return span < 0 ? 0 : span / stride + 1;
}

/* Do the groups divide the channels, those that are known? */
static bool groups_fit(Session *s, const OpArgs *args, Span call) {
  const Conv2dArgs *a = &args->Conv2d;
  enum { GROUPS = 6 }; /* its place in the row */
  bool out = a->out_channels % a->groups != 0, in = a->in_channels != HOLE_VALUE && a->in_channels % a->groups != 0;
  if (!out && !in) return true;
  int64_t channels = out ? a->out_channels : a->in_channels;
  Diag *d = front_error(s, DIAG_E0113, args->arg_span[GROUPS].end ? args->arg_span[GROUPS] : call,
                        "Conv2d: groups=%" PRId64 " does not divide %s=%" PRId64, a->groups,
                        out ? "out_channels" : "in_channels", channels);
  const char *list = "1";
  int count = 1;
  for (int64_t i = 2; i <= channels && i <= 65536 && count < 12; i++)
    if (channels % i == 0 &&
        (out ? a->in_channels == HOLE_VALUE || a->in_channels % i == 0 : a->out_channels % i == 0)) {
      list = arena_printf(s->arena, "%s, %" PRId64, list, i);
      count++;
    }
  diag_help(&s->diags, d, "each group has the same number of channels, in and out: groups=%s%s", list,
            count == 12 ? ", …" : "");
  return false;
}

bool check_conv2d(Session *s, OpArgs *a, Span call) { return groups_fit(s, a, call); }

static double conv_fan_in(const Conv2dArgs *a) {
  return (double)(a->in_channels / a->groups) * (double)a->kernel_size[0] * (double)a->kernel_size[1];
}

ParamValue value_conv2d_weight(const OpArgs *args) {
  const Conv2dArgs *a = &args->Conv2d;
  Shape shape = {.rank = 4, .dim = {a->out_channels, a->in_channels / a->groups, a->kernel_size[0], a->kernel_size[1]}};
  return value_uniform_fan_in(shape, conv_fan_in(a));
}
ParamValue value_conv2d_bias(const OpArgs *args) {
  const Conv2dArgs *a = &args->Conv2d;
  return value_uniform_fan_in(shape_vector(a->out_channels), conv_fan_in(a));
}

bool shape_conv2d(ShapeContext *c) {
  Conv2dArgs *a = &c->args->Conv2d;
  if (c->in[0].rank != 3)
    return shape_wants_rank(c, "(N, C, H, W)", "a convolution needs a map: put it before the flatten");
  bool hole = a->in_channels == HOLE_VALUE;
  bool fits = shape_match_features(c, "input channels", &a->in_channels, c->in[0].dim[0]);
  if (hole && !groups_fit(c->s, c->args, c->node->origin)) return false;
  Shape out = {.rank = 3, .dim = {a->out_channels}};
  for (int i = 0; i < 2; i++) {
    out.dim[1 + i] = conv_size(c->in[0].dim[1 + i], a->kernel_size[i], a->stride[i], a->padding[i], a->dilation[i]);
    if (out.dim[1 + i] <= 0)
      return shape_window_too_large(c, i, a->dilation[i] * (a->kernel_size[i] - 1) + 1,
                                    c->in[0].dim[1 + i] + 2 * a->padding[i]);
  }
  *c->out = out;
  return fits;
}

/* ---- kernels and packed weights ---- */

typedef enum ConvKind { CONV_DIRECT, CONV_DEPTHWISE, CONV_ANY } ConvKind;

static ConvKind conv_kind(const Conv2dArgs *a) {
  if (a->groups == 1) return CONV_DIRECT;
  if (a->groups == a->in_channels && a->groups == a->out_channels) return CONV_DEPTHWISE;
  bool whole = (a->in_channels / a->groups) % LANES == 0 && (a->out_channels / a->groups) % LANES == 0;
  return whole ? CONV_DIRECT : CONV_ANY;
}

/* An image of few channels stays as it is; padding 3 channels to 16 would waste most of the work. */
static bool takes_plain(const Lower *l, NodeId n) {
  const Conv2dArgs *a = &node_args(l->g, n)->Conv2d;
  const ValueState *in = &l->value[input_value(l, n)];
  return conv_kind(a) == CONV_DIRECT && a->groups == 1 && a->in_channels < LANES && in->at[LAYOUT_NCHW] != NO_ID &&
         in->at[LAYOUT_NCHW16C] == NO_ID;
}

static bool params_frozen(const Graph *g, NodeId n) {
  const Module *m = module_at(g, node_at(g, n)->module);
  for (size_t i = 0; i < m->params.count; i++)
    if (param_at(g, m->params.at[i])->trainable) return false;
  return true;
}

static int64_t packed_floats(const Conv2dArgs *a, bool plain, bool transposed) {
  int64_t taps = a->kernel_size[0] * a->kernel_size[1];
  if (conv_kind(a) == CONV_DEPTHWISE) return BLOCKS(a->out_channels) * taps * LANES;
  int64_t in = a->in_channels / a->groups, out = a->out_channels / a->groups;
  if (plain) return BLOCKS(a->out_channels) * LANES * taps * in;
  int64_t blocks = a->groups * BLOCKS(transposed ? in : out) * BLOCKS(transposed ? out : in);
  return blocks * taps * LANES * LANES;
}

/* One layer, or two that hold the same tensors: what is packed of one is packed of the other. */
static bool same_weights(const Lower *l, ModuleId a, ModuleId b) {
  if (a == b || a == NO_ID || b == NO_ID) return a == b;
  const Module *ma = module_at(l->g, a), *mb = module_at(l->g, b);
  const OpArgs *x = &ma->args, *y = &mb->args;
  bool same = ma->op == mb->op && ma->params.count == mb->params.count;
  if (same && ma->op == OP_Conv2d)
    same = x->Conv2d.groups == y->Conv2d.groups && x->Conv2d.in_channels == y->Conv2d.in_channels;
  else if (same) same = x->BatchNorm2d.eps == y->BatchNorm2d.eps;
  for (size_t i = 0; same && i < ma->params.count; i++)
    same = l->plan->weight_offset.at[ma->params.at[i]] == l->plan->weight_offset.at[mb->params.at[i]];
  return same;
}

static Conv2dPackParams pack_constants(const Lower *l, NodeId conv, NodeId bn, bool plain) {
  const Conv2dArgs *a = &node_args(l->g, conv)->Conv2d;
  const BatchNorm2dArgs *b = bn == NO_ID ? NULL : &node_args(l->g, bn)->BatchNorm2d;
  return (Conv2dPackParams){.groups = a->groups,
                            .ic = a->in_channels,
                            .oc = a->out_channels,
                            .kh = a->kernel_size[0],
                            .kw = a->kernel_size[1],
                            .nchw_x = plain,
                            .has_bias = a->bias,
                            .fold_bn = b != NULL,
                            .bn_affine = b && b->affine,
                            .eps = b ? b->eps : 0};
}

static void emit_pack(Lower *l, NodeId conv, NodeId bn, bool plain, bool transposed, BufferId packed, BufferId bias) {
  Conv2dPackParams k = pack_constants(l, conv, bn, plain);
  BufferId w = param_buffer(l, conv, "weight");
  if (transposed) {
    EMIT(l, conv2d_pack_transposed, &k, conv, "pack_transposed", .w = w, .packed = packed);
    return;
  }
  BufferId b = param_buffer(l, conv, "bias"), bn_w = NO_ID, bn_b = NO_ID, mean = NO_ID, var = NO_ID;
  if (bn != NO_ID) {
    bn_w = param_buffer(l, bn, "weight");
    bn_b = param_buffer(l, bn, "bias");
    mean = param_buffer(l, bn, "running_mean");
    var = param_buffer(l, bn, "running_var");
  }
  if (conv_kind(&node_args(l->g, conv)->Conv2d) == CONV_DEPTHWISE)
    EMIT(l, depthwise_pack, &k, conv, "pack", .w = w, .bias = b, .bn_weight = bn_w, .bn_bias = bn_b, .bn_mean = mean,
         .bn_var = var, .packed = packed, .packed_bias = bias);
  else
    EMIT(l, conv2d_pack, &k, conv, "pack", .w = w, .bias = b, .bn_weight = bn_w, .bn_bias = bn_b, .bn_mean = mean,
         .bn_var = var, .packed = packed, .packed_bias = bias);
}

/* The packed weights of a convolution: a place in the network's packed memory, filled by pack(), when the layer is
 * frozen or this is evaluation; else a buffer of the step. */
static BufferId packed_weights(Lower *l, NodeId conv, NodeId bn, bool plain, bool transposed, BufferId *bias) {
  const Graph *g = l->g;
  const Conv2dArgs *a = &node_args(g, conv)->Conv2d;
  const char *name = arena_printf(l->arena, "packed %s", node_at(g, conv)->name);
  int64_t bytes = round_up_64(packed_floats(a, plain, transposed) * 4);
  int64_t bias_bytes = transposed ? 0 : BLOCKS(a->out_channels) * LANES * 4;
  if (l->training && !params_frozen(g, conv)) {
    BufferId packed = new_buffer(l, name, false, bytes);
    *bias = transposed ? NO_ID : new_buffer(l, name, false, bias_bytes);
    emit_pack(l, conv, bn, plain, transposed, packed, *bias);
    return packed;
  }
  ModuleId cm = node_at(g, conv)->module, bm = bn == NO_ID ? NO_ID : node_at(g, bn)->module;
  PackRecord *found = NULL;
  for (size_t i = 0; i < l->packs->count && !found; i++) {
    PackRecord *r = &l->packs->at[i];
    if (same_weights(l, r->conv_module, cm) && same_weights(l, r->bn_module, bm) && r->plain == plain &&
        r->transposed == transposed)
      found = r;
  }
  if (!found) {
    PackRecord r = {cm, bm, plain, transposed, l->plan->first->packed_bytes, l->plan->first->packed_bytes + bytes};
    l->plan->first->packed_bytes += bytes + bias_bytes;
    vec_push(l->arena, l->packs, r);
    found = &l->packs->at[l->packs->count - 1];
    Lower pack = *l;
    pack.s = &l->plan->first->pack;
    BufferId to = place_buffer(&pack, SPACE_PACKED, 0, r.offset, name);
    BufferId to_bias = transposed ? NO_ID : place_buffer(&pack, SPACE_PACKED, 0, r.bias_offset, name);
    emit_pack(&pack, conv, bn, plain, transposed, to, to_bias);
  }
  *bias = transposed ? NO_ID : place_buffer(l, SPACE_PACKED, 0, found->bias_offset, name);
  return place_buffer(l, SPACE_PACKED, 0, found->offset, name);
}

static Conv2dParams conv_constants(const Lower *l, NodeId n, bool plain) {
  const Conv2dArgs *a = &node_args(l->g, n)->Conv2d;
  const Node *node = node_at(l->g, n);
  const Shape *in = value_shape(l, node->inputs.at[0]), *out = value_shape(l, node->output);
  return (Conv2dParams){.groups = a->groups,
                        .ic = a->in_channels,
                        .ih = in->dim[1],
                        .iw = in->dim[2],
                        .oc = a->out_channels,
                        .oh = out->dim[1],
                        .ow = out->dim[2],
                        .kh = a->kernel_size[0],
                        .kw = a->kernel_size[1],
                        .stride_h = a->stride[0],
                        .stride_w = a->stride[1],
                        .pad_h = a->padding[0],
                        .pad_w = a->padding[1],
                        .dil_h = a->dilation[0],
                        .dil_w = a->dilation[1],
                        .input_dil_h = 1,
                        .input_dil_w = 1,
                        .nchw_x = plain};
}

static Conv2dGradWeightParams grad_constants(const Lower *l, NodeId n, bool plain, bool accumulate) {
  Conv2dParams k = conv_constants(l, n, plain);
  return (Conv2dGradWeightParams){.groups = k.groups,
                                  .ic = k.ic,
                                  .ih = k.ih,
                                  .iw = k.iw,
                                  .oc = k.oc,
                                  .oh = k.oh,
                                  .ow = k.ow,
                                  .kh = k.kh,
                                  .kw = k.kw,
                                  .stride_h = k.stride_h,
                                  .stride_w = k.stride_w,
                                  .pad_h = k.pad_h,
                                  .pad_w = k.pad_w,
                                  .dil_h = k.dil_h,
                                  .dil_w = k.dil_w,
                                  .nchw_x = plain,
                                  .accumulate = accumulate};
}

/* A BatchNorm that follows alone and uses its stored statistics is folded, unless a gradient must pass. */
static NodeId foldable_bn(Lower *l, NodeId n) {
  NodeId next = only_follower(l, n);
  if (next == NO_ID || node_at(l->g, next)->op != OP_BatchNorm2d) return NO_ID;
  if (!l->training) return next;
  bool through = wants_grad(l, output_value(l, n)) || wants_grad(l, node_at(l->g, next)->output);
  return through || l->t->varies[next] ? NO_ID : next;
}

/* Where a gradient comes back through a following sum it stays a node of its own: its other side needs that
 * gradient too, whether this convolution does or not, and both need it behind the activation. */
static bool takes_sum(const Lower *l, NodeId n) {
  NodeId next = only_follower(l, n);
  return !l->training || next == NO_ID || !wants_grad(l, node_at(l->g, next)->output);
}

/* For inspect: no kernel to be specialised, no packed weights, but OpenBLAS on the plain layout. */
static void lower_im2col(Lower *l, NodeId n) {
  Conv2dParams k = conv_constants(l, n, true);
  BufferId bias = param_buffer(l, n, "bias");
  k.has_bias = bias != NO_ID;
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  BufferId columns = new_buffer(l, "columns", false, kernel_plan(KERNEL_conv2d_im2col, &k).workspace_bytes);
  node_out(l, n, LAYOUT_NCHW);
  EMIT(l, conv2d_im2col, &k, n, "forward", .x = x, .w = param_buffer(l, n, "weight"), .bias = bias, .columns = columns,
       .y = l->node[n].y);
}

/* What conv2d_wino can do: 3x3 kernels of stride 1 or 2, and the gradient of the latter's input. */
static bool winograd_fits(const Conv2dParams *k) {
  bool fits = k->kh == 3 && k->kw == 3 && k->dil_h == 1 && k->dil_w == 1 && k->groups == 1 && !k->nchw_x &&
              k->stride_h == k->stride_w && k->input_dil_h == k->input_dil_w && k->stride_h <= 2 &&
              k->input_dil_h <= 2 && k->stride_h + k->input_dil_h <= 3;
  return fits && (k->input_dil_h == 1 || (k->pad_h == 1 && k->pad_w == 1));
}

/* From some size on: a tile of outputs must not lie mostly outside of the image, and the transforms must be little
 * beside the products. Measured, as all that follow, with a batch of 16; `--tune` measures again. */
static bool winograd_wins(const Conv2dParams *k) {
  int64_t least = k->input_dil_h == 2 ? 12 : k->stride_h == 2 ? 6 : 3;
  return winograd_fits(k) && k->ic >= LANES && k->oc >= LANES && k->oh >= least && k->ow >= least;
}

/* What conv2d_stem can do: kernels of stride 2 on a picture's few channels. */
static bool stem_fits(const Conv2dParams *k) {
  return k->nchw_x && k->kh <= 7 && k->kw <= 7 && k->ic <= 4 && k->stride_h == 2 && k->stride_w == 2 && k->dil_h == 1 &&
         k->dil_w == 1 && k->input_dil_h == 1 && k->input_dil_w == 1 && k->groups == 1;
}

/* Large ones: the products saved must be more than what the transforms cost, and a vector holds 16 tiles of a row. */
static bool stem_wins(const Conv2dParams *k) {
  return stem_fits(k) && k->kh * k->kw * k->ic >= 96 && k->oh >= 16 && k->ow >= 16;
}

/* Of the direct kernel and another one that does the same. */
static KernelId direct_or(Lower *l, const void *k, size_t k_bytes, NodeId n, const char *role, KernelId direct,
                          KernelId other, bool wins) {
  return choose_kernel(l, k, k_bytes, n, role, wins ? other : direct, wins ? direct : other);
}

static void emit_direct(Lower *l, const Conv2dParams *k, NodeId n, const char *role, BufferId x, BufferId w,
                        BufferId bias, BufferId residual, BufferId y) {
  KernelId kernel = KERNEL_conv2d;
  if (stem_fits(k)) kernel = direct_or(l, k, sizeof *k, n, role, kernel, KERNEL_conv2d_stem, stem_wins(k));
  else if (winograd_fits(k)) kernel = direct_or(l, k, sizeof *k, n, role, kernel, KERNEL_conv2d_wino, winograd_wins(k));
  emit_call(l, kernel, k, n, role, &(conv2d_buffers){.x = x, .w = w, .bias = bias, .residual = residual, .y = y});
}

void lower_conv2d(Lower *l, NodeId n) {
  if (l->inspecting) {
    lower_im2col(l, n);
    return;
  }
  NodeState *state = &l->node[n];
  const Node *node = node_at(l->g, n);
  const Conv2dArgs *a = &node_args(l->g, n)->Conv2d;
  ConvKind kind = conv_kind(a);
  bool plain = takes_plain(l, n);
  if (kind != CONV_ANY) {
    state->bn = foldable_bn(l, n);
    if (state->bn != NO_ID) {
      l->node[state->bn].fused = l->node[state->bn].lowered = true;
      state->last = state->bn;
    }
    fuse_epilogue(l, n, takes_sum(l, n), true);
  }
  Conv2dParams k = conv_constants(l, n, plain);
  k.activation = state->activation;
  k.has_residual = state->residual != NO_ID;
  BufferId x = value_in(l, node->inputs.at[0], plain ? LAYOUT_NCHW : LAYOUT_NCHW16C);
  BufferId w, bias, residual = k.has_residual ? value_in(l, state->residual, LAYOUT_NCHW16C) : NO_ID;
  if (kind == CONV_ANY) {
    w = param_buffer(l, n, "weight");
    bias = param_buffer(l, n, "bias");
  } else {
    w = packed_weights(l, n, state->bn, plain, false, &bias);
    if (!a->bias && state->bn == NO_ID) bias = NO_ID;
  }
  k.has_bias = bias != NO_ID;
  state->packed = w;
  state->y = value_out(l, node_at(l->g, state->last)->output, LAYOUT_NCHW16C);
  if (kind == CONV_DIRECT) emit_direct(l, &k, n, "forward", x, w, bias, residual, state->y);
  else if (kind == CONV_DEPTHWISE)
    EMIT(l, depthwise, &k, n, "forward", .x = x, .w = w, .bias = bias, .residual = residual, .y = state->y);
  else EMIT(l, conv2d_generic, &k, n, "forward", .x = x, .w = w, .bias = bias, .residual = residual, .y = state->y);
}

/* Each split of the batch begins with sums that are zero and transforms them in the end, which takes as long as some
 * tiles. */
static bool enough_tiles(const Conv2dGradWeightParams *k, int64_t batch) {
  int64_t tiles = (k->oh + 3) / 4 * ((k->ow + 3) / 4);
  return tiles * (batch ? batch : 16) >= 24 * kernel_plan(KERNEL_conv2d_grad_weight_wino, k).splits;
}

static void emit_grad_weight(Lower *l, const Conv2dGradWeightParams *k, NodeId n, BufferId x, BufferId dy,
                             BufferId dw) {
  Conv2dParams forward = conv_constants(l, n, k->nchw_x);
  KernelId kernel = KERNEL_conv2d_grad_weight;
  bool wins = winograd_wins(&forward) && enough_tiles(k, l->plan->batch);
  if (winograd_fits(&forward))
    kernel = direct_or(l, k, sizeof *k, n, "grad_weight", kernel, KERNEL_conv2d_grad_weight_wino, wins);
  GradWeightSumParams sum = {.count = k->oc * (k->ic / k->groups) * k->kh * k->kw,
                             .splits = kernel_plan(kernel, k).splits,
                             .accumulate = k->accumulate};
  BufferId to = sum.splits == 1 ? dw : new_buffer(l, "partial sums of a gradient", false, sum.splits * sum.count * 4);
  emit_call(l, kernel, k, n, "grad_weight", &(conv2d_grad_weight_buffers){.x = x, .dy = dy, .dw = to});
  if (to != dw) EMIT(l, conv2d_grad_weight_sum, &sum, n, "grad_weight_sum", .partial = to, .dw = dw);
}

void grad_conv2d_weight(Lower *l, NodeId n, ParamId p) {
  bool accumulate, plain = takes_plain(l, n);
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW16C);
  BufferId x = value_in(l, input_value(l, n), plain ? LAYOUT_NCHW : LAYOUT_NCHW16C);
  BufferId dw = grad_param(l, p, &accumulate);
  Conv2dGradWeightParams k = grad_constants(l, n, plain, accumulate);
  switch (conv_kind(&node_args(l->g, n)->Conv2d)) {
  case CONV_DIRECT: emit_grad_weight(l, &k, n, x, dy, dw); break;
  case CONV_DEPTHWISE: EMIT(l, depthwise_grad_weight, &k, n, "grad_weight", .x = x, .dy = dy, .dw = dw); break;
  case CONV_ANY: EMIT(l, conv2d_generic_grad_weight, &k, n, "grad_weight", .x = x, .dy = dy, .dw = dw); break;
  }
}

void grad_conv2d_bias(Lower *l, NodeId n, ParamId p) {
  bool accumulate;
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW16C);
  BufferId db = grad_param(l, p, &accumulate);
  const Shape *out = value_shape(l, output_value(l, n));
  ChannelSumParams k = {.c = out->dim[0], .hw = out->dim[1] * out->dim[2], .accumulate = accumulate};
  EMIT(l, channel_sum, &k, n, "grad_bias", .x = dy, .sum = db);
}

/* The gradient of the input is a convolution of dy, spread by the stride, with the flipped and exchanged weights. */
static void grad_direct_input(Lower *l, NodeId n, BufferId dy, const GradOut *dx) {
  Conv2dParams f = conv_constants(l, n, false);
  Conv2dParams k = f;
  k.ic = f.oc, k.ih = f.oh, k.iw = f.ow, k.oc = f.ic, k.oh = f.ih, k.ow = f.iw;
  k.stride_h = k.stride_w = 1;
  k.input_dil_h = f.stride_h, k.input_dil_w = f.stride_w;
  k.pad_h = f.dil_h * (f.kh - 1) - f.pad_h;
  k.pad_w = f.dil_w * (f.kw - 1) - f.pad_w;
  k.accumulate = dx->accumulate;
  BufferId bias, w = packed_weights(l, n, NO_ID, false, true, &bias);
  emit_direct(l, &k, n, "grad_input", dy, w, NO_ID, NO_ID, dx->buffer);
}

void grad_conv2d_input(Lower *l, NodeId n) {
  BufferId dy = grad_before_activation(l, n, LAYOUT_NCHW16C);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW16C);
  Conv2dGradWeightParams k = grad_constants(l, n, false, dx.accumulate);
  const Conv2dArgs *a = &node_args(l->g, n)->Conv2d;
  ConvKind kind = conv_kind(a);
  /* More padding than the window reaches would be a negative padding here; the general kernel takes it. */
  bool wide = a->padding[0] > a->dilation[0] * (a->kernel_size[0] - 1) ||
              a->padding[1] > a->dilation[1] * (a->kernel_size[1] - 1);
  switch (kind == CONV_DIRECT && wide ? CONV_ANY : kind) {
  case CONV_DIRECT: grad_direct_input(l, n, dy, &dx); break;
  case CONV_DEPTHWISE:
    EMIT(l, depthwise_grad_input, &k, n, "grad_input", .dy = dy, .w = l->node[n].packed, .dx = dx.buffer);
    break;
  case CONV_ANY:
    EMIT(l, conv2d_generic_grad_input, &k, n, "grad_input", .dy = dy, .w = param_buffer(l, n, "weight"),
         .dx = dx.buffer);
    break;
  }
  grad_end(l, n, &dx);
}
