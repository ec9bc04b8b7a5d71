/* Reads a zip archive's directory from its end, and finds entries' data. Every number is checked against the
 * file's size before it is used. Our own: tensors are read where they lie, so
 * the places of entries are needed, and libraries give streams. */
#include "runtime/weights/zip.h"

#include <stdlib.h>

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, CENTRAL_SIZE = 46, LOCAL_SIZE = 30 };

static uint64_t le(const unsigned char *at, unsigned bytes) {
  uint64_t value = 0;
  memcpy(&value, at, bytes);
  return value;
}

static int refuse(const WeightFile *f, uint64_t at, const char *what, surgery_error *err) {
  return sg_fail(err, SURGERY_BAD_INPUT, "%s: byte %llu: the zip archive is broken: %s", f->path, ULL(at), what);
}

static int refuse_entry(const WeightFile *f, const ZipEntry *e, const char *what, surgery_error *err) {
  return sg_fail(err, SURGERY_BAD_INPUT, "%s: zip entry '%s' (byte %llu): %s", f->path, SG_Q(e->name), ULL(e->header),
                 what);
}

/* What the record at the archive's end says. */
typedef struct End {
  uint64_t at;                  /* absolute byte of the record that ends the directory */
  uint64_t offset, size, count; /* of the directory */
  bool split;                   /* over several disks */
  uint64_t comment;             /* absolute byte where it begins */
  size_t comment_length;
} End;

/* The record is the last thing in the file but for a comment of up to 65,535 bytes. */
static int find_end(const WeightFile *f, unsigned char *record, uint64_t *at, surgery_error *err) {
  size_t tail = f->size < END_SIZE + 65535 ? (size_t)f->size : END_SIZE + 65535;
  unsigned char *bytes = malloc(tail);
  if (!bytes) return sg_fail_memory(err, f->path, tail);
  int status = sg_pread(f->fd, f->path, bytes, f->size - tail, tail, err);
  bool found = false;
  for (size_t i = tail < END_SIZE ? 0 : tail - END_SIZE + 1; !status && i-- > 0 && !found;) {
    if (memcmp(bytes + i, "PK\5\6", 4) != 0 || i + END_SIZE + le(bytes + i + 20, 2) > tail) continue;
    memcpy(record, bytes + i, END_SIZE);
    *at = f->size - tail + i;
    found = true;
  }
  free(bytes);
  if (status || found) return status;
  return refuse(f, f->size, "it has no end of its directory; the file is cut off or was not completely downloaded",
                err);
}

static int read_end64(const WeightFile *f, End *end, surgery_error *err) {
  unsigned char locator[LOCATOR_SIZE], record[END64_SIZE];
  uint64_t at = end->at - LOCATOR_SIZE;
  if (end->at < LOCATOR_SIZE + END64_SIZE) return refuse(f, end->at, "no room for the ZIP64 records it needs", err);
  if (sg_pread(f->fd, f->path, locator, at, sizeof locator, err)) return -1;
  if (memcmp(locator, "PK\6\7", 4) != 0) return refuse(f, at, "no ZIP64 locator", err);
  uint64_t record_at = le(locator + 8, 8);
  if (record_at > at - END64_SIZE) return refuse(f, at, "the ZIP64 locator points past itself", err);
  if (sg_pread(f->fd, f->path, record, record_at, sizeof record, err)) return -1;
  if (memcmp(record, "PK\6\6", 4) != 0) return refuse(f, record_at, "no ZIP64 record", err);
  end->split = le(record + 16, 4) || le(record + 20, 4) || le(record + 24, 8) != le(record + 32, 8);
  end->count = le(record + 32, 8);
  end->size = le(record + 40, 8);
  end->offset = le(record + 48, 8);
  end->at = record_at;
  return 0;
}

