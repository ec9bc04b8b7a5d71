/* A short number for long data, to see whether they are the same as before: XXH3 with 128 bits, tens of GB/s. It guards
 * against accidents: nobody is kept from making two data of one hash on purpose. Called by the feature files and by the
 * compiler. Numbers that are made by it are in files that users keep: another hash needs another version there. */
#ifndef SURGERY_CONTENT_HASH_H
#define SURGERY_CONTENT_HASH_H
#include <stddef.h>
#include <stdint.h>

typedef struct ContentHash {
  uint64_t word[2];
} ContentHash;

/* Of what `before` is the hash of ({{0}}: nothing) and then `size` bytes; where one part ends and the next begins
 * counts too. */
ContentHash content_hash(ContentHash before, const void *data, size_t size);
ContentHash content_hash_text(ContentHash before, const char *text); /* NULL is another text than "" */
static inline int content_hash_equal(ContentHash a, ContentHash b) {
  return a.word[0] == b.word[0] && a.word[1] == b.word[1];
}
#endif
