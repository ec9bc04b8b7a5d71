/* Data sets: a number of samples, each a preprocessed input and a target. One kind for every source: a folder
 * of class folders, single pictures, IDX, CIFAR, CSV, npy, npz, safetensors. dataset.c looks at a path and
 * asks the right source; loader.c makes batches of any of them on threads of its own.
 *
 * Nothing here prints. Files are untrusted: sizes in them are checked before they are multiplied or
 * allocated. */
#ifndef SURGERY_DATASET_H
#define SURGERY_DATASET_H
#include "runtime/base/content_hash.h"
#include "runtime/net/manifest.h"
#include "runtime/base/random.h"

typedef enum TargetKind {
  TARGET_NONE,    /* only inputs: predict */
  TARGET_CLASSES, /* int32 each, in [0, classes) */
  TARGET_VALUES   /* float32 each */
} TargetKind;

typedef enum DatasetRole { ROLE_TRAIN, ROLE_TEST } DatasetRole;

/* What the network wants of a data set. The pointers must outlive the set. */
typedef struct DatasetSpec {
  const ManifestInput *input;
  TargetKind target;
  int64_t target_count; /* for one sample; 1 for plain classification */
  int64_t classes;      /* TARGET_CLASSES: the network's; a label outside is an error */
  bool ignores;         /* but for this one, which counts for nothing */
  int64_t ignore_index;
  char *const *labels; /* names of the classes, of the script, the weights or the training set; may be NULL */
  size_t label_count;
  const char *labels_of; /* whose they are, for messages: "labels of the script" */
  const char *loss;      /* its name, for messages; NULL: not told */
  bool may_rename;       /* a training set with other names than these has its own */
  int64_t values_too;    /* arrays may have so many floats for each sample in place of classes, and the set's spec then
                            says    so (BCEWithLogits); 0: not */
  bool raw;              /* bytes of pictures as they are, 0 to 255, without the script's preprocessing */
  DatasetRole role;      /* which of several: train- or t10k-, data_batch_* or test_batch */
  AugmentList augment;   /* for `load` with a seed; none for a validation set */
} DatasetSpec;

#define DATASET_NO_AUGMENT UINT64_MAX

typedef struct Dataset Dataset;
struct Dataset {
  const char *format; /* "folder", "idx", "cifar", "csv", "npz", … for messages */
  char *path;         /* as given */
  int64_t count;
  char **class_names; /* UTF-8, sorted as the source sorts them; NULL where it has none */
  size_t class_count;
  bool names_classes;  /* class i is called class_names[i]: nothing else names the classes */
  char *note;          /* worth telling once: a line or several; NULL: nothing */
  int32_t *labels;     /* [count], each checked to be in [0, classes), or ignored; NULL unless TARGET_CLASSES with
                          target_count 1 */
  const void *targets; /* [count][target_count], four bytes each, where they are known without loading; NULL: not */
  bool can_augment;    /* pixels: the augmentations apply */
  bool cheap;          /* load only copies: more threads would not help */
  DatasetSpec spec;

  /* Fills x: the preprocessed sample, plain, spec.input->shape.count floats (of tokens: int32 in their place); and
   * target (int32 or float, target_count of them; NULL: not wanted). With a seed other than DATASET_NO_AUGMENT
   * spec.augment is applied, the randomness drawn from that seed only. Several threads may call it at once. 0: done.
   * 1: this sample is unusable (a broken picture) and to be left out, *err says which and why. -1: stop. */
  int (*load)(Dataset *set, int64_t index, uint64_t seed, float *x, void *target, surgery_error *err);
  /* The sample will soon be loaded: what it is read from may be fetched meanwhile. NULL: nothing is. */
  void (*ahead)(const Dataset *set, int64_t index);
  /* The sample's mask, spec.input->shape.dim[0] numbers of 0 or 1; NULL, the function or what it returns: all are 1. */
  const int32_t *(*mask)(const Dataset *set, int64_t index);
  /* The hash of *to and the sample's data, as they lie in its file; 0, or -1: they cannot be read. Several threads
   * may call it at once. NULL: to load a sample costs about as little. */
  int (*hash)(const Dataset *set, int64_t index, ContentHash *to);
  /* Which sample: a path, or "file.npy[3]". Returns `to`. */
  const char *(*name)(const Dataset *set, int64_t index, char *to, size_t size);
  void (*close)(Dataset *set); /* the source's own memory; NULL: none */
  void *source;                /* the source's own */
};

/* ---- dataset.c ---- */
Dataset *dataset_open(const char *path, const DatasetSpec *spec, surgery_error *err);
/* For predict: pictures, .npy, IDX, folders; in the order given; spec->target is TARGET_NONE. */
Dataset *dataset_open_inputs(const char *const *paths, size_t count, const DatasetSpec *spec, surgery_error *err);
/* Frees class_names, labels, path and the set itself after set->close. NULL is fine. */
void dataset_close(Dataset *set);
/* For sources: a zeroed set with format, path and spec; NULL: no memory. */
Dataset *dataset_new(const char *format, const char *path, const DatasetSpec *spec, surgery_error *err);
/* classes.c, for sources that name their classes (in the order of torchvision, by strcmp): fills class_names and
 * map[i], the network's number of class i, found by its name. -1: a name that the network does not know, or, where
 * nothing names the network's classes, too many (of a set to be evaluated: or too few). */
