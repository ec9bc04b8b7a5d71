/* The network: modules with dotted names, parameters, nodes (calls) and values, all by index.
 *
 * A module is a layer or a container, as in PyTorch's module tree. A node is one call of a layer or of a
 * function in the data flow; a layer that is called twice has two nodes, named as
 * torchvision.models.feature_extraction names them (relu, relu_1). A value is what a node returns.
 * compiler/lang and compiler/import build the graph, edits change it, analysis only reads it (shapes and trainability
 * are filled in by analysis/shape.c, after which nothing may change it). */
#ifndef SURGERY_GRAPH_H
#define SURGERY_GRAPH_H
#include "compiler/base/diag.h"
#include "compiler/base/source.h"
#include "runtime/base/selector.h"

typedef int32_t ValueId; /* the others: runtime/base/selector.h */

/* ---- operators: rows of grammar/ops.def ---- */

typedef enum OpId {
  OP_NONE, /* a container */
#define OP(NAME, ...) OP_##NAME,
#include "grammar/ops.def"
#undef OP
  OP_COUNT
} OpId;

#define HOLE_VALUE INT64_MIN       /* an INT argument written as _ until shapes fill it in */
#define NONE_VALUE (INT64_MIN + 1) /* an argument left at none */

typedef struct IntList {
  int64_t at[8];
  int count;
} IntList;

/* The arguments of each row of ops.def, named as in torch.nn: Conv2dArgs, meanArgs … Pairs are (height, width). */
#define ARG_FIELD_INT(name) int64_t name;
#define ARG_FIELD_PAIR(name) int64_t name[2];
#define ARG_FIELD_FLOAT(name) double name;
#define ARG_FIELD_BOOL(name) bool name;
#define ARG_FIELD_TEXT(name) const char *name;
#define ARG_FIELD_INTS(name) IntList name;
#define ARG(name, type, ...) ARG_FIELD_##type(name)
#define CHECK(function)
#define ARGS(...) __VA_ARGS__
#define OP(NAME, KIND, inputs, args, ...)                                                                              \
  typedef struct NAME##Args {                                                                                          \
    args                                                                                                               \
  } NAME##Args;
#include "grammar/ops.def"
#undef OP
#undef ARG
#undef CHECK
#undef ARGS

/* Those of one layer or call: the member that its operator is called by. Rows whose lists begin alike share what they
 * have in common: BatchNorm1d and 2d, a layer and its function (Flatten, flatten), the windows of both poolings. */
typedef struct OpArgs {
  union {
#define OP(NAME, ...) NAME##Args NAME;
#include "grammar/ops.def"
#undef OP
  };
  Span arg_span[8]; /* where each argument stands, in the row's order; end 0: it was left out */
} OpArgs;

typedef enum ArgType { ARG_INT, ARG_PAIR, ARG_FLOAT, ARG_BOOL, ARG_TEXT, ARG_INTS } ArgType;
typedef struct ArgInfo {
  const char *name;
  ArgType type;
  size_t offset;        /* in OpArgs */
  const char *fallback; /* the default as in the language; NULL: required */
  bool hole;            /* may be _ */
  double min, max;      /* of numbers */
  const char *words[2]; /* of a text: what it may be; NULL: any */
} ArgInfo;

#define MAX_SHAPE_RANK 6
typedef enum DType { DTYPE_F32, DTYPE_I64 } DType;
/* Without the batch: an image of 3 channels is rank 3, (3, 224, 224), and is printed (N, 3, 224, 224). */
typedef struct Shape {
  int rank; /* -1: not known */
  int64_t dim[MAX_SHAPE_RANK];
  DType dtype;
} Shape;

typedef struct ParamInfo {
  const char *name; /* "weight" */
  DType dtype;
  bool is_buffer;
  size_t present_offset; /* of the BOOL in OpArgs that asks for it; SIZE_MAX: always */
} ParamInfo;

typedef enum OpBatch { BATCH_SAME, BATCH_STATISTICS, BATCH_NOISE } OpBatch;
#define INPUTS_MANY (-1)
typedef struct OpInfo {
  const char *name;
  bool is_layer;
  int inputs, most_inputs; /* the last may be left out where these differ: it is the mask */
  const ArgInfo *args;     /* ended by name == NULL */
  const ParamInfo *params; /* ended by name == NULL */
  OpBatch batch;
  const char *doc;
} OpInfo;

const OpInfo *op_info(OpId op);
/* The same values for all arguments; where they are written may differ. */
bool op_same_args(OpId op, const OpArgs *a, const OpArgs *b);
/* By name; OP_NONE when there is none. */
OpId op_find(const char *name, bool layer);

/* ---- the network ---- */

