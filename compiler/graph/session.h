/* One compilation: what the command line gave, the sources, the diagnostics, and what all steps share. Every layer from
 * here up takes it as its first argument. */
#ifndef SURGERY_SESSION_H
#define SURGERY_SESSION_H
#include "compiler/base/diag.h"
#include "compiler/base/source.h"

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
  bool names_trusted;             /* for editors: no weight file is read to check the hash in its name */
  bool missing_allowed;           /* -Wno-weights: a weight file that is not there is no error */
  size_t weight_errors;           /* of diags.errors: about weight files; they hide nothing else in the script */
  size_t missing_weights;         /* of those: the file is not there */
  bool shared_defines;            /* of several scripts: one that has no such param leaves a -D to the others */
  VEC(const char *) all_params;   /* with it: the params of all scripts */
  /* compiler/lang's own state */
  struct Scope *zoo;             /* the built-in models; zoo_scope() fills it */
  VEC(const char *) params;      /* every `param` seen, for -D */
  struct Scope *param_names;     /* the same by name, each with its statement and scope */
  const struct CallFrame *calls; /* the models that are being built or called, innermost first */
  int depth;                     /* of nested evaluation; bounded, so that no script overflows the stack */
  int64_t steps;                 /* work done at compile time; bounded, so that no loop runs for ever */
  struct EditLog *log;           /* what the statements do, for `plan` (select/log.h); NULL: nobody wants to know */
  bool syntax_errors;            /* unknown names may then be a consequence and are not reported */
} Session;

/* One model that is being built or called: errors inside name the places that led there. */
typedef struct CallFrame {
  const struct CallFrame *outer;
  Span span;
  const char *what; /* "while building 'BasicBlock' here" */
  bool arguments;   /* it is called with some, which may be to blame */
  int models;       /* how many models lie around, this one counted */
} CallFrame;

/* Reports an error and labels it with the calls that led there. */
Diag *front_error(Session *s, DiagCode code, Span span, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What stands there in the script, "" without a place. */
const char *front_text(Session *s, Span span);
#endif
