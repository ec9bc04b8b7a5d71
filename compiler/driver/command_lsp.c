/* `surgeryc lsp`: the Language Server Protocol on stdin and stdout, for editors; the work is in lsp/. */
#include "compiler/driver/driver.h"
#include "compiler/driver/lsp/server.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

ExitStatus command_lsp(Session *s, const Options *o) {
  /* Only frames may go to the client: what else would print goes to stderr, where editors keep a log. */
  int out = fcntl(1, F_DUPFD_CLOEXEC, 3);
  if (out < 0 || dup2(2, 1) < 0) fail_environment("standard output: %s", strerror(errno));
  signal(SIGPIPE, SIG_IGN); /* an editor that is gone is the end of the input */
  guard_signals();
  return lsp_serve(0, out, s);
}
