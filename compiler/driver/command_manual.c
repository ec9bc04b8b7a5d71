/* `surgeryc manual PAGE`: a man page in roff, or a shell's completions. `surgeryc manual check | man -l -` shows one.
 */
#include "compiler/driver/manual/manual.h"

ExitStatus command_manual(Session *s, const Options *o) {
  static const struct {
    const char *name;
    ManualShell *write;
  } others[] = {{"surgery", manual_language}, {"bash", manual_bash}, {"zsh", manual_zsh}, {"fish", manual_fish}};
  const char *page = o->script;
  const CommandRow *command = streq(page, "surgeryc") ? &command_rows[COMMAND_BUILD] : find_command(page);
  if (command) {
    manual_command(stdout, command);
    return EXIT_DONE;
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (!streq(page, others[i].name)) continue;
    others[i].write(stdout);
    return EXIT_DONE;
  }
  fprintf(stderr, "surgeryc: there is no page '%s'; see surgeryc manual --help\n", page);
  return EXIT_USAGE;
}
