/* What analysis makes of a checked graph and what codegen compiles: for each generated function a list of
 * kernel calls over buffers with planned places. Nothing behind this point knows layers any more. */
#ifndef SURGERY_SCHEDULE_H
#define SURGERY_SCHEDULE_H
#include "runtime/base/map.h"
#include "compiler/graph/graph.h"
#include "runtime/kernels/kernels.h"

typedef int32_t BufferId;

typedef enum Space {                /* where a buffer lives: a base pointer of sg_run (runtime/abi.h) */
                     SPACE_NONE,    /* NULL */
                     SPACE_ARENA,   /* planned; see Program */
                     SPACE_WEIGHTS, /* the state dict: raw tensors, at a byte offset */
                     SPACE_PACKED,  /* what pack() derives from the weights */
                     SPACE_GRADS,   /* gradients of the trainable parameters */
                     SPACE_INPUT,   /* x of the run */
                     SPACE_OUTPUT,  /* y[index] of the run */
                     SPACE_TARGET,
                     SPACE_LOSS,
                     SPACE_RNG,
                     SPACE_CLASS_WEIGHTS,
                     SPACE_MASK /* of the run; NULL there: all ones */
} Space;

typedef struct Buffer {
  const char *name; /* for dumps: the value's or the parameter's name */
  Space space;
  int index;             /* SPACE_OUTPUT: which */
  bool per_sample;       /* SPACE_ARENA: bytes are for one sample, and so is the offset */
  bool kept;             /* SPACE_ARENA: lives to the end of the function */
  int64_t bytes, offset; /* offset is filled by the memory plan for SPACE_ARENA */
  int first, last;       /* the calls between which it must live; by the memory plan */
} Buffer;

typedef struct Call {
  KernelId kernel;
  BufferId buf[MAX_CALL_BUFFERS]; /* NO_ID: NULL */
  int buf_count;
  uint64_t word[MAX_CALL_WORDS]; /* the bytes of the kernel's K */
  int word_count;
  bool shared; /* a template that takes its constants when it is called: one function for all calls of the kernel */
  CallPlan plan;
  NodeId node;      /* what it is done for; NO_ID: none (loss, packing) */
  const char *role; /* "forward", "grad_input", "grad_weight", "pack", … for dumps and symbols */
} Call;

/* The arena of a function for n samples: per_sample * n + fixed + threads * scratch bytes. Buffers with
 * per_sample lie at base + offset * n, the others at base + per_sample_bytes * n + offset, a thread's scratch
 * behind them. All sizes and offsets are multiples of 64. */
typedef struct Program {
  const char *name; /* "pack", "forward", "prefix", "tail", "step", "inspect", "loss" */
  bool present;
  VEC(Buffer) buffers;
  Map places; /* the buffers outside of the arena, by space, index and offset */
  VEC(Call) calls;
  int64_t per_sample_bytes, fixed_bytes, scratch_bytes;
  int64_t samples; /* of a batch that the runtime takes at a time, for each SG_SAMPLES_THREADS threads; 0: all */
} Program;

#include "compiler/graph/graph.h"

/* A call that more than one kernel can do: those with the same constants for the same number of samples are one. */
typedef struct KernelChoice {
  KernelId usual,
      other;      /* what lowering takes by itself, and what can do the same with the same buffers and constants */
  KernelId taken; /* `usual`, or what tuning found to be faster */
  int word_count;
  uint64_t word[MAX_CALL_WORDS]; /* the constants */
  int64_t samples;               /* in a call: one in evaluation, in training the batch */
  int calls;                     /* of this kind in the last plan */
  const char *call;              /* the first of them, for people: "layer1.0.conv1 forward" */
  int64_t timed_samples;         /* 0: not timed */
  double usual_seconds, other_seconds;
} KernelChoice;
typedef struct KernelChoices {
  Arena *arena;
  VEC(KernelChoice) list;
} KernelChoices;

typedef struct Kept { /* a value of the network behind a call of inspect */
  BufferId buffer;    /* NO_ID: it is not computed */
  bool blocked;       /* its layout */
} Kept;

/* What each value and node means for training; arrays by id, in the graph's arena. */
typedef struct Trainability {
  bool *used;       /* by NodeId: alive, and the outputs depend on it */
  bool *needs_grad; /* by ValueId: a trainable parameter lies above it, so its gradient is wanted */
  bool *varies;     /* by NodeId: what it returns differs between training and evaluation, or from step to step */
  ValueId frozen_boundary; /* the last value through which all flows and before which all is frozen; NO_ID: none */
  int boundary_position;   /* its producer's place in Graph.order; -1: none */
  int64_t trainable;       /* numbers in trainable parameters */
} Trainability;

typedef struct Plan {
  Graph *graph;
  /* The same network with the flags of the phase that this plan is for; the graph itself where there are no phases. */
  const Graph *trained;
  Trainability trainability; /* of `trained` */
  struct Plan *first;        /* itself, but in `later` */
  VEC(struct Plan *)
  later; /* of the phases behind the first: prefix, tail and step, gradients, features; all else is the first's */
  const struct TrainConfig *train; /* NULL without a train block */
  int64_t batch;                   /* of the phase; 0 without a train block */
  struct KernelChoices *choices;   /* asked while it is made; NULL: each call has its usual kernel */
  Program pack;                    /* weights → packed */
  Program forward;                 /* x → outputs, evaluation */
  Program prefix;  /* x → features: all that is frozen before the first trainable layer; absent when empty */
  Program tail;    /* features → outputs, evaluation; absent without prefix */
  Program step;    /* features (or x) and target → loss, outputs, grads; absent when nothing is trainable */
  Program inspect; /* x → every value of the network, kept in the arena; only where plan_inspect() was called */
  VEC(Kept) kept;  /* by ValueId: of inspect */
  Program loss;    /* the first output and target → loss; only where plan_loss() was called */
  int64_t weights_bytes, packed_bytes, grads_bytes; /* grads_bytes = 4 × trainable numbers, 64-aligned tensors */
  VEC(int64_t) weight_offset;                       /* by ParamId: bytes into the weights, 64-aligned */
  VEC(int64_t) grad_offset;                         /* by ParamId: bytes into grads, or -1 */
  Shape features; /* what the prefix returns, plain or blocked as `features_blocked` says */
  bool features_blocked;
  int64_t features_bytes; /* for one sample */
} Plan;

/* Every schedule of a plan, its phases' too, absent ones as well; in the arena. */
typedef VEC(const Program *) ProgramList;
ProgramList plan_programs(Arena *arena, const Plan *plan);
double program_flops(const Program *schedule); /* for one sample; a multiply-add counts as 2 */
void program_dump(const Plan *plan, const Program *schedule, FILE *out);
#endif
