/* Tokens for the parser: raw words from flex, read in their place, and the ends of statements that newlines
 * and semicolons make. Must not build trees or know what names mean.
 *
 *  - A newline ends a statement unless a bracket is open, or a comma or operator stands before it. Should the
 *    next line plainly begin a statement, it ends all the same: then a bracket was forgotten.
 *  - Every statement ends with END, also before `}`; END never stands twice, nor at the start.
 *  - After a mistake what is left of the statement is skipped, with the blocks in it.
 */
#include "compiler/base/diag.h"
#include "grammar/parse_internal.h"

int surgery_yylex(SURGERY_YYSTYPE *value, Span *span, void *scanner);

/* ---- messages ---- */

const char *lexer_show(Lexer *lx, Span span) {
  enum { LONGEST = 40 };
  uint32_t length = span.end - span.begin;
  if (length <= LONGEST) return clean_text(lx->arena, lx->text + span.begin, length);
  length = LONGEST;
  while (length > LONGEST - 4 && ((unsigned char)lx->text[span.begin + length] & 0xC0) == 0x80) length--;
  return arena_printf(lx->arena, "%s...", clean_text(lx->arena, lx->text + span.begin, length));
}

Diag *lexer_report(Lexer *lx, DiagCode code, Span span, const char *format, ...) {
  bool silent = lx->recovering || lx->judged == lx->first.begin + 1;
  lx->recovering = true;
  if (silent) return NULL;
  lx->mistakes++;
  va_list args;
  va_start(args, format);
  Diag *diag = diag_report(lx->diags, code, span, "%s", arena_vprintf(lx->arena, format, args));
  va_end(args);
  return diag;
}

/* What it may have declared is not known, so that later mistakes about such names are none. */
static void note_unread(Lexer *lx, uint32_t end) {
  Span span = {lx->source, lx->first.begin, end > lx->first.begin ? end : lx->first.begin};
  vec_push(lx->diags->arena, &lx->diags->unread, span);
}

void lexer_unread(Lexer *lx, bool at_end, Span span) {
  lx->recovering = !at_end;
  if (at_end) note_unread(lx, span.end);
}

/* ---- brackets ---- */

static Bracket *innermost(Lexer *lx) { return lx->open ? &lx->brackets[lx->open - 1] : NULL; }
static bool in_bracket(Lexer *lx) { return lx->lost_brackets || (lx->open && innermost(lx)->kind != '{'); }
static bool in_settings(const Lexer *lx) {
  for (int i = lx->open - 1; i >= 0; i--)
    if (lx->brackets[i].kind == '{') return lx->brackets[i].settings;
  return false;
}

/* Closes the round and square brackets that a statement left open, and reports the innermost. */
static void drop_brackets(Lexer *lx) {
  lx->lost_brackets = 0;
  if (!in_bracket(lx)) return;
  Bracket *bracket = innermost(lx);
  Diag *diag = lexer_report(lx, DIAG_E0005, (Span){lx->source, bracket->begin, bracket->begin + 1},
                            "this '%c' is never closed", bracket->kind);
  char close = bracket->kind == '(' ? ')' : ']';
  bool alone = lx->open == 1 || lx->brackets[lx->open - 2].kind == '{';
  if (diag) diag_help(lx->diags, diag, "close it with '%c'", close);
  if (diag && alone) diag_fix(lx->diags, diag, (Span){lx->source, lx->previous_end, lx->previous_end}, "%c", close);
  while (in_bracket(lx)) lx->open--;
}

