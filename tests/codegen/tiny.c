/* See tiny.h. */
#include "tests/codegen/tiny.h"
#include <math.h>

enum { H1 = 10, W1 = 9, C1 = 20, H2 = 5, W2 = 5, C2 = 16, FEATURES = C2 * H2 * W2 };
enum { CONV1_WEIGHT, CONV1_BIAS, CONV2_WEIGHT, FC_WEIGHT, FC_BIAS, TENSORS };
enum { NODE_CONV1, NODE_CONV2, NODE_ACT1, NODE_ACT2, NODE_FLATTEN, NODE_FC };

static Shape shape_of(int rank, int64_t a, int64_t b, int64_t c, int64_t d) {
  return (Shape){rank, {a, b, c, d}, DTYPE_F32};
}

static void add_param(Graph *g, Plan *plan, ModuleId module, const char *name, Shape shape, bool trainable) {
  ParamId id = (ParamId)g->params.count;
  vec_push(
      g->arena, &g->params,
      (Param){.name = name, .module = module, .shape = shape, .trainable = trainable, .donor = 0, .donor_key = name});
  vec_push(g->arena, &g->modules.at[module].params, id);
  int64_t bytes = (shape_count(&shape) * 4 + 63) / 64 * 64;
  vec_push(g->arena, &plan->weight_offset, plan->weights_bytes);
  vec_push(g->arena, &plan->grad_offset, trainable ? plan->grads_bytes : -1);
  plan->weights_bytes += bytes;
  if (trainable) plan->grads_bytes += bytes;
}

static ModuleId add_layer(Graph *g, const char *name, OpId op, bool frozen, Shape out) {
  ModuleId module = graph_add_module(g, 0, name, op_info(op)->name, op, SPAN_NONE);
  g->modules.at[module].frozen = frozen;
  NodeId node = graph_add_node(g, op, module, 0, name, SPAN_NONE);
  vec_push(g->arena, &g->nodes.at[node].inputs, (ValueId)g->values.count - 1);
  g->nodes.at[node].output = graph_add_value(g, node);
  g->values.at[g->nodes.at[node].output].shape = out;
  return module;
}

static Graph *tiny_graph(Arena *arena, Plan *plan) {
  Graph *g = graph_create(arena, "tiny");
  g->input = (Input){.kind = INPUT_TENSOR, .shape = shape_of(3, 3, H1, W1, 0), .span = SPAN_NONE};
  g->input_value = graph_add_value(g, NO_ID);
  g->values.at[g->input_value].shape = g->input.shape;
  ModuleId conv1 = add_layer(g, "conv1", OP_Conv2d, true, shape_of(3, C1, H1, W1, 0));
  ModuleId conv2 = add_layer(g, "conv2", OP_Conv2d, true, shape_of(3, C2, H2, W2, 0));
  add_layer(g, "act1", OP_ReLU6, true, shape_of(3, C2, H2, W2, 0));
  add_layer(g, "act2", OP_ReLU6, true, shape_of(3, C2, H2, W2, 0));
  add_layer(g, "flatten", OP_Flatten, false, shape_of(1, FEATURES, 0, 0, 0));
  ModuleId fc = add_layer(g, "fc", OP_Linear, false, shape_of(1, TINY_CLASSES, 0, 0, 0));
  add_param(g, plan, conv1, "conv1.weight", shape_of(4, C1, 3, 3, 3), false);
  add_param(g, plan, conv1, "conv1.bias", shape_of(1, C1, 0, 0, 0), false);
  add_param(g, plan, conv2, "conv2.weight", shape_of(4, C2, C1, 3, 3), false);
  add_param(g, plan, fc, "fc.weight", shape_of(2, TINY_CLASSES, FEATURES, 0, 0), true);
  add_param(g, plan, fc, "fc.bias", shape_of(1, TINY_CLASSES, 0, 0, 0), true);
  vec_push(arena, &g->outputs, (Output){.name = "output", .value = (ValueId)g->values.count - 1});
  vec_push(arena, &g->labels, "nought */ \"one\"");
  return g;
}

static BufferId buffer(Arena *arena, Program *s, const char *name, Space space, int64_t bytes, int64_t offset) {
  bool per_sample = space == SPACE_ARENA;
  if (per_sample) offset = s->per_sample_bytes, s->per_sample_bytes += (bytes + 63) / 64 * 64;
  vec_push(arena, &s->buffers,
           (Buffer){.name = name, .space = space, .per_sample = per_sample, .bytes = bytes, .offset = offset});
  return (BufferId)s->buffers.count - 1;
}

