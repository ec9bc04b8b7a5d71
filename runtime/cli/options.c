/* Options from tables: the same row gives getopt_long its entry, --help its line and the argument its place.
 * Messages of the commands are printed here too. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/cli/cli.h"
#include "runtime/base/error.h"
#include "runtime/base/nearest.h"
#include "runtime/base/text.h"

#define MAX_OPTIONS 40

static const CliOption common[] = {
    {"weights", OPTION_TEXT, offsetof(Cli, weights), "FILE", "weights instead of the program's own"},
    {"threads", OPTION_COUNT, offsetof(Cli, threads), "N", "threads to compute with (default: all processors)"},
    {"quiet", OPTION_FLAG, offsetof(Cli, quiet), NULL, "no progress, no remarks"},
    {"help", OPTION_FLAG, offsetof(Cli, help), NULL, "this text"},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};

typedef struct Row {
  const CliOption *option;
  bool own;
} Row;

static int collect(const CliCommand *command, Row rows[MAX_OPTIONS]) {
  int count = 0;
  for (const CliOption *o = command->options; o && o->name; o++) rows[count++] = (Row){o, true};
  for (const CliOption *o = common; o->name; o++) rows[count++] = (Row){o, false};
  return count;
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

static void print_help(const Cli *cli, const Row *rows, int count) {
  const CliCommand *c = cli->command;
  cli_print(stdout, "usage: %s %s %s\n\n%s\n\n", cli->program, c->name, c->arguments, c->summary);
  for (int i = 0; i < count; i++) {
    char left[48];
    const CliOption *o = rows[i].option;
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

static bool whole_number(const char *text, int64_t least, int64_t *to) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (end == text || *end || errno || value < least) return false;
  *to = value;
  return true;
}

static bool store(const CliOption *o, char *base, const char *value) {
  void *to = base + o->offset;
  char *end;
  switch (o->kind) {
  case OPTION_FLAG: *(bool *)to = true; return true;
  case OPTION_TEXT: *(const char **)to = value; return *value != 0;
  case OPTION_COUNT: return whole_number(value, 1, to);
  case OPTION_SIZE: return whole_number(value, 0, to);
  case OPTION_RATE:
    errno = 0;
    *(double *)to = strtod(value, &end);
    return end != value && !*end && isfinite(*(double *)to) && *(double *)to >= 0;
  default: return false;
  }
}

static ExitStatus wrong_value(const Cli *cli, const CliOption *o, const char *value) {
  static const char *const wants[] = {[OPTION_TEXT] = "a text",
                                      [OPTION_COUNT] = "a whole number, 1 or more",
                                      [OPTION_SIZE] = "a whole number, 0 or more",
                                      [OPTION_RATE] = "a number, 0 or more"};
  if (o->kind == OPTION_REFUSED) return cli_usage(cli, "--%s: %s", o->name, o->help);
  return cli_usage(cli, "--%s %s: %s is wanted", o->name, value, wants[o->kind]);
}

static ExitStatus unknown_option(const Cli *cli, const char *text, const Row *rows, int count) {
  const char *names[MAX_OPTIONS];
  char name[64];
  for (int i = 0; i < count; i++) names[i] = rows[i].option->name;
  while (*text == '-') text++;
  snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
  const char *near = nearest_name(name, names, (size_t)count);
  if (near) return cli_usage(cli, "there is no option '--%s'; did you mean '--%s'?", name, near);
  return cli_usage(cli, "there is no option '--%s'", name);
}

bool cli_parse(Cli *cli, void *arguments, ExitStatus *status) {
  Row rows[MAX_OPTIONS];
  struct option list[MAX_OPTIONS + 1];
  int count = collect(cli->command, rows), key, index;
  for (int i = 0; i < count; i++)
    list[i] = (struct option){rows[i].option->name,
                              rows[i].option->kind == OPTION_FLAG ? no_argument : required_argument, NULL, 256 + i};
  list[count] = (struct option){NULL, 0, NULL, 0};
  char **argv = cli->operand;
  int argc = cli->operand_count;
  optind = 0, opterr = 0; /* 0: getopt starts anew, for a second call in one process */
  *status = EXIT_USAGE;
  while ((key = getopt_long(argc, argv, ":h", list, &index)) != -1) {
    if (key == 'h') cli->help = true;
    else if (key == ':') return *status = cli_usage(cli, "%s wants a value", argv[optind - 1]), false;
    else if (key == '?' && optopt && optopt < 256)
      return *status = cli_usage(cli, "there is no option '-%c'", optopt), false;
    else if (key < 256) return *status = unknown_option(cli, argv[optind - 1], rows, count), false;
    else if (!store(rows[key - 256].option, rows[key - 256].own ? arguments : (char *)cli, optarg))
      return *status = wrong_value(cli, rows[key - 256].option, optarg), false;
  }
  if (cli->help) {
    print_help(cli, rows, count);
    return *status = EXIT_DONE, false;
  }
  cli->operand = argv + optind, cli->operand_count = argc - optind;
  if (cli->operand_count && !cli->command->operands) {
    bool data = false; /* `train pictures`, where --data is meant */
    for (int i = 0; i < count; i++) data = data || strcmp(rows[i].option->name, "data") == 0;
    if (data) cli_usage(cli, "'%s' is not expected here; did you mean '--data %s'?", cli->operand[0], cli->operand[0]);
    else cli_usage(cli, "'%s' is not expected here", cli->operand[0]);
    return *status = EXIT_USAGE, false;
  }
  if (cli->threads > 1024)
    return *status = cli_usage(cli, "--threads %lld: at most 1024", (long long)cli->threads), false;
  return true;
}
