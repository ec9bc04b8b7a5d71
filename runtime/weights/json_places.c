/* Where the keys of an object are in a JSON text: jansson, which parses it, does not keep that, and a
 * message about one tensor of thousands should name its byte. Reads only texts that jansson has accepted.
 * Called by safetensors.c and shards.c. */
#include "runtime/weights/weights.h"

static size_t string_end(const char *text, size_t length, size_t at) {
  for (at++; at < length && text[at] != '"'; at++) at += text[at] == '\\';
  return at;
}

void json_places(const char *text, size_t length, int64_t outer, uint64_t *to, size_t count) {
  int64_t root_key = -1;
  size_t found = 0, depth = 0;
  bool key = false; /* the next string is one, if this is an object */
  for (size_t i = 0; i < length && found < count; i++) {
    switch (text[i]) {
    case '"':
      if (key && depth == 1) root_key++;
      if (key && (outer < 0 ? depth == 1 : depth == 2 && root_key == outer)) to[found++] = i;
      key = false;
      i = string_end(text, length, i);
      break;
    case '{':
    case '[':
      depth++;
      key = true;
      break;
    case '}':
    case ']':
      depth--;
      key = false;
      break;
    case ',': key = true; break;
    default: break;
    }
  }
}
