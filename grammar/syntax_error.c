/* The message for a token that does not fit: what stands there, what may stand there, and the likely cure
 * (a misspelt keyword, or how the statement is written). Must not change what the parser does. Called by
 * parser.y. */
#include "grammar/parse_internal.h"
#include <ctype.h>

static bool named(const char *const *names, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (streq(names[i], name)) return true;
  return false;
}

static const char *form_of(int statement) {
  for (size_t i = 0; i < STMT_KINDS; i++)
    if (statement && keywords[i].token == statement) return keywords[i].form;
  return NULL;
}

static bool is_keyword(const char *word) {
  for (int i = 0; i < keyword_count; i++)
    if (streq(keyword_names[i], word)) return true;
  return false;
}

/* What need not be listed one by one: the beginnings of a value or a selector, and how either may go on. */
static bool part_of(const char *const *all, int count, const char *name) {
  static const char *const value_begins[] = {"a name", "a string", "an integer", "a number", "'true'", "'false'",
                                             "'none'", "'_'",      "'not'",      "'-'",      "'('",    "'['"};
  static const char *const selector_begins[] = {"a layer", "a string", "a regular expression", "'every'",
                                                "'('",     "'['",      "'parameters'"};
  static const char *const value_goes_on[] = {"'+'",   "'-'",  "'*'",      "'/'",  "'%'",  "'//'",
                                              "'<'",   "'>'",  "'<='",     "'>='", "'=='", "'!='",
                                              "'and'", "'or'", "a member", "'('",  "'['",  "an assignment"};
  static const char *const selector_goes_on[] = {"'except'", "'..'", "'['", "'in'", "','"};
  static const struct {
    const char *sign; /* stands for the whole group when it is expected */
    const char *const *names;
    int count;
  } groups[] = {
      {"an integer", value_begins, sizeof value_begins / sizeof *value_begins},
      {"a regular expression", selector_begins, sizeof selector_begins / sizeof *selector_begins},
      {"'*'", value_goes_on, sizeof value_goes_on / sizeof *value_goes_on},
      {"a member", value_goes_on, sizeof value_goes_on / sizeof *value_goes_on},
      {"'except'", selector_goes_on, sizeof selector_goes_on / sizeof *selector_goes_on},
  };
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    if (named(all, count, groups[i].sign) && named(groups[i].names, groups[i].count, name)) return true;
  return false;
}

/* "',' or ')'", or NULL when there is too much to be listed. */
static const char *expectation(Lexer *lx, const char *const *names, int count) {
  enum { MOST_LISTED = 4 };
  const char *listed[MOST_LISTED + 2];
  int n = 0;
  if (named(names, count, "an integer")) listed[n++] = "a value";
  if (named(names, count, "a regular expression")) listed[n++] = "a selector";
  bool statements = named(names, count, "'take'"); /* any statement may begin here */
  if (statements) return "a statement";
  for (int i = 0; i < count; i++) {
    if (part_of(names, count, names[i])) continue;
    if (n == MOST_LISTED) return NULL;
    listed[n++] = names[i];
  }
  if (n == 0) return NULL;
  const char *text = listed[0];
  for (int i = 1; i < n; i++) text = arena_printf(lx->arena, "%s%s%s", text, i == n - 1 ? " or " : ", ", listed[i]);
  return text;
}

static const char *text_of(Lexer *lx, Span span) {
  uint32_t length = span.end - span.begin;
  return arena_strndup(lx->arena, lx->text + span.begin, length < 200 ? length : 200);
}

/* `lod = …`, `lod(…)` and `lod.x` are about something called lod, not a misspelt load. */
static bool names_something(const Lexer *lx) {
  uint32_t at = lx->first.end;
  while (at < lx->length && (lx->text[at] == ' ' || lx->text[at] == '\t')) at++;
  return at < lx->length && strchr("=(.,", lx->text[at]);
}