static int read_end(const WeightFile *f, End *end, surgery_error *err) {
  unsigned char r[END_SIZE] = {0};
  if (find_end(f, r, &end->at, err)) return -1;
  end->comment = end->at + END_SIZE;
  end->comment_length = (size_t)le(r + 20, 2);
  end->split = le(r + 4, 2) != le(r + 6, 2) || le(r + 8, 2) != le(r + 10, 2);
  end->count = le(r + 10, 2);
  end->size = le(r + 12, 4);
  end->offset = le(r + 16, 4);
  bool large = end->count == 0xffff || end->size == 0xffffffff || end->offset == 0xffffffff;
  if (large && read_end64(f, end, err)) return -1;
  if (end->split) return refuse(f, end->at, "it is split over several files", err);
  if (end->offset > end->at || end->size > end->at - end->offset) {
    return refuse(f, end->at, "its directory is past its end", err);
  }
  if (end->count > end->size / CENTRAL_SIZE) return refuse(f, end->at, "more entries than its directory can hold", err);
  return 0;
}

/* Fields that do not fit 32 bits are in an extra field, in this order, only those that do not fit. */
static bool read_extra64(ZipEntry *e, const unsigned char *extra, size_t length) {
  uint64_t *const fields[] = {&e->size, &e->packed, &e->header};
  for (size_t i = 0; i + 4 <= length;) {
    size_t id = (size_t)le(extra + i, 2), size = (size_t)le(extra + i + 2, 2), at = i + 4;
    if (size > length - at) return false;
    for (int field = 0; id == 1 && field < 3; field++) {
      if (*fields[field] != 0xffffffff) continue;
      if (at + 8 > i + 4 + size) return false;
      *fields[field] = le(extra + at, 8);
      at += 8;
    }
    i += 4 + size;
  }
  return true;
}

/* One entry of the directory at bytes[*next]; advances *next. */
static int read_entry(ZipDirectory *zip, ZipEntry *e, const unsigned char *bytes, uint64_t size, uint64_t *next,
                      Pool *pool, surgery_error *err) {
  const unsigned char *c = bytes + *next;
  uint64_t at = zip->at + *next, left = size - *next;
  if (left < CENTRAL_SIZE || memcmp(c, "PK\1\2", 4) != 0)
    return refuse(zip->file, at, "no entry where one should be", err);
  size_t name = (size_t)le(c + 28, 2), extra = (size_t)le(c + 30, 2), comment = (size_t)le(c + 32, 2);
  if (left - CENTRAL_SIZE < name + extra + comment)
    return refuse(zip->file, at, "an entry past the directory's end", err);
  e->flags = (uint16_t)le(c + 8, 2);
  e->method = (uint16_t)le(c + 10, 2);
  e->crc = (uint32_t)le(c + 16, 4);
  e->packed = le(c + 20, 4);
  e->size = le(c + 24, 4);
  e->header = le(c + 42, 4);
  if (memchr(c + CENTRAL_SIZE, 0, name)) return refuse(zip->file, at, "a zero byte in an entry's name", err);
  e->name = pool_strndup(pool, (const char *)c + CENTRAL_SIZE, name);
  if (!e->name) return sg_fail_memory(err, zip->file->path, name);
  if (!read_extra64(e, c + CENTRAL_SIZE + name, extra))
    return refuse(zip->file, at, "an entry's extra field goes past its end", err);
  if (e->header > zip->at || e->packed > zip->at - e->header)
    return refuse_entry(zip->file, e, "its data go past the archive's end", err);
  if (e->method == ZIP_STORED && e->size != e->packed)
    return refuse_entry(zip->file, e, "stored, but of two sizes", err);
  *next += CENTRAL_SIZE + name + extra + comment;
  return 0;
}

static int by_name(const void *a, const void *b, void *context) {
  const ZipDirectory *zip = context;
  return strcmp(zip->entries[*(const uint32_t *)a].name, zip->entries[*(const uint32_t *)b].name);
}

static int sort(ZipDirectory *zip, Pool *pool, surgery_error *err) {
  zip->by_name = pool_array(pool, zip->count, sizeof *zip->by_name);
  if (!zip->by_name) return sg_fail_memory(err, zip->file->path, zip->count * sizeof *zip->by_name);
  for (size_t i = 0; i < zip->count; i++) zip->by_name[i] = (uint32_t)i;
  qsort_r(zip->by_name, zip->count, sizeof *zip->by_name, by_name, zip);
  for (size_t i = 1; i < zip->count; i++) {
    const ZipEntry *e = &zip->entries[zip->by_name[i]];
    if (strcmp(zip->entries[zip->by_name[i - 1]].name, e->name) == 0)
      return refuse_entry(zip->file, e, "two entries of this name", err);
  }
  return 0;
}

