/* The values of numbers, strings and regular expressions, and the messages for words that are none. Must
 * not decide where tokens begin. Called by tokens.c alone. */
#include "compiler/base/diag.h"
#include "grammar/parse_internal.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* 1 for none, 0 for a suffix that is not known. */
static double suffix_factor(const char *suffix) {
  if (*suffix == '\0') return 1;
  if (suffix[1] != '\0') return 0;
  switch (*suffix) {
  case 'k': return 1e3;
  case 'M': return 1e6;
  case 'G': return 1e9;
  default: return 0;
  }
}

static bool bad_number(Lexer *lx, Span span, const char *why, const char *help) {
  Diag *diag = lexer_report(lx, DIAG_E0007, span, "'%s' %s", lexer_show(lx, span), why);
  if (diag) diag_help(lx->diags, diag, "%s", help);
  return false;
}

/* 12m, 3K, 0x10: another writing is meant. */
static bool no_number(Lexer *lx, Span span, const char *digits, const char *suffix) {
  static const char *const forms = "numbers are written 10, 0.5, 1e-3, 3k (3000), 12M (12000000)";
  Diag *diag = lexer_report(lx, DIAG_E0007, span, "'%s' is not a number", lexer_show(lx, span));
  if (!diag) return false;
  char *end;
  unsigned long long hexadecimal = strtoull(digits, &end, 16);
  const char *meant = NULL;
  if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') && !*end && hexadecimal < 1ull << 53)
    meant = arena_printf(lx->arena, "%llu", hexadecimal);
  else if (suffix[0] && !suffix[1] && strchr("Kmg", suffix[0]))
    meant = arena_printf(lx->arena, "%.*s%c", (int)(suffix - digits), digits, suffix[0] ^ 0x20);
  diag_suggest(lx->diags, diag, span, meant);
  diag_help(lx->diags, diag, "%s", forms);
  return false;
}

bool number_value(Lexer *lx, Span span, TokenValue *value, int *token) {
  char digits[128];
  size_t length = 0;
  for (uint32_t at = span.begin; at < span.end; at++) {
    if (lx->text[at] == '_') continue;
    if (length + 1 == sizeof digits) return bad_number(lx, span, "is too long for a number", "write it as 1e100");
    digits[length++] = lx->text[at];
  }
  digits[length] = '\0';
  size_t plain = strspn(digits, "0123456789");
  bool is_float = digits[plain] == '.' || ((digits[plain] == 'e' || digits[plain] == 'E') && digits[plain + 1] != '\0');
  char *end;
  errno = 0;
  double number = strtod(digits, &end);
  /* strtod also reads 0x10; the language does not. */
  double factor = (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) ? 0 : suffix_factor(end);
  if (factor == 0) return no_number(lx, span, digits, end);
  number *= factor;
  if (!isfinite(number)) return bad_number(lx, span, "is too large for a number", "the largest is about 1.8e308");
  value->number = number;
  *token = TOK_FLOAT;
  if (factor == 1 && is_float) return true;
  if (factor != 1 && number != floor(number)) return true; /* 0.0015k */
  if (factor != 1 && number >= 9223372036854775808.0)
    return bad_number(lx, span, "is too large for an integer", "the largest is 9223372036854775807");
  value->integer = factor == 1 ? strtoll(digits, NULL, 10) : (int64_t)number;
  if (factor == 1 && errno == ERANGE)
    return bad_number(lx, span, "is too large for an integer", "the largest is 9223372036854775807");
  *token = TOK_INT;
  return true;
}

/* What is not closed goes to the end of the line; a comment behind it was meant as one. */
static void fix_open_end(Lexer *lx, Diag *diag, Span span, char close) {
  uint32_t end = span.end;
  const char *comment = memmem(lx->text + span.begin, span.end - span.begin, " #", 2);
  if (comment) end = (uint32_t)(comment - lx->text);
  while (end > span.begin + 1 && strchr(" \t\r", lx->text[end - 1])) end--;
  diag_fix(lx->diags, diag, (Span){span.source, end, end}, "%c", close);
}

/* "C:\weights\net.pth": every backslash is meant as one. */
static void fix_backslashes(Lexer *lx, Diag *diag, Span span) {
  char *text = arena_alloc(lx->arena, 2 * (size_t)(span.end - span.begin) + 1), *to = text;
  for (uint32_t at = span.begin; at < span.end; at++) {
    *to++ = lx->text[at];
    if (lx->text[at] != '\\') continue;
    *to++ = '\\';
    if (at + 1 < span.end && lx->text[at + 1] == '\\') at++;
  }
  *to = '\0';
  diag_fix(lx->diags, diag, span, "%s", text);
}

