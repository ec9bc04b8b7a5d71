/* The reference says of the rows of grammar/train.def what they are. Its tables between "<!-- rows of FAMILY … -->" and
 * "<!-- end of rows -->" have every row, with all arguments and their defaults; UPDATE=1 writes them. And each
 * `NAME(argument=default, …)` in the prose of the pages names arguments of the row, with their defaults. Fails, too,
 * when it finds nothing to compare. Usage: train_rows REFERENCE PAGE… */
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

/* ---- the tables ---- */

/* `Huber(delta=1)` */
static void put_form(FILE *to, const TrainRow *row) {
  char value[100];
  fprintf(to, "| `%s", row->name);
  for (const TrainArg *arg = row->args(); arg->name; arg++) {
    fprintf(to, "%s%s", arg == row->args() ? "(" : ", ", arg->name);
    if (arg->fallback) default_text(arg, value), fprintf(to, "=%s", value);
  }
  fprintf(to, "%s` | ", row->args()->name ? ")" : "");
}

static void put_targets(FILE *to, int kind) {
  static const char *const texts[] = {[LOSS_CLASSES] = "classes",
                                      [LOSS_LABELS] = "0 or 1 for each output, or a class",
                                      [LOSS_VALUES] = "a number for each output"};
  fprintf(to, "%s | ", texts[loss_target(&(LossConfig){.kind = kind})]);
}

static void put_rows(FILE *to, const TrainRows *rows) {
  bool losses = rows == &loss_rows, optimizers = rows == &optimizer_rows;
  fprintf(to, "| | PyTorch | %s |\n| --- | --- | --- |%s\n", losses ? "targets | is" : "is", losses ? " --- |" : "");
  for (int i = 0; i < rows->count; i++) {
    const TrainRow *row = &rows->at[i];
    put_form(to, row);
    fprintf(to, "%s%s | ", optimizers ? "torch.optim." : "", row->torch);
    if (losses) put_targets(to, i);
    fprintf(to, "%s |\n", row->doc);
  }
}

static void put_settings(FILE *to) {
  static const char *const scopes[] = {
      [SCOPE_TRAINING] = "the whole training", [SCOPE_STAGE] = "the training, or a phase", [SCOPE_PHASE] = "a phase"};
  fputs("| setting | default | of | is |\n| --- | --- | --- | --- |\n", to);
  for (int i = 0; i < SETTING_KINDS; i++) {
    const TrainSetting *s = &train_settings[i];
    const char *value = s->arg.type == TYPE_POSITIVE && strcmp(s->arg.fallback, "0") == 0 ? "none" : s->arg.fallback;
    fprintf(to, "| `%s` | %s | %s | %s |\n", s->arg.name, value, scopes[s->scope], s->doc);
  }
}

static const struct {
  const char *name;
  const TrainRows *rows; /* NULL: the settings */
} tables[] = {{"settings", NULL},
              {"optimizers", &optimizer_rows},
              {"schedules", &schedule_rows},
              {"losses", &loss_rows},
              {"augmentations", &augment_rows}};
enum { TABLES = sizeof tables / sizeof *tables };

#define BEGIN "<!-- rows of "
#define END "<!-- end of rows -->\n"

/* The page as it should be: what lies between two marks is the table of that name. Each table once. */
static bool put_page(FILE *to, const char *text) {
  int found[TABLES] = {0};
  for (const char *mark; (mark = strstr(text, BEGIN)) != NULL;) {
    const char *name = mark + strlen(BEGIN), *end = strstr(mark, END);
    size_t length = strcspn(name, " "), table = 0;
    while (table < TABLES && (strlen(tables[table].name) != length || strncmp(tables[table].name, name, length)))
      table++;
    if (!end || table == TABLES) return printf("no end, or no such table: %.60s\n", mark), false;
    found[table]++;
    fwrite(text, 1, (size_t)(strchr(mark, '\n') + 1 - text), to);
    if (tables[table].rows) put_rows(to, tables[table].rows);
    else put_settings(to);
    text = end;
  }
  fputs(text, to);
  for (int i = 0; i < TABLES; i++)
    if (found[i] != 1) return printf("the table of %s is there %d times\n", tables[i].name, found[i]), false;
  return true;
}

/* The first line in which they differ. */
static void show_difference(const char *page, const char *is, const char *wanted) {
  size_t line = 0;
  for (size_t i = 0; is[i] && is[i] == wanted[i]; i++)
    if (is[i] == '\n') line = i + 1;
  printf("%s: not as grammar/train.def has it; UPDATE=1 writes the tables\n  is      %.*s\n  wanted  %.*s\n", page,
         (int)strcspn(is + line, "\n"), is + line, (int)strcspn(wanted + line, "\n"), wanted + line);
}

static bool write_page(const char *page, const char *text) {
  FILE *out = fopen(page, "w");
  return out && (int)(fputs(text, out) < 0) + (int)(fclose(out) != 0) == 0;
}

static int check_tables(const char *page, const char *text) {
  char *wanted = NULL;
  size_t size;
  FILE *to = open_memstream(&wanted, &size);
  if (!to) return perror("memory"), 2;
  bool marked = put_page(to, text);
  fclose(to);
  int status = !marked;
  if (marked && strcmp(text, wanted) != 0 && getenv("UPDATE")) {
    status = write_page(page, wanted) ? 0 : 2;
    if (status) perror(page);
  } else if (marked && strcmp(text, wanted) != 0) {
    show_difference(page, text, wanted);
    status = 1;
  }
  free(wanted);
  return status;
}

int main(int argc, char **argv) {
  static char text[1 << 20];
  int status = 0;
  for (int i = 1; i < argc; i++) {
    FILE *in = fopen(argv[i], "r");
    if (!in) return perror(argv[i]), 2;
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    if (i == 1) status = check_tables(argv[i], text);
    compare_page(argv[i], text);
  }
  printf("%d arguments compared, %d wrong\n", compared, wrong);
  return status ? status : wrong > 0 || compared == 0;
}