static void open_bracket(Lexer *lx, char kind, Span span) {
  if (kind == '{') drop_brackets(lx);
  if (lx->open == AST_MAX_DEPTH) {
    kind == '{' ? lx->lost_braces++ : lx->lost_brackets++;
    Diag *diag = lexer_report(lx, DIAG_E0008, span, "brackets nested more than %d deep", AST_MAX_DEPTH);
    if (diag) diag_help(lx->diags, diag, "name the inner parts with let, or declare a model for them");
    return;
  }
  int s = lx->statement;
  bool settings = s == TOK_TRAIN || s == TOK_INPUT || s == TOK_PHASE ||
                  ((s == TOK_IF || s == TOK_ELSE || s == TOK_FOR) && in_settings(lx));
  /* The shape behind the selector of an expect is made of values. */
  if (kind == '(' && lx->selector && lx->operand) lx->selector = false;
  lx->brackets[lx->open++] = (Bracket){kind, lx->selector, kind == '{' && settings, span.begin};
  if (kind == '[') lx->selector = false;
  if (kind != '{') return;
  lx->blocks++;
  lx->selector = false;
}

static void close_bracket(Lexer *lx, char kind, Span span) {
  if (lx->lost_brackets) {
    lx->lost_brackets--;
    return;
  }
  if (!in_bracket(lx)) {
    Diag *diag = lexer_report(lx, DIAG_E0004, span, "this '%c' closes nothing", kind);
    if (diag) diag_help(lx->diags, diag, "remove it, or open it where it should begin");
    if (diag) diag_fix(lx->diags, diag, span, "%s", "");
    return;
  }
  Bracket bracket = lx->brackets[--lx->open];
  lx->selector = bracket.selector;
  if ((bracket.kind == '(') == (kind == ')')) return;
  Diag *diag = lexer_report(lx, DIAG_E0004, span, "this '%c' cannot close '%c'", kind, bracket.kind);
  if (!diag) return;
  diag_label(lx->diags, diag, (Span){lx->source, bracket.begin, bracket.begin + 1}, "opened here");
  char right = bracket.kind == '(' ? ')' : ']';
  Span rest = rest_of_statement(lx, span.end);
  bool comes = memchr(lx->text + rest.begin, right, rest.end - rest.begin) != NULL; /* then this one is too much */
  diag_help(lx->diags, diag, comes ? "remove it" : "write '%c'", right);
  diag_fix(lx->diags, diag, span, comes ? "%s" : "%s%c", "", right);
}

/* ---- ends ---- */

static void queue_token(Lexer *lx, int token, Span span) {
  lx->queue[lx->queued++] = (Queued){token, span, lx->blocks};
}

static void queue_end(Lexer *lx) {
  Span behind = {lx->source, lx->previous_end, lx->previous_end};
  queue_token(lx, TOK_END, behind);
  lx->at_start = true;
  lx->selector = lx->operand = lx->allowing = false;
}

/* `}` ends the statement before it and, unless an `else` follows, the statement that it belongs to. */
static void close_block(Lexer *lx, Span span) {
  if (lx->lost_braces || lx->blocks == 0) {
    lx->at_start = false; /* so that an END comes behind it, for the recovery to stop at */
    lx->previous = RAW_BAD;
    lx->previous_end = span.end;
  }
  if (lx->lost_braces) {
    lx->lost_braces--;
    return;
  }
  if (lx->blocks == 0) {
    Diag *diag = lexer_report(lx, DIAG_E0004, span, "this '}' closes nothing");
    if (diag) diag_help(lx->diags, diag, "remove it, or open the block with '{' where it should begin");
    if (diag) diag_fix(lx->diags, diag, span, "%s", "");
    return;
  }
  drop_brackets(lx);
  if (!lx->at_start) queue_end(lx);
  lx->open--;
  lx->blocks--;
  queue_token(lx, '}', span);
  lx->previous = '}';
  lx->previous_end = span.end;
  lx->at_start = false;
  if (!lx->ended && else_follows(lx)) return;
  queue_end(lx);
}

