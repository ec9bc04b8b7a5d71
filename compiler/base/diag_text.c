/* UTF-8 for the printers of diagnostics: decoding, width, cleaning. Must not depend on the locale, since a
 * golden test must read the same everywhere. */
#include "compiler/base/diag_text.h"

int utf8_decode(const char *at, const char *end, uint32_t *point) {
  static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
  if (at >= end) return 0;
  unsigned char first = (unsigned char)*at;
  if (first < 0x80) return *point = first, 1;
  int length = first >= 0xF0 && first < 0xF8   ? 4
               : first >= 0xE0 && first < 0xF0 ? 3
               : first >= 0xC2 && first < 0xE0 ? 2
                                               : 0;
  if (!length || end - at < length) return 0;
  uint32_t value = first & (0xFFu >> (length + 1));
  for (int i = 1; i < length; i++) {
    if (((unsigned char)at[i] & 0xC0) != 0x80) return 0;
    value = value << 6 | ((unsigned char)at[i] & 0x3F);
  }
  if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return 0;
  *point = value;
  return length;
}

bool is_control(uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x202A && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069); /* the last two turn the direction of what follows */
}

char *clean_text(Arena *arena, const char *text, size_t length) {
  VEC(char) out = {0};
  vec_reserve(arena, &out, length + 8);
  for (const char *at = text, *end = text + length; at < end;) {
    uint32_t point;
    int bytes = utf8_decode(at, end, &point);
    bool bad = !bytes || is_control(point);
    const char *from = bad ? "\xEF\xBF\xBD" : at;
    for (int i = 0, n = bad ? 3 : bytes; i < n; i++) vec_push(arena, &out, from[i]);
    at += bytes ? bytes : 1;
  }
  vec_push(arena, &out, '\0');
  return out.at;
}

int utf8_width(uint32_t point) {
  if (point < 0x300) return 1;
  if (point <= 0x36F || point == 0x200B || point == 0xFEFF || point == 0x200D || (point >= 0xFE00 && point <= 0xFE0F))
    return 0;
  static const uint32_t wide[][2] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},  {0xAC00, 0xD7A3},
                                     {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},  {0xFFE0, 0xFFE6},
                                     {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
    if (point >= wide[i][0] && point <= wide[i][1]) return 2;
  return 1;
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
