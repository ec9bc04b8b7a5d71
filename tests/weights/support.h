/* What the weight tests share: scratch files, whole reads, checks that print what was expected. */
#ifndef TESTS_WEIGHTS_SUPPORT_H
#define TESTS_WEIGHTS_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/surgery.h"
#include "runtime/weights/write.h"

/* A fresh folder below TMPDIR, else /dev/shm, else /tmp, made on first use and removed at exit. scratch("x")
 * is a path in it, good for 8 calls. */
const char *scratch(const char *name);
bool exists(const char *path);
void write_bytes(const char *path, const void *data, size_t size);
unsigned char *read_bytes(const char *path, size_t *size); /* malloc */
/* Opens, or fails the test with the message. */
surgery_weights *open_ok(const char *path);
/* All tensors read as f32, integers as i64 too; false, with *err, at the first that cannot be. */
bool read_all(surgery_weights *weights, surgery_error *err);
/* Opens and reads everything; the message of whatever fails must be "PATH: " + expected. */
void expect_refused(const char *path, const char *expected);

/* ---- tables of malformed files: a row is a file and the message it must get ---- */

typedef struct FileCase {
  const char *name, *bytes;
  size_t size;
  const char *expected; /* without "PATH: " */
} FileCase;
#define TEXT(s) (s), sizeof(s) - 1
#define ADVICE "; nothing was run. Save the tensors alone instead: torch.save(model.state_dict(), path)"

/* Like expect_refused, with status SURGERY_BAD_INPUT, but a failure is printed with the row's name and counted, so
 * that all rows are tried; expect_no_failures ends the table. */
void check_row(const char *group, const char *name, const char *path, const char *expected);
void expect_no_failures(void);
#endif
