/* The commands of surgeryc: one row each, from which the dispatch, the usage lines and the list in --help
 * come. Which options a command has is said in the options' own table, options.c. */
#include "compiler/driver/driver.h"

#define SUBJECTS                                                                                                       \
  "  NAME    a built-in network, or what else stands behind take: 'resnet18(10)[0:5]'\n"                               \
  "  SCRIPT  what it makes of its network; weights are not looked at\n"                                                \
  "  FILE    a weight file, of any format that is read"

const CommandRow command_rows[COMMAND_COUNT] = {
    [COMMAND_BUILD] = {"build", command_build, "script", 1, 1, "surgeryc SCRIPT.surgery [-o OUT]",
                       "Compiles a script to a native program, object, library or LLVM IR."},
    [COMMAND_CHECK] = {"check", command_check, "script", 1, -1, "surgeryc check SCRIPT…",
                       "All checks, no output; the exit status is the answer."},
    [COMMAND_PLAN] = {"plan", command_plan, "script", 1, 1, "surgeryc plan SCRIPT",
                      "What the script does: layers, shapes, parameters, FLOPs, memory."},
    [COMMAND_SHOW] = {"show", command_show, "name, script or file", 1, 1, "surgeryc show NAME|SCRIPT|FILE\n\n" SUBJECTS,
                      "A network as a table, a tree or a picture; or a weight file's tensors."},
    [COMMAND_DIFF] = {"diff", command_diff, "first name, script or file", 2, 2,
                      "surgeryc diff A B, each NAME|SCRIPT|FILE\n\n" SUBJECTS,
                      "What differs between two networks, scripts or weight files.",
                      "0 no difference, 1 they differ, 2 wrong usage, 3 an input is wrong or the environment failed, "
                      "70 a bug"},
    [COMMAND_ZOO] = {"zoo", command_zoo, NULL, 0, 0, "surgeryc zoo", "The built-in architectures."},
    [COMMAND_EXPLAIN] = {"explain", command_explain, "code", 0, 1, "surgeryc explain [CODE]",
                         "One message explained, with an example and the cure; without a code all of them listed."},
    [COMMAND_FMT] = {"fmt", command_fmt, "script", 1, -1, "surgeryc fmt [-i|--check] SCRIPT…",
                     "Scripts in their canonical layout, on stdout; - is stdin."},
    [COMMAND_RUN] = {"run", command_run, "script", 1, -1,
                     "surgeryc run SCRIPT [-- ARGUMENTS…]\n       surgeryc run --clear-cache",
                     "Builds a script's program unless it is in the cache, and runs it with the arguments."},
};

const CommandRow *find_command(const char *name) {
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    if (streq(name, command_rows[i].name)) return &command_rows[i];
  return NULL;
}
