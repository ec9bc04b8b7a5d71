/* The words of a script for editors: the parser's tokens by their kind and their neighbours, and the comments between
 * them. Judges nothing. Called by the language server. */
#include "grammar/words.h"
#include "grammar/parse_internal.h"

typedef struct Reading {
  Arena *arena;
  const char *text;
  const TokenList *tokens;
  int statement; /* the token that began it */
  ScriptWords words;
} Reading;

static bool is_keyword(int token) {
  for (size_t i = 0; i < STMT_KINDS; i++)
    if (keywords[i].token == token) return true;
  static const int joining[] = {TOK_ELSE,  TOK_WITH,   TOK_TO,         TOK_FROM, TOK_BEFORE, TOK_AFTER,
                                TOK_UNDER, TOK_ALLOW,  TOK_CHANNELS,   TOK_OF,   TOK_EVERY,  TOK_IN,
                                TOK_AND,   TOK_EXCEPT, TOK_PARAMETERS, TOK_OR,   TOK_NOT};
  for (size_t i = 0; i < LENGTH(joining); i++)
    if (joining[i] == token) return true;
  return false;
}

static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

static bool spells(const Reading *r, Span span, const char *word) {
  return strlen(word) == span.end - span.begin && memcmp(r->text + span.begin, word, strlen(word)) == 0;
}

/* The next token that characters stand for; 0 at the end of the statement. */
static int token_after(const Reading *r, size_t i) {
  for (i++; i < r->tokens->count; i++)
    if (r->tokens->at[i].span.end > r->tokens->at[i].span.begin || r->tokens->at[i].token == TOK_END)
      return r->tokens->at[i].token == TOK_END ? 0 : r->tokens->at[i].token;
  return 0;
}

static ScriptWordKind kind_of_name(const Reading *r, size_t i, int before, bool first, int brackets) {
  Span span = r->tokens->at[i].span;
  int after = token_after(r, i);
  bool upper = is_upper(r->text[span.begin]);
  if (before == TOK_TAKE || before == TOK_MODEL || before == TOK_EVERY) return WORD_TYPE;
  if (before == TOK_INSERT || ((before == TOK_APPEND || before == TOK_PREPEND) && after == '=')) return WORD_LAYER;
  if (after == '=' && (brackets > 0 || keyword_has(r->statement, STMT_NAMED_VALUES))) return WORD_ARGUMENT;
  if (spells(r, span, "N")) return WORD_CONSTANT; /* the batch, in a shape */
  if (after == '(') return upper ? WORD_TYPE : WORD_FUNCTION;
  if (first && after == '=') return WORD_LAYER;
  return upper && !first ? WORD_TYPE : WORD_VARIABLE;
}

static ScriptWordKind kind_of(const Reading *r, size_t i, int before, bool first, int brackets) {
  const Recorded *t = &r->tokens->at[i];
  char c = r->text[t->span.begin];
  switch (t->token) {
  case TOK_TRUE:
  case TOK_FALSE:
  case TOK_NONE:
  case TOK_HOLE: return WORD_CONSTANT;
  case TOK_INT:
  case TOK_FLOAT: return WORD_NUMBER;
  case TOK_STRING: return WORD_STRING;
  case TOK_REGEX: return WORD_REGEX;
  case TOK_SETTING: return WORD_SETTING;
  case TOK_MEMBER: return WORD_LAYER;
  case TOK_PATH:
    if (before == TOK_EVERY) return WORD_TYPE;
    if (before == TOK_ALLOW || spells(r, t->span, "parameters")) return WORD_KEYWORD;
    return spells(r, t->span, "all") || spells(r, t->span, "N") ? WORD_CONSTANT : WORD_LAYER;
  case TOK_NAME: return kind_of_name(r, i, before, first, brackets);
  default: break;
  }
  if (is_keyword(t->token)) return WORD_KEYWORD;
  if (strchr("()[]{}", c)) return WORD_BRACKET;
  if (c == ',') return WORD_COMMA;
  if (c == '"') return WORD_STRING;
  if (c >= '0' && c <= '9') return WORD_NUMBER;
  return (c >= 'a' && c <= 'z') || is_upper(c) || c == '_' ? WORD_VARIABLE : WORD_OPERATOR;
}

static void add_comments(Reading *r, uint32_t source, uint32_t from, uint32_t to) {
  while (from < to) {
    const char *hash = memchr(r->text + from, '#', to - from);
    if (!hash) return;
    uint32_t begin = (uint32_t)(hash - r->text), end = begin;
    while (end < to && r->text[end] != '\n') end++;
    from = end;
    while (end > begin && r->text[end - 1] == '\r') end--;
    vec_push(r->arena, &r->words, (ScriptWord){WORD_COMMENT, {source, begin, end}, false, false});
  }
}

ScriptWords script_words(Arena *arena, Diags *diags, Sources *sources, uint32_t source, Stmt **tree) {
  TokenList tokens = {0};
  *tree = parse_recording(arena, diags, sources, source, &tokens);
  Reading r = {arena, sources->files.at[source].text, &tokens, 0, {0}};
  uint32_t at = 0, length = sources->files.at[source].length;
  int before = 0, brackets = 0;
  for (size_t i = 0; i < tokens.count; i++) {
    const Recorded *t = &tokens.at[i];
    if (t->token == TOK_END) {
      before = brackets = 0;
      continue;
    }
    if (t->span.end <= t->span.begin || t->span.begin < at)
      continue; /* no characters, or those of a token read again */
    add_comments(&r, source, at, t->span.begin);
    char c = r.text[t->span.begin];
    bool first = before == 0;
    if (first) r.statement = t->token;
    ScriptWordKind kind = kind_of(&r, i, before, first, brackets);
    vec_push(arena, &r.words, (ScriptWord){kind, t->span, first, t->selector});
    at = t->span.end;
    brackets += kind == WORD_BRACKET ? (c == '(' || c == '[') - (c == ')' || c == ']') : 0;
    before = c == '{' && kind == WORD_BRACKET ? 0 : t->token;
  }
  add_comments(&r, source, at, length);
  return r.words;
}
