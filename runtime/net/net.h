/* An opened network, as the runtime's own parts see it: net.c opens and runs, net_interface.c has the functions of
 * surgery.h, net_load.c finds and reads weights, net_select.c picks tensors by name, train/ and cli/ use them. Not
 * public: C callers have surgery.h. */
#ifndef SURGERY_NET_H
#define SURGERY_NET_H
#include "runtime/abi.h"
#include "runtime/net/manifest.h"

/* The names of the classes, as the script, the weights or a training set gives them. */
typedef enum NamesOf { NAMES_OF_SCRIPT, NAMES_OF_WEIGHTS, NAMES_OF_DATA } NamesOf;
typedef struct ClassNames {
  char *const *at;
  size_t count; /* 0: none is known */
  NamesOf of;
} ClassNames;

struct surgery_net {
  const sg_network *network; /* the one that was chosen for this CPU */
  const sg_network *levels;  /* all of them: the one that was opened */
  const Manifest *manifest;
  unsigned char *weights, *packed, *grads; /* 64-byte aligned, sizes in the manifest */
  unsigned char *arena;
  int64_t arena_bytes;           /* the most that a call needed so far; it is kept */
  void *outputs[SG_MAX_OUTPUTS]; /* of the last call, plain f32 */
  int64_t outputs_n;             /* samples they have room for */
  void *features, *staging;      /* what prefix returns; an aligned copy of x */
  int64_t features_bytes, staging_bytes;
  struct NetSource *source; /* opened by net_open_to_eval, before the first packing: where the weights are; else NULL */
  bool packed_stale;
  uint64_t rng[2];                /* seed; batches trained on */
  char *weights_path;             /* a file, or "embedded" */
  ClassNames classes;             /* the manifest's labels, or own_names */
  char **own_names;               /* by net_name_classes; NULL: none */
  char **weights_files;           /* what was read for it, with the shards of an index; ended by NULL; NULL: embedded */
  char **untrained;               /* names of layers, ended by NULL (net_untrained.c); NULL: not read */
  const ManifestPhase *taken_off; /* whose layers are off that list already; NULL: nothing was trained yet */
  const char *weights_why;        /* why it is that file: "beside the program"; static */
  void *stepping; /* what surgery_train_step keeps from call to call (train/step.c); NULL: there was none */
  void (*end_stepping)(void *stepping);
  char *note; /* about what was opened, worth telling once; NULL: nothing */
};

/* Bytes of arena for n samples on so many threads; -1: more than an int64 holds. */
int64_t net_arena_bytes(const Manifest *manifest, const ManifestPhase *phase, NetFunction function, int64_t n,
                        int64_t threads);
/* The first phase of the training, which is all of it where the script has no phases: what the functions of surgery.h
 * and the commands without a training run. */
const ManifestPhase *net_first_phase(const surgery_net *net);
bool net_has(const surgery_net *net, const ManifestPhase *phase, NetFunction function);
/* surgery_open for forward, prefix and tail only: a tensor that nothing but pack() reads comes to memory for that call
 * and leaves it again, so that no network is in memory twice. net->weights does not have it: nothing else may be done
 * with it. */
surgery_net *net_open_to_eval(const sg_network *network, const char *weights, surgery_error *err);
/* One call of a generated function, with all that it needs. */
typedef struct NetRun {
  NetFunction function;
  const ManifestPhase *phase; /* of prefix, tail and step */
  int64_t n;                  /* samples; 0: nothing is done */
  const void *x;       /* NCHW f32 (tokens: int32, each checked), or features for tail and step where the network has a
                          prefix; 64-byte aligned */
  const int32_t *mask; /* (n, T): 1 where a token is attended to, else 0; NULL: all are */
  void *y;             /* where the first output (prefix: the features) goes, 64-byte aligned; NULL: into net->outputs,
                          where the others always go */
  const void *target;  /* of step, as net_takes_floats says */
  float *loss;         /* of step */
  double *times;       /* of forward of a program: [forward_call_count], when each call was done; NULL: nobody asks */
} NetRun;
int net_run(surgery_net *net, const NetRun *run, surgery_error *err);
/* Whom generated code finds in run->owner. */
typedef struct sg_owner {
  surgery_net *net;
  double *times; /* as in NetRun */
} sg_owner;
/* x → the first output by forward; any alignment. */
int net_forward(surgery_net *net, int64_t n, const void *x, const int32_t *mask, float *y, surgery_error *err);
/* x itself, or a copy of it on a 64-byte boundary; NULL: no memory. */
const void *net_stage(surgery_net *net, int64_t n, const void *x, surgery_error *err);
/* The loss of the first output of the n samples that ran last. target: as the loss function takes it (train.def). */
int net_loss(surgery_net *net, int64_t n, const void *target, float *loss, surgery_error *err);
/* The prefix on n samples into net->features. */
int net_features(surgery_net *net, const ManifestPhase *phase, int64_t n, const void *x, const int32_t *mask,
                 surgery_error *err);
/* The first token of x (n, T) that lies outside the vocabulary: its place, and -1 where all are in it. */
int64_t net_wrong_token(const Manifest *manifest, int64_t n, const int32_t *x);
/* Loss and gradients of one batch by a run of NET_STEP; the weights stay. Then optimizer_step applies them. Splitting
 * the two lets the training loop refuse a loss that is not finite. */
