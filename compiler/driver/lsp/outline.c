/* What follows from one document's own text: its outline, its folds, its layout, the kinds of its words. Called by
 * server.c. */
#include "compiler/driver/lsp/cursor.h"
#include "grammar/ast.h"
#include <stdlib.h>

/* ---- the outline ---- */

typedef enum OutlineKind { /* of the protocol */
                           OUTLINE_FILE = 1,
                           OUTLINE_MODULE = 2,
                           OUTLINE_CLASS = 5,
                           OUTLINE_METHOD = 6,
                           OUTLINE_FIELD = 8,
                           OUTLINE_INTERFACE = 11,
                           OUTLINE_VARIABLE = 13,
                           OUTLINE_CONSTANT = 14,
                           OUTLINE_OBJECT = 19,
                           OUTLINE_EVENT = 24
} OutlineKind;

static json_t *outline_of(Request *r, const Stmt *first, int depth);

static const char *first_line(Request *r, Span span) {
  const char *text = r->view->text.at + span.begin;
  size_t length = 0;
  while (span.begin + length < span.end && length < 60 && !strchr("\n{", text[length])) length++;
  while (length > 0 && (text[length - 1] == ' ' || ((unsigned char)text[length] & 0xC0) == 0x80)) length--;
  return arena_strndup(r->arena, text, length);
}

static bool outline_kind(const Stmt *s, OutlineKind *kind) {
  switch (s->kind) {
  case STMT_INCLUDE: *kind = OUTLINE_FILE; return true;
  case STMT_TAKE:
  case STMT_INPUT:
  case STMT_TRAIN:
  case STMT_LABELS: *kind = OUTLINE_MODULE; return true;
  case STMT_MODEL: *kind = OUTLINE_CLASS; return true;
  case STMT_FORWARD: *kind = OUTLINE_METHOD; return true;
  case STMT_ASSIGN: *kind = OUTLINE_FIELD; return true;
  case STMT_OUTPUT: *kind = OUTLINE_INTERFACE; return true;
  case STMT_LET: *kind = OUTLINE_VARIABLE; return true;
  case STMT_PARAM: *kind = OUTLINE_CONSTANT; return true;
  case STMT_INSERT:
  case STMT_APPEND:
  case STMT_PREPEND:
  case STMT_REPLACE: *kind = OUTLINE_OBJECT; return true;
  case STMT_PHASE: *kind = OUTLINE_EVENT; return true;
  default: return false;
  }
}

static json_t *outline_item(Request *r, const Stmt *s, OutlineKind kind, int depth) {
  bool named = s->name && s->name_span.end > s->name_span.begin && s->kind != STMT_INPUT && s->kind != STMT_REPLACE;
  const char *name = named ? s->name : first_line(r, s->span);
  if (s->kind == STMT_FORWARD || s->kind == STMT_TRAIN) name = s->kind == STMT_TRAIN ? "train" : "forward";
  Span span = s->span;
  if (named && s->name_span.end > span.end) span.end = s->name_span.end;
  json_t *item = json_pack("{s:o, s:i, s:o, s:o}", "name", json_clean(*name ? name : stmt_title(s)), "kind", kind,
                           "range", request_range(r, span), "selectionRange",
                           request_range(r, named ? s->name_span : (Span){span.source, span.begin, span.begin}));
  if (s->kind == STMT_ASSIGN && s->value)
    json_object_set_new(item, "detail", json_clean(first_line(r, s->value->span)));
  json_t *children = s->kind == STMT_FORWARD ? json_array() : outline_of(r, s->body, depth + 1);
  if (json_array_size(children)) json_object_set_new(item, "children", children);
  else json_decref(children);
  return item;
}

