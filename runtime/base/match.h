/* Patterns over dotted names, by PCRE2. It is loaded when the first pattern is compiled: a program that is given none
 * runs where the library is not installed, and no link line names it. Knows nothing of networks. Called by the
 * selectors and by `load … allow unexpected`. */
#ifndef SURGERY_BASE_MATCH_H
#define SURGERY_BASE_MATCH_H
#include <stddef.h>

#define GLOB_MAX_LENGTH 1024

typedef enum PatternKind {
  /* `*` and `?` stay within one component, `**` is any number of components (none too), `{a,b}` is either. The whole
   * name has to fit. */
  PATTERN_GLOB,
  PATTERN_REGEX /* PCRE2's, searched for in the name */
} PatternKind;

typedef enum MatchResult { MATCH_NO, MATCH_YES, MATCH_FAILED } MatchResult;

typedef struct Pattern Pattern;
/* NULL: *reason says why ("a '{' is not closed"), a text that lives until the thread's next call. */
Pattern *pattern_compile(PatternKind kind, const char *text, const char **reason);
void pattern_free(Pattern *pattern);
/* The time is bounded whatever the pattern. MATCH_FAILED, of a regular expression only: the bound was met, or there is
 * no memory; *reason says which. A pattern is used by one thread at a time. */
MatchResult pattern_match(Pattern *pattern, const char *name, const char **reason);
#endif
