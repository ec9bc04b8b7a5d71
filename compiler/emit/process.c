/* Runs another program (cc, ar) without a shell, so that names with spaces and quotes need no care. Called by
 * link.c. */
#include "compiler/emit/emit.h"
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
extern volatile sig_atomic_t emit_child; /* output.c kills it on a signal */

/* A group of its own, so that a signal's handler can end cc together with the linker that it started. */
static int spawn(pid_t *pid, const char *const *argv, const char *folder) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawn_file_actions_adddup2(&actions, 2, 1); /* what it prints are messages */
  if (folder) posix_spawn_file_actions_addchdir_np(&actions, folder);
  int status = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return status;
}

bool run_program(const char *const *argv, const char *folder, const char *purpose) {
  sigset_t all, old;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &old); /* so that the handler never misses a child that was just born */
  pid_t pid;
  int reason = spawn(&pid, argv, folder);
  if (!reason) emit_child = pid;
  sigprocmask(SIG_SETMASK, &old, NULL);
  if (reason == ENOENT)
    return emit_complain(
        "%s needs the program '%s', which is not installed (on Debian: apt install gcc); --emit=obj "
        "does without",
        purpose, argv[0]);
  if (reason) return emit_complain("%s: cannot start '%s': %s", purpose, argv[0], strerror(reason));
  int status = 0;
  pid_t got;
  do got = waitpid(pid, &status, 0);
  while (got < 0 && errno == EINTR);
  emit_child = 0;
  if (got < 0) return emit_complain("%s: lost '%s': %s", purpose, argv[0], strerror(errno));
  if (WIFSIGNALED(status))
    return emit_complain("%s: '%s' was ended by signal %d", purpose, argv[0], WTERMSIG(status));
  if (WEXITSTATUS(status))
    return emit_complain("%s failed: '%s' ended with status %d", purpose, argv[0], WEXITSTATUS(status));
  return true;
}
