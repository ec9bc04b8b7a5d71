/* Writes a zip archive of stored entries: each local header padded so that the data are aligned, the
 * directory at the end, ZIP64 records only where a number needs them. Sizes and checksums are known
 * beforehand, so nothing is written twice.
 *
 * Our own, since a library costs more than it saves. libzip 1.7 can do it (stored entries, padding by an extra field,
 * from the caller's memory), but tells nobody where an entry will lie, so that the padding rests on a guess at its
 * headers; it writes through a file of its own unless given a source of a dozen callbacks; it brings libcrypto and
 * libbz2 into every program (0.9 ms more at its start) and into the link line of whoever links a network; and it has no
 * ZIP64 below 4 GB, which the tests are about. minizip writes each header twice. Debian 12 has no minizip-ng. */
#include "runtime/weights/metadata.h"
#include "runtime/weights/zip.h"

#include <stdlib.h>
#include <zlib.h>

struct ZipWriter {
  SgWriter *out;
  char *path;
  Bytes directory;
  uint64_t count, limit, count_limit;
};

ZipWriter *zip_writer_open(const char *path, uint64_t limit, surgery_error *err) {
  ZipWriter *zip = calloc(1, sizeof *zip);
  if (!zip) return sg_fail_memory(err, path, sizeof *zip), NULL;
  zip->limit = limit ? limit : 0xffffffff;
  zip->count_limit = limit ? limit : 0xffff;
  zip->path = strdup(path);
  zip->out = zip->path ? sg_writer_open(path, err) : NULL;
  if (zip->out) return zip;
  if (!zip->path) sg_fail_memory(err, path, strlen(path));
  zip_writer_abort(zip);
  return NULL;
}

static void zip_free(ZipWriter *zip) {
  bytes_free(&zip->directory);
  free(zip->path);
  free(zip);
}

void zip_writer_abort(ZipWriter *zip) {
  if (!zip) return;
  sg_writer_abort(zip->out);
  zip_free(zip);
}

static uint32_t checksum(uint32_t crc, const unsigned char *data, size_t size) {
  while (size > 0) {
    uInt n = size < (1u << 30) ? (uInt)size : 1u << 30;
    crc = (uint32_t)crc32(crc, data, n);
    data += n;
    size -= n;
  }
  return crc;
}

/* What local header and directory entry have in common: version 2.0 (4.5 with ZIP64), UTF-8 names, stored, 1
 * January 1980. */
static void add_common(Bytes *b, bool large, uint32_t crc, uint64_t size, size_t name, size_t extra) {
  bytes_le(b, large ? 45 : 20, 2);
  bytes_le(b, 0x0800, 2);
  bytes_le(b, ZIP_STORED, 2);
  bytes_le(b, 0, 2);
  bytes_le(b, 0x21, 2);
  bytes_le(b, crc, 4);
  bytes_le(b, size, 4);
  bytes_le(b, size, 4);
  bytes_le(b, name, 2);
  bytes_le(b, extra, 2);
}

static void add_directory_entry(ZipWriter *zip, const char *name, uint32_t crc, uint64_t size, uint64_t at) {
  Bytes *b = &zip->directory;
  bool large_size = size >= zip->limit, large_at = at >= zip->limit;
  size_t extra = large_size || large_at ? 4 + (large_size ? 16 : 0) + (large_at ? 8 : 0) : 0;
  bytes_text(b, "PK\1\2");
  bytes_le(b, extra ? 45 : 20, 2); /* made by */
  add_common(b, extra > 0, crc, large_size ? 0xffffffff : size, strlen(name), extra);
  bytes_fill(b, 0, 2 + 2 + 2 + 4); /* no comment, first disk, no attributes */
  bytes_le(b, large_at ? 0xffffffff : at, 4);
  bytes_text(b, name);
  if (extra) {
    bytes_le(b, 1, 2);
    bytes_le(b, extra - 4, 2);
    if (large_size) bytes_le(b, size, 8), bytes_le(b, size, 8);
    if (large_at) bytes_le(b, at, 8);
  }
}

