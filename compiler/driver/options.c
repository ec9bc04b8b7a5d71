/* The options of surgeryc and their help: one table, from which getopt's list and --help are made, and which
 * says which commands an option belongs to. The commands themselves are in commands.def. */
#include "compiler/codegen/codegen.h"
#include "compiler/driver/options.h"
#include <stdlib.h>

#define FOR(command) (1u << COMMAND_##command)
#define SCRIPTS /* those that read a script */ (FOR(BUILD) | FOR(CHECK) | FOR(PLAN) | FOR(SHOW) | FOR(DIFF) | FOR(RUN))
#define PASSES (FOR(BUILD) | FOR(CHECK) | FOR(PLAN)) /* those that run the passes one can stop at */
#define ALL (~0u)

static const OptionRow rows[] = {
    {{"output", OPTION_TEXT, offsetof(Options, output), "FILE",
      "what to write; its suffix (.o .a .so .ll .s .svg .dot .png .pdf) chooses the kind where --emit does not"},
     'o',
     FOR(BUILD)},
    {{"emit", OPTION_TEXT, offsetof(Options, emit), "KIND", "exe (default), obj, static, shared, llvm, asm or graph"},
     0,
     FOR(BUILD)},
    {{"compile", OPTION_OWN, 0, NULL, "the same as --emit=obj"}, 'c', FOR(BUILD)},
    {{"name", OPTION_TEXT, offsetof(Options, name), "NAME",
      "what the names of the C interface begin with (default: the output's name)"},
     0,
     FOR(BUILD)},
    {{"weights", OPTION_OWN, 0, "W", "NAME=FILE: the weights of that model; or a folder to look in"},
     0,
     SCRIPTS | FOR(LSP)},
    {{"embed-weights", OPTION_FLAG, offsetof(Options, embed_weights), NULL, "put the weights into the output"},
     0,
     FOR(BUILD)},
    {{"weights-path", OPTION_TEXT, offsetof(Options, weights_path), "FILE",
      "where the output looks for its weights when they are not beside it; from its own folder"},
     0,
     FOR(BUILD)},
    {{"define", OPTION_OWN, 0, "NAME=VALUE", "set a `param` of the script"}, 'D', SCRIPTS | FOR(LSP)},
    {{"include", OPTION_OWN, 0, "DIR", "where `include` looks"}, 'I', SCRIPTS | FOR(LSP)},
    {{"MD", OPTION_FLAG, offsetof(Options, write_depfile), NULL, "write a dependency file for make and ninja"},
     0,
     FOR(BUILD)},
    {{"MF", OPTION_TEXT, offsetof(Options, depfile), "FILE", "its name (default: the output's with .d)"},
     0,
     FOR(BUILD)},
    {{"MQ", OPTION_TEXT, offsetof(Options, depfile_target), "NAME",
      "what the rule in it is for (default: all that is written)"},
     0,
     FOR(BUILD)},
    {{"keep-unchanged", OPTION_FLAG, offsetof(Options, keep_unchanged), NULL,
      "leave files alone that have these bytes already, with their time"},
     0,
     FOR(BUILD)},
    {{"inference-only", OPTION_FLAG, offsetof(Options, inference_only), NULL,
      "freeze all that the script has left trainable, and leave out what trains"},
     0,
     FOR(BUILD) | FOR(PLAN)},
    {{"cpu", OPTION_TEXT, offsetof(Options, cpu), "NAME[,…]",
      "native (default), x86-64-v2, -v3, -v4 or a name that LLVM knows; of several the output chooses at start"},
     0,
     FOR(BUILD) | FOR(RUN)},
    {{"threads", OPTION_OWN, 0, "N", "threads that the compiler itself uses, and --tune for what it times"},
     0,
     FOR(BUILD)},
    {{"tune", OPTION_FLAG, offsetof(Options, tune), NULL,
      "time the kernels that can do a convolution, on this machine, and take the fastest"},
     0,
     FOR(BUILD) | FOR(RUN)},
    {{"clear-cache", OPTION_FLAG, offsetof(Options, clear_cache), NULL,
      "remove all programs from the cache first; without a script, only that"},
     0,
     FOR(RUN)},
    {{"in-place", OPTION_FLAG, offsetof(Options, in_place), NULL, "write the result into the script itself"},
     'i',
     FOR(FMT)},
    {{"check", OPTION_FLAG, offsetof(Options, check_only), NULL,
      "write nothing; name the scripts that differ, and end with status 1"},
     0,
     FOR(FMT)},
    {{"optimize", OPTION_OWN, 0, "LEVEL", "0 to 3 (default 3)"}, 'O', FOR(BUILD) | FOR(RUN)},
    {{"diagnostics", OPTION_TEXT, offsetof(Options, diagnostics), "FORM",
      "text (default) or json: one array; on stderr"},
     0,
     SCRIPTS | FOR(ZOO) | FOR(FMT)},
    {{"color", OPTION_TEXT, offsetof(Options, color), "WHEN", "auto (default), always or never"}, 0, ALL},
    {{"Werror", OPTION_FLAG, offsetof(Options, werror), NULL, "warnings are errors"}, 0, SCRIPTS},
    {{"Wno-weights", OPTION_OWN, 0, NULL, "a weight file that is not there is no error"},
     0,
     FOR(CHECK) | FOR(PLAN) | FOR(LSP)},
    {{"tree", OPTION_FLAG, offsetof(Options, tree), NULL, "the modules as PyTorch's print(model) has them"},
     0,
     FOR(SHOW)},
    {{"json", OPTION_FLAG, offsetof(Options, json), NULL, "everything, for programs"},
     0,
     FOR(SHOW) | FOR(DIFF) | FOR(ZOO) | FOR(PLAN)},
    {{"graph", OPTION_TEXT, offsetof(Options, graph), "FILE",
      "draw the network with Graphviz; FILE ends in .svg, .png, .pdf or .dot"},
     0,
     FOR(SHOW)},
    {{"stop-after", OPTION_TEXT, offsetof(Options, stop_after), "PASS", "stop behind a pass"}, 0, PASSES},
    {{"dump", OPTION_TEXT, offsetof(Options, dump), "PASS", "print what a pass made, on stdout"}, 0, PASSES},
    {{"time-passes", OPTION_FLAG, offsetof(Options, time_passes), NULL, "say how long each pass took, on stderr"},
     0,
     PASSES},
    {{"explain", OPTION_OWN, 0, "CODE", "the same as the command explain"}, 0, FOR(BUILD) | FOR(EXPLAIN)},
    {{"help", OPTION_OWN, 0, NULL, "this text"}, 'h', ALL},
    {{"version", OPTION_OWN, 0, NULL, "the version"}, 0, ALL},
};
#define ROW_COUNT (sizeof rows / sizeof *rows)