bool string_value(Lexer *lx, Span span, TokenValue *value) {
  const char *at = lx->text + span.begin + 1, *end = lx->text + span.end - 1;
  bool closed = span.end - span.begin >= 2 && *end == '"';
  /* `"abc\"` ends in a quote that belongs to the escape. */
  size_t slashes = 0;
  while (closed && end - slashes > at && end[-1 - (ptrdiff_t)slashes] == '\\') slashes++;
  if (!closed || slashes % 2) {
    Diag *diag =
        lexer_report(lx, DIAG_E0006, (Span){span.source, span.begin, span.begin + 1}, "this string is never closed");
    if (diag) diag_help(lx->diags, diag, "close it with '\"' on the same line; a quote inside is written \\\"");
    if (diag) fix_open_end(lx, diag, span, '"');
    return false;
  }
  char *text = arena_alloc(lx->arena, (size_t)(end - at) + 1), *out = text;
  for (; at < end; at++) {
    uint32_t offset = (uint32_t)(at - lx->text);
    if (*at == '\0') {
      lexer_report(lx, DIAG_E0003, (Span){span.source, offset, offset + 1}, "a zero byte in a string");
      return false;
    }
    if (*at != '\\') {
      *out++ = *at;
      continue;
    }
    at++;
    switch (*at) {
    case 'n': *out++ = '\n'; break;
    case 't': *out++ = '\t'; break;
    case '"':
    case '\\': *out++ = *at; break;
    default: {
      Span escape = {span.source, offset, offset + 2};
      Diag *diag = lexer_report(lx, DIAG_E0013, escape, "'%s' is not an escape", lexer_show(lx, escape));
      if (diag) diag_help(lx->diags, diag, "there are \\\" \\\\ \\n \\t; a backslash itself is written \\\\");
      if (diag) fix_backslashes(lx, diag, span);
      return false;
    }
    }
  }
  value->text = text;
  return true;
}

bool regex_value(Lexer *lx, Span span, TokenValue *value) {
  const char *at = lx->text + span.begin + 1, *end = lx->text + span.end - 1;
  bool closed = end >= at && *end == '/';
  size_t slashes = 0;
  while (closed && end - slashes > at && end[-1 - (ptrdiff_t)slashes] == '\\') slashes++;
  if (!closed || slashes % 2) {
    Diag *diag = lexer_report(lx, DIAG_E0010, (Span){span.source, span.begin, span.begin + 1},
                              "this regular expression is never closed");
    if (diag) diag_help(lx->diags, diag, "close it with '/' on the same line; a slash inside is written \\/");
    if (diag) fix_open_end(lx, diag, span, '/');
    return false;
  }
  if (at == end || memchr(at, '\0', (size_t)(end - at))) {
    Diag *diag = lexer_report(lx, DIAG_E0010, span,
                              at == end ? "an empty regular expression" : "a zero byte in a regular expression");
    if (diag) diag_help(lx->diags, diag, "/conv/ finds every name with conv in it; `all` picks everything");
    return false;
  }
  char *text = arena_alloc(lx->arena, (size_t)(end - at) + 1), *out = text;
  for (; at < end; at++) {
    if (*at == '\\' && at[1] == '/') at++;
    *out++ = *at;
  }
  value->text = text;
  return true;
}

/* Every quote of typography on the line, and every single one, becomes a '"'. */
static void fix_quotes(Lexer *lx, Diag *diag, Span first) {
  static const char *const quotes[] = {"'", "\xE2\x80\x9C", "\xE2\x80\x9D", "\xE2\x80\x98", "\xE2\x80\x99"};
  const char *newline = memchr(lx->text + first.begin, '\n', lx->length - first.begin);
  uint32_t end = newline ? (uint32_t)(newline - lx->text) : lx->length, last = first.begin;
  char *text = arena_alloc(lx->arena, end - first.begin + 1), *to = text, *behind = text;
  for (uint32_t at = first.begin; at < end;) {
    uint32_t length = 0;
    for (size_t i = 0; i < sizeof quotes / sizeof *quotes && !length; i++) {
      uint32_t n = (uint32_t)strlen(quotes[i]);
      if (at + n <= end && memcmp(lx->text + at, quotes[i], n) == 0) length = n;
    }
    *to++ = length ? '"' : lx->text[at];
    at += length ? length : 1;
    if (length) last = at, behind = to;
  }
  *behind = '\0';
  diag_fix(lx->diags, diag, (Span){first.source, first.begin, last}, "%s", text);
}

static bool name_byte(char c, bool dash) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         (unsigned char)c >= 0x80 || (dash && c == '-');
}

static Span name_around(const Lexer *lx, Span span, bool dash) {
  while (span.begin > 0 && name_byte(lx->text[span.begin - 1], dash)) span.begin--;
  while (span.end < lx->length && name_byte(lx->text[span.end], dash)) span.end++;
  return span;
}

/* Is it the name of a layer that is declared here? */
static bool is_declared(const Lexer *lx, Span name) {
  uint32_t at = name.end;
  while (at < lx->length && lx->text[at] == ' ') at++;
  return name.begin == lx->first.begin && at + 1 < lx->length && lx->text[at] == '=' && lx->text[at + 1] != '=';
}

