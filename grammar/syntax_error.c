/* The message for a token that does not fit: what stands there, what may stand there, and the likely cure
 * (a misspelt keyword, or how the statement is written). Must not change what the parser does. Called by
 * parser.y. */
#include "grammar/parse_internal.h"

static bool named(const char *const *names, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (streq(names[i], name)) return true;
  return false;
}

static const struct {
  int token;
  const char *form;
} forms[] = {
#define KEYWORD(word, TOKEN, doc, form) {TOK_##TOKEN, form},
#include "grammar/keywords.def"
#undef KEYWORD
    {TOK_GROUP, "group SELECTOR lr=1e-5 weight_decay=0"},
    {TOK_PHASE, "phase NAME { … }"},
};

static const char *form_of(int statement) {
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    if (forms[i].token == statement) return forms[i].form;
  return NULL;
}

/* What need not be listed one by one: the beginnings of a value or a selector, and how either may go on. */
static bool part_of(const char *const *all, int count, const char *name) {
  static const char *const value_begins[] = {"a name", "a string", "an integer", "a number",
                                             "'true'", "'false'",  "'none'",     "'_'",
                                             "'not'",  "'-'",      "'('",        "'['"};
  static const char *const selector_begins[] = {"a layer", "a regular expression", "'every'", "'('",
                                                "'['",     "'parameters'"};
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
  for (int i = 1; i < n; i++)
    text = arena_printf(lx->arena, "%s%s%s", text, i == n - 1 ? " or " : ", ", listed[i]);
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

/* The first word is a name, but no statement goes on like this. */
static bool report_first_word(Lexer *lx) {
  if ((lx->first_token != TOK_NAME && lx->first_token != TOK_SETTING) || names_something(lx)) return false;
  const char *word = text_of(lx, lx->first);
  const char *near = suggest_name(word, keyword_names, (size_t)keyword_count);
  bool known = near && streq(near, word); /* group and phase outside a train block */
  bool second = lx->statement_tokens == 2;
  if ((!near || known) && (!second || lx->first_token == TOK_SETTING)) return false;
  Diag *diag = lexer_report(lx, DIAG_E0001, lx->first, "'%s' does not begin a statement%s",
                            lexer_show(lx, lx->first), known ? " here" : "");
  if (!diag) return true;
  if (known)
    diag_help(lx->diags, diag, "it stands in a block: train { %s … }", word);
  else if (near)
    diag_help(lx->diags, diag, "did you mean '%s'?", near);
  else
    diag_help(lx->diags, diag,
              "statements begin with a keyword such as take, remove, replace, insert, append, freeze, "
              "input or train; a layer in a model is declared as NAME = LAYER");
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
  return suggest_name(text_of(lx, span), words, n);
}

void report_syntax(Lexer *lx, int found_end, Span span, const char *const *expected, int count) {
  if (lx->recovering) return;
  if (lx->judged == lx->first.begin + 1) {
    lx->recovering = !found_end;
    return;
  }
  if (report_first_word(lx)) {
    lx->recovering = !found_end;
    return;
  }
  const char *wanted = expectation(lx, expected, count);
  const char *found =
      found_end ? "the end of the statement" : arena_printf(lx->arena, "'%s'", lexer_show(lx, span));
  const char *near = found_end ? NULL : misspelt(lx, span, expected, count);
  Diag *diag = wanted ? lexer_report(lx, DIAG_E0002, span, "expected %s, found %s", wanted, found)
                      : lexer_report(lx, DIAG_E0002, span, "%s cannot stand here", found);
  const char *form = form_of(lx->statement);
  if (diag && near)
    diag_help(lx->diags, diag, "did you mean '%s'?", near);
  else if (diag && form)
    diag_help(lx->diags, diag, "it is written: %s", form);
  /* Where the end itself did not fit, nothing is left to be skipped. */
  lx->recovering = !found_end;
}
