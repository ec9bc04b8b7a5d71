/* A short number for long data, to see whether they are the same as before. Against accidents: nobody is kept from
 * making two data of one digest on purpose. */
#ifndef SURGERY_DIGEST_H
#define SURGERY_DIGEST_H
#include <stddef.h>
#include <stdint.h>

typedef struct SgDigest {
  uint64_t word[2];
} SgDigest;

/* Of what `before` is the digest of ({{0}}: nothing) and then `size` bytes; where one part ends and the next begins
 * counts too. Several GB/s. */
SgDigest sg_digest(SgDigest before, const void *data, size_t size);
SgDigest sg_digest_text(SgDigest before, const char *text); /* NULL is another text than "" */
static inline int sg_digest_equal(SgDigest a, SgDigest b) { return a.word[0] == b.word[0] && a.word[1] == b.word[1]; }
#endif
