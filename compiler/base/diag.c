/* Diagnostics: collecting them, the codes and their pages, and the two ways to end the process. Printing
 * is in diag_print.c. Called by every pass that can find a mistake in a script. */
#include "compiler/base/diag.h"
#include "runtime/base/exit.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define ERROR SEVERITY_ERROR
#define WARNING SEVERITY_WARNING
#define NOTE SEVERITY_NOTE
static const struct {
  const char *name;
  DiagSeverity severity;
  const char *title, *page;
} codes[DIAG_COUNT] = {
#define CODE(code, severity, title, page) [DIAG_##code] = {#code, severity, title, page},
#include "codes.def"
#undef CODE
};
#undef ERROR
#undef WARNING
#undef NOTE

/* An error about bytes of a script. */
static bool has_place(const Diag *diag) {
  return diag->severity == SEVERITY_ERROR && diag->span.source != SPAN_NO_SOURCE && diag->span.end > diag->span.begin;
}

/* One mistake, one message: what two passes find fault with at the very same bytes is reported by the first. */
static void add_once(Diags *diags, Diag *diag) {
  if (!has_place(diag)) {
    vec_push(diags->arena, &diags->all, diag);
    return;
  }
  MapEntry *place = map_add(diags->arena, &diags->places, &diag->span, sizeof diag->span);
  if (place->value >= 0 && (size_t)place->value < diags->all.count) { /* else it was taken back */
    const Diag *other = diags->all.at[place->value];
    if (has_place(other) && memcmp(&other->span, &diag->span, sizeof diag->span) == 0) return;
  }
  if (place->value < 0) place->key = memcpy(arena_new(diags->arena, Span), &diag->span, sizeof diag->span);
  place->value = (int32_t)diags->all.count;
  vec_push(diags->arena, &diags->all, diag);
}

/* Is `name` a word of the text? */
static bool holds_word(const char *text, const char *end, const char *name) {
  size_t length = strlen(name);
  for (const char *at = text; length && (at = memmem(at, (size_t)(end - at), name, length)); at++) {
    bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
    bool ends = at + length == end || !(isalnum((unsigned char)at[length]) || at[length] == '_');
    if (begins && ends) return true;
  }
  return false;
}

bool diag_may_be_unread(const Diags *diags, const char *name) {
  for (size_t i = 0; i < diags->unread.count; i++) {
    Span span = diags->unread.at[i];
    if (span.source >= diags->sources->files.count) continue;
    const char *text = diags->sources->files.at[span.source].text;
    if (holds_word(text + span.begin, text + span.end, name) ||
        holds_word(text + span.begin, text + span.end, "include"))
      return true;
  }
  return false;
}

/* A layer without a name of its own is called as its type, in small letters. */
static bool names_it(Arena *arena, const char *text, size_t length, const char *word) {
  char *small = arena_strndup(arena, text, length);
  if (holds_word(small, small + length, word)) return true;
  for (char *at = small; *at; at++) *at = (char)tolower((unsigned char)*at);
  return holds_word(small, small + length, word);
}

bool diag_may_be_unmade(const Diags *diags, const char *name) {
  if (diags->failed.count == 0 || strlen(name) > 1000) return false;
  Arena *scratch = arena_create();
  bool found = false;
  for (size_t i = 0; i < diags->failed.count && !found; i++) {
    Span span = diags->failed.at[i];
    const char *text = diags->sources->files.at[span.source].text + span.begin;
    size_t length = span.end - span.begin;
    found = memchr(text, '{', length) != NULL; /* a template: any name */
    for (const char *dot = name; !found && dot; dot = strchr(dot + 1, '.')) {
      size_t above = dot == name ? strlen(name) : (size_t)(dot - name);
      found = names_it(scratch, text, length, arena_strndup(scratch, name, above));
    }
  }
  arena_destroy(scratch);
  return found;
}

bool diag_unread_within(const Diags *diags, Span span) {
  for (size_t i = 0; i < diags->unread.count; i++) {
    const Span *unread = &diags->unread.at[i];
    if (unread->source == span.source && unread->begin >= span.begin && unread->begin < span.end) return true;
  }
  return false;
}

Diag *diag_report(Diags *diags, DiagCode code, Span span, const char *format, ...) {
  ASSERT((unsigned)code < DIAG_COUNT);
  Diag *diag = arena_new(diags->arena, Diag);
  diag->code = code;
  diag->severity = codes[code].severity;
  diag->span = span;
  va_list args;
  va_start(args, format);
  diag->message = arena_vprintf(diags->arena, format, args);
  va_end(args);
  if (diag->severity == SEVERITY_ERROR) diags->errors++;
  if (diag->severity == SEVERITY_WARNING) diags->warnings++;
  add_once(diags, diag);
  return diag;
}

void diag_caret(Diags *diags, Diag *diag, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag->caret_text = arena_vprintf(diags->arena, format, args);
  va_end(args);
}

