/* What the system may do at any time, done always: reads and writes that give or take less than was asked
 * for, and calls that a signal interrupts. The programs golden and writers are built a second time with these
 * in place of pread and write (--wrap), and must notice nothing. */
#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t __real_pread(int fd, void *to, size_t size, off_t offset);
ssize_t __real_write(int fd, const void *from, size_t size);

static uint32_t state = 1;

/* 0: interrupted; else how many bytes of `size`. */
static size_t share(size_t size) {
  state = state * 1664525 + 1013904223;
  if (state >> 30 == 0) return 0;
  return size < 2 ? size : 1 + (state >> 8) % size;
}

ssize_t __wrap_pread(int fd, void *to, size_t size, off_t offset) {
  size_t some = share(size);
  if (size && !some) return errno = EINTR, -1;
  return __real_pread(fd, to, some, offset);
}

ssize_t __wrap_write(int fd, const void *from, size_t size) {
  size_t some = share(size);
  if (size && !some) return errno = EINTR, -1;
  return __real_write(fd, from, some);
}
