/* The options of a command, by the table in its file, and the messages of the commands. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/cli/cli.h"
#include "runtime/base/error.h"
#include "runtime/base/nearest.h"
#include "runtime/base/text.h"

static const Option common[] = {
    {"weights", OPTION_TEXT, offsetof(Cli, weights), "FILE", "weights instead of the program's own"},
    {"threads", OPTION_COUNT, offsetof(Cli, threads), "N", "threads to compute with (default: all processors)"},
    {"quiet", OPTION_FLAG, offsetof(Cli, quiet), NULL, "no progress, no remarks"},
    {"help", OPTION_FLAG, offsetof(Cli, help), NULL, "this text"},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};

/* Where a command's options end in the reader, and the common ones begin. */
static int collect(const CliCommand *command, OptionReader *reader) {
  for (const Option *o = command->options; o && o->name; o++) options_add(reader, o, 0);
  int own = reader->count;
  for (const Option *o = common; o->name; o++) options_add(reader, o, strcmp(o->name, "help") == 0 ? 'h' : 0);
  return own;
}

/* What is printed as it is: the characters of UTF-8 that are no controls, and those in `kept`. */
static void put(FILE *out, const char *text, const char *kept) {
  for (size_t left = strlen(text), n; left; text += n, left -= n) {
    n = utf8_printable(text, left);
    if (!n && !strchr(kept, *text)) fprintf(out, "\\x%02x", (unsigned char)*text);
    else fwrite(text, 1, n ? n : 1, out);
    if (!n) n = 1;
  }
}

void cli_put(FILE *out, const char *text) { put(out, text, "\n"); }

void cli_put_name(FILE *out, const char *name) { put(out, name, ""); }

static void print_list(FILE *out, const char *format, va_list list) {
  char *text;
  if (vasprintf(&text, format, list) < 0) return; /* no memory for a line */
  cli_put(out, text);
  free(text);
}

void cli_print(FILE *out, const char *format, ...) {
  va_list list;
  va_start(list, format);
  print_list(out, format, list);
  va_end(list);
}

void cli_message(const Cli *cli, const char *format, ...) {
  char text[4096];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  fflush(stdout);
  fprintf(stderr, "%s: ", cli->program);
  cli_put(stderr, text);
  fputc('\n', stderr);
}

ExitStatus cli_usage(const Cli *cli, const char *format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "%s %s: ", cli->program, cli->command->name);
  print_list(stderr, format, list);
  fprintf(stderr, "\nTry '%s %s --help'.\n", cli->program, cli->command->name);
  va_end(list);
  return EXIT_USAGE;
}

ExitStatus cli_error(const Cli *cli, const surgery_error *err) {
  cli_message(cli, "%s", err->message);
  if (err->status == SURGERY_INTERRUPTED) return EXIT_INTERRUPTED;
  return err->status == SURGERY_ENVIRONMENT ? EXIT_ENVIRONMENT : EXIT_WRONG_INPUT;
}

ExitStatus cli_finish(const Cli *cli, ExitStatus status) {
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  fprintf(stderr, "%s: standard output: %s\n", cli->program, errno ? strerror(errno) : "a write failed");
  return status == EXIT_DONE ? EXIT_ENVIRONMENT : status;
}

static void print_help(const Cli *cli, const OptionReader *reader) {
  const CliCommand *c = cli->command;
  cli_print(stdout, "usage: %s %s %s\n\n%s\n\n", cli->program, c->name, c->arguments, c->summary);
  for (int i = 0; i < reader->count; i++) {
    char left[48];
    const Option *o = reader->row[i];
    if (o->kind == OPTION_REFUSED) continue;
    snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
    cli_print(stdout, "  %-24s  %s\n", left, o->help);
  }
  char kinds[1000];
  const char *more = c->more, *mark = more ? strstr(more, CLI_DATA_SETS) : NULL;
  if (mark)
    cli_print(stdout, "\n%.*s%s", (int)(mark - more), more, dataset_kinds(kinds, sizeof kinds)),
        more = mark + strlen(CLI_DATA_SETS);
  if (more) cli_print(stdout, "%s%s\n", mark ? "" : "\n", more);
}

static ExitStatus wrong_value(const Cli *cli, const Option *o, const char *value) {
  static const char *const wants[] = {[OPTION_TEXT] = "a text",
                                      [OPTION_COUNT] = "a whole number, 1 or more",
                                      [OPTION_SIZE] = "a whole number, 0 or more",
                                      [OPTION_RATE] = "a number, 0 or more"};
  if (o->kind == OPTION_REFUSED) return cli_usage(cli, "--%s: %s", o->name, o->help);
  return cli_usage(cli, "--%s %s: %s is wanted", o->name, value, wants[o->kind]);
}

static ExitStatus unknown_option(const Cli *cli, const char *text, const OptionReader *reader) {
  const char *names[OPTIONS_MOST];
  char name[64];
  for (int i = 0; i < reader->count; i++) names[i] = reader->row[i]->name;
  while (*text == '-') text++;
  snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
  const char *near = nearest_name(name, names, (size_t)reader->count);
  if (near) return cli_usage(cli, "there is no option '--%s'; did you mean '--%s'?", name, near);
  return cli_usage(cli, "there is no option '--%s'", name);
}

typedef struct Taking {
  Cli *cli;
  void *arguments;
  const OptionReader *reader;
  int own; /* the rows of the command itself */
  ExitStatus status;
} Taking;

static bool take(void *user, int row, const char *value) {
  Taking *t = user;
  const Option *option = t->reader->row[row];
  if (option_store(option, row < t->own ? t->arguments : t->cli, value)) return true;
  t->status = wrong_value(t->cli, option, value);
  return false;
}

/* *status: wrong usage, where it ends so. */
static bool read_options(Cli *cli, void *arguments, const OptionReader *reader, int own, ExitStatus *status) {
  Taking t = {cli, arguments, reader, own, EXIT_USAGE};
  char **argv = cli->operand;
  int word;
  switch (options_read(reader, cli->operand_count, argv, take, &t, &word)) {
  case OPTIONS_READ: cli->operand = argv + word, cli->operand_count -= word; return true;
  case OPTIONS_STOPPED: *status = t.status; return false;
  case OPTIONS_UNKNOWN: *status = unknown_option(cli, argv[word], reader); return false;
  case OPTIONS_LETTER: *status = cli_usage(cli, "there is no option '-%c'", word); return false;
  case OPTIONS_NO_VALUE: *status = cli_usage(cli, "%s wants a value", argv[word]); return false;
  }
  return false;
}

bool cli_parse(Cli *cli, void *arguments, ExitStatus *status) {
  OptionReader reader = {0};
  int own = collect(cli->command, &reader);
  if (!read_options(cli, arguments, &reader, own, status)) return false;
  if (cli->help) {
    print_help(cli, &reader);
    return *status = EXIT_DONE, false;
  }
  if (cli->operand_count && !cli->command->operands) {
    bool data = false; /* `train pictures`, where --data is meant */
    for (int i = 0; i < reader.count; i++) data = data || strcmp(reader.row[i]->name, "data") == 0;
    if (data) cli_usage(cli, "'%s' is not expected here; did you mean '--data %s'?", cli->operand[0], cli->operand[0]);
    else cli_usage(cli, "'%s' is not expected here", cli->operand[0]);
    return *status = EXIT_USAGE, false;
  }
  if (cli->threads > 1024)
    return *status = cli_usage(cli, "--threads %lld: at most 1024", (long long)cli->threads), false;
  return true;
}
