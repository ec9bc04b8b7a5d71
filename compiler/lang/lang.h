/* Evaluation: constants, scopes, templates, and the bodies of models, which become modules and nodes of a network.
 * It knows no statement that edits a network; compiler/edit and the settings call it. */
#ifndef SURGERY_LANG_H
#define SURGERY_LANG_H
#include "compiler/graph/graph.h"
#include "compiler/graph/session.h"
#include "grammar/ast.h"

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
typedef struct Scope Scope; /* names → Const, with a parent; scope.c */
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
/* The built-in models that can be taken without arguments, sorted by name; for `surgeryc zoo`. */
const char *const *zoo_models(Session *s, size_t *count);
/* The scope of the built-in models: the parent of every script's. */
Scope *zoo_scope(Session *s);
/* What the comments above a built-in model say: "## " whose design it is (of this model or one above), and right above
 * it "#: " the names under which its weights are published, the first of which is the usual one. NULL: nothing. */
const char *zoo_origin(Session *s, const char *name);
const char *zoo_weight_files(Session *s, const char *name);

/* Builds a network's modules into the root of an empty graph. False with diagnostics. */
bool build_root(Session *s, Graph *g, Scope *scope, const Expr *model, Span origin);

/* A model after its body has run: what a call of it needs. Lives as long as the graph. */
typedef struct ModelBody {
  const Stmt *model;
  Scope *scope;                         /* its arguments, constants and layers */
  const Stmt *forward, *stages, *input; /* NULL where the body has none */
} ModelBody;

typedef struct Trace { /* one run of a forward */
  ModuleId module;
  Span origin;
  bool returned;
  ValueId value;
} Trace;

typedef struct Eval { /* where an expression stands */
  Session *s;
  Scope *scope;
  Graph *graph;      /* NULL outside models: there are no layers to look into */
  const Stmt *model; /* the model whose body or forward this is, or NULL */
  Trace *trace;      /* NULL outside a forward: there are no values */
} Eval;

/* ---- limits (scope.c): each returns false, with a diagnostic the first time, when a bound is reached ---- */
enum { MAX_MODELS = 100, MAX_DEPTH = 3000, MAX_STEPS = 2000000, MAX_LAYERS = 10000, MAX_TEXT = 65536 };
bool front_charge(Session *s, Span span, int64_t steps);
bool front_enter(Session *s, Span span);
void front_leave(Session *s);
bool front_room(Session *s, const Graph *g, Span span);

/* Adds "did you mean" where one of the names is near, with the fix for `span`, where the wrong one stands. */
bool front_suggest(Session *s, Diag *diag, Span span, const char *wrong, const char *const *names, size_t count);
typedef VEC(const char *) NameList;
void scope_names(Arena *arena, const Scope *scope, NameList *out);                      /* parents' names too */
void scope_kind_names(Arena *arena, const Scope *scope, ConstKind kind, NameList *out); /* of that kind only */
void op_names(Arena *arena, bool layers, NameList *out);
/* This scope's own entry, parents not asked; NULL. */
const Const *scope_own(const Scope *scope, const char *name);
/* A copy of the innermost scope: what a layer written now and built later must see. NULL: out of steps. */
Scope *scope_snapshot(Session *s, Span span, const Scope *scope);

/* ---- constants (constants.c, const_ops.c) ---- */
bool eval_expr(Eval *e, const Expr *expr, Const *out);
bool eval_condition(Eval *e, const Expr *expr, bool *out);
bool const_truth(const Const *c);
const char *const_kind(const Const *c);               /* "an integer" */
const char *const_text(Arena *arena, const Const *c); /* the value as one would write it, shortened */
bool const_unary(Eval *e, const Expr *expr, const Const *a, Const *out);
bool const_binary(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out);
/* len, min, max, int: false in *known when `name` is none of them. */
bool const_function(Eval *e, const Expr *call, const char *name, bool *known, Const *out);
bool unknown_name(Eval *e, const Expr *name);
bool name_known(Eval *e, const Expr *name, Const *out); /* reports nothing */
/* migration.c: `nn.Linear`, `torch.relu`, `self.conv1`: said, with the fix, and the plain name returned to go on with.
 * Where the plain name is not known either, nothing is said, and its span holds the module too. NULL for every other
 * expression. */