void diag_label(Diags *diags, Diag *diag, Span span, const char *format, ...) {
  va_list args;
  va_start(args, format);
  DiagLabel label = {span, arena_vprintf(diags->arena, format, args)};
  va_end(args);
  vec_push(diags->arena, &diag->labels, label);
}

void diag_help(Diags *diags, Diag *diag, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vprintf(diags->arena, format, args);
  va_end(args);
  vec_push(diags->arena, &diag->help, text);
}

void diag_note(Diags *diags, Diag *diag, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vprintf(diags->arena, format, args);
  va_end(args);
  vec_push(diags->arena, &diag->notes, text);
}

void diag_fix(Diags *diags, Diag *diag, Span span, const char *format, ...) {
  if (!source_is_users(diags->sources, span)) return;
  va_list args;
  va_start(args, format);
  DiagFix fix = {span, arena_vprintf(diags->arena, format, args)};
  va_end(args);
  vec_push(diags->arena, &diag->fixes, fix);
}

void diag_suggest(Diags *diags, Diag *diag, Span span, const char *near) {
  if (!near) return;
  diag_help(diags, diag, "did you mean '%s'?", near);
  diag_fix(diags, diag, span, "%s", near);
}

const char *diag_code_name(DiagCode code) { return (unsigned)code < DIAG_COUNT ? codes[code].name : NULL; }
const char *diag_code_title(DiagCode code) { return (unsigned)code < DIAG_COUNT ? codes[code].title : NULL; }
const char *diag_code_page(DiagCode code) { return (unsigned)code < DIAG_COUNT ? codes[code].page : NULL; }

bool diag_code_parse(const char *name, DiagCode *out) {
  for (int i = 0; name && i < DIAG_COUNT; i++)
    if (strcasecmp(name, codes[i].name) == 0) {
      *out = (DiagCode)i;
      return true;
    }
  return false;
}

/* The only mutable state of this folder: a failure can be met anywhere, also where no context is at hand. */
static void (*failure_caught)(ExitStatus status, const char *message);

void failures_catch(void (*caught)(ExitStatus status, const char *message)) { failure_caught = caught; }

void fail_environment(const char *format, ...) {
  int reason = errno;
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  const char *why = reason ? strerror(reason) : NULL;
  if (failure_caught) failure_caught(EXIT_ENVIRONMENT, message);
  fflush(stdout);
  if (why && !strstr(message, why)) /* a caller may have said it already */
    fprintf(stderr, "surgeryc: %s: %s\n", message, why);
  else fprintf(stderr, "surgeryc: %s\n", message);
  exit(EXIT_ENVIRONMENT);
}

static void no_memory(void *user, size_t bytes) {
  errno = ENOMEM;
  fail_environment("%zu bytes of memory are not to be had", bytes);
}

Arena *arena_create(void) { return arena_create_with(no_memory, NULL); }

static const Sources *compiling_sources;
static Span compiling_span = {SPAN_NO_SOURCE, 0, 0};

void bug_compiling(const Sources *sources, Span span) {
  compiling_sources = sources;
  compiling_span = span;
}

static void print_compiling(void) {
  if (!compiling_sources || compiling_span.source >= compiling_sources->files.count) return;
  const Source *source = &compiling_sources->files.at[compiling_span.source];
  if (compiling_span.begin > source->length || compiling_span.end > source->length) return;
  int line, column;
  source_position(source, compiling_span.begin, &line, &column);
  int length = compiling_span.end > compiling_span.begin ? (int)(compiling_span.end - compiling_span.begin) : 0;
  const char *text = source->text + compiling_span.begin;
  const char *newline = length ? memchr(text, '\n', (size_t)length) : NULL;
  if (newline) length = (int)(newline - text);
  fprintf(stderr, "  while compiling %s:%d:%d: %.*s\n", source->path, line, column, length < 200 ? length : 200, text);
}

void bug(const char *file, int line, const char *format, ...) {
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  if (failure_caught) failure_caught(EXIT_BUG, message);
  fflush(stdout);
  fprintf(stderr, "surgeryc: this is a bug in surgeryc " SURGERY_VERSION " (%s:%d): %s\n", file, line, message);
  print_compiling();
  fprintf(stderr, "  please report it, with the script and this message\n");
  exit(EXIT_BUG);
}

/* ---- texts of scripts, fit to be shown ---- */

char *clean_text(Arena *arena, const char *text, size_t length) {
  char *clean = arena_alloc(arena, 3 * length + 1);
  utf8_mend(clean, text, length, false);
  return clean;
}

uint32_t text_statement_end(const char *text, uint32_t length, uint32_t from) {
  uint32_t at = from;
  int braces = 0;
  bool quoted = false;
  for (; at < length && text[at] != '\n'; at++) {
    char c = text[at];
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == ';' || c == '#' || (c == '}' && braces == 0)) break;
    braces += (c == '{') - (c == '}');
  }
  while (at > from && (text[at - 1] == ' ' || text[at - 1] == '\t' || text[at - 1] == '\r')) at--;
  return at;
}
