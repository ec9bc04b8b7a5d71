/* The manifest of a compiled network (runtime/abi.h describes the JSON) as structs. Parsed once when a
 * network is opened; everything belongs to the Manifest and is read-only afterwards. */
#ifndef SURGERY_MANIFEST_H
#define SURGERY_MANIFEST_H
#include "runtime/base/recipe.h"
#include "runtime/base/text.h"
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

typedef enum NetFunction {
  NET_FORWARD,
  NET_PREFIX,
  NET_TAIL,
  NET_STEP,
  NET_PACK,
  NET_INSPECT,
  NET_LOSS,
  NET_FUNCTIONS
} NetFunction;

/* What a phase of the training trains, and with what. Whoever depends on the phase is given it. */
typedef struct ManifestPhase {
  const StageRecipe *recipe;
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

typedef struct Manifest {
  char *name, *script, *compiler, *weights_file, *weights_path; /* the last two may be NULL */
  ManifestInput input;
  ManifestOutput *outputs;
  size_t output_count;
  char **labels; /* of the script; net->classes has those that hold */
  size_t label_count;
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
  const TrainRecipe *train; /* recipe_unsaid without a train block */
  ManifestPhase *phases;    /* [train->stage_count] */
} Manifest;

/* recipe: NULL without a train block; it must outlive the manifest. NULL with *err: not JSON, a key missing or of the
 * wrong kind, sizes that do not agree. */
Manifest *manifest_parse(const char *json, const TrainRecipe *recipe, surgery_error *err);
void manifest_free(Manifest *manifest);
/* manifest_inspect.c, for manifest_parse and manifest_free; `root` is a json_t. Functions must have been read. */
int manifest_read_inspect(void *root, Manifest *manifest, surgery_error *err);
void manifest_free_inspect(Manifest *manifest);
/* Of a phase: prefix, tail and step; of all phases alike: the others. */
const ManifestFunction *manifest_function(const Manifest *manifest, const ManifestPhase *phase, NetFunction function);
/* "(N, 512, 7, 7)", as shapes are printed everywhere; returns `to`. */
const char *manifest_shape_text(const ManifestShape *shape, char to[SHAPE_TEXT]); /* with the batch */
#endif
