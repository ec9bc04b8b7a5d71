/* Messages of the runtime: formatting into surgery_error, and names from files made harmless. Must not print,
 * allocate or exit: it is called when memory has run out. */
#include "runtime/base/error.h"
#include "runtime/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts at a character, not inside one, and marks the cut. */
static void mark_cut(char *message, size_t size) {
  static const char mark[] = "…";
  size_t at = size - sizeof mark;
  while (at > 0 && ((unsigned char)message[at] & 0xc0) == 0x80) at--;
  memcpy(message + at, mark, sizeof mark);
}

static void fill(surgery_error *err, surgery_status status, const char *format, va_list args) {
  err->status = status;
  int length = vsnprintf(err->message, sizeof err->message, format, args);
  if (length < 0) {
    snprintf(err->message, sizeof err->message, "%s", format);
  } else if ((size_t)length >= sizeof err->message) {
    mark_cut(err->message, sizeof err->message);
  }
}

int sg_fail(surgery_error *err, surgery_status status, const char *format, ...) {
  if (err) {
    va_list args;
    va_start(args, format);
    fill(err, status, format, args);
    va_end(args);
  }
  return -1;
}

int sg_fail_system(surgery_error *err, int number, const char *format, ...) {
  if (err) {
    va_list args;
    va_start(args, format);
    fill(err, SURGERY_ENVIRONMENT, format, args);
    va_end(args);
    char buffer[128];
    const char *reason = strerror_r(number, buffer, sizeof buffer);
    size_t used = strlen(err->message), left = sizeof err->message - used;
    if ((size_t)snprintf(err->message + used, left, ": %s", reason) >= left) {
      mark_cut(err->message, sizeof err->message);
    }
  }
  return -1;
}

int sg_fail_memory(surgery_error *err, const char *path, size_t bytes) {
  return sg_fail_system(err, ENOMEM, "%s: %zu bytes of memory were needed", path, bytes);
}

const char *sg_quote(SgQuoted *to, const char *text, size_t length) {
  size_t used = 0, room = sizeof to->text - 8;
  for (size_t i = 0; i < length;) {
    if (used >= room) {
      memcpy(to->text + used, "…", 3);
      used += 3;
      break;
    }
    size_t n = utf8_printable(text + i, length - i);
    if (n) {
      memcpy(to->text + used, text + i, n);
      used += n;
      i += n;
    } else {
      used += (size_t)sprintf(to->text + used, "\\x%02x", (unsigned char)text[i++]);
    }
  }
  to->text[used] = '\0';
  return to->text;
}
