/* Files that appear whole or not at all, and the removal of temporaries on failure and on signals. Knows
 * nothing of what is written. Called by the other files of emit/. */
#include "compiler/emit/emit.h"
#include "runtime/base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_TEMPORARIES 160 /* output, header, folder, weights, exports, an object for each module; 100 saves */
/* What the signal handler removes; only plain memory that is written before the file exists. */
static char temporaries[MAX_TEMPORARIES][PATH_MAX];
static volatile sig_atomic_t temporary_used[MAX_TEMPORARIES];
volatile sig_atomic_t emit_child; /* process.c: the running program, leader of its own group */

static const int watched[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[sizeof watched / sizeof *watched];

/* First the chance to remove temporaries of its own: cc has some in /tmp. */
static void end_child(pid_t child) {
  enum { TRIES = 100 };
  const struct timespec moment = {.tv_nsec = 20000000};
  kill(-child, SIGTERM);
  for (int i = 0; i < TRIES && waitpid(child, NULL, WNOHANG) == 0; i++) nanosleep(&moment, NULL);
  kill(-child, SIGKILL);
  waitpid(child, NULL, 0);
}

static void on_signal(int number) {
  if (emit_child > 0) end_child((pid_t)emit_child);
  for (int i = MAX_TEMPORARIES - 1; i >= 0; i--) /* a folder was there before its files */
    if (temporary_used[i] && unlink(temporaries[i])) rmdir(temporaries[i]);
  signal(number, SIG_DFL);
  raise(number);
}

void outfile_watch_signals(bool on) {
  static int depth; /* the driver watches over its own files and over the calls that watch too */
  if (on ? depth++ > 0 : --depth > 0) return;
  for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
    if (on) {
      struct sigaction action = {.sa_handler = on_signal};
      sigfillset(&action.sa_mask);
      sigaction(watched[i], NULL, &before[i]);
      if (before[i].sa_handler == SIG_DFL) sigaction(watched[i], &action, NULL);
    } else {
      sigaction(watched[i], &before[i], NULL);
    }
  }
}

