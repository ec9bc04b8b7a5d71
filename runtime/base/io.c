/* Whole files or none: see io.h. Reports the system's reason with the path; must not know any format. */
#include "runtime/base/io.h"

#include "runtime/base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What the runtime's own copy of jansson has for stdin (runtime/CMakeLists.txt): it reads no streams. */
FILE *sg_no_stdin;

enum { BUFFER = 1 << 16, LARGEST_CALL = 1 << 30 };

struct SgWriter {
  int fd, folder;           /* folder: descriptor of the directory, so that a rename of it does no harm */
  char *path;               /* as the caller gave it, for messages */
  char *target, *temporary; /* names inside folder */
  uint64_t at;
  size_t filled;
  unsigned char buffer[BUFFER];
};

static void writer_free(SgWriter *w) {
  if (w->fd >= 0) close(w->fd);
  if (w->folder >= 0) close(w->folder);
  free(w->path);
  free(w->target);
  free(w->temporary);
  free(w);
}

void sg_writer_abort(SgWriter *w) {
  if (!w) return;
  int saved = errno;
  if (w->fd >= 0) unlinkat(w->folder, w->temporary, 0);
  writer_free(w);
  errno = saved;
}

/* Splits into folder and name; the target of a symbolic link is what gets replaced, not the link. */
static int find_target(SgWriter *w, surgery_error *err) {
  char *real = realpath(w->path, NULL);
  if (!real && errno != ENOENT) return sg_fail_system(err, errno, "%s: cannot be written", w->path);
  const char *full = real ? real : w->path;
  const char *slash = strrchr(full, '/');
  const char *name = slash ? slash + 1 : full;
  int status = -1;
  char *folder = slash ? strndup(full, slash == full ? 1 : (size_t)(slash - full)) : strdup(".");
  w->target = strdup(name);
  if (!folder || !w->target) {
    sg_fail_memory(err, w->path, strlen(full));
  } else if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: is not a file's name", w->path);
  } else if ((w->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
    sg_fail_system(err, errno, "%s: the folder '%s' cannot be opened", w->path, folder);
  } else {
    status = 0;
  }
  free(folder);
  free(real);
  return status;
}

enum { NAME_KEPT = 100, RANDOM_DIGITS = 8 }; /* of the target's name in the temporary's, which stays below NAME_MAX */

/* Is that ".TARGET.xxxxxxxx.tmp"? */
static bool is_temporary_of(const char *name, const char *target) {
  size_t kept = strnlen(target, NAME_KEPT);
  if (name[0] != '.' || strncmp(name + 1, target, kept) != 0 || name[1 + kept] != '.') return false;
  const char *digits = name + 2 + kept;
  return strspn(digits, "0123456789abcdef") == RANDOM_DIGITS && strcmp(digits + RANDOM_DIGITS, ".tmp") == 0;
}

