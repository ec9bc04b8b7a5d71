/* See cpu.h. The processor and the variable SURGERY_CPU are asked once, at the first use. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif
#include "runtime/base/cpu.h"
#include "runtime/base/error.h"

/* LLVM's names and how to ask for each: by the compiler's own test, which also asks whether the operating system keeps
 * the registers; what GCC 12 has no name for, or Clang 19 always denies (cmpxchg16b, osxsave, lahf_lm), by the words of
 * cpuid's leaves, of leaf 7 those of subleaf 1. The order is that of the bits in sg_network.needs: a change of it is
 * one of SG_ABI. */
#define CPU_FEATURES(X)                                                                                                \
  X("sse3", has("sse3"))                                                                                               \
  X("ssse3", has("ssse3"))                                                                                             \
  X("cx16", bit(leaf_1.c, 13))                                                                                         \
  X("sse4.1", has("sse4.1"))                                                                                           \
  X("sse4.2", has("sse4.2"))                                                                                           \
  X("movbe", has("movbe"))                                                                                             \
  X("popcnt", has("popcnt"))                                                                                           \
  X("xsave", bit(leaf_1.c, XSAVE_BY_SYSTEM))                                                                           \
  X("avx", has("avx"))                                                                                                 \
  X("f16c", has("f16c"))                                                                                               \
  X("fma", has("fma"))                                                                                                 \
  X("sahf", bit(leaf_extended.c, 0))                                                                                   \
  X("lzcnt", has("lzcnt"))                                                                                             \
  X("sse4a", has("sse4a"))                                                                                             \
  X("tbm", has("tbm"))                                                                                                 \
  X("xop", has("xop"))                                                                                                 \
  X("fma4", has("fma4"))                                                                                               \
  X("bmi", has("bmi"))                                                                                                 \
  X("bmi2", has("bmi2"))                                                                                               \
  X("adx", has("adx"))                                                                                                 \
  X("gfni", has("gfni"))                                                                                               \
  X("avx2", has("avx2"))                                                                                               \
  X("avx512f", has("avx512f"))                                                                                         \
  X("avx512dq", has("avx512dq"))                                                                                       \
  X("avx512ifma", has("avx512ifma"))                                                                                   \
  X("avx512cd", has("avx512cd"))                                                                                       \
  X("avx512bw", has("avx512bw"))                                                                                       \
  X("avx512vl", has("avx512vl"))                                                                                       \
  X("avx512vbmi", has("avx512vbmi"))                                                                                   \
  X("avx512vbmi2", has("avx512vbmi2"))                                                                                 \
  X("avx512vnni", has("avx512vnni"))                                                                                   \
  X("avx512bitalg", has("avx512bitalg"))                                                                               \
  X("avx512vpopcntdq", has("avx512vpopcntdq"))                                                                         \
  X("avx512vp2intersect", has("avx512vp2intersect"))                                                                   \
  X("avx512fp16", has("avx512fp16"))                                                                                   \
  X("avxvnni", has("avxvnni"))                                                                                         \
  X("avxifma", has("avx") && bit(leaf_7.a, 23))                                                                        \
  X("avxvnniint8", has("avx") && bit(leaf_7.d, 4))                                                                     \
  X("avxneconvert", has("avx") && bit(leaf_7.d, 5))                                                                    \
  X("avxvnniint16", has("avx") && bit(leaf_7.d, 10))                                                                   \
  X("avx512bf16", has("avx512bf16"))                                                                                   \
  X("egpr", bit(leaf_7.d, 21) && bit(leaf_1.c, XSAVE_BY_SYSTEM) && kept_by_system(19))

#define NAME(name, present) name,
static const char *const features[] = {CPU_FEATURES(NAME)};
enum { FEATURES = sizeof features / sizeof *features };
_Static_assert(FEATURES <= 64, "a bit for each");

static int feature_index(const char *name, size_t length) {
  for (int i = 0; i < FEATURES; i++)
    if (strlen(features[i]) == length && memcmp(features[i], name, length) == 0) return i;
  return -1;
}

uint64_t cpu_features(const char *list) {
  uint64_t set = 0;
  for (const char *at = list; *at;) {
    size_t length = strcspn(at, ",");
    int index = *at == '+' ? feature_index(at + 1, length - 1) : -1;
    if (index >= 0) set |= UINT64_C(1) << index;
    at += length + (at[length] == ',');
  }
  return set;
}