int net_gradients(surgery_net *net, const NetRun *step, surgery_error *err);
/* A trainable BatchNorm that would see one value per channel in a batch of n: its name, else NULL. */
const char *net_lonely_batchnorm(const Manifest *manifest, const ManifestPhase *phase, int64_t n);
/* Classes of a classifier: the first output is (N, classes, …) and the loss has classes; 0: it is none. One logit under
 * BCEWithLogits tells two classes apart. */
int64_t net_classes(const Manifest *manifest);
/* True for a target that counts for nothing, of a loss that knows such: CrossEntropy's ignore_index. */
bool net_ignores(const Manifest *manifest, int64_t target);
/* Every class is one that the network has, or is ignored. */
int net_check_targets(const Manifest *manifest, int64_t n, const int32_t *target, surgery_error *err);
/* What step takes as targets: floats, one for each output (false: int32 classes). */
bool net_takes_floats(const Manifest *manifest);
/* Classes (n, positions), each in range, as such floats: 1 at the class and 0 else. */
void net_one_hot(const Manifest *manifest, int64_t n, const int32_t *target, float *to);
int64_t net_positions(const Manifest *manifest); /* targets for one sample: 1 for (N, classes) */

/* ---- net_interface.c ---- */
/* What every function of surgery.h needs that reads x, and one more pointer: 0, or a surgery_failure. */
int net_check_input(const surgery_net *net, size_t n, const void *x, const void *other);

/* ---- net_load.c ---- */
/* Sets weights_path and weights_why. Without `given`: beside the running program, beside the library that holds the
 * network, and then where the build asked for. */
int net_find_weights(surgery_net *net, const char *given, surgery_error *err);
/* Strict: all that is missing, superfluous or of another shape is in one message, and then nothing was
 * changed. num_batches_tracked may be missing (0), and what a checkpoint keeps of the optimizer may be there.
 */
int net_load_weights(surgery_net *net, surgery_weights *file, const char *path, surgery_error *err);
/* New values for the tensors that the script made fresh, from the seed and each tensor's name. */
void net_init_fresh(surgery_net *net, uint64_t seed);

/* The same for net_open_to_eval: reads what evaluation reads itself. Takes the file where it returns 1; 0: all is read,
 * as by net_load_weights, since the manifest does not say enough. */
int net_load_to_eval(surgery_net *net, surgery_weights *file, const char *path, surgery_error *err);

/* ---- net_names.c: the names of the classes, which trained weights keep as their metadata ---- */
/* Takes the names of the file where the script has none. The same names as the script's in another order are an error,
 * since then every name would be wrong; other names are told in net->note. */
int net_read_names(surgery_net *net, const surgery_weights *file, const char *path, surgery_error *err);
/* From now on class i is called names[i]. */
int net_name_classes(surgery_net *net, char *const *names, size_t count, NamesOf of, surgery_error *err);
void net_free_names(surgery_net *net);
#define NET_NAMES_KEY "class_names" /* a JSON list of texts */
/* What is written beside weights, ended by NULL; to be freed by net_free_metadata. */
typedef struct NetMetadata {
  const char *pairs[9];
  char *names, *untrained;
} NetMetadata;
int net_metadata(const surgery_net *net, NetMetadata *to, surgery_error *err);
void net_free_metadata(NetMetadata *metadata);

/* ---- net_untrained.c: the layers whose weights are still random, which the compiler writes beside them ---- */
#define NET_UNTRAINED_KEY "untrained" /* a JSON list of names */
int net_read_untrained(surgery_net *net, const surgery_weights *file, surgery_error *err);
void net_free_untrained(surgery_net *net);
/* A step was made: what the phase trains is random no more. */
void net_take_off_trained(surgery_net *net, const ManifestPhase *phase);
char *net_untrained_json(const surgery_net *net); /* malloc; NULL: there is none */
/* "conv1, fc and 3 more layers have". False: there is none. */
bool net_untrained_text(const surgery_net *net, char *to, size_t size);

/* ---- net_pack.c ---- */
/* Derives what kernels take from weights that have changed. Each run begins with it; to call it earlier, while data are
 * loaded, saves that time. */
int net_pack(surgery_net *net, surgery_error *err);
/* Memory for a call by so many threads. */
int net_reserve_arena(surgery_net *net, const NetRun *run, int64_t threads, surgery_error *err);
/* From now on pack() reads the file, which is the net's own. */
int net_source_open(surgery_net *net, surgery_weights *file, surgery_error *err);
void net_source_close(surgery_net *net);

/* ---- net_select.c ---- */
/* Marks the manifest's values that the selector picks. picked: [value_count]. An error when a part picks nothing. */
int net_select_values(const surgery_net *net, const char *selector, bool *picked, surgery_error *err);
/* One tensor of the manifest as a writable record. */
void net_tensor(const surgery_net *net, size_t index, surgery_tensor_out *out);
/* The selected tensors as writable records; selector NULL: all. Free the list. An error when there is none. */
int net_select(const surgery_net *net, const char *selector, surgery_tensor_out **tensors, size_t *count,
               surgery_error *err);
#endif
