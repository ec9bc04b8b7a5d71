/* The ONNX operators that hold weights, and pooling: Conv, BatchNormalization, Gemm, MatMul, the pools, and
 * the Pad before them. Each function makes one item of a node, or says which attribute it cannot express. */
#include "compiler/import/onnx_internal.h"
#include <math.h>

enum { MAX_SIDE = 65535 };

/* ---- windows ---- */

typedef struct Window { /* of Conv and the pools */
  int64_t kernel_size[2], stride[2], padding[2], dilation[2];
} Window;

/* SAME_UPPER and SAME_LOWER depend on the input's size; with a stride of 1 and an odd span they do not. */
static bool read_auto_pad(OnnxImport *o, int node, Window *a, bool *given) {
  const char *mode = "NOTSET";
  if (!attribute_text(o, node, "auto_pad", &mode)) return false;
  *given = !streq(mode, "NOTSET") && *mode;
  if (!*given) return true;
  if (attribute_there(o, node, "pads")) return onnx_refuse(o, node, "it has both auto_pad=%s and pads", SG_Q(mode));
  a->padding[0] = a->padding[1] = 0;
  if (streq(mode, "VALID")) return true;
  if (!streq(mode, "SAME_UPPER") && !streq(mode, "SAME_LOWER"))
    return onnx_refuse(o, node, "the attribute auto_pad=%s is not known", SG_Q(mode));
  for (int i = 0; i < 2; i++) {
    int64_t total = a->dilation[i] * (a->kernel_size[i] - 1);
    if (a->stride[i] != 1 || total % 2 != 0)
      return onnx_refuse(
          o, node,
          "the attribute auto_pad=%s is supported with a stride of 1 and an odd kernel; here its padding "
          "depends on the input's size and may be asymmetric",
          mode);
    a->padding[i] = total / 2;
  }
  return true;
}

static bool read_pads(OnnxImport *o, int node, Window *a) {
  int64_t pads[4] = {0};
  size_t count = 4;
  if (!attribute_ints(o, node, "pads", pads, &count, 8)) return false;
  if (count != 4) return onnx_refuse(o, node, "the attribute pads has %zu numbers, not 4", count);
  if (pads[0] != pads[2] || pads[1] != pads[3])
    return onnx_refuse(o, node, "the attribute pads=[%lld, %lld, %lld, %lld] is asymmetric; both sides must be equal",
                       (long long)pads[0], (long long)pads[1], (long long)pads[2], (long long)pads[3]);
  a->padding[0] = pads[0];
  a->padding[1] = pads[1];
  return true;
}

static bool read_pair(OnnxImport *o, int node, const char *name, int64_t out[2], int64_t min) {
  size_t count = 2;
  if (!attribute_ints(o, node, name, out, &count, 2)) return false;
  if (count != 2)
    return onnx_refuse(o, node, "the attribute %s has %zu numbers, not 2: only maps of two dimensions are supported",
                       name, count);
  return in_range(o, node, name, out[0], min, MAX_SIDE) && in_range(o, node, name, out[1], min, MAX_SIDE);
}

/* strides, dilations, pads; kernel_size stands in `a` already. */
static bool read_window(OnnxImport *o, int node, Window *a) {
  bool automatic;
  for (int i = 0; i < 2; i++) a->stride[i] = a->dilation[i] = 1;
  if (!read_pair(o, node, "strides", a->stride, 1) || !read_pair(o, node, "dilations", a->dilation, 1)) return false;
  if (!read_auto_pad(o, node, a, &automatic) || (!automatic && !read_pads(o, node, a))) return false;
  return in_range(o, node, "pads", a->padding[0], 0, MAX_SIDE) && in_range(o, node, "pads", a->padding[1], 0, MAX_SIDE);
}

static bool wants_map(OnnxImport *o, int node, int rank) {
  return rank == 4 || onnx_refuse(o, node, "its input has %d dimensions; only (N, C, H, W) is supported", rank);
}

