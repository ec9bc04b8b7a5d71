/* Text from outside, made safe to print. Called by whoever keeps names that files hold. */
#include "runtime/base/text.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* C0 and C1 controls: a terminal obeys them. */
static bool is_control(const char *c, size_t size) {
  unsigned char first = (unsigned char)c[0], second = size > 1 ? (unsigned char)c[1] : 0xff;
  return first < 0x20 || first == 0x7f || (size == 2 && first == 0xc2 && second < 0xa0);
}

char *text_clean_name(const char *name) {
  size_t length = strlen(name), used = 0;
  char *to = malloc(3 * length + 1);
  for (size_t i = 0; to && i < length;) {
    size_t size = 0;
    json_t *one = NULL; /* the shortest run of bytes that is a character */
    while (!one && size < 4 && i + size < length) one = json_stringn(name + i, ++size);
    if (!one) size = 1;
    bool good = one && !is_control(name + i, size);
    memcpy(to + used, good ? name + i : "\xEF\xBF\xBD", good ? size : 3);
    used += good ? size : 3;
    i += size;
    json_decref(one);
  }
  if (to) to[used] = 0;
  return to;
}