static json_t *outline_of(Request *r, const Stmt *first, int depth) {
  json_t *list = json_array();
  for (const Stmt *s = first; s && depth < AST_MAX_DEPTH; s = s->next) {
    OutlineKind kind;
    if (s->kind == STMT_IF || s->kind == STMT_FOR) { /* what is in them belongs to what is around */
      json_t *inner = outline_of(r, s->body, depth + 1), *other = outline_of(r, s->other, depth + 1);
      json_array_extend(list, inner);
      json_array_extend(list, other);
      json_decref(inner);
      json_decref(other);
    } else if (outline_kind(s, &kind)) json_array_append_new(list, outline_item(r, s, kind, depth));
  }
  return list;
}

json_t *answer_symbols(Request *r) { return outline_of(r, r->view->tree, 0); }

/* ---- folds ---- */

static void add_fold(Request *r, json_t *list, uint32_t begin, uint32_t end, const char *kind) {
  size_t first, last, character;
  text_place(&r->view->text, ENCODING_UTF8, begin, &first, &character);
  text_place(&r->view->text, ENCODING_UTF8, end, &last, &character);
  if (last <= first) return;
  json_t *fold = json_pack("{s:I, s:I}", "startLine", (json_int_t)first, "endLine", (json_int_t)last);
  if (kind) json_object_set_new(fold, "kind", json_string(kind));
  json_array_append_new(list, fold);
}

static size_t line_of(const Request *r, uint32_t offset) {
  size_t line, character;
  text_place(&r->view->text, ENCODING_UTF8, offset, &line, &character);
  return line;
}

json_t *answer_folding(Request *r) {
  json_t *list = json_array();
  const ScriptWords *words = &r->view->words;
  uint32_t open[AST_MAX_DEPTH];
  int depth = 0;
  for (size_t i = 0; i < words->count; i++) {
    const ScriptWord *w = &words->at[i];
    char c = w->kind == WORD_BRACKET ? r->view->text.at[w->span.begin] : 0;
    if (c && strchr("([{", c) && depth < AST_MAX_DEPTH) open[depth++] = w->span.begin;
    else if (c && strchr(")]}", c) && depth > 0) add_fold(r, list, open[--depth], w->span.begin, NULL);
    if (w->kind != WORD_COMMENT) continue;
    size_t last = i; /* comments on lines that follow each other */
    while (last + 1 < words->count && words->at[last + 1].kind == WORD_COMMENT &&
           line_of(r, words->at[last + 1].span.begin) == line_of(r, words->at[last].span.begin) + 1)
      last++;
    add_fold(r, list, w->span.begin, words->at[last].span.end, "comment");
    i = last;
  }
  return list;
}

/* ---- layout ---- */

json_t *answer_formatting(Request *r) {
  Session *s = &r->a->s;
  Diags unheard = {.arena = r->arena, .sources = &s->sources};
  size_t length;
  const char *text = format_script(r->arena, &unheard, &s->sources, r->source, &length);
  if (!text) { /* its mistakes are shown already */
    r->refusal = "a script with mistakes of syntax is not laid out";
    return NULL;
  }
  const char *old = r->view->text.at;
  size_t most = r->view->text.length, begin = 0, tail = 0;
  while (begin < most && begin < length && old[begin] == text[begin]) begin++;
  while (tail < most - begin && tail < length - begin && old[most - tail - 1] == text[length - tail - 1]) tail++;
  if (begin == most && begin == length) return json_array();
  while (begin > 0 && ((unsigned char)old[begin] & 0xC0) == 0x80) begin--; /* whole characters */
  while (tail > 0 && ((unsigned char)old[most - tail] & 0xC0) == 0x80) tail--;
  const char *new = arena_strndup(r->arena, text + begin, length - tail - begin);
  return json_pack("[{s:o, s:o}]", "range", text_range(&r->view->text, r->server->encoding, begin, most - tail),
                   "newText", json_clean(new));
}

/* ---- kinds of words ---- */

