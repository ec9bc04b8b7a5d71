/* From syntax to a network: constants, includes, model bodies → graph; then the edits in order.
 * run_script() is what the driver calls; the rest is shared by frontend/ and edit/. */
#ifndef SURGERY_FRONTEND_H
#define SURGERY_FRONTEND_H
#include "compiler/frontend/settings.h"
#include "compiler/graph/graph.h"
#include "grammar/ast.h"

typedef struct NameValue {
  const char *name, *value;
} NameValue;

/* One compilation: what the command line gave and what all passes share. */
typedef struct Session {
  Arena *arena;
  Sources sources;
  Diags diags;
  VEC(NameValue) defines;         /* -D */
  VEC(const char *) include_dirs; /* -I */
  VEC(NameValue) weights;         /* --weights NAME=FILE; name NULL: a directory */
  VEC(const char *) dependencies; /* every file read, for -MD */
  bool no_weights;                /* for what only shows networks: no weight file is looked for */
  bool missing_allowed;           /* -Wno-weights: a weight file that is not there is no error */
  size_t weight_errors;           /* of diags.errors: about weight files; they hide nothing else in the script */
  size_t missing_weights;         /* of those: the file is not there */
  bool shared_defines;            /* of several scripts: one that has no such param leaves a -D to the others */
  VEC(const char *) all_params;   /* with it: the params of all scripts */
  /* the frontend's own state */
  struct Scope *zoo;             /* the built-in models; zoo_scope() fills it */
  VEC(const char *) params;      /* every `param` seen, for -D */
  struct Scope *param_names;     /* the same by name, each with its statement and scope */
  const struct CallFrame *calls; /* the models that are being built or called, innermost first */
  int depth;                     /* of nested evaluation; bounded, so that no script overflows the stack */
  int64_t steps;                 /* work done at compile time; bounded, so that no loop runs for ever */
  struct EditLog *log;           /* what the statements do, for `plan` (graph/log.h); NULL: nobody wants to know */
  bool syntax_errors;            /* unknown names may then be a consequence and are not reported */
} Session;

/* ---- constants ---- */
typedef enum ConstKind {
  CONST_NONE,
  CONST_INT,
  CONST_FLOAT,
  CONST_BOOL,
  CONST_TEXT,
  CONST_LIST,
  CONST_MODEL,
  CONST_HOLE,
  CONST_VALUE,
  CONST_LAYER,
  CONST_UNKNOWN /* of a name whose own statement was wrong: what asks for it is no second mistake */
} ConstKind;
typedef struct Const Const;
struct Const { /* what an expression is at compile time */
  ConstKind kind;
  int64_t integer;
  double number;
  const char *text;
  VEC(Const) list;     /* lists and tuples */
  const Stmt *model;   /* CONST_MODEL: its STMT_MODEL; NULL for a layer type (text: its name, id: its OpId) */
  struct Scope *scope; /* CONST_MODEL: where it was declared */
  const Expr *expr;    /* CONST_MODEL: a layer with its arguments, `let act = ReLU(inplace=true)`; else NULL */
  int32_t id;          /* CONST_VALUE: ValueId; CONST_LAYER: ModuleId */
};
typedef struct Scope Scope; /* names → Const, with a parent; frontend/constants.c */
Scope *scope_create(Arena *arena, Scope *parent);
void scope_set(Scope *scope, const char *name, Const value);
const Const *scope_get(const Scope *scope, const char *name); /* parents too; NULL */
/* False with a diagnostic when it cannot be evaluated. */
bool eval_const(Session *s, Scope *scope, const Expr *expr, Const *out);

/* The statement with the constants in its value and its selectors' indices as they are now: for one that is judged
 * later, when a loop may have gone on. What cannot be told stays as it is. (templates.c) */
const Stmt *fold_constants(Session *s, Scope *scope, const Stmt *stmt);

/* ---- layers and models ---- */
/* Builds LAYER (`Linear(_, 10)`, `Sequential(…)`, a model) as a new module `local` under `parent`, with its
 * parameters and children. NO_ID with diagnostics when it is wrong. */
