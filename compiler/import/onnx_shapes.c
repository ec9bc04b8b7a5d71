/* The ONNX operators about shapes: Flatten, Reshape, Squeeze, and the small computations on integers (Shape,
 * Gather, Unsqueeze, Concat) by which exporters write x.view(x.size(0), -1). A network here knows one change
 * of shape, the flatten; everything else is refused. */
#include "compiler/import/onnx_internal.h"

static bool add_flatten(OnnxImport *o, int node, int in, int64_t features) {
  OnnxItem *item = item_add(o, node, OP_Flatten, OP_flatten, in);
  item->args = (OpArgs){.Flatten = {.start_dim = 1, .end_dim = -1}};
  item->features = features;
  item_done(o, node, 2);
  return true;
}

/* The same value under another name. */
static bool pass_on(OnnxImport *o, int node, int in, int rank) {
  OnnxValue *out = node_output(o, node);
  out->kind = VALUE_FLOW;
  out->item = in;
  out->rank = rank;
  return true;
}

bool convert_flatten(OnnxImport *o, int node) {
  int64_t axis = 1;
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !attribute_int(o, node, "axis", &axis)) return false;
  if (axis != 1 && axis + rank != 1)
    return onnx_refuse(
        o, node, "the attribute axis=%lld is not supported, only 1: the batch stays, all else becomes one dimension",
        (long long)axis);
  return add_flatten(o, node, in, 0);
}

static const char *ints_text(OnnxImport *o, const OnnxValue *v) {
  const char *text = "";
  for (size_t i = 0; i < v->count && i < 8; i++) {
    const OnnxInt *n = &v->ints[i];
    const char *word = n->kind == INT_BATCH  ? "N"
                       : n->kind == INT_SIZE ? "?"
                                             : arena_printf(o->arena, "%lld", (long long)n->value);
    text = arena_printf(o->arena, "%s%s%s", text, i ? ", " : "", word);
  }
  return arena_printf(o->arena, "(%s%s)", text, v->count > 8 ? ", …" : "");
}

/* A 0 copies the dimension of the input, which is the batch in the first place. */
static bool is_batch(const OnnxImport *o, const OnnxInt *n, bool zero_copies) {
  if (n->kind != INT_KNOWN) return n->kind == INT_BATCH;
  return (zero_copies && n->value == 0) || (o->batch > 0 && n->value == o->batch);
}

bool convert_reshape(OnnxImport *o, int node) {
  int64_t zero = 0;
  int in, rank;
  const OnnxValue *to = node_input(o, node, 1);
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !attribute_int(o, node, "allowzero", &zero)) return false;
  if (to && to->kind == VALUE_NONE) return false;
  if (!to || to->kind != VALUE_INTS) return onnx_refuse(o, node, "its target shape is not constant");
  /* With the batch in front the rest is one dimension, whatever its size is written as: the count must agree.
   */
  if (to->count == 2 && rank >= 2 && is_batch(o, &to->ints[0], zero == 0)) return add_flatten(o, node, in, 0);
  bool open = to->count == 2 && to->ints[0].kind == INT_KNOWN && to->ints[0].value == -1;
  if (open && rank >= 2 && to->ints[1].kind == INT_KNOWN && to->ints[1].value > 0)
    return add_flatten(o, node, in, to->ints[1].value);
  return onnx_refuse(o, node, "a reshape to %s is not supported, only a flatten to (N, -1)", ints_text(o, to));
}

/* Axes as an attribute (until opset 12) or as an input. Negative ones count from the end of `rank`
 * dimensions. */
static bool read_axes(OnnxImport *o, int node, int since, int rank, int64_t axes[8], size_t *count) {
  *count = 0;
  if (o->opset < since) {
    if (!attribute_ints(o, node, "axes", axes, count, 8)) return false;
  } else if (node_input(o, node, 1)) {
    const OnnxValue *v = node_input(o, node, 1);
    if (v->kind == VALUE_NONE) return false;
    if (!ints_known(v, axes, count, 8)) return onnx_refuse(o, node, "its axes are not constant");
  }
  for (size_t i = 0; i < *count; i++) {
    if (!in_range(o, node, "an axis", axes[i], -rank, rank - 1)) return false;
    if (axes[i] < 0) axes[i] += rank;
  }
  return true;
}

/* (N, C, 1, 1) to (N, C). */
bool convert_squeeze(OnnxImport *o, int node) {
  const OnnxValue *v = node_input(o, node, 0);
  int64_t axes[8];
  size_t count;
  int in, rank;
  if (v && v->kind == VALUE_INTS && v->count == 1) {
    OnnxValue *out = node_output(o, node), copy = *v;
    out->kind = VALUE_INTS;
    out->ints = copy.ints;
    out->count = 1;
    return true;
  }
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !read_axes(o, node, 13, rank, axes, &count)) return false;
  bool both = rank == 4 && count == 2 && axes[0] + axes[1] == 5 && axes[0] >= 2 && axes[1] >= 2;
  if (!both) return onnx_refuse(o, node, "only a squeeze of height and width, (N, C, 1, 1) to (N, C), is supported");
  return add_flatten(o, node, in, 0);
}

/* ---- on integers ---- */

static OnnxValue *give_ints(OnnxImport *o, int node, size_t count) {
  OnnxValue *out = node_output(o, node);
  out->kind = VALUE_INTS;
  out->count = count;
  out->ints = arena_array(o->arena, OnnxInt, count + 1);
  return out;
}

