/* What the files of the ONNX import share. The way: onnx.c reads the file (protobuf-c) and checks its frame;
 * onnx_values.c resolves names, constants and what is needed; onnx_ops.c has one row for each operator, whose
 * function (onnx_layers.c, onnx_shapes.c, onnx_simple.c) turns a node into an item; onnx_build.c names the
 * items (onnx_names.c) and makes the graph of them. Nothing outside compiler/import includes this. */
#ifndef SURGERY_IMPORT_INTERNAL_H
#define SURGERY_IMPORT_INTERNAL_H
#include "runtime/base/map.h"
#include "compiler/import/onnx.h"
#include "onnx.pb-c.h"
#include "runtime/base/error.h"
#include "runtime/surgery.h"

typedef Onnx__NodeProto OnnxNode;
typedef Onnx__TensorProto OnnxTensorProto;

enum { ONNX_MAX_NODES = 10000, ONNX_MAX_INTS = 64, ONNX_MAX_NAME = 256, ONNX_MAX_DEPTH = 32, ONNX_MAX_REPORTS = 20 };
enum { ONNX_MIN_OPSET = 7, ONNX_MAX_OPSET = 24 };

/* -1 where the name is not there. */
static inline int names_find(const Map *names, const char *name) {
  const MapEntry *entry = map_find_text(names, name);
  return entry ? entry->value : -1;
}

/* A number in a computed shape. */
typedef enum IntKind { INT_KNOWN, INT_BATCH, INT_SIZE /* some other dimension of a value */ } IntKind;
typedef struct OnnxInt {
  IntKind kind;
  int64_t value;
} OnnxInt;

typedef enum ValueKind {
  VALUE_NONE,   /* not computed yet, or its node could not be read (which was reported) */
  VALUE_FLOW,   /* flows through the network */
  VALUE_TENSOR, /* constant: a weight, or a scalar */
  VALUE_INTS    /* integers: a constant, or a computed shape */
} ValueKind;

typedef struct OnnxValue {
  const char *name;
  ValueKind kind;
  int producer;   /* node, -1: an initializer or the input */
  int uses, user; /* how many needed inputs and outputs read it; the last node that does */
  int item, rank; /* FLOW: the item that gives it (-1: the input), its rank with the batch */
  int64_t pad[2]; /* FLOW: zeros that a Pad put around it and the next layer is still to take in */
  const OnnxTensorProto *tensor;
  const char *key; /* TENSOR: its name in the file, for the weights reader */
  bool transposed; /* TENSOR: read through a Transpose */
  bool is_number;  /* TENSOR: written as an attribute of one number */
  double number;
  OnnxInt *ints; /* INTS: at most ONNX_MAX_INTS */
  size_t count;
  int first_item; /* the first layer that has it as its weight; -1 */
} OnnxValue;

typedef struct OnnxParam {
  const char *role; /* "weight" */
  const char *name; /* as the node calls it: a state-dict key, where PyTorch exported the file */
  const char *key;  /* in the file */
  DonorForm form;
} OnnxParam;

/* One call of a layer or function, before it has a name. */
typedef struct OnnxItem {
  OpId layer, function; /* one may be OP_NONE */
  OpArgs args;
  const char *name, *type; /* of the node; its operator */
  int inputs[2];           /* items, -1: the network's input; of cat in `more` */
  int input_count;
  const int *more;
  OnnxParam params[4];
  int param_count;
  int same_layer;   /* an earlier item that calls the same layer; -1 */
  int64_t features; /* what a Reshape says the result has; 0: nothing */
  ValueId output;   /* filled in by onnx_build.c */
  ModuleId module;
} OnnxItem;

typedef struct OnnxOp OnnxOp;
typedef struct NodeInfo {
  const OnnxNode *node;
  const OnnxOp *op;
  bool needed; /* for the output */
  bool done;   /* a constant, or taken in by another node */
  int gelu;    /* index of the value that goes into a GELU of which this is the last node; -1 */
} NodeInfo;

typedef struct OnnxImport {
  Session *s;
  Arena *arena; /* dies with the import */
  Graph *g;
  Span span;
  const char *asked; /* as the script has it */
  GuessModel *guess;
  const char *path;
  const Onnx__GraphProto *graph;
  surgery_weights *weights;
  bool wrapped; /* all names began with "module." or "_orig_mod.", which the weights reader took off */
  int64_t opset;
  int64_t batch; /* the input's first dimension as the file has it; 0: open */
  Map names;
  VEC(OnnxValue) values;
  NodeInfo *nodes;
  VEC(OnnxItem) items;
  int input, output; /* values */
  int reports;
  Map paths, suffixes; /* onnx_build.c: modules by name, and the next _N of a name that is taken */
} OnnxImport;

