/* The noise of dropout: random bits that are a function of (seed, step), the layer and the element's place only, so
 * that a gradient makes the same mask again. Used by elementwise.c and attention.c. */
#ifndef SURGERY_KERNELS_NOISE_H
#define SURGERY_KERNELS_NOISE_H
#include "runtime/kernels/simd.h"

/* Steele and others, "Fast splittable pseudorandom number generators" (2014). */
SIMD uint64_t splitmix64(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
/* A bijection of 32 bits with low bias (C. Wellons, hash-prospector). */
SIMD v16u hash32(v16u z) {
  z = (z ^ (z >> 16)) * 0x7feb352du;
  z = (z ^ (z >> 15)) * 0x846ca68bu;
  return z ^ (z >> 16);
}

typedef struct DropoutKey {
  uint32_t first, second;
} DropoutKey;

/* 24 random bits for each of 16 elements from `index` on, a function of the key and the index only. */
SIMD v16i dropout_bits(DropoutKey key, uint64_t index) {
  v16u low = (v16u)v16_lane_numbers() + (uint32_t)index;
  uint32_t carry = (uint32_t)(index >> 32);
  v16u high = (v16u)(low < (uint32_t)index) & 1u; /* the addition above wrapped */
  high += carry;
  v16u z = hash32(low ^ key.first);
  return (v16i)(hash32((z ^ key.second) + high * 0x9e3779b9u) >> 8);
}

/* rng: seed and step */
SIMD DropoutKey dropout_key(const uint64_t *rng, int64_t layer) {
  uint64_t mixed = splitmix64(splitmix64(splitmix64(rng[0]) ^ rng[1]) ^ (uint64_t)layer);
  return (DropoutKey){(uint32_t)mixed, (uint32_t)(mixed >> 32)};
}
/* An element goes where its bits lie below this, of 2^24 values; the others are scaled. */
SIMD int32_t dropout_limit(double p) { return (int32_t)(p * 0x1p24 + 0.5); }
SIMD float dropout_scale(double p) { return p < 1.0 ? (float)(1.0 / (1.0 - p)) : 0.0f; }
#endif
