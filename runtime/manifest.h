/* The manifest of a compiled network (runtime/abi.h describes the JSON) as structs. Parsed once when a
 * network is opened; everything belongs to the Manifest and is read-only afterwards. */
#ifndef SURGERY_MANIFEST_H
#define SURGERY_MANIFEST_H
#include "runtime/surgery.h"

typedef enum InputKind { INPUT_IMAGE, INPUT_TENSOR, INPUT_TOKENS } InputKind;
typedef enum PreprocessOp {
  PREPROCESS_GRAYSCALE,
  PREPROCESS_RESIZE,
  PREPROCESS_CENTER_CROP,
  PREPROCESS_NORMALIZE
} PreprocessOp;
#define MANIFEST_MAX_CHANNELS 16
typedef struct PreprocessStep {
  PreprocessOp op;
  int64_t size[2]; /* resize, center_crop: height, width; width -1: the shorter side becomes `height` */
  int channels;    /* normalize: how many of mean and std */
  double mean[MANIFEST_MAX_CHANNELS], std[MANIFEST_MAX_CHANNELS];
} PreprocessStep;

typedef enum AugmentOp { AUGMENT_OP_RANDOM_RESIZED_CROP, AUGMENT_OP_HORIZONTAL_FLIP } AugmentOp;
typedef struct AugmentStep {
  AugmentOp op;
  int64_t size[2];           /* random_resized_crop: height, width */
  double scale[2], ratio[2]; /* random_resized_crop: of the area; width / height */
  double p;                  /* horizontal_flip */
} AugmentStep;

typedef struct ManifestShape {
  int rank;
  int64_t dim[SURGERY_MAX_RANK];
  int64_t count; /* product */
} ManifestShape;

typedef struct ManifestInput {
  InputKind kind;
  ManifestShape shape; /* without the batch: (C, H, W) of an image */
  PreprocessStep *steps;
  size_t step_count;
} ManifestInput;

typedef struct ManifestOutput {
  char *name;
  ManifestShape shape;
} ManifestOutput;

typedef enum FreshValues {
  FRESH_VALUES_NONE,
  FRESH_VALUES_UNIFORM,
  FRESH_VALUES_NORMAL,
  FRESH_VALUES_CONSTANT
} FreshValues;
typedef struct ManifestTensor {
  char *name;
  ManifestShape shape;
  bool i64, buffer, trainable;
  bool shared;    /* an earlier tensor is the same and holds its numbers; a file need not have it */
  int64_t offset; /* bytes in the weights */
  int64_t grad;   /* bytes in the gradients, -1: none */
  int group;
  FreshValues fresh;
  double fresh_value; /* bound, deviation, or the constant */
  double fresh_shift; /* added to each */
} ManifestTensor;

typedef struct ManifestFunction {
  int64_t per_sample, fixed, scratch; /* bytes; scratch for a thread */
} ManifestFunction;

typedef struct ManifestLayer {
  char *name, *type;
  ManifestShape shape; /* of its output, without the batch */
  int64_t parameters;
  bool frozen;
} ManifestLayer;

/* What programs know of their nodes besides, for `inspect`; runtime/manifest_inspect.c. */
typedef struct ManifestValue {
  char *name, *type, *layer; /* layer: NULL for a function */
  int *inputs;               /* earlier values; -1: the network's input */
  size_t input_count;
  ManifestShape shape;
  int64_t offset; /* bytes in the arena of inspect, for one sample; -1: it is the network's input under another name */
  bool blocked;   /* [C / 16, rounded up][H][W][16] */
} ManifestValue;
typedef struct ManifestBlock { /* a layer or container that `remove` takes out without another change */
  char *name, *type;
  int in, out; /* values of one shape; in: -1: the network's input */
  int *values; /* what it computes */
  size_t value_count;
  int64_t parameters;
} ManifestBlock;

typedef enum OptimizerType { OPTIMIZER_TYPE_SGD, OPTIMIZER_TYPE_ADAM, OPTIMIZER_TYPE_ADAMW } OptimizerType;
typedef struct OptimizerSettings { /* torch.optim's names and defaults */
  OptimizerType type;
  double lr, momentum, dampening, weight_decay, beta1, beta2, eps;
  bool nesterov, amsgrad, maximize;
} OptimizerSettings;
typedef struct OptimizerGroup {
  double lr, weight_decay, momentum; /* NAN: the optimizer's own */
} OptimizerGroup;

typedef enum LossType { LOSS_TYPE_CROSS_ENTROPY, LOSS_TYPE_MSE } LossType;

typedef struct ManifestTrain {
  bool given; /* false: no train block; the rest are defaults: SGD(lr=0.01), CrossEntropy, batch 16, 10 epochs
               */
  OptimizerSettings optimizer;
  LossType loss;
  double label_smoothing;
  float *class_weights; /* NULL: none; else one a class */
  size_t class_weight_count;
  OptimizerGroup *groups; /* at least group 0 */
  size_t group_count;
  int64_t batch, epochs;
  uint64_t seed;
  AugmentStep *augment;
  size_t augment_count;
} ManifestTrain;

typedef enum NetFunction { NET_FORWARD, NET_PREFIX, NET_TAIL, NET_STEP, NET_PACK, NET_INSPECT, NET_FUNCTIONS } NetFunction;

typedef struct Manifest {
  char *name, *script, *compiler, *cpu, *weights_file; /* weights_file may be NULL */
  ManifestInput input;
  ManifestOutput *outputs;
  size_t output_count;
  char **labels;
  size_t label_count;
  ManifestTensor *tensors;
  size_t tensor_count;
  int64_t weights_bytes, packed_bytes, grads_bytes;
  ManifestFunction functions[NET_FUNCTIONS]; /* zeros for one that is not there */
  int64_t features_bytes;                    /* 0: no prefix */
  ManifestShape features;
  int64_t parameters_total, parameters_trainable, parameters_frozen;
  double flops;
  ManifestLayer *layers;
  size_t layer_count;
  ManifestValue *values; /* these three: none where there is no inspect function */
  size_t value_count;
  ManifestBlock *blocks;
  size_t block_count;
  int *forward_calls; /* the value that each call of forward works for; -1: none */
  size_t forward_call_count;
  bool repack; /* a trained tensor or a moving buffer is part of `packed`: pack() runs again after a step.
                  "repack" in the JSON; true where it is not given */
  ManifestTrain train;
} Manifest;

/* NULL with *err: not JSON, a key missing or of the wrong kind, sizes that do not agree. */
Manifest *manifest_parse(const char *json, surgery_error *err);
void manifest_free(Manifest *manifest);
/* manifest_inspect.c, for manifest_parse and manifest_free; `root` is a json_t. Functions must have been read. */
int manifest_read_inspect(void *root, Manifest *manifest, surgery_error *err);
void manifest_free_inspect(Manifest *manifest);
/* "(N, 512, 7, 7)", as shapes are printed everywhere; returns `to`. */
#define SHAPE_TEXT 192
const char *manifest_shape_text(const ManifestShape *shape, char to[SHAPE_TEXT]); /* with the batch */
const char *tensor_shape_text(int rank, const int64_t *dim, char to[SHAPE_TEXT]); /* "(64, 3, 7, 7)" */
#endif
