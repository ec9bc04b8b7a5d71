/* See content_hash.h. xxHash's header brings the code: whoever links a compiled network needs no further library. */
#include "runtime/base/content_hash.h"
#define XXH_INLINE_ALL
#include <string.h>
#include <xxhash.h>

ContentHash content_hash(ContentHash before, const void *data, size_t size) {
  XXH128_hash_t own = XXH3_128bits(data, size);
  const uint64_t parts[] = {before.word[0], before.word[1], own.low64, own.high64, size};
  XXH128_hash_t all = XXH3_128bits(parts, sizeof parts);
  return (ContentHash){{all.low64, all.high64}};
}

ContentHash content_hash_text(ContentHash before, const char *text) {
  return content_hash(before, text ? text : "\1", text ? strlen(text) + 1 : 1);
}
