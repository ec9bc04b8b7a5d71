/* The dependency file of -MD in the syntax that make and ninja read: one rule, every name escaped as gcc
 * does. Called by the driver. */
#include "compiler/emit/emit.h"

typedef VEC(char) Text;

static void put(Arena *arena, Text *text, char c) {
  vec_push(arena, text, c);
}

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

bool emit_depfile(Session *s, const char *path, const char *target) {
  Text text = {0};
  put_name(s->arena, &text, target, true);
  put(s->arena, &text, ':');
  for (size_t i = 0; i < s->dependencies.count; i++) {
    const char *name = s->dependencies.at[i];
    /* The built-in models are no files, and a newline cannot be written in the syntax. */
    if (seen_before(s, i) || *name == '<' || strchr(name, '\n')) continue;
    put(s->arena, &text, ' ');
    put(s->arena, &text, '\\');
    put(s->arena, &text, '\n');
    put(s->arena, &text, ' ');
    put_name(s->arena, &text, name, false);
  }
  put(s->arena, &text, '\n');
  return outfile_whole(s->arena, path, text.at, text.count);
}
