/* What this processor can do, and which of a network's ISA variants it runs: a network may hold its functions
 * several times, each for another kind of CPU. Called by net.c, by generated code (sg_choose of abi.h), and by the
 * compiler, which writes down what a variant needs. Features have LLVM's names; only x86-64 has any. */
#ifndef SURGERY_CPU_H
#define SURGERY_CPU_H
#include "runtime/abi.h"
#include "runtime/surgery.h"

/* The levels of the psABI: "+sse3,+avx2,…", each with all of those below it. */
#define CPU_LEVEL2 "+cx16,+sahf,+popcnt,+sse3,+ssse3,+sse4.1,+sse4.2"
#define CPU_LEVEL3 CPU_LEVEL2 ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+xsave"
#define CPU_LEVEL4 CPU_LEVEL3 ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"

/* A bit for each known feature in the list "+a,-b,+c" that has a plus. Features that no compiler uses by itself
 * (instructions for encryption, cache lines …) are not known. */
uint64_t cpu_features(const char *list);
/* Of this processor, as far as the operating system keeps its registers. */
uint64_t cpu_present(void);
/* The variant called `wanted`, or, where that is NULL, the first that a CPU with the features `present` runs. NULL:
 * there is none. */
const sg_network *cpu_choose(const sg_network *network, uint64_t present, const char *wanted);
/* Why sg_choose() found nothing, as an error. Returns -1. */
int cpu_refuse(const sg_network *network, surgery_error *err);
/* "x86-64-v4, x86-64-v3 and x86-64-v2": every variant of the network, cut to `size`. Returns `to`. */
const char *cpu_levels(const sg_network *network, char *to, size_t size);
#endif
