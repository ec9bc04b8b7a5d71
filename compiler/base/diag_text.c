/* Text of a script made fit to be shown: see diag_text.h. */
#include "compiler/base/diag_text.h"

char *clean_text(Arena *arena, const char *text, size_t length) {
  char *clean = arena_alloc(arena, 3 * length + 1);
  utf8_mend(clean, text, length, false);
  return clean;
}

uint32_t text_statement_end(const char *text, uint32_t length, uint32_t from) {
  uint32_t at = from;
  int braces = 0;
  bool quoted = false;
  for (; at < length && text[at] != '\n'; at++) {
    char c = text[at];
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == ';' || c == '#' || (c == '}' && braces == 0)) break;
    braces += (c == '{') - (c == '}');
  }
  while (at > from && (text[at - 1] == ' ' || text[at - 1] == '\t' || text[at - 1] == '\r')) at--;
  return at;
}
