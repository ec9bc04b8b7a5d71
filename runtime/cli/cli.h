/* The commands of a compiled program: one file each, found through commands.def. Results go to stdout,
 * messages to stderr. This is the only part of the runtime that prints. */
#ifndef SURGERY_CLI_H
#define SURGERY_CLI_H
#include <stdio.h>
#include "runtime/data/dataset.h"
#include "runtime/base/exit.h"
#include "runtime/base/options.h"
#include "runtime/base/text.h"
#include "runtime/net/net.h"

typedef struct Cli Cli;
typedef struct CliCommand {
  const char *name, *arguments, *summary, *more; /* "FILE…", one line, lines below the options or NULL */
  const Option *options;                         /* ended by a NULL name */
  bool operands;                                 /* takes names that are no options */
  ExitStatus (*run)(Cli *cli);
} CliCommand;

struct Cli {
  const struct sg_network *network;
  const char *program; /* argv[0]'s base name */
  const CliCommand *command;
  const char *weights; /* common options */
  int64_t threads;
  bool quiet, help;
  char **operand;
  int operand_count;
};

#define COMMAND(name) extern const CliCommand command_##name;
#include "runtime/cli/commands.def"

/* ---- options.c ---- */
/* Reads argv[1 …] into cli and `arguments` (the command's own struct, holding the defaults). False: *status
 * is the exit status, and what had to be said was said (help on stdout). */
bool cli_parse(Cli *cli, void *arguments, ExitStatus *status);
/* Names of files, classes and layers may hold escape characters, which a terminal obeys: what holds a name is printed
 * by these, with control characters and broken UTF-8 as \xNN. Only cli_put_name, of one name, turns line ends into
 * \x0a. JSON has escapes of its own, a progress bar its own controls. */
void cli_put(FILE *out, const char *text);
void cli_put_name(FILE *out, const char *name);
void cli_print(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_message(const Cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* "ants: …" on stderr */
ExitStatus cli_usage(const Cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));                      /* with a pointer to --help */
ExitStatus cli_error(const Cli *cli, const surgery_error *err); /* prints it; its exit status */
/* At the end of a command: a full disk or a closed pipe behind stdout is an error too. */
ExitStatus cli_finish(const Cli *cli, ExitStatus status);

/* ---- common.c ---- */
surgery_net *cli_open(Cli *cli, surgery_error *err);         /* with --weights and --threads */
surgery_net *cli_open_to_eval(Cli *cli, surgery_error *err); /* net_open_to_eval */
/* Says so where the file that was written could not keep the names of the classes. */
void cli_tell_names(const Cli *cli, const surgery_net *net, const char *path);
DatasetSpec cli_spec(const surgery_net *net, DatasetRole role, bool with_targets);
void cli_note(const Cli *cli, const Dataset *set); /* what is odd about the data, once */
#define CLI_DATA_SETS "{data sets}"                /* in a command's `more`: the kinds of data sets */
#define CLI_RAW_HELP "pictures as their bytes, 0 to 255, without the script's preprocessing"
/* A class's name: the network's, else the data set's, else its number. Returns `to` or the name. */
const char *cli_label(const ClassNames *names, const Dataset *set, int64_t class, char to[24]);
const char *cli_bytes(double bytes, char to[32]); /* 44.7 MB */
void cli_cpu(char *to, size_t size);              /* the machine's processor */
void cli_broken(void *cli, const char *message);  /* "left out: …" on stderr */
double cli_median(double *values, int64_t count); /* sorts them; 0 for none */
#endif
