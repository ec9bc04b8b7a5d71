/* From a finished network to a plan: trainability, lowering to kernel calls, the memory of each program. Reads the
 * graph and changes nothing in it. Called by the driver. */
#ifndef SURGERY_PLAN_H
#define SURGERY_PLAN_H
#include "compiler/ops/lower.h"
#include "compiler/settings/config.h"

Trainability analyse_trainability(const Graph *g);

/* The steps to a plan, in this order; the driver has a row for each. `train` may be NULL: then the loss is cross
 * entropy, and only the evaluation is in the plan.
 *
 * What each phase trains, where its frozen prefix ends, and the places of weights and gradients. Lowering asks
 * `choices`: what is not there yet is added, with the kernel that it would have been. So a second plan with the list of
 * the first, in which somebody has changed `taken`, has those kernels. NULL: each call has its usual kernel. */
Plan *plan_phases(Arena *arena, Graph *g, const TrainConfig *train, KernelChoices *choices);
/* The kernel calls of each program, and how many samples pass through it at a time. */
void plan_lower(Plan *plan);
/* Gives the buffers of each program their places in the arena. */
void plan_place(Plan *plan);
/* program_check() of each program. */
void plan_check(const Plan *plan);
/* All of it. */
Plan *make_plan_with(Arena *arena, Graph *g, const TrainConfig *train, KernelChoices *choices);
Plan *make_plan(Arena *arena, Graph *g, const TrainConfig *train);

/* Adds inspect: the network in evaluation, each node a call of its own, every value kept. For programs alone. */
void plan_inspect(Plan *plan);
/* Adds loss: the loss of outputs that are there. For programs, which evaluate. */
void plan_loss(Plan *plan);
/* Gives every arena buffer its place (called for each program). */
void plan_memory(Arena *arena, Program *schedule);
/* Checks a planned schedule: no two buffers that live at once overlap, every read is of something written. BUG(). */
void program_check(const Plan *plan, const Program *schedule);
#endif
