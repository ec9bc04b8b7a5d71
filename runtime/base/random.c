/* The counter-based generator of random.h. No state but the caller's; does no input or output. Called by the
 * loader, the training loop, the augmentations and the initialisation of fresh weights. Our own: ten rounds
 * are a few lines, and no update of a library may change what a seed gives. */
#include "runtime/base/random.h"
#include <math.h>

static void philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]) {
  uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
    c[0] = n0, c[1] = (uint32_t)p1, c[2] = n2, c[3] = (uint32_t)p0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < 4; i++) out[i] = c[i];
}

Random random_stream(uint64_t seed, uint64_t stream) { return (Random){.seed = seed, .stream = stream}; }

static uint32_t random_u32(Random *random) {
  if (random->left == 0) {
    philox(random->seed, random->stream, random->counter++, random->block);
    random->left = 4;
  }
  return random->block[4 - random->left--];
}

uint64_t random_u64(Random *random) {
  uint64_t high = random_u32(random);
  return high << 32 | random_u32(random);
}

double random_uniform(Random *random) { return (double)(random_u64(random) >> 11) * 0x1p-53; }

uint64_t random_below(Random *random, uint64_t bound) {
  if (bound <= 1) return 0;
  uint64_t skip = -bound % bound; /* 2^64 mod bound: values below it would make the first ones likelier */
  uint64_t value = random_u64(random);
  while (value < skip) value = random_u64(random);
  return value % bound;
}

uint64_t random_key_text(const char *text) { /* FNV-1a, then mixed */
  uint64_t hash = 0xcbf29ce484222325u;
  for (const unsigned char *p = (const unsigned char *)text; *p; p++) hash = (hash ^ *p) * 0x100000001b3u;
  return random_key(hash, 0);
}

uint64_t random_key(uint64_t a, uint64_t b) { /* two rounds of splitmix64's finaliser */
  uint64_t z = a + 0x9E3779B97F4A7C15u;
  for (int round = 0; round < 2; round++) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    if (round == 0) z += b + 0x9E3779B97F4A7C15u;
  }
  return z;
}

void random_permutation(uint64_t seed, uint64_t stream, int64_t *order, int64_t count) {
  Random random = random_stream(seed, stream);
  for (int64_t i = 0; i < count; i++) order[i] = i;
  for (int64_t i = count - 1; i > 0; i--) {
    int64_t j = (int64_t)random_below(&random, (uint64_t)i + 1), t = order[i];
    order[i] = order[j], order[j] = t;
  }
}

void random_fill_uniform(uint64_t seed, const char *name, double bound, float *to, int64_t count) {
  Random random = random_stream(seed, random_key_text(name));
  for (int64_t i = 0; i < count; i++) to[i] = (float)((2 * random_uniform(&random) - 1) * bound);
}

void random_fill_normal(uint64_t seed, const char *name, double deviation, float *to, int64_t count) {
  Random random = random_stream(seed, random_key_text(name));
  for (int64_t i = 0; i < count; i += 2) {
    double radius = deviation * sqrt(-2 * log(1 - random_uniform(&random))), angle = 2 * M_PI * random_uniform(&random);
    to[i] = (float)(radius * cos(angle));
    if (i + 1 < count) to[i + 1] = (float)(radius * sin(angle));
  }
}
