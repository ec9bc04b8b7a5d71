/* The passes behind the edits: shapes, trainability, lowering to kernel calls, the memory plan. They read the
 * graph; only infer_shapes (frontend.h) writes into it. Called by the driver. */
#ifndef SURGERY_ANALYSIS_H
#define SURGERY_ANALYSIS_H
#include "compiler/analysis/schedule.h"

/* What each value and node means for training; arrays by id, in the graph's arena. */
typedef struct Trainability {
  bool *used;        /* by NodeId: alive, and the outputs depend on it */
  bool *needs_grad;  /* by ValueId: a trainable parameter lies above it, so its gradient is wanted */
  bool *varies;      /* by NodeId: what it returns differs between training and evaluation, or from step to step */
  ValueId frontier;  /* the last value through which all flows and before which all is frozen; NO_ID: none */
  int frontier_position; /* its producer's place in Graph.order; -1: none */
  int64_t trainable; /* numbers in trainable parameters */
} Trainability;
Trainability analyse_trainability(const Graph *g);

/* Lowers the checked graph to the schedules that it needs. `train` may be NULL: then the loss is cross entropy. */
Plan *make_plan(Arena *arena, Graph *g, const TrainConfig *train);
/* Adds inspect: the network in evaluation, each node a call of its own, every value kept. For programs alone. */
void plan_inspect(Plan *plan);
/* Gives every arena buffer its place (called by make_plan for each schedule). */
void plan_memory(Arena *arena, Schedule *schedule);
/* Fills schedule->samples of the plan's forward, prefix or tail, when its memory is planned. */
void plan_samples(const Plan *plan, Schedule *schedule);
/* Checks a planned schedule: no two buffers that live at once overlap, every read is of something written. BUG(). */
void schedule_check(const Plan *plan, const Schedule *schedule);
#endif
