/* Reads the table of cases and makes a script of a row; see cases.h. */
#include "tests/ops/cases.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("tests/ops: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

void *must_alloc(int64_t bytes) {
  void *memory = calloc(1, (size_t)bytes + 1);
  if (!memory) die("no memory");
  return memory;
}

char *must_print(const char *format, ...) {
  char *text;
  va_list args;
  va_start(args, format);
  if (vasprintf(&text, format, args) < 0) die("no memory");
  va_end(args);
  return text;
}

static char *trim(char *text) {
  while (isspace((unsigned char)*text)) text++;
  char *end = text + strlen(text);
  while (end > text && isspace((unsigned char)end[-1])) *--end = 0;
  return text;
}

static const char *identifier(const char *name) {
  char *text = must_print("case_%s", name);
  for (char *c = text; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return text;
}

static Case case_of(char *line, const char *path, int number) {
  enum { FIELDS = 7, WANTED = 5 };
  char *field[FIELDS];
  int count = 0;
  for (char *rest = line, *part; (part = strsep(&rest, "|")) != NULL; count++) {
    if (count == FIELDS) die("%s:%d: more than %d fields", path, number, FIELDS);
    field[count] = trim(part);
  }
  if (count < WANTED) die("%s:%d: %d fields of at least %d", path, number, count, WANTED);
  for (int i = count; i < FIELDS; i++) field[i] = "";
  Case c = {.name = field[0],
            .n = atoll(field[2]),
            .layers = field[3],
            .forward = field[4],
            .edits = field[5],
            .loss = field[6],
            .symbol = identifier(field[0])};
  for (char *rest = field[1], *part; (part = strsep(&rest, " ")) != NULL;) {
    if (strcmp(part, "<") == 0 && rest) {
      c.vocabulary = atoll(strsep(&rest, " "));
      continue;
    }
    if (strcmp(part, "mask") == 0) {
      c.mask = 1;
      continue;
    }
    if (c.rank == CASE_MAX_RANK) die("%s:%d: the input has too many dimensions", path, number);
    if ((c.dim[c.rank++] = atoll(part)) <= 0) die("%s:%d: '%s' is no size", path, number, part);
  }
  if (c.n <= 0) die("%s:%d: '%s' is no batch", path, number, field[2]);
  return c;
}

CaseTable cases_read(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) die("%s: %s", path, strerror(errno));
  CaseTable table = {NULL, 0};
  char *line = NULL;
  size_t room = 0;
  for (int number = 1; getline(&line, &room, file) > 0; number++, line = NULL, room = 0) {
    if (*line == '#' || !*trim(line)) continue;
    table.at = realloc(table.at, (size_t)(table.count + 1) * sizeof *table.at);
    if (!table.at) die("no memory");
    table.at[table.count] = case_of(line, path, number);
    for (int i = 0; i < table.count; i++)
      if (strcmp(table.at[i].symbol, table.at[table.count].symbol) == 0)
        die("%s:%d: there is a case '%s' already", path, number, table.at[i].name);
    table.count++;
  }
  fclose(file);
  if (!table.count) die("%s: no cases", path);
  return table;
}

char *case_script(const Case *c) {
  char *shape = must_print("%lld", (long long)c->dim[0]);
  for (int i = 1; i < c->rank; i++) shape = must_print("%s, %lld", shape, (long long)c->dim[i]);
  const char *result = strchr(c->forward, ';') ? "" : "return ";
  return must_print("model Case() {\n  %s\n  forward x%s { %s%s }\n}\ntake Case() from random\ninput %s(%s%s)\n%s\n"
                    "train { optimizer SGD(lr=1); loss %s }\n",
                    c->layers, c->mask ? ", mask" : "", result, c->forward, c->vocabulary ? "tokens" : "tensor", shape,
                    c->mask ? ", mask=true" : "", c->edits, *c->loss ? c->loss : "MSE");
}
