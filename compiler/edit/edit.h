/* The statements that act on the network, one function each, and what they share. Called by
 * compiler/script. Each returns false with
 * diagnostics, and then leaves the graph as it was: its invariants (graph_check) hold after every statement.
 */
#ifndef SURGERY_EDIT_H
#define SURGERY_EDIT_H
#include "compiler/select/select.h"
#include "compiler/settings/config.h"
#include "compiler/weights/weights.h"

typedef struct EditContext {
  Session *s;
  Scope *scope;
  Graph *graph; /* NULL before the take */
  TrainConfig *train;
  VEC(const Stmt *) expects;     /* checked after shapes */
  VEC(const Stmt *) early;       /* input, labels and train that stand before the take: they run after it */
  bool taken;                    /* there was a take, perhaps a wrong one */
  bool shapes_known, shapes_fit; /* of the last look at the shapes, until a statement changes the network */
} EditContext;

bool edit_take(EditContext *e, const Stmt *stmt);
#define EDIT(word, ...) bool edit_##word(EditContext *e, const Stmt *stmt);
#define KEYWORD(...)
#define IN_TRAIN(...)
#include "grammar/keywords.def"

/* The i-th of the functions that init knows; NULL after the last. (init.c) */
const char *init_name(size_t i);
/* append and prepend of another donor's slice. */
bool edit_stitch(EditContext *e, const Stmt *stmt);
/* Builds a donor, infers its shapes and cuts its slice out; no weights yet. *out may be there even when it fails, NULL
 * when there is nothing at all. */
bool edit_donor(EditContext *e, const Donor *donor, Graph **out);
/* Behind the last edit: which tensors are held once (share.c). */
void edit_share_weights(EditContext *e);

/* The shapes as far as they can be told between two edits, where the network may be broken: quietly, and each `_`
 * stays one. False when something is not known. (rewire.c) */
bool edit_shapes_now(EditContext *e);
/* From here on the parameter's value is the one that it has now, kept aside, so that it may be changed as a whole
 * (save.c). False with a diagnostic. */
bool save_snapshot(EditContext *e, ParamId param, Span span);

/* True where the selector is the plain name of an output, and of no layer (output.c). */
bool edit_output_named(const Graph *g, const Selector *selector, ValueId *out);
/* False with a diagnostic where there are several outputs, for a statement that acts on the last value. */
bool edit_one_output(EditContext *e, const Stmt *stmt, const char *cure);
/* Behind the last edit: what the loss, which is of the first output, does not depend on is not trained. */
void edit_outputs_trained(EditContext *e);

/* ---- shared by the edits (rewire.c) ---- */

typedef VEC(ValueId) ValueList;

/* One call of a unit: the nodes of one run through it, the values that enter and those that leave. */
typedef struct CallSite {
  NodeList nodes;
  ValueList in, out; /* each value once */
} CallSite;
typedef VEC(CallSite) CallSites;

/* The calls of a unit: one for a region or a function; for a layer as many as forward calls it. */
bool edit_call_sites(EditContext *e, const Unit *unit, Span span, Arena *arena, CallSites *out);
/* The values that enter and leave a set of nodes, dead or alive; users outside the set count only when alive.
 */
void edit_boundary(const Graph *g, const bool *set, Arena *arena, ValueList *in, ValueList *out);
/* Whoever uses `from` uses `to` instead: nodes with an id below `before` (dead ones too), and the outputs. A
 * node whose input changes gets the edit's span as its origin: when it no longer fits, that edit is to blame.
 */
void edit_redirect(Graph *g, ValueId from, ValueId to, size_t before, Span by);
/* The same for one node. */
void edit_redirect_node(Graph *g, NodeId node, ValueId from, ValueId to, Span by);
/* Moves the nodes from place `first` to the end of the order to the place `to`, which lies before them. */
void edit_move_order(Graph *g, size_t first, size_t to);
size_t edit_order_place(const Graph *g, NodeId node);
/* The place right behind the producer of a value. */
size_t edit_place_after(const Graph *g, ValueId value);
/* Gone for good: dead, and its name free for others. */
void edit_retire_node(Graph *g, NodeId node);
void edit_retire_module(Graph *g, ModuleId module);
/* A layer lives when one of its calls does, a container when one of its children does. For edits that let something
 * die. */
void edit_update_alive(Graph *g);

/* Builds the statement's LAYER under `parent`. NO_ID with diagnostics, and nothing is left behind. */
ModuleId edit_build(EditContext *e, const Stmt *stmt, ModuleId parent, const char *local);
/* Calls it on `in`; the new nodes stand at the end of the order and belong to `stage`. NO_ID with
 * diagnostics. */
ValueId edit_call(EditContext *e, ModuleId module, ValueId in, int stage, Span origin);
/* Takes back what edit_build and edit_call made since the graph had so many modules and nodes. */
void edit_undo(Graph *g, size_t modules, size_t nodes);
/* The new layer's name (as written, or its type in lower case) made unique by `nth`; reports when it is
 * taken. NULL then. *parent becomes the container of a dotted name. */
const char *edit_new_name(EditContext *e, const Stmt *stmt, size_t nth, ModuleId *parent);
int edit_stage_of(const Graph *g, ValueId value);
/* "conv1, bn1, relu": at most twelve. */
const char *edit_list_names(Arena *arena, const char *const *names, size_t count);
const char *edit_value_name(const Graph *g, ValueId value);
/* One error with its help. Returns false. */
bool edit_wrong(EditContext *e, DiagCode code, Span span, const char *why, const char *help);
/* Reports a selector that picked single tensors where layers are wanted. True when it did. */
bool edit_reject_tensors(EditContext *e, const Stmt *stmt, const Picked *picked, const char *verb);

/* ---- what load and save act on (tensor_picks.c) ---- */

/* The region that the brackets mean in a tensor of these dimensions; dimensions that are not named are taken
 * whole. As everywhere in the language, what is out of range or empty is an error. */
bool region_read(EditContext *e, const Index *index, Span span, const char *name, const Shape *of, Region *out);
/* A whole parameter or buffer, or a region of one. */
typedef struct TensorPick {
  ParamId param;
  const Region *region; /* in the session's arena; NULL: all of it */
} TensorPick;
typedef VEC(TensorPick) TensorPicks;
/* Whole tensors once each, in the order of the state dict within each part of a union. False with
 * diagnostics; the shapes of the network must be as known as they can be (edit_shapes_now). */
bool region_pick_tensors(EditContext *e, const Selector *selector, TensorPicks *out);
/* Reports that the tensor's shape would have to be known here. Returns false. */
bool region_unknown_shape(EditContext *e, Span span, const char *name);
#endif
