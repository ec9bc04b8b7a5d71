/* `surgeryc lsp`: the Language Server Protocol on stdin and stdout, for editors; the work is in lsp/. */
#include "compiler/driver/driver.h"
#include "compiler/driver/lsp/server.h"
#include "compiler/driver/show/show.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* In a folder of its own below $TMPDIR, which stays: somebody may be looking at it. */
static const char *draw(Session *s, const Script *script, const char *name, const char **why) {
  static char folder[256];
  const char *temporary = getenv("TMPDIR"), *argv[] = {"dot", "-Tsvg", NULL};
  if (!*folder) {
    snprintf(folder, sizeof folder, "%s/surgery-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(folder)) return *folder = '\0', *why = "no folder for the picture", NULL;
  }
  bool drawn = program_installed("dot");
  const char *path = arena_printf(s->arena, "%s/%s.%s", folder, file_name(name), drawn ? "svg" : "dot");
  const char *text = dot_text(s, script, name);
  size_t count = strlen(text);
  *why = "the picture could not be drawn or written";
  if (drawn && !(text = run_filter(s->arena, argv, text, &count, "drawing the network", "Graphviz"))) return NULL;
  return outfile_whole(s->arena, path, text, count) ? path : NULL;
}

ExitStatus command_lsp(Session *s, const Options *o) {
  /* Only frames may go to the client: what else would print goes to stderr, where editors keep a log. */
  int out = fcntl(1, F_DUPFD_CLOEXEC, 3);
  if (out < 0 || dup2(2, 1) < 0) fail_environment("standard output: %s", strerror(errno));
  signal(SIGPIPE, SIG_IGN); /* an editor that is gone is the end of the input */
  guard_signals();
  return lsp_serve(0, out, s, draw);
}
