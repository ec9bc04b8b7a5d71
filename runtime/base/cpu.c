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

/* Where cpuid tells of a feature, and which registers the operating system must keep for it (bits of XCR0). The
 * order is that of the bits in sg_network.needs: a change of it is one of SG_ABI. */
typedef struct CpuFeature {
  const char *name;
  uint32_t leaf, subleaf;
  char word; /* of eax, ebx, ecx, edx */
  uint8_t bit;
  uint32_t state;
} CpuFeature;
enum { YMM = 0x6, ZMM = 0xe6, EXTENDED = 0x80000001, APX = 1 << 19 };
static const CpuFeature features[] = {
    {"sse3", 1, 0, 'c', 0, 0},
    {"ssse3", 1, 0, 'c', 9, 0},
    {"cx16", 1, 0, 'c', 13, 0},
    {"sse4.1", 1, 0, 'c', 19, 0},
    {"sse4.2", 1, 0, 'c', 20, 0},
    {"movbe", 1, 0, 'c', 22, 0},
    {"popcnt", 1, 0, 'c', 23, 0},
    {"xsave", 1, 0, 'c', 27, 0}, /* by the system, too */
    {"avx", 1, 0, 'c', 28, YMM},
    {"f16c", 1, 0, 'c', 29, YMM},
    {"fma", 1, 0, 'c', 12, YMM},
    {"sahf", EXTENDED, 0, 'c', 0, 0},
    {"lzcnt", EXTENDED, 0, 'c', 5, 0},
    {"sse4a", EXTENDED, 0, 'c', 6, 0},
    {"tbm", EXTENDED, 0, 'c', 21, 0},
    {"xop", EXTENDED, 0, 'c', 11, YMM},
    {"fma4", EXTENDED, 0, 'c', 16, YMM},
    {"bmi", 7, 0, 'b', 3, 0},
    {"bmi2", 7, 0, 'b', 8, 0},
    {"adx", 7, 0, 'b', 19, 0},
    {"gfni", 7, 0, 'c', 8, 0},
    {"avx2", 7, 0, 'b', 5, YMM},
    {"avx512f", 7, 0, 'b', 16, ZMM},
    {"avx512dq", 7, 0, 'b', 17, ZMM},
    {"avx512ifma", 7, 0, 'b', 21, ZMM},
    {"avx512cd", 7, 0, 'b', 28, ZMM},
    {"avx512bw", 7, 0, 'b', 30, ZMM},
    {"avx512vl", 7, 0, 'b', 31, ZMM},
    {"avx512vbmi", 7, 0, 'c', 1, ZMM},
    {"avx512vbmi2", 7, 0, 'c', 6, ZMM},
    {"avx512vnni", 7, 0, 'c', 11, ZMM},
    {"avx512bitalg", 7, 0, 'c', 12, ZMM},
    {"avx512vpopcntdq", 7, 0, 'c', 14, ZMM},
    {"avx512vp2intersect", 7, 0, 'd', 8, ZMM},
    {"avx512fp16", 7, 0, 'd', 23, ZMM},
    {"avxvnni", 7, 1, 'a', 4, YMM},
    {"avxifma", 7, 1, 'a', 23, YMM},
    {"avxvnniint8", 7, 1, 'd', 4, YMM},
    {"avxneconvert", 7, 1, 'd', 5, YMM},
    {"avxvnniint16", 7, 1, 'd', 10, YMM},
    {"avx512bf16", 7, 1, 'a', 5, ZMM},
    {"egpr", 7, 1, 'd', 21, APX},
};
enum { FEATURES = sizeof features / sizeof *features };
_Static_assert(FEATURES <= 64, "a bit for each");

static int feature_index(const char *name, size_t length) {
  for (int i = 0; i < FEATURES; i++)
    if (strlen(features[i].name) == length && memcmp(features[i].name, name, length) == 0) return i;
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
/* XCR0: the registers that the operating system keeps when it switches threads. */
static uint32_t kept_registers(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return 0;
  __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return a;
}

static uint64_t ask_cpu(void) {
  uint64_t present = 0;
  uint32_t kept = kept_registers();
  unsigned word[4] = {0};
  for (int i = 0; i < FEATURES; i++) {
    const CpuFeature *f = &features[i];
    bool new_leaf =
        i == 0 || f->leaf != f[-1].leaf || f->subleaf != f[-1].subleaf; /* cpuid is slow in a virtual machine */
    if (new_leaf && !__get_cpuid_count(f->leaf, f->subleaf, &word[0], &word[1], &word[2], &word[3]))
      memset(word, 0, sizeof word);
    if (word[f->word - 'a'] >> f->bit & 1 && (kept & f->state) == f->state) present |= UINT64_C(1) << i;
  }
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
  for (; network; network = network->lesser)
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
  for (const sg_network *level = network; level && used < size; level = level->lesser)
    used += (size_t)snprintf(to + used, size - used, "%s%s",
                             level == network ? ""
                             : level->lesser  ? ", "
                                              : " and ",
                             level->cpu);
  return to;
}

/* "avx2, bmi2" */
static const char *list_features(uint64_t set, char *to, size_t size) {
  size_t used = 0;
  to[0] = 0;
  for (int i = 0; i < FEATURES && used < size; i++)
    if (set >> i & 1) used += (size_t)snprintf(to + used, size - used, "%s%s", used ? ", " : "", features[i].name);
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
  while (wanted_level && level && strcmp(level->cpu, wanted_level) != 0) level = level->lesser;
  if (!level)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "SURGERY_CPU=%s: the network is compiled for %s; give one of these, or unset it", SG_Q(wanted_level),
                   levels);
  while (!wanted_level && level->lesser) level = level->lesser;
  list_features(level->needs & ~present, lacking, sizeof lacking);
  return sg_fail(
      err, SURGERY_ENVIRONMENT,
      "the network is compiled for %s, and this processor lacks what %s needs: %s. Compile it with --cpu=%s, or with "
      "that beside the others",
      levels, level->cpu, lacking, own_level(present));
}
