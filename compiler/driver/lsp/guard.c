/* Failures of the compiler that must not end the server: BUG(), an environment that fails, and the signals of a bug in
 * C. What the work had allocated outside of its arena is lost, which is little. Called by server.c and analysis.c. */
#include "compiler/driver/lsp/analysis.h"
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) /* it has handlers of its own, and a bug that it finds is to be seen */
enum { CATCHES_SIGNALS = false };
#else
enum { CATCHES_SIGNALS = true };
#endif

static sigjmp_buf *innermost; /* NULL: nothing is guarded */
static char reason[1200];

static void caught(ExitStatus status, const char *message) {
  if (!innermost) return; /* outside of all work it ends the process, as everywhere */
  snprintf(reason, sizeof reason, "%s%s", status == EXIT_BUG ? "this is a bug in surgeryc " SURGERY_VERSION ": " : "",
           message);
  siglongjmp(*innermost, 1);
}

static void on_signal(int number) {
  if (!innermost) {
    signal(number, SIG_DFL);
    raise(number);
    return;
  }
  snprintf(reason, sizeof reason, "this is a bug in surgeryc " SURGERY_VERSION ": signal %d", number);
  siglongjmp(*innermost, 1);
}

void guard_signals(void) {
  failures_catch(caught);
  if (!CATCHES_SIGNALS) return;
  static char stack[1 << 16]; /* the usual one may be what overflowed */
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  for (size_t i = 0; i < LENGTH(numbers); i++)
    sigaction(numbers[i], &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER}, NULL);
}

bool guarded(void (*work)(void *user), void *user, const char **why) {
  sigjmp_buf here, *outer = innermost;
  if (sigsetjmp(here, 1) != 0) {
    innermost = outer;
    *why = reason;
    return false;
  }
  innermost = &here;
  work(user);
  innermost = outer;
  return true;
}
