/* The dependency file of -MD in the syntax that make and ninja read: one rule, then one without prerequisites for each
 * input, as gcc's -MP has them, so that make goes on when an include is no longer there. Names are escaped as gcc does.
 * Called by the driver. */
#include "compiler/emit/emit.h"

typedef VEC(char) Text;

static void put(Arena *arena, Text *text, char c) { vec_push(arena, text, c); }

/* make takes a backslash for itself unless it stands before a blank or '#', where each is doubled. */
static void put_name(Arena *arena, Text *text, const char *name, bool is_target) {
  for (const char *c = name; *c; c++) {
    if (*c == ' ' || *c == '\t' || *c == '#') {
      for (const char *back = c; back > name && back[-1] == '\\'; back--) put(arena, text, '\\');
      put(arena, text, '\\');
    }
    if (*c == '$') put(arena, text, '$');
    if (*c == ':' && is_target) put(arena, text, '\\');
    put(arena, text, *c);
  }
}

static bool seen_before(const Session *s, size_t i) {
  for (size_t k = 0; k < i; k++)
    if (streq(s->dependencies.at[k], s->dependencies.at[i])) return true;
  return false;
}

static void put_line_start(Arena *arena, Text *text) {
  put(arena, text, ' ');
  put(arena, text, '\\');
  put(arena, text, '\n');
  put(arena, text, ' ');
}

/* The built-in models are no files, and a newline cannot be written in the syntax. */
static bool is_written(const Session *s, size_t i) {
  const char *name = s->dependencies.at[i];
  return !seen_before(s, i) && *name != '<' && !strchr(name, '\n');
}

const char *depfile_text(Session *s, const char *const *targets, size_t count) {
  Arena *a = s->arena;
  Text text = {0};
  for (size_t i = 0; i < count; i++) {
    if (i) put(a, &text, ' ');
    put_name(a, &text, targets[i], true);
  }
  put(a, &text, ':');
  for (size_t i = 0; i < s->dependencies.count; i++) {
    if (!is_written(s, i)) continue;
    put_line_start(a, &text);
    put_name(a, &text, s->dependencies.at[i], false);
  }
  put(a, &text, '\n');
  for (size_t i = 0; i < s->dependencies.count; i++) {
    if (!is_written(s, i)) continue;
    put_name(a, &text, s->dependencies.at[i], true);
    put(a, &text, ':');
    put(a, &text, ' '); /* CMake 3.21 misreads a rule that ends with its colon */
    put(a, &text, '\n');
  }
  put(a, &text, '\0');
  return text.at;
}
