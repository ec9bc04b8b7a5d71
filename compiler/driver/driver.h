/* The command line of surgeryc. Nothing else includes this header. */
#ifndef SURGERY_DRIVER_H
#define SURGERY_DRIVER_H
#include "compiler/plan/plan.h"
#include "compiler/emit/emit.h"
#include "compiler/script/script.h"
#include "runtime/base/exit.h"
#include "runtime/surgery.h"

typedef struct Options {
  const struct CommandRow *command;
  const char *script;     /* the first argument behind the command */
  VEC(const char *) rest; /* further arguments */
  const char *output, *emit, *cpu, *depfile, *stop_after, *dump, *diagnostics, *color, *graph, *name;
  const char *depfile_target; /* -MQ */
  const char *weights_path;   /* where the output is to look for its weights, after its own folder */
  bool compile_only, embed_weights, write_depfile, werror, time_passes, tune;
  bool in_place, check_only, tree, json, clear_cache, keep_unchanged, inference_only;
  int before_dashes; /* how many arguments stand before `--`, or all */
  int opt_level, threads;
} Options;

/* Reads argv; on wrong usage prints one line to stderr and exits 2; answers --help and --version itself. */
void parse_options(int argc, char **argv, Session *s, Options *o);

/* No error was collected, and with -Werror no warning. A plan is made of shapes: there a weight file that is missing
 * stops nothing. */
bool may_go_on(const Session *s, const Options *o);
/* Prints what the session collected, in the order of the script: once in a run, so that JSON is one array. */
void report(Session *s, const Options *o);
/* Colours on the file descriptor: --color, and whether it is a terminal. */
bool use_color(const Options *o, int fd);

/* The passes in their order, passes.c. The state grows from pass to pass. */
typedef struct Compilation {
  Session *s;
  const Options *o;
  Script script;
  KernelChoices choices; /* where more than one kernel can do a call */
  Plan *plan;
  EmitOptions emit; /* its output NULL: nothing is written */
  Emission *emission;
  size_t passes_done; /* where the next run_passes() goes on */
  bool report_later;  /* the command reports by itself */
} Compilation;
/* Runs the passes that have not run yet up to `last` (NULL: all), or to --stop-after, and reports. */
ExitStatus run_passes(Compilation *c, const char *last);
const char *const *pass_names(size_t *count);
void list_passes(FILE *out);

/* The commands: rows of commands.def. */
typedef enum CommandId {
#define COMMAND(ID, ...) COMMAND_##ID,
#include "compiler/driver/commands.def"
#undef COMMAND
  COMMAND_COUNT
} CommandId;
typedef struct CommandRow {
  const char *name;
  ExitStatus (*run)(Session *s, const Options *o);
  const char *argument; /* what it works on: "script"; NULL: nothing */
  int least, most;      /* how many of them; most -1: any number */
  const char *usage, *help;
  const char *status; /* what the exit status says, where it is not what it is for the others */
} CommandRow;
extern const CommandRow command_rows[COMMAND_COUNT];
const CommandRow *find_command(const char *name); /* NULL */

#define COMMAND(ID, name, ...) ExitStatus command_##name(Session *s, const Options *o);
#include "compiler/driver/commands.def"
#undef COMMAND

/* command_build.c: what run shares with it. The program's name without -o. */
const char *default_output(Session *s, const Options *o, EmitKind kind);
const char *file_name(const char *path); /* without its folder */
/* What is wrong with --cpu, for itself or beside --tune; NULL: nothing. */
const char *cpu_error(Session *s, const Options *o);

/* tune_table.c: what --tune has timed and chosen. */
void dump_tune(Compilation *c);
#endif
