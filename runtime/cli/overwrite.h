/* Files that a command writes must not be files that it reads, and no two of them the same. */
#ifndef SURGERY_CLI_OVERWRITE_H
#define SURGERY_CLI_OVERWRITE_H
#include "runtime/cli/cli.h"

typedef struct CliFile {
  const char *path, *what; /* path NULL: not there; what: "--log", "the training set" */
} CliFile;

/* False: said what would be written over. An output may be an input where `force`; two outputs may never be one file.
 * The files of the network's weights are inputs too. Lists end with a NULL `what`. */
bool cli_may_write(const Cli *cli, const surgery_net *net, const CliFile *outputs, const CliFile *inputs, bool force);
#define CLI_FORCE_HELP "write over files that are read here"
#endif
