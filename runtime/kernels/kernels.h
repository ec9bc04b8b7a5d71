/* The kernels' contract, shared by the templates (clang, to bitcode), the compiler that calls them with
 * constants, and the tests that call them natively.
 *
 * Layouts. PLAIN is row-major (N, …) as in PyTorch. BLOCKED is for (N, C, H, W): [N][CB][H][W][16] with
 * CB = ceil(C / 16); the lanes beyond C hold zeros in every blocked activation and gradient, always (each
 * kernel that writes one keeps it so). All buffers are 64-byte aligned; a blocked row is a whole cache line.
 *
 * A template does the work units [begin, end) of a call; units are independent of each other, so that any
 * number of threads may share them, and no result depends on how they were shared. `n` is the batch. `k` points to
 * constants: in compiled programs the optimiser sees their values, in tests they are ordinary memory.
 * `scratch` is private to the thread, 64-byte aligned, of the size that the plan function asked for. Its first 8 bytes
 * are 0 when a thread takes its first units of a call, unless these begin with unit 0; the rest may hold anything. So a
 * template can leave there what it has prepared, for units that the thread takes later (conv_units.h, held_in_scratch).
 * `accumulate` != 0 adds to what the output holds; 0 overwrites. A buffer that a call does not use is NULL.
 *
 * This header holds only sizes and declarations: it is compiled by cc and clang, without libc. */
#ifndef SURGERY_KERNELS_H
#define SURGERY_KERNELS_H
#include <stdint.h>
#include <stddef.h>

#define LANES 16
#define BLOCKS(c) (((c) + LANES - 1) / LANES)

typedef enum Activation {
  ACT_NONE,
  ACT_RELU,
  ACT_RELU6,
  ACT_LEAKY_RELU,
  ACT_SIGMOID,
  ACT_TANH,
  ACT_GELU,
  ACT_GELU_TANH
} Activation;

/* How a call is cut into units; filled by plan_KERNEL(k) on the compiler's side. */
typedef struct CallPlan {
  int64_t units_per_sample, units_fixed; /* the call has units_per_sample * n + units_fixed units */
  int64_t scratch_bytes;                 /* for each thread */
  double flops_per_sample;               /* 2 for a multiply-add */
  double weights_bytes;    /* that the call reads once for `weights_samples` samples (0: for the whole batch); what
                              preparing them */
  int64_t weights_samples; /* costs is counted as if more were read. Estimates; 0 where it does not matter */
} CallPlan;

/* Every constant is 8 bytes wide (int64_t or double): the compiler passes them as an array of words. */

/* ---- conv.c ---- */

/* x: blocked, or plain when plain_x; w: packed by conv2d_pack (or _pack_transposed); bias: oc padded to 16;
 * residual, y: blocked. y = act(conv(x, w) + bias + residual). Groups: 1, or each group's ic and oc multiples of 16.
 * up_h, up_w spread the input with up - 1 zeros between its pixels before the convolution (gradient of a strided
 * one); 1 is none. oh, ow are given, not derived: positions past the input read zeros. */
typedef struct Conv2dParams {
  int64_t groups, ic, ih, iw, oc, oh, ow, kh, kw, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, up_h, up_w;
  int64_t plain_x, activation, has_bias, has_residual, accumulate;
} Conv2dParams;
/* conv2d_wino (winograd.c) does the same for 3x3 kernels of stride 1 or 2, or of up 2, stride 1 and padding 1; dilation
 * and groups 1, x blocked; same buffers. */
/* conv2d_stem (stem.c) for kernels up to 7x7 of stride 2 on up to 4 channels, dilation, up and groups 1, x plain. */
/* raw OIHW weights (and batch normalisation to fold, and bias) → packed weights [OCB][ICB][KH][KW][16 ic][16 oc]
 * (plain_x: [OCB][KH][KW][IC][16 oc]) and bias [OCB*16]. Grouped: OCB over all output channels, ICB within the group.
 */
typedef struct Conv2dPackParams {
  int64_t groups, ic, oc, kh, kw, plain_x, has_bias, fold_bn, bn_affine;
  double eps;
} Conv2dPackParams;
/* raw OIHW → the packed weights of the convolution that computes the input's gradient: in and out channels
 * exchanged, kernel flipped. ic, oc are those of the forward convolution. */
/* dw (raw OIHW) from x and dy over the whole batch. */
typedef struct Conv2dGradWeightParams {
  int64_t groups, ic, ih, iw, oc, oh, ow, kh, kw, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, plain_x, accumulate;
} Conv2dGradWeightParams;
/* conv2d_grad_weight_wino does the same for 3x3 kernels of stride 1 or 2, dilation and groups 1, x blocked. Where
 * either has several shares, dw is [shares][the weights], which conv2d_grad_weight_sum adds up. */
