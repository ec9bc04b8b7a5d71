/* What the statements of a script did, for `surgeryc plan`: what each selector picked where the edits resolved it, and
 * how the network differed behind each statement. Only written, never read, by the edits; nothing happens while
 * Session.log is NULL. Names and ids are kept as they were at that statement. */
#ifndef SURGERY_LOG_H
#define SURGERY_LOG_H
#include "compiler/graph/session.h"
#include "compiler/select/select.h"

typedef VEC(const char *) LogNames;

typedef struct LogMatch { /* one selector */
  Span span;
  LogNames names;   /* what was picked, without what lies in a container that was picked as a whole */
  size_t layers;    /* layers and functions in it */
  ParamList params; /* its parameters, without buffers */
  bool cut;         /* the take had cut it off */
} LogMatch;

typedef struct LogStep { /* one statement */
  const Stmt *stmt;
  VEC(LogMatch) matches;
  LogNames added, removed, replaced, renamed; /* layers and functions; renamed: "old to new" */
  LogNames restored;                          /* which the take had cut off */
  LogNames cut;                               /* by a take: what of the donor is not in the slice */
  size_t kept;                                /* by a take */
  ParamList frozen, unfrozen;                 /* parameters */
} LogStep;

typedef struct EditLog {
  Arena *arena;
  VEC(LogStep) steps;
  size_t donor_modules, donor_nodes, donor_params; /* ids below these came with the take */
  int current;                                     /* the step that runs; -1: none */
  struct LogState *before, *after;                 /* of the statement that runs; their memory is used again */
  /* Told after each statement, with the network as it is then (NULL before the take); NULL: nobody is. */
  void (*watch)(void *user, Graph *g, const LogStep *step);
  void *user;
} EditLog;

EditLog *log_create(Arena *arena);
/* Around the run of a statement; `g` is NULL before the take. */
void log_begin(Session *s, const Graph *g, const Stmt *stmt);
void log_end(Session *s, Graph *g);
/* For what a statement resolves later, when others run: makes its step the current one and returns the one that was.
 * log_back() takes it back. */
int log_resume(Session *s, const Stmt *stmt);
void log_back(Session *s, int step);
/* A selector picked this. */
void log_match(Session *s, const Graph *g, const Selector *selector, const Picked *picked);
#endif
