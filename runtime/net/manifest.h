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
  PREPROCESS_NORMALIZE,
  PREPROCESS_EXIF_TRANSPOSE /* done by the decoder */
} PreprocessOp;
#define MANIFEST_MAX_CHANNELS 16
typedef struct PreprocessStep {
  PreprocessOp op;
  int64_t size[2]; /* resize, center_crop: height, width; width -1: the shorter side becomes `height` */
  int channels;    /* normalize: how many of mean and std */
  double mean[MANIFEST_MAX_CHANNELS], std[MANIFEST_MAX_CHANNELS];
} PreprocessStep;

typedef enum AugmentOp {
  AUGMENT_OP_RANDOM_RESIZED_CROP,
  AUGMENT_OP_HORIZONTAL_FLIP,
  AUGMENT_OP_VERTICAL_FLIP,
  AUGMENT_OP_RANDOM_CROP,
  AUGMENT_OP_COLOR_JITTER,
  AUGMENT_OP_ROTATION,
  AUGMENT_OP_ERASING
} AugmentOp;
typedef struct AugmentStep {
  AugmentOp op;
  int64_t size[2], padding;  /* of the crops: height, width; black pixels around the picture before */
  double scale[2], ratio[2]; /* random_resized_crop, erasing: of the area; width / height (erasing: height / width) */
  double p;                  /* of the flips and erasing */
  double value;              /* erasing */
  double degrees[2];         /* rotation */
  double jitter[4][2];       /* color_jitter: brightness, contrast, saturation, hue; a neutral pair: left out */
} AugmentStep;
const char *augment_op_name(AugmentOp op);

typedef struct ManifestShape {
  int rank;
  int64_t dim[SURGERY_MAX_RANK];
  int64_t count; /* product */
} ManifestShape;

typedef struct ManifestInput {
  InputKind kind;
  ManifestShape shape; /* without the batch: (C, H, W) of an image */
  bool mask;           /* shape.dim[0] numbers of 0 or 1 may come with each sample */
  int64_t vocabulary;  /* of tokens: each lies below it */
  PreprocessStep *steps;
  size_t step_count;
} ManifestInput;

typedef struct ManifestOutput {
  char *name;
  ManifestShape shape;
} ManifestOutput;

typedef enum FreshValues {
  INIT_VALUES_NONE,
  INIT_VALUES_UNIFORM,
  INIT_VALUES_NORMAL,
  INIT_VALUES_CONSTANT
} FreshValues;
typedef struct ManifestTensor {
  char *name;
  ManifestShape shape;
  bool i64, buffer;
  bool eval_reads; /* forward, prefix or tail of the first phase read it themselves, beside or instead of pack() */
  bool shared;     /* an earlier tensor is the same and holds its numbers; a file need not have it */
  int64_t offset;  /* bytes in the weights */
  FreshValues fresh;
  double fresh_value;     /* bound, deviation, or the constant */
  double fresh_shift;     /* added to each */
  char *fresh_stream;     /* what keys its numbers; NULL: its name */
  int64_t fresh_zero_row; /* this row is 0 all the same; -1: none */
} ManifestTensor;

typedef struct ManifestReads { /* by one call of pack */
  int *tensors;
  size_t count;
} ManifestReads;

typedef struct ManifestFunction {
  int64_t per_sample, fixed, scratch; /* bytes; scratch for a thread */
  int64_t samples;                    /* that net_run takes at a time, for each SG_SAMPLES_THREADS threads; 0: all */
} ManifestFunction;

#define FEATURES_KEY 33 /* 32 digits and the end; "" where it is not told */

typedef struct ManifestLayer {
  char *name, *type;
  ManifestShape shape; /* of its output, without the batch */
  int64_t parameters;
} ManifestLayer;

/* What programs know of their nodes besides, for `inspect`; runtime/net/manifest_inspect.c. */
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

typedef enum OptimizerType {
  OPTIMIZER_TYPE_SGD,
  OPTIMIZER_TYPE_ADAM,
  OPTIMIZER_TYPE_ADAMW,
  OPTIMIZER_TYPE_RMSPROP
} OptimizerType;
typedef struct OptimizerSettings { /* torch.optim's names and defaults */
  OptimizerType type;
  double lr, momentum, dampening, weight_decay, beta1, beta2, eps, alpha;
  bool nesterov, amsgrad, maximize, centered;
} OptimizerSettings;
typedef struct OptimizerGroup {
  double lr, weight_decay, momentum; /* NAN: the optimizer's own */
} OptimizerGroup;

typedef enum LossType { LOSS_TYPE_CROSS_ENTROPY, LOSS_TYPE_MSE, LOSS_TYPE_L1, LOSS_TYPE_BCE_WITH_LOGITS } LossType;
const char *loss_type_name(LossType type);

typedef enum ScheduleType {
  SCHEDULE_TYPE_NONE,
  SCHEDULE_TYPE_STEP,
  SCHEDULE_TYPE_MULTISTEP,
  SCHEDULE_TYPE_EXPONENTIAL,
  SCHEDULE_TYPE_COSINE,
  SCHEDULE_TYPE_LINEAR,
  SCHEDULE_TYPE_ONE_CYCLE
} ScheduleType;
const char *schedule_type_name(ScheduleType type);
typedef struct ScheduleSettings { /* torch.optim.lr_scheduler's names */
  ScheduleType type;
  bool per_step; /* counts the optimizer's steps, not epochs */
  int64_t step_size, total_iters, warmup;
  int64_t t_max; /* 0: all that there are behind the warm-up */
  int64_t *milestones;
  size_t milestone_count;
  double gamma, eta_min, start_factor, end_factor;
  double max_lr, pct_start, div_factor, final_div_factor, base_momentum, max_momentum;
  bool linear, three_phase, cycle_momentum;
} ScheduleSettings;