const OptionRow *option_rows(size_t *count) {
  *count = ROW_COUNT;
  return rows;
}

/* gcc spells these with one dash, and so do the build systems that call it. */
bool is_single_dash(const char *name) {
  static const char *const names[] = {"MD", "MF", "MQ", "Werror", "Wno-weights"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (streq(name, names[i])) return true;
  return false;
}

bool has_option(const CommandRow *command, const OptionRow *row) {
  return row->commands >> (command - command_rows) & 1;
}

const char *exit_status_text(const CommandRow *command) {
  return command->status
             ? command->status
             : "0 done, 1 the script or an input is wrong, 2 wrong usage, 3 the environment failed, 70 a bug";
}

static void print_option(FILE *out, const OptionRow *row) {
  char left[64], letter[8] = "   ";
  const char *value = row->option.argument ? row->option.argument : "";
  if (row->letter) snprintf(letter, sizeof letter, "-%c,", row->letter);
  if (is_single_dash(row->option.name))
    snprintf(left, sizeof left, "    -%s%s%s", row->option.name, *value ? " " : "", value);
  else snprintf(left, sizeof left, "%s --%s%s%s", letter, row->option.name, *value ? "=" : "", value);
  fprintf(out, "  %-28s %s\n", left, row->option.help);
}

static void print_help(FILE *out, const CommandRow *command) {
  fprintf(out, "usage: %s\n\n%s\n\n", command->usage, command->help);
  if (command == &command_rows[COMMAND_BUILD]) {
    fputs("commands:\n", out);
    for (size_t i = 1; i < COMMAND_COUNT; i++)
      fprintf(out, "  surgeryc %-14s %s\n", command_rows[i].name, command_rows[i].help);
    fputc('\n', out);
  }
  fputs("options:\n", out);
  for (size_t i = 0; i < ROW_COUNT; i++)
    if (has_option(command, &rows[i])) print_option(out, &rows[i]);
  if (PASSES >> (command - command_rows) & 1) list_passes(out);
  fprintf(out, "\nexit status: %s\n", exit_status_text(command));
}

_Noreturn static void usage(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("surgeryc: ", stderr);
  vfprintf(stderr, format, args);
  fputs("; see surgeryc --help\n", stderr);
  va_end(args);
  exit(EXIT_USAGE);
}

static int whole_number(const char *option, const char *text, int low, int high) {
  char *end;
  long value = strtol(text, &end, 10);
  if (!*text || *end || value < low || value > high)
    usage("%s wants a number from %d to %d, not '%s'", option, low, high, text);
  return (int)value;
}

static NameValue split_pair(Session *s, const char *text) {
  const char *equals = strchr(text, '=');
  return equals ? (NameValue){arena_strndup(s->arena, text, (size_t)(equals - text)), equals + 1}
                : (NameValue){NULL, text};
}

static void one_of(const char *option, const char *value, const char *const *allowed, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (streq(value, allowed[i])) return;
  const char *near = nearest_name(value, allowed, count);
  usage("%s does not know '%s'%s%s%s", option, value, near ? ", did you mean '" : "", near ? near : "",
        near ? "'?" : "");
}

const char *const *option_values(const char *name, size_t *count) {
  static const char *const emit[] = {"exe", "obj", "static", "shared", "llvm", "asm", "graph"};
  static const char *const diagnostics[] = {"text", "json"}, *const color[] = {"auto", "always", "never"};
#define VALUES(list) (*count = sizeof list / sizeof *list, list)
  if (streq(name, "emit")) return VALUES(emit);
  if (streq(name, "diagnostics")) return VALUES(diagnostics);
  if (streq(name, "color")) return VALUES(color);
#undef VALUES
  if (streq(name, "stop-after") || streq(name, "dump")) return pass_names(count);
  return NULL;
}

typedef struct Taking {
  Session *s;
  Options *o;
  bool given[ROW_COUNT];
} Taking;

/* What is no text or flag of its own. */
static void take_own(Session *s, Options *o, const char *name, const char *value) {
  if (streq(name, "compile")) o->emit = "obj";
  else if (streq(name, "weights")) vec_push(s->arena, &s->weights, split_pair(s, value));
  else if (streq(name, "define")) {
    NameValue pair = split_pair(s, value);
    if (!pair.name || !*pair.name) usage("-D wants NAME=VALUE, not '%s'", value);
    vec_push(s->arena, &s->defines, pair);
  } else if (streq(name, "include")) vec_push(s->arena, &s->include_dirs, value);
  else if (streq(name, "threads")) o->threads = whole_number("--threads", value, 1, 256);
  else if (streq(name, "optimize")) o->opt_level = whole_number("-O", value, 0, 3);
  else if (streq(name, "Wno-weights")) s->missing_allowed = true;
  else if (streq(name, "explain")) o->command = &command_rows[COMMAND_EXPLAIN], o->script = value;
  else if (streq(name, "version")) puts("surgeryc " SURGERY_VERSION), exit(EXIT_DONE);
  else if (streq(name, "help")) print_help(stdout, o->command), exit(EXIT_DONE);
  else BUG("nothing takes the option --%s", name);
}

/* A text that not everything may be. */
static void check_value(Session *s, Options *o, const char *name, const char *value) {
  size_t count;
  const char *const *values = option_values(name, &count);
  if (values) one_of(arena_printf(s->arena, "--%s", name), value, values, count);
  else if (streq(name, "weights-path") && !*value) usage("--weights-path wants a file");
  else if (streq(name, "MF") || streq(name, "MQ")) o->write_depfile = true;
  else if (streq(name, "name") && !streq(codegen_identifier(s->arena, value), value))
    usage("--name=%s cannot be the beginning of a name in C; one that can: %s", value,
          codegen_identifier(s->arena, value));
}

static bool take_option(void *user, int row, const char *value) {
  Taking *t = user;
  const Option *option = &rows[row].option;
  t->given[row] = true;
  if (option->kind == OPTION_OWN) take_own(t->s, t->o, option->name, value);
  else option_store(option, t->o, value); /* an empty text is a text here */
  if (option->kind == OPTION_TEXT) check_value(t->s, t->o, option->name, value);
  return true;
}

/* Not behind "--", where names of files begin. */
static void accept_single_dash(Session *s, int argc, char **argv) {
  for (int i = 1; i < argc && !streq(argv[i], "--"); i++)
    if (argv[i][0] == '-' && is_single_dash(argv[i] + 1)) argv[i] = (char *)arena_printf(s->arena, "-%s", argv[i]);
}

/* "surgeryc chek x.surgery": two names, the first nearly a command. */
static void refuse_misspelt_command(const Options *o) {
  const char *names[COMMAND_COUNT], *near;
  for (size_t i = 0; i < COMMAND_COUNT; i++) names[i] = command_rows[i].name;
  if (o->command == command_rows && o->rest.count > 0 && (near = nearest_name(o->script, names, COMMAND_COUNT)))
    usage("there is no command '%s', did you mean '%s'?", o->script, near);
}

static void refuse_options_of_others(const Options *o, const bool *given) {
  for (size_t i = 0; i < ROW_COUNT; i++)
    if (given[i] && !has_option(o->command, &rows[i]))
      usage("%s takes no %s%s", o->command->name, is_single_dash(rows[i].option.name) ? "-" : "--",
            rows[i].option.name);
}

static void check_arguments(const Options *o, bool no_words) {
  const CommandRow *c = o->command;
  int count = (o->script != NULL) + (int)o->rest.count;
  if (count < c->least && !o->clear_cache) {
    if (!no_words)
      usage(count ? "%s wants %d arguments" : "the %s is missing", count ? c->name : c->argument, c->least);
    print_help(stderr, c);
    exit(EXIT_USAGE);
  }
  if (c->most < 0 || count <= c->most) return;
  const char *extra = c->most == 0 ? o->script : o->rest.at[c->most - 1];
  if (c->most == 1) usage("one %s at a time, '%s' is too much", c->argument, extra);
  usage("'%s' is too much for %s", extra, c->name);
}

static int arguments_after_dashes(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (streq(argv[i], "--")) return argc - i - 1;
  return 0;
}

void parse_options(int argc, char **argv, Session *s, Options *o) {
  OptionReader reader = {.loud = true};
  Taking taking = {.s = s, .o = o};
  bool no_words = argc <= 1;
  for (size_t i = 0; i < ROW_COUNT; i++) options_add(&reader, &rows[i].option, rows[i].letter);
  const CommandRow *command = argc > 1 ? find_command(argv[1]) : NULL;
  if (command) {
    o->command = command;
    argv[1] = argv[0];
    argv++, argc--;
  }
  accept_single_dash(s, argc, argv);
  int word, after_dashes = arguments_after_dashes(argc, argv);
  if (options_read(&reader, argc, argv, take_option, &taking, &word) != OPTIONS_READ) exit(EXIT_USAGE);
  o->before_dashes = argc - word - after_dashes;
  if (word < argc && !o->script) o->script = argv[word++];
  for (; word < argc; word++) vec_push(s->arena, &o->rest, argv[word]);
  refuse_misspelt_command(o);
  refuse_options_of_others(o, taking.given);
  check_arguments(o, no_words);
}
