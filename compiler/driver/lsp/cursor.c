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

Cursor cursor_at(const SourceView *view, uint32_t offset) {
  Cursor c = {view, offset, -1, -1, -1, STMT_KINDS, BLOCK_SCRIPT, -1, false, -1, 0, -1};
  enum { MOST = AST_MAX_DEPTH };
  struct {
    BlockKind kind;
    int word;
  } blocks[MOST];
  struct {
    int word, argument, named;
  } calls[MOST];
  int depth = 0, open = 0, first = -1, last = -1;
  blocks[0].kind = BLOCK_SCRIPT, blocks[0].word = -1;
  for (size_t i = 0; i < view->words.count; i++) {
    const ScriptWord *w = &view->words.at[i];
    if (w->span.begin > offset || (w->span.begin == offset && !is_name(w->kind))) break;
    bool inside = w->span.end > offset || (w->span.end == offset && is_name(w->kind));
    if (w->kind == WORD_COMMENT) {
      if (offset > w->span.begin && inside) c.in_comment = true;
      if (offset == w->span.end && offset > w->span.begin) c.in_comment = true;
      continue;
    }
    if (w->first) first = (int)i, open = 0;
    if (inside) {
      c.word = (int)i;
      if (w->span.begin < offset || w->span.end > offset) break;
    }
    char bracket = bracket_of(view, (int)i);
    if (bracket == '{') {
      if (depth + 1 < MOST) {
        depth++;
        blocks[depth].kind = block_kind(view, first, blocks[depth - 1].kind), blocks[depth].word = first;
      }
      first = -1, open = 0;
    } else if (bracket == '}') {
      if (depth > 0) depth--;
      first = -1, open = 0;
    } else if (bracket == '(' || bracket == '[') {
      if (open < MOST) calls[open].word = (int)i, calls[open].argument = 0, calls[open].named = -1, open++;
    } else if (bracket) {
      if (open > 0) open--;
    } else if (w->kind == WORD_COMMA && open > 0) {
      calls[open - 1].argument++;
      calls[open - 1].named = -1;
    } else if (w->kind == WORD_OPERATOR && view->text.at[w->span.begin] == '=' && w->span.end == w->span.begin + 1 &&
               open > 0 && last >= 0) {
      calls[open - 1].named = last;
    }
    last = (int)i;
  }
  if (c.word >= 0 && view->words.at[c.word].first) first = -1;
  if (first >= 0 && last >= 0 && c.word < 0 && line_ended(view, last, offset, open > 0)) first = -1;
  c.first = first;
  if (first >= 0) {
    c.before = last;
    c.stmt = word_keyword(view, first);
    for (int i = open; i-- > 0 && c.call < 0;)
      if (bracket_of(view, calls[i].word) == '(')
        c.call = calls[i].word, c.argument = calls[i].argument, c.named = calls[i].named;
  }
  c.block = blocks[depth].kind;
  c.block_word = blocks[depth].word;
  return c;
}
