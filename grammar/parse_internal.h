/* What lexer.l, tokens.c, parser.y and parse.c share. Nobody else includes it. */
#ifndef SURGERY_GRAMMAR_PARSE_INTERNAL_H
#define SURGERY_GRAMMAR_PARSE_INTERNAL_H
#include "grammar/build.h"
#include "grammar/tokens.h"
#include "parser.h"

/* What flex gives besides the parser's tokens; the parser never sees these. */
enum { RAW_NEWLINE = 1000, RAW_SEMICOLON, RAW_OPEN_STRING, RAW_OPEN_REGEX, RAW_SUFFIXED, RAW_BAD };

/* parse.c: as parse(), and the tokens that the parser read, in their order. */
Stmt *parse_recording(Arena *arena, Diags *diags, Sources *sources, uint32_t source, TokenList *tokens);
/* syntax_error.c: the message for a token that does not fit; `expected` are symbol names of the grammar. */
void report_syntax(Lexer *lexer, int found, Span span, const char *const *expected, int count);
/* habits.c. The block that a setting belongs to, or NULL. */
const char *habit_block_of(const char *setting);
/* From `from` to where the statement ends as far as the text alone tells, without blanks and comment. */
Span rest_of_statement(const Lexer *lexer, uint32_t from);
/* `model.fc = nn.Linear(512, 10)`, whose '=' did not fit: says how it is written. False when it is none. */
bool cure_assignment(Lexer *lexer, Diag *diag, Span equals);
void cure_declaration(Lexer *lexer, Diag *diag, const char *word);
/* The keywords, for suggestions. */
extern const char *const keyword_names[];
extern const int keyword_count;
#endif