/* `forward(x):` and the lines below: skipped as a whole. */
static bool cure_block(Lexer *lx, Diag *diag, Span whole) {
  Span head = rest_of_statement(lx, whole.begin);
  if (head.end == head.begin || lx->text[head.end - 1] != ':' || whole.end == head.end) return false;
  lx->skip_until = whole.end;
  const char *braces = block_in_braces(lx, whole);
  const char *instead, *help = migration_of(text_of(lx, lx->first), &instead);
  diag_help(lx->diags, diag, "%s", help ? help : "a block is written in braces, not after a colon: { … }");
  if (braces) diag_fix(lx->diags, diag, whole, "%s", braces);
  return true;
}

bool cure_statement(Lexer *lx, Diag *diag) {
  Span whole = whole_statement(lx);
  const char *fix, *help = migration_statement(
                       lx->arena, arena_strndup(lx->arena, lx->text + whole.begin, whole.end - whole.begin), &fix);
  if (!help) return cure_block(lx, diag, whole);
  lx->skip_until = whole.end;
  diag_help(lx->diags, diag, "%s", help);
  if (fix) diag_fix(lx->diags, diag, whole, "%s", fix);
  return true;
}

/* One word instead of the first, or the whole statement in the block where it belongs. */
static void help_first_word(Lexer *lx, Diag *diag, const char *word, const char *near) {
  const char *instead, *help = migration_of(word, &instead), *block = migration_block_of(word);
  Span whole = rest_of_statement(lx, lx->first.begin);
  if (cure_statement(lx, diag)) return;
  if (instead) {
    diag_suggest(lx->diags, diag, lx->first, instead);
  } else if (help) {
    diag_help(lx->diags, diag, "%s", help);
    if (migration_is_line_to_drop(word)) diag_fix(lx->diags, diag, whole, "%s", "");
    cure_declaration(lx, diag, word);
  } else if (block) {
    diag_help(lx->diags, diag, "it belongs in a block: %s { %s … }", block, word);
    diag_fix(lx->diags, diag, whole, "%s { %s }", block, text_of(lx, whole));
  } else if (near && streq(near, word)) { /* group and phase outside a train block */
    diag_help(lx->diags, diag, "it belongs in a block: train { %s … }", word);
  } else if (near) {
    diag_suggest(lx->diags, diag, lx->first, near);
  } else {
    diag_help(lx->diags, diag,
              "statements begin with a keyword such as take, remove, replace, insert, append, freeze, "
              "input or train; a layer in a model is declared as NAME = LAYER");
  }
}

/* The first word is a name, but no statement goes on like this. */
static bool report_first_word(Lexer *lx) {
  if ((lx->first_token != TOK_NAME && lx->first_token != TOK_SETTING) || names_something(lx)) return false;
  const char *word = text_of(lx, lx->first), *instead;
  const char *near = nearest_name(word, keyword_names, (size_t)keyword_count);
  bool known = (near && streq(near, word)) || migration_block_of(word);
  bool second = lx->statement_tokens == 2 || migration_of(word, &instead) || instead;
  if ((!near || known) && (!second || lx->first_token == TOK_SETTING)) return false;
  Diag *diag = lexer_report(lx, DIAG_E0001, lx->first, "'%s' does not begin a statement%s", lexer_show(lx, lx->first),
                            known ? " here" : "");
  if (diag) help_first_word(lx, diag, word, near);
  return true;
}

/* A word that is nearly one of the keywords which may stand here. */
static const char *misspelt(Lexer *lx, Span span, const char *const *names, int count) {
  const char *words[128];
  size_t n = 0;
  for (int i = 0; i < count && n < 128; i++) {
    size_t length = strlen(names[i]);
    if (length < 4 || names[i][0] != '\'' || names[i][1] < 'a' || names[i][1] > 'z') continue;
    words[n++] = arena_strndup(lx->arena, names[i] + 1, length - 2);
  }
  return nearest_name(text_of(lx, span), words, n);
}

/* ---- cures: each says how the statement is written, if the mistake is of its kind ---- */

typedef struct Misfit { /* a token that cannot stand where it stands */
  Lexer *lx;
  Diag *diag;
  Span span;
  const char *const *names; /* what could */
  int count;
} Misfit;

