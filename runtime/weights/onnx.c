/* ONNX files as weight files: their initializers, and the float tensors of Constant nodes, under the names
 * that the graph calls them by. Finds places and checks sizes; reads no value that is in a file as it is.
 * Called by weights.c. */
#include "runtime/weights/onnx.h"
#include "runtime/weights/formats.h"

#include <stdlib.h>

/* Field numbers of the messages that are walked. */
enum { MODEL_GRAPH = 7 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_SPARSE = 15 };
enum { NODE_OUTPUT = 2, NODE_TYPE = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_TENSOR = 5 };
enum {
  TENSOR_DIMS = 1,
  TENSOR_TYPE,
  TENSOR_SEGMENT,
  TENSOR_FLOATS,
  TENSOR_INT32S,
  TENSOR_STRINGS,
  TENSOR_INT64S,
  TENSOR_NAME,
  TENSOR_RAW,
  TENSOR_DOUBLES,
  TENSOR_UINT64S,
  TENSOR_EXTERNAL = 13,
  TENSOR_LOCATION = 14
};
enum { PAIR_KEY = 1, PAIR_VALUE = 2 };

/* By TensorProto's number: the dtype, and the typed field that its values may be in. */
static const struct {
  const char *name;
  int dtype; /* -1: not read */
  uint32_t field;
} types[] = {
    {"undefined", -1, 0},
    {"float", SURGERY_F32, TENSOR_FLOATS},
    {"uint8", SURGERY_U8, TENSOR_INT32S},
    {"int8", SURGERY_I8, TENSOR_INT32S},
    {"uint16", SURGERY_U16, TENSOR_INT32S},
    {"int16", SURGERY_I16, TENSOR_INT32S},
    {"int32", SURGERY_I32, TENSOR_INT32S},
    {"int64", SURGERY_I64, TENSOR_INT64S},
    {"string", -1, 0},
    {"bool", SURGERY_BOOL, TENSOR_INT32S},
    {"float16", SURGERY_F16, TENSOR_INT32S},
    {"double", SURGERY_F64, TENSOR_DOUBLES},
    {"uint32", SURGERY_U32, TENSOR_UINT64S},
    {"uint64", SURGERY_U64, TENSOR_UINT64S},
    {"complex64", -1, 0},
    {"complex128", -1, 0},
    {"bfloat16", SURGERY_BF16, TENSOR_INT32S},
};
enum { TYPES = sizeof types / sizeof *types };

#define REFUSE(r, d, format, ...)                                                                                      \
  sg_fail((r)->err, SURGERY_BAD_INPUT, "%s: tensor '%s' (byte %llu): " format, (r)->path, SG_Q((d)->name),             \
          ULL((d)->begin), __VA_ARGS__)

/* ---- the description of one tensor ---- */

static int add_dim(OnnxReader *r, OnnxTensor *d, uint64_t value) {
  if (d->rank < SURGERY_MAX_RANK) d->dims[d->rank] = (int64_t)value;
  d->rank++;
  return d->rank <= 1000 ? 0 : wire_refuse(r, d->begin, "a tensor of more than 1000 dimensions");
}

/* Packed or one by one: both are allowed everywhere. */
static int read_dims(OnnxReader *r, const WireField *f, OnnxTensor *d) {
  if (f->type == WIRE_VARINT) return add_dim(r, d, f->value);
  if (f->type != WIRE_BYTES) return wire_refuse(r, f->at, "a size is not a number");
  while (stream_at(&r->in) < f->next) {
    uint64_t value;
    if (wire_varint(r, f->next, &value) || add_dim(r, d, value)) return -1;
  }
  return 0;
}

/* One pair of external_data. Keys that are not known (checksum) say nothing about the place. */
static int read_pair(OnnxReader *r, const WireField *pair, OnnxTensor *d) {
  const char *key = "", *value = "";
  WireField f;
  if (pair->type != WIRE_BYTES) return wire_refuse(r, pair->at, "external_data is not a message");
  for (uint64_t at = pair->at; at < pair->next; at = f.next) {
    if (wire_field(r, at, pair->next, &f)) return -1;
    if (f.number == PAIR_KEY && wire_text(r, &f, "a key of external_data", &key)) return -1;
    if (f.number == PAIR_VALUE && wire_text(r, &f, "a value of external_data", &value)) return -1;
  }
  const char **to = strcmp(key, "location") == 0 ? &d->location
                    : strcmp(key, "offset") == 0 ? &d->offset
                    : strcmp(key, "length") == 0 ? &d->length
                                                 : NULL;
  if (to && *to) return wire_refuse(r, pair->at, "external_data states something twice");
  if (to) *to = value;
  return 0;
}

