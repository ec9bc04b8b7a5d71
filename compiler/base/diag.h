/* Diagnostics: what the user did wrong, collected and printed at the end, in the form of
 * docs/messages.md. Three kinds of failure, three functions: diag_error (the user's mistake), fail_environment
 * (file, disk, memory), BUG (ours). Codes are the rows of codes.def; each has a page for `explain`. */
#ifndef SURGERY_BASE_DIAG_H
#define SURGERY_BASE_DIAG_H
#include "runtime/base/exit.h"
#include "runtime/base/map.h"
#include "runtime/base/nearest.h"
#include "runtime/base/text.h"
#include "source.h"
#include <stdio.h>

typedef enum DiagCode {
#define CODE(code, severity, title, page) DIAG_##code,
#include "codes.def"
#undef CODE
  DIAG_COUNT
} DiagCode;

typedef enum DiagSeverity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE } DiagSeverity;

typedef struct DiagLabel {
  Span span;
  const char *text;
} DiagLabel;

/* A cure that can be applied without a thought: these bytes are replaced by `text`; an empty span inserts. Where a
 * message has several, each of them alone cures the mistake. */
typedef struct DiagFix {
  Span span;
  const char *text;
} DiagFix;

typedef struct Diag {
  DiagCode code;
  DiagSeverity severity;
  Span span;              /* the primary place: carets stand under it */
  const char *message;    /* one line, no full stop */
  const char *caret_text; /* behind the carets of the primary place, or NULL */
  VEC(DiagLabel) labels;  /* further places, in the order they are printed */
  VEC(const char *) help; /* "help: …" lines */
  VEC(const char *) notes;
  VEC(DiagFix) fixes; /* for editors; what they say stands in `help` too */
} Diag;

typedef struct Diags {
  Arena *arena;
  Sources *sources;
  VEC(Diag *) all;
  size_t errors, warnings;
  Map places;       /* the errors by their bytes: an index into `all` */
  VEC(Span) unread; /* statements that could not be read; what they may have declared is not known */
  VEC(Span) failed; /* statements that were wrong and would have made or renamed layers */
} Diags;

/* The severity is the code's. The Diag returned may be given labels, helps, notes and fixes. Never NULL; an error about
 * bytes that an earlier error is about counts, but is not shown. */
Diag *diag_report(Diags *diags, DiagCode code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_caret(Diags *diags, Diag *diag, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_label(Diags *diags, Diag *diag, Span span, const char *format, ...) __attribute__((format(printf, 4, 5)));
void diag_help(Diags *diags, Diag *diag, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_note(Diags *diags, Diag *diag, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Only what a script compiles with afterwards may be a fix; everything else is a help. The built-in networks have
 * no fixes, since nobody can change them: there, and without a place, nothing is kept. */
void diag_fix(Diags *diags, Diag *diag, Span span, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* "did you mean 'near'?", and the fix that writes it in the place of `span`. Nothing where `near` is NULL. */
void diag_suggest(Diags *diags, Diag *diag, Span span, const char *near);

/* Does a statement that could not be read hold the name? Then it is not reported as unknown. */
bool diag_may_be_unread(const Diags *diags, const char *name);
/* May a statement that was wrong have made the layer of this dotted name? */
bool diag_may_be_unmade(const Diags *diags, const char *name);
/* Does a statement stand there that could not be read? Then what seems to be lacking may be in it. */
bool diag_unread_within(const Diags *diags, Span span);

/* Prints everything collected, in source order for the same file, and forgets it; `errors` and `warnings`
 * keep counting. At most 50 in text and 1000 in JSON, whose fields docs/messages.md lists. */
void diag_print_text(Diags *diags, FILE *out, bool color);
void diag_print_json(Diags *diags, FILE *out);
/* NULL where there is no such code. */
const char *diag_code_name(DiagCode code); /* "E0301" */
bool diag_code_parse(const char *name, DiagCode *out);
const char *diag_code_title(DiagCode code);
const char *diag_code_page(DiagCode code);

/* The environment failed (file, disk, memory): one line with the system's reason, exit status 3. */
_Noreturn void fail_environment(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For a process that outlives a script, the language server: `caught` is called in place of the exit of
 * fail_environment() and of BUG(), with the message, and must not return. NULL: they exit. */
void failures_catch(void (*caught)(ExitStatus status, const char *message));
/* What is being compiled from here on; BUG prints it. Kept by reference, so `sources` must live on. */
void bug_compiling(const Sources *sources, Span span);
/* Our own bug: says what was being compiled, asks for a report, exit status 70. */
_Noreturn void bug(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define BUG(...) bug(__FILE__, __LINE__, __VA_ARGS__)
#define ASSERT(cond)                                                                                                   \
  do {                                                                                                                 \
    if (!(cond)) BUG("assertion failed: %s", #cond);                                                                   \
  } while (0)

/* ---- texts of scripts, fit to be shown ---- */

/* A copy that is valid UTF-8 without control characters (so that no message can drive a terminal):
 * what is not becomes U+FFFD. */
char *clean_text(Arena *arena, const char *text, size_t length);
/* Where the statement that goes on at `from` ends on its line, as far as characters alone tell: in front of blanks, a
 * comment, ';' or the '}' of the block around it. */
uint32_t text_statement_end(const char *text, uint32_t length, uint32_t from);

/* ---- for the two printers ---- */

/* All of them, files in the order in which they were met and places in source order; what has no place
 * comes last. The list belongs to `arena`. */
Diag **diag_sorted(const Diags *diags, Arena *arena);
const char *diag_severity_name(DiagSeverity severity); /* "error", "warning", "note" */
#endif