/* How a tensor gets a fresh value: the layer's default initialisation in PyTorch, or what `init` says. */
typedef enum InitializerKind { INIT_CONSTANT, INIT_UNIFORM, INIT_NORMAL } InitializerKind;
typedef enum InitializerFan { FAN_NONE, FAN_IN, FAN_OUT, FAN_MEAN } InitializerFan;
typedef struct Initializer {
  InitializerKind kind;
  double value;       /* the constant; the bound of U(-value, value); the deviation of N(0, value^2) */
  double shift;       /* added to every number; only by `init` */
  InitializerFan fan; /* only by `init`, until the shape is known: value is still to be divided by sqrt(fan) */
  bool zero_row;      /* an Embedding's padding_idx is 0 all the same; not by `init` */
} Initializer;

/* How the donor's file holds a tensor; the others are of ONNX files, which are read for their networks. */
typedef enum DonorForm {
  DONOR_AS_IS,
  DONOR_TRANSPOSED, /* a Linear's weight as (in, out) */
  DONOR_FLAT        /* a vector with dimensions of 1 around it */
} DonorForm;

/* A part of a tensor, half open in each dimension; an index (`drop`) takes its dimension away, as in Python. */
typedef struct Region {
  int rank;
  int64_t begin[MAX_SHAPE_RANK], end[MAX_SHAPE_RANK];
  bool drop[MAX_SHAPE_RANK];
} Region;

/* What a `load` lays over a part of a parameter. */
typedef struct WeightPatch {
  int donor;               /* index into Graph.donors */
  const char *key;         /* the tensor in the file */
  const Region *from, *to; /* of that tensor, NULL: all of it; of the parameter */
} WeightPatch;

typedef struct Param { /* one entry of the state dict */
  const char *name;    /* the full key, layer1.0.conv1.weight */
  ModuleId module;
  int role;    /* index into op_info(module.op)->params */
  Shape shape; /* all its dimensions; rank -1 while an argument is still _ */
  bool is_buffer;
  bool trainable; /* false: frozen (or a buffer) */
  /* where its value comes from: fresh, or read as a whole; then regions of files laid over it, in order. The
     statements load and save take a copy of this record for the value it stands for (compiler/edit/save.c) */
  int donor;             /* index into Graph.donors, or NO_ID: fresh, PyTorch's default initialisation */
  const char *donor_key; /* its name in the donor's file */
  DonorForm donor_form;
  bool has_init; /* an `init` statement: `init` replaces the default */
  Initializer init;
  int64_t adapt_from;         /* `adapt`: the input channels in the donor's file, repeated to those of `shape`; 0: no */
  const Region *donor_region; /* of the donor's tensor; NULL: all of it */
  VEC(WeightPatch) patches;
  ParamId shares;     /* the same tensor of the same file, both fixed for good: one copy is held; else NO_ID */
  const char *stream; /* what keys its fresh numbers; NULL: its name. Set by `save`, so that `rename` keeps them */
} Param;

typedef struct Module {
  const char *name;       /* dotted, "" for the root */
  const char *local;      /* its last component */
  const char *type;       /* "Conv2d", "Sequential", "BasicBlock" */
  OpId op;                /* OP_NONE for a container */
  OpArgs args;            /* of a layer */
  Span args_span;         /* where the arguments stand: `Linear(512, 10)` */
  ModuleId parent;        /* NO_ID for the root */
  VEC(ModuleId) children; /* in declared order */
  VEC(ParamId) params;    /* of this module itself, in order */
  bool frozen; /* by freeze: stored statistics, no noise (parameters have their own flag); of a container: no noise in
                  the functions that its own forward calls */
  bool alive;  /* false: removed or cut off */
  bool cut;    /* the take cut it off: `replace` can put a layer back in its place */
  Span origin; /* the statement that brought it here (take, replace, …) */
  const struct ModelBody
      *body; /* compiler/lang's: the declaration a call follows; NULL: a layer, or children in order */
} Module;

typedef struct Node {
  OpId op;
  const char *name; /* unique dotted name */
  ModuleId module;  /* the layer it calls; NO_ID for a function */
  ModuleId scope;   /* the innermost container in whose forward it stands */
  OpArgs args;      /* of a function; a layer's are in its module (use node_args) */
  VEC(ValueId) inputs;
  ValueId output;
  int stage;   /* index into Graph.stages, or NO_ID: head or none */
  bool alive;  /* false: removed or cut off; kept so that `replace fc` can re-attach the way to it */
  bool cut;    /* dead because the take cut it off, and not because an edit removed it */
  Span origin; /* the statement that brought it here, or changed what flows in */
  Span place;  /* where the forward calls it; that of its container's call for layers that run in order */
} Node;

typedef struct Value {
  NodeId producer; /* NO_ID for the network's input */
  Shape shape;     /* rank -1 until analysis/shape.c has run */
} Value;

typedef struct Stage {
  const char *name;
} Stage;

