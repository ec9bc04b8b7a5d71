/* Scripts in their canonical layout, for `surgeryc fmt`. README.md of this folder states the rules. */
#ifndef SURGERY_GRAMMAR_FORMAT_H
#define SURGERY_GRAMMAR_FORMAT_H
#include "compiler/base/diag.h"

/* The text of `source` laid out anew, NUL-terminated, in the arena; *length without the NUL. Every comment and
 * every word is kept as it was written, and the syntax tree is the same: BUG() where it is not. NULL when the
 * script has mistakes of syntax, which are then in `diags`. */
const char *format_script(Arena *arena, Diags *diags, Sources *sources, uint32_t source, size_t *length);
#endif