typedef enum NetFunction {
  NET_FORWARD,
  NET_PREFIX,
  NET_TAIL,
  NET_STEP,
  NET_PACK,
  NET_INSPECT,
  NET_FUNCTIONS
} NetFunction;

/* What a phase of the training trains, and with what. Whoever depends on the phase is given it. */
typedef struct ManifestPhase {
  char *name;  /* NULL: there are no phases, this is all of the training */
  bool own_lr; /* --lr leaves it alone */
  OptimizerSettings optimizer;
  ScheduleSettings schedule;
  OptimizerGroup *groups; /* at least group 0 */
  size_t group_count;
  int64_t batch, epochs;
  AugmentStep *augment;
  size_t augment_count;
  int64_t *grad;                             /* [tensors]: bytes in the gradients, -1: not trained */
  int *group;                                /* [tensors] */
  bool *frozen;                              /* [layers] */
  ManifestFunction functions[NET_FUNCTIONS]; /* prefix, tail and step */
  int64_t grads_bytes;
  int64_t features_bytes;          /* 0: no prefix */
  char features_key[FEATURES_KEY]; /* another where other features come of the same samples and weights */
  ManifestShape features;
  bool repack; /* a trained tensor or a moving buffer is part of `packed`: pack() runs again after a step */
} ManifestPhase;

typedef struct ManifestSave {
  char *file;
  size_t *tensors, tensor_count; /* indices */
} ManifestSave;

typedef struct ManifestTrain {
  bool given; /* false: no train block; the rest are defaults: SGD(lr=0.01), CrossEntropy, batch 16, 10 epochs
               */
  LossType loss;
  double label_smoothing;
  int64_t ignore_index; /* of CrossEntropy: the class of positions that count for nothing */
  float *class_weights; /* NULL: none; else one a class (BCEWithLogits: pos_weight) */
  size_t class_weight_count;
  uint64_t seed;
  double clip_norm, mixup, ema; /* 0: none */
  int64_t accumulate;           /* batches for one step; at least 1 */
  int64_t patience;             /* of early_stop, in epochs; 0: none */
  double min_delta;
  bool watch_accuracy; /* early_stop: not the loss */
  ManifestSave *saves;
  size_t save_count;
  ManifestPhase *phases; /* at least one */
  size_t phase_count;
} ManifestTrain;

/* Who names the classes. The manifest itself has the script's; net_names.c puts others there where it has none. */
typedef enum LabelsOf { LABELS_OF_SCRIPT, LABELS_OF_WEIGHTS, LABELS_OF_DATA } LabelsOf;

typedef struct Manifest {
  char *name, *script, *compiler, *weights_file, *weights_path; /* the last two may be NULL */
  ManifestInput input;
  ManifestOutput *outputs;
  size_t output_count;
  char **labels;
  size_t label_count;
  LabelsOf labels_of;
  ManifestTensor *tensors;
  size_t tensor_count;
  int64_t weights_bytes, packed_bytes, grads_bytes; /* grads_bytes: the most that a phase needs */
  ManifestFunction functions[NET_FUNCTIONS];        /* forward, pack and inspect; zeros for one that is not there */
  int64_t parameters_total, parameters_trainable, parameters_frozen;
  double flops;
  ManifestReads *pack_reads; /* [pack_call_count]; 0: not told */
  size_t pack_call_count;
  ManifestLayer *layers;
  size_t layer_count;
  ManifestValue *values; /* these three: none where there is no inspect function */
  size_t value_count;
  ManifestBlock *blocks;
  size_t block_count;
  struct ManifestLayout *layout; /* the network as selectors read it, net_select.c */
  int *forward_calls;            /* the value that each call of forward works for; -1: none */
  size_t forward_call_count;
  ManifestTrain train;
} Manifest;

/* NULL with *err: not JSON, a key missing or of the wrong kind, sizes that do not agree. */
Manifest *manifest_parse(const char *json, surgery_error *err);
void manifest_free(Manifest *manifest);
/* manifest_inspect.c, for manifest_parse and manifest_free; `root` is a json_t. Functions must have been read. */
int manifest_read_inspect(void *root, Manifest *manifest, surgery_error *err);
void manifest_free_inspect(Manifest *manifest);
/* Of a phase: prefix, tail and step; of all phases alike: the others. */
const ManifestFunction *manifest_function(const Manifest *manifest, const ManifestPhase *phase, NetFunction function);
/* "(N, 512, 7, 7)", as shapes are printed everywhere; returns `to`. */
#define SHAPE_TEXT 192
const char *manifest_shape_text(const ManifestShape *shape, char to[SHAPE_TEXT]); /* with the batch */
const char *tensor_shape_text(int rank, const int64_t *dim, char to[SHAPE_TEXT]); /* "(64, 3, 7, 7)" */
#endif