static char char_at(const Misfit *m, uint32_t offset) { return offset < m->lx->length ? m->lx->text[offset] : '\0'; }
static bool wants(const Misfit *m, const char *name) { return named(m->names, m->count, name); }

/* Behind the word before, without the blanks. */
static Span gap_before(const Misfit *m) {
  uint32_t at = m->span.begin;
  while (at > 0 && (m->lx->text[at - 1] == ' ' || m->lx->text[at - 1] == '\t')) at--;
  return (Span){m->lx->source, at, m->span.begin};
}

/* with, to, from, in: one word is missing, or another stands in its place. */
static bool cure_joining_word(const Misfit *m) {
  static const char *const joining[] = {"'with'", "'to'", "'from'", "'in'"};
  static const char *const others[] = {"by", "as",   "into", "of", "using", "for", "with",
                                       "to", "from", "=",    "->", "=>",    ":"};
  const char *wanted = NULL;
  for (size_t i = 0; i < sizeof joining / sizeof *joining && !wanted; i++)
    if (wants(m, joining[i])) wanted = joining[i];
  if (!wanted) return false;
  wanted = arena_strndup(m->lx->arena, wanted + 1, strlen(wanted) - 2);
  Span found = m->span;
  char first = char_at(m, found.begin), next = char_at(m, found.begin + 1);
  if ((first == '-' || first == '=') && next == '>') found.end = found.begin + 2;
  if (named(others, sizeof others / sizeof *others, text_of(m->lx, found))) {
    diag_suggest(m->lx->diags, m->diag, found, wanted);
    return true;
  }
  bool from = streq(wanted, "from"), word = isalpha((unsigned char)first);
  if (streq(wanted, "in")) word = isalnum((unsigned char)first) || first == '[';
  if (!(word || (from && first == '"')) || (from && word && !streq(text_of(m->lx, found), "random"))) return false;
  diag_help(m->lx->diags, m->diag, "'%s' is missing before %s", wanted, lexer_show(m->lx, found));
  diag_fix(m->lx->diags, m->diag, (Span){found.source, found.begin, found.begin}, "%s ", wanted);
  return true;
}

/* Linear(512 10), freeze layer1 layer2, freeze layer1 and layer2 */
static bool cure_comma(const Misfit *m) {
  char first = char_at(m, m->span.begin);
  bool value = isalnum((unsigned char)first) || first == '"' || first == '_';
  if (!wants(m, "','") || !value) return false;
  Span gap = gap_before(m);
  if (gap.begin == gap.end) return false;
  const char *word = text_of(m->lx, m->span);
  if (is_keyword(word)) return false; /* for, if: no value begins with it */
  if (streq(word, "and") || streq(word, "or")) {
    diag_help(m->lx->diags, m->diag, "several are separated by commas");
    diag_fix(m->lx->diags, m->diag, span_join(gap, m->span), ",");
    return true;
  }
  diag_help(m->lx->diags, m->diag, "a comma is missing before %s", lexer_show(m->lx, m->span));
  diag_fix(m->lx->diags, m->diag, (Span){gap.source, gap.begin, gap.begin}, ",");
  return true;
}

/* `if deep: freeze layer1` and `epochs: 5` */
static bool cure_colon(const Misfit *m) {
  if (char_at(m, m->span.begin) != ':') return false;
  Lexer *lx = m->lx;
  if (wants(m, "'{'")) {
    Span rest = rest_of_statement(lx, m->span.end);
    diag_help(lx->diags, m->diag, "a block is written in braces: { … }");
    uint32_t from = rest.begin;
    while (from < rest.end && lx->text[from] == ' ') from++;
    if (from < rest.end)
      diag_fix(lx->diags, m->diag, (Span){rest.source, m->span.begin, rest.end}, " { %s }",
               arena_strndup(lx->arena, lx->text + from, rest.end - from));
    return true;
  }
  if (lx->first_token != TOK_SETTING) return false;
  diag_help(lx->diags, m->diag, "a setting is written without ':'");
  diag_fix(lx->diags, m->diag, m->span, "%s", "");
  return true;
}

