/* ONNX values in another file. Its name comes out of an untrusted file, so it may only lead to a regular file
 * in the model's own folder or below: absolute names, "..", symbolic links anywhere on the way and files with
 * several names (hard links) are refused. Every step is opened relative to the one before, so that nothing
 * can be exchanged between the check and the use. Called by onnx.c. */
#include "runtime/weights/onnx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFUSE(r, d, format, ...)                                                                                      \
  sg_fail((r)->err, SURGERY_BAD_INPUT, "%s: tensor '%s' (byte %llu): " format, (r)->path, SG_Q((d)->name),             \
          ULL((d)->begin), __VA_ARGS__)

/* ---- numbers ---- */

static int read_number(OnnxReader *r, const OnnxTensor *d, const char *what, const char *text, uint64_t *value) {
  *value = 0;
  for (const char *c = text; *c; c++) {
    if (*c < '0' || *c > '9' || *value > (INT64_MAX - 9) / 10)
      return REFUSE(r, d, "the %s '%s' of its external data is no number of bytes", what, SG_Q(text));
    *value = *value * 10 + (uint64_t)(*c - '0');
  }
  return *text ? 0 : REFUSE(r, d, "the %s of its external data is empty", what);
}

/* ---- the way to the file ---- */

static int refuse_link(OnnxReader *r, const OnnxTensor *d, const char *what) {
  return REFUSE(r, d, "its external data '%s' %s; they must be a file in the model's own folder", SG_Q(d->location),
                what);
}

/* One step: `name` in the folder `at`. The folder's descriptor is closed in any case. */
static int open_step(OnnxReader *r, const OnnxTensor *d, int at, const char *name, bool last) {
  struct stat st;
  if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
    close(at);
    return refuse_link(r, d, "lead over a symbolic link");
  }
  int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK | O_NOCTTY : O_DIRECTORY);
  int fd = openat(at, name, flags), reason = errno;
  close(at);
  if (fd < 0) {
    return sg_fail_system(r->err, reason, "%s: tensor '%s' (byte %llu): its external data '%s' cannot be opened",
                          r->path, SG_Q(d->name), ULL(d->begin), SG_Q(d->location));
  }
  return fd;
}

static int open_folder(OnnxReader *r) {
  const char *slash = strrchr(r->path, '/');
  char *folder = pool_printf(&r->w->pool, "%.*s", slash ? (int)(slash - r->path + 1) : 1, slash ? r->path : ".");
  if (!folder) return sg_fail_memory(r->err, r->path, strlen(r->path));
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 ? fd : sg_fail_system(r->err, errno, "%s: its folder cannot be opened", r->path);
}

static int walk(OnnxReader *r, const OnnxTensor *d, char *name) {
  int at = open_folder(r);
  for (char *step = name; at >= 0;) {
    char *end = strchrnul(step, '/');
    bool last = !*end;
    *end = '\0';
    if (strcmp(step, "..") == 0) {
      close(at);
      return refuse_link(r, d, "lead out of the folder with '..'");
    }
    bool nothing = !*step || strcmp(step, ".") == 0;
    if (nothing && last) {
      close(at);
      return refuse_link(r, d, "are no file's name");
    }
    if (!nothing) at = open_step(r, d, at, step, last);
    if (last) break;
    step = end + 1;
  }
  return at;
}

static int open_external(OnnxReader *r, const OnnxTensor *d, uint64_t *size) {
  if (*d->location == '/') return refuse_link(r, d, "have an absolute name");
  char *name = pool_strndup(&r->w->pool, d->location, strlen(d->location));
  if (!name) return sg_fail_memory(r->err, r->path, strlen(d->location));
  int fd = walk(r, d, name);
  if (fd < 0) return -1;
  struct stat st;
  int status = 0;
  if (fstat(fd, &st)) status = sg_fail_system(r->err, errno, "%s: external data '%s'", r->path, SG_Q(d->location));
  else if (!S_ISREG(st.st_mode)) status = refuse_link(r, d, "are no regular file");
  else if (st.st_nlink > 1) status = refuse_link(r, d, "are a file with several names (hard links)");
  if (status) return close(fd), -1;
  *size = (uint64_t)st.st_size;
  return fd;
}

/* Its index among the open files; several tensors may share one. */
static int find_file(OnnxReader *r, const OnnxTensor *d) {
  surgery_weights *w = r->w;
  const char *slash = strrchr(r->path, '/');
  char *path = pool_printf(&w->pool, "%.*s%s", slash ? (int)(slash - r->path + 1) : 0, r->path, d->location);
  if (!path) return sg_fail_memory(r->err, r->path, strlen(d->location));
  for (size_t i = r->file + 1u; i < w->file_count; i++)
    if ((int)i != r->spill && strcmp(w->files[i].path, path) == 0) return (int)i;
  uint64_t size = 0;
  int fd = open_external(r, d, &size);
  return fd < 0 ? -1 : weights_push_file(w, (WeightFile){.fd = fd, .size = size, .path = path}, r->err);
}

int onnx_external_values(OnnxReader *r, const OnnxTensor *d, WeightTensor *t) {
  uint64_t offset = 0, length = t->span;
  if (!d->location || !*d->location) return REFUSE(r, d, "its external data name no %s", "location");
  if (d->offset && read_number(r, d, "offset", d->offset, &offset)) return -1;
  if (d->length && read_number(r, d, "length", d->length, &length)) return -1;
  if (length != t->span) {
    return REFUSE(r, d, "%s of shape %s takes %llu bytes, but its external data are %llu",
                  surgery_dtype_name(t->pub.dtype), SHAPE(t->pub.rank, t->pub.shape), ULL(t->span), ULL(length));
  }
  int file = find_file(r, d);
  if (file < 0) return -1;
  uint64_t size = r->w->files[file].size;
  if (offset > size || length > size - offset) {
    return REFUSE(r, d, "its external data, %llu bytes from byte %llu, go past the end of '%s' (%llu bytes)",
                  ULL(length), ULL(offset), SG_Q(d->location), ULL(size));
  }
  t->file = (uint32_t)file;
  t->offset = offset;
  return 0;
}