bool convert_shape(OnnxImport *o, int node) {
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL)) return false;
  OnnxValue *out = give_ints(o, node, (size_t)rank);
  for (int i = 0; i < rank; i++) out->ints[i] = (OnnxInt){i == 0 ? INT_BATCH : INT_SIZE, 0};
  return true;
}

static bool shape_input(OnnxImport *o, int node, size_t index, const OnnxValue **v) {
  *v = node_input(o, node, index);
  if (*v && (*v)->kind == VALUE_NONE) return false;
  if (*v && (*v)->kind == VALUE_INTS) return true;
  return onnx_refuse(o, node, "it is supported on shapes only, not on values that flow through the network");
}

bool convert_gather(OnnxImport *o, int node) {
  const OnnxValue *from;
  int64_t axis = 0, index[ONNX_MAX_INTS];
  size_t count;
  if (!shape_input(o, node, 0, &from) || !attribute_int(o, node, "axis", &axis)) return false;
  if (axis != 0 || !ints_known(node_input(o, node, 1), index, &count, ONNX_MAX_INTS))
    return onnx_refuse(o, node, "its indices are not constant");
  OnnxValue *out = give_ints(o, node, count);
  for (size_t i = 0; i < count; i++) {
    int64_t at = index[i] < 0 ? index[i] + (int64_t)from->count : index[i];
    if (at < 0 || at >= (int64_t)from->count)
      return onnx_refuse(o, node, "index %lld of %zu", (long long)index[i], from->count);
    out->ints[i] = from->ints[at];
  }
  return true;
}

/* A number becomes a list of one: here they are the same. */
bool convert_unsqueeze(OnnxImport *o, int node) {
  const OnnxValue *v;
  if (!shape_input(o, node, 0, &v)) return false;
  OnnxValue *out = node_output(o, node);
  out->kind = VALUE_INTS;
  out->ints = v->ints;
  out->count = v->count;
  return true;
}

bool convert_cast(OnnxImport *o, int node) {
  const OnnxValue *v = node_input(o, node, 0);
  int64_t to = 0;
  int in, rank;
  if (v && v->kind == VALUE_INTS) return convert_unsqueeze(o, node);
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !attribute_int(o, node, "to", &to)) return false;
  if (to != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
    return onnx_refuse(o, node, "the attribute to=%lld is not supported; networks compute in f32", (long long)to);
  return pass_on(o, node, in, rank);
}

static bool concat_ints(OnnxImport *o, int node) {
  const OnnxNode *n = o->nodes[node].node;
  size_t count = 0, at = 0;
  const OnnxValue *v;
  for (size_t i = 0; i < n->n_input; i++) {
    if (!shape_input(o, node, i, &v)) return false;
    count += v->count;
    if (count > ONNX_MAX_INTS) return onnx_refuse(o, node, "a shape of more than %d dimensions", ONNX_MAX_INTS);
  }
  OnnxValue *out = give_ints(o, node, count);
  for (size_t i = 0; i < n->n_input; i++) {
    v = node_input(o, node, i);
    for (size_t k = 0; k < v->count; k++) out->ints[at++] = v->ints[k];
  }
  return true;
}

bool convert_concat(OnnxImport *o, int node) {
  const OnnxNode *n = o->nodes[node].node;
  const OnnxValue *first = node_input(o, node, 0);
  int64_t axis = 0;
  int in, rank;
  if (!attribute_int(o, node, "axis", &axis)) return false;
  if (first && first->kind == VALUE_INTS) return concat_ints(o, node);
  int *inputs = arena_array(o->arena, int, n->n_input + 1);
  for (size_t i = 0; i < n->n_input; i++)
    if (!flow_input(o, node, i, &inputs[i], &rank, NULL)) return false;
  if (!in_range(o, node, "axis", axis, -rank, rank - 1)) return false;
  if (axis < 0) axis += rank;
  if (axis == 0) return onnx_refuse(o, node, "the attribute axis=0 joins samples; the batch cannot be changed");
  in = inputs[0];
  OnnxItem *item = item_add(o, node, OP_NONE, OP_cat, in);
  item->args.cat.dim = axis;
  item->more = inputs;
  item->input_count = (int)n->n_input;
  item_done(o, node, rank);
  return true;
}

bool convert_mean(OnnxImport *o, int node) {
  int64_t axes[8], keep = 1, empty = 0;
  size_t count;
  int in, rank;
  if (!flow_input(o, node, 0, &in, &rank, NULL) || !read_axes(o, node, 18, rank, axes, &count)) return false;
  if (!attribute_int(o, node, "keepdims", &keep) || !attribute_int(o, node, "noop_with_empty_axes", &empty))
    return false;
  if (count == 0 && empty) return pass_on(o, node, in, rank);
  if (count == 0) return onnx_refuse(o, node, "a mean over all dimensions, the batch too, is not supported");
  meanArgs a = {.keepdim = keep != 0};
  for (size_t i = 0; i < count; i++) {
    if (axes[i] == 0) return onnx_refuse(o, node, "a mean over the batch is not supported");
    for (size_t k = 0; k < i; k++)
      if (axes[k] == axes[i]) return onnx_refuse(o, node, "axis %lld stands there twice", (long long)axes[i]);
    a.dim.at[a.dim.count++] = axes[i];
  }
  item_add(o, node, OP_NONE, OP_mean, in)->args.mean = a;
  item_done(o, node, keep ? rank : rank - (int)count);
  return true;
}
