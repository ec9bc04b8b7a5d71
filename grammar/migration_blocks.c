/* Settings that run together, as arguments do: `resize 256 center_crop 224`, `epochs = 10, batch_size = 32`. And
 * Python's blocks, made by a colon and indentation: `forward(x):` with the lines below it. One message for the whole of
 * it, and the same in braces. Looks only at the text. Called by syntax_error.c. */
#include "compiler/base/diag.h"
#include "grammar/parse_internal.h"
#include <ctype.h>

static uint32_t line_begin(const Lexer *lx, uint32_t at) {
  while (at > 0 && lx->text[at - 1] != '\n') at--;
  return at;
}

static uint32_t line_end(const Lexer *lx, uint32_t at) {
  while (at < lx->length && lx->text[at] != '\n') at++;
  return at;
}

/* Columns of blanks that the line begins with; -1 where it holds nothing else. */
static int indentation(const Lexer *lx, uint32_t begin, uint32_t end) {
  int columns = 0;
  for (; begin < end && isspace((unsigned char)lx->text[begin]); begin++) columns += lx->text[begin] == '\t' ? 8 : 1;
  return begin == end || lx->text[begin] == '#' ? -1 : columns;
}

Span whole_statement(const Lexer *lx) {
  Span span = rest_of_statement(lx, lx->first.begin);
  if (span.end == span.begin || lx->text[span.end - 1] != ':') return span;
  uint32_t begin = line_begin(lx, span.begin), end = line_end(lx, span.end);
  int outer = indentation(lx, begin, span.end);
  while (end < lx->length) {
    uint32_t next = line_end(lx, end + 1);
    int inner = indentation(lx, end + 1, next);
    if (inner >= 0 && inner <= outer) break;
    if (inner >= 0) span.end = text_statement_end(lx->text, lx->length, end + 1);
    end = next;
    if (inner >= 0 && span.end < next && lx->text[span.end] != '\n')
      span.end = next; /* a comment, or another statement */
  }
  return span;
}

/* ---- in braces ---- */

typedef struct Rewrite {
  Arena *arena;
  const char *out;
  int open[64]; /* the indentation of each block, and whether it has a brace */
  bool brace[64];
  int depth;
  bool good;
} Rewrite;

static void close_to(Rewrite *r, int columns) {
  while (r->depth > 0 && r->open[r->depth - 1] >= columns) {
    r->depth--;
    if (r->brace[r->depth]) r->out = arena_printf(r->arena, "%s\n%*s}", r->out, r->open[r->depth], "");
  }
}

static const char *between(Arena *arena, const char *text, const char *before, const char *behind) {
  const char *from = strstr(text, before), *to = from ? strstr(from + strlen(before), behind) : NULL;
  return to ? arena_strndup(arena, from + strlen(before), (size_t)(to - from) - strlen(before)) : NULL;
}

/* The line that opens a block, in this language; NULL where it opens none (an __init__). */
static const char *head_of(Rewrite *r, const char *line) {
  Arena *arena = r->arena;
  const char *inside;
  if (strncmp(line, "def __init__", 12) == 0) return NULL;
  if (strncmp(line, "class ", 6) == 0)
    return arena_printf(arena, "model %.*s", (int)strcspn(line + 6, "(: "), line + 6);
  if ((inside = between(arena, line, "forward(self, ", ")")) || (inside = between(arena, line, "forward(", ")")))
    return arena_printf(arena, "forward %s", inside);
  const char *range = strstr(line, "range("), *end = range ? strchr(range, ')') : NULL;
  if (end && !memchr(range, ',', (size_t)(end - range)))
    return arena_printf(arena, "%.*s0..%.*s%s", (int)(range - line), line, (int)(end - range - 6), range + 6, end + 1);
  if (strncmp(line, "def ", 4) == 0 || strncmp(line, "while", 5) == 0 || strncmp(line, "with ", 5) == 0)
    r->good = false;
  return line;
}

