/* Runs another program (cc, ar, dot) without a shell, so that names with spaces and quotes need no care.
 * Called by link.c and by the driver for pictures. */
#include "compiler/emit/emit.h"
#include "runtime/base/io.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
extern volatile sig_atomic_t emit_child; /* output.c kills it on a signal */

/* stdin, stdout and stderr of the child; -1: its parent's, stdout: the parent's stderr, since what it prints
 * are messages. */
typedef struct Streams {
  int fd[3];
} Streams;
static const Streams inherited = {{-1, 2, -1}};

/* A group of its own, so that a signal's handler can end cc together with the linker that it started. */
static int spawn(pid_t *pid, const char *const *argv, const char *folder, const Streams *streams) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  for (int i = 0; i < 3; i++)
    if (streams->fd[i] >= 0) posix_spawn_file_actions_adddup2(&actions, streams->fd[i], i);
  if (folder) posix_spawn_file_actions_addchdir_np(&actions, folder);
  int status = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return status;
}

/* Runs it to its end. False with one line on stderr. */
static bool run(const char *const *argv, const char *folder, const Streams *streams, const char *purpose,
                const char *package) {
  sigset_t all, old;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &old); /* so that the handler never misses a child that was just born */
  pid_t pid;
  int reason = spawn(&pid, argv, folder, streams);
  if (!reason) emit_child = pid;
  sigprocmask(SIG_SETMASK, &old, NULL);
  if (reason == ENOENT)
    return emit_complain("%s needs the program '%s', which is not installed: %s", purpose, argv[0], package);
  if (reason) return emit_complain("%s: cannot start '%s': %s", purpose, argv[0], strerror(reason));
  int status = 0;
  pid_t got;
  do got = waitpid(pid, &status, 0);
  while (got < 0 && errno == EINTR);
  emit_child = 0;
  if (got < 0) return emit_complain("%s: lost '%s': %s", purpose, argv[0], strerror(errno));
  if (WIFSIGNALED(status)) return emit_complain("%s: '%s' was ended by signal %d", purpose, argv[0], WTERMSIG(status));
  if (WEXITSTATUS(status))
    return emit_complain("%s failed: '%s' ended with status %d", purpose, argv[0], WEXITSTATUS(status));
  return true;
}

bool program_installed(const char *name) {
  const char *folders = getenv("PATH");
  char path[PATH_MAX];
  for (const char *end; folders && *folders; folders = *end ? end + 1 : end) {
    end = strchrnul(folders, ':');
    int length = snprintf(path, sizeof path, "%.*s/%s", (int)(end - folders), folders, name);
    if (length < (int)sizeof path && access(path, X_OK) == 0) return true;
  }
  return false;
}

bool run_program(const char *const *argv, const char *folder, const char *purpose) {
  return run(argv, folder, &inherited, purpose, "gcc (on Debian: apt install gcc); --emit=obj does without");
}

/* All of a memory file, and a NUL. NULL: reading failed. */
static char *file_content(Arena *arena, int fd, size_t *count) {
  struct stat st;
  surgery_error ignored;
  if (fstat(fd, &st)) return NULL;
  char *bytes = arena_alloc(arena, (size_t)st.st_size + 1);
  *count = (size_t)st.st_size;
  return sg_pread(fd, "", bytes, 0, *count, &ignored) ? NULL : bytes;
}

/* Memory files in the place of pipes: neither side ever waits for the other. */
const char *run_filter(Arena *arena, const char *const *argv, const char *input, size_t *count, const char *purpose,
                       const char *package) {
  Streams streams;
  const char *result = NULL;
  for (int i = 0; i < 3; i++) streams.fd[i] = memfd_create(purpose, MFD_CLOEXEC);
  bool ready = streams.fd[0] >= 0 && streams.fd[1] >= 0 && streams.fd[2] >= 0;
  ready = ready && sg_write_all(streams.fd[0], input, *count) == 0 && lseek(streams.fd[0], 0, SEEK_SET) == 0;
  if (!ready) emit_complain("%s: no memory for the input of '%s': %s", purpose, argv[0], strerror(errno));
  else if (run(argv, NULL, &streams, purpose, package)) {
    result = file_content(arena, streams.fd[1], count);
    if (!result) emit_complain("%s: cannot read what '%s' wrote: %s", purpose, argv[0], strerror(errno));
  } else {
    size_t length;
    const char *said = file_content(arena, streams.fd[2], &length);
    if (said) fwrite(said, 1, length, stderr);
  }
  for (int i = 0; i < 3; i++)
    if (streams.fd[i] >= 0) close(streams.fd[i]);
  return result;
}