const Expr *without_module(Eval *e, const Expr *callee);
/* Help for a name of PyTorch's or Python's that is none here; false when nothing is known of it. */
bool help_unknown_call(Eval *e, Diag *diag, const Expr *callee, const Expr *call);
/* torch_names.c: reports a layer or function of torch or Keras that this version lacks; false for every other name.
 * `call` is the call, or the name itself where it has no brackets. */
bool torch_lacks(Eval *e, const Expr *callee, const Expr *call);
/* In a forward: sigmoid(x), x.sigmoid(): a layer does it. */
bool help_function_as_layer(Eval *e, Diag *diag, const Expr *callee, const Expr *call);
/* `take models.resnet18` */
bool help_unknown_network(Session *s, Diag *diag, Span name);
/* An assignment or a layer at the top of a script. True where a take was meant. */
bool help_needs_model(Session *s, Scope *scope, Diag *diag, const Stmt *stmt);
Const const_int(int64_t value);
Const const_bool(bool value);

/* ---- blocks (block.c): let, for, if, and a handler for what else may stand there ---- */
typedef struct Block Block;
struct Block {
  Eval eval;
  bool (*other)(Block *block, const Stmt *stmt);
  void (*failed)(Block *block, const Stmt *stmt); /* told of each statement that was wrong; may be NULL */
  void *data;
  bool keep_going; /* go on with the next statement behind a wrong one, so that all errors are found */
  bool stopped;    /* set by the handler: nothing further runs (return) */
  int ifs;         /* how many `if` lie around the statement */
};
bool run_block(Block *block, const Stmt *first);
bool declare_model(Session *s, Scope *scope, const Stmt *stmt);
const char *stmt_title(const Stmt *stmt); /* "replace", for messages */

/* ---- hidden_params.c ---- */
void note_param(Session *s, Scope *scope, const Stmt *stmt, bool given); /* given: with -D */
/* Warns where `by` (let, for, model) is about to give `name` another meaning, which was a param's; before it does. */
void tell_hidden_param(Block *b, const char *name, Span span, const Stmt *by);

/* ---- templates (templates.c) ---- */
/* The statement with the braces of its selectors, files and names filled in: itself, or a copy. NULL with diagnostics.
 */
const Stmt *fill_templates(Eval *e, const Stmt *stmt);
/* Fills in the braces of "block{i}"; of a path without quotes only those that are no alternatives of a pattern. */
bool expand_text(Eval *e, const char *text, Span span, bool is_quoted, const char **out);
/* The name of a layer that a model declares: filled in, and judged. */
bool expand_name(Eval *e, const Stmt *stmt, const char **out);

/* ---- arguments (arguments.c) ---- */
typedef struct Formal {
  const char *name;
  bool required;
} Formal;
/* Finds the argument for each formal; bound[i] is NULL where it was left out. */
bool bind_arguments(Session *s, const char *callee, const Formal *formals, size_t count, const Arg *args, Span call,
                    const Arg **bound);
/* The arguments of an operator as its row says, checked and with defaults filled in. */
bool bind_op(Eval *e, OpId op, const Arg *args, Span call, OpArgs *out);
/* Puts the default of `info` at `at`, as ops.def writes it. */
void put_fallback(Arena *arena, const ArgInfo *info, void *at);
bool want_int(Session *s, const Const *c, Span span, const char *callee, const char *name, int64_t min, int64_t max,
              int64_t *out);
bool want_float(Session *s, const Const *c, Span span, const char *callee, const char *name, double min, double max,
                double *out);
bool want_bool(Session *s, const Const *c, Span span, const char *callee, const char *name, bool *out);

/* ---- forward (forward.c) ---- */
bool trace_call(Eval *e, const Expr *call, Const *out);
/* Runs the forward of a model whose body was wrong, for the mistakes in it alone. */
void probe_forward(Eval *e, ModuleId module, Span origin);
bool trace_add(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out);
/* factor * value; the call is called `name`. */
bool trace_mul(Eval *e, const Expr *expr, const char *name, const Const *value, double factor, Const *out);
bool child_of(Eval *e, const Expr *place, const Const *layer, const char *name, Const *out);

#endif
