/* A plan's modules made by threads: for each level of --cpu, and of each, where cc joins objects anyway, several parts.
 * What an assembler or a reader of LLVM's language gets is one text, made by one thread. Called by emit.c; writes no
 * file. */
#include "compiler/emit/emission.h"
#include "compiler/emit/manifest.h"
#include <llvm-c/Linker.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

typedef struct Job { /* one module; its thread has a target machine, a context and an arena of its own */
  int level, part;
  LLVMMemoryBufferRef buffer;
  double built, optimised, emitted; /* seconds of its thread */
} Job;

typedef struct Queue {
  const Compile *c;
  const char *manifest;
  const TrainRecipe *recipe;
  int parts, count, threads;
  int next; /* the first job that nobody has taken; atomic */
  Job job[EMIT_MAX_MODULES];
} Queue;

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_text(const EmitOptions *o) { return o->kind == EMIT_LLVM || o->kind == EMIT_ASM; }

static CodegenOptions module_options(const Queue *q, int level, int part) {
  const EmitOptions *o = q->c->options;
  return (CodegenOptions){.name = q->c->name,
                          .manifest = q->manifest,
                          .recipe = q->recipe,
                          .embedded_bytes = o->embedded ? o->embedded_bytes : 0,
                          .embedded = is_text(o) ? o->embedded : NULL,
                          .program = o->kind == EMIT_EXE,
                          .levels = &q->c->levels,
                          .level = level,
                          .part = part,
                          .parts = q->parts};
}

static CodegenTarget level_target(Arena *arena, const Compile *c, int level) {
  CodegenTarget target;
  const char *error = NULL;
  if (!codegen_target(arena, c->levels.asked[level], c->options->opt_level, &target, &error)) BUG("%s", error);
  return target;
}

static void run_job(const Queue *q, Job *job) {
  Arena *arena = arena_create();
  CodegenTarget target = level_target(arena, q->c, job->level);
  CodegenOptions options = module_options(q, job->level, job->part);
  LLVMContextRef context = LLVMContextCreate();
  double start = seconds(CLOCK_THREAD_CPUTIME_ID);
  LLVMModuleRef module = codegen_module(context, arena, q->c->plan, &target, &options);
  double built = seconds(CLOCK_THREAD_CPUTIME_ID);
  codegen_optimise(module, &target);
  double optimised = seconds(CLOCK_THREAD_CPUTIME_ID);
  job->buffer = codegen_emit(module, &target, LLVMObjectFile);
  job->built = built - start;
  job->optimised = optimised - built;
  job->emitted = seconds(CLOCK_THREAD_CPUTIME_ID) - optimised;
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  codegen_target_dispose(&target);
  arena_destroy(arena);
}

static void *run_jobs(void *argument) {
  Queue *q = argument;
  for (int i; (i = __atomic_fetch_add(&q->next, 1, __ATOMIC_RELAXED)) < q->count;) run_job(q, &q->job[i]);
  return NULL;
}

/* A thread that cannot be had costs time and nothing else. Signals stay with the main thread. */
static void run_queue(Queue *q) {
  pthread_t thread[EMIT_MAX_MODULES];
  int started = 0;
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  while (started < q->threads - 1 && pthread_create(&thread[started], NULL, run_jobs, q) == 0) started++;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  run_jobs(q);
  for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
}

/* All levels as one module: each function says itself what CPU it is for. */
static void run_text(Queue *q, Job *job) {
  Arena *arena = arena_create();
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef whole = NULL;
  CodegenTarget target = level_target(arena, q->c, 0);
  double last = seconds(CLOCK_THREAD_CPUTIME_ID), t;
  for (int level = 0; level < q->c->levels.count; level++) {
    CodegenTarget own = level_target(arena, q->c, level);
    CodegenOptions options = module_options(q, level, 0);
    LLVMModuleRef module = codegen_module(context, arena, q->c->plan, &own, &options);
    job->built += (t = seconds(CLOCK_THREAD_CPUTIME_ID)) - last, last = t;
    codegen_optimise(module, &own);
    job->optimised += (t = seconds(CLOCK_THREAD_CPUTIME_ID)) - last, last = t;
    codegen_target_dispose(&own);
    if (!whole) whole = module;
    else if (LLVMLinkModules2(whole, module))
      BUG("the modules of %s and %s do not go together", q->c->levels.cpu[0], q->c->levels.cpu[level]);
  }
  if (q->c->options->kind == EMIT_ASM) {
    job->buffer = codegen_emit(whole, &target, LLVMAssemblyFile);
  } else {
    char *ir = LLVMPrintModuleToString(whole);
    job->buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(ir, strlen(ir), "ir");
    LLVMDisposeMessage(ir);
  }
  job->emitted = seconds(CLOCK_THREAD_CPUTIME_ID) - last;
  LLVMDisposeModule(whole);
  LLVMContextDispose(context);
  codegen_target_dispose(&target);
  arena_destroy(arena);
}

