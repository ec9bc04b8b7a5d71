/* What the benches of single kernels share: generated code in this process, and what the machine can do at most. */
#ifndef SURGERY_BENCH_SPECIALISED_H
#define SURGERY_BENCH_SPECIALISED_H
#include "compiler/codegen/codegen.h"

double bench_now(void); /* seconds */
/* Links the object by cc and loads it: a handle for dlsym. Disposes of the object. */
void *bench_load(LLVMMemoryBufferRef object);
/* GFLOP/s of fused multiply-adds that wait for nothing, made by the same code generator, on so many threads at once.
 * With 1 the runtime is not called. */
double bench_peak(Arena *arena, const CodegenTarget *target, int threads);
#endif
