/* Selectors out of texts that are no script, by the grammar of grammar/parser.y and with its words, but for what only a
 * script has: constants and templates. A path may also hold characters that a script has to quote. And what the
 * grammar needs besides: what a path means. Called by grammar/build.c and by runtime/net. */
#include "runtime/base/selector_parts.h"
#include <errno.h>
#include <stdlib.h>

/* ---- what a path means ---- */

const char *template_brace(const char *text, bool is_quoted) {
  for (const char *at = text; (at = strchr(at, '{')); at++) {
    if (is_quoted) return at;
    size_t inside = strcspn(at, "}");
    if (!memchr(at, ',', inside)) return at;
  }
  return NULL;
}

void selector_set_path(Selector *selector, const char *text) {
  selector->text = text;
  selector->kind = streq(text, "all")        ? SELECT_ALL
                   : streq(text, "backbone") ? SELECT_BACKBONE
                   : streq(text, "head")     ? SELECT_HEAD
                                             : SELECT_NAME;
  selector->is_template = template_brace(text, false) != NULL;
  const char *brace = text;
  while ((brace = strchr(brace, '{')) && !memchr(brace, ',', strcspn(brace, "}"))) brace++;
  selector->is_glob = brace || strpbrk(text, "*?") != NULL;
}

bool selector_counts(const Selector *path, SelectorKind *kind, size_t *before) {
  if (path->kind != SELECT_NAME || path->is_quoted) return false;
  const char *dot = strrchr(path->text, '.'), *word = dot ? dot + 1 : path->text;
  if (streq(word, "children")) *kind = SELECT_CHILDREN;
  else if (streq(word, "parameters")) *kind = SELECT_PARAMETERS;
  else return false;
  *before = dot ? (size_t)(dot - path->text) : 0;
  return true;
}

/* ---- reading ---- */

enum { MOST_NESTED = 100 };

struct Expr { /* a bound of an index: here, nothing but a number */
  int64_t number;
};

typedef struct Reader {
  Arena *arena;
  const char *text, *at;
  const char *wrong; /* NULL: nothing yet */
  int nesting;
} Reader;

static Selector *fail(Reader *r, const char *why) {
  if (!r->wrong)
    r->wrong = *r->at ? arena_printf(r->arena, "%s, before '%.40s'", why, r->at)
                      : arena_printf(r->arena, "%s at its end", why);
  return NULL;
}

static void skip_blanks(Reader *r) { r->at += strspn(r->at, " \t\r\n"); }

static bool take(Reader *r, char c) {
  skip_blanks(r);
  if (*r->at != c) return false;
  r->at++;
  return true;
}

static size_t path_length(const char *at) {
  size_t n = 0;
  for (int braces = 0; at[n] && !(at[n] == '.' && at[n + 1] == '.'); n++) {
    if (strchr(" \t\r\n()[]\"", at[n]) || (at[n] == ',' && braces == 0)) break;
    braces += (at[n] == '{') - (at[n] == '}');
  }
  return n;
}

static bool word_is(const char *at, const char *word) {
  size_t length = path_length(at);
  return length == strlen(word) && memcmp(at, word, length) == 0;
}

static bool take_word(Reader *r, const char *word) {
  skip_blanks(r);
  if (!word_is(r->at, word)) return false;
  r->at += strlen(word);
  return true;
}

static Selector *new_selector(Reader *r, const char *begin, SelectorKind kind, const char *text, Selector *left,
                              Selector *right) {
  Selector *s = arena_new(r->arena, Selector);
  *s = (Selector){.kind = kind, .text = text, .left = left, .right = right};
  s->span = (Span){0, (uint32_t)(begin - r->text), (uint32_t)(r->at - r->text)};
  return s;
}

static Selector *read_quoted(Reader *r) {
  const char *begin = r->at++;
  char *name = arena_alloc(r->arena, strlen(r->at) + 1), *to = name;
  for (; *r->at && *r->at != '"'; r->at++) {
    if (*r->at == '\\' && r->at[1]) r->at++;
    else if ((*r->at == '{' || *r->at == '}') && r->at[1] == *r->at) r->at++; /* as scripts write a brace */
    *to++ = *r->at;
  }
  if (!take(r, '"')) return fail(r, "a '\"' is missing");
  Selector *s = new_selector(r, begin, SELECT_NAME, name, NULL, NULL);
  s->is_quoted = true;
  return s;
}

static bool read_number(Reader *r, struct Expr **out) {
  char *end;
  skip_blanks(r);
  errno = 0;
  long long number = strtoll(r->at, &end, 10);
  if (end == r->at || errno) return false;
  r->at = end;
  *out = arena_new(r->arena, struct Expr);
  **out = (struct Expr){number};
  return true;
}

/* After the `[`. */
static Selector *read_index(Reader *r, const char *begin, Selector *left) {
  Index *index = arena_new(r->arena, Index);
  skip_blanks(r);
  const char *inside = r->at;
  bool any = read_number(r, &index->begin);
  if ((index->is_range = take(r, ':'))) read_number(r, &index->end);
  else if (!any) return fail(r, "a number or a range is expected");
  index->span = (Span){0, (uint32_t)(inside - r->text), (uint32_t)(r->at - r->text)};
  skip_blanks(r);
  if (*r->at == ',') return fail(r, "a region of a tensor cannot be picked here");
  if (!take(r, ']')) return fail(r, "a ']' is expected");
  SelectorKind kind = SELECT_STAGES;
  size_t before;
  Selector *inner = left;
  if (left && selector_counts(left, &kind, &before)) {
    inner = NULL;
    if (before) {
      inner = new_selector(r, begin, SELECT_NAME, NULL, NULL, NULL);
      selector_set_path(inner, arena_strndup(r->arena, left->text, before));
    }
  }
  Selector *s = new_selector(r, begin, kind, NULL, inner, NULL);
  s->index = index;
  return s;
}

