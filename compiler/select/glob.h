/* Globs over dotted names (language.md, section 2): `*` and `?` stay within one component, `**` is any number
 * of components (none too), `{a,b}` is either. Matching takes time proportional to pattern × name, whatever
 * the pattern: it is compiled to a small automaton that is followed in all its states at once. */
#ifndef SURGERY_GLOB_H
#define SURGERY_GLOB_H
#include "compiler/base/arena.h"

#define GLOB_MAX_LENGTH 1024

typedef struct Glob Glob;
/* NULL when the pattern is wrong; *reason then says why ("a '{' is not closed"). Lives in `arena`. */
Glob *glob_compile(Arena *arena, const char *pattern, const char **reason);
bool glob_match(Glob *glob, const char *name);
#endif
