/* surgeryc: reads the command line, runs one command, returns its exit status (docs/commands.md). */
#include "compiler/driver/driver.h"
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

const CommandRow command_rows[COMMAND_COUNT] = {
#define COMMAND(ID, name, ...) [COMMAND_##ID] = {#name, command_##name, __VA_ARGS__},
#include "compiler/driver/commands.def"
#undef COMMAND
};

const CommandRow *find_command(const char *name) {
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    if (streq(name, command_rows[i].name)) return &command_rows[i];
  return NULL;
}

bool may_go_on(const Session *s, const Options *o) {
  size_t allowed = o->command == &command_rows[COMMAND_PLAN] ? s->missing_weights : 0;
  return s->diags.errors == allowed && !(o->werror && s->diags.warnings > 0);
}

bool use_color(const Options *o, int fd) {
  return streq(o->color, "always") || (!streq(o->color, "never") && isatty(fd) && !getenv("NO_COLOR"));
}

void report(Session *s, const Options *o) {
  bool color = use_color(o, 2);
  fflush(stdout); /* main() tells the reason, so that nothing behind it may change errno */
  if (streq(o->diagnostics, "json")) diag_print_json(&s->diags, stderr);
  else diag_print_text(&s->diags, stderr, color);
}

int main(int argc, char **argv) {
  setlocale(LC_CTYPE, "C.UTF-8");
  signal(SIGXFSZ,
         SIG_IGN); /* a file that may grow no more is an error of write(), which leaves no temporaries behind */
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = arena;
  s->sources.arena = arena;
  s->diags.arena = arena;
  s->diags.sources = &s->sources;
  Options o = {.command = &command_rows[COMMAND_BUILD], .color = "auto", .diagnostics = "text", .opt_level = 3};
  parse_options(argc, argv, s, &o);
  ExitStatus status = o.command->run(s, &o);
  arena_destroy(arena);
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  fprintf(stderr, "surgeryc: standard output: %s\n", strerror(errno));
  return status == EXIT_DONE ? EXIT_ENVIRONMENT : status;
}
