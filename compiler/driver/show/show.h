/* What `show`, `diff`, `zoo` and --emit=graph share: the thing that is looked at, and what there is to say
 * about a network's layers. Nothing here changes a network or writes a weight file. */
#ifndef SURGERY_DRIVER_SHOW_H
#define SURGERY_DRIVER_SHOW_H
#include "compiler/driver/driver.h"
#include "compiler/driver/table.h"
#include "runtime/surgery.h"
#include <jansson.h>

/* ---- operand.c: NAME|SCRIPT|FILE ---- */

typedef struct CommandOperand {
  const char *given;        /* as on the command line */
  bool is_script;           /* a file of statements, so that there may be weights that were not looked at */
  Script script;            /* its graph is NULL for a weight file; shapes are known, weights are not looked at */
  surgery_weights *weights; /* of a weight file, headers only; else NULL */
} CommandOperand;
/* A built-in network by name (with arguments, a slice, edits: what may stand behind `take`), a script, an
 * ONNX file's network, or a weight file, by content. Not EXIT_DONE: with diagnostics, or one line on stderr.
 */
ExitStatus operand_open(Session *s, const char *given, CommandOperand *out);
void operand_close(CommandOperand *operand);

/* ---- info.c: what is said about layers ---- */

typedef enum TrainState {
  STATE_NONE, /* no parameters, nothing that freezing would change */
  STATE_TRAINED,
  STATE_PARTLY, /* some parameters are trained */
  STATE_FROZEN,
  STATE_STATISTICS /* no parameter is trained, but batch statistics move */
} TrainState;

TrainState module_state(const Graph *g, ModuleId module, bool below);
TrainState node_state(const Graph *g, NodeId node);
const char *state_name(TrainState state); /* "trained", "" */
Paint state_paint(TrainState state);
const char *node_type(const Graph *g, NodeId node);    /* "Conv2d" */
const char *layer_name(const Graph *g, ValueId value); /* what computes it; "input" */
/* Floating point operations of one forward, for one sample. */
double network_flops(Session *s, const Script *script);
const char *flops_text(Arena *arena, double flops); /* "3.63 GFLOP" */

/* ---- show_tree.c, show_json.c, show_weights.c ---- */

void show_tree(Session *s, const Graph *g, bool color);
/* The forms are documented in grammar/README.md. */
json_t *network_json(Session *s, const CommandOperand *operand);
json_t *weights_json(Session *s, const CommandOperand *operand);
json_t *shape_json(int rank, const int64_t *dim);
json_t *inputs_json(Arena *arena, const Graph *g, NodeId node); /* the names of what computes its inputs */
json_t *name_json(Arena *arena, const char *text);              /* valid UTF-8 whatever a file says; NULL → null */
void print_json(json_t *json);                                  /* takes it; on stdout */
void show_weights(Session *s, const CommandOperand *operand, bool color);

/* ---- dot.c: Graphviz ---- */

/* The network's drawing as Graphviz's text, in the arena. */
const char *dot_text(Session *s, const Script *script, const char *given);
#endif
