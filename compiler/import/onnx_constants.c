/* Constants of an ONNX graph: scalars, short lists of integers (shapes, axes, pads), and which tensor of the
 * file is behind the name that a layer uses. Values of weights are not read here. Called by onnx.c and the
 * operators. */
#include "compiler/import/onnx_internal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- small tensors ---- */

/* Elements by the dimensions; -1 where they are wrong or many. */
static int64_t small_count(const OnnxTensorProto *t) {
  int64_t count = 1;
  for (size_t i = 0; i < t->n_dims; i++) {
    if (t->dims[i] < 0 || t->dims[i] > ONNX_MAX_INTS) return -1;
    count *= t->dims[i];
    if (count > ONNX_MAX_INTS) return -1;
  }
  return t->data_location == 1 ? -1 : count;
}

/* Makes a one-dimensional tensor of integers a list. Any other stays what it is. */
static void read_ints(OnnxImport *o, OnnxValue *v) {
  const OnnxTensorProto *t = v->tensor;
  bool wide = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
  int64_t count = small_count(t);
  if ((!wide && t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__INT32) || t->n_dims > 1 || count < 0) return;
  size_t size = wide ? 8 : 4, typed = wide ? t->n_int64_data : t->n_int32_data;
  bool raw = t->has_raw_data && t->raw_data.len == (size_t)count * size;
  if (!raw && typed != (size_t)count) return;
  v->ints = arena_array(o->arena, OnnxInt, count + 1);
  v->count = (size_t)count;
  for (int64_t i = 0; i < count; i++) {
    int64_t value = 0;
    int32_t narrow = 0;
    if (raw && wide) memcpy(&value, t->raw_data.data + i * 8, 8);
    if (raw && !wide) memcpy(&narrow, t->raw_data.data + i * 4, 4);
    if (raw && !wide) value = narrow;
    if (!raw) value = wide ? t->int64_data[i] : t->int32_data[i];
    v->ints[i] = (OnnxInt){INT_KNOWN, value};
  }
  v->kind = VALUE_INTS;
}

static double half_value(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double value = exponent == 0    ? ldexp(fraction, -24)
                 : exponent == 31 ? (fraction ? NAN : INFINITY)
                                  : ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

bool scalar_value(const OnnxValue *v, double *out) {
  if (!v) return false;
  if (v->kind == VALUE_INTS && v->count == 1 && v->ints[0].kind == INT_KNOWN)
    return *out = (double)v->ints[0].value, true;
  if (v->kind != VALUE_TENSOR) return false;
  if (v->is_number) return *out = v->number, true;
  const OnnxTensorProto *t = v->tensor;
  const ProtobufCBinaryData *raw = &t->raw_data;
  float f;
  uint16_t half;
  if (small_count(t) != 1) return false;
  if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
    if (raw->len == 4) memcpy(&f, raw->data, 4);
    else if (t->n_float_data == 1) f = t->float_data[0];
    else return false;
    return *out = (double)f, true;
  }
  if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE) {
    if (raw->len == 8) memcpy(out, raw->data, 8);
    else if (t->n_double_data == 1) *out = t->double_data[0];
    else return false;
    return true;
  }
  if (t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16) return false;
  if (raw->len == 2) memcpy(&half, raw->data, 2);
  else if (t->n_int32_data == 1) half = (uint16_t)t->int32_data[0];
  else return false;
  return *out = half_value(half), true;
}

bool ints_known(const OnnxValue *v, int64_t *out, size_t *count, size_t most) {
  if (!v || v->kind != VALUE_INTS || v->count > most) return false;
  for (size_t i = 0; i < v->count; i++) {
    if (v->ints[i].kind != INT_KNOWN) return false;
    out[i] = v->ints[i].value;
  }
  *count = v->count;
  return true;
}

double onnx_tidy(double value) {
  char text[40];
  for (int digits = 6; digits < 10; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtof(text, NULL) == (float)value) break;
  }
  return isfinite(value) ? strtod(text, NULL) : value;
}

/* ---- constants that nodes give ---- */