/* In the order of the legend in methods.def; -1: editors colour it themselves, or not at all. */
static int token_type(ScriptWordKind kind) {
  static const int types[WORD_KINDS] = {
      [WORD_KEYWORD] = 0,  [WORD_TYPE] = 1,     [WORD_FUNCTION] = 2,  [WORD_LAYER] = 3,    [WORD_SETTING] = 4,
      [WORD_ARGUMENT] = 5, [WORD_VARIABLE] = 6, [WORD_CONSTANT] = 7,  [WORD_NUMBER] = 8,   [WORD_STRING] = 9,
      [WORD_REGEX] = 10,   [WORD_COMMENT] = 11, [WORD_OPERATOR] = 12, [WORD_BRACKET] = -1, [WORD_COMMA] = -1};
  return types[kind];
}

static json_t *encode_tokens(Request *r, uint32_t begin, uint32_t end) {
  json_t *data = json_array();
  size_t line_before = 0, character_before = 0;
  for (size_t i = 0; i < r->view->words.count; i++) {
    const ScriptWord *w = &r->view->words.at[i];
    int type = token_type(w->kind);
    size_t line, character, end_line, end_character;
    if (type < 0 || w->span.end <= begin || w->span.begin >= end) continue;
    text_place(&r->view->text, r->server->encoding, w->span.begin, &line, &character);
    text_place(&r->view->text, r->server->encoding, w->span.end, &end_line, &end_character);
    if (end_line != line || end_character <= character) continue;
    size_t numbers[5] = {line - line_before, line == line_before ? character - character_before : character,
                         end_character - character, (size_t)type, 0};
    for (int k = 0; k < 5; k++) json_array_append_new(data, json_integer((json_int_t)numbers[k]));
    line_before = line, character_before = character;
  }
  return data;
}

/* Remembers what was sent, so that the next answer can say what changed. */
static json_t *keep_tokens(Request *r, json_t *data) {
  Document *d = r->document;
  json_decref(d->words);
  d->words = json_incref(data);
  d->words_id++;
  return json_string(arena_printf(r->arena, "%u", d->words_id));
}

json_t *answer_tokens(Request *r) {
  json_t *data = encode_tokens(r, 0, UINT32_MAX);
  return json_pack("{s:o, s:o}", "resultId", keep_tokens(r, data), "data", data);
}

json_t *answer_tokens_range(Request *r) {
  const json_t *range = json_object_get(r->params, "range");
  const json_t *start = json_object_get(range, "start"), *end = json_object_get(range, "end");
  size_t from = text_offset(&r->view->text, r->server->encoding, json_integer_value(json_object_get(start, "line")), 0);
  size_t to = text_offset(&r->view->text, r->server->encoding, json_integer_value(json_object_get(end, "line")),
                          json_integer_value(json_object_get(end, "character")));
  return json_pack("{s:o}", "data", encode_tokens(r, (uint32_t)from, (uint32_t)to));
}

json_t *answer_tokens_delta(Request *r) {
  const char *known = json_string_value(json_object_get(r->params, "previousResultId"));
  json_t *old = json_incref(r->document->words);
  bool same = old && streq(known, arena_printf(r->arena, "%u", r->document->words_id));
  json_t *data = encode_tokens(r, 0, UINT32_MAX), *id = keep_tokens(r, data);
  if (!same) {
    json_decref(old);
    return json_pack("{s:o, s:o}", "resultId", id, "data", data);
  }
  size_t before = json_array_size(old), after = json_array_size(data), begin = 0, tail = 0;
  while (begin < before && begin < after && json_equal(json_array_get(old, begin), json_array_get(data, begin)))
    begin++;
  while (tail < before - begin && tail < after - begin &&
         json_equal(json_array_get(old, before - 1 - tail), json_array_get(data, after - 1 - tail)))
    tail++;
  json_t *fresh = json_array(), *edits = json_array();
  for (size_t i = begin; i < after - tail; i++) json_array_append(fresh, json_array_get(data, i));
  if (before != after || begin != before)
    json_array_append_new(edits, json_pack("{s:I, s:I, s:o}", "start", (json_int_t)begin, "deleteCount",
                                           (json_int_t)(before - tail - begin), "data", fresh));
  else json_decref(fresh);
  json_decref(old);
  json_decref(data);
  return json_pack("{s:o, s:o}", "resultId", id, "edits", edits);
}
