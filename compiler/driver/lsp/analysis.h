/* One run of the front end over an open document with its includes: what all answers about it are made from. It lives
 * in an arena of its own, and is made once for a version of the document. */
#ifndef SURGERY_LSP_ANALYSIS_H
#define SURGERY_LSP_ANALYSIS_H
#include "compiler/driver/lsp/text.h"
#include "compiler/driver/show/show.h"
#include "compiler/plan/plan.h"
#include "compiler/script/script.h"
#include "compiler/select/log.h"
#include "grammar/words.h"

typedef struct LayerName { /* what a selector may name at some statement */
  const char *name, *type;
  int32_t id; /* of a module, or of the node of a function */
  bool function, cut;
} LayerName;
typedef VEC(LayerName) LayerNames;

typedef struct Moment { /* the network after a statement that ran; of one in a loop after its last run */
  Span span;
  StmtKind kind;
  size_t step;              /* in log->steps */
  const LayerNames *layers; /* NULL: there is no network yet */
  LayerNames *own;          /* the same, where this statement changed the names; of one in a loop it is filled again */
  Shape output;             /* of the network; rank -1: not known */
  bool reshaped;            /* by this statement, or it is the first */
} Moment;

typedef struct SourceView { /* a source of the script as one reads it */
  bool read;
  LspText text;
  ScriptWords words;
  Stmt *tree;
} SourceView;

typedef struct Analysis {
  Arena *arena;
  Session s;
  uint32_t root; /* the document's source */
  Script script;
  bool good, finished; /* no errors; the run was not ended by a failure */
  bool shaped;         /* not good, but every shape is known */
  char *failure;       /* what that said; malloc */
  EditLog *log;
  VEC(Moment) moments;
  VEC(SourceView) views; /* by source; filled in by analysis_view() */
  Plan *plan;            /* of a good script, once somebody has asked */
  bool planned;
  double looking; /* seconds that were spent on what is remembered */
  /* While it runs: of the network as it is; and the names when all statements have run. */
  const LayerNames *layers;
  Shape output;
  LayerNames layers_at_end;
} Analysis;

typedef struct AnalysisSetup { /* of the server, for all */
  const Session *options;      /* -I, -D, --weights */
  SourceOverlay overlay;
} AnalysisSetup;

Analysis *analysis_new(const AnalysisSetup *setup, const char *path);
void analysis_free(Analysis *a); /* NULL is fine */
/* NULL: there is no such source. */
const SourceView *analysis_view(Analysis *a, uint32_t source);
/* The source with this plain path; SPAN_NO_SOURCE. */
uint32_t analysis_source(const Analysis *a, const char *path);
/* The moment before the statement in which the place is (after it, where the place is after it); NULL: before the
 * first. */
const Moment *analysis_moment(const Analysis *a, uint32_t source, uint32_t offset);
/* The kernels and the memory of the network, without the training while the script has mistakes; NULL where shapes are
 * not known. */
const Plan *analysis_plan(Analysis *a);
bool span_holds(Span span, uint32_t source, uint32_t offset); /* its end too */

/* Runs `work` so that a failure of the compiler (a bug, no memory) ends it and not the process: then false, and *why is
 * a text in static memory. */
bool guarded(void (*work)(void *user), void *user, const char **why);
/* Signals that mean a bug are caught from here on. */
void guard_signals(void);
#endif
