/* --tune: which of two kernels does a call faster on this machine, found out by running both in this process. Called by
 * the driver between two plans; emit/ knows nothing of it. */
#ifndef SURGERY_TUNE_H
#define SURGERY_TUNE_H
#include "compiler/plan/plan.h"
#include "compiler/codegen/codegen.h"
#include "runtime/abi.h"

typedef struct TuneOptions {
  const char *cpu; /* one that tune_cpu_error() has nothing against */
  int opt_level;   /* 0 to 3 */
  int threads;     /* that a call is shared by, as in a program; 0: as many as a program would take here */
} TuneOptions;

/* Compiles and times both kernels of each choice and fills in its seconds and `taken`: the usual one, unless the other
 * one is clearly faster. False when code cannot be run in this process, or for want of memory: one line on stderr. */
bool tune_kernels(Arena *arena, KernelChoices *choices, const TuneOptions *o);
/* NULL when code for this --cpu (NULL: none was given) is code for this very machine, else one line. An unknown name is
 * not its business. */
const char *tune_cpu_error(Arena *arena, const char *cpu);

/* ---- shared by the files of tuning ---- */

/* tune_plan.c: a plan whose later phases' steps do one call each: phase 2 i the call of choice `first` + i * `every` by
 * its usual kernel, phase 2 i + 1 by the other one. All buffers are in the arena. */
Plan *tune_plan(Arena *arena, const KernelChoices *choices, size_t first, size_t every);
/* The call of a kernel that can be tuned, with buffers of its own, which have no place yet; of a gradient that is made
 * in parts also the call that adds them up. */
void tune_add_call(Arena *arena, Program *s, KernelId kernel, const void *k);
/* tune_threads.c: the one team, of so many threads with the caller, or fewer where the system gives no more: returns
 * how many. Then tune_parallel() is what sg_parallel() is elsewhere, always with all of them. */
int tune_threads_start(int threads);
void tune_parallel(sg_task *task, void *const *buf, int64_t n, int64_t units, int64_t threads, void *scratch,
                   int64_t scratch_bytes);
void tune_threads_end(void);
/* tune_jit.c: an object in this process, whose sg_parallel is tune_parallel. */
typedef struct Jit Jit;
/* Takes the object over; *address: what it calls `symbol`. NULL: *error says why. */
Jit *jit_load(Arena *arena, LLVMMemoryBufferRef object, const char *symbol, const void **address, const char **error);
void jit_unload(Jit *jit); /* nothing of it may run any more; NULL is fine */
#endif
