/* SHA-256 (FIPS 180-4), for the hash in the names of torchvision's weight files. */
#ifndef SURGERY_SHA256_H
#define SURGERY_SHA256_H
#include <stddef.h>
#include <stdint.h>

typedef struct Sha256 {
  uint32_t state[8];
  uint64_t length; /* bytes so far */
  uint8_t block[64];
} Sha256;

void sha256_begin(Sha256 *hash);
void sha256_add(Sha256 *hash, const void *bytes, size_t count);
void sha256_end(Sha256 *hash, uint8_t digest[32]);
#endif
