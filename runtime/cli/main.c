/* surgery_main: which command of commands.def, then that command. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/base/nearest.h"
#include "runtime/cli/cli.h"

static const CliCommand *const commands[] = {
#define COMMAND(name) &command_##name,
#include "runtime/cli/commands.def"
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_help(FILE *out, const char *program) {
  fprintf(out, "usage: %s COMMAND [options]\n\n", program);
  for (size_t i = 0; i < COMMANDS; i++) fprintf(out, "  %-8s  %s\n", commands[i]->name, commands[i]->summary);
  fprintf(out,
          "\n%s COMMAND --help tells a command's options.\n"
          "Exit status: 0 done, 1 an input is wrong, 2 wrong usage, 3 the environment failed (file, disk, "
          "memory), 130 interrupted.\n",
          program);
}

static ExitStatus unknown_command(const char *program, const char *name) {
  const char *names[COMMANDS];
  for (size_t i = 0; i < COMMANDS; i++) names[i] = commands[i]->name;
  const char *near = nearest_name(name, names, COMMANDS);
  cli_print(stderr, "%s: there is no command '%s'", program, name);
  if (near) fprintf(stderr, "; did you mean '%s'?", near);
  fprintf(stderr, "\nTry '%s --help'.\n", program);
  return EXIT_USAGE;
}

int surgery_main(const struct sg_network *network, int argc, char **argv) {
  const char *program = argc > 0 && argv[0] ? argv[0] : "program", *slash = strrchr(program, '/');
  if (slash && slash[1]) program = slash + 1;
  program = SG_Q(program); /* in all usage texts and messages */
  Cli cli = {.network = network, .program = program};
  signal(SIGXFSZ, SIG_IGN); /* a file that may grow no more is an error of write(), which leaves no temporaries */
  if (argc < 2) {
    print_help(stderr, program);
    return EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    print_help(stdout, program);
    return cli_finish(&cli, EXIT_DONE);
  }
  if (strcmp(argv[1], "--version") == 0) {
    cli_print(stdout, "%s (surgery %s)\n", program, SURGERY_VERSION);
    return cli_finish(&cli, EXIT_DONE);
  }
  for (size_t i = 0; i < COMMANDS; i++) {
    if (strcmp(argv[1], commands[i]->name) != 0) continue;
    cli.command = commands[i];
    cli.operand = argv + 1; /* until cli_parse has sorted them */
    cli.operand_count = argc - 1;
    return cli_finish(&cli, commands[i]->run(&cli));
  }
  return unknown_command(program, argv[1]);
}
