/* Lays a script out: tokens and the comments between them become lines. Which statements share a line, where a
 * statement or a list is broken, and where a line is left empty, is the author's choice and stays; all else is
 * decided here and in format_align.c. Called by the driver, for `surgeryc fmt`.
 *
 * Between two tokens there is nothing but blanks, newlines, semicolons, backslashes and comments: the lexer drops
 * nothing else. So the comments are found in the text itself. */
#include "grammar/format_internal.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- blanks between neighbours on a line ----
 *
 *  - Operators stand between blanks, but not a sign, and not `..` and `:`.
 *  - `=` stands between blanks where it names something: a layer (also one in a Sequential), a constant, a
 *    parameter of a model. An argument and a named value of a setting are written name=value, as in Python. */

static char first_byte(const Format *f, const Recorded *t) { return f->text[t->span.begin]; }
static char last_byte(const Format *f, const Recorded *t) { return f->text[t->span.end - 1]; }

static bool equals_between_blanks(const Format *f) {
  const OpenBracket *bracket = f->open.count ? &f->open.at[f->open.count - 1] : NULL;
  if (bracket && bracket->kind != '{') return bracket->names;
  return f->statement != TOK_SETTING && !keyword_has(f->statement, STMT_NAMED_VALUES);
}

static bool blank_between(const Format *f, const Recorded *a, const Recorded *b) {
  switch (b->token) {
  case ',':
  case ')':
  case ']': return false;
  case TOK_MEMBER: /* 3 .x is not 3.x */ return a->token == TOK_INT || a->token == TOK_FLOAT;
  case TOK_DOTDOT: return last_byte(f, a) == '.';
  case ':': return a->token == ',';
  }
  switch (a->token) {
  case '(':
  case '[':
  case ':': return false;
  case TOK_DOTDOT: return first_byte(f, b) == '.';
  case '-':
    if (!a->operand) return false; /* a sign */
    break;
  }
  if (a->token == '=' || b->token == '=') return equals_between_blanks(f);
  if (b->token == '(') return !b->operand || b->selector; /* a call, but not the shape of an expect */
  if (b->token == '[') return !b->operand;                /* an index */
  return true;
}

enum { STEP = 2 };

/* ---- lines ---- */

typedef struct Place { /* of a line; see Line */
  int anchor;
  size_t offset;
  bool behind_pad;
} Place;

static void append(Format *f, const char *bytes, size_t count) {
  Line *line = format_line(f);
  vec_reserve(f->arena, &line->text, line->text.count + count);
  if (count) memcpy(line->text.at + line->text.count, bytes, count);
  line->text.count += count;
}

static size_t column_here(Format *f) {
  const Line *line = format_line(f);
  return format_width(line->text.at, line->text.count);
}

/* No empty line stands at the start of the file or of a block. */
static void new_line(Format *f, Place place, bool blank) {
  bool first = f->lines.count == 0 || format_line(f)->opens;
  vec_push(
      f->arena, &f->lines,
      (Line){.anchor = place.anchor, .offset = place.offset, .behind_pad = place.behind_pad, .blank = blank && !first});
}

static Place at_margin(const Format *f) { return (Place){-1, STEP * f->blocks, false}; }

static OpenBracket *innermost(Format *f) {
  OpenBracket *top = f->open.count ? &f->open.at[f->open.count - 1] : NULL;
  return top && top->kind != '{' ? top : NULL;
}

/* Where a further line of the statement begins. */
static Place at_continuation(Format *f, bool closes) {
  const OpenBracket *bracket = innermost(f);
  if (!bracket) return (Place){f->first_line, f->continued, true};
  if (bracket->hangs) return (Place){bracket->line, closes ? 0 : STEP, false};
  return (Place){bracket->line, bracket->column + !closes, true};
}

/* ---- comments ---- */

typedef struct Gap { /* what stands between two tokens */
  bool broken;       /* a newline */
  bool blank;        /* an empty line behind the last comment */
  size_t comments;
} Gap;

static size_t source_column(const Format *f, size_t at) {
  size_t begin = at;
  while (begin > 0 && f->text[begin - 1] != '\n') begin--;
  return format_width(f->text + begin, at - begin);
}

static void put_comment(Format *f, size_t begin, size_t end, bool behind, Place place, bool blank) {
  size_t column = source_column(f, begin);
  while (end > begin && strchr(" \t\r\f\v", f->text[end - 1]) && f->text[end - 1]) end--;
  if (!behind || format_line(f)->comment) {
    new_line(f, place, blank);
    format_line(f)->kind = LINE_COMMENT;
  }
  Line *line = format_line(f);
  line->comment = f->text + begin;
  line->comment_length = end - begin;
  line->comment_column = column;
}