bool cure_unquoted_name(Lexer *lx, Diag *diag, Span span) {
  bool dash = lx->text[span.begin] == '-';
  Span name = name_around(lx, span, true);
  if (!dash && !lx->selector && !is_declared(lx, name)) name = name_around(lx, span, false);
  bool called = !dash && name.end < lx->length && lx->text[name.end] == '(';
  if (!(lx->selector || is_declared(lx, name) || called) || name.end - name.begin > 200 ||
      strchr("-.", lx->text[name.begin]) || (dash && (name.begin == span.begin || name.end == span.end)))
    return false;
  diag_help(lx->diags, diag, "a name with other characters is written in quotes: \"%s\"", lexer_show(lx, name));
  diag_fix(lx->diags, diag, name, "\"%s\"", arena_strndup(lx->arena, lx->text + name.begin, name.end - name.begin));
  return true;
}

static bool word_byte(char c) { return isalnum((unsigned char)c) || c == '_'; }
static bool path_byte(char c) { return word_byte(c) || (c && strchr(".[]", c)); }

/* `$lr`, and `.` behind an index of a selector, layer1[0].conv1. */
static void cure_character(Lexer *lx, Diag *diag, Span span) {
  if (!diag || cure_statement(lx, diag)) return;
  uint32_t at = span.end, begin = span.begin, end = at;
  if (lx->text[span.begin] == '$') {
    bool braces = at < lx->length && lx->text[at] == '{';
    if (braces) at++;
    for (end = at; end < lx->length && word_byte(lx->text[end]);) end++;
    const char *name = arena_strndup(lx->arena, lx->text + at, end - at);
    if (end == at || (braces && !(end < lx->length && lx->text[end] == '}'))) return;
    diag_help(lx->diags, diag, "a constant is named as it is: %s", name);
    diag_fix(lx->diags, diag, (Span){span.source, span.begin, end + braces}, "%s", name);
  } else if (lx->text[span.begin] == '.' && begin > 0 && lx->text[begin - 1] == ']') {
    while (begin > 0 && path_byte(lx->text[begin - 1])) begin--;
    while (end < lx->length && path_byte(lx->text[end])) end++;
    const char *path = path_of_network(lx->arena, arena_strndup(lx->arena, lx->text + begin, end - begin));
    if (!path) return;
    diag_help(lx->diags, diag, "layers within layers have dotted names: %s", path);
    diag_fix(lx->diags, diag, (Span){span.source, begin, end}, "%s", path);
  }
}

void report_bad_character(Lexer *lx, Span span) {
  static const struct {
    const char *bytes, *what, *help;
    const char *instead; /* what is meant; NULL: nothing that can be told */
  } known[] = {{"\xE2\x80\x9C", "a typographic quote", "strings are written between \" and \"", "\""},
               {"\xE2\x80\x9D", "a typographic quote", "strings are written between \" and \"", "\""},
               {"\xE2\x80\x98", "a typographic quote", "strings are written between \" and \"", "\""},
               {"\xE2\x80\x99", "a typographic quote", "strings are written between \" and \"", "\""},
               {"'", "a single quote", "strings are written between \" and \"", "\""},
               {"\xE2\x80\x93", "a dash", "write -", "-"},
               {"\xE2\x88\x92", "a minus sign of typography", "write -", "-"},
               {"\xE2\x80\xA6", "an ellipsis", "a range is written with two dots, conv1..layer2", ".."},
               {"\xC2\xA0", "a no-break space", "write a space", " "},
               {"\xEF\xBB\xBF", "a byte order mark", "remove it", ""},
               {"...", "'...'", "a range is written with two dots, conv1..layer2", ".."},
               {"&&", "'&&'", "write and", "and"},
               {"||", "'||'", "write or; a union of selectors is written A, B", "or"},
               {"&", "'&'", "write and", NULL},
               {"|", "'|'", "write or; a union of selectors is written A, B", NULL},
               {"!", "'!'", "write not", "not "}};
  const char *text = lx->text + span.begin;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    uint32_t length = (uint32_t)strlen(known[i].bytes);
    if (lx->length - span.begin < length || memcmp(text, known[i].bytes, length) != 0) continue;
    Span there = {span.source, span.begin, span.begin + length};
    Diag *diag = lexer_report(lx, DIAG_E0003, there, "%s is not of the language", known[i].what);
    if (!diag || cure_statement(lx, diag)) return;
    diag_help(lx->diags, diag, "%s", known[i].help);
    if (known[i].instead && *known[i].instead == '"') fix_quotes(lx, diag, span);
    else if (known[i].instead) diag_fix(lx->diags, diag, there, "%s", known[i].instead);
    return;
  }
  uint32_t point;
  int bytes = utf8_decode(text, lx->text + span.end, &point);
  Span one = {span.source, span.begin, span.begin + (bytes ? (uint32_t)bytes : 1)};
  if (!bytes || is_control(point)) {
    lexer_report(lx, DIAG_E0003, one, "the byte 0x%02X is not of the language", (unsigned)(unsigned char)*text);
    return;
  }
  Diag *diag = lexer_report(lx, DIAG_E0003, one, "the character '%s' is not of the language", lexer_show(lx, one));
  if (diag && point >= 0x80 && cure_unquoted_name(lx, diag, span)) return;
  cure_character(lx, diag, one);
}
