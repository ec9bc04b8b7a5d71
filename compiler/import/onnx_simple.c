/* The ONNX operators that work on single numbers, and Softmax; and the GELU that exporters spell out in five
 * nodes. */
#include "compiler/import/onnx_internal.h"
#include <math.h>

static bool add_layer(OnnxImport *o, int node, OpId layer, OpId function, OpArgs a) {
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL)) return false;
  item_add(o, node, layer, function, in)->args = a;
  item_done(o, node, rank);
  return true;
}

bool convert_activation(OnnxImport *o, int node) {
  const char *type = o->nodes[node].node->op_type;
  if (streq(type, "Relu")) return add_layer(o, node, OP_ReLU, OP_relu, (OpArgs){0});
  return add_layer(o, node, streq(type, "Tanh") ? OP_Tanh : OP_Sigmoid, OP_NONE, (OpArgs){0});
}

bool convert_leaky_relu(OnnxImport *o, int node) {
  double alpha = 0.01;
  if (!attribute_float(o, node, "alpha", &alpha)) return false;
  if (!(fabs(alpha) <= 1e30)) return onnx_refuse(o, node, "the attribute alpha=%g is out of range", alpha);
  return add_layer(o, node, OP_LeakyReLU, OP_NONE, (OpArgs){.LeakyReLU = {.negative_slope = onnx_tidy(alpha)}});
}

static bool clip_bound(OnnxImport *o, int node, size_t index, const char *name, double *out) {
  if (o->opset < 11) return attribute_float(o, node, name, out);
  const OnnxValue *v = node_input(o, node, index);
  if (!v) return true;
  if (v->kind == VALUE_NONE) return false;
  return scalar_value(v, out) || onnx_refuse(o, node, "its %s is not a constant", name);
}

bool convert_clip(OnnxImport *o, int node) {
  double min = -INFINITY, max = INFINITY;
  if (!clip_bound(o, node, 1, "min", &min) || !clip_bound(o, node, 2, "max", &max)) return false;
  if (min == 0 && max == 6) return add_layer(o, node, OP_ReLU6, OP_NONE, (OpArgs){0});
  if (min == 0 && max >= 3.4e38) return add_layer(o, node, OP_ReLU, OP_relu, (OpArgs){0});
  return onnx_refuse(o, node, "a clip to min=%g, max=%g is not supported, only 0 to 6 (ReLU6) and 0 upwards (ReLU)",
                     min, max);
}

bool convert_gelu_node(OnnxImport *o, int node) {
  const char *approximate = "none";
  if (!attribute_text(o, node, "approximate", &approximate)) return false;
  if (!streq(approximate, "none") && !streq(approximate, "tanh"))
    return onnx_refuse(o, node, "the attribute approximate=%s is not known", SG_Q(approximate));
  return add_layer(o, node, OP_GELU, OP_NONE,
                   (OpArgs){.GELU = {.approximate = streq(approximate, "none") ? "none" : "tanh"}});
}

bool convert_softmax(OnnxImport *o, int node) {
  int64_t axis = o->opset < 13 ? 1 : -1;
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !attribute_int(o, node, "axis", &axis)) return false;
  if (!in_range(o, node, "axis", axis, -rank, rank - 1)) return false;
  if (axis < 0) axis += rank;
  if (axis == 0) return onnx_refuse(o, node, "the attribute axis=0 goes over the batch");
  if (o->opset < 13 && axis != rank - 1)
    return onnx_refuse(o, node,
                       "the attribute axis=%lld flattens before opset 13; only the last dimension is supported",
                       (long long)axis);
  return add_layer(o, node, OP_Softmax, OP_NONE, (OpArgs){.Softmax = {.dim = axis}});
}

bool convert_dropout(OnnxImport *o, int node) {
  double p = 0.5;
  if (!attribute_float(o, node, "ratio", &p)) return false;
  const OnnxValue *v = node_input(o, node, 1);
  if (v && v->kind == VALUE_NONE) return false;
  if (v && !scalar_value(v, &p)) return onnx_refuse(o, node, "its ratio is not a constant");
  if (!(p >= 0 && p <= 1)) return onnx_refuse(o, node, "its ratio %g does not lie between 0 and 1", p);
  return add_layer(o, node, OP_Dropout, OP_NONE, (OpArgs){.Dropout = {.p = onnx_tidy(p)}});
}

bool convert_identity(OnnxImport *o, int node) { return add_layer(o, node, OP_Identity, OP_NONE, (OpArgs){0}); }

