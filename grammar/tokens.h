/* From characters to the tokens of the parser. lexer.l cuts the text into raw words by their spelling
 * alone; tokens.c knows where a statement begins and ends and which words are keywords there. Only the
 * parts of the parser include this. */
#ifndef SURGERY_GRAMMAR_TOKENS_H
#define SURGERY_GRAMMAR_TOKENS_H
#include "grammar/ast.h"

typedef struct TokenValue { /* of a name, path, number or string */
  const char *text;
  int64_t integer;
  double number;
} TokenValue;

typedef struct Bracket {
  char kind;     /* '(', '[' or '{' */
  bool selector; /* '(' and '[': paths and globs are read again behind it */
  bool settings; /* '{': its statements are settings (of input, train, phase) */
  uint32_t begin;
} Bracket;

typedef struct Queued { /* a token that no characters stand for */
  int token;
  Span span;
  int blocks; /* open braces around it */
} Queued;

/* A token as the formatter wants it: with what stood before it, which its own kind does not tell. */
typedef struct Recorded {
  int token;
  Span span;     /* empty where no characters stand for it */
  bool operand;  /* behind the end of a value: `(` calls, `-` subtracts */
  bool selector; /* where words are paths */
} Recorded;
typedef VEC(Recorded) TokenList;

/* What flex carries along, and the state of tokens.c. */
typedef struct Lexer {
  Arena *arena;
  Diags *diags;
  uint32_t source;
  const char *text;
  uint32_t length;
  void *scanner;   /* flex's */
  uint32_t offset; /* where flex reads next */
  bool ended;      /* flex must not be asked again */

  bool selector; /* words are paths and globs */
  bool at_start; /* the next word begins a statement */
  bool operand;  /* the token before ends a value or a selector, so that a word like `with` may follow */
  bool allowing; /* behind the `allow` of a load */
  int previous;  /* the token before, and where it ended */
  uint32_t previous_end;
  int prefixes; /* how many of - and not stand one behind the other */

  int statement;        /* the keyword that began this statement; 0 for none */
  int statement_blocks; /* braces open around it */
  int statement_tokens; /* how many tokens of it were read */
  int first_token;      /* its first token and where that stands */
  Span first;

  Bracket brackets[AST_MAX_DEPTH];
  int open, blocks;                    /* brackets that are open, and how many of them are braces */
  uint32_t lost_braces, lost_brackets; /* those beyond AST_MAX_DEPTH, while such a statement is skipped */

  Queued queue[4];
  int queued, token_blocks;
  bool recovering;     /* a mistake was reported: the rest of the statement is skipped, not judged */
  bool unclosed;       /* a block that is open at the end of the text was reported */
  uint32_t skip_until; /* up to there it is one statement, as far as skipping goes: a block of Python's */
  int mistakes;
  uint32_t judged;   /* 1 + where the statement began that an action of the parser found fault with */
  int start_token;   /* given first: tells the parser what to read; then 0 */
  TokenList *record; /* every token that the parser gets, and those that it skips after a mistake; NULL: not wanted */
  bool was_operand, was_selector; /* before the token that was read last */
} Lexer;

/* The next token for the parser. */
int next_token(Lexer *lexer, TokenValue *value, Span *span);
/* A newline behind this token does not end the statement: a comma, an operator. */
bool goes_on_behind(int token);
/* Reports, unless a mistake of this statement was reported (then NULL), and skips what is left of it. */
Diag *lexer_report(Lexer *lexer, DiagCode code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* After a mistake: the statement is skipped up to its end, or, where the end itself did not fit, is done with. */
void lexer_unread(Lexer *lexer, bool at_end, Span span);
/* The text of a span, fit to be shown between quotes, cut to a readable length. */
const char *lexer_show(Lexer *lexer, Span span);

/* token_words.c. What keywords.def says of the statement that begins with this token; false where none does. */
bool keyword_has(int token, unsigned flag);
/* A keyword and then a word, a string or a pattern: no value and no list goes on like that. */
bool statement_follows(const Lexer *lexer);
/* Two words side by side: nothing in brackets goes on like that, so that even `freze all` is seen there. */
bool words_follow(const Lexer *lexer);
bool else_follows(const Lexer *lexer);
/* The token for a word at the start of a statement (in a block of `settings` or not), in a value, in a
 * selector. */
int first_word(Lexer *lexer, Span span, bool settings);
int value_word(Lexer *lexer, Span span);
int selector_word(Lexer *lexer, Span span);
bool ends_operand(const Lexer *lexer, int token);

/* token_values.c: false, with a message, when the text is not what it looks like. */
bool number_value(Lexer *lexer, Span span, TokenValue *value, int *token);
bool string_value(Lexer *lexer, Span span, TokenValue *value);
bool regex_value(Lexer *lexer, Span span, TokenValue *value);
void report_bad_character(Lexer *lexer, Span span);
/* block1-0, größe: offers quotes for the name in which this character stands, where a layer is named. */
bool cure_unquoted_name(Lexer *lexer, Diag *diag, Span span);
#endif