/* ---- biases ---- */

/* A constant of `size` numbers that is added along one dimension, `behind` dimensions from the end: (1, 64,
 * 1, 1) with two behind. */
static bool is_bias(OnnxValue *v, int64_t size, size_t behind) {
  if (!v || v->kind != VALUE_TENSOR || !v->tensor || !v->key || v->transposed) return false;
  const OnnxTensorProto *t = v->tensor;
  if (t->n_dims <= behind || t->dims[t->n_dims - 1 - behind] != size) return false;
  for (size_t i = 0; i < t->n_dims; i++)
    if (i != t->n_dims - 1 - behind && t->dims[i] != 1) return false;
  return true;
}

/* An Add of such a constant that alone reads the node's result is that layer's bias. Marks it as done; its
 * output then stands for the layer's. -1: none. */
static int absorb_add(OnnxImport *o, int node, int64_t size, size_t behind, OnnxValue **bias) {
  const OnnxValue *out = node_output(o, node);
  if (out->uses != 1 || out->user < 0) return -1;
  NodeInfo *user = &o->nodes[out->user];
  if (user->done || !streq(user->node->op_type, "Add") || !user->op || user->node->n_input != 2) return -1;
  for (size_t i = 0; i < 2; i++) {
    OnnxValue *v = node_input(o, out->user, i);
    if (!is_bias(v, size, behind) || node_input(o, out->user, 1 - i) != out) continue;
    user->done = true;
    *bias = v;
    return out->user;
  }
  return -1;
}

static DonorForm bias_form(const OnnxValue *v) { return v->tensor->n_dims == 1 ? DONOR_AS_IS : DONOR_FLAT; }

/* The bias as an input of the node, or as an Add behind it; *last is the node whose output is the layer's. */
static bool read_bias(OnnxImport *o, int node, int64_t size, size_t behind, OnnxValue **bias, int *last) {
  int64_t dims[8];
  *bias = NULL;
  *last = node;
  if (node_input(o, node, 2)) {
    *bias = node_input(o, node, 2);
    bool row = (*bias)->kind == VALUE_TENSOR && is_bias(*bias, size, 0);
    if (!weight_input(o, node, 2, "bias", row ? (int)(*bias)->tensor->n_dims : 1, bias, dims)) return false;
    return row || onnx_refuse(o, node, "its bias '%s' has %lld numbers, not %lld", SG_Q((*bias)->name),
                              (long long)dims[0], (long long)size);
  }
  int add = absorb_add(o, node, size, behind, bias);
  if (add < 0) return true;
  size_t index = node_input(o, add, 0) == *bias ? 0 : 1;
  if (!weight_input(o, add, index, "bias", (int)(*bias)->tensor->n_dims, bias, dims)) return false;
  *last = add;
  return true;
}

/* ---- layers ---- */

