/* What surgeryc writes about itself, from the tables that its --help is made of: man pages (roff.c) and completions
 * (shells.c). Called by command_manual.c, which the build calls for what is installed. */
#ifndef SURGERY_DRIVER_MANUAL_H
#define SURGERY_DRIVER_MANUAL_H
#include "compiler/driver/options.h"

/* surgeryc(1), or surgeryc-COMMAND(1). */
void manual_command(FILE *out, const CommandRow *command);
/* surgery(5), the language. */
void manual_language(FILE *out);

typedef void ManualShell(FILE *out);
ManualShell manual_bash, manual_zsh, manual_fish;
#endif