/* Comments behind a token stay behind it, others get lines of their own at `place`. */
static Gap put_comments(Format *f, size_t at, size_t end, Place place) {
  Gap gap = {0};
  int newlines = 0;
  for (; at < end; at++) {
    if (f->text[at] == '\n') newlines++;
    if (f->text[at] != '#') continue;
    size_t begin = at;
    while (at < end && f->text[at] != '\n') at++;
    put_comment(f, begin, at, newlines == 0 && !gap.broken && f->lines.count > 0, place, newlines > 1);
    newlines = at < end;
    gap.broken = true;
    gap.comments++;
  }
  gap.broken = gap.broken || newlines > 0;
  gap.blank = newlines > 1;
  return gap;
}

/* ---- blocks ---- */

/* Has the block that `open` begins a line for each of its statements? It has, when a line ends in it. */
static bool is_multi(const Format *f, size_t open) {
  size_t depth = 0, close = open;
  bool empty = true;
  for (; close < f->tokens->count; close++) {
    int token = f->tokens->at[close].token;
    depth += token == '{';
    if (token == '}' && --depth == 0) break;
    if (close > open && token != TOK_END) empty = false;
  }
  size_t begin = f->tokens->at[open].span.end, length = f->tokens->at[close].span.begin - begin;
  return memchr(f->text + begin, empty ? '#' : '\n', length) != NULL;
}

/* What stands before the brace, on lines of its own perhaps, moves behind it. */
static void open_block(Format *f, size_t index, size_t gap_begin) {
  const Recorded *t = &f->tokens->at[index];
  append(f, " {", 2);
  size_t line = f->lines.count - 1;
  bool comments = memchr(f->text + gap_begin, '#', t->span.begin - gap_begin) != NULL;
  bool multi = comments || is_multi(f, index);
  vec_push(f->arena, &f->open, (OpenBracket){.kind = '{', .multi = multi});
  f->blocks++;
  f->lines.at[line].opens = multi;
  put_comments(f, gap_begin, t->span.begin, at_margin(f));
}

static void close_block(Format *f, const Recorded *before, size_t gap_begin, const Recorded *t) {
  bool multi = f->open.at[f->open.count - 1].multi;
  put_comments(f, gap_begin, t->span.begin, at_margin(f));
  f->open.count--;
  f->blocks--;
  f->closed_multi = multi;
  if (multi) new_line(f, at_margin(f), false);
  else if (before->token != '{') append(f, " ", 1);
  append(f, "}", 1);
}

/* ---- statements ---- */

static void begin_statement(Format *f, const Recorded *before, const Recorded *t, size_t gap_begin) {
  Gap gap = put_comments(f, gap_begin, t->span.begin, at_margin(f));
  bool in_block = before && before->token == '{';
  f->fresh = !before || gap.broken || (in_block && f->open.at[f->open.count - 1].multi);
  if (f->fresh) {
    new_line(f, at_margin(f), gap.blank);
  } else {
    Line *line = format_line(f);
    if (line->kind != LINE_OTHER) line->kind = LINE_SEVERAL;
    append(f, in_block ? " " : "; ", in_block ? 1 : 2);
  }
  f->statement = t->token;
  f->first_line = (int)f->lines.count - 1;
  f->continued = column_here(f) + STEP;
  f->words = 0;
  f->assigned = false;
}

/* `else` stays on a line of its own behind a block on one line, and where a comment stands before it. */
static void begin_else(Format *f, const Recorded *t, size_t gap_begin) {
  Gap gap = put_comments(f, gap_begin, t->span.begin, at_margin(f));
  if (gap.comments || (gap.broken && !f->closed_multi)) new_line(f, at_margin(f), gap.blank && gap.comments);
  else append(f, " ", 1);
}

static bool names_things(const Format *f, const Recorded *before) {
  static const char sequential[] = "Sequential";
  if (f->statement == TOK_MODEL && !f->assigned) return true;
  return before && before->span.end - before->span.begin == sizeof sequential - 1 &&
         memcmp(f->text + before->span.begin, sequential, sizeof sequential - 1) == 0;
}

/* The word that may be aligned with those of the lines around it begins here. */
static void mark_key(Format *f, LineKind kind, const Recorded *before, const Recorded *t) {
  Line *line = format_line(f);
  if (!f->fresh || line->kind != LINE_OTHER || f->first_line != (int)f->lines.count - 1) return;
  line->kind = kind;
  line->key = line->text.count;
  line->first = f->statement == TOK_STRING ? TOK_NAME : f->statement;
  line->spread = t->span.begin - before->span.end > 1;
  line->key_column = source_column(f, t->span.begin);
}