static void add_line(Rewrite *r, int columns, const char *line) {
  size_t length = strlen(line);
  const char *plain = without_modules(r->arena, line);
  bool block = length > 1 && line[length - 1] == ':';
  close_to(r, columns);
  if (strncmp(line, "super(", 6) == 0 || strcmp(line, "pass") == 0 || strncmp(line, "\"\"\"", 3) == 0) return;
  if (!block) {
    r->out = arena_printf(r->arena, "%s\n%*s%s", r->out, columns, "", plain);
    return;
  }
  if (r->depth == 64) {
    r->good = false;
    return;
  }
  const char *head = head_of(r, arena_strndup(r->arena, plain, strlen(plain) - 1));
  if (head)
    r->out = arena_printf(r->arena, *r->out ? "%s\n%*s%s {" : "%s%.*s%s {", r->out, *r->out ? columns : 0, "", head);
  r->brace[r->depth] = head != NULL;
  r->open[r->depth++] = columns;
}

const char *block_in_braces(const Lexer *lx, Span whole) {
  uint32_t begin = line_begin(lx, whole.begin);
  Rewrite r = {.arena = lx->arena, .out = "", .good = true};
  if (whole.end - whole.begin > 20000) return NULL;
  while (begin < whole.end) {
    uint32_t end = line_end(lx, begin), from = begin < whole.begin ? whole.begin : begin;
    int columns = indentation(lx, begin, end);
    while (from < end && isspace((unsigned char)lx->text[from])) from++;
    uint32_t to = text_statement_end(lx->text, lx->length, from);
    if (columns >= 0 && to < end && lx->text[to] == '}') return NULL; /* both ways at once */
    if (columns >= 0) add_line(&r, columns, arena_strndup(lx->arena, lx->text + from, (to < end ? to : end) - from));
    begin = end + 1;
  }
  close_to(&r, 0);
  return r.good ? r.out : NULL;
}

/* ---- settings ---- */

/* What others call a setting of the train block. */
static const char *setting_of(const char *word) {
  static const char *const names[][2] = {{"batch_size", "batch"},  {"num_epochs", "epochs"},  {"n_epochs", "epochs"},
                                         {"max_epochs", "epochs"}, {"scheduler", "schedule"}, {"criterion", "loss"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (streq(names[i][0], word)) return names[i][1];
  return migration_block_of(word) ? word : NULL;
}

bool cure_settings(Lexer *lx, Diag *diag) {
  if (lx->first_token != TOK_SETTING) return false;
  Span whole = rest_of_statement(lx, lx->first.begin);
  const char *out = "", *first = NULL, *other = NULL;
  uint32_t kept = whole.end; /* up to the comma before a setting of the other block */
  int depth = 0, found = 0;
  for (uint32_t at = whole.begin; at < whole.end && whole.end - whole.begin < 1000;) {
    char c = lx->text[at];
    uint32_t end = at;
    while (end < whole.end && (isalnum((unsigned char)lx->text[end]) || lx->text[end] == '_')) end++;
    const char *word = arena_strndup(lx->arena, lx->text + at, end - at);
    const char *setting = depth == 0 && end > at && !isdigit((unsigned char)c) ? setting_of(word) : NULL;
    if (!setting) {
      depth += (strchr("([{", c) != NULL) - (strchr(")]}", c) != NULL);
      if (end == at) end++;
      out = arena_printf(lx->arena, "%s%.*s", out, (int)(end - at), lx->text + at);
      at = end;
      continue;
    }
    if (!first) first = setting;
    if (found++) { /* what separates it */
      size_t length = strlen(out);
      while (length > 0 && (isspace((unsigned char)out[length - 1]) || out[length - 1] == ',')) length--;
      if (!other && !streq(migration_block_of(setting), migration_block_of(first))) {
        other = setting;
        kept = whole.begin + (uint32_t)length;
      }
      out = arena_printf(lx->arena, "%.*s; ", (int)length, out);
    }
    for (at = end; at < whole.end && (lx->text[at] == ' ' || lx->text[at] == '=' || lx->text[at] == ':');) at++;
    out = arena_printf(lx->arena, "%s%s%s", out, setting, at < whole.end ? " " : "");
  }
  if (found < 2) return false;
  if (other) {
    diag_help(lx->diags, diag, "%s belongs in another block: %s { %s … }", other, migration_block_of(other), other);
    if (kept < whole.end && kept > lx->first.end)
      diag_fix(lx->diags, diag, (Span){whole.source, kept, whole.end}, "%s", "");
    return true;
  }
  diag_help(lx->diags, diag, "settings are separated by ';': %s", out);
  diag_fix(lx->diags, diag, whole, "%s", out);
  return true;
}
