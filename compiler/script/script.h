/* Runs a script: its statements in order, each acting on the network, then the checks at its end. */
#ifndef SURGERY_SCRIPT_H
#define SURGERY_SCRIPT_H
#include "compiler/edit/edit.h"
#include "compiler/settings/settings.h"

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

/* Runs one edit statement (take … expect, input, labels, train). False with diagnostics. */
bool edit_run(EditContext *e, const Stmt *stmt);
/* After the last edit and the shapes: the expects. */
bool edit_check_expects(EditContext *e);

#endif
