/* Globs and regular expressions: see match.h. A glob becomes a regular expression, matched by pcre2_dfa_match, which
 * follows all branches in step: no glob takes exponential time. Regular expressions, which may hold what that method
 * cannot do, are matched by backtracking, with a limit. */
#include "runtime/base/match.h"
#include <ctype.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
  MOST_NESTED = 16,     /* braces of a glob */
  MOST_STEPS = 200000,  /* of one match: some milliseconds; a pattern in earnest takes hundreds */
  MOST_PENDING = 20000, /* branches to come back to */
  LONGEST_PIECE = 16    /* what one character of a glob becomes at the most */
};

#define LIBRARY "libpcre2-8.so.0"
#define PACKAGE "libpcre2-8-0"

// clang-format off
#define FUNCTIONS(X)                                                                                                  \
  X(pcre2_compile_8) X(pcre2_code_free_8) X(pcre2_pattern_info_8) X(pcre2_get_error_message_8)                        \
  X(pcre2_match_8) X(pcre2_dfa_match_8) X(pcre2_match_data_create_8) X(pcre2_match_data_free_8)                       \
  X(pcre2_match_context_create_8) X(pcre2_match_context_free_8)                                                       \
  X(pcre2_set_match_limit_8) X(pcre2_set_depth_limit_8)
// clang-format on
static struct {
#define X(name) __typeof__(&name) name;
  FUNCTIONS(X)
#undef X
  bool loaded;
} pcre2;

static void load(void) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), *function;
  if (!library) return;
