/* Tokens for the parser: raw words from flex become keywords, names and paths by where they stand, and
 * newlines and semicolons become ends of statements. Must not build trees or know what names mean.
 *
 *  - A keyword is one only as the first word of a statement, and not in front of `=` (`train = Linear(3, 4)`).
 *  - Words like `with` and `from` are keywords only behind a value or a selector.
 *  - Behind a keyword that takes a selector, words are paths and globs until `with`, `to` …
 *  - A newline ends a statement unless a bracket is open or a comma or operator stands before it. Should the
 *    next line begin with a keyword and a word, the statement ends all the same: then a bracket was forgotten.
 *  - Every statement ends with END, also before `}`; END never stands twice or at the start.
 *  - After a mistake what is left of the statement is skipped, with the blocks in it.
 */
#include "compiler/base/diag_text.h"
#include "grammar/parse_internal.h"

int surgery_yylex(SURGERY_YYSTYPE *value, Span *span, void *scanner);

typedef struct Word {
  const char *text;
  int token;
} Word;

static const Word keywords[] = {
#define KEYWORD(word, TOKEN, doc, form) {#word, TOK_##TOKEN},
#include "grammar/keywords.def"
#undef KEYWORD
};
static const Word setting_keywords[] = {{"group", TOK_GROUP}, {"phase", TOK_PHASE}};
/* Behind a value; the same in both ways of reading. */
static const Word joining_words[] = {{"from", TOK_FROM}, {"in", TOK_IN}};
static const Word selector_words[] = {{"with", TOK_WITH},     {"to", TOK_TO},       {"except", TOK_EXCEPT},
                                      {"under", TOK_UNDER},   {"allow", TOK_ALLOW}, {"before", TOK_BEFORE},
                                      {"after", TOK_AFTER}};
static const Word value_words[] = {{"and", TOK_AND},       {"or", TOK_OR}, {"before", TOK_BEFORE}, {"after", TOK_AFTER},
                                   {"with", TOK_WITH}, {"to", TOK_TO}};
/* Where a value may stand. */
static const Word constant_words[] = {{"true", TOK_TRUE},   {"True", TOK_TRUE}, {"false", TOK_FALSE},
                                      {"False", TOK_FALSE}, {"none", TOK_NONE}, {"None", TOK_NONE},
                                      {"_", TOK_HOLE},      {"not", TOK_NOT}};
#define FIND(words, lexer, span) find_word((words), sizeof(words) / sizeof *(words), (lexer)->text + (span).begin, (span).end - (span).begin)

static int find_word(const Word *words, size_t count, const char *text, size_t length) {
  for (size_t i = 0; i < count; i++)
    if (words[i].text[0] == text[0] && strlen(words[i].text) == length && memcmp(words[i].text, text, length) == 0)
      return words[i].token;
  return 0;
}

static bool span_is(const Lexer *lx, Span span, const char *word) {
  size_t length = strlen(word);
  return span.end - span.begin == length && memcmp(lx->text + span.begin, word, length) == 0;
}

/* ---- looking ahead in the text, where one token is not enough ---- */

static bool word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static uint32_t skip_blanks(const Lexer *lx, uint32_t at) {
  while (at < lx->length && (lx->text[at] == ' ' || lx->text[at] == '\t')) at++;
  return at;
}

static Span word_at(const Lexer *lx, uint32_t at) {
  uint32_t end = at;
  while (end < lx->length && word_byte(lx->text[end])) end++;
  return (Span){lx->source, at, end};
}

/* Does `=` (and not `==`) come next? */
static bool assignment_follows(const Lexer *lx) {
  uint32_t at = skip_blanks(lx, lx->offset);
  return at < lx->length && lx->text[at] == '=' && !(at + 1 < lx->length && lx->text[at + 1] == '=');
}

/* A keyword and then a word, a string or a pattern: no value and no list of arguments goes on like that. */
static bool statement_follows(const Lexer *lx) {
  Span word = word_at(lx, lx->offset);
  if (word.begin == word.end || !FIND(keywords, lx, word)) return false;
  uint32_t at = skip_blanks(lx, word.end);
  if (at == word.end || at >= lx->length) return false;
  if (lx->text[at] == '"') return true;
  /* `freeze /conv/`, `freeze **.bn*`, `freeze [0:5]`; with a blank behind it, it may be an operator. */
  if (strchr("/*[", lx->text[at])) return at + 1 < lx->length && lx->text[at + 1] > ' ';
  Span next = word_at(lx, at);
  if (next.begin == next.end || (lx->text[at] >= '0' && lx->text[at] <= '9')) return false;
  return !FIND(joining_words, lx, next) && !FIND(selector_words, lx, next) && !FIND(value_words, lx, next);
}

