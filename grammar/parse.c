/* parse() and parse_expression(): one run of the parser over one source. Called by the front end. */
#include "grammar/parse_internal.h"
#include <errno.h>

typedef void *yyscan_t;
int surgery_yylex_init_extra(Lexer *extra, yyscan_t *scanner);
int surgery_yylex_destroy(yyscan_t scanner);
struct yy_buffer_state *surgery_yy_scan_bytes(const char *bytes, int length, yyscan_t scanner);

static ParseResult run_parser(Arena *arena, Diags *diags, Sources *sources, uint32_t source, uint32_t begin, int start,
                              TokenList *record) {
  const Source *file = &sources->files.at[source];
  Lexer *lexer = arena_new(arena, Lexer);
  lexer->arena = arena;
  lexer->diags = diags;
  lexer->source = source;
  lexer->text = file->text;
  lexer->length = file->length;
  lexer->start_token = start;
  lexer->record = record;
  lexer->at_start = start == TOK_START_SCRIPT;
  lexer->offset = begin;
  /* A byte order mark, as some editors write it, is no part of the script. */
  if (file->length >= 3 && memcmp(file->text, "\xEF\xBB\xBF", 3) == 0) lexer->offset = 3;
  errno = 0;
  if (surgery_yylex_init_extra(lexer, &lexer->scanner)) fail_environment("reading %s", file->path);
  surgery_yy_scan_bytes(file->text + lexer->offset, (int)(file->length - lexer->offset), lexer->scanner);
  ParseResult result = {0};
  surgery_yyparse(lexer, &result);
  surgery_yylex_destroy(lexer->scanner);
  return result;
}

Stmt *parse(Arena *arena, Diags *diags, Sources *sources, uint32_t source) {
  return run_parser(arena, diags, sources, source, 0, TOK_START_SCRIPT, NULL).script;
}

Stmt *parse_recording(Arena *arena, Diags *diags, Sources *sources, uint32_t source, TokenList *tokens) {
  return run_parser(arena, diags, sources, source, 0, TOK_START_SCRIPT, tokens).script;
}

Expr *parse_expression(Arena *arena, Diags *diags, Sources *sources, uint32_t source, uint32_t begin) {
  size_t errors = diags->errors;
  Expr *expr = run_parser(arena, diags, sources, source, begin, TOK_START_EXPRESSION, NULL).expression;
  return diags->errors == errors ? expr : NULL;
}
