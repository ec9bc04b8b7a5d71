/* Between the files that read the train block: the block in the making, and values of the kinds that settings have. */
#ifndef SURGERY_SETTINGS_TRAIN_H
#define SURGERY_SETTINGS_TRAIN_H
#include "compiler/settings/settings.h"
#include "compiler/settings/names.h"

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

#define LARGE 1e30
#define BELOW_ONE (1 - 1e-16)

/* The one argument of a setting: a call `Adam(lr=1e-3)` or a bare name. *name is the EXPR_NAME. */
bool read_choice(Session *s, const Expr *value, const char *what, const Expr **name, const Arg **args);
const Expr *single_value(Session *s, const Stmt *stmt);
bool int_arg(Eval *e, const char *callee, const char *name, const Arg *arg, int64_t min, int64_t max, int64_t *out);
bool float_arg(Eval *e, const char *callee, const char *name, const Arg *arg, double min, double max, double *out);
bool bool_arg(Eval *e, const char *callee, const char *name, const Arg *arg, bool *out);
/* One of `words`, as a text: its number. */
bool word_arg(Eval *e, const char *callee, const char *name, const Arg *arg, const char *const *words, size_t count,
              size_t *out);
bool pair_arg(Eval *e, const char *callee, const char *name, const Arg *arg, double min, double max, double out[2]);
typedef struct TorchName { /* PyTorch's own class, and what it is called here */
  const char *torch, *ours;
  const char *help; /* what differs; NULL: nothing */
} TorchName;
/* known_name for a choice, which says of a name of PyTorch's what is meant. */
bool choice_known(Session *s, const char *what, const Expr *name, const char *const *known, size_t known_count,
                  const char *const *later, size_t later_count, const TorchName *torch, size_t torch_count);

bool read_optimizer(Block *b, const Stmt *stmt); /* settings_optimizer.c */
bool read_group(Block *b, const Stmt *stmt);
bool read_loss(Block *b, const Stmt *stmt);     /* settings_loss.c */
bool read_schedule(Block *b, const Stmt *stmt); /* settings_schedule.c */
bool read_early_stop(Block *b, const Stmt *stmt);
bool read_augment(Block *b, const Stmt *stmt);    /* settings_augment.c */
bool read_train_save(Block *b, const Stmt *stmt); /* settings_phase.c */
bool read_phase_freeze(Block *b, const Stmt *stmt);
/* Behind the block: its phases, each on what the block said. `read` runs a phase's statements. */
bool read_phases(Block *b, bool (*read)(Block *b, const Stmt *stmt));
/* When all statements of the script have run: what each phase trains. Sets the graph's own flags to what is trained in
 * some phase, and frozen in all. (settings_phase.c) */
bool settings_phases(Session *s, Graph *g, TrainConfig *train);
/* Warnings, when all shapes are known (settings_doubts.c). */
void settings_doubts(Session *s, const Graph *g, const TrainConfig *train);
#endif
