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
/* migration.c. The block that a setting belongs to, or NULL. */
const char *migration_block_of(const char *setting);
/* From `from` to where the statement ends as far as the text alone tells, without blanks and comment. */
Span rest_of_statement(const Lexer *lexer, uint32_t from);
/* Without `nn.`, `torch.nn.`, `torch.`, `self.` in front of names. */
const char *without_modules(Arena *arena, const char *text);
/* `model.layer4[0].conv1` → `layer4.0.conv1`, `model` → `all`; NULL when it is no path of a network. */
const char *path_of_network(Arena *arena, const char *text);
/* migration_blocks.c: the statement that is being read, with the lines below it where it ends with a colon and these
 * are indented, as in Python. */
Span whole_statement(const Lexer *lexer);
/* The same in braces, or NULL. */
const char *block_in_braces(const Lexer *lexer, Span whole);
/* Several settings in one statement of a block; false: there is only one. */
bool cure_settings(Lexer *lexer, Diag *diag);
/* syntax_error.c: one of the forms of migration_statements.c, or a Python block; false: none. */
bool cure_statement(Lexer *lexer, Diag *diag);
/* `model.fc = nn.Linear(512, 10)`, whose '=' did not fit: says how it is written. False when it is none. */
bool cure_assignment(Lexer *lexer, Diag *diag, Span equals);
void cure_declaration(Lexer *lexer, Diag *diag, const char *word);
/* The keywords, for suggestions. */
extern const char *const keyword_names[];
extern const int keyword_count;
#endif
