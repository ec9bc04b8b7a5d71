/* Filling surgery_error. Everything in runtime/ that can fail reports through these; nothing here prints or
 * exits. Called with err == NULL they only return their value. */
#ifndef SURGERY_RUNTIME_ERROR_H
#define SURGERY_RUNTIME_ERROR_H
#include "runtime/surgery.h"

/* Both return -1, so that a failing function can end with `return sg_fail(...)`. A message that is too long
 * is cut, marked with "…". */
int sg_fail(surgery_error *err, surgery_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Status SURGERY_ENVIRONMENT; ": " and the system's text for `number` (an errno) are added. */
int sg_fail_system(surgery_error *err, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));
int sg_fail_memory(surgery_error *err, const char *path, size_t bytes);

/* A name out of a file, made fit for a message: control characters and broken UTF-8 as \xNN, long ones cut.
 */
typedef struct SgQuoted {
  char text[200];
} SgQuoted;
const char *sg_quote(SgQuoted *to, const char *text, size_t length);
/* For an argument of sg_fail; lives until the end of the enclosing block. */
#define SG_Q(name) sg_quote(&(SgQuoted){{0}}, (name), strlen(name))
#define SG_QN(name, length) sg_quote(&(SgQuoted){{0}}, (name), (length))
#endif