#define X(name)                                                                                                        \
  if (!(function = dlsym(library, #name))) return;                                                                     \
  memcpy(&pcre2.name, &function, sizeof function);
  FUNCTIONS(X)
#undef X
  pcre2.loaded = true;
}

struct Pattern {
  pcre2_code_8 *code;
  pcre2_match_data_8 *match;
  pcre2_match_context_8 *limits;
  int *workspace; /* of a glob; NULL: a regular expression */
  size_t workspace_count;
};

/* The text of the thread's last failure, as dlerror keeps it: what a call returns, not what the next one needs. */
static _Thread_local char message[160];

static const char *error_text(int number) {
  if (pcre2.pcre2_get_error_message_8(number, (PCRE2_UCHAR8 *)message, sizeof message) < 0 && !*message)
    snprintf(message, sizeof message, "error %d of PCRE2", number);
  return message;
}

/* ---- globs ---- */

typedef struct Translation {
  const char *at;
  char *to;
  const char *reason;
  int nesting;
} Translation;

static void put(Translation *t, const char *text) {
  size_t length = strlen(text);
  memcpy(t->to, text, length);
  t->to += length;
}

static void put_character(Translation *t, char c) {
  bool special = (unsigned char)c < 0x80 && c != '_' && !isalnum((unsigned char)c);
  if (special) *t->to++ = '\\';
  *t->to++ = c;
}

static bool ends_alternative(const Translation *t, char c) {
  return c == 0 || (t->nesting > 0 && (c == ',' || c == '}'));
}

static bool sequence(Translation *t);

static bool braces(Translation *t) {
  if (++t->nesting > MOST_NESTED) {
    t->reason = "its braces are nested too deep";
    return false;
  }
  for (const char *opening = "(?:";; opening = "|") {
    t->at++; /* the brace or the comma */
    put(t, opening);
    if (!sequence(t)) return false;
    if (*t->at != ',') break;
  }
  if (*t->at != '}') {
    t->reason = "a '{' is not closed";
    return false;
  }
  t->at++;
  t->nesting--;
  put(t, ")");
  return true;
}

/* `.**` at the end: nothing, or a dot and all that follows. */
static bool trailing_stars(Translation *t) {
  if (strncmp(t->at, ".**", 3) != 0) return false;
  const char *end = t->at + 1 + strspn(t->at + 1, "*");
  if (!ends_alternative(t, *end)) return false;
  t->at = end;
  put(t, "(?:\\..*)?");
  return true;
}

static bool sequence(Translation *t) {
  bool at_component = true; /* a component of the name begins here */
  while (!ends_alternative(t, *t->at)) {
    char c = *t->at;
    if (trailing_stars(t)) break;
    if (c == '*' && t->at[1] == '*') {
      t->at += strspn(t->at, "*");
      if (at_component && *t->at == '.') put(t, "(?:.*\\.)?"), t->at++; /* nothing, or components each with its dot */
      else put(t, ".*"), at_component = false;
      continue;
    }
    at_component = c == '.';
    if (c == '{') {
      if (!braces(t)) return false;
      continue;
    }
    if (c == '*') put(t, "[^.]*");
    else if (c == '?') put(t, "[^.]");
    else put_character(t, c);
    t->at++;
  }
  return true;
}

/* The glob as a regular expression, to be freed; NULL and a reason. */
static char *translate(const char *glob, const char **reason) {
  if (strlen(glob) > GLOB_MAX_LENGTH) {
    *reason = "it is longer than 1024 characters";
    return NULL;
  }
  char *text = calloc(strlen(glob) + 2, LONGEST_PIECE);
  if (!text) {
    *reason = "there is no memory for it";
    return NULL;
  }
  Translation t = {.at = glob, .to = text};
  put(&t, "(?:");
  if (sequence(&t)) {
    put(&t, ")\\z");
    return text;
  }
  free(text);
  *reason = t.reason;
  return NULL;
}

/* ---- both ---- */

void pattern_free(Pattern *p) {
  if (!p) return;
  if (p->code) pcre2.pcre2_code_free_8(p->code);
  if (p->match) pcre2.pcre2_match_data_free_8(p->match);
  if (p->limits) pcre2.pcre2_match_context_free_8(p->limits);
  free(p->workspace);
  free(p);
}

/* Two lists of states, each with a place for every item of the compiled pattern. */
static bool reserve_workspace(Pattern *p) {
  size_t bytes = 0;
  pcre2.pcre2_pattern_info_8(p->code, PCRE2_INFO_SIZE, &bytes);
  p->workspace_count = 6 * bytes + 100;
  p->workspace = malloc(p->workspace_count * sizeof *p->workspace);
  return p->workspace != NULL;
}

static Pattern *compile(PatternKind kind, const char *text, const char **reason) {
  /* Bytes are matched in a glob, as names are compared everywhere; the other method cannot read broken UTF-8. */
  uint32_t options = kind == PATTERN_GLOB ? PCRE2_ANCHORED | PCRE2_DOTALL
                                          : PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
                                                PCRE2_NEVER_BACKSLASH_C;
  int error;
  size_t offset;
  pcre2_code_8 *code = pcre2.pcre2_compile_8((PCRE2_SPTR8)text, PCRE2_ZERO_TERMINATED, options, &error, &offset, NULL);
  if (!code) {
    *reason = error_text(error);
    return NULL;
  }
  Pattern *p = calloc(1, sizeof *p);
  if (p) {
    p->code = code;
    p->match = pcre2.pcre2_match_data_create_8(1, NULL);
    p->limits = pcre2.pcre2_match_context_create_8(NULL);
  }
  if (!p || !p->match || !p->limits || (kind == PATTERN_GLOB && !reserve_workspace(p))) {
    *reason = "there is no memory for it";
    if (!p) pcre2.pcre2_code_free_8(code);
    pattern_free(p);
    return NULL;
  }
  pcre2.pcre2_set_match_limit_8(p->limits, MOST_STEPS);
  pcre2.pcre2_set_depth_limit_8(p->limits, MOST_PENDING);
  return p;
}

Pattern *pattern_compile(PatternKind kind, const char *text, const char **reason) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  if (!pcre2.loaded) {
    *reason = "patterns are matched by " LIBRARY ", which is not installed (apt-get install " PACKAGE ")";
    return NULL;
  }
  if (kind == PATTERN_REGEX) return compile(kind, text, reason);
  char *translated = translate(text, reason);
  if (!translated) return NULL;
  Pattern *p = compile(kind, translated, reason);
  free(translated);
  return p;
}

MatchResult pattern_match(Pattern *p, const char *name, const char **reason) {
  PCRE2_SPTR8 subject = (PCRE2_SPTR8)name;
  size_t length = strlen(name);
  int status = p->workspace ? pcre2.pcre2_dfa_match_8(p->code, subject, length, 0, PCRE2_DFA_SHORTEST, p->match, NULL,
                                                      p->workspace, p->workspace_count)
                            : pcre2.pcre2_match_8(p->code, subject, length, 0, 0, p->match, p->limits);
  if (status >= 0) return MATCH_YES;
  if (status == PCRE2_ERROR_NOMATCH) return MATCH_NO;
  bool limit = status == PCRE2_ERROR_MATCHLIMIT || status == PCRE2_ERROR_DEPTHLIMIT || status == PCRE2_ERROR_HEAPLIMIT;
  if (limit) snprintf(message, sizeof message, "it takes more than %d steps to match '%.60s'", MOST_STEPS, name);
  *reason = limit ? message : error_text(status);
  return MATCH_FAILED;
}