bool emit_complain(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("surgeryc: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  return false;
}

/* A path too long for the list could not be created either. */
static int take_slot(const char *path) {
  for (int i = 0; i < MAX_TEMPORARIES; i++) {
    if (temporary_used[i] || strlen(path) >= PATH_MAX) continue;
    strcpy(temporaries[i], path);
    temporary_used[i] = 1;
    return i;
  }
  return -1;
}

static void free_slot(OutFile *f) {
  if (f->slot >= 0) temporary_used[f->slot] = 0;
  f->slot = -1;
}

/* "dir/.name.PID-K", hidden so that no glob of a build picks it up. */
static const char *temporary_name(Arena *arena, const char *target) {
  static unsigned counter;
  const char *slash = strrchr(target, '/');
  int folder = slash ? (int)(slash + 1 - target) : 0;
  return arena_printf(arena, "%.*s.%.200s.%d-%u", folder, target, target + folder, (int)getpid(), counter++);
}

/* A folder of ours has files only. */
static void remove_temporary(Arena *arena, const char *path) {
  if (unlink(path) == 0 || errno != EISDIR) return;
  DIR *list = opendir(path);
  for (const struct dirent *e; list && (e = readdir(list));)
    if (!streq(e->d_name, ".") && !streq(e->d_name, "..")) unlink(arena_printf(arena, "%s/%s", path, e->d_name));
  if (list) closedir(list);
  rmdir(path);
}

/* What a run that was killed left for this target: temporaries of a process that is no more. */
static void remove_abandoned(Arena *arena, const char *target) {
  const char *slash = strrchr(target, '/'), *base = slash ? slash + 1 : target;
  const char *folder = slash ? arena_strndup(arena, target, (size_t)(slash + 1 - target)) : "./";
  const char *prefix = arena_printf(arena, ".%.200s.", base);
  size_t length = strlen(prefix);
  DIR *list = opendir(folder);
  for (const struct dirent *e; list && (e = readdir(list));) {
    const char *name = e->d_name + (strncmp(e->d_name, "..", 2) == 0); /* the runtime's writer puts a dot of its own */
    if (strncmp(name, prefix, length) != 0) continue;
    char *end;
    long pid = strtol(name + length, &end, 10);
    if (end == name + length || *end != '-' || end[1] < '0' || end[1] > '9') continue;
    if (pid > 0 && pid <= INT_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
      remove_temporary(arena, arena_printf(arena, "%s%s", folder, e->d_name));
  }
  if (list) closedir(list);
}

/* Through a symbolic link to the file it names, as cc does. */
static const char *through_link(Arena *arena, const char *target) {
  char *real = realpath(target, NULL);
  const char *path = real ? arena_strdup(arena, real) : target;
  free(real);
  return path;
}

static bool create(OutFile *f, const char *path, const char *shown) {
  f->path = path;
  f->slot = take_slot(path);
  f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (f->fd >= 0) return true;
  int reason = errno;
  free_slot(f);
  return emit_complain("cannot write '%s': %s", shown, strerror(reason));
}

bool outfile_create(Arena *arena, OutFile *f, const char *target) {
  *f = OUTFILE_NONE;
  f->target = target;
  struct stat st;
  bool there = stat(target, &st) == 0;
  if (there && S_ISDIR(st.st_mode)) return emit_complain("cannot write '%s': it is a folder", target);
  if (there && !S_ISREG(st.st_mode)) { /* /dev/null, a pipe: never replaced by a file */
    f->path = target;
    f->fd = open(target, O_WRONLY | O_CLOEXEC);
    return f->fd >= 0 || emit_complain("cannot write '%s': %s", target, strerror(errno));
  }
  if (there) f->target = through_link(arena, target);
  remove_abandoned(arena, f->target);
  return create(f, temporary_name(arena, f->target), target);
}

bool outfile_intermediate(OutFile *f, const char *path) {
  *f = OUTFILE_NONE;
  return create(f, path, path);
}

bool outfile_reserve(Arena *arena, OutFile *f, const char *target, const char *suffix) {
  *f = OUTFILE_NONE;
  struct stat st;
  if (stat(target, &st) == 0 && !S_ISREG(st.st_mode))
    return emit_complain("cannot write '%s': it is no plain file", target);
  f->target = through_link(arena, target);
  remove_abandoned(arena, f->target);
  f->path = arena_printf(arena, "%s%s", temporary_name(arena, f->target), suffix);
  f->slot = take_slot(f->path);
  return f->slot >= 0 || emit_complain("cannot write '%s': %s", target, strerror(ENAMETOOLONG));
}

bool outfile_folder(Arena *arena, OutFile *f, const char *target) {
  *f = OUTFILE_NONE;
  f->path = temporary_name(arena, target);
  f->slot = take_slot(f->path);
  if (mkdir(f->path, 0700) == 0) return true;
  int reason = errno;
  free_slot(f);
  return emit_complain("cannot make a folder beside '%s': %s", target, strerror(reason));
}

static const char *shown(const OutFile *f) { return f->target ? f->target : f->path; }

bool outfile_write(OutFile *f, const void *bytes, size_t count) {
  return sg_write_all(f->fd, bytes, count) == 0 || emit_complain("cannot write '%s': %s", shown(f), strerror(errno));
}

bool outfile_close(OutFile *f) {
  int fd = f->fd;
  f->fd = -1;
  if (fd >= 0 && close(fd)) return emit_complain("cannot write '%s': %s", shown(f), strerror(errno));
  return true;
}

static bool same_bytes(const char *a, const char *b) {
  FILE *one = fopen(a, "rb"), *other = fopen(b, "rb");
  static char block[2][1 << 16];
  bool same = one && other;
  for (size_t n = 1; same && n;) {
    n = fread(block[0], 1, sizeof block[0], one);
    same = fread(block[1], 1, sizeof block[1], other) == n && memcmp(block[0], block[1], n) == 0 && !ferror(one) &&
           !ferror(other);
  }
  if (one) fclose(one);
  if (other) fclose(other);
  return same;
}

bool outfile_commit(OutFile *f) {
  if (!outfile_close(f)) return false;
  if (f->slot < 0) return true;
  if (f->keep_unchanged && same_bytes(f->path, f->target)) {
    outfile_discard(f);
    return true;
  }
  if (rename(f->path, f->target)) return emit_complain("cannot write '%s': %s", f->target, strerror(errno));
  free_slot(f);
  f->path = NULL;
  return true;
}

void outfile_discard(OutFile *f) {
  if (f->fd >= 0) close(f->fd);
  f->fd = -1;
  if (f->slot >= 0 && unlink(f->path)) rmdir(f->path);
  free_slot(f);
}

bool outfile_whole(Arena *arena, const char *path, const void *bytes, size_t count) {
  OutFile f;
  outfile_watch_signals(true);
  bool done = outfile_create(arena, &f, path) && outfile_write(&f, bytes, count) && outfile_commit(&f);
  outfile_discard(&f);
  outfile_watch_signals(false);
  return done;
}
