/* Preloaded into a program (LD_PRELOAD): counts the calls by which it makes files, and lets one go wrong.
 *   SURGERY_FAULT=fail:N    call N fails, for want of space
 *   SURGERY_FAULT=kill:N    the process dies without notice in call N (a write has then put half of its bytes
 * down) SURGERY_FAULT_CALLED=FILE  is made when call N came, so that a test knows when it has been through
 * all of them Counted are open for creation, mkdir, write to files, fsync, rename. Started by save-faults.sh
 * and output-faults.sh. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

typedef enum Fault { NONE, FAIL, KILL } Fault;

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))
typedef int Open(const char *, int, mode_t);
typedef int OpenAt(int, const char *, int, mode_t);
typedef ssize_t Write(int, const void *, size_t);

/* What this call is to come to. */
static Fault next_call(void) {
  static long calls;
  const char *plan = getenv("SURGERY_FAULT"), *called = getenv("SURGERY_FAULT_CALLED");
  if (!plan || ++calls != atol(strchr(plan, ':') ? strchr(plan, ':') + 1 : "0")) return NONE;
  int mark = called ? NEXT(Open *, "open")(called, O_WRONLY | O_CREAT, 0666) : -1;
  if (mark >= 0) close(mark);
  return strncmp(plan, "kill", 4) == 0 ? KILL : FAIL;
}

static int goes_wrong(void) {
  Fault fault = next_call();
  if (fault == KILL) raise(SIGKILL);
  if (fault == FAIL) errno = ENOSPC;
  return fault == FAIL;
}

static int is_file(int fd) {
  struct stat st;
  return fd > 2 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  return flags & O_CREAT && goes_wrong() ? -1 : NEXT(Open *, "open")(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  return flags & O_CREAT && goes_wrong() ? -1 : NEXT(OpenAt *, "openat")(folder, path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  Write *real = NEXT(Write *, "write");
  if (!is_file(fd)) return real(fd, bytes, count);
  Fault fault = next_call();
  if (fault == NONE) return real(fd, bytes, count);
  if (real(fd, bytes, count / 2) < 0) return -1; /* a disk fills in the middle of a write */
  if (fault == KILL) raise(SIGKILL);
  errno = ENOSPC;
  return -1;
}

int fsync(int fd) { return goes_wrong() ? -1 : NEXT(int (*)(int), "fsync")(fd); }
int mkdir(const char *path, mode_t mode) {
  return goes_wrong() ? -1 : NEXT(int (*)(const char *, mode_t), "mkdir")(path, mode);
}
int rename(const char *from, const char *to) {
  return goes_wrong() ? -1 : NEXT(int (*)(const char *, const char *), "rename")(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
  return goes_wrong() ? -1 : NEXT(int (*)(int, const char *, int, const char *), "renameat")(a, from, b, to);
}
