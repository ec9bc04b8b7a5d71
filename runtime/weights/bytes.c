/* Growing bytes for the headers that writers build. Errors are sticky: checked once, at the end. */
#include "runtime/weights/write.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char *room(Bytes *b, size_t size) {
  if (b->failed) return NULL;
  if (size > b->capacity - b->count) {
    size_t capacity = 0;
    unsigned char *grown = NULL;
    if (!__builtin_add_overflow(b->count, size, &capacity) &&
        !__builtin_add_overflow(capacity, capacity / 2 + 256, &capacity)) {
      grown = realloc(b->at, capacity);
    }
    if (!grown) {
      b->failed = true;
      return NULL;
    }
    b->at = grown;
    b->capacity = capacity;
  }
  unsigned char *at = b->at + b->count;
  b->count += size;
  return at;
}

void bytes_add(Bytes *b, const void *data, size_t size) {
  unsigned char *at = size ? room(b, size) : NULL;
  if (at) memcpy(at, data, size);
}

void bytes_text(Bytes *b, const char *text) { bytes_add(b, text, strlen(text)); }

void bytes_format(Bytes *b, const char *format, ...) {
  char text[256]; /* callers format numbers */
  va_list args;
  va_start(args, format);
  int length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (length < 0 || (size_t)length >= sizeof text) b->failed = true;
  else bytes_add(b, text, (size_t)length);
}

void bytes_le(Bytes *b, uint64_t value, unsigned bytes) { bytes_add(b, &value, bytes); }

void bytes_fill(Bytes *b, char c, size_t count) {
  unsigned char *at = count ? room(b, count) : NULL;
  if (at) memset(at, c, count);
}

void bytes_free(Bytes *b) {
  free(b->at);
  *b = (Bytes){0};
}