bool convert_conv(OnnxImport *o, int node) {
  Conv2dArgs a = {0};
  Window window = {0};
  OnnxValue *weight, *bias;
  int64_t dims[8], pad[2];
  int in, rank, last;
  a.groups = 1;
  if (!flow_input(o, node, 0, &in, &rank, pad) || !wants_map(o, node, rank) ||
      !weight_input(o, node, 1, "weight", 4, &weight, dims))
    return false;
  int64_t kernel[2] = {dims[2], dims[3]};
  if (!read_pair(o, node, "kernel_shape", kernel, 1) || !attribute_int(o, node, "group", &a.groups)) return false;
  if (kernel[0] != dims[2] || kernel[1] != dims[3])
    return onnx_refuse(o, node, "the attribute kernel_shape=[%lld, %lld] differs from its weight's %lld x %lld",
                       (long long)kernel[0], (long long)kernel[1], (long long)dims[2], (long long)dims[3]);
  memcpy(window.kernel_size, kernel, sizeof kernel);
  if (!in_range(o, node, "kernel_shape", kernel[0], 1, MAX_SIDE) ||
      !in_range(o, node, "kernel_shape", kernel[1], 1, MAX_SIDE) || !read_window(o, node, &window))
    return false;
  for (int i = 0; i < 2; i++)
    if (!in_range(o, node, "pads", window.padding[i] += pad[i], 0, MAX_SIDE)) return false;
  a.out_channels = dims[0];
  if (!in_range(o, node, "group", a.groups, 1, dims[0]) ||
      !in_range(o, node, "in_channels", dims[1], 1, INT32_MAX / a.groups))
    return false;
  a.in_channels = dims[1] * a.groups;
  if (a.out_channels % a.groups != 0)
    return onnx_refuse(o, node, "the attribute group=%lld does not divide its %lld output channels",
                       (long long)a.groups, (long long)dims[0]);
  if (!read_bias(o, node, a.out_channels, 2, &bias, &last)) return false;
  a.bias = bias != NULL;
  OnnxItem *item = item_add(o, node, OP_Conv2d, OP_NONE, in);
  memcpy(a.kernel_size, window.kernel_size, sizeof a.kernel_size);
  memcpy(a.stride, window.stride, sizeof a.stride);
  memcpy(a.padding, window.padding, sizeof a.padding);
  memcpy(a.dilation, window.dilation, sizeof a.dilation);
  item->args.Conv2d = a;
  item_param(o, item, "weight", weight, DONOR_AS_IS);
  if (bias) item_param(o, item, "bias", bias, bias_form(bias));
  item_done(o, last, 4);
  return true;
}

bool convert_batchnorm(OnnxImport *o, int node) {
  static const char *const roles[4] = {"weight", "bias", "running_mean", "running_var"};
  OnnxValue *v[4];
  BatchNorm2dArgs a = {.affine = true};
  int64_t dims[8], spatial = 1, training = 0;
  double eps = 1e-5, momentum = 0.9;
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL)) return false;
  if (rank != 2 && rank != 4)
    return onnx_refuse(o, node, "its input has %d dimensions; (N, C) and (N, C, H, W) are supported", rank);
  for (size_t i = 0; i < 4; i++) {
    if (!weight_input(o, node, i + 1, roles[i], 1, &v[i], dims)) return false;
    if (i == 0) a.num_features = dims[0];
    if (dims[0] != a.num_features)
      return onnx_refuse(o, node, "its %s has %lld numbers, its weight %lld", roles[i], (long long)dims[0],
                         (long long)a.num_features);
  }
  if (!attribute_float(o, node, "epsilon", &eps) || !attribute_float(o, node, "momentum", &momentum)) return false;
  if (!attribute_int(o, node, "spatial", &spatial) || !attribute_int(o, node, "training_mode", &training)) return false;
  if (spatial != 1) return onnx_refuse(o, node, "the attribute spatial=%lld is not supported", (long long)spatial);
  if (!(eps >= 0 && eps <= 1e30) || !(momentum >= 0 && momentum <= 1))
    return onnx_refuse(o, node, "the attributes epsilon=%g and momentum=%g are out of range", eps, momentum);
  a.eps = onnx_tidy(eps);
  a.momentum = onnx_tidy((double)(float)(1 - onnx_tidy(momentum))); /* ONNX keeps that much, PyTorch takes that much */
  OnnxItem *item = item_add(o, node, rank == 2 ? OP_BatchNorm1d : OP_BatchNorm2d, OP_NONE, in);
  item->args.BatchNorm2d = a;
  for (int i = 0; i < 4; i++) item_param(o, item, roles[i], v[i], DONOR_AS_IS);
  item_done(o, node, rank);
  return true;
}

