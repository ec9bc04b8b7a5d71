/* The C side of formula.py; see formula.h. */
#include "tests/numeric/formula.h"
#include <math.h>
#include <string.h>

uint64_t formula_seed(const char *prefix, const char *text) {
  uint64_t h = 0xCBF29CE484222325u;
  for (; *prefix; prefix++) h = (h ^ (unsigned char)*prefix) * 0x100000001B3u;
  for (; *text; text++) h = (h ^ (unsigned char)*text) * 0x100000001B3u;
  return h;
}

uint64_t formula_mix(uint64_t seed, uint64_t i) {
  uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

float formula_uniform(uint64_t seed, uint64_t i) { return (float)(formula_mix(seed, i) >> 40) * 0x1p-23f - 1.0f; }

void formula_fill(const char *name, int rank, int64_t dim0, int64_t count, float *to) {
  const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
  uint64_t seed = formula_seed("", name);
  float scale = 1, shift = 0;
  if (strcmp(last, "running_mean") == 0 || strcmp(last, "bias") == 0) scale = 0.1f;
  else if (strcmp(last, "running_var") == 0) scale = 0.5f, shift = 1;
  else if (rank == 1) scale = 0.2f, shift = 1;
  else scale = (float)sqrt(6.0 / (double)(count / dim0));
  for (int64_t i = 0; i < count; i++) to[i] = shift + scale * formula_uniform(seed, (uint64_t)i);
}
