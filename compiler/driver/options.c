/* The options of surgeryc and their help: one table, from which getopt's list and --help are made, and which
 * says which commands an option belongs to. The commands themselves are in commands.def. */
#include "compiler/codegen/codegen.h"
#include "compiler/driver/driver.h"
#include <getopt.h>
#include <stdlib.h>

typedef struct OptionRow {
  const char *name;  /* long name */
  int id;            /* the short letter, or a number from 256 on */
  const char *value; /* its argument's name; NULL: none */
  unsigned commands; /* which have it: bits by CommandId */
  const char *help;
} OptionRow;

enum {
  OPT_EMIT = 256,
  OPT_WEIGHTS,
  OPT_EMBED,
  OPT_WEIGHTS_PATH,
  OPT_MD,
  OPT_MF,
  OPT_CPU,
  OPT_THREADS,
  OPT_DIAGNOSTICS,
  OPT_COLOR,
  OPT_STOP,
  OPT_DUMP,
  OPT_TIME,
  OPT_VERSION,
  OPT_WERROR,
  OPT_NO_WEIGHTS,
  OPT_EXPLAIN,
  OPT_CHECK,
  OPT_TREE,
  OPT_JSON,
  OPT_GRAPH,
  OPT_TUNE,
  OPT_NAME,
  OPT_CLEAR_CACHE
};

#define FOR(command) (1u << COMMAND_##command)
#define SCRIPTS /* those that read a script */ (FOR(BUILD) | FOR(CHECK) | FOR(PLAN) | FOR(SHOW) | FOR(DIFF) | FOR(RUN))
#define PASSES (FOR(BUILD) | FOR(CHECK) | FOR(PLAN)) /* those that run the passes one can stop at */
#define ALL (~0u)

static const OptionRow rows[] = {
    {"output", 'o', "FILE", FOR(BUILD),
     "what to write; its suffix (.o .a .so .ll .s .svg .dot .png .pdf) chooses the kind where --emit does not"},
    {"emit", OPT_EMIT, "KIND", FOR(BUILD), "exe (default), obj, static, shared, llvm, asm or graph"},
    {"compile", 'c', NULL, FOR(BUILD), "the same as --emit=obj"},
    {"name", OPT_NAME, "NAME", FOR(BUILD), "what the names of the C interface begin with (default: the output's name)"},
    {"weights", OPT_WEIGHTS, "W", SCRIPTS, "NAME=FILE: the weights of that model; or a folder to look in"},
    {"embed-weights", OPT_EMBED, NULL, FOR(BUILD), "put the weights into the output"},
    {"weights-path", OPT_WEIGHTS_PATH, "FILE", FOR(BUILD),
     "where the output looks for its weights when they are not beside it; from its own folder"},
    {"define", 'D', "NAME=VALUE", SCRIPTS, "set a `param` of the script"},
    {"include", 'I', "DIR", SCRIPTS, "where `include` looks"},
    {"MD", OPT_MD, NULL, FOR(BUILD), "write a dependency file for make and ninja"},
    {"MF", OPT_MF, "FILE", FOR(BUILD), "its name (default: the output's with .d)"},
    {"cpu", OPT_CPU, "NAME[,…]", FOR(BUILD) | FOR(RUN),
     "native (default), x86-64-v2, -v3, -v4 or a name that LLVM knows; of several the output chooses at start"},
    {"threads", OPT_THREADS, "N", FOR(BUILD), "threads that the compiler itself uses, and --tune for what it times"},
    {"tune", OPT_TUNE, NULL, FOR(BUILD) | FOR(RUN),
     "time the kernels that can do a convolution, on this machine, and take the fastest"},
    {"clear-cache", OPT_CLEAR_CACHE, NULL, FOR(RUN),
     "remove all programs from the cache first; without a script, only that"},
    {"in-place", 'i', NULL, FOR(FMT), "write the result into the script itself"},
    {"check", OPT_CHECK, NULL, FOR(FMT), "write nothing; name the scripts that differ, and end with status 1"},
    {"optimize", 'O', "LEVEL", FOR(BUILD) | FOR(RUN), "0 to 3 (default 3)"},
    {"diagnostics", OPT_DIAGNOSTICS, "FORM", SCRIPTS | FOR(ZOO) | FOR(FMT),
     "text (default) or json: one array; on stderr"},
    {"color", OPT_COLOR, "WHEN", ALL, "auto (default), always or never"},
    {"Werror", OPT_WERROR, NULL, SCRIPTS, "warnings are errors"},
    {"Wno-weights", OPT_NO_WEIGHTS, NULL, FOR(CHECK) | FOR(PLAN), "a weight file that is not there is no error"},
    {"tree", OPT_TREE, NULL, FOR(SHOW), "the modules as PyTorch's print(model) has them"},
    {"json", OPT_JSON, NULL, FOR(SHOW) | FOR(DIFF) | FOR(ZOO) | FOR(PLAN), "everything, for programs"},
    {"graph", OPT_GRAPH, "FILE", FOR(SHOW), "draw the network with Graphviz; FILE ends in .svg, .png, .pdf or .dot"},
    {"stop-after", OPT_STOP, "PASS", PASSES, "stop behind a pass"},
    {"dump", OPT_DUMP, "PASS", PASSES, "print what a pass made, on stdout"},
    {"time-passes", OPT_TIME, NULL, PASSES, "say how long each pass took, on stderr"},
    {"explain", OPT_EXPLAIN, "CODE", FOR(BUILD) | FOR(EXPLAIN), "the same as the command explain"},
    {"help", 'h', NULL, ALL, "this text"},
    {"version", OPT_VERSION, NULL, ALL, "the version"},
};
#define ROW_COUNT (sizeof rows / sizeof *rows)

