/* The passes behind the edits: shapes, trainability, lowering to kernel calls, the memory plan. They read the
 * graph; only infer_shapes (frontend.h) writes into it. Called by the driver. */
#ifndef SURGERY_ANALYSIS_H
#define SURGERY_ANALYSIS_H
#include "compiler/analysis/schedule.h"

/* What each value and node means for training; arrays by id, in the graph's arena. */
typedef struct Trainability {
  bool *used;            /* by NodeId: alive, and the outputs depend on it */
  bool *needs_grad;      /* by ValueId: a trainable parameter lies above it, so its gradient is wanted */
  bool *varies;          /* by NodeId: what it returns differs between training and evaluation, or from step to step */
  ValueId frontier;      /* the last value through which all flows and before which all is frozen; NO_ID: none */
  int frontier_position; /* its producer's place in Graph.order; -1: none */
  int64_t trainable;     /* numbers in trainable parameters */
} Trainability;
Trainability analyse_trainability(const Graph *g);
/* False for what reads or returns whole numbers, whose row has no_gradient: nothing before it is trained through it. */
bool op_passes_gradient(OpId op);

/* Lowers the checked graph to the schedules that it needs. `train` may be NULL: then the loss is cross entropy. */
Plan *make_plan(Arena *arena, Graph *g, const TrainConfig *train);

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
/* The same, asking `choices`: what is not there yet is added, with the kernel that it would have been. So a second plan
 * with the list of the first, in which somebody has changed `taken`, has those kernels. Without a train block only the
 * evaluation is in it. */
Plan *make_plan_with(Arena *arena, Graph *g, const TrainConfig *train, KernelChoices *choices);
/* Adds inspect: the network in evaluation, each node a call of its own, every value kept. For programs alone. */
void plan_inspect(Plan *plan);
/* Gives every arena buffer its place (called by make_plan for each schedule). */
void plan_memory(Arena *arena, Schedule *schedule);
/* Fills schedule->samples of the plan's forward, prefix or tail, when its memory is planned. */
void plan_samples(const Plan *plan, Schedule *schedule);
/* Checks a planned schedule: no two buffers that live at once overlap, every read is of something written. BUG(). */
void schedule_check(const Plan *plan, const Schedule *schedule);
#endif
