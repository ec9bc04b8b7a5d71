/* Two operands side by side: what is only in one, what is in both and differs. Private to command_diff.c,
 * which prints, and diff_*.c, which compare. */
#ifndef SURGERY_DRIVER_DIFF_H
#define SURGERY_DRIVER_DIFF_H
#include "compiler/driver/show/show.h"

/* ---- networks: layers by name, in forward order ---- */

enum {                      /* what differs about a layer that both have */
       DIFF_LAYER = 1,      /* its type or arguments */
       DIFF_PARAMETERS = 2, /* how many */
       DIFF_OUTPUT = 4,     /* the shape */
       DIFF_STATE = 8,      /* trained or frozen */
       DIFF_INPUTS = 16     /* what flows in */
};
typedef struct LayerDiff {
  NodeId a, b; /* NO_ID: only in the other */
  unsigned what;
} LayerDiff;
typedef VEC(LayerDiff) LayerDiffs;
/* Those that differ. */
LayerDiffs diff_layers(Arena *arena, const Graph *a, const Graph *b);
/* The input, or an output's name, shape or layer. */
bool diff_ends(const Graph *a, const Graph *b);
void print_layer_diffs(Session *s, const CommandOperand *a, const CommandOperand *b, const LayerDiffs *diffs,
                       bool color);
/* What `freeze all` or another shape far above does to many layers, in one line for each change, by the names
 * of whole containers (layers_print.c). */
void print_layer_groups(Arena *arena, const Graph *a, const Graph *b, const LayerDiffs *diffs, bool color);
json_t *layer_diffs_json(Session *s, const CommandOperand *a, const CommandOperand *b, const LayerDiffs *diffs);

/* ---- tensors: of weight files, or of a network against a file ---- */

typedef struct DiffTensor {
  const char *name, *dtype;
  int rank;
  const int64_t *shape;
  const surgery_tensor *values; /* NULL: of a network, which has none */
} DiffTensor;
typedef struct TensorDiff {
  const DiffTensor *a, *b;   /* NULL: only in the other */
  bool shape, dtype, values; /* what differs */
  bool compared;             /* values were */
  double largest, relative;  /* the largest |a - b|, and |a - b| / max(|a|, |b|); infinite where only one is NaN */
} TensorDiff;
typedef VEC(TensorDiff) TensorDiffs;
/* False with one line on stderr: a file cannot be read. */
bool diff_tensors(Session *s, const CommandOperand *a, const CommandOperand *b, TensorDiffs *out);
void print_tensor_diffs(Session *s, const CommandOperand *a, const CommandOperand *b, const TensorDiffs *diffs,
                        bool color);
json_t *tensor_diffs_json(Session *s, const CommandOperand *a, const CommandOperand *b, const TensorDiffs *diffs);
#endif