static void end_of_text(Lexer *lx) {
  Span end = {lx->source, lx->length, lx->length};
  lx->ended = true;
  lx->lost_braces = 0;
  drop_brackets(lx);
  if (!lx->at_start) {
    queue_end(lx);
  } else if (lx->blocks) {
    Bracket *bracket = innermost(lx);
    if (!lx->recovering && !lx->unclosed) {
      Diag *diag = diag_report(lx->diags, DIAG_E0005, (Span){lx->source, bracket->begin, bracket->begin + 1},
                               "this '{' is never closed");
      diag_help(lx->diags, diag, "close it with '}'");
      if (lx->blocks == 1) diag_fix(lx->diags, diag, end, "}");
      lx->unclosed = true; /* once is enough for all that are open */
    }
    close_block(lx, end);
  } else {
    queue_token(lx, 0, end);
  }
}

bool goes_on_behind(int token) {
  switch (token) {
  case ',':
  case '+':
  case '-':
  case '*':
  case '/':
  case '%':
  case '<':
  case '>':
  case '=':
  case TOK_FLOORDIV:
  case TOK_LE:
  case TOK_GE:
  case TOK_EQ:
  case TOK_NE:
  case TOK_DOTDOT:
  case TOK_AND:
  case TOK_OR:
  case TOK_NOT:
  case TOK_EXCEPT:
  case TOK_UPDATE: return true;
  default: return false;
  }
}

/* Queues the END when the newline ends the statement. */
static void newline(Lexer *lx) {
  if (lx->recovering && lx->offset < lx->skip_until) return;
  bool new_statement = statement_follows(lx) || (in_bracket(lx) && !lx->selector && words_follow(lx));
  if (in_bracket(lx)) {
    if (!new_statement) return;
    drop_brackets(lx);
  }
  if (lx->at_start || lx->previous == '}') return; /* behind a block the END has come, unless `else` is next */
  if (lx->offset < lx->length && lx->text[lx->offset] == '{') return; /* nothing begins like that */
  if (goes_on_behind(lx->previous) && !new_statement) return;
  queue_end(lx);
}

/* ---- one token ---- */

/* A raw word as the parser's token; YYerror when a mistake in it was reported. */
static int classify(Lexer *lx, int raw, Span span, TokenValue *value) {
  int token = raw;
  bool fine = true;
  switch (raw) {
  case TOK_NAME: token = lx->at_start ? first_word(lx, span, in_settings(lx)) : value_word(lx, span); break;
  case TOK_PATH: token = selector_word(lx, span); break;
  case TOK_MEMBER: /* .5 where a value begins */
    if (!lx->operand) token = TOK_FLOAT, fine = number_value(lx, span, value, &token);
    break;
  case TOK_INT:
  case TOK_FLOAT:
  case RAW_SUFFIXED: fine = number_value(lx, span, value, &token); break;
  case TOK_STRING:
  case RAW_OPEN_STRING: fine = string_value(lx, span, value), token = TOK_STRING; break;
  case TOK_REGEX:
  case RAW_OPEN_REGEX: fine = regex_value(lx, span, value), token = TOK_REGEX; break;
  case RAW_BAD: report_bad_character(lx, span), fine = false; break;
  case '<':
  case '>':
  case TOK_LE:
  case TOK_GE:
  case TOK_EQ:
  case TOK_NE: lx->selector = false; break;
  }
  if (token == TOK_NAME || token == TOK_PATH || token == TOK_SETTING)
    value->text = arena_strndup(lx->arena, lx->text + span.begin, span.end - span.begin);
  if (token == TOK_MEMBER) value->text = arena_strndup(lx->arena, lx->text + span.begin + 1, span.end - span.begin - 1);
  lx->prefixes = token == TOK_NOT || (token == '-' && !lx->operand) ? lx->prefixes + 1 : 0;
  if (lx->prefixes > AST_MAX_DEPTH) {
    lexer_report(lx, DIAG_E0008, span, "more than %d signs in a row", AST_MAX_DEPTH);
    fine = false;
  }
  return fine ? token : TOK_SURGERY_YYerror;
}