static int read_typed(OnnxReader *r, const WireField *f, OnnxTensor *d) {
  if (f->type == WIRE_BYTES && f->at == f->next) return 0;
  if (d->typed && d->typed != f->number) return wire_refuse(r, f->at, "a tensor with values of two types");
  d->packed = d->typed || f->type != WIRE_BYTES ? (WireField){0} : *f;
  d->typed = f->number;
  return 0;
}

static int read_tensor_field(OnnxReader *r, const WireField *f, OnnxTensor *d) {
  switch (f->number) {
  case TENSOR_DIMS: return read_dims(r, f, d);
  case TENSOR_TYPE:
    d->data_type = f->value;
    return f->type == WIRE_VARINT ? 0 : wire_refuse(r, f->at, "a data type is not a number");
  case TENSOR_SEGMENT: return wire_refuse(r, f->at, "a tensor in segments");
  case TENSOR_NAME: return wire_text(r, f, "a tensor's name", &d->name);
  case TENSOR_RAW: d->raw = *f; return f->type == WIRE_BYTES ? 0 : wire_refuse(r, f->at, "raw_data are not bytes");
  case TENSOR_FLOATS:
  case TENSOR_INT32S:
  case TENSOR_STRINGS:
  case TENSOR_INT64S:
  case TENSOR_DOUBLES:
  case TENSOR_UINT64S: return read_typed(r, f, d);
  case TENSOR_EXTERNAL: return read_pair(r, f, d);
  case TENSOR_LOCATION:
    d->external = f->value == 1;
    return f->type == WIRE_VARINT && f->value <= 1 ? 0 : wire_refuse(r, f->at, "data_location is neither 0 nor 1");
  default: return 0;
  }
}

static int read_description(OnnxReader *r, const WireField *message, OnnxTensor *d) {
  if (message->type != WIRE_BYTES) return wire_refuse(r, message->at, "a tensor is not a message");
  *d = (OnnxTensor){.begin = message->at, .end = message->next, .name = ""};
  WireField f;
  for (uint64_t at = d->begin; at < d->end; at = f.next)
    if (wire_field(r, at, d->end, &f) || read_tensor_field(r, &f, d)) return -1;
  return 0;
}

/* ---- its values ---- */

static int inline_values(OnnxReader *r, const OnnxTensor *d, WeightTensor *t) {
  if (d->raw.next && d->typed) return REFUSE(r, d, "its values stand in %s and in a typed field", "raw_data");
  if (!d->raw.next && d->typed && d->typed != types[d->data_type].field)
    return REFUSE(r, d, "its values stand in a field that is not the one for %s", types[d->data_type].name);
  if (!d->raw.next && d->typed) return onnx_typed_values(r, d, t);
  uint64_t have = d->raw.next - d->raw.at;
  if (have != t->span) {
    return REFUSE(r, d, "%s of shape %s takes %llu bytes, but %llu are there", surgery_dtype_name(t->pub.dtype),
                  SHAPE(t->pub.rank, t->pub.shape), ULL(t->span), ULL(have));
  }
  t->offset = d->raw.at;
  return 0;
}

static int add_tensor(OnnxReader *r, const OnnxTensor *d) {
  if (!*d->name) return wire_refuse(r, d->begin, "a tensor without a name");
  if (d->data_type >= TYPES || types[d->data_type].dtype < 0) {
    return REFUSE(r, d, "data type %llu%s%s%s is not read (float, double, float16, bfloat16, integers and bool are)",
                  ULL(d->data_type), d->data_type < TYPES ? " (" : "",
                  d->data_type < TYPES ? types[d->data_type].name : "", d->data_type < TYPES ? ")" : "");
  }
  WeightTensor *t = weights_add(r->w, d->name, strlen(d->name), r->err);
  if (!t) return -1;
  t->file = r->file;
  if (weights_shape(r->w, t, (surgery_dtype)types[d->data_type].dtype, d->rank, d->dims, d->begin, r->err)) return -1;
  if (!d->external) return inline_values(r, d, t);
  if (d->raw.next || d->typed) return REFUSE(r, d, "its values stand here and in another file%s", "");
  return onnx_external_values(r, d, t);
}

/* ---- the graph ---- */

static bool is_float(const OnnxTensor *d) {
  return d->data_type < TYPES &&
         (types[d->data_type].dtype == SURGERY_F32 || types[d->data_type].dtype == SURGERY_F64 ||
          types[d->data_type].dtype == SURGERY_F16 || types[d->data_type].dtype == SURGERY_BF16);
}

