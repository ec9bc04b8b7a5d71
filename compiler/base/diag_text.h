/* Text from a script made fit to be shown: shared by the printers of diagnostics and the parser. */
#ifndef SURGERY_BASE_DIAG_TEXT_H
#define SURGERY_BASE_DIAG_TEXT_H
#include "compiler/base/arena.h"
#include "runtime/base/text.h"

/* A copy that is valid UTF-8 without control characters (so that no message can drive a terminal):
 * what is not becomes U+FFFD. */
char *clean_text(Arena *arena, const char *text, size_t length);
/* Where the statement that goes on at `from` ends on its line, as far as characters alone tell: in front of blanks, a
 * comment, ';' or the '}' of the block around it. */
uint32_t text_statement_end(const char *text, uint32_t length, uint32_t from);
#endif
