/* Reads a whole file, gzipped or plain, into memory that grows with what is really there: a forged size costs
 * nothing. Used by the IDX and CSV sources. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <fcntl.h>
#include <unistd.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"
#include "runtime/base/io.h"

static int read_all(gzFile file, const char *path, size_t limit, uint8_t **to, size_t *size, surgery_error *err) {
  size_t room = 1 << 16, used = 0;
  uint8_t *bytes = malloc(room + 1);
  while (bytes) {
    int got = gzread(file, bytes + used, (unsigned)(room - used < 1 << 30 ? room - used : 1 << 30));
    int code = Z_OK;
    const char *why = got < 0 ? gzerror(file, &code) : "";
    if (got < 0) {
      free(bytes);
      if (code == Z_ERRNO) return sg_fail_system(err, errno, "%s", path);
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: damaged gzip data after %zu unpacked bytes: %s", path, used, why);
    }
    used += (size_t)got;
    if (used > limit) {
      free(bytes);
      return sg_fail(err, SURGERY_BAD_INPUT, "%s: unpacks to more than %zu bytes", path, limit);
    }
    if (got == 0) break;
    if (used < room) continue;
    uint8_t *more = realloc(bytes, (room *= 2) + 1);
    if (!more) free(bytes);
    bytes = more;
  }
  if (!bytes) return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory for its %zu bytes", path, used);
  int code = Z_OK;
  gzerror(file, &code); /* a stream that ends too early returns what it has, then this */
  if (code == Z_BUF_ERROR) {
    free(bytes);
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: truncated: the gzip stream ends after %zu unpacked bytes", path, used);
  }
  bytes[used] = 0;
  *to = bytes, *size = used;
  return 0;
}

int gzip_read(const char *path, size_t limit, uint8_t **to, size_t *size, surgery_error *err) {
  uint64_t ignored;
  int fd = sg_open_regular(path, &ignored, err);
  if (fd < 0) return -1;
  gzFile file = gzdopen(fd, "rb");
  if (!file) {
    close(fd);
    return sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", path);
  }
  gzbuffer(file, 1 << 17);
  int status = read_all(file, path, limit, to, size, err);
  gzclose(file);
  return status;
}
