/* What generated code and the runtime share: these few structs and the functions at the end. Everything
 * that is not needed at every call travels in the manifest, a JSON text. SG_ABI is checked when a network is
 * opened: an object and a runtime of different versions refuse each other. */
#ifndef SURGERY_ABI_H
#define SURGERY_ABI_H
#include <stddef.h>
#include <stdint.h>

#define SG_ABI 7
#define SG_MAX_OUTPUTS 16
#define SG_SAMPLES_THREADS 4 /* a function's "samples" are for each so many threads */

/* One call of a generated function. Pointers that a function does not use may be NULL. 64-byte aligned. */
typedef struct sg_run {
  void *weights; /* the state dict, tensors at the manifest's offsets */
  void *packed;  /* derived from it by pack() */
  void *grads;   /* written by step() */
  void *arena;   /* at least the manifest's bytes for n */
  int64_t n;     /* samples */
  const void *x; /* (n, …) f32, row-major; of tokens int32; features for tail and step where the network has a prefix */
  void *y[SG_MAX_OUTPUTS]; /* outputs, f32, row-major; prefix writes features to y[0] */
  const void *target;      /* int32 classes, or f32 */
  float *loss;             /* one float, the batch's mean */
  const uint64_t *rng;     /* {seed, step} */
  const float *class_weights;
  const int32_t *mask;    /* (n, T): 1 where a token is attended to, else 0; NULL: all are */
  int64_t threads;        /* that the call may take: the arena has scratch for so many */
  struct sg_owner *owner; /* whoever makes the call: sg_pack_weights and sg_mark find it here; NULL: nobody */
} sg_run;

typedef void sg_function(const sg_run *run);

/* The functions of one phase of a training. */
typedef struct sg_phase {
  sg_function *prefix, *tail, *step; /* NULL where it has none */
} sg_phase;

/* The one object that a compiled network exports: NAME_network. A network for several kinds of CPU has one for each ISA
 * variant, the best first; sg_choose() finds that of this machine. They differ only in their functions: the manifest,
 * and with it every size, is the same. */
typedef struct sg_network {
  uint32_t abi, size;   /* SG_ABI, sizeof(sg_network) */
  const char *manifest; /* JSON, NUL-terminated; see below */
  const void *embedded; /* a safetensors image, or NULL */
  uint64_t embedded_bytes;
  sg_function *pack, *forward, *prefix, *tail,
      *step;              /* NULL where the network has none; the last three: of the first phase */
  sg_function *inspect;   /* programs only: the forward with every value left in the arena, at the manifest's places */
  sg_function *loss;      /* programs only: outputs (as x) and target → loss */
  uint64_t later_phases;  /* phases after the first */
  const sg_phase *phases; /* [later_phases] */
  const char *cpu;        /* what the functions are compiled for: "x86-64-v3", "sapphirerapids" */
  uint64_t needs;         /* the features that they may use, bits as in runtime/base/cpu.c */
  const struct sg_network *next_lower; /* the variant for the next lower ISA; NULL: this is the last */
  const struct TrainRecipe *train;     /* base/recipe.h, as the train block says it; NULL: there is none */
} sg_network;