/* find_end has seen that it ends within the file. */
static int read_comment(ZipDirectory *zip, const End *end, Pool *pool, surgery_error *err) {
  if (end->comment_length == 0) return 0;
  char *comment = pool_array(pool, end->comment_length, 1);
  if (!comment) return sg_fail_memory(err, zip->file->path, end->comment_length);
  zip->comment = comment;
  zip->comment_length = end->comment_length;
  return sg_pread(zip->file->fd, zip->file->path, comment, end->comment, end->comment_length, err);
}

int zip_read_directory(ZipDirectory *zip, const WeightFile *f, Pool *pool, surgery_error *err) {
  End end = {0};
  if (read_end(f, &end, err)) return -1;
  *zip = (ZipDirectory){.file = f, .at = end.offset, .count = (size_t)end.count};
  if (end.count >= UINT32_MAX) return refuse(f, end.at, "too many entries", err);
  zip->entries = pool_array(pool, zip->count, sizeof *zip->entries);
  unsigned char *bytes = malloc((size_t)end.size + 1);
  int status = 0;
  if (!zip->entries || !bytes)
    status = sg_fail_memory(err, f->path, (size_t)end.size + zip->count * sizeof *zip->entries);
  if (!status) status = sg_pread(f->fd, f->path, bytes, end.offset, (size_t)end.size, err);
  uint64_t next = 0;
  for (size_t i = 0; i < zip->count && !status; i++) {
    status = read_entry(zip, &zip->entries[i], bytes, end.size, &next, pool, err);
  }
  free(bytes);
  return status || read_comment(zip, &end, pool, err) ? -1 : sort(zip, pool, err);
}

const ZipEntry *zip_find(const ZipDirectory *zip, const char *name) {
  size_t low = 0, high = zip->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const ZipEntry *e = &zip->entries[zip->by_name[middle]];
    int order = strcmp(name, e->name);
    if (order == 0) return e;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return NULL;
}

int zip_locate(const ZipDirectory *zip, const ZipEntry *e, bool allow_deflated, uint64_t *at, surgery_error *err) {
  const WeightFile *f = zip->file;
  unsigned char local[LOCAL_SIZE];
  if (e->flags & 1) return refuse_entry(f, e, "is encrypted", err);
  if (e->method != ZIP_STORED && !(allow_deflated && e->method == ZIP_DEFLATED)) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: zip entry '%s' (byte %llu): is compressed (method %u); %s", f->path,
                   SG_Q(e->name), ULL(e->header), e->method,
                   allow_deflated ? "only deflate is known"
                                  : "PyTorch stores its entries. Unpack and pack it again with zip -0");
  }
  if (zip->at - e->header < LOCAL_SIZE) return refuse_entry(f, e, "its data go past the archive's end", err);
  if (sg_pread(f->fd, f->path, local, e->header, sizeof local, err)) return -1;
  if (memcmp(local, "PK\3\4", 4) != 0) return refuse_entry(f, e, "no local header there", err);
  uint64_t name = le(local + 26, 2), data = e->header + LOCAL_SIZE + name + le(local + 28, 2);
  if (data > zip->at || e->packed > zip->at - data)
    return refuse_entry(f, e, "its data go past the archive's end", err);
  char *written = malloc((size_t)name + 1);
  if (!written) return sg_fail_memory(err, f->path, (size_t)name + 1);
  int status = sg_pread(f->fd, f->path, written, e->header + LOCAL_SIZE, (size_t)name, err);
  if (!status && (strlen(e->name) != name || memcmp(written, e->name, (size_t)name) != 0)) {
    status = refuse_entry(f, e, "its local header has another name", err);
  }
  free(written);
  *at = data;
  return status;
}