typedef struct Donor_ {
  const char *model; /* "resnet18", for --weights NAME=FILE; NULL: of a `load` */
  const char *path;  /* resolved weight file; NULL with `from random` */
  Span span;
  bool missing;      /* the file is not there: what would be read from it has its shape, and no values */
  const char *under; /* what the script wrote behind it; NULL: nothing */
  Span under_span;
  size_t set;       /* the set of weights that is open */
  const char *rest; /* of that, in the set of weights that is open: what stands before the names; "": nothing does */
  const char
      *inner; /* `rest` stands only in the place of this container's name ("features" in "features.module"); NULL */
  struct SavedFile *saved;      /* what a `save` further up in the script writes; else NULL */
  struct surgery_weights *open; /* by compiler/weights/bind.c, until weights_close() */
} DonorFile;

/* Where another donor's slice was stitched on: what a message about the two needs. */
typedef struct Seam {
  ModuleId container;
  const char *donor;        /* "resnet34[3:5]" */
  Shape wants;              /* of the value that enters the slice in its own network; rank -1: not known */
  VEC(const char *) starts; /* other slices of it that begin with another number of channels … */
  VEC(int64_t) channels;    /* … this one */
  bool reported;
} Seam;

typedef struct Output {
  const char *name;
  ValueId value;
} Output;

/* Preprocessing of image files, in order; sizes are (height, width). */
typedef enum PreprocessKind {
  PRE_RESIZE,
  PRE_CENTER_CROP,
  PRE_NORMALIZE,
  PRE_GRAYSCALE,
  PRE_EXIF_TRANSPOSE
} PreprocessKind;
typedef struct Preprocess {
  PreprocessKind kind;
  int64_t size[2]; /* resize: (s, NONE_VALUE) keeps the aspect, the shorter side becomes s */
  double mean[4], std[4];
  int channels;     /* of mean and std */
  Span span, value; /* the step, and its size */
} Preprocess;

typedef enum InputKind { INPUT_IMAGE, INPUT_TENSOR, INPUT_TOKENS } InputKind;
typedef struct Input {
  InputKind kind;
  Shape shape; /* of tokens: their number, DTYPE_I64 */
  bool mask;   /* beside x comes a mask (N, T): which of its tokens are attended to */
  VEC(Preprocess) preprocess;
  Span span;                   /* of the statement; SPAN_NONE for a model's own default */
  Span adapted;                /* of the adapt that gave a model's own default other channels; SPAN_NONE: none did */
  struct Inherited *inherited; /* its steps come from the network's own input, to be told; NULL: they do not */
} Input;
typedef struct Inherited {
  Input from;
  bool *kept; /* for each step */
  Span span;  /* of the statement that took them over */
} Inherited;

typedef struct NameIndex NameIndex;
typedef struct Graph {
  Arena *arena;
  const char *name;
  VEC(Module) modules; /* 0 is the root */
  VEC(Param) params;   /* by id; the state dict's order is graph_state_dict() */
  VEC(Node) nodes;     /* by id */
  VEC(Value) values;
  VEC(NodeId) order; /* every node, alive or not, in forward order */
  VEC(Stage) stages;
  VEC(DonorFile) donors;
  VEC(struct SavedFile *) saves; /* in the order of the script */
  VEC(Seam) seams;
  VEC(Output) outputs; /* at least one; the first is named "output" unless the script names it */
  ValueId input_value;
  ValueId mask_value; /* the second value of the network's forward; NO_ID: it has none */
  Input input;
  Shape made_for; /* the input that the model itself states; rank -1 without one */
  VEC(const char *) labels;
  NameIndex *names; /* of graph_names.c */
} Graph;

