/* Two sums of 64 bits, each folding 16 bytes at a time by a product of 128 bits, with the halves in different roles. */
#include "runtime/base/digest.h"
#include <string.h>

/* Odd numbers with about as many ones as zeroes: the digits of pi, e, the golden ratio, the square root of 2 in binary.
 */
#define K0 0x243f6a8885a308d3u
#define K1 0xb7e151628aed2a6bu
#define K2 0x9e3779b97f4a7c15u
#define K3 0xb504f333f9de6485u

__extension__ typedef unsigned __int128 Wide;

static uint64_t fold(uint64_t a, uint64_t b) {
  Wide product = (Wide)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The words are added once more: a product with 0 would forget them. */
static void step(uint64_t sum[2], const unsigned char *at) {
  uint64_t w[2];
  memcpy(w, at, sizeof w);
  sum[0] = fold(sum[0] ^ w[0], w[1] ^ K0) + w[0];
  sum[1] = fold(sum[1] ^ w[1], w[0] ^ K1) + w[1];
}

SgDigest sg_digest(SgDigest before, const void *data, size_t size) {
  const unsigned char *at = data;
  uint64_t sum[2] = {before.word[0] + (uint64_t)size * K2, before.word[1] ^ ((uint64_t)size + K3)};
  size_t left = size;
  for (; left >= 16; left -= 16, at += 16) step(sum, at);
  unsigned char last[16] = {0};
  if (left) memcpy(last, at, left);
  step(sum, last);
  return (SgDigest){{fold(sum[0] ^ K2, K3) ^ sum[1], fold(sum[1] ^ K3, K2) + sum[0]}};
}

SgDigest sg_digest_text(SgDigest before, const char *text) {
  return sg_digest(before, text ? text : "\1", text ? strlen(text) + 1 : 1);
}