/* The tensor of an attribute named `value`; *found says whether it is there. */
static int constant_value(OnnxReader *r, const WireField *attribute, WireField *value, bool *found) {
  const char *name = "";
  WireField f, tensor = {0};
  if (attribute->type != WIRE_BYTES) return wire_refuse(r, attribute->at, "an attribute is not a message");
  for (uint64_t at = attribute->at; at < attribute->next; at = f.next) {
    if (wire_field(r, at, attribute->next, &f)) return -1;
    if (f.number == ATTRIBUTE_NAME && wire_text(r, &f, "an attribute's name", &name)) return -1;
    if (f.number == ATTRIBUTE_TENSOR) tensor = f;
  }
  if (!tensor.next || strcmp(name, "value") != 0) return 0;
  *value = tensor;
  *found = true;
  return 0;
}

/* Some exporters hold weights in Constant nodes. Scalars and integers there are arguments, not weights. */
static int read_node(OnnxReader *r, const WireField *node) {
  const char *type = "", *domain = "", *output = "";
  WireField f, value = {0};
  bool found = false;
  if (node->type != WIRE_BYTES) return wire_refuse(r, node->at, "a node is not a message");
  for (uint64_t at = node->at; at < node->next; at = f.next) {
    if (wire_field(r, at, node->next, &f)) return -1;
    if (f.number == NODE_TYPE && wire_text(r, &f, "an operator", &type)) return -1;
    if (f.number == NODE_DOMAIN && wire_text(r, &f, "a domain", &domain)) return -1;
    if (f.number == NODE_OUTPUT && wire_text(r, &f, "an output's name", &output)) return -1;
    if (f.number == NODE_ATTRIBUTE && constant_value(r, &f, &value, &found)) return -1;
  }
  if (!found || strcmp(type, "Constant") != 0 || *domain || !*output) return 0;
  OnnxTensor d;
  if (read_description(r, &value, &d)) return -1;
  d.name = output;
  return d.rank > 0 && is_float(&d) ? add_tensor(r, &d) : 0;
}

static int read_graph(OnnxReader *r, const WireField *graph) {
  WireField f;
  OnnxTensor d;
  if (graph->type != WIRE_BYTES) return wire_refuse(r, graph->at, "the graph is not a message");
  if (r->has_graph) return wire_refuse(r, graph->at, "a second graph");
  r->has_graph = true;
  for (uint64_t at = graph->at; at < graph->next; at = f.next) {
    if (wire_field(r, at, graph->next, &f)) return -1;
    if (f.number == GRAPH_SPARSE) return wire_refuse(r, f.at, "a sparse tensor; only dense ones are read");
    if (f.number == GRAPH_NODE && read_node(r, &f)) return -1;
    if (f.number == GRAPH_INITIALIZER && (read_description(r, &f, &d) || add_tensor(r, &d))) return -1;
  }
  return 0;
}

WeightMatch onnx_probe(const WeightHead *head) {
  /* ir_version comes first, then one of the model's other fields. */
  const unsigned char *at = head->bytes;
  bool model = head->have >= 3 && at[0] == 0x08 && at[1] > 0 && at[1] < 0x40 &&
               memchr("\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca", at[2], 10);
  return model ? MATCH_LIKELY : MATCH_NOT;
}

int onnx_read(surgery_weights *w, uint32_t file, surgery_error *err) {
  OnnxReader *r = malloc(sizeof *r); /* the stream's window is large for a stack */
  if (!r) return sg_fail_memory(err, w->files[file].path, sizeof *r);
  *r = (OnnxReader){.w = w, .file = file, .path = w->files[file].path, .err = err, .spill = -1};
  uint64_t end = w->files[file].size;
  stream_open(&r->in, &w->files[file], 0, end);
  w->format = "onnx";
  int status = 0;
  WireField f;
  if (end > INT32_MAX)
    status = sg_fail(err, SURGERY_BAD_INPUT,
                     "%s: %llu bytes; no protobuf message is larger than 2 GiB (larger models hold "
                     "their tensors in other files)",
                     r->path, ULL(end));
  for (uint64_t at = 0; at < end && !status; at = f.next) {
    status = wire_field(r, at, end, &f);
    if (!status && f.number == MODEL_GRAPH) status = read_graph(r, &f);
  }
  if (!status && !r->has_graph)
    status = sg_fail(err, SURGERY_BAD_INPUT, "%s: is a protobuf message, but has no ONNX graph", r->path);
  free(r);
  return status ? -1 : 0;
}
