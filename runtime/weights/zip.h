/* Zip archives as weight files use them: the directory of one that is read, ZIP64 included, and one that is
 * written with stored, aligned entries. Knows nothing of what the entries hold. Format: PKWARE's APPNOTE 6.3.
 */
#ifndef SURGERY_WEIGHTS_ZIP_H
#define SURGERY_WEIGHTS_ZIP_H
#include "runtime/weights/weights.h"

typedef struct ZipEntry {
  const char *name;
  uint64_t header;       /* absolute byte of the local header */
  uint64_t size, packed; /* bytes unpacked, and in the file */
  uint32_t crc;
  uint16_t method, flags; /* method 0: stored, 8: deflated */
} ZipEntry;

typedef struct ZipDirectory {
  const WeightFile *file;
  ZipEntry *entries; /* in the directory's order */
  uint32_t *by_name;
  size_t count;
  uint64_t at;         /* absolute byte where the directory begins: entries end before it */
  const char *comment; /* the archive's; not ended by a zero byte */
  size_t comment_length;
} ZipDirectory;

enum { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

/* Memory is the pool's. */
int zip_read_directory(ZipDirectory *zip, const WeightFile *file, Pool *pool, surgery_error *err);
const ZipEntry *zip_find(const ZipDirectory *zip, const char *name);
/* Absolute byte of an entry's data, its local header looked at; refuses encrypted entries and, unless
 * deflated is allowed, compressed ones. */
int zip_locate(const ZipDirectory *zip, const ZipEntry *entry, bool allow_deflated, uint64_t *at, surgery_error *err);

/* ---- writing ---- */

typedef struct ZipWriter ZipWriter;
/* `limit`: sizes, offsets (0xffffffff) and counts (0xffff) from which on ZIP64 is used; 0 for the format's
 * own. */
ZipWriter *zip_writer_open(const char *path, uint64_t limit, surgery_error *err);
/* One stored entry; its data begin at a multiple of `align` (a power of two). `head` is written before
 * `data`. */
typedef struct ZipData {
  const void *head, *data;
  size_t head_size, size;
} ZipData;
int zip_writer_add(ZipWriter *zip, const char *name, ZipData data, unsigned align, surgery_error *err);
/* Frees it. metadata: pairs for the archive's comment, see metadata.h; NULL: none. */
int zip_writer_commit(ZipWriter *zip, const char *const *metadata, surgery_error *err);
void zip_writer_abort(ZipWriter *zip);
#endif