/* The manifest:
 * { "name": "ants", "script": "ants_bees.surgery", "compiler": "0.1.0",
 *   "weights_file": "ants.safetensors" (its name beside the program, or beside the library that holds the network) or
 * null, "weights_path": "../share/ants.safetensors" (optional: where the build asked to look next; from the program's
 * folder), "input": { "kind": "image"|"tensor"|"tokens", "shape": [3, 224, 224], "mask": true (optional; a mask (N,
 * shape[0]) may be given), "vocabulary": 30522 (of tokens: each lies below it), "preprocess": [ {"op":
 * "exif_transpose"}, {"op": "grayscale"}, {"op": "resize", "size": [256, null]}, {"op": "center_crop", "size": [224,
 * 224]},
 *                              {"op": "normalize", "mean": [..], "std": [..]} ] },
 *   "outputs": [ {"name": "output", "shape": [2]} ], "labels": ["ants", "bees"] (empty: none given),
 *   "tensors": [ {"name": "conv1.weight", "shape": [64, 3, 7, 7], "dtype": "f32"|"i64", "offset": 0 (bytes),
 *                 "buffer": false, "shared": false (an earlier tensor at the same offset is the same), "trainable":
 * false, "grad": byte offset in grads or -1, "group": 0 (in its stage of the recipe), "fresh": null | {"kind":
 * "uniform", "bound": 0.04} | {"kind": "normal", "deviation": 0.1} | {"kind": "constant", "value": 1}, each with an
 * optional "shift" that is added, "zero_row": a row that is 0, and "stream": what keys its numbers, where that is not
 * its name}
 * ], "weights_bytes": .., "packed_bytes": .., "grads_bytes": .., "functions": { "forward": {"per_sample": bytes,
 * "fixed": bytes, "scratch": bytes a thread, "samples": that are given to it at a time, missing: all}, "prefix": …,
 * "tail": …, "step": …, "pack": … (may be missing: needs none), "inspect": …, "loss": … }, "repack": false (optional,
 * true where missing; false promises that nothing in packed comes from a trainable tensor or a buffer that step()
 * moves, so that pack() need not run again after a step), "features": {"bytes": for one sample, "shape": [512], "key":
 * 32 hexadecimal digits of what decides on them besides the weights} or null, "pack_reads": [ [0, 1], … ] (of programs:
 * which tensors each call of pack reads), "eval_reads": [ 2, … ] (those that forward, prefix or tail of the first phase
 * read themselves), "parameters": {"total": .., "trainable": .., "frozen": ..}, "flops": for one sample, "layers": [
 * {"name": "conv1", "type": "Conv2d", "shape": [64, 112, 112], "parameters": 9408, "frozen": true} ],
 * "modules": [ ["", "ResNet"], ["conv1", "Conv2d", 0], … ] (name, type, parent: the tree, depth first), "calls": [
 * ["conv1", null, 1, 0], ["layer1.0.add", "add", 7, 1], … ] (in forward order: name; of a function its type; its layer,
 * or the container in whose forward it is; stage or -1), "stages": [ "stem", … ], with inspect only, what the nodes of
 * the network are, in forward order, and which parts of it can be removed: "values": [
 * {"name": "layer1.0.conv1", "type": "Conv2d", "layer": "layer1.0.conv1" (missing: a function), "inputs": [3] (into
 * this list; -1: the network's input), "shape": [64, 56, 56], "offset": bytes in the arena for one sample, "blocked":
 * true (layout; kernels.h), both missing: it is the network's input itself} ], "blocks": [ {"name": "layer3.1", "type":
 * "BasicBlock", "in": 40, "out": 46 (values of one shape), "values": [41, …] (what it computes), "parameters": 1180672}
 * ], "forward_calls": [ 0, 3, … ] (the value that each call of forward works for, -1: none; the calls are numbered as
 * sg_mark says), "phases": [ { "tensors": [ [index, grad,
 * group] of each that it trains ], "frozen_layers": [ indices into layers ], "grads_bytes": .., "repack": ..,
 * "functions": {"prefix", "tail", "step"}, "features"} ] (where the script has phases; what stands above is then the
 * first one's) } */

/* ---- the runtime's functions that generated code calls: they are what the libraries show, beside those of surgery.h
 * ---- */

#define SG_API __attribute__((visibility("default")))

typedef void sg_task(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch);
/* Divides [0, units) over at most `threads` threads of the one pool. Thread t's scratch is scratch + t * scratch_bytes;
 * unless it begins with unit 0 the first 8 bytes of it are 0 when it begins. */
SG_API void sg_parallel(sg_task *task, void *const *buf, int64_t n, int64_t units, int64_t threads, void *scratch,
                        int64_t scratch_bytes);
/* Before call number `call` of a program's pack: where it finds the weights, run->weights or in its place another
 * address from which the manifest's offsets count. */
SG_API void *sg_pack_weights(const sg_run *run, int64_t call);
/* After call number `call` of a program's forward: the time is noted where the owner asks for it. */
SG_API void sg_mark(const sg_run *run, int64_t call);
/* The network whose functions this processor runs: the best, or the one whose name is the variable SURGERY_CPU. NULL:
 * none. */
SG_API const sg_network *sg_choose(const sg_network *network);
/* Threads that a call takes unless it says otherwise; at least 1. Set by surgery_set_threads, else OMP_NUM_THREADS,
 * else the CPUs the process may use. */
SG_API int sg_threads(void);
/* CPUs that the process may use, 256 at most. */
SG_API int sg_cpus(void);
/* Before NAME_pack and NAME_forward_raw call their function: the run's pointers are checked (its weights, its arena of
 * so many bytes, and where there are outputs also x and these), and it gets as many threads as the arena has room for.
 * 0, or a surgery_failure. */
SG_API int32_t sg_raw_begin(sg_run *run, int64_t bytes, int64_t per_sample, int64_t fixed, int64_t scratch,
                            int32_t outputs);
/* c (m, n) = alpha op(a) op(b) + beta c, row-major, by OpenBLAS on the calling thread only: for tasks. transpose_a: a
 * is (k, m) in memory, else (m, k); b alike. lda, ldb, ldc: floats from a row to the next. No size is above INT_MAX. */
SG_API void sg_gemm(int64_t transpose_a, int64_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
#endif
