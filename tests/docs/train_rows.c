/* What the reference says of the rows of grammar/train.def is what they are: each `NAME(argument=default, …)` in the
 * page names arguments of the row, with their defaults. Fails, too, when it finds nothing to compare. Usage: train_rows
 * PAGE… */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/recipe.h"

static int wrong, compared;

static void complain(const char *page, const char *row, const char *what, const char *text) {
  printf("%s: `%s(%s)`: %s\n", page, row, text, what);
  wrong++;
}

static const TrainArg *find_argument(const TrainArg *args, const char *name) {
  for (const TrainArg *arg = args; arg->name; arg++)
    if (strcmp(arg->name, name) == 0) return arg;
  return NULL;
}

/* The default as a script would say it. */
static void default_text(const TrainArg *arg, char to[100]) {
  char word[32];
  if (arg->type == TYPE_WORD) snprintf(to, 100, "\"%s\"", train_word(arg, 0, word));
  else snprintf(to, 100, "%s", arg->fallback);
}

/* "size" or "p=0.5"; a value alone, as in `multistep([10, 20])`, is an example and not judged. */
static void compare(const char *page, const TrainRow *row, char *text) {
  char *value = strchr(text, '='), expected[100];
  if (strspn(text, "[(\"0123456789.-") > 0) return;
  if (value) *value++ = '\0';
  const TrainArg *arg = find_argument(row->args(), text);
  if (!arg) {
    complain(page, row->name, "there is no such argument", text);
    return;
  }
  compared++;
  if (!value) {
    if (arg->fallback && strcmp(arg->fallback, "none") != 0) complain(page, row->name, "it has a default", text);
    return;
  }
  if (arg->fallback) default_text(arg, expected);
  if (!arg->fallback || strcmp(expected, value) != 0) complain(page, row->name, "that is not its default", text);
}

/* Cuts at the commas that are in no bracket. */
static void compare_all(const char *page, const TrainRow *row, char *text) {
  int depth = 0;
  char *begin = text;
  for (char *at = text;; at++) {
    if (*at && strchr("([", *at)) depth++;
    if (*at && strchr(")]", *at)) depth--;
    if (*at && (*at != ',' || depth)) continue;
    bool last = !*at;
    *at = '\0';
    compare(page, row, begin + strspn(begin, " "));
    if (last) return;
    begin = at + 1;
  }
}

static const TrainRow *row_named(const char *name) {
  const TrainRows *const families[] = {&optimizer_rows, &loss_rows, &schedule_rows, &augment_rows};
  for (size_t i = 0; i < 4; i++) {
    int kind = train_find(*families[i], name);
    if (kind >= 0) return &families[i]->at[kind];
  }
  return NULL;
}

static void compare_page(const char *page, char *text) {
  char name[40], quoted[1000];
  for (char *at = text; (at = strchr(at, '`')) != NULL;) {
    size_t length = strspn(++at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
    char *end = strchr(at, '`');
    if (!end) return;
    if (at[length] == '(' && end[-1] == ')' && length < sizeof name && (size_t)(end - at) < sizeof quoted) {
      snprintf(name, sizeof name, "%.*s", (int)length, at);
      snprintf(quoted, sizeof quoted, "%.*s", (int)(end - at - (long)length - 2), at + length + 1);
      const TrainRow *row = row_named(name);
      if (row) compare_all(page, row, quoted);
    }
    at = end + 1;
  }
}

int main(int argc, char **argv) {
  static char text[1 << 20];
  for (int i = 1; i < argc; i++) {
    FILE *in = fopen(argv[i], "r");
    if (!in) return perror(argv[i]), 2;
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    compare_page(argv[i], text);
  }
  printf("%d arguments compared, %d wrong\n", compared, wrong);
  return wrong > 0 || compared == 0;
}