static bool compares(char c) { return c == '<' || c == '>' || c == '=' || c == '!'; }

/* `freeze all replace fc with …`: two statements on one line. `forward(x) {`: a call's brackets. */
static bool cure_statements(const Misfit *m) {
  Lexer *lx = m->lx;
  const char *word = text_of(lx, m->span);
  Span gap = gap_before(m);
  if (char_at(m, m->span.begin) == '(' && lx->statement == TOK_FORWARD) {
    Span rest = rest_of_statement(lx, m->span.end);
    const char *close = memchr(lx->text + rest.begin, ')', rest.end - rest.begin);
    if (!close) return false;
    uint32_t end = (uint32_t)(close - lx->text);
    const char *inside = arena_strndup(lx->arena, lx->text + rest.begin, end - rest.begin);
    if (strncmp(inside, "self", 4) == 0) inside += 4 + strspn(inside + 4, ", ");
    diag_help(lx->diags, m->diag, "its values are named without brackets: forward %s { … }", inside);
    diag_fix(lx->diags, m->diag, (Span){gap.source, gap.begin, end + 1}, " %s", inside);
    return true;
  }
  if (gap.begin == gap.end || !is_keyword(word) || !wants(m, "the end of the statement")) return false;
  diag_help(lx->diags, m->diag, "statements are separated by ';' or a newline");
  diag_fix(lx->diags, m->diag, (Span){gap.source, gap.begin, gap.begin}, ";");
  return true;
}

/* 1 < n < 5: the middle is compared twice. */
static bool cure_chain(const Misfit *m) {
  Lexer *lx = m->lx;
  uint32_t at = m->span.begin, from = at, first = lx->first.begin;
  if (!compares(char_at(m, at)) || !wants(m, "'and'")) return false;
  while (from > first && !compares(lx->text[from - 1]) && !strchr("\n;({,", lx->text[from - 1])) from--;
  if (from == first || !compares(lx->text[from - 1])) return false;
  while (from < at && lx->text[from] == ' ') from++;
  uint32_t to = at;
  while (to > from && lx->text[to - 1] == ' ') to--;
  if (to == from) return false;
  const char *middle = arena_strndup(lx->arena, lx->text + from, to - from);
  diag_help(lx->diags, m->diag, "comparisons do not chain: … and %s …", middle);
  diag_fix(lx->diags, m->diag, (Span){lx->source, at, at}, "and %s ", middle);
  return true;
}

/* Operators and comments of other languages. */
static bool cure_operator(const Misfit *m) {
  Lexer *lx = m->lx;
  uint32_t at = m->span.begin;
  char first = char_at(m, at), next = char_at(m, at + 1);
  if (at == lx->first.begin && first == '/' && (next == '/' || next == '*')) {
    diag_help(lx->diags, m->diag, "a comment begins with '#'");
    if (next == '/') diag_fix(lx->diags, m->diag, (Span){lx->source, at, at + 2}, "#");
    return true;
  }
  if (first == '*' && at > 0 && lx->text[at - 1] == '*') {
    diag_help(lx->diags, m->diag, "there is no power operator; multiply: 2 * 2 * 2");
    return true;
  }
  return cure_chain(m);
}

/* take resnet18.children()[:-2] */
static bool cure_selector(const Misfit *m) {
  Lexer *lx = m->lx;
  uint32_t begin = m->span.begin;
  static const char *const calls[] = {"children()", "parameters()"};
  for (size_t i = 0; i < 2; i++) {
    size_t length = strlen(calls[i]), before = length - 2;
    if (begin < before || begin + 2 > lx->length || memcmp(lx->text + begin - before, calls[i], length) != 0) continue;
    diag_help(lx->diags, m->diag, "it is written without '()', as in %.*s[0:2]", (int)before, calls[i]);
    diag_fix(lx->diags, m->diag, (Span){lx->source, begin, begin + 2}, "%s", "");
    return true;
  }
  return false;
}

