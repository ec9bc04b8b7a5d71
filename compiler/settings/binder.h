/* Between the files that read the train block: the block in the making, and values of the kinds that settings have. */
#ifndef SURGERY_SETTINGS_TRAIN_H
#define SURGERY_SETTINGS_TRAIN_H
#include "compiler/settings/settings.h"

typedef struct PendingPhase {
  const Stmt *stmt;
  Scope *scope; /* as it was there: the phase may stand in a loop */
} PendingPhase;

typedef struct TrainBlock {
  Graph *g;
  TrainConfig *train;
  PhaseConfig *stage; /* what is being read: train->all, or a phase */
  NameList seen;      /* settings given, and where */
  VEC(Span) seen_at;
  size_t *owner; /* by ParamId: the number of its group in this stage + 1, or 0 */
  VEC(PendingPhase) phases;
  Scope *phase_names; /* of those that have been read: their places in train->phases */
} TrainBlock;

static inline bool is_said(Span span) { return span.end > span.begin; }
/* The one value of a setting that has no name: `epochs 3`. NULL, with a diagnostic: there is none. */
const Expr *single_value(Session *s, const Stmt *stmt);

/* ---- the rows of train.def (bind.c) ---- */

/* A value of an argument's or a setting's type, in its range. */
bool put_value(Eval *e, const char *callee, const TrainArg *arg, const Expr *value, void *to);

enum { MOST_TRAIN_ARGS = 16 };
typedef struct Bound { /* the arguments of a row as the script gives them */
  const TrainRow *row;
  Span call;
  bool given; /* at least one is */
  const Arg *at[MOST_TRAIN_ARGS];
} Bound;
/* The arguments of a row, in their ranges or its defaults, into its struct. */
bool bind_row(Eval *e, const TrainRow *row, const Arg *args, Span call, Bound *bound, void *to);
const Arg *bound_arg(const Bound *bound, const char *name); /* NULL: left out, or it has none */

typedef struct Choice { /* a call `Adam(lr=1e-3)`, or a bare name */
  const Expr *name;
  const Arg *args;
  int kind; /* -1: no row has that name */
} Choice;
bool read_choice(Eval *e, TrainFamily family, const Expr *value, Choice *out);
/* Its arguments into `config`, zeroed, one of the four structs of recipe.h; an unknown name is reported here. */
bool bind_choice(Eval *e, TrainFamily family, const Expr *value, const Choice *choice, Bound *bound, void *config);

/* ---- the settings with a file of their own ---- */

bool read_optimizer(Block *b, const Stmt *stmt); /* choices.c */
bool read_group(Block *b, const Stmt *stmt);
bool read_loss(Block *b, const Stmt *stmt);
bool read_schedule(Block *b, const Stmt *stmt);
bool read_early_stop(Block *b, const Stmt *stmt);
bool read_augment(Block *b, const Stmt *stmt);
bool read_train_save(Block *b, const Stmt *stmt); /* phase.c */
bool read_phase_freeze(Block *b, const Stmt *stmt);
/* After the block: its phases, each on what the block said. `read` runs a phase's statements. */
bool read_phases(Block *b, bool (*read)(Block *b, const Stmt *stmt));
/* When all statements of the script have run: what each phase trains. Sets the graph's own flags to what is trained in
 * some phase, and frozen in all. (phase.c) */
bool settings_phases(Session *s, Graph *g, TrainConfig *train);
/* Warnings, when all shapes are known (doubts.c). */
void settings_doubts(Session *s, const Graph *g, const TrainConfig *train);
#endif
