/* Which neighbours on a line have a blank between them. Knows nothing of lines. Called by format.c.
 *
 *  - Operators stand between blanks, but not a sign, and not `..` and `:`.
 *  - `=` stands between blanks where it names something: a layer (also one in a Sequential), a constant, a
 *    parameter of a model. An argument and a named value of a setting are written name=value, as in Python. */
#include "grammar/format_internal.h"

static char first_byte(const Format *f, const Recorded *t) { return f->text[t->span.begin]; }
static char last_byte(const Format *f, const Recorded *t) { return f->text[t->span.end - 1]; }

static bool equals_between_blanks(const Format *f) {
  const OpenBracket *bracket = f->open.count ? &f->open.at[f->open.count - 1] : NULL;
  if (bracket && bracket->kind != '{') return bracket->names;
  return f->statement != TOK_SETTING && !keyword_has(f->statement, STMT_NAMED_VALUES);
}

bool format_blank_between(const Format *f, const Recorded *a, const Recorded *b) {
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