static bool else_follows(const Lexer *lx) {
  uint32_t at = lx->offset;
  while (at < lx->length) {
    char c = lx->text[at];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') at++;
    else if (c != '#') break;
    else while (at < lx->length && lx->text[at] != '\n') at++;
  }
  return span_is(lx, word_at(lx, at), "else");
}

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

/* ---- brackets ---- */

static Bracket *innermost(Lexer *lx) { return lx->open ? &lx->brackets[lx->open - 1] : NULL; }
static bool in_bracket(Lexer *lx) {
  return lx->lost_brackets || (lx->open && innermost(lx)->kind != '{');
}
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
  if (diag) diag_help(lx->diags, diag, "close it with '%c'", bracket->kind == '(' ? ')' : ']');
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
    return;
  }
  Bracket bracket = lx->brackets[--lx->open];
  lx->selector = bracket.selector;
  if ((bracket.kind == '(') == (kind == ')')) return;
  Diag *diag = lexer_report(lx, DIAG_E0004, span, "this '%c' cannot close '%c'", kind, bracket.kind);
  if (diag) diag_label(lx->diags, diag, (Span){lx->source, bracket.begin, bracket.begin + 1}, "opened here");
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
      lx->unclosed = true; /* once is enough for all that are open */
    }
    close_block(lx, end);
  } else {
    queue_token(lx, 0, end);
  }
}

/* Two words side by side: nothing in brackets goes on like that, so that even `freze all` is seen there. */
static bool words_follow(const Lexer *lx) {
  Span word = word_at(lx, lx->offset), next = word_at(lx, skip_blanks(lx, word.end));
  if (word.begin == word.end || next.begin == next.end || next.begin == word.end || span_is(lx, word, "not")) return false;
  return !FIND(joining_words, lx, next) && !FIND(value_words, lx, next);
}

/* Queues the END when the newline ends the statement. */
static void newline(Lexer *lx) {
  bool new_statement = statement_follows(lx) || (in_bracket(lx) && !lx->selector && words_follow(lx));
  if (in_bracket(lx)) {
    if (!new_statement) return;
    drop_brackets(lx);
  }
  if (lx->at_start || lx->previous == '}') return; /* behind a block the END has come, unless `else` is next */
  if (lx->offset < lx->length && lx->text[lx->offset] == '{') return; /* nothing begins like that */
  switch (lx->previous) {
  case ',': case '+': case '-': case '*': case '/': case '%': case '<': case '>': case '=': case TOK_FLOORDIV:
  case TOK_LE: case TOK_GE: case TOK_EQ: case TOK_NE: case TOK_DOTDOT: case TOK_AND: case TOK_OR: case TOK_NOT:
  case TOK_EXCEPT: case TOK_UPDATE:
    if (!new_statement) return;
  }
  queue_end(lx);
}

/* ---- words ---- */

static int first_word(Lexer *lx, Span span) {
  int token = in_settings(lx) ? FIND(setting_keywords, lx, span) : 0;
  if (!token) token = FIND(keywords, lx, span);
  if (token && !assignment_follows(lx)) {
    lx->statement = token;
    switch (token) {
    case TOK_REMOVE: case TOK_REPLACE: case TOK_RENAME: case TOK_FREEZE: case TOK_UNFREEZE: case TOK_LOAD:
    case TOK_SAVE: case TOK_INIT: case TOK_ADAPT: case TOK_OUTPUT: case TOK_EXPECT: case TOK_STAGES: case TOK_GROUP:
      lx->selector = true;
    }
    return token;
  }
  return in_settings(lx) ? TOK_SETTING : TOK_NAME;
}

static int value_word(Lexer *lx, Span span) {
  int token = 0;
  if (lx->previous == '}' && span_is(lx, span, "else")) token = TOK_ELSE;
  else if (lx->previous == TOK_ELSE && span_is(lx, span, "if")) token = TOK_IF;
  if (token) return lx->statement = token;
  if (lx->previous == TOK_TO && lx->statement == TOK_ADAPT && span_is(lx, span, "channels")) return TOK_CHANNELS;
  if (!lx->operand) token = FIND(constant_words, lx, span);
  else if (!(token = FIND(joining_words, lx, span))) token = FIND(value_words, lx, span);
  if (lx->operand && token && assignment_follows(lx)) return TOK_NAME; /* a setting called `to` */
  if (token == TOK_BEFORE || token == TOK_AFTER) lx->selector = true;
  return token ? token : TOK_NAME;
}