/* x W^T + b. `transposed`: the file holds W as (in, out). */
static bool add_linear(OnnxImport *o, int node, int in, int rank, OnnxValue *weight, const int64_t dims[8],
                       bool transposed) {
  LinearArgs a = {.in_features = dims[transposed ? 0 : 1], .out_features = dims[transposed ? 1 : 0]};
  OnnxValue *bias;
  int last;
  if (!read_bias(o, node, a.out_features, 0, &bias, &last)) return false;
  a.bias = bias != NULL;
  OnnxItem *item = item_add(o, node, OP_Linear, OP_NONE, in);
  item->args.Linear = a;
  /* dims are what the node sees; the file's own order is another once there was a Transpose between. */
  item_param(o, item, "weight", weight, transposed != weight->transposed ? DONOR_TRANSPOSED : DONOR_AS_IS);
  if (bias) item_param(o, item, "bias", bias, bias_form(bias));
  item_done(o, last, rank);
  return true;
}

bool convert_gemm(OnnxImport *o, int node) {
  int64_t dims[8], trans_a = 0, trans_b = 0;
  double alpha = 1, beta = 1;
  OnnxValue *weight;
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !weight_input(o, node, 1, "weight", 2, &weight, dims)) return false;
  if (!attribute_int(o, node, "transA", &trans_a) || !attribute_int(o, node, "transB", &trans_b)) return false;
  if (!attribute_float(o, node, "alpha", &alpha) || !attribute_float(o, node, "beta", &beta)) return false;
  if (rank != 2) return onnx_refuse(o, node, "its input has %d dimensions, not 2", rank);
  if (trans_a != 0) return onnx_refuse(o, node, "the attribute transA=%lld is not supported", (long long)trans_a);
  if (alpha != 1) return onnx_refuse(o, node, "the attribute alpha=%g is not supported, only 1", alpha);
  if (beta != 1 && node_input(o, node, 2))
    return onnx_refuse(o, node, "the attribute beta=%g is not supported, only 1", beta);
  return add_linear(o, node, in, rank, weight, dims, trans_b == 0);
}

bool convert_matmul(OnnxImport *o, int node) {
  int64_t dims[8];
  OnnxValue *weight;
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !weight_input(o, node, 1, "second matrix", 2, &weight, dims))
    return false;
  return add_linear(o, node, in, rank, weight, dims, true);
}

/* ---- pools ---- */

static bool read_pool(OnnxImport *o, int node, Window *a, bool *ceil, int *in, int64_t pad[2]) {
  int rank;
  int64_t ceil_mode = 0;
  if (!flow_input(o, node, 0, in, &rank, pad) || !wants_map(o, node, rank)) return false;
  if (!attribute_there(o, node, "kernel_shape")) return onnx_refuse(o, node, "it lacks the attribute kernel_shape");
  if (!read_pair(o, node, "kernel_shape", a->kernel_size, 1) || !read_window(o, node, a)) return false;
  if (!attribute_int(o, node, "ceil_mode", &ceil_mode)) return false;
  *ceil = ceil_mode != 0;
  return true;
}

bool convert_maxpool(OnnxImport *o, int node) {
  Window w = {0};
  bool ceil = false;
  int64_t order = 0;
  int in;
  if (!read_pool(o, node, &w, &ceil, &in, NULL) || !attribute_int(o, node, "storage_order", &order)) return false;
  if (order != 0) return onnx_refuse(o, node, "the attribute storage_order=%lld is not supported", (long long)order);
  MaxPool2dArgs *a = &item_add(o, node, OP_MaxPool2d, OP_NONE, in)->args.MaxPool2d;
  *a = (MaxPool2dArgs){.ceil_mode = ceil};
  memcpy(a->kernel_size, w.kernel_size, sizeof a->kernel_size);
  memcpy(a->stride, w.stride, sizeof a->stride);
  memcpy(a->padding, w.padding, sizeof a->padding);
  memcpy(a->dilation, w.dilation, sizeof a->dilation);
  item_done(o, node, 4);
  return true;
}