#define CALL(arena, s, kernel, node, role, constants, ...)                                                             \
  add_call(arena, s, kernel, node, role, &(constants), sizeof(constants), (BufferId[]){__VA_ARGS__},                   \
           (int)(sizeof((BufferId[]){__VA_ARGS__}) / sizeof(BufferId)))
static void add_call(Arena *arena, Program *s, KernelId kernel, NodeId node, const char *role, const void *k,
                     size_t size, const BufferId *buf, int count) {
  Call call = {.kernel = kernel, .buf_count = count, .word_count = (int)(size / 8), .node = node, .role = role};
  memcpy(call.buf, buf, sizeof *buf * (size_t)count);
  memcpy(call.word, k, size);
  if (kernel_info(kernel)->is_template) kernel_info(kernel)->plan(k, &call.plan);
  for (int i = 0; i < count; i++) {
    Buffer *b = buf[i] == NO_ID ? NULL : &s->buffers.at[buf[i]];
    if (b && b->first < 0) b->first = (int)s->calls.count;
    if (b) b->last = (int)s->calls.count;
  }
  int64_t scratch = (call.plan.scratch_bytes + 63) / 64 * 64;
  if (scratch > s->scratch_bytes) s->scratch_bytes = scratch;
  vec_push(arena, &s->calls, call);
}

static const Conv2dParams conv1_k = {.groups = 1,
                                     .ic = 3,
                                     .ih = H1,
                                     .iw = W1,
                                     .oc = C1,
                                     .oh = H1,
                                     .ow = W1,
                                     .kh = 3,
                                     .kw = 3,
                                     .stride_h = 1,
                                     .stride_w = 1,
                                     .pad_h = 1,
                                     .pad_w = 1,
                                     .dil_h = 1,
                                     .dil_w = 1,
                                     .input_dil_h = 1,
                                     .input_dil_w = 1,
                                     .nchw_x = 1,
                                     .activation = ACT_RELU,
                                     .has_bias = 1};
static const Conv2dParams conv2_k = {.groups = 1,
                                     .ic = C1,
                                     .ih = H1,
                                     .iw = W1,
                                     .oc = C2,
                                     .oh = H2,
                                     .ow = W2,
                                     .kh = 3,
                                     .kw = 3,
                                     .stride_h = 2,
                                     .stride_w = 2,
                                     .pad_h = 1,
                                     .pad_w = 1,
                                     .dil_h = 1,
                                     .dil_w = 1,
                                     .input_dil_h = 1,
                                     .input_dil_w = 1};
static const LinearParams fc_k = {.rows = 1, .in = FEATURES, .out = TINY_CLASSES, .has_bias = 1};
enum {
  PACKED1 = 0,
  PACKED1_BIAS = 2 * 9 * 3 * 16 * 4,
  PACKED2 = PACKED1_BIAS + 128,
  PACKED2_BIAS = PACKED2 + 2 * 9 * 256 * 4,
  PACKED_BYTES = PACKED2_BIAS + 64
};

static void plan_pack(Arena *arena, Plan *p) {
  Program *s = &p->pack;
  *s = (Program){.name = "pack", .present = true};
  Conv2dPackParams k1 = {.groups = 1, .ic = 3, .oc = C1, .kh = 3, .kw = 3, .nchw_x = 1, .has_bias = 1};
  Conv2dPackParams k2 = {.groups = 1, .ic = C1, .oc = C2, .kh = 3, .kw = 3};
  BufferId w1 = buffer(arena, s, "conv1.weight", SPACE_WEIGHTS, 0, p->weight_offset.at[CONV1_WEIGHT]);
  BufferId b1 = buffer(arena, s, "conv1.bias", SPACE_WEIGHTS, 0, p->weight_offset.at[CONV1_BIAS]);
  BufferId w2 = buffer(arena, s, "conv2.weight", SPACE_WEIGHTS, 0, p->weight_offset.at[CONV2_WEIGHT]);
  BufferId p1 = buffer(arena, s, "conv1.packed", SPACE_PACKED, 0, PACKED1);
  BufferId pb1 = buffer(arena, s, "conv1.packed_bias", SPACE_PACKED, 0, PACKED1_BIAS);
  BufferId p2 = buffer(arena, s, "conv2.packed", SPACE_PACKED, 0, PACKED2);
  BufferId pb2 = buffer(arena, s, "conv2.packed_bias", SPACE_PACKED, 0, PACKED2_BIAS);
  CALL(arena, s, KERNEL_conv2d_pack, NODE_CONV1, "pack", k1, w1, b1, NO_ID, NO_ID, NO_ID, NO_ID, p1, pb1);
  CALL(arena, s, KERNEL_conv2d_pack, NODE_CONV2, "pack", k2, w2, NO_ID, NO_ID, NO_ID, NO_ID, NO_ID, p2, pb2);
}

