/* A network small enough to compute by hand-written loops, with its plan written out call by call:
 *   x (3, 10, 9) → conv1 3 → 20, 3×3, pad 1, bias, relu → conv2 20 → 16, 3×3, stride 2, pad 1
 *   → act1, act2 (relu6) → flatten → fc 400 → 10 = y
 * conv1, conv2 are frozen, fc is trainable: step() has the gradients of fc and no others. */
#ifndef TESTS_CODEGEN_TINY_H
#define TESTS_CODEGEN_TINY_H
#include "compiler/ops/program.h"

enum { TINY_INPUT = 3 * 10 * 9, TINY_CLASSES = 10 };

Plan *tiny_plan(Arena *arena);
/* Values for the state dict at the plan's offsets. */
void tiny_fill_weights(const Plan *plan, unsigned char *weights);
/* y[n][10] from x[n][3][10][9], by naive loops over raw weights. */
void tiny_reference(const Plan *plan, const unsigned char *weights, int n, const float *x, float *y);
/* dw[10][400] and the mean cross entropy of targets. */
void tiny_reference_step(const Plan *plan, const unsigned char *weights, int n, const float *x, const int32_t *target,
                         float *loss, float *dw);
float tiny_random(uint64_t *state); /* -1 … 1 */
#endif