static bool read_constant(OnnxImport *o, int node) {
  const OnnxNode *n = o->nodes[node].node;
  OnnxValue *v = node_output(o, node);
  const Onnx__AttributeProto *a = n->n_attribute == 1 ? n->attribute[0] : NULL;
  const char *name = a && a->name ? a->name : "";
  if (streq(name, "value") && a->t) {
    v->kind = VALUE_TENSOR;
    v->tensor = a->t;
    v->key = v->name;
    read_ints(o, v);
    return true;
  }
  if (streq(name, "value_float")) {
    v->kind = VALUE_TENSOR;
    v->is_number = true;
    v->number = (double)a->f;
    return true;
  }
  bool one = streq(name, "value_int");
  if (!one && !streq(name, "value_ints"))
    return onnx_refuse(o, node, "only tensors and numbers are supported as constants");
  if (!one && a->n_ints > ONNX_MAX_INTS) return onnx_refuse(o, node, "a list of %zu integers", a->n_ints);
  v->count = one ? 1 : a->n_ints;
  v->ints = arena_array(o->arena, OnnxInt, v->count + 1);
  for (size_t i = 0; i < v->count; i++) v->ints[i] = (OnnxInt){INT_KNOWN, one ? a->i : a->ints[i]};
  v->kind = VALUE_INTS;
  return true;
}

/* The same constant under another name: PyTorch writes parameters of equal values so. */
static void share_constant(OnnxImport *o, int node, const OnnxValue *from, bool transposed) {
  OnnxValue *to = node_output(o, node), copy = *from;
  copy.name = to->name;
  copy.producer = to->producer;
  copy.uses = to->uses;
  copy.user = to->user;
  copy.first_item = -1;
  copy.transposed ^= transposed;
  *to = copy;
  o->nodes[node].done = true;
}

static bool swaps_both(OnnxImport *o, int node) {
  int64_t perm[8] = {1, 0};
  size_t count = 2;
  return attribute_ints(o, node, "perm", perm, &count, 8) && count == 2 && perm[0] == 1 && perm[1] == 0;
}

void constants_resolve(OnnxImport *o) {
  for (size_t i = 0; i < o->graph->n_initializer; i++) {
    OnnxValue *v = &o->values.at[names_find(&o->names, o->graph->initializer[i]->name)];
    read_ints(o, v);
  }
  for (int i = 0; i < (int)o->graph->n_node; i++) {
    NodeInfo *info = &o->nodes[i];
    const OnnxNode *n = info->node;
    if (!info->needed || (n->domain && *n->domain && !streq(n->domain, "ai.onnx"))) continue;
    if (streq(n->op_type, "Constant")) {
      info->done = true;
      read_constant(o, i);
      continue;
    }
    const OnnxValue *in = node_input(o, i, 0);
    if (!in || (in->kind != VALUE_TENSOR && in->kind != VALUE_INTS)) continue;
    if (streq(n->op_type, "Identity")) share_constant(o, i, in, false);
    bool matrix = in->kind == VALUE_TENSOR && in->tensor && in->tensor->n_dims == 2;
    if (streq(n->op_type, "Transpose") && matrix && swaps_both(o, i)) share_constant(o, i, in, true);
  }
}

/* ---- weights ---- */

static const surgery_tensor *find_tensor(OnnxImport *o, const char *name) {
  for (int round = 0; round < 5; round++) {
    const surgery_tensor *t = surgery_weights_find(o->weights, name);
    if (t || !o->wrapped) return t;
    if (strncmp(name, "module.", 7) == 0) name += 7;
    else if (strncmp(name, "_orig_mod.", 10) == 0) name += 10;
    else break;
  }
  return NULL;
}

bool weight_input(OnnxImport *o, int node, size_t index, const char *what, int rank, OnnxValue **v, int64_t dims[8]) {
  *v = node_input(o, node, index);
  if (!*v) return onnx_refuse(o, node, "it has no %s", what);
  if ((*v)->kind == VALUE_NONE) return false;
  const surgery_tensor *t = (*v)->kind == VALUE_TENSOR && (*v)->key ? find_tensor(o, (*v)->key) : NULL;
  if (!t) return onnx_refuse(o, node, "its %s '%s' is not a constant tensor of numbers", what, SG_Q((*v)->name));
  if (t->dtype != SURGERY_F32 && t->dtype != SURGERY_F64 && t->dtype != SURGERY_F16 && t->dtype != SURGERY_BF16)
    return onnx_refuse(o, node, "its %s '%s' is of type %s, not of a floating type", what, SG_Q((*v)->name),
                       surgery_dtype_name(t->dtype));
  if (t->rank != rank)
    return onnx_refuse(o, node, "its %s '%s' has %d dimensions; %d are supported", what, SG_Q((*v)->name), t->rank,
                       rank);
  for (int i = 0; i < rank; i++) {
    dims[i] = t->shape[(*v)->transposed ? rank - 1 - i : i];
    if (dims[i] < 1 || dims[i] > INT32_MAX)
      return onnx_refuse(o, node, "its %s '%s' has a dimension of %lld", what, SG_Q((*v)->name), (long long)dims[i]);
  }
  (*v)->key = arena_strdup(o->s->arena, t->name); /* outlives the open file */
  return true;
}
