/* Runs a script: its statements in order, each acting on the network, then the checks at its end. */
#ifndef SURGERY_SCRIPT_H
#define SURGERY_SCRIPT_H
#include "compiler/edit/edit.h"
#include "compiler/settings/settings.h"

/* ---- the script ---- */
typedef struct Script { /* it grows from step to step */
  const char *path;     /* as messages name it */
  const Stmt *syntax;   /* of the script itself, without its includes */
  Graph *graph;         /* NULL before the take */
  TrainConfig *train;   /* NULL without a train block */
  Scope *constants;
  struct ScriptRun *run; /* script.c: what one step leaves to the next */
} Script;

/* The steps, in this order; the driver has a row for each. False: there are errors in s->diags, and the next step has
 * nothing to work on. True does not say that there are none: syntax errors do not keep the statements from being run,
 * nor do weight files that are missing keep the shapes from being inferred, so that all is reported at once. */
bool script_parse(Session *s, const char *path, Script *script);
bool script_statements(Session *s, Script *script); /* includes, params and edits, as they come */
bool script_settings(Session *s, Script *script);   /* the input and train blocks against the network */
bool script_shapes(Session *s, Script *script);     /* of all values; each `_` is inferred */
bool script_expects(Session *s, Script *script);    /* `expect`s, and the settings against the shapes */

/* All steps. False when there are errors in s->diags. */
bool run_script(Session *s, const char *path, Script *out);
/* The same with statements that stand in no file; `name` takes the path's place in messages. */
bool run_script_text(Session *s, const char *name, const char *text, Script *out);

/* Runs one edit statement (take … expect, input, labels, train). False with diagnostics. */
bool edit_run(EditContext *e, const Stmt *stmt);
/* After the last edit and the shapes: the expects. */
bool edit_check_expects(EditContext *e);

#endif