bool convert_averagepool(OnnxImport *o, int node) {
  Window w = {0};
  bool ceil = false;
  int64_t include = 0, pad[2];
  int in;
  if (!read_pool(o, node, &w, &ceil, &in, pad) || !attribute_int(o, node, "count_include_pad", &include)) return false;
  if (w.dilation[0] != 1 || w.dilation[1] != 1)
    return onnx_refuse(o, node, "the attribute dilations is supported for MaxPool only");
  bool padded = pad[0] || pad[1], own = w.padding[0] || w.padding[1];
  if (padded && own && include == 0)
    return onnx_refuse(o, node, "the attribute count_include_pad=0 is not supported behind a Pad that adds zeros too");
  AvgPool2dArgs *a = &item_add(o, node, OP_AvgPool2d, OP_NONE, in)->args.AvgPool2d;
  *a = (AvgPool2dArgs){.ceil_mode = ceil, .count_include_pad = include != 0 || padded || !own};
  for (int i = 0; i < 2; i++) w.padding[i] += pad[i];
  memcpy(a->kernel_size, w.kernel_size, sizeof a->kernel_size);
  memcpy(a->stride, w.stride, sizeof a->stride);
  memcpy(a->padding, w.padding, sizeof a->padding);
  item_done(o, node, 4);
  return true;
}

bool convert_global_pool(OnnxImport *o, int node) {
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !wants_map(o, node, rank)) return false;
  item_add(o, node, OP_AdaptiveAvgPool2d, OP_adaptive_avg_pool2d, in)->args =
      (OpArgs){.AdaptiveAvgPool2d = {.output_size = {1, 1}}};
  item_done(o, node, 4);
  return true;
}

/* ---- Pad ---- */

static bool read_pad_amounts(OnnxImport *o, int node, int64_t pads[16], size_t *count) {
  *count = 0;
  if (o->opset < 11) return attribute_ints(o, node, "pads", pads, count, 16);
  const OnnxValue *v = node_input(o, node, 1);
  if (v && v->kind == VALUE_NONE) return false;
  return ints_known(v, pads, count, 16) || onnx_refuse(o, node, "its pads are not constant");
}

/* Zeros around a map are kept with the value, until the layer behind takes them for its own padding. */
bool convert_pad(OnnxImport *o, int node) {
  int64_t pads[16], before[2];
  size_t count;
  const char *mode = "constant";
  double fill = 0;
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, before) || !attribute_text(o, node, "mode", &mode)) return false;
  if (!read_pad_amounts(o, node, pads, &count)) return false;
  if (count != (size_t)rank * 2)
    return onnx_refuse(o, node, "its pads are %zu numbers; its input has %d dimensions", count, rank);
  if (!streq(mode, "constant"))
    return onnx_refuse(o, node, "the attribute mode=%s is not supported, only constant", SG_Q(mode));
  if (node_input(o, node, 3)) return onnx_refuse(o, node, "its input axes is not supported");
  if (o->opset < 11 && !attribute_float(o, node, "value", &fill)) return false;
  if (node_input(o, node, 2) && !scalar_value(node_input(o, node, 2), &fill))
    return onnx_refuse(o, node, "its value is not a constant");
  if (fill != 0) return onnx_refuse(o, node, "it pads with %g, not with 0", fill);
  OnnxValue *out = node_output(o, node);
  for (int i = 0; i < rank; i++) {
    bool inner = rank == 4 && i >= 2;
    if (pads[i] != pads[rank + i] || pads[i] < 0 || pads[i] > MAX_SIDE || (!inner && pads[i] != 0))
      return onnx_refuse(
          o, node, "it pads dimension %d by %lld and %lld; only equal amounts around height and width are supported", i,
          (long long)pads[i], (long long)pads[rank + i]);
    if (inner) out->pad[i - 2] = before[i - 2] + pads[i];
  }
  out->kind = VALUE_FLOW;
  out->item = in;
  out->rank = rank;
  return true;
}
