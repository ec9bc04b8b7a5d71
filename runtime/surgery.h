/* The public interface of Surgery's runtime: weight files, data sets, and compiled networks. Usable from C
 * and C++ only. Functions return 0 (or a pointer) when done, and -1 (or NULL) with *err filled when not;
 * nothing here exits, prints or changes the locale. `err` may be NULL. */
#ifndef SURGERY_H
#define SURGERY_H
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* What the libraries show; all their other names are hidden. */
#if defined(__GNUC__) && !defined(SURGERY_API)
#define SURGERY_API __attribute__((visibility("default")))
#elif !defined(SURGERY_API)
#define SURGERY_API
#endif
#ifdef __cplusplus
extern "C" {
#endif

/* Generated headers hold the same text, so that they can do without this file. */
#ifndef SURGERY_ERROR_DEFINED
#define SURGERY_ERROR_DEFINED
typedef enum surgery_status {
  SURGERY_OK = 0,
  SURGERY_BAD_INPUT = 1,   /* a file or argument is wrong: the user can mend it */
  SURGERY_ENVIRONMENT = 3, /* open, read, write, memory failed: the system's reason is in the message */
  SURGERY_INTERRUPTED = 4
} surgery_status;

typedef struct surgery_error {
  surgery_status status;
  char message[1024]; /* one or more lines, without a final newline: file, tensor, byte offset, rule */
} surgery_error;

/* What the functions that compute return where they did not; 0: done. */
typedef enum surgery_failure {
  SURGERY_NO_MEMORY = -1,
  SURGERY_NULL_ARGUMENT = -2, /* the network, x, y or target */
  SURGERY_NOT_TRAINABLE = -3, /* all of the network is frozen */
  SURGERY_BAD_TARGET = -4,    /* no class of the network */
  SURGERY_BAD_TOKEN = -5,     /* outside the vocabulary */
  SURGERY_SMALL_BATCH = -6,   /* a trainable BatchNorm gets one value per channel */
  SURGERY_SMALL_MEMORY = -7,  /* the caller's own: less than the header's macro says, or not 64-byte aligned */
  SURGERY_OTHER_CPU = -8      /* lacks what the code needs */
} surgery_failure;
#endif
SURGERY_API const char *surgery_failure_text(int failure); /* such a number in words */

/* ---- weight files (runtime/weights/) ---- */

typedef enum surgery_dtype {
  SURGERY_F32,
  SURGERY_F64,
  SURGERY_F16,
  SURGERY_BF16,
  SURGERY_I64,
  SURGERY_I32,
  SURGERY_I16,
  SURGERY_I8,
  SURGERY_U8,
  SURGERY_BOOL,
  SURGERY_U16,
  SURGERY_U32,
  SURGERY_U64
} surgery_dtype;
SURGERY_API const char *surgery_dtype_name(surgery_dtype dtype); /* "f32" */
SURGERY_API size_t surgery_dtype_size(surgery_dtype dtype);

#define SURGERY_MAX_RANK 8
typedef struct surgery_tensor {
  const char *name; /* as in the file, less what surgery_weights_note tells was taken off */
  surgery_dtype dtype;
  int rank;
  int64_t shape[SURGERY_MAX_RANK];
  int64_t count; /* elements */
} surgery_tensor;

typedef struct surgery_weights surgery_weights;
/* Opens by content, not by name: safetensors, PyTorch zip and legacy, npz, a sharded index.json, ONNX, GGUF. Only
 * headers are read. */
SURGERY_API surgery_weights *surgery_weights_open(const char *path, surgery_error *err);
/* A safetensors file that lies in memory and stays there as long as the weights are open; `name`: for messages. */
SURGERY_API surgery_weights *surgery_weights_open_memory(const void *image, size_t size, const char *name,
                                                         surgery_error *err);
SURGERY_API void surgery_weights_close(surgery_weights *weights);
SURGERY_API size_t surgery_weights_count(const surgery_weights *weights);
SURGERY_API const surgery_tensor *surgery_weights_at(const surgery_weights *weights, size_t index); /* file order */
/* NULL when there is none of that name. */
SURGERY_API const surgery_tensor *surgery_weights_find(const surgery_weights *weights, const char *name);
/* Format, and what was recognised around the tensors: "pytorch-zip; under 'state_dict'; prefix 'module.' taken off". */
SURGERY_API const char *surgery_weights_note(const surgery_weights *weights);
/* A checkpoint may hold several sets of weights, say the network's and their average ("state_dict_ema"). The first is
 * open after surgery_weights_open, and count, at, find and read are about the open one. Their number, and the name of
 * each with its tensors; "" where the file is one set. */
SURGERY_API size_t surgery_weights_sets(const surgery_weights *weights);
SURGERY_API const char *surgery_weights_set(const surgery_weights *weights, size_t index, size_t *tensors);
SURGERY_API size_t surgery_weights_chosen(const surgery_weights *weights); /* the open one's number */
/* Opens the set in which `under` lies: a set's name, or a part of the names in it as they are in the file, before
 * anything was taken off. *rest: what the names of that set begin with there; `under` itself where nothing lies there,
 * and the open set stays. Tensors of the set before are not to be read after. 0, or -1 where that set is broken. */
SURGERY_API int surgery_weights_choose(surgery_weights *weights, const char *under, const char **rest,
                                       surgery_error *err);
/* The tensor's values in row-major order, converted to f32 (read) or i64 (read_i64: integer dtypes and bool only).
 * `count` must be the tensor's. */
SURGERY_API int surgery_weights_read(surgery_weights *weights, const surgery_tensor *tensor, float *to, int64_t count,
                                     surgery_error *err);
SURGERY_API int surgery_weights_read_i64(surgery_weights *weights, const surgery_tensor *tensor, int64_t *to,
                                         int64_t count, surgery_error *err);
typedef struct surgery_weights_part { /* as for surgery_weights_read, or, with i64, for surgery_weights_read_i64 */
  const surgery_tensor *tensor;
  float *f32;
  int64_t *i64;
  int64_t count;
} surgery_weights_part;
/* Many tensors at once, by all threads. Of several errors it tells the first in the order of the parts. */
SURGERY_API int surgery_weights_read_all(surgery_weights *weights, const surgery_weights_part *parts, size_t count,
                                         surgery_error *err);
/* A value of the file's metadata (safetensors: __metadata__; zip archives: a JSON object as comment); NULL when there
 * is none. */
SURGERY_API const char *surgery_weights_metadata(const surgery_weights *weights, const char *key);

typedef struct surgery_tensor_out {
  const char *name;
  surgery_dtype dtype; /* of `data`; it is stored so */
  int rank;
  int64_t shape[SURGERY_MAX_RANK];
  const void *data; /* row-major */
} surgery_tensor_out;
/* By suffix: .safetensors (sorted, aligned), .pth/.pt, .npz. The file appears whole or not at all: temporary name in
 * the same folder, synced, renamed, folder synced. `metadata` is pairs of key, value, ended by NULL; may be NULL. */
SURGERY_API int surgery_weights_write(const char *path, const surgery_tensor_out *tensors, size_t count,
                                      const char *const *metadata, surgery_error *err);
/* Whether all pairs have room in a file of that name: a zip archive's comment has 65,535 bytes. */
SURGERY_API bool surgery_weights_keeps(const char *path, const char *const *metadata);
/* Is the suffix one of these? */
SURGERY_API int surgery_weights_can_write(const char *path);

typedef struct surgery_rounded {
  int64_t infinite;   /* finite numbers that became infinite, being too large for the dtype */
  const char *tensor; /* the first tensor that has one; NULL: none */
} surgery_rounded;
/* The same with the f32 tensors stored as `dtype`, f32, f16 or bf16 (which numpy does not know): rounded to nearest,
 * ties to even, as PyTorch does. Takes memory for the rounded numbers meanwhile. `rounded` may be NULL. */
SURGERY_API int surgery_weights_write_as(const char *path, const surgery_tensor_out *tensors, size_t count,
                                         const char *const *metadata, surgery_dtype dtype, surgery_rounded *rounded,
                                         surgery_error *err);

/* ---- compiled networks (runtime/net/net.c) ---- */

struct sg_network;
typedef struct surgery_net surgery_net; /* for one thread of use at a time; weights are its own */

/* weights: a file; NULL: embedded ones, else the network's file beside the program or the shared library, else the one
 * that surgeryc's --weights-path named. */
SURGERY_API surgery_net *surgery_open(const struct sg_network *network, const char *weights, surgery_error *err);
SURGERY_API void surgery_close(surgery_net *net);
/* x: (n, …) f32, row-major; y: (n, …) of the first output. Returns 0 or a surgery_failure. */
SURGERY_API int surgery_forward(surgery_net *net, size_t n, const float *x, float *y);
/* All outputs, y[i] being (n, …) of output i, or NULL where it is not wanted. */
SURGERY_API int surgery_forward_outputs(surgery_net *net, size_t n, const float *x, float *const *y);
/* One step with the script's optimizer (or SGD(lr=0.01) without a train block), of its first phase where there are
 * several, at the constant rate: schedule, clip_norm, accumulate, mixup, ema and early_stop are of the program's
 * `train`. target: a class for each sample; where the loss is MSE, the target's floats after a cast (L1 and
 * BCEWithLogits: the same). loss: the batch's mean before the update, or NULL. Returns 0 or a surgery_failure; then
 * nothing was trained. */
SURGERY_API int surgery_train_step(surgery_net *net, size_t n, const float *x, const int32_t *target, float *loss);
/* The same with a mask (n, T) beside x: 1 where a token is attended to, else 0; NULL: all are. x: floats, or, where the
 * input is tokens, int32, as for the two functions above after a cast; one outside the vocabulary is refused. */
SURGERY_API int surgery_forward_masked(surgery_net *net, size_t n, const void *x, const int32_t *mask, float *y);
SURGERY_API int surgery_train_step_masked(surgery_net *net, size_t n, const void *x, const int32_t *mask,
                                          const int32_t *target, float *loss);
/* selector: of tensors or layers, as in scripts (grammar/README.md, "Selectors"); NULL: all. */
SURGERY_API int surgery_save(surgery_net *net, const char *path, const char *selector, surgery_error *err);
/* As f32, f16 or bf16: see surgery_weights_write_as. */
SURGERY_API int surgery_save_as(surgery_net *net, const char *path, const char *selector, surgery_dtype dtype,
                                surgery_rounded *rounded, surgery_error *err);
SURGERY_API void surgery_set_threads(int threads);
SURGERY_API int surgery_threads(void);

/* The main() of a compiled program. */
SURGERY_API int surgery_main(const struct sg_network *network, int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
