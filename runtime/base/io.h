/* Files, whole or not at all: writing through a temporary name, reading with the position given.
 * Used by weights/, data/, checkpoints and reports. Knows nothing of any format. */
#ifndef SURGERY_RUNTIME_IO_H
#define SURGERY_RUNTIME_IO_H
#include "runtime/surgery.h"

/* ---- writing ---- */

typedef struct SgWriter SgWriter;
/* Makes a temporary file in the folder of `path` (through a symbolic link: of its target). An existing `path`
 * must be a regular file; it keeps its permissions. */
SgWriter *sg_writer_open(const char *path, surgery_error *err);
int sg_writer_write(SgWriter *writer, const void *data, size_t size, surgery_error *err);
/* Bytes written so far. */
uint64_t sg_writer_at(const SgWriter *writer);
/* Flush, sync, rename to `path`, sync the folder; frees the writer. On failure the old file is as it was and
 * the temporary one is gone. */
int sg_writer_commit(SgWriter *writer, surgery_error *err);
/* Gives up: removes the temporary file, frees the writer. NULL is allowed. */
void sg_writer_abort(SgWriter *writer);
/* All of it in one call. */
int sg_write_file(const char *path, const void *data, size_t size, surgery_error *err);

/* All of it to a descriptor, through interruptions and in calls of a size that Linux takes. -1: see errno. */
int sg_write_all(int fd, const void *data, size_t size);

/* ---- reading ---- */

/* Opens a regular file for reading (nothing else: a pipe would block). Returns the descriptor, or -1. */
int sg_open_regular(const char *path, uint64_t *size, surgery_error *err);
/* Exactly `size` bytes from `offset`; a file that ends before is an error that says so. */
int sg_pread(int fd, const char *path, void *to, uint64_t offset, size_t size, surgery_error *err);

/* A whole regular file in memory, read and not mapped: touching a mapped page past the end of a file that has shrunk
 * meanwhile kills the process. One byte at least, so that *to is never NULL; free it. */
int sg_read_file(const char *path, uint8_t **to, size_t *size, surgery_error *err);
#endif