/* freeze block1-0; block1-0 = Conv2d(8, 8, 3) */
static bool cure_dash(const Misfit *m) {
  Lexer *lx = m->lx;
  char found = char_at(m, m->span.begin);
  if (found == '-') return cure_unquoted_name(lx, m->diag, m->span);
  if (found != '=') return false;
  const char *dash = memchr(lx->text + lx->first.begin, '-', m->span.begin - lx->first.begin);
  uint32_t at = dash ? (uint32_t)(dash - lx->text) : 0;
  return dash && cure_unquoted_name(lx, m->diag, (Span){lx->source, at, at + 1});
}

/* x[:, 0] among the values of a forward */
static bool cure_slice(const Misfit *m) {
  Lexer *lx = m->lx;
  if (char_at(m, m->span.begin) != ':' || lx->selector || !lx->open || lx->brackets[lx->open - 1].kind != '[')
    return false;
  diag_help(lx->diags, m->diag,
            "a value of the network has no slices; one place of a dimension is select(x, dim, index): select(x, 1, 0) "
            "is x[:, 0]");
  uint32_t open = lx->brackets[lx->open - 1].begin, name = open, digits = m->span.end;
  while (name > 0 && (isalnum((unsigned char)lx->text[name - 1]) || lx->text[name - 1] == '_')) name--;
  if (char_at(m, digits) == ',') digits++;
  while (char_at(m, digits) == ' ') digits++;
  uint32_t end = digits;
  while (isdigit((unsigned char)char_at(m, end))) end++;
  bool one = open + 1 == m->span.begin && char_at(m, m->span.end) == ',' && end > digits && char_at(m, end) == ']' &&
             name < open;
  if (one)
    diag_fix(lx->diags, m->diag, (Span){lx->source, name, end + 1}, "select(%s, 1, %s)",
             arena_strndup(lx->arena, lx->text + name, open - name),
             arena_strndup(lx->arena, lx->text + digits, end - digits));
  return true;
}

static void cure(const Misfit *m, bool at_end) {
  Lexer *lx = m->lx;
  if (!at_end && lx->statement == TOK_PHASE && isdigit((unsigned char)char_at(m, m->span.begin))) {
    const char *number = text_of(lx, m->span);
    diag_help(lx->diags, m->diag, "a phase has a name: phase p%s { … }", number);
    diag_fix(lx->diags, m->diag, m->span, "p%s", number);
    return;
  }
  const char *near = at_end ? NULL : misspelt(lx, m->span, m->names, m->count);
  const char *form = form_of(lx->statement);
  if (near && is_keyword(text_of(lx, m->span))) near = NULL; /* `for` is no misspelt `or` */
  if (!near && (cure_settings(lx, m->diag) || cure_statement(lx, m->diag))) return;
  if (near) diag_suggest(lx->diags, m->diag, m->span, near);
  else if (at_end ||
           !(cure_slice(m) || cure_dash(m) || cure_assignment(lx, m->diag, m->span) || cure_statements(m) ||
             cure_joining_word(m) || cure_colon(m) || cure_operator(m) || cure_selector(m) || cure_comma(m))) {
    if (form) diag_help(lx->diags, m->diag, "it is written: %s", form);
  }
}

void report_syntax(Lexer *lx, int found_end, Span span, const char *const *expected, int count) {
  if (lx->recovering) return;
  if (lx->judged == lx->first.begin + 1 || report_first_word(lx)) {
    lexer_unread(lx, found_end, span);
    return;
  }
  const char *wanted = expectation(lx, expected, count);
  const char *found = found_end ? "the end of the statement" : arena_printf(lx->arena, "'%s'", lexer_show(lx, span));
  Diag *diag = wanted ? lexer_report(lx, DIAG_E0002, span, "expected %s, found %s", wanted, found)
                      : lexer_report(lx, DIAG_E0002, span, "%s is not allowed here", found);
  if (diag) cure(&(Misfit){lx, diag, span, expected, count}, found_end);
  lexer_unread(lx, found_end, span);
}