/* What writers that were killed left beside the target: a living one holds the lock of its temporary. */
static void remove_abandoned(const SgWriter *w) {
  int fd = openat(w->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  if (!list && fd >= 0) close(fd);
  for (const struct dirent *e; list && (e = readdir(list));) {
    if (!is_temporary_of(e->d_name, w->target)) continue;
    int file = openat(w->folder, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (file >= 0 && fstat(file, &st) == 0 && S_ISREG(st.st_mode) && flock(file, LOCK_EX | LOCK_NB) == 0)
      unlinkat(w->folder, e->d_name, 0);
    if (file >= 0) close(file);
  }
  if (list) closedir(list);
}

/* False: another process has just taken it for abandoned. Where there are no locks nothing is removed either. */
static bool lock_temporary(SgWriter *w) {
  if (flock(w->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return true;
  close(w->fd);
  w->fd = -1;
  return false;
}

/* The temporary name is hidden and carries the target's, so that one left by a kill -9 explains itself. */
static int make_temporary(SgWriter *w, surgery_error *err) {
  for (int tries = 0; tries < 100; tries++) {
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) {
      struct timespec now;
      clock_gettime(CLOCK_MONOTONIC, &now);
      random = (uint32_t)now.tv_nsec * 2654435761u + (uint32_t)getpid() + (uint32_t)tries;
    }
    free(w->temporary);
    if (asprintf(&w->temporary, ".%.*s.%0*x.tmp", NAME_KEPT, w->target, RANDOM_DIGITS, random) < 0) {
      w->temporary = NULL;
      return sg_fail_memory(err, w->path, strlen(w->target));
    }
    w->fd = openat(w->folder, w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd >= 0 && lock_temporary(w)) return 0;
    if (w->fd < 0 && errno != EEXIST && errno != EWOULDBLOCK)
      return sg_fail_system(err, errno, "%s: no temporary file can be made beside it", w->path);
  }
  return sg_fail_system(err, EEXIST, "%s: no temporary file can be made beside it", w->path);
}

SgWriter *sg_writer_open(const char *path, surgery_error *err) {
  SgWriter *w = calloc(1, sizeof *w);
  if (!w) return sg_fail_memory(err, path, sizeof *w), NULL;
  w->fd = w->folder = -1;
  w->path = strdup(path);
  if (!w->path) {
    sg_fail_memory(err, path, strlen(path));
    goto failed;
  }
  if (find_target(w, err)) goto failed;
  struct stat old;
  bool exists = fstatat(w->folder, w->target, &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && !S_ISREG(old.st_mode)) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: exists and is not a regular file; it is left alone", path);
    goto failed;
  }
  remove_abandoned(w);
  if (make_temporary(w, err)) goto failed;
  if (exists) (void)!fchmod(w->fd, old.st_mode & 0777); /* a wish: the data matter more than the mode */
  return w;
failed:
  sg_writer_abort(w);
  return NULL;
}

int sg_write_all(int fd, const void *data, size_t size) {
  for (const unsigned char *at = data; size > 0;) {
    ssize_t n = write(fd, at, size < LARGEST_CALL ? size : LARGEST_CALL);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) return -1;
    at += n;
    size -= (size_t)n;
  }
  return 0;
}

static int write_all(SgWriter *w, const unsigned char *data, size_t size, surgery_error *err) {
  if (sg_write_all(w->fd, data, size) == 0) return 0;
  return sg_fail_system(err, errno, "%s: not written (about byte %llu)", w->path, (unsigned long long)w->at);
}

static int flush(SgWriter *w, surgery_error *err) {
  size_t filled = w->filled;
  w->filled = 0;
  return write_all(w, w->buffer, filled, err);
}

int sg_writer_write(SgWriter *w, const void *data, size_t size, surgery_error *err) {
  if (size == 0) return 0;
  if (size > BUFFER - w->filled && flush(w, err)) return -1;
  w->at += size;
  if (size > BUFFER / 2) return flush(w, err) ? -1 : write_all(w, data, size, err);
  memcpy(w->buffer + w->filled, data, size);
  w->filled += size;
  return 0;
}

uint64_t sg_writer_at(const SgWriter *w) { return w->at; }

int sg_writer_commit(SgWriter *w, surgery_error *err) {
  if (flush(w, err)) {
    sg_writer_abort(w);
    return -1;
  }
  int fd = w->fd;
  const char *step = NULL;
  if (fsync(fd)) step = "not written to the disk";
  if (close(fd) && !step) step = "not closed";
  if (!step && renameat(w->folder, w->temporary, w->folder, w->target)) step = "the finished file cannot be renamed";
  if (step) {
    sg_fail_system(err, errno, "%s: %s", w->path, step);
    unlinkat(w->folder, w->temporary, 0);
  } else if (fsync(w->folder) && errno != EINVAL && errno != EROFS) {
    /* EINVAL: the file system has no such thing as syncing a folder. */
    step = "written, but its folder cannot be synced";
    sg_fail_system(err, errno, "%s: %s", w->path, step);
  }
  w->fd = -1;
  writer_free(w);
  return step ? -1 : 0;
}

int sg_write_file(const char *path, const void *data, size_t size, surgery_error *err) {
  SgWriter *w = sg_writer_open(path, err);
  if (!w) return -1;
  if (sg_writer_write(w, data, size, err)) {
    sg_writer_abort(w);
    return -1;
  }
  return sg_writer_commit(w, err);
}

int sg_open_regular(const char *path, uint64_t *size, surgery_error *err) {
  /* O_NONBLOCK: opening a pipe must not wait for a writer. Regular files do not know it. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return sg_fail_system(err, errno, "%s: cannot be opened", path);
  struct stat stat;
  if (fstat(fd, &stat)) {
    sg_fail_system(err, errno, "%s: cannot be looked at", path);
  } else if (S_ISDIR(stat.st_mode)) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: is a folder, not a file", path);
  } else if (!S_ISREG(stat.st_mode)) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: is not a regular file", path);
  } else {
    *size = (uint64_t)stat.st_size;
    return fd;
  }
  close(fd);
  return -1;
}

int sg_pread(int fd, const char *path, void *to, uint64_t offset, size_t size, surgery_error *err) {
  unsigned char *at = to;
  while (size > 0) {
    if (offset > INT64_MAX)
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: no file has a byte %llu", path, (unsigned long long)offset);
    ssize_t n = pread(fd, at, size < LARGEST_CALL ? size : LARGEST_CALL, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sg_fail_system(err, errno, "%s: cannot be read at byte %llu", path, (unsigned long long)offset);
    if (n == 0) {
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: ends at byte %llu, where %zu more were expected", path,
                     (unsigned long long)offset, size);
    }
    at += n;
    offset += (uint64_t)n;
    size -= (size_t)n;
  }
  return 0;
}

int sg_read_file(const char *path, uint8_t **to, size_t *size, surgery_error *err) {
  uint64_t bytes = 0;
  int fd = sg_open_regular(path, &bytes, err);
  if (fd < 0) return -1;
  *to = bytes < SIZE_MAX / 2 ? malloc((size_t)bytes + 1) : NULL;
  *size = (size_t)bytes;
  int status = *to ? sg_pread(fd, path, *to, 0, *size, err) : sg_fail_memory(err, path, *size);
  close(fd);
  if (status) free(*to);
  return status;
}