int dataset_map_classes(Dataset *set, char *const *names, size_t count, int32_t *map, surgery_error *err);
/* Adds a line to set->note. */
void dataset_note(Dataset *set, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A t10k- or test_ part beside the training part in one folder: it can serve as the validation set. */
bool dataset_has_test_part(const char *path);

/* Whether an array of samples with these dimensions (without the batch) is the input: the same but for ones,
 * or one of the two is flat. -1 with both shapes in *err: it is not. */
int dataset_check_sample(const DatasetSpec *spec, const char *path, int rank, const int64_t *dim, surgery_error *err);

/* ---- sources: each returns NULL with *err ---- */
typedef struct PathHead { /* what a probe sees of a path */
  const char *path;
  bool folder;
  uint8_t bytes[16]; /* of a file: the first, unpacked where it is gzipped; the rest is 0 */
  size_t have;
} PathHead;
typedef enum PathMatch {
  PATH_NOT,
  PATH_WEAK,   /* by its suffix, or for want of another */
  PATH_LIKELY, /* by its first bytes */
  PATH_SURE    /* by a name that decides */
} PathMatch;
#define SOURCE(id, ...)                                                                                                \
  PathMatch id##_probe(const PathHead *head);                                                                          \
  Dataset *dataset_open_##id(const char *path, const DatasetSpec *spec, surgery_error *err);
#include "runtime/data/sources.def"
bool path_ends(const char *path, const char *suffix); /* in large or small letters */
/* "a folder of …, an IDX pair, … or …", for a help. Returns `to`. */
const char *dataset_kinds(char *to, size_t size);
bool idx_folder_has(const char *folder, DatasetRole role); /* a pair that serves the role */
bool cifar_folder_has(const char *folder, DatasetRole role);
/* npy.c: writes (rank, dim) floats as version 1.0, little-endian, C order; whole or not at all. */
int npy_write(const char *path, int rank, const int64_t *dim, const float *values, surgery_error *err);
/* folder.c: single pictures, without targets. */
Dataset *dataset_open_images(const char *const *files, size_t count, const DatasetSpec *spec, surgery_error *err);
/* The same, with a name and a path of its own for messages. */
Dataset *dataset_open_files(const char *format, const char *path, const char *const *files, size_t count,
                            const DatasetSpec *spec, surgery_error *err);
/* Takes ownership of (count, target_count) floats, the targets of a set of dataset_open_files. */
void dataset_use_file_targets(Dataset *set, float *targets);
/* folder.c: all pictures under a folder, at any depth, sorted. Caller frees each and the list. */
int image_list(const char *folder, char ***files, size_t *count, surgery_error *err);
bool image_suffix(const char *path); /* by its name only */

/* ---- samples of an array (array_samples.c), for arrays.c and npy.c ---- */
typedef struct ArrayLayout {
  bool pictures;                   /* bytes for an image input */
  int64_t height, width, channels; /* of pictures */
  bool planar;                     /* of pictures: (C, H, W), not (H, W, C) */
  bool channels_last;              /* of floats: (H, W, C), and the input is (C, H, W) */
} ArrayLayout;
bool array_holds_images(const DatasetSpec *spec, const surgery_tensor *x);
bool array_is_one(const DatasetSpec *spec, const surgery_tensor *x); /* one sample, without a dimension for the batch */
/* `batch`: the dimensions before those of a sample, 0 or 1. -1: these are no samples for the input. */
int array_find_layout(const DatasetSpec *spec, const char *path, const surgery_tensor *x, int batch, ArrayLayout *to,
                      surgery_error *err);
/* Reads the set->count samples of the array. Takes ownership of the targets, as dataset_use_floats does. */
int array_use(Dataset *set, surgery_weights *file, const surgery_tensor *x, const ArrayLayout *layout, void *targets,
              surgery_error *err);

/* ---- pictures (image*.c) ---- */
#define PICTURE_MAX_CHANNELS 4
typedef struct Image {
  int width, height, channels;   /* 1: gray, 2: gray and alpha, 3: RGB, 4: RGB and alpha or another fourth channel */
  uint8_t *pixels;               /* height × width × channels, interleaved; malloc */
  int reduced;                   /* 2, 4 or 8: decoded so many times smaller than it is in the file; else 0 */
  int whole_width, whole_height; /* in the file, where it is reduced */
  bool alpha; /* the last of 2 or 4 channels says how much of the colours is to be seen: a resize weighs them with it */
} Image;
/* JPEG, PNG, WebP, GIF (the first frame), BMP and TIFF by content, 1 or 3 channels; EXIF orientation is not applied (as
 * PIL's open does not). */
int image_decode(const char *path, Image *picture, surgery_error *err);
bool image_begins(const uint8_t *head, size_t size);
/* The same for image_to_input with `spec`, with a seed (augmented) or without: of a JPEG much larger than what is
 * made of it, fewer pixels are decoded; alpha is kept where the input has 2 or 4 channels; turned where its steps say
 * exif_transpose. */
int image_decode_for(const DatasetSpec *spec, bool augmented, const char *path, Image *picture, surgery_error *err);
/* The whole way from pixels to the network's input: colours to the input's channels (PIL's "L", "LA", "RGB", "RGBA"),
 * the manifest's steps in order, / 255, normalise; x: (C, H, W). With a seed: spec->augment first,
 * random_resized_crop in place of the resize and center_crop steps. `picture` is not changed. Draws from
 * random_stream(seed, 0). -1: the result has another size than the input wants, or no memory. */
int image_to_input(const Image *picture, const DatasetSpec *spec, uint64_t seed, float *x, surgery_error *err);

/* ---- samples in memory (memory.c), for the sources ---- */
/* Takes ownership of values: (count, input count) floats, or int32 tokens, that are inputs already. -1: both are freed.
 */
int dataset_use_floats(Dataset *set, float *values, void *targets, surgery_error *err);
/* Takes ownership of a mask for each sample, (count, input's first dimension), of a set whose samples lie in memory. */
void dataset_use_masks(Dataset *set, int32_t *masks);
/* count × tokens whole numbers → int32, each within the vocabulary; malloc, or NULL with the sample and the position.
 * `what`: "file: x". */
int32_t *dataset_tokens_from_i64(const Dataset *set, const int64_t *values, int64_t count, const char *what,
                                 surgery_error *err);
/* Takes ownership of bytes: (count, height, width, channels), or (count, channels, height, width) when
 * planar. As an image input they go through image_to_input; as a tensor input they become bytes / 255 in
 * the file's order. */
int dataset_use_bytes(Dataset *set, uint8_t *bytes, int height, int width, int channels, bool planar, void *targets,
                      surgery_error *err);
/* `targets`: (count, target_count) int32 or float; NULL with TARGET_NONE. Checks classes; fills
 * set->labels. `what` names the file that holds them. */
int dataset_check_targets(Dataset *set, const void *targets, const char *what, surgery_error *err);
/* For sources that hold one class for each sample: an error where the network needs something else; a note where a
 * regression would take classes for amounts. */
int dataset_check_one_class(Dataset *set, const char *what, surgery_error *err);
/* The same for integers as files hold them; makes the targets (malloc). NULL with *err. */
void *dataset_targets_from_i64(const Dataset *set, const int64_t *values, int64_t count, const char *what,
                               surgery_error *err);

/* ---- gzip.c ---- */
/* The whole file, unpacked where it is gzipped, and one zero byte after it (not counted). A truncated or
 * damaged one is an error; so is one that unpacks to more than `limit` bytes. Free *to. */
int gzip_read(const char *path, size_t limit, uint8_t **to, size_t *size, surgery_error *err);

/* ---- batches (loader.c) ---- */
typedef struct Loader Loader;
typedef struct LoaderOptions {
  const int64_t *order; /* [count] indices into the set, kept by the caller; NULL: 0 … count-1 */
  int64_t count, first; /* of order; the first sample to load, a multiple of batch */
  int64_t batch;
  bool augment;
  uint64_t seed, epoch; /* a sample's seed is made of (seed, epoch, index) */
  int threads;          /* of its own, that load ahead; at least 1, or 0 where `help` */
  bool
      help; /* the threads of sg_parallel load what a batch lacks when it is asked for; not where loading only copies */
} LoaderOptions;
typedef struct Batch {
  int64_t n;            /* usable samples: at most `batch`; may be 0 where all were broken */
  int64_t first, taken; /* positions [first, first + taken) of the order are done with it */
  float *x;             /* (n, …), 64-byte aligned; valid until the next call */
  void *target;         /* (n, target_count) */
  const int32_t *mask;  /* (n, tokens); NULL: the input has none */
  int64_t *index;       /* [n], of the set */
  char **broken;        /* messages about samples that were left out */
  size_t broken_count;
} Batch;
/* Threads that have a CPU of their own while the threads of sg_parallel compute, no more than these. More would only
 * take turns with them, and a call that is shared by all waits for whichever of its threads has lost its CPU: better
 * that they help. */
int loader_threads_beside(void);
Loader *loader_start(Dataset *set, const LoaderOptions *options, surgery_error *err);
/* 1: a batch; 0: no more; -1: *err. Batches come in order whatever the number of threads. */
int loader_next(Loader *loader, Batch *batch, surgery_error *err);
void loader_stop(Loader *loader); /* waits for its threads; NULL is fine */
#endif