typedef struct GradWeightSumParams {
  int64_t count, shares, accumulate;
} GradWeightSumParams; /* count: weights */
int64_t grad_weight_shares(const Conv2dGradWeightParams *k, int winograd);
/* db[oc] = sum of dy over batch and pixels; dy blocked. */
typedef struct ChannelSumParams {
  int64_t c, hw, accumulate;
} ChannelSumParams;
/* Depthwise (groups == ic == oc): w packed [CB][KH][KW][16]. Uses Conv2dParams and Conv2dGradWeightParams. */
/* Any groups at all, slowly, with raw OIHW weights: conv2d_generic*, Conv2dParams and Conv2dGradWeightParams; x never
 * plain. */

/* ---- pool.c ---- all blocked; global average pooling is adaptive_avgpool to 1 × 1 ---- */
typedef struct Pool2dParams {
  int64_t c, ih, iw, oh, ow, kh, kw, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, count_include_pad, accumulate;
} Pool2dParams;
typedef struct AdaptivePoolParams {
  int64_t c, ih, iw, oh, ow, accumulate;
} AdaptivePoolParams;

/* ---- norm.c ---- plain: (N, C); else blocked (N, C, HW) ---- */
/* batchnorm_stats: x → mean[c], inv_std[c] of the batch (biased variance), and updates running_mean,
 * running_var (unbiased, as PyTorch), and num_batches_tracked. mean and inv_std are padded to 16. */
/* batchnorm_apply: y = act((x - mean) * inv_std * weight + bias + residual). use_running: mean is running_mean
 * and inv_std is running_var, to which eps is added. */
/* batchnorm_grad_sums: db[c] = sum dz, dw[c] = sum dz * xhat, with dz = dy times the activation's derivative, taken
 * from y or, with no_y, from x, weight and bias, of which y (without a residual) is made again: one tensor less to
 * read. Written to sums [2][CB*16]; batchnorm_grad_params copies them to dweight, dbias; batchnorm_grad_input computes
 * dx (batch statistics: through mean and variance; use_running: dz * weight * inv_std), and, where has_residual, adds
 * dz to dresidual as `residual_accumulate` says. */
typedef struct BatchNormParams {
  int64_t c, hw, plain, affine, activation, has_residual, use_running, accumulate, residual_accumulate, no_y;
  double eps, momentum;
} BatchNormParams;

/* ---- elementwise.c ---- count: elements for one sample, pad lanes included; c: channels when blocked (to keep
 * the pad lanes zero), 0 when plain; slope: of leaky relu where x < 0, of scale everywhere ---- */
typedef struct ElementwiseParams {
  int64_t count, c, hw, activation, accumulate, inputs;
  double slope;
} ElementwiseParams;
/* dropout: y = x * mask / (1 - p); mask from (seed, step) in `rng` (two uint64), the layer's number and the
 * element's index in the batch, so that backward makes the same mask again. */
typedef struct DropoutParams {
  int64_t count, layer, accumulate;
  double p;
} DropoutParams;

/* ---- layout.c ---- */
typedef struct LayoutParams {
  int64_t c, h, w, accumulate;
} LayoutParams; /* to_nchw16c, to_nchw: (C, H, W) */
/* cat_copy: channels [0, c) of x (blocked, c channels) → channels [to, to + c) of y (blocked, total channels);
 * cat_grad: the other way, with accumulate. Plain: rows of `outer` × (c * inner) into `outer` × (total * inner). */
typedef struct CatParams {
  int64_t c, to, total, hw, plain, outer, inner, accumulate;
} CatParams;
/* mean over one run of dimensions of a plain tensor seen as (N, outer, reduce, inner) → (N, outer, inner). */
typedef struct MeanParams {
  int64_t outer, reduce, inner, accumulate;
} MeanParams;
/* softmax over the middle of (N, outer, reduce, inner), plain. */

/* select_grad: dy (N, outer, inner) → place `to` of dx (N, outer, total, inner), the others 0 (or left, with
 * accumulate); c is 1. The way forward is cat_grad. */

/* ---- sequence.c ---- plain; tokens are int32 ---- */
/* embedding: y[i] = w[tokens[i]], NaN where there is no such row; rows: tokens of a sample. w: (count, dim).
 * embedding_grad_weight: dw, all of it, where `padding` (-1: none) is the row that never learns. */
typedef struct EmbeddingParams {
  int64_t rows, count, dim, padding, accumulate;
} EmbeddingParams;
/* y[i] = i * step for each sample: 0, 1, 2 …, or zeros. */
typedef struct PositionsParams {
  int64_t count, step;
} PositionsParams;

/* ---- layernorm.c ---- plain (N*rows, c) ---- */
/* y = (x - mean) / sqrt(var + eps) * weight + bias, mean and biased variance of each row; stats: mean and 1/sqrt(var +
 * eps) of each row, for the gradients. */