static int count_threads(const EmitOptions *o) {
  int most = EMIT_MAX_MODULES;
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) < most) most = CPU_COUNT(&cpus);
  if (o->threads > 0 && o->threads < most) most = o->threads;
  return most < 1 ? 1 : most;
}

/* Not more than threads: each module makes the functions again that kernels share. A handful of kernels is not worth a
 * second one. Objects are joined by cc; without it they are made in one piece. */
int compile_parts(const Compile *c) {
  enum { CALLS_A_PART = 12, OBJECT_PARTS = 4 };
  const Plan *p = c->plan;
  size_t calls = 0;
  int most = EMIT_MAX_MODULES / c->levels.count;
  bool is_object = c->options->kind == EMIT_OBJ || c->options->kind == EMIT_STATIC;
  int threads = is_object ? OBJECT_PARTS : count_threads(c->options);
  if (is_text(c->options) || (c->options->kind == EMIT_OBJ && !program_installed("cc"))) return 1;
  const Program *schedules[] = {&p->pack, &p->forward, &p->step};
  for (int i = 0; i < 3; i++) calls += schedules[i]->present ? schedules[i]->calls.count : 0;
  for (size_t i = 0; i < p->later.count; i++) calls += p->later.at[i]->step.calls.count;
  if (threads < most) most = threads;
  if (CODEGEN_MAX_PARTS < most) most = CODEGEN_MAX_PARTS;
  if (calls / CALLS_A_PART < (size_t)most) most = (int)(calls / CALLS_A_PART);
  return most < 1 ? 1 : most;
}

/* The least level first: its code is the longest, having the narrowest registers. */
static void fill_queue(Queue *q) {
  for (int level = q->c->levels.count - 1; level >= 0; level--)
    for (int part = 0; part < q->parts; part++) q->job[q->count++] = (Job){.level = level, .part = part};
}

static void report(const Queue *q, double wall) {
  Job sum = {0};
  for (int i = 0; i < q->count; i++) {
    sum.built += q->job[i].built;
    sum.optimised += q->job[i].optimised;
    sum.emitted += q->job[i].emitted;
  }
  fprintf(stderr, "%-16s %8.1f ms, %d %s on %d %s; of CPU time:\n", "compile", wall * 1e3, q->count,
          q->count == 1 ? "module" : "modules", q->threads, q->threads == 1 ? "thread" : "threads");
  fprintf(stderr, "  %-14s %8.1f ms\n", "codegen", sum.built * 1e3);
  fprintf(stderr, "  %-14s %8.1f ms\n", "optimise", sum.optimised * 1e3);
  fprintf(stderr, "  %-14s %8.1f ms\n", "machine code", sum.emitted * 1e3);
}

int compile_modules(Arena *arena, const Compile *c, const char *manifest,
                    LLVMMemoryBufferRef buffer[EMIT_MAX_MODULES]) {
  double start = seconds(CLOCK_MONOTONIC);
  Queue q = {
      .c = c, .manifest = manifest, .recipe = train_recipe(arena, c->plan), .threads = count_threads(c->options)};
  if (is_text(c->options)) {
    q.parts = q.count = q.threads = 1;
    run_text(&q, &q.job[0]);
  } else {
    q.parts = c->parts;
    fill_queue(&q);
    if (q.count < q.threads) q.threads = q.count;
    run_queue(&q);
  }
  for (int i = 0; i < q.count; i++) buffer[i] = q.job[i].buffer;
  if (c->options->time_passes) report(&q, seconds(CLOCK_MONOTONIC) - start);
  return q.count;
}