static void begin_statement(Lexer *lx, Span span) {
  lx->prefixes = 0;
  lx->statement = 0;
  if (lx->recovering) return; /* it is part of what is skipped */
  lx->statement_blocks = lx->blocks;
  lx->statement_tokens = 0;
  lx->first = span;
}

static int read_token(Lexer *lx, TokenValue *value, Span *span) {
  while (!lx->queued) {
    if (lx->ended || lx->mistakes >= 1000) {
      if (!lx->ended) {
        Span here = {lx->source, lx->previous_end, lx->previous_end};
        diag_report(lx->diags, DIAG_E0009, here, "1000 mistakes: the rest of the file is not read");
        lx->unclosed = true;
      }
      end_of_text(lx);
      continue;
    }
    SURGERY_YYSTYPE unused;
    int raw = surgery_yylex(&unused, span, lx->scanner);
    if (raw == 0) {
      end_of_text(lx);
      continue;
    }
    if (raw == RAW_NEWLINE) {
      newline(lx);
      continue;
    }
    if (raw == RAW_SEMICOLON && lx->recovering && lx->offset < lx->skip_until) continue;
    if (raw == RAW_SEMICOLON) {
      drop_brackets(lx);
      if (!lx->at_start) queue_end(lx);
      continue;
    }
    bool first = lx->at_start;
    if (raw == '}') {
      close_block(lx, *span);
      if (lx->queued) continue;
      return raw;
    }
    if (first) begin_statement(lx, *span);
    lx->was_operand = lx->operand;
    lx->was_selector = lx->selector;
    int token = classify(lx, raw, *span, value);
    if (raw == '(' || raw == '[' || raw == '{') open_bracket(lx, (char)raw, *span);
    if (raw == ')' || raw == ']') close_bracket(lx, (char)raw, *span);
    if (token == TOK_ELSE && !lx->recovering) lx->statement_blocks = lx->blocks;
    lx->operand = ends_operand(lx, token);
    lx->previous = token;
    lx->previous_end = span->end;
    lx->at_start = raw == '{';
    lx->token_blocks = lx->blocks;
    if (first) lx->first_token = token;
    lx->statement_tokens++;
    return token;
  }
  Queued queued = lx->queue[0];
  memmove(lx->queue, lx->queue + 1, sizeof *lx->queue * (size_t)--lx->queued);
  *span = queued.span;
  lx->token_blocks = queued.blocks;
  lx->statement_tokens++;
  return queued.token;
}

static void record(Lexer *lx, int token, Span span) {
  if (lx->record) vec_push(lx->arena, lx->record, (Recorded){token, span, lx->was_operand, lx->was_selector});
}

static int give_token(Lexer *lx, TokenValue *value, Span *span) {
  if (lx->start_token > 0) {
    int token = lx->start_token;
    lx->start_token = 0;
    *span = (Span){lx->source, 0, 0};
    return token;
  }
  for (;;) {
    bool skipping = lx->recovering;
    int token = read_token(lx, value, span);
    if (!lx->recovering) return token;
    if (!skipping) {
      /* A mistake that was found on the way to a queued END: the END comes next. */
      if (token == TOK_END) {
        memmove(lx->queue + 1, lx->queue, sizeof *lx->queue * (size_t)lx->queued++);
        lx->queue[0] = (Queued){token, *span, lx->token_blocks};
      }
      return TOK_SURGERY_YYerror;
    }
    bool lost = lx->lost_braces || lx->lost_brackets;
    if (token == 0 || (token == TOK_END && !lost && lx->token_blocks <= lx->statement_blocks)) {
      lx->recovering = false;
      note_unread(lx, span->end);
      return token;
    }
    record(lx, token, *span);
  }
}

int next_token(Lexer *lx, TokenValue *value, Span *span) {
  bool start = lx->start_token > 0;
  int token = give_token(lx, value, span);
  if (!start) record(lx, token, *span);
  return token;
}