/* Is the next word on this line one that goes on with the selector's own meaning, as the type of `every`? */
static bool plain_word_follows(const Lexer *lx) {
  Span next = word_at(lx, skip_blanks(lx, lx->offset));
  return next.begin < next.end && !FIND(joining_words, lx, next) && !FIND(selector_words, lx, next);
}

static int selector_word(Lexer *lx, Span span) {
  if (!lx->operand) {
    if (lx->previous != TOK_EVERY && span_is(lx, span, "every") && plain_word_follows(lx)) return TOK_EVERY;
    if ((lx->previous == TOK_FREEZE || lx->previous == TOK_UNFREEZE) && span_is(lx, span, "parameters") &&
        span_is(lx, word_at(lx, skip_blanks(lx, lx->offset)), "of"))
      return TOK_PARAMETERS;
    return TOK_PATH;
  }
  if (lx->previous == TOK_PARAMETERS && span_is(lx, span, "of")) return TOK_OF;
  int token = FIND(joining_words, lx, span);
  if (!token) token = FIND(selector_words, lx, span);
  if (token == TOK_WITH || (token == TOK_TO && lx->statement == TOK_ADAPT)) lx->selector = false;
  if (token == TOK_ALLOW) lx->allowing = true;
  if (!token && lx->statement == TOK_GROUP) { /* the first setting, as in `group layer4 lr=1e-5` */
    lx->selector = false;
    return TOK_NAME;
  }
  return token ? token : TOK_PATH;
}

/* A raw word as the parser's token; YYerror when a mistake in it was reported. */
static int classify(Lexer *lx, int raw, Span span, TokenValue *value) {
  int token = raw;
  bool fine = true;
  switch (raw) {
  case TOK_NAME: token = lx->at_start ? first_word(lx, span) : value_word(lx, span); break;
  case TOK_PATH: token = selector_word(lx, span); break;
  case TOK_MEMBER: /* .5 where a value begins */
    if (!lx->operand) token = TOK_FLOAT, fine = number_value(lx, span, value, &token);
    break;
  case TOK_INT: case TOK_FLOAT: case RAW_SUFFIXED: fine = number_value(lx, span, value, &token); break;
  case TOK_STRING: case RAW_OPEN_STRING: fine = string_value(lx, span, value), token = TOK_STRING; break;
  case TOK_REGEX: case RAW_OPEN_REGEX: fine = regex_value(lx, span, value), token = TOK_REGEX; break;
  case RAW_BAD: report_bad_character(lx, span), fine = false; break;
  case '<': case '>': case TOK_LE: case TOK_GE: case TOK_EQ: case TOK_NE: lx->selector = false; break;
  }
  if (token == TOK_NAME || token == TOK_PATH || token == TOK_SETTING)
    value->text = arena_strndup(lx->arena, lx->text + span.begin, span.end - span.begin);
  if (token == TOK_MEMBER) value->text = arena_strndup(lx->arena, lx->text + span.begin + 1, span.end - span.begin - 1);
  lx->prefixes = token == TOK_NOT || (token == '-' && !lx->operand) ? lx->prefixes + 1 : 0;
  if (lx->prefixes > AST_MAX_DEPTH) {
    lexer_report(lx, DIAG_E0008, span, "more than %d signs one behind the other", AST_MAX_DEPTH);
    fine = false;
  }
  return fine ? token : TOK_SURGERY_YYerror;
}

static bool ends_operand(const Lexer *lx, int token) {
  switch (token) {
  case TOK_NAME: case TOK_INT: case TOK_FLOAT: case TOK_STRING: case TOK_MEMBER: case TOK_REGEX: case TOK_TRUE:
  case TOK_FALSE: case TOK_NONE: case TOK_HOLE: case TOK_PARAMETERS: case ')': case ']': return true;
  case TOK_PATH: /* in `allow missing SEL` the first word is none of the selector */
    return !(lx->allowing && (lx->previous == TOK_ALLOW || lx->previous == ','));
  default: return false;
  }
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
    if (raw == 0) { end_of_text(lx); continue; }
    if (raw == RAW_NEWLINE) { newline(lx); continue; }
    if (raw == RAW_SEMICOLON) {
      drop_brackets(lx);
      if (!lx->at_start) queue_end(lx);
      continue;
    }
    bool first = lx->at_start;
    if (raw == '}') { close_block(lx, *span); if (lx->queued) continue; return raw; }
    if (first) begin_statement(lx, *span);
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

int next_token(Lexer *lx, TokenValue *value, Span *span) {
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
      return token;
    }
  }
}

const char *const keyword_names[] = {
#define KEYWORD(word, TOKEN, doc, form) #word,
#include "grammar/keywords.def"
#undef KEYWORD
    "group", "phase"};
const int keyword_count = sizeof keyword_names / sizeof *keyword_names;