#ifdef __x86_64__
#define has(name) __builtin_cpu_supports(name)
static bool bit(unsigned word, int number) { return word >> number & 1; }

#define XSAVE_BY_SYSTEM 27 /* of leaf 1: the operating system uses it, and XCR0 can be read */
/* The registers that the operating system keeps when it switches threads: bits of XCR0. */
static bool kept_by_system(int number) {
  unsigned a, d;
  __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return bit(a, number);
}

static uint64_t ask_cpu(void) {
  struct {
    unsigned a, b, c, d;
  } leaf_1 = {0}, leaf_7 = {0}, leaf_extended = {0};
  uint64_t present = 0;
  int i = 0;
  __builtin_cpu_init();
  __get_cpuid(1, &leaf_1.a, &leaf_1.b, &leaf_1.c, &leaf_1.d);
  __get_cpuid_count(7, 1, &leaf_7.a, &leaf_7.b, &leaf_7.c, &leaf_7.d);
  __get_cpuid(0x80000001, &leaf_extended.a, &leaf_extended.b, &leaf_extended.c, &leaf_extended.d);
#define ASK(name, test) present |= (uint64_t)((test) != 0) << i++;
  CPU_FEATURES(ASK)
  return present;
}
#else
static uint64_t ask_cpu(void) { return 0; }
#endif

static pthread_once_t asked = PTHREAD_ONCE_INIT;
static uint64_t present_features;
static const char *wanted_level; /* of SURGERY_CPU; NULL: the best */

static void ask(void) {
  const char *text = getenv("SURGERY_CPU");
  present_features = ask_cpu();
  wanted_level = text && *text ? strdup(text) : NULL;
}

uint64_t cpu_present(void) {
  pthread_once(&asked, ask);
  return present_features;
}

static bool runs(const sg_network *level, uint64_t present) { return (level->needs & ~present) == 0; }

const sg_network *cpu_choose(const sg_network *network, uint64_t present, const char *wanted) {
  for (; network; network = network->next_lower)
    if (runs(network, present) && (!wanted || strcmp(network->cpu, wanted) == 0)) return network;
  return NULL;
}

const sg_network *sg_choose(const sg_network *network) {
  uint64_t present = cpu_present();
  return cpu_choose(network, present, wanted_level);
}

const char *cpu_levels(const sg_network *network, char *to, size_t size) {
  size_t used = 0;
  to[0] = 0;
  for (const sg_network *level = network; level && used < size; level = level->next_lower)
    used += (size_t)snprintf(to + used, size - used, "%s%s",
                             level == network    ? ""
                             : level->next_lower ? ", "
                                                 : " and ",
                             level->cpu);
  return to;
}

/* "avx2, bmi2" */
static const char *list_features(uint64_t set, char *to, size_t size) {
  size_t used = 0;
  to[0] = 0;
  for (int i = 0; i < FEATURES && used < size; i++)
    if (set >> i & 1) used += (size_t)snprintf(to + used, size - used, "%s%s", used ? ", " : "", features[i]);
  return to;
}

/* The highest level of the psABI that the processor has, for --cpu. */
static const char *own_level(uint64_t present) {
  static const char *const levels[][2] = {
      {"x86-64-v4", CPU_LEVEL4}, {"x86-64-v3", CPU_LEVEL3}, {"x86-64-v2", CPU_LEVEL2}};
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
    if ((cpu_features(levels[i][1]) & ~present) == 0) return levels[i][0];
  return "x86-64";
}

int cpu_refuse(const sg_network *network, surgery_error *err) {
  char levels[256], lacking[512];
  uint64_t present = cpu_present();
  const sg_network *level = network;
  cpu_levels(network, levels, sizeof levels);
  while (wanted_level && level && strcmp(level->cpu, wanted_level) != 0) level = level->next_lower;
  if (!level)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "SURGERY_CPU=%s: the network is compiled for %s; give one of these, or unset it", SG_Q(wanted_level),
                   levels);
  while (!wanted_level && level->next_lower) level = level->next_lower;
  list_features(level->needs & ~present, lacking, sizeof lacking);
  return sg_fail(
      err, SURGERY_ENVIRONMENT,
      "the network is compiled for %s, and this processor lacks what %s needs: %s. Compile it with --cpu=%s, or with "
      "that beside the others",
      levels, level->cpu, lacking, own_level(present));
}
