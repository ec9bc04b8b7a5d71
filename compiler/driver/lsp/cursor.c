/* Around a place: by the words only, so that it works where the parser gives up. Called by whatever has a cursor. */
#include "compiler/driver/lsp/cursor.h"

const char *word_text(Arena *arena, const SourceView *view, int word) {
  if (word < 0) return "";
  Span span = view->words.at[word].span;
  return arena_strndup(arena, view->text.at + span.begin, span.end - span.begin);
}

bool word_is(const SourceView *view, int word, const char *text) {
  if (word < 0 || (size_t)word >= view->words.count) return false;
  Span span = view->words.at[word].span;
  return span.end - span.begin == strlen(text) && memcmp(view->text.at + span.begin, text, strlen(text)) == 0;
}

StmtKind word_keyword(const SourceView *view, int word) {
  for (int i = 0; word >= 0 && i < STMT_KINDS; i++)
    if (keywords[i].word && word_is(view, word, keywords[i].word)) return (StmtKind)i;
  return STMT_KINDS;
}

static char bracket_of(const SourceView *view, int word) {
  const ScriptWord *w = &view->words.at[word];
  return w->kind == WORD_BRACKET ? view->text.at[w->span.begin] : 0;
}

static BlockKind block_kind(const SourceView *view, int first, BlockKind outer) {
  switch (word_keyword(view, first)) {
  case STMT_MODEL: return BLOCK_MODEL;
  case STMT_FORWARD: return BLOCK_FORWARD;
  case STMT_TRAIN: return BLOCK_TRAIN;
  case STMT_PHASE: return BLOCK_PHASE;
  case STMT_INPUT: return BLOCK_INPUT;
  default: return outer; /* if, for */
  }
}

static bool is_name(ScriptWordKind kind) {
  return kind != WORD_OPERATOR && kind != WORD_BRACKET && kind != WORD_COMMA && kind != WORD_COMMENT;
}

/* Does a newline that ends a statement lie between? As the lexer has it: not in brackets, nor after a comma. */
static bool line_ended(const SourceView *view, int word, uint32_t offset, bool open) {
  const ScriptWord *w = &view->words.at[word];
  const char *from = view->text.at + w->span.end, *to = view->text.at + offset;
  if (memchr(from, ';', (size_t)(to - from))) return true;
  if (open || w->kind == WORD_COMMA || w->kind == WORD_OPERATOR) return false;
  return memchr(from, '\n', (size_t)(to - from)) != NULL;
}

typedef struct OpenCall {
  int word, argument, named; /* as in Cursor */
} OpenCall;

typedef struct Scan { /* the words from the beginning up to the place */
  const SourceView *view;
  BlockKind block[AST_MAX_DEPTH];
  int block_word[AST_MAX_DEPTH], depth; /* blocks that are open; 0 is the script */
  OpenCall calls[AST_MAX_DEPTH];
  int open;        /* round and square brackets of the statement */
  int first, last; /* the statement's first word, -1: none; the last word that was passed */
} Scan;

static void pass_brace(Scan *s, bool opens) {
  if (opens && s->depth + 1 < AST_MAX_DEPTH) {
    s->depth++;
    s->block[s->depth] = block_kind(s->view, s->first, s->block[s->depth - 1]);
    s->block_word[s->depth] = s->first;
  } else if (!opens && s->depth > 0) s->depth--;
  s->first = -1;
  s->open = 0;
}

static void pass_word(Scan *s, int word) {
  const ScriptWord *w = &s->view->words.at[word];
  char bracket = bracket_of(s->view, word);
  OpenCall *call = s->open > 0 ? &s->calls[s->open - 1] : NULL;
  if (w->first) s->first = word, s->open = 0;
  if (bracket == '{' || bracket == '}') pass_brace(s, bracket == '{');
  else if ((bracket == '(' || bracket == '[') && s->open < AST_MAX_DEPTH) s->calls[s->open++] = (OpenCall){word, 0, -1};
  else if ((bracket == ')' || bracket == ']') && s->open > 0) s->open--;
  else if (w->kind == WORD_COMMA && call) *call = (OpenCall){call->word, call->argument + 1, -1};
  else if (w->kind == WORD_OPERATOR && word_is(s->view, word, "=") && call) call->named = s->last;
  s->last = word;
}

/* The statement around the place, from what was passed. */
static void settle(const Scan *s, Cursor *c) {
  int first = s->first;
  if (c->word >= 0 && s->view->words.at[c->word].first) first = -1;
  if (first >= 0 && s->last >= 0 && c->word < 0 && line_ended(s->view, s->last, c->offset, s->open > 0)) first = -1;
  c->block = s->block[s->depth];
  c->block_word = s->block_word[s->depth];
  c->first = first;
  if (first < 0) return;
  c->before = s->last;
  c->stmt = word_keyword(s->view, first);
  for (int i = s->open; i-- > 0 && c->call < 0;)
    if (bracket_of(s->view, s->calls[i].word) == '(')
      c->call = s->calls[i].word, c->argument = s->calls[i].argument, c->named = s->calls[i].named;
}

Cursor cursor_at(const SourceView *view, uint32_t offset) {
  Cursor c = {view, offset, -1, -1, -1, STMT_KINDS, BLOCK_SCRIPT, -1, false, -1, 0, -1};
  Scan s = {.view = view, .block_word = {-1}, .first = -1, .last = -1};
  for (size_t i = 0; i < view->words.count; i++) {
    const ScriptWord *w = &view->words.at[i];
    if (w->span.begin > offset || (w->span.begin == offset && !is_name(w->kind))) break;
    if (w->kind == WORD_COMMENT) {
      c.in_comment = c.in_comment || (offset > w->span.begin && offset <= w->span.end);
      continue;
    }
    if (w->span.end > offset || (w->span.end == offset && is_name(w->kind))) {
      c.word = (int)i;
      if (w->first) s.first = (int)i, s.open = 0;
      break;
    }
    pass_word(&s, (int)i);
  }
  settle(&s, &c);
  return c;
}
