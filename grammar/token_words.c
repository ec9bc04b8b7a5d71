/* Which words are keywords, by where they stand; and looks ahead in the text where one token is not enough.
 * Must not change where statements end. Called by tokens.c alone.
 *
 *  - A keyword is one only as the first word of a statement, and not before `=`: `train = ReLU()`.
 *  - Words like `with` and `from` are keywords only behind a value or a selector.
 *  - Behind a keyword that takes a selector, words are paths and globs until `with`, `to` …
 */
#include "grammar/words.h"
#include "grammar/parse_internal.h"

typedef struct Word {
  const char *text;
  int token;
} Word;

const Keyword keywords[STMT_KINDS] = {
#define KEYWORD(word, KIND, flags, doc, form) [STMT_##KIND] = {#word, doc, form, TOK_##KIND, flags},
#include "grammar/keywords.def"
};
static const Word statement_words[] = {
#define KEYWORD(word, KIND, ...) {#word, TOK_##KIND},
#define IN_TRAIN(...)
#include "grammar/keywords.def"
};
static const Word train_words[] = {
#define KEYWORD(...)
#define IN_TRAIN(word, KIND, ...) {#word, TOK_##KIND},
#include "grammar/keywords.def"
};
/* Behind a value; the same in both ways of reading. */
static const Word joining_words[] = {{"from", TOK_FROM}, {"in", TOK_IN}, {"under", TOK_UNDER}};
static const Word selector_words[] = {{"with", TOK_WITH},   {"to", TOK_TO},         {"except", TOK_EXCEPT},
                                      {"allow", TOK_ALLOW}, {"before", TOK_BEFORE}, {"after", TOK_AFTER}};
static const Word value_words[] = {{"and", TOK_AND},     {"or", TOK_OR},     {"before", TOK_BEFORE},
                                   {"after", TOK_AFTER}, {"with", TOK_WITH}, {"to", TOK_TO}};
/* Where a value may stand; the last one is no constant. */
static const Word constant_words[] = {{"true", TOK_TRUE},   {"True", TOK_TRUE}, {"false", TOK_FALSE},
                                      {"False", TOK_FALSE}, {"none", TOK_NONE}, {"None", TOK_NONE},
                                      {"_", TOK_HOLE},      {"not", TOK_NOT}};

const char *joining_word(size_t i) {
  static const char *const others[] = {"else", "every", "parameters", "of", "not"}; /* known by their place */
  size_t joining = LENGTH(joining_words), selecting = LENGTH(selector_words);
  if (i < joining) return joining_words[i].text;
  if (i < joining + selecting) return selector_words[i - joining].text;
  if ((i -= joining + selecting) < 2) return value_words[i].text; /* the others are among them: and, or */
  return (i -= 2) < LENGTH(others) ? others[i] : NULL;
}

const char *constant_word(size_t i) { return i + 1 < LENGTH(constant_words) ? constant_words[i].text : NULL; }

bool keyword_has(int token, unsigned flag) {
  for (size_t i = 0; i < STMT_KINDS; i++)
    if (token && keywords[i].token == token) return keywords[i].flags & flag;
  return false;
}

#define FIND(words, lexer, span)                                                                                       \
  find_word((words), sizeof(words) / sizeof *(words), (lexer)->text + (span).begin, (span).end - (span).begin)

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

/* ---- looking ahead ---- */

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

/* `model.fc`: about something called model. */
static bool member_follows(const Lexer *lx) {
  uint32_t at = lx->offset;
  return at + 1 < lx->length && lx->text[at] == '.' && word_byte(lx->text[at + 1]);
}

bool statement_follows(const Lexer *lx) {
  Span word = word_at(lx, lx->offset);
  if (word.begin == word.end || !FIND(statement_words, lx, word)) return false;
  uint32_t at = skip_blanks(lx, word.end);
  if (at == word.end || at >= lx->length) return false;
  if (lx->text[at] == '"') return true;
  /* `freeze /conv/`, `freeze **.bn*`, `freeze [0:5]`; with a blank behind it, it may be an operator. */
  if (strchr("/*[", lx->text[at])) return at + 1 < lx->length && lx->text[at + 1] > ' ';
  Span next = word_at(lx, at);
  if (next.begin == next.end || (lx->text[at] >= '0' && lx->text[at] <= '9')) return false;
  return !FIND(joining_words, lx, next) && !FIND(selector_words, lx, next) && !FIND(value_words, lx, next);
}

bool else_follows(const Lexer *lx) {
  uint32_t at = lx->offset;
  while (at < lx->length) {
    char c = lx->text[at];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') at++;
    else if (c != '#') break;
    else
      while (at < lx->length && lx->text[at] != '\n') at++;
  }
  return span_is(lx, word_at(lx, at), "else");
}

bool words_follow(const Lexer *lx) {
  Span word = word_at(lx, lx->offset), next = word_at(lx, skip_blanks(lx, word.end));
  if (word.begin == word.end || next.begin == next.end || next.begin == word.end || span_is(lx, word, "not"))
    return false;
  return !FIND(joining_words, lx, next) && !FIND(value_words, lx, next);
}

/* ---- words in their place ---- */

int first_word(Lexer *lx, Span span, bool settings) {
  int token = settings ? FIND(train_words, lx, span) : 0;
  if (!token) token = FIND(statement_words, lx, span);
  if (token && !assignment_follows(lx) && !member_follows(lx)) {
    lx->statement = token;
    if (keyword_has(token, STMT_SELECTS)) lx->selector = true;
    return token;
  }
  return settings ? TOK_SETTING : TOK_NAME;
}

int value_word(Lexer *lx, Span span) {
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

int selector_word(Lexer *lx, Span span) {
  if (!lx->operand) {
    if (lx->previous != TOK_EVERY && span_is(lx, span, "every") && plain_word_follows(lx)) return TOK_EVERY;
    if ((lx->previous == TOK_FREEZE || lx->previous == TOK_UNFREEZE || lx->previous == TOK_EXPECT) &&
        span_is(lx, span, "parameters") && span_is(lx, word_at(lx, skip_blanks(lx, lx->offset)), "of"))
      return TOK_PARAMETERS;
    return TOK_PATH;
  }
  if (lx->previous == TOK_PARAMETERS && span_is(lx, span, "of")) return TOK_OF;
  int token = FIND(joining_words, lx, span);
  if (!token) token = FIND(selector_words, lx, span);
  if (token == TOK_WITH || (token == TOK_TO && lx->statement == TOK_ADAPT)) lx->selector = false;
  if (token == TOK_ALLOW) lx->allowing = true;
  if (!token && keyword_has(lx->statement, STMT_NAMED_VALUES)) { /* the first, as in `group layer4 lr=1e-5` */
    lx->selector = false;
    return TOK_NAME;
  }
  return token ? token : TOK_PATH;
}

bool ends_operand(const Lexer *lx, int token) {
  switch (token) {
  case TOK_NAME:
  case TOK_INT:
  case TOK_FLOAT:
  case TOK_STRING:
  case TOK_MEMBER:
  case TOK_REGEX:
  case TOK_TRUE:
  case TOK_FALSE:
  case TOK_NONE:
  case TOK_HOLE:
  case TOK_PARAMETERS:
  case ')':
  case ']': return true;
  case TOK_PATH: /* in `allow missing SEL` the first word is none of the selector */
    return !(lx->allowing && (lx->previous == TOK_ALLOW || lx->previous == ','));
  default: return false;
  }
}

const char *const keyword_names[] = {
#define KEYWORD(word, ...) #word,
#include "grammar/keywords.def"
};
const int keyword_count = sizeof keyword_names / sizeof *keyword_names;
