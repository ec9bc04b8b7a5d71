/* From a finished network to a plan: trainability, lowering to kernel calls, the memory of each program. Reads the
 * graph and changes nothing in it. Called by the driver. */
#ifndef SURGERY_PLAN_H
#define SURGERY_PLAN_H
#include "compiler/ops/lower.h"
#include "compiler/settings/config.h"

Trainability analyse_trainability(const Graph *g);
/* Lowers the checked graph to the schedules that it needs. `train` may be NULL: then the loss is cross entropy. */
Plan *make_plan(Arena *arena, Graph *g, const TrainConfig *train);

/* The same, asking `choices`: what is not there yet is added, with the kernel that it would have been. So a second plan
 * with the list of the first, in which somebody has changed `taken`, has those kernels. Without a train block only the
 * evaluation is in it. */
Plan *make_plan_with(Arena *arena, Graph *g, const TrainConfig *train, KernelChoices *choices);
/* Adds inspect: the network in evaluation, each node a call of its own, every value kept. For programs alone. */
void plan_inspect(Plan *plan);
/* Gives every arena buffer its place (called by make_plan for each schedule). */
void plan_memory(Arena *arena, Program *schedule);
/* Checks a planned schedule: no two buffers that live at once overlap, every read is of something written. BUG(). */
void program_check(const Plan *plan, const Program *schedule);
#endif