static bool declares(int statement) {
  return statement == TOK_NAME || statement == TOK_STRING || statement == TOK_LET || statement == TOK_PARAM ||
         statement == TOK_MODEL;
}

static void note_word(Format *f, const Recorded *before, const Recorded *t) {
  bool here = f->first_line == (int)f->lines.count - 1, outside = !innermost(f);
  if (f->words == 1 && here && !declares(f->statement)) f->continued = column_here(f);
  if (f->words == 1 && f->statement == TOK_SETTING) mark_key(f, LINE_SETTING, before, t);
  if (before->token == '=' && here && outside && declares(f->statement)) f->continued = column_here(f);
  if (t->token != '=' || !outside || f->assigned) return;
  f->assigned = true;
  if (declares(f->statement) || f->statement == TOK_APPEND || f->statement == TOK_PREPEND)
    mark_key(f, LINE_ASSIGNMENT, before, t);
}

/* A token within a statement: on the line of the one before, or on a further line. */
static void go_on(Format *f, const Recorded *before, const Recorded *t, size_t gap_begin) {
  bool closes = t->token == ')' || t->token == ']';
  bool broken = memchr(f->text + gap_begin, '\n', t->span.begin - gap_begin) != NULL;
  if (broken) {
    OpenBracket *bracket = innermost(f);
    if (bracket && (before->token == '(' || before->token == '[')) bracket->hangs = true;
    bool by_hand = !bracket && !goes_on_behind(before->token);
    if (by_hand) append(f, " \\", 2);
    Gap gap = put_comments(f, gap_begin, t->span.begin, at_continuation(f, false));
    new_line(f, at_continuation(f, closes), gap.blank && !by_hand);
  } else if (blank_between(f, before, t)) {
    append(f, " ", 1);
  }
  note_word(f, before, t);
}

static void put_token(Format *f, const Recorded *before, const Recorded *t) {
  if (t->token == '(' || t->token == '[')
    vec_push(f->arena, &f->open,
             (OpenBracket){.kind = (char)t->token,
                           .line = (int)f->lines.count - 1,
                           .column = column_here(f),
                           .names = t->token == '(' && names_things(f, before)});
  if (t->token == ')' || t->token == ']') f->open.count--;
  append(f, f->text + t->span.begin, t->span.end - t->span.begin);
  f->words++;
}

static void lay_out(Format *f, size_t start) {
  const Recorded *before = NULL;
  size_t gap_begin = start;
  bool ended = true;
  for (size_t i = 0; i < f->tokens->count; i++) {
    const Recorded *t = &f->tokens->at[i];
    if (t->token == TOK_END) {
      ended = true;
      continue;
    }
    if (t->token == 0) {
      put_comments(f, gap_begin, t->span.end, at_margin(f));
      return;
    }
    if (t->token == '}') {
      close_block(f, before, gap_begin, t);
    } else if (t->token == '{') {
      open_block(f, i, gap_begin);
    } else {
      if (ended || before->token == '{') begin_statement(f, before, t, gap_begin);
      else if (t->token == TOK_ELSE) begin_else(f, t, gap_begin);
      else go_on(f, before, t, gap_begin);
      put_token(f, before, t);
    }
    ended = false;
    before = t;
    gap_begin = t->span.end;
  }
}

/* ---- the whole ---- */

static char *tree_text(const Stmt *tree) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) fail_environment("no memory");
  ast_dump(tree, out);
  if (fclose(out) != 0) fail_environment("no memory");
  return text;
}

/* The promise of format.h; a script that says something else is worse than one that is ugly. */
static void check_same_tree(Arena *arena, const Stmt *tree, const char *text, size_t length) {
  Sources sources = {.arena = arena};
  Diags diags = {.arena = arena, .sources = &sources};
  int source = sources_add_text(&sources, "formatted", text, length);
  if (source < 0) fail_environment("no memory");
  char *before = tree_text(tree), *after = tree_text(parse(arena, &diags, &sources, (uint32_t)source));
  if (diags.errors || strcmp(before, after) != 0) BUG("formatting changed the script");
  free(before), free(after);
}

const char *format_script(Arena *arena, Diags *diags, Sources *sources, uint32_t source, size_t *length) {
  size_t errors = diags->errors;
  TokenList tokens = {0};
  const Stmt *tree = parse_recording(arena, diags, sources, source, &tokens);
  if (diags->errors != errors) return NULL;
  const char *text = sources->files.at[source].text;
  Format f = {.arena = arena, .text = text, .tokens = &tokens};
  bool mark = sources->files.at[source].length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0;
  lay_out(&f, mark ? 3 : 0);
  format_align(&f);
  const char *formatted = format_print(&f, length);
  check_same_tree(arena, tree, formatted, *length);
  return formatted;
}