ModuleId build_layer(Session *s, Graph *g, Scope *scope, const Expr *layer, ModuleId parent, const char *local,
                     Span origin);
/* Calls a module on values: adds the nodes of its forward at the end of the order. NO_ID with diagnostics. */
ValueId call_module(Session *s, Graph *g, ModuleId module, const ValueId *inputs, size_t count, Span origin);
/* A whole donor by its model expression, `resnet18` or `MyModel(10)`: graph with modules, nodes, stages, input. NULL
 * with diagnostics. Shapes are not inferred. */
Graph *build_donor(Session *s, Scope *scope, const Expr *model, Span origin);
/* The built-in models that can be taken without arguments, sorted by name; for `surgeryc zoo`. */
const char *const *zoo_models(Session *s, size_t *count);
/* The scope of the built-in models: the parent of every script's. */
Scope *zoo_scope(Session *s);

/* ---- settings: the blocks input, labels, train; called by compiler/edit. False with diagnostics. ---- */
bool eval_input(Session *s, Scope *scope, Graph *g, const Stmt *stmt);
bool eval_labels(Session *s, Scope *scope, Graph *g, const Stmt *stmt);
/* Fills `train` from its defaults (Adam(lr=1e-3), CrossEntropy, batch 32, epochs 10, seed 0) and the block. */
bool eval_train(Session *s, Scope *scope, Graph *g, const Stmt *stmt, TrainConfig *train);

/* ---- the script ---- */
typedef struct Script { /* a script after all its statements have run */
  Graph *graph;
  TrainConfig *train; /* NULL without a train block */
  Scope *constants;
} Script;
/* Parses, resolves, edits, infers and checks. False when there are errors in s->diags. */
bool run_script(Session *s, const char *path, Script *out);
/* The same with statements that stand in no file; `name` takes the path's place in messages. */
bool run_script_text(Session *s, const char *name, const char *text, Script *out);

/* ---- compiler/edit: each statement of the script acts on the graph ---- */
typedef struct EditContext {
  Session *s;
  Scope *scope;
  Graph *graph; /* NULL before the take */
  TrainConfig *train;
  VEC(const Stmt *) expects;     /* checked after shapes */
  VEC(const Stmt *) early;       /* input, labels and train that stand before the take: they run after it */
  bool taken;                    /* there was a take, perhaps a wrong one */
  bool shapes_known, shapes_fit; /* of the last look at the shapes, until a statement changes the network (edit.c) */
} EditContext;
/* Runs one edit statement (take … expect, input, labels, train). False with diagnostics. */
bool edit_run(EditContext *e, const Stmt *stmt);
/* After the last edit and the shapes: the expects. */
bool edit_check_expects(EditContext *e);

/* ---- selectors: compiler/graph/select.c ---- */
typedef struct Selection {
  VEC(ModuleId) modules; /* layers, containers included where everything in them is picked */
  VEC(NodeId) nodes;     /* calls, in forward order */
  VEC(ParamId) params;   /* parameters and buffers, in state-dict order */
  bool only_params;      /* single tensors were picked (fc.weight, parameters[:10]) */
} Selection;
/* False with a diagnostic (nothing matched, out of range) naming the nearest names. Cut-off layers are not
 * matched unless `with_cut`. */
bool select_resolve(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Selection *out);

/* ---- analysis ---- */
/* Do a Conv2d's groups divide its channels (those that are known)? False with a diagnostic. */
bool conv_groups_fit(Session *s, const OpArgs *args, Span call);
/* Fills in every value's and parameter's shape and every `_`. False with diagnostics that blame the edit. */
bool infer_shapes(Session *s, Graph *g);
/* The same, but each `_` stays one. */
bool look_at_shapes(Session *s, Graph *g);
/* The shapes of those parameters alone that follow from their layer's arguments, where no value's shape is known. */
void fill_known_params(Graph *g);
#endif