static Selector *read_picked(Reader *r) {
  skip_blanks(r);
  const char *begin = r->at;
  Selector *s = NULL;
  size_t length = path_length(r->at);
  if (*r->at == '"') s = read_quoted(r);
  else if (take(r, '[')) s = read_index(r, begin, NULL);
  else if (length > 0) {
    r->at += length;
    s = new_selector(r, begin, SELECT_NAME, NULL, NULL, NULL);
    selector_set_path(s, arena_strndup(r->arena, begin, length));
    s->is_template = false;
  } else return fail(r, "a layer is expected");
  while (s && take(r, '[')) s = read_index(r, begin, s);
  return s;
}

static Selector *read_regex(Reader *r) {
  const char *begin = r->at++, *text = r->at;
  while (*r->at && *r->at != '/') r->at += *r->at == '\\' && r->at[1] ? 2 : 1;
  const char *end = r->at;
  if (*end != '/') return fail(r, "the '/' that closes the regular expression is missing");
  r->at++;
  return new_selector(r, begin, SELECT_REGEX, arena_strndup(r->arena, text, (size_t)(end - text)), NULL, NULL);
}

static Selector *read_selector(Reader *r);
static Selector *read_operand(Reader *r);

/* `every` is a word of its own only before another. */
static bool every_follows(const Reader *r) {
  if (!word_is(r->at, "every")) return false;
  const char *next = r->at + strlen("every");
  next += strspn(next, " \t\r\n");
  return path_length(next) > 0 && !word_is(next, "in") && !word_is(next, "except");
}

static Selector *read_every(Reader *r) {
  const char *begin = r->at;
  take_word(r, "every");
  skip_blanks(r);
  const char *type = r->at;
  size_t length = path_length(type);
  r->at += length;
  Span span = {0, (uint32_t)(type - r->text), (uint32_t)(r->at - r->text)};
  Selector *area = NULL;
  if (take_word(r, "in") && !(area = read_operand(r))) return NULL;
  Selector *s = new_selector(r, begin, SELECT_EVERY, arena_strndup(r->arena, type, length), NULL, area);
  s->type_span = span;
  return s;
}

static Selector *read_one(Reader *r) {
  skip_blanks(r);
  const char *begin = r->at;
  if (*r->at == '/') return read_regex(r);
  if (every_follows(r)) return read_every(r);
  if (take(r, '(')) {
    Selector *s = read_selector(r);
    if (s && !take(r, ')')) return fail(r, "a ')' is expected");
    return s;
  }
  Selector *left = read_picked(r);
  skip_blanks(r);
  if (!left || strncmp(r->at, "..", 2) != 0) return left;
  r->at += 2;
  Selector *right = read_picked(r);
  return right ? new_selector(r, begin, SELECT_RANGE, NULL, left, right) : NULL;
}

static Selector *read_operand(Reader *r) {
  if (r->nesting == MOST_NESTED) return fail(r, "it is nested too deep");
  r->nesting++;
  Selector *s = read_one(r);
  r->nesting--;
  return s;
}

static Selector *read_union(Reader *r) {
  skip_blanks(r);
  const char *begin = r->at;
  Selector *s = read_operand(r);
  while (s && take(r, ',')) {
    Selector *next = read_operand(r);
    s = next ? new_selector(r, begin, SELECT_UNION, NULL, s, next) : NULL;
  }
  return s;
}

static Selector *read_selector(Reader *r) {
  skip_blanks(r);
  const char *begin = r->at;
  Selector *s = read_union(r);
  while (s && take_word(r, "except")) {
    Selector *without = read_union(r);
    s = without ? new_selector(r, begin, SELECT_EXCEPT, NULL, s, without) : NULL;
  }
  return s;
}

Selector *selector_parse(Arena *arena, const char *text, const char **wrong) {
  Reader r = {.arena = arena, .text = text, .at = text};
  Selector *s = read_selector(&r);
  skip_blanks(&r);
  if (s && *r.at) s = fail(&r, "',' or 'except' is expected");
  *wrong = r.wrong;
  return s;
}

/* ---- picking ---- */

typedef struct TextHost {
  SelectHost host;
  Arena *arena;
  const char *message; /* of the first report */
  int reports;
} TextHost;

static void say(SelectHost *host, SelectSay what, const char *code, Span span, const char *text) {
  TextHost *t = (TextHost *)host;
  if (what == SELECT_REPORT) t->reports++;
  if (t->reports > 1 || what == SELECT_FIX) return;
  t->message = what == SELECT_REPORT ? text : arena_printf(t->arena, "%s; %s", t->message, text);
}

static bool bound(SelectHost *host, const struct Expr *expr, int64_t *value) {
  *value = expr->number;
  return true;
}

static bool excused(SelectHost *host, const char *name) { return false; }

static const char *constant(SelectHost *host, const char *name) { return NULL; }

bool selector_pick_text(const SelectNet *net, const char *text, Arena *arena, Picked *out, const char **message) {
  TextHost host = {{say, bound, excused, constant}, arena, NULL, 0};
  Selector whole = {.kind = SELECT_NAME, .text = text};
  const Selector *selector = selector_parse(arena, text, &host.message);
  if (!selector && select_find_module(net, text) > 0) selector = &whole; /* a name that scripts have to quote */
  if (!selector) host.message = arena_printf(arena, "the selector '%.100s' cannot be read: %s", text, host.message);
  bool picked = selector && selector_pick(&host.host, net, selector, false, arena, arena, out);
  *message = host.message;
  return picked;
}