/* The local header: ZIP64 sizes where needed, then an extra field "FB" (PyTorch's) of as many bytes as the
 * alignment takes. */
static void add_local(Bytes *b, const ZipWriter *zip, const char *name, uint32_t crc, uint64_t size, unsigned align) {
  bool large = size >= zip->limit;
  size_t extra64 = large ? 20 : 0;
  uint64_t data = sg_writer_at(zip->out) + 30 + strlen(name) + extra64;
  size_t pad = (size_t)(-data & (align - 1));
  while (pad > 0 && pad < 4) pad += align; /* a field's own head takes 4 */
  bytes_text(b, "PK\3\4");
  add_common(b, large, crc, large ? 0xffffffff : size, strlen(name), extra64 + pad);
  bytes_text(b, name);
  if (large) {
    bytes_le(b, 1, 2);
    bytes_le(b, 16, 2);
    bytes_le(b, size, 8);
    bytes_le(b, size, 8);
  }
  if (pad) {
    bytes_text(b, "FB");
    bytes_le(b, pad - 4, 2);
    bytes_fill(b, 'Z', pad - 4);
  }
}

int zip_writer_add(ZipWriter *zip, const char *name, ZipData data, unsigned align, surgery_error *err) {
  if (strlen(name) > 0xffff)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: the name '%s' is too long for a zip entry", zip->path, SG_Q(name));
  uint64_t at = sg_writer_at(zip->out), size = (uint64_t)data.head_size + data.size;
  uint32_t crc = checksum(checksum(0, data.head, data.head_size), data.data, data.size);
  Bytes local = {0};
  add_local(&local, zip, name, crc, size, align);
  add_directory_entry(zip, name, crc, size, at);
  zip->count++;
  int status =
      local.failed || zip->directory.failed ? sg_fail_memory(err, zip->path, local.count + zip->directory.count) : 0;
  if (!status) status = sg_writer_write(zip->out, local.at, local.count, err);
  if (!status) status = sg_writer_write(zip->out, data.head, data.head_size, err);
  if (!status) status = sg_writer_write(zip->out, data.data, data.size, err);
  bytes_free(&local);
  return status;
}

/* The records after the directory, and the comment. */
static void add_end(ZipWriter *zip, uint64_t at, uint64_t size, const Bytes *comment) {
  Bytes *b = &zip->directory;
  bool large = at >= zip->limit || size >= zip->limit || zip->count >= zip->count_limit;
  if (large) {
    bytes_text(b, "PK\6\6");
    bytes_le(b, 44, 8);
    bytes_le(b, 45, 2);
    bytes_le(b, 45, 2);
    bytes_le(b, 0, 8); /* this disk, the directory's disk */
    bytes_le(b, zip->count, 8);
    bytes_le(b, zip->count, 8);
    bytes_le(b, size, 8);
    bytes_le(b, at, 8);
    bytes_text(b, "PK\6\7");
    bytes_le(b, 0, 4);
    bytes_le(b, at + size, 8);
    bytes_le(b, 1, 4);
  }
  bytes_text(b, "PK\5\6");
  bytes_le(b, 0, 4);
  bytes_le(b, large ? 0xffff : zip->count, 2);
  bytes_le(b, large ? 0xffff : zip->count, 2);
  bytes_le(b, large ? 0xffffffff : size, 4);
  bytes_le(b, large ? 0xffffffff : at, 4);
  bytes_le(b, comment->count, 2);
  bytes_add(b, comment->at, comment->count);
}

int zip_writer_commit(ZipWriter *zip, const char *const *metadata, surgery_error *err) {
  Bytes comment = {0};
  int status = metadata_write_comment(&comment, zip->path, metadata, err);
  add_end(zip, sg_writer_at(zip->out), zip->directory.count, &comment);
  bytes_free(&comment);
  if (!status && zip->directory.failed) status = sg_fail_memory(err, zip->path, zip->directory.count);
  if (!status) status = sg_writer_write(zip->out, zip->directory.at, zip->directory.count, err);
  if (status) {
    zip_writer_abort(zip);
    return -1;
  }
  status = sg_writer_commit(zip->out, err);
  zip_free(zip);
  return status;
}
