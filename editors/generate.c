/* Fills in the words of the language where a template of an editor's file names them:
 *
 *   @keywords@         all words of that list, with | between them
 *   @keywords:SEP@     with SEP, in which \n is a newline
 *   @@                 an @
 *
 * The lists: keywords (statements), settings (of train, input and phase blocks), joining, constants, types (layers),
 * functions, choices (optimizers, losses, schedules, augmentations), networks (of the zoo), version. All are of the
 * tables that the compiler has. Run by the build: generate TEMPLATE OUT. */
#include "compiler/settings/settings.h"
#include "grammar/words.h"
#include "runtime/base/recipe.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void add_ops(Arena *arena, NameList *out, bool layers) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++)
    if (op_info((OpId)op)->is_layer == layers) vec_push(arena, out, op_info((OpId)op)->name);
  if (layers) vec_push(arena, out, "Sequential");
}

static void add_keywords(Arena *arena, NameList *out) {
  for (int i = 0; i < STMT_KINDS; i++)
    if (keywords[i].word) vec_push(arena, out, keywords[i].word);
}

static void add_settings(Arena *arena, NameList *out) {
  for (int i = 0; i < SETTING_KINDS; i++) vec_push(arena, out, train_settings[i].arg.name);
  for (int i = 0; i < PREPROCESS_STEPS; i++) vec_push(arena, out, preprocess_steps[i].name);
}

static void add_choices(Arena *arena, NameList *out) {
  const TrainRows *const families[] = {&optimizer_rows, &loss_rows, &schedule_rows, &augment_rows};
  for (size_t f = 0; f < LENGTH(families); f++)
    for (int i = 0; i < families[f]->count; i++) /* the first schedule, none, is a constant */
      if (families[f]->at[i].name && !streq(families[f]->at[i].name, "none"))
        vec_push(arena, out, families[f]->at[i].name);
}

static void add_networks(Session *s, NameList *out) {
  size_t count;
  const char *const *names = zoo_models(s, &count);
  for (size_t i = 0; i < count; i++) vec_push(s->arena, out, names[i]);
}

/* False: there is no such list. */
static bool list_of(Session *s, const char *name, NameList *out) {
  if (streq(name, "keywords")) add_keywords(s->arena, out);
  else if (streq(name, "settings")) add_settings(s->arena, out);
  else if (streq(name, "types")) add_ops(s->arena, out, true);
  else if (streq(name, "functions")) add_ops(s->arena, out, false);
  else if (streq(name, "choices")) add_choices(s->arena, out);
  else if (streq(name, "networks")) add_networks(s, out);
  else if (streq(name, "version")) vec_push(s->arena, out, SURGERY_VERSION);
  else if (streq(name, "joining"))
    for (size_t i = 0; joining_word(i); i++) vec_push(s->arena, out, joining_word(i));
  else if (streq(name, "constants"))
    for (size_t i = 0; constant_word(i); i++) vec_push(s->arena, out, constant_word(i));
  else return false;
  return true;
}

static void put_separator(FILE *out, const char *separator) {
  for (; *separator; separator++) {
    bool newline = separator[0] == '\\' && separator[1] == 'n';
    putc(newline ? '\n' : *separator, out);
    separator += newline;
  }
}

static bool fill(Session *s, const char *path, const char *text, FILE *out) {
  for (const char *at = text; *at;) {
    const char *mark = strchrnul(at, '@');
    fwrite(at, 1, (size_t)(mark - at), out);
    if (!*mark) return true;
    const char *end = strchr(mark + 1, '@');
    if (!end) return fprintf(stderr, "%s: an @ without another\n", path), false;
    at = end + 1;
    if (end == mark + 1) {
      putc('@', out);
      continue;
    }
    char *name = arena_strndup(s->arena, mark + 1, (size_t)(end - mark - 1)), *separator = strchr(name, ':');
    if (separator) *separator++ = '\0';
    NameList words = {0};
    if (!list_of(s, name, &words)) return fprintf(stderr, "%s: there is no list '%s'\n", path, name), false;
    for (size_t i = 0; i < words.count; i++) {
      if (i) put_separator(out, separator ? separator : "|");
      fputs(words.at[i], out);
    }
  }
  return true;
}

int main(int argc, char **argv) {
  if (argc != 3) return fputs("usage: generate TEMPLATE OUT\n", stderr), 2;
  Session s = {.arena = arena_create()};
  s.sources.arena = s.diags.arena = s.arena;
  s.diags.sources = &s.sources;
  int source = sources_add_file(&s.sources, argv[1]);
  FILE *out = source < 0 ? NULL : fopen(argv[2], "w");
  if (!out) return fprintf(stderr, "%s: %s\n", source < 0 ? argv[1] : argv[2], strerror(errno)), 3;
  bool good = fill(&s, argv[1], s.sources.files.at[source].text, out);
  good = fclose(out) == 0 && good;
  if (!good) remove(argv[2]);
  arena_destroy(s.arena);
  return !good;
}