/* The calls from x to the logits, in `logits`; returns the flattened features. */
static BufferId plan_layers(Arena *arena, Plan *p, Program *s, BufferId logits) {
  ElementwiseParams act = {
      .count = BLOCKS(C2) * H2 * W2 * LANES, .c = C2, .hw = H2 * W2, .activation = ACT_RELU6, .inputs = 1};
  LayoutParams plain = {.c = C2, .h = H2, .w = W2};
  BufferId x = buffer(arena, s, "x", SPACE_INPUT, 0, 0);
  BufferId p1 = buffer(arena, s, "conv1.packed", SPACE_PACKED, 0, PACKED1);
  BufferId pb1 = buffer(arena, s, "conv1.packed_bias", SPACE_PACKED, 0, PACKED1_BIAS);
  BufferId p2 = buffer(arena, s, "conv2.packed", SPACE_PACKED, 0, PACKED2);
  BufferId w = buffer(arena, s, "fc.weight", SPACE_WEIGHTS, 0, p->weight_offset.at[FC_WEIGHT]);
  BufferId b = buffer(arena, s, "fc.bias", SPACE_WEIGHTS, 0, p->weight_offset.at[FC_BIAS]);
  BufferId v1 = buffer(arena, s, "conv1", SPACE_ARENA, BLOCKS(C1) * H1 * W1 * LANES * 4, 0);
  BufferId v2 = buffer(arena, s, "conv2", SPACE_ARENA, BLOCKS(C2) * H2 * W2 * LANES * 4, 0);
  BufferId v3 = buffer(arena, s, "flatten", SPACE_ARENA, FEATURES * 4, 0);
  CALL(arena, s, KERNEL_conv2d, NODE_CONV1, "forward", conv1_k, x, p1, pb1, NO_ID, v1);
  CALL(arena, s, KERNEL_conv2d, NODE_CONV2, "forward", conv2_k, v1, p2, NO_ID, NO_ID, v2);
  CALL(arena, s, KERNEL_activation, NODE_ACT1, "forward", act, v2, v2);
  CALL(arena, s, KERNEL_activation, NODE_ACT2, "forward", act, v2, v2); /* the same constants: the same function */
  CALL(arena, s, KERNEL_to_nchw, NODE_FLATTEN, "forward", plain, v2, v3);
  CALL(arena, s, KERNEL_linear, NODE_FC, "forward", fc_k, v3, w, b, logits);
  return v3;
}

static void plan_step(Arena *arena, Plan *p) {
  Program *s = &p->step;
  *s = (Program){.name = "step", .present = true};
  CrossEntropyParams loss_k = {.classes = TINY_CLASSES, .positions = 1, .ignore = -100};
  BufferId y = buffer(arena, s, "fc", SPACE_OUTPUT, 0, 0);
  BufferId features = plan_layers(arena, p, s, y);
  BufferId target = buffer(arena, s, "target", SPACE_TARGET, 0, 0);
  BufferId loss = buffer(arena, s, "loss", SPACE_LOSS, 4, 0);
  BufferId dy = buffer(arena, s, "d fc", SPACE_ARENA, TINY_CLASSES * 4, 0);
  BufferId dw = buffer(arena, s, "d fc.weight", SPACE_GRADS, 0, p->grad_offset.at[FC_WEIGHT]);
  BufferId db = buffer(arena, s, "d fc.bias", SPACE_GRADS, 0, p->grad_offset.at[FC_BIAS]);
  CALL(arena, s, KERNEL_cross_entropy, NO_ID, "loss", loss_k, y, target, NO_ID, loss, dy);
  CALL(arena, s, KERNEL_linear_grad_weight, NODE_FC, "grad_weight", fc_k, features, dy, dw);
  CALL(arena, s, KERNEL_linear_grad_bias, NODE_FC, "grad_bias", fc_k, dy, db);
}