typedef struct LayerNormParams {
  int64_t rows, c, accumulate;
  double eps;
} LayerNormParams;

/* ---- attention.c ---- plain: q (N, tq, heads*dim), k (N, tk, heads*dim), v (N, tk, heads*value_dim), mask int32 (N,
 * tk) ---- */
/* y = dropout(softmax(scale q k^T, where masked: -inf)) v for each head; a sample that attends to nothing gives zeros.
 * sums: the largest score and 1 / the sum of exponentials, (N, heads, tq, 2), from which attention_grad makes the
 * probabilities again. p: of the dropout, 0: none; `layer` as in DropoutParams. */
typedef struct AttentionParams {
  int64_t heads, tq, tk, dim, value_dim, layer, accumulate_q, accumulate_k, accumulate_v;
  double scale, p;
} AttentionParams;

/* ---- loss.c ---- plain ---- */
/* cross_entropy: logits (N, classes, positions), target int32 (N, positions) → loss (one float, mean over all),
 * dlogits. smoothing: label_smoothing. weights: class weights [classes] or NULL; the mean is then weighted as
 * PyTorch's. */
/* soft: target is f32 (N, classes, positions), a probability for each class; the mean is then over all positions. */
/* ignore: a position with this target counts for nothing, neither in the sum nor in what the mean divides by. */
typedef struct CrossEntropyParams {
  int64_t classes, positions, has_weights;
  double smoothing;
  int64_t soft, ignore;
} CrossEntropyParams;
/* mse: x, target f32 → loss (mean), dx. l1 the same. */
typedef struct RegressionParams {
  int64_t count;
} RegressionParams;
/* bce_with_logits: x, target f32 (N, classes, positions) → loss (mean), dx. weights: pos_weight [classes] or NULL. */
typedef struct BinaryParams {
  int64_t classes, positions, has_weights;
} BinaryParams;

/* ---- runtime/kernels/conv_im2col.c, by OpenBLAS, all plain, with raw OIHW weights ---- */
/* conv2d_im2col: y = conv(x, w) + bias. Each sample's windows are written out as the columns of a matrix, a band of
 * output rows at a time; `columns` holds them. Uses Conv2dParams, of which up, activation, residual, accumulate are
 * unused.
 */
#define CONV2D_PRODUCT_FLOATS ((int64_t)1 << 20) /* of columns, or one output row's where that is more */
static inline int64_t conv2d_im2col_band(const Conv2dParams *k) { /* output rows in a band */
  int64_t row = k->ic / k->groups * k->kh * k->kw * k->ow, rows = row > 0 ? CONV2D_PRODUCT_FLOATS / row : 1;
  return rows < 1 ? 1 : rows > k->oh ? k->oh : rows;
}
static inline int64_t conv2d_im2col_columns(const Conv2dParams *k) { /* floats */
  return k->ic / k->groups * k->kh * k->kw * k->ow * conv2d_im2col_band(k);
}

/* ---- runtime/kernels/blas.c, by OpenBLAS: not templates; rows: rows for one sample ---- */
/* linear: y = x W^T + b, then act (none or relu); linear_grad_input: dx = dy W; linear_grad_weight: dw = dy^T x;
 * linear_grad_bias: column sums. All plain; x (N*rows, in), W (out, in). */
typedef struct LinearParams {
  int64_t rows, in, out, has_bias, activation, accumulate;
} LinearParams;

/* ---- the list ---- */
typedef enum KernelId {
#define KERNEL(name, K, kind, buffers) KERNEL_##name,
#include "runtime/kernels/kernels.def"
#undef KERNEL
  KERNEL_COUNT
} KernelId;

#define SGK_TEMPLATE_ARGS void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch
#define SGK_RUNTIME_ARGS void *const *buf, int64_t n
#define SGK_DECLARE_TEMPLATE(name, K) void sgk_##name(SGK_TEMPLATE_ARGS, const K *k);
#define SGK_DECLARE_RUNTIME(name, K) void sgr_##name(SGK_RUNTIME_ARGS, const K *k);
#define KERNEL(name, K, kind, buffers) SGK_DECLARE_##kind(name, K)
#include "runtime/kernels/kernels.def"
#undef KERNEL

#define MAX_CALL_BUFFERS 12
#define MAX_CALL_WORDS 32
typedef struct KernelInfo {
  const char *name;   /* "conv2d" */
  const char *symbol; /* "sgk_conv2d", or "sgr_linear" */
  int is_template;
  const char *buffers;                         /* as in kernels.def */
  int words;                                   /* sizeof(K) / 8 */
  void (*plan)(const void *k, CallPlan *plan); /* plan_NAME of compiler/kernels/plan*.c */
} KernelInfo;
const KernelInfo *kernel_info(KernelId kernel);
#endif