/* ---- messages: "node '/conv1/Conv' (Conv): …"; false ---- */
bool onnx_refuse(OnnxImport *o, int node, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool onnx_broken(OnnxImport *o, DiagCode code, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *onnx_node_name(OnnxImport *o, int node); /* for a message; its output's name where it has none */

/* ---- attributes (onnx_attributes.c): false, reported, when one has another type; *out keeps its default
 * ---- */
bool attribute_int(OnnxImport *o, int node, const char *name, int64_t *out);
bool attribute_float(OnnxImport *o, int node, const char *name, double *out);
bool attribute_text(OnnxImport *o, int node, const char *name, const char **out);
/* *count is what `out` holds by default and then what the node states; at most `most`. */
bool attribute_ints(OnnxImport *o, int node, const char *name, int64_t *out, size_t *count, size_t most);
bool attribute_there(OnnxImport *o, int node, const char *name);
/* Reports attributes that are not among the words of `known`. */
bool attributes_known(OnnxImport *o, int node, const char *known);

/* ---- values (onnx_values.c, onnx_constants.c) ---- */
bool values_collect(OnnxImport *o);    /* names, needed nodes, uses; missing ones, cycles */
void constants_resolve(OnnxImport *o); /* Constant, and Identity, Cast and Transpose of constants */
/* The node's input; NULL where it is left out. */
OnnxValue *node_input(OnnxImport *o, int node, size_t index);
OnnxValue *node_output(OnnxImport *o, int node);
/* The input as a value that flows: its item and rank. False, reported where it is none; quietly where the
 * node that gives it has been reported. `pad`: the zeros around it, or NULL where there may be none. */
bool flow_input(OnnxImport *o, int node, size_t index, int *item, int *rank, int64_t pad[2]);
bool ints_known(const OnnxValue *v, int64_t *out, size_t *count, size_t most);
bool scalar_value(const OnnxValue *v, double *out); /* a constant of one number */
/* The shape of a constant with its Transpose, in the weights reader's words; false, reported, when it is no
 * float tensor. */
bool weight_input(OnnxImport *o, int node, size_t index, const char *what, int rank, OnnxValue **v, int64_t dims[8]);

/* ---- items ---- */
OnnxItem *item_add(OnnxImport *o, int node, OpId layer, OpId function, int input);
void item_param(OnnxImport *o, OnnxItem *item, const char *role, OnnxValue *v, DonorForm form);
/* The node's first output is the newest item's result. */
void item_done(OnnxImport *o, int node, int rank);
/* A number of the node within a range, as torch.nn's argument has it. */
bool in_range(OnnxImport *o, int node, const char *name, int64_t value, int64_t min, int64_t max);
double onnx_tidy(double value); /* the shortest decimal that is the same f32: 1e-05, not 9.99999975e-06 */

/* ---- operators (onnx_ops.c) ---- */
struct OnnxOp {
  const char *name, *attributes; /* the attributes that are read or may be there */
  size_t min_inputs, max_inputs;
  bool (*convert)(OnnxImport *o, int node);
};
const OnnxOp *onnx_op(const OnnxNode *node); /* NULL: not supported */
void onnx_find_gelus(OnnxImport *o);
bool convert_gelu(OnnxImport *o, int node);
bool convert_conv(OnnxImport *o, int node);
bool convert_batchnorm(OnnxImport *o, int node);
bool convert_gemm(OnnxImport *o, int node);
bool convert_matmul(OnnxImport *o, int node);
bool convert_maxpool(OnnxImport *o, int node);
bool convert_averagepool(OnnxImport *o, int node);
bool convert_global_pool(OnnxImport *o, int node);
bool convert_pad(OnnxImport *o, int node);
bool convert_flatten(OnnxImport *o, int node);
bool convert_reshape(OnnxImport *o, int node);
bool convert_squeeze(OnnxImport *o, int node);
bool convert_unsqueeze(OnnxImport *o, int node);
bool convert_shape(OnnxImport *o, int node);
bool convert_gather(OnnxImport *o, int node);
bool convert_cast(OnnxImport *o, int node);
bool convert_concat(OnnxImport *o, int node);
bool convert_mean(OnnxImport *o, int node);
bool convert_add(OnnxImport *o, int node);
bool convert_activation(OnnxImport *o, int node);
bool convert_leaky_relu(OnnxImport *o, int node);
bool convert_clip(OnnxImport *o, int node);
bool convert_gelu_node(OnnxImport *o, int node);
bool convert_softmax(OnnxImport *o, int node);
bool convert_dropout(OnnxImport *o, int node);
bool convert_identity(OnnxImport *o, int node);

/* ---- names and graph ---- */
/* "layer1.0.conv1" for parameters layer1.0.conv1.weight …; NULL where their names are no state-dict keys. */
const char *name_from_params(OnnxImport *o, const OnnxItem *item);
/* Where a node's name says it stands: "/layer1/layer1.0/relu/Relu" is Relu in the scope layer1.0.relu. Both
 * are made of letters, digits, `_` and dots; *scope is NULL where the name has none. */
void name_from_node(OnnxImport *o, const char *name, const char *type, const char **scope, const char **last);
bool onnx_build(OnnxImport *o);
#endif