Plan *tiny_plan(Arena *arena) {
  Plan *p = arena_new(arena, Plan);
  p->graph = tiny_graph(arena, p);
  p->trained = p->graph, p->first = p;
  p->packed_bytes = PACKED_BYTES;
  plan_pack(arena, p);
  p->forward = (Program){.name = "forward", .present = true};
  plan_layers(arena, p, &p->forward, buffer(arena, &p->forward, "fc", SPACE_OUTPUT, 0, 0));
  p->prefix.name = "prefix";
  p->tail.name = "tail";
  plan_step(arena, p);
  return p;
}

float tiny_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (float)((int32_t)(*state >> 33) - (1 << 30)) / (float)(1 << 30);
}

void tiny_fill_weights(const Plan *plan, unsigned char *weights) {
  uint64_t seed = 7;
  for (size_t i = 0; i < TENSORS; i++) {
    float *at = (float *)(weights + plan->weight_offset.at[i]);
    for (int64_t k = 0; k < shape_count(&plan->graph->params.at[i].shape); k++) at[k] = tiny_random(&seed) * 0.2f;
  }
}

static const float *tensor(const Plan *plan, const unsigned char *weights, int i) {
  return (const float *)(weights + plan->weight_offset.at[i]);
}

static void conv(const float *x, int ic, int ih, int iw, const float *w, const float *bias, int oc, int stride,
                 float *y) {
  int oh = (ih - 1) / stride + 1, ow = (iw - 1) / stride + 1;
  for (int o = 0; o < oc; o++)
    for (int r = 0; r < oh; r++)
      for (int c = 0; c < ow; c++) {
        double sum = bias ? bias[o] : 0;
        for (int i = 0; i < ic; i++)
          for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) {
              int row = r * stride + a - 1, col = c * stride + b - 1;
              if (row < 0 || row >= ih || col < 0 || col >= iw) continue;
              sum += (double)x[(i * ih + row) * iw + col] * w[((o * ic + i) * 3 + a) * 3 + b];
            }
        y[(o * oh + r) * ow + c] = (float)sum;
      }
}

static void features_of(const Plan *plan, const unsigned char *weights, const float *x, float *features) {
  float hidden[C1 * H1 * W1];
  conv(x, 3, H1, W1, tensor(plan, weights, CONV1_WEIGHT), tensor(plan, weights, CONV1_BIAS), C1, 1, hidden);
  for (int i = 0; i < C1 * H1 * W1; i++) hidden[i] = fmaxf(hidden[i], 0);
  conv(hidden, C1, H1, W1, tensor(plan, weights, CONV2_WEIGHT), NULL, C2, 2, features);
  for (int i = 0; i < FEATURES; i++) features[i] = fminf(fmaxf(features[i], 0), 6);
}

static void logits_of(const Plan *plan, const unsigned char *weights, const float *features, float *y) {
  const float *w = tensor(plan, weights, FC_WEIGHT), *b = tensor(plan, weights, FC_BIAS);
  for (int o = 0; o < TINY_CLASSES; o++) {
    double sum = b[o];
    for (int i = 0; i < FEATURES; i++) sum += (double)w[o * FEATURES + i] * features[i];
    y[o] = (float)sum;
  }
}

void tiny_reference(const Plan *plan, const unsigned char *weights, int n, const float *x, float *y) {
  for (int s = 0; s < n; s++) {
    float features[FEATURES];
    features_of(plan, weights, x + s * TINY_INPUT, features);
    logits_of(plan, weights, features, y + s * TINY_CLASSES);
  }
}

void tiny_reference_step(const Plan *plan, const unsigned char *weights, int n, const float *x, const int32_t *target,
                         float *loss, float *dw) {
  double total = 0;
  for (int i = 0; i < TINY_CLASSES * FEATURES; i++) dw[i] = 0;
  for (int s = 0; s < n; s++) {
    float features[FEATURES], y[TINY_CLASSES];
    features_of(plan, weights, x + s * TINY_INPUT, features);
    logits_of(plan, weights, features, y);
    double sum = 0;
    for (int o = 0; o < TINY_CLASSES; o++) sum += exp(y[o]);
    total -= y[target[s]] - log(sum);
    for (int o = 0; o < TINY_CLASSES; o++) {
      double d = (exp(y[o]) / sum - (o == target[s])) / n;
      for (int i = 0; i < FEATURES; i++) dw[o * FEATURES + i] += (float)(d * features[i]);
    }
  }
  *loss = (float)(total / n);
}