/* ---- access: what an id stands for, and the other way round ---- */
static inline Module *module_at(const Graph *g, ModuleId id) { return &g->modules.at[id]; }
static inline Param *param_at(const Graph *g, ParamId id) { return &g->params.at[id]; }
static inline Node *node_at(const Graph *g, NodeId id) { return &g->nodes.at[id]; }
static inline Value *value_at(const Graph *g, ValueId id) { return &g->values.at[id]; }
static inline NodeId node_id(const Graph *g, const Node *n) { return (NodeId)(n - g->nodes.at); }
static inline ModuleId module_id(const Graph *g, const Module *m) { return (ModuleId)(m - g->modules.at); }
/* The first alive node from *place on in forward order, and past it; NULL at the end. */
static inline Node *next_alive_node(const Graph *g, size_t *place) {
  while (*place < g->order.count) {
    Node *n = &g->nodes.at[g->order.at[(*place)++]];
    if (n->alive) return n;
  }
  return NULL;
}
/* The same of the modules, by id; the root, which is the first, is passed over. */
static inline Module *next_alive_module(const Graph *g, size_t *place) {
  while (++*place < g->modules.count)
    if (g->modules.at[*place].alive) return &g->modules.at[*place];
  return NULL;
}
/* for_each_alive_node(g, n) { … }: `n` is a Node *, in forward order; for_each_alive_module: a Module *, by id. */
#define for_each_alive_node(g, n) FOR_EACH_ALIVE(Node, node, g, n)
#define for_each_alive_module(g, m) FOR_EACH_ALIVE(Module, module, g, m)
#define FOR_EACH_ALIVE(Type, type, g, n)                                                                               \
  for (size_t n##_place = 0, n##_once = 1; n##_once; n##_once = 0)                                                     \
    for (Type * n; (n = next_alive_##type((g), &n##_place)) != NULL;)

Graph *graph_create(Arena *arena, const char *name);
ModuleId graph_add_module(Graph *g, ModuleId parent, const char *local, const char *type, OpId op, Span origin);
/* Adds the module's parameters as its operator's row asks; their shapes are filled in by the shape pass. */
void graph_add_params(Graph *g, ModuleId module);
/* The name is made unique with _1, _2 as torchvision's feature extraction does. Appends to the order. */
NodeId graph_add_node(Graph *g, OpId op, ModuleId module, ModuleId scope, const char *name, Span origin);
ValueId graph_add_value(Graph *g, NodeId producer);
ModuleId graph_find_module(const Graph *g, const char *name); /* alive ones; NO_ID */
NodeId graph_find_node(const Graph *g, const char *name);
ParamId graph_find_param(const Graph *g, const char *name);
bool graph_name_taken(const Graph *g, const char *name); /* by a module or a node that is alive */
/* The name, or the first of name_1, name_2 … that is not taken. */
const char *graph_unique_name(Graph *g, const char *name);
/* Every change of a name but that to one which nobody asks for goes by these. */
void graph_rename_module(Graph *g, ModuleId module, const char *name);
void graph_rename_node(Graph *g, NodeId node, const char *name);
void graph_rename_param(Graph *g, ParamId param, const char *name);
void graph_revive_module(Graph *g, ModuleId module); /* alive again */
void graph_names_freed(Graph *g);                    /* something died, so that lower suffixes may be free again */
const OpArgs *node_args(const Graph *g, NodeId node);
/* True when `module` is `ancestor` or lies below it. */
bool module_within(const Graph *g, ModuleId module, ModuleId ancestor);
/* Alive parameters (buffers too when asked) in PyTorch's state_dict() order, alive modules depth first. */
typedef VEC(ParamId) ParamList;
ParamList graph_state_dict(const Graph *g, Arena *arena, bool buffers);
typedef struct Totals {
  int64_t all, trained, buffers; /* numbers: in parameters, in those that are trained, in buffers */
} Totals;
Totals module_totals(const Graph *g, ModuleId module, bool below); /* below: with everything in it; 0: the network */
Totals node_totals(const Graph *g, NodeId node);                   /* of the layer that it calls */
/* The container in which the node stands: that of its layer, or, of a function, the one in whose forward it is called.
 */
ModuleId node_container(const Graph *g, NodeId node);
/* "(N, 512, 7, 7)"; "(?)" when unknown. Params are printed without N by shape_text_plain: "[512, 256, 3, 3]". */
const char *shape_text(Arena *arena, const Shape *shape);
const char *shape_text_plain(Arena *arena, const Shape *shape);
/* The same of sizes that are in no Shape, as those of a file's tensor, of any rank. */
const char *sizes_text(Arena *arena, int rank, const int64_t *size);
const char *dtype_name(DType dtype);         /* "f32", as surgery_dtype_name() */
const char *input_kind_name(InputKind kind); /* "image" */
/* The module whose `frozen` stops the node's noise and moving statistics: its layer, or, of a function, the container
 * in whose forward it stands; NO_ID where it has none. */
ModuleId node_varies(const Graph *g, NodeId node);
int64_t shape_count(const Shape *shape); /* elements for one sample */
/* As one writes it in a script, less what the defaults say: "Conv2d(3, 64, 7, stride=2, bias=false)", "flatten(1)"
 * (layer_text.c). A container gives its type alone. */
const char *module_text(const Graph *g, Arena *arena, ModuleId module);
const char *node_text(const Graph *g, Arena *arena, NodeId node);
/* One argument as it is written: "7", "(3, 5)", "none", "true", "\"tanh\"". */
const char *arg_text(Arena *arena, const ArgInfo *info, const OpArgs *args);
bool shape_equal(const Shape *a, const Shape *b);
/* The invariants: every input of an alive node is produced before it by an alive node or is the network's
 * input, names are unique, every output is alive … BUG() where one fails. Run between passes. */
void graph_check(const Graph *g);
void graph_dump(const Graph *g, FILE *out); /* one line per node: name, op, inputs, shape, frozen */
#endif