/* Add of two, Sum of any number. */
bool convert_add(OnnxImport *o, int node) {
  const OnnxNode *n = o->nodes[node].node;
  int in, rank, other, other_rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL)) return false;
  if (n->n_input == 1) return convert_identity(o, node);
  for (size_t i = 1; i < n->n_input; i++) {
    if (!flow_input(o, node, i, &other, &other_rank, NULL)) return false;
    if (rank != other_rank)
      return onnx_refuse(o, node, "it adds values of %d and %d dimensions; only equal shapes are supported", rank,
                         other_rank);
    OnnxItem *item = item_add(o, node, OP_NONE, OP_add, in);
    item->inputs[1] = other;
    item->input_count = 2;
    item_done(o, node, rank);
    in = (int)o->items.count - 1;
  }
  return true;
}

/* ---- GELU as x * (1 + erf(x / sqrt 2)) * 0.5, with the factors in any order ---- */

static bool is_number(OnnxValue *v, double number) {
  double value;
  return scalar_value(v, &value) && fabs(value - number) <= 1e-5 * number;
}

/* The node's other input, when one of the two is this number and the order does not matter (or the number is
 * last). */
static OnnxValue *beside_number(OnnxImport *o, int node, double number, bool any_order) {
  if (o->nodes[node].node->n_input != 2) return NULL;
  if (is_number(node_input(o, node, 1), number)) return node_input(o, node, 0);
  return any_order && is_number(node_input(o, node, 0), number) ? node_input(o, node, 1) : NULL;
}

static bool is_op(OnnxImport *o, int node, const char *type) {
  return node >= 0 && o->nodes[node].needed && !o->nodes[node].done && streq(o->nodes[node].node->op_type, type);
}

/* The only node that reads the node's result. */
static int only_user(OnnxImport *o, int node) {
  const OnnxValue *out = node_output(o, node);
  return out->uses == 1 ? out->user : -1;
}

/* x, when `node` is x / sqrt 2. */
static OnnxValue *scaled_input(OnnxImport *o, int node) {
  if (is_op(o, node, "Div")) return beside_number(o, node, 1.4142135623730951, false);
  return is_op(o, node, "Mul") ? beside_number(o, node, 0.7071067811865476, true) : NULL;
}

static OnnxValue *other_input(OnnxImport *o, int node, const OnnxValue *one) {
  if (o->nodes[node].node->n_input != 2) return NULL;
  if (node_input(o, node, 0) == one) return node_input(o, node, 1);
  return node_input(o, node, 1) == one ? node_input(o, node, 0) : NULL;
}

static void find_gelu(OnnxImport *o, int erf) {
  const OnnxValue *in = node_input(o, erf, 0);
  int scale = in ? in->producer : -1, add = only_user(o, erf), half = -1, last = -1;
  OnnxValue *x = scale >= 0 && only_user(o, scale) == erf ? scaled_input(o, scale) : NULL;
  if (!x || !is_op(o, add, "Add") || beside_number(o, add, 1, true) != node_output(o, erf)) return;
  int product = only_user(o, add);
  OnnxValue *factor = is_op(o, product, "Mul") ? other_input(o, product, node_output(o, add)) : NULL;
  if (!factor) return;
  if (factor == x) { /* x * (1 + erf) * 0.5 */
    half = last = only_user(o, product);
    if (!is_op(o, half, "Mul") || beside_number(o, half, 0.5, true) != node_output(o, product)) return;
  } else { /* (x * 0.5) * (1 + erf) */
    half = factor->producer;
    last = product;
    if (!is_op(o, half, "Mul") || only_user(o, half) != product || beside_number(o, half, 0.5, true) != x) return;
  }
  int parts[] = {scale, erf, add, product, half};
  for (int i = 0; i < 5; i++) o->nodes[parts[i]].done = true;
  o->nodes[last].done = false;
  o->nodes[last].gelu = (int)(x - o->values.at);
}

void onnx_find_gelus(OnnxImport *o) {
  for (int i = 0; i < (int)o->graph->n_node; i++)
    if (is_op(o, i, "Erf")) find_gelu(o, i);
}

bool convert_gelu(OnnxImport *o, int node) {
  const OnnxValue *x = &o->values.at[o->nodes[node].gelu];
  if (x->kind == VALUE_NONE) return false;
  if (x->kind != VALUE_FLOW || x->pad[0] || x->pad[1])
    return onnx_refuse(o, node, "a GELU of a constant or of padded values");
  item_add(o, node, OP_GELU, OP_NONE, x->item)->args.GELU.approximate = "none";
  item_done(o, node, x->rank);
  return true;
}