/* gcc spells these with one dash, and so do the build systems that call it. */
static bool is_single_dash(const char *name) {
  static const char *const names[] = {"MD", "MF", "Werror", "Wno-weights"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (streq(name, names[i])) return true;
  return false;
}

static bool has_option(const CommandRow *command, const OptionRow *row) {
  return row->commands >> (command - command_rows) & 1;
}

static void print_option(FILE *out, const OptionRow *row) {
  char left[64], letter[8] = "   ";
  const char *value = row->value ? row->value : "";
  if (row->id < 256) snprintf(letter, sizeof letter, "-%c,", row->id);
  if (is_single_dash(row->name)) snprintf(left, sizeof left, "    -%s%s%s", row->name, *value ? " " : "", value);
  else snprintf(left, sizeof left, "%s --%s%s%s", letter, row->name, *value ? "=" : "", value);
  fprintf(out, "  %-28s %s\n", left, row->help);
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
  fprintf(out, "\nexit status: %s\n",
          command->status
              ? command->status
              : "0 done, 1 the script or an input is wrong, 2 wrong usage, 3 the environment failed, 70 a bug");
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
#define ONE_OF(option, value, ...)                                                                                     \
  one_of(option, value, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char *known_pass(const char *option, const char *value) {
  size_t count;
  const char *const *names = pass_names(&count);
  one_of(option, value, names, count);
  return value;
}

static void take_option(Session *s, Options *o, int id, const char *value) {
  switch (id) {
  case 'o': o->output = value; break;
  case OPT_EMIT:
    ONE_OF("--emit", value, "exe", "obj", "static", "shared", "llvm", "asm", "graph");
    o->emit = value;
    break;
  case 'c': o->emit = "obj"; break;
  case OPT_NAME:
    o->name = value;
    if (!streq(codegen_identifier(s->arena, value), value))
      usage("--name=%s cannot be the beginning of a name in C; one that can: %s", value,
            codegen_identifier(s->arena, value));
    break;
  case OPT_CLEAR_CACHE: o->clear_cache = true; break;
  case OPT_WEIGHTS: vec_push(s->arena, &s->weights, split_pair(s, value)); break;
  case OPT_EMBED: o->embed_weights = true; break;
  case OPT_WEIGHTS_PATH:
    if (!*value) usage("--weights-path wants a file");
    o->weights_path = value;
    break;
  case 'D': {
    NameValue pair = split_pair(s, value);
    if (!pair.name || !*pair.name) usage("-D wants NAME=VALUE, not '%s'", value);
    vec_push(s->arena, &s->defines, pair);
    break;
  }
  case 'I': vec_push(s->arena, &s->include_dirs, value); break;
  case OPT_MD: o->write_depfile = true; break;
  case OPT_MF:
    o->write_depfile = true;
    o->depfile = value;
    break;
  case OPT_CPU: o->cpu = value; break;
  case OPT_TUNE: o->tune = true; break;
  case OPT_THREADS: o->threads = whole_number("--threads", value, 1, 256); break;
  case 'O': o->opt_level = whole_number("-O", value, 0, 3); break;
  case OPT_DIAGNOSTICS:
    ONE_OF("--diagnostics", value, "text", "json");
    o->diagnostics = value;
    break;
  case OPT_COLOR:
    ONE_OF("--color", value, "auto", "always", "never");
    o->color = value;
    break;
  case OPT_WERROR: o->werror = true; break;
  case OPT_NO_WEIGHTS: s->missing_allowed = true; break;
  case OPT_STOP: o->stop_after = known_pass("--stop-after", value); break;
  case OPT_DUMP: o->dump = known_pass("--dump", value); break;
  case OPT_EXPLAIN:
    o->command = &command_rows[COMMAND_EXPLAIN];
    o->script = value;
    break;
  case 'i': o->in_place = true; break;
  case OPT_CHECK: o->check_only = true; break;
  case OPT_TREE: o->tree = true; break;
  case OPT_JSON: o->json = true; break;
  case OPT_GRAPH: o->graph = value; break;
  case OPT_TIME: o->time_passes = true; break;
  case OPT_VERSION: puts("surgeryc " SURGERY_VERSION); exit(EXIT_DONE);
  case 'h': print_help(stdout, o->command); exit(EXIT_DONE);
  default: exit(EXIT_USAGE);
  }
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
      usage("%s takes no %s%s", o->command->name, is_single_dash(rows[i].name) ? "-" : "--", rows[i].name);
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

/* getopt's forms of the rows. */
static void list_options(struct option list[ROW_COUNT + 1], char letters[2 * ROW_COUNT + 2]) {
  char *end = letters;
  for (size_t i = 0; i < ROW_COUNT; i++) {
    int argument = rows[i].value ? required_argument : no_argument;
    list[i] = (struct option){rows[i].name, argument, NULL, rows[i].id};
    if (rows[i].id < 256) end += sprintf(end, "%c%s", rows[i].id, rows[i].value ? ":" : "");
  }
}

static int arguments_after_dashes(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (streq(argv[i], "--")) return argc - i - 1;
  return 0;
}

void parse_options(int argc, char **argv, Session *s, Options *o) {
  struct option list[ROW_COUNT + 1] = {0};
  char letters[2 * ROW_COUNT + 2] = "";
  bool given[ROW_COUNT] = {0}, no_words = argc <= 1;
  list_options(list, letters);
  const CommandRow *command = argc > 1 ? find_command(argv[1]) : NULL;
  if (command) {
    o->command = command;
    argv[1] = argv[0];
    argv++, argc--;
  }
  accept_single_dash(s, argc, argv);
  int id, after_dashes = arguments_after_dashes(argc, argv);
  while ((id = getopt_long(argc, argv, letters, list, NULL)) != -1) {
    for (size_t i = 0; i < ROW_COUNT; i++) given[i] |= rows[i].id == id;
    take_option(s, o, id, optarg);
  }
  o->before_dashes = argc - optind - after_dashes;
  if (optind < argc && !o->script) o->script = argv[optind++];
  for (; optind < argc; optind++) vec_push(s->arena, &o->rest, argv[optind]);
  refuse_misspelt_command(o);
  refuse_options_of_others(o, given);
  check_arguments(o, no_words);
}
