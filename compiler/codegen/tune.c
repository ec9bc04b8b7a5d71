/* Timing of --tune. The code generator specialises both kernels of each choice as it would for the program; they run
 * here in turns, on the threads that the program would have. What else the machine does adds to the times, so that the
 * shortest count most. A call alone has its data in the caches more often than within a network, for both kernels
 * alike. */
#include "compiler/codegen/tune.h"
#include "runtime/base/pages.h"
#include <stdlib.h>
#include <time.h>

#define CLEARLY 1.03 /* times as long: less may be noise, and is not worth another kernel */
enum {
  WARM_ROUNDS = 3,   /* pages, caches, the clock of the CPU */
  MOST_ROUNDS = 100, /* of both kernels */
  MOST_JOBS = 16     /* modules */
};
#define MOST_SECONDS 0.6              /* for both kernels; the warming up may take a third of it */
#define MOST_BYTES ((int64_t)1 << 29) /* of the arena: a large batch is not timed whole */

typedef struct TuneJob { /* a module: of the choices each MOST_JOBS-th, or fewer */
  size_t first;
  const Plan *plan;
  LLVMMemoryBufferRef object;
  Jit *jit; /* its code, from load_all() on */
  const sg_network *network;
} TuneJob;

typedef struct Tuning {
  Arena *arena;
  KernelChoices *choices;
  const TuneOptions *o;
  int threads;
  int64_t jobs;
  TuneJob job[MOST_JOBS];
  float *memory;
  int64_t bytes;
} Tuning;

const char *tune_cpu_error(Arena *arena, const char *cpu) {
  static const char cure[] = "leave out --cpu, or --tune";
  CodegenTarget host, asked;
  const char *error;
  if (!cpu) return NULL;
  if (strchr(cpu, ','))
    return arena_printf(arena, "--tune times kernels on this machine, and --cpu=%s asks for code for several: %s", cpu,
                        cure);
  if (!codegen_target(arena, cpu, 3, &asked, &error)) return NULL;
  if (!codegen_target(arena, NULL, 3, &host, &error)) BUG("%s", error);
  bool same = streq(host.cpu, asked.cpu) && (asked.needs & ~host.needs) == 0;
  codegen_target_dispose(&host);
  codegen_target_dispose(&asked);
  if (same) return NULL;
  return arena_printf(arena, "--tune times kernels on this machine, a %s, and --cpu=%s asks for code for another: %s",
                      host.cpu, cpu, cure);
}

/* ---- compiling ---- */

static const char *job_name(Arena *arena, const TuneJob *job) { return arena_printf(arena, "tune_%zu", job->first); }

static CodegenTarget target_of(Arena *arena, const TuneOptions *o) {
  CodegenTarget target;
  const char *error;
  if (!codegen_target(arena, o->cpu, o->opt_level, &target, &error)) BUG("%s", error);
  return target;
}

/* Everything of its own, as emit/compile.c has it: the jobs are done by several threads. */
static void compile_job(const Tuning *t, TuneJob *job) {
  Arena *arena = arena_create();
  CodegenTarget target = target_of(arena, t->o);
  LLVMContextRef context = LLVMContextCreate();
  CodegenOptions options = {.name = job_name(arena, job), .manifest = "{}", .bare = true};
  LLVMModuleRef module = codegen_module(context, arena, job->plan, &target, &options);
  codegen_optimise(module, &target);
  job->object = codegen_emit(module, &target, LLVMObjectFile);
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  codegen_target_dispose(&target);
  arena_destroy(arena);
}

static void compile_jobs(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  Tuning *t = buf[0];
  for (int64_t i = begin; i < end; i++) compile_job(t, &t->job[i]);
}

/* More than threads, since how long one takes is not known. */
static void compile_all(Tuning *t) {
  t->jobs = t->threads == 1 ? 1 : 2 * t->threads;
  if (t->jobs > MOST_JOBS) t->jobs = MOST_JOBS;
  if (t->jobs > (int64_t)t->choices->list.count) t->jobs = (int64_t)t->choices->list.count;
  for (int64_t i = 0; i < t->jobs; i++) {
    t->job[i] = (TuneJob){.first = (size_t)i};
    t->job[i].plan = tune_plan(t->arena, t->choices, (size_t)i, (size_t)t->jobs);
  }
  CodegenTarget target = target_of(t->arena, t->o); /* LLVM is initialised once, by the first */
  codegen_target_dispose(&target);
  tune_parallel(compile_jobs, (void *[]){t}, 0, t->jobs, t->threads, NULL, 0);
}

/* ---- running ---- */

typedef struct Contest { /* both kernels of a choice */
  const Program *schedule[2];
  sg_function *function[2];
} Contest;

static Contest contest(const Tuning *t, size_t choice) {
  const TuneJob *job = &t->job[choice % (size_t)t->jobs];
  size_t at = choice / (size_t)t->jobs * 2;
  Contest c;
  for (size_t i = 0; i < 2; i++) {
    c.schedule[i] = &job->plan->later.at[at + i]->step;
    c.function[i] = job->network->phases[at + i].step;
  }
  return c;
}

static int64_t fixed_bytes(const Tuning *t, const Program *s) { return s->fixed_bytes + s->scratch_bytes * t->threads; }

/* As many of the choice's samples as there is room for, at least one. */
static int64_t samples_of(const Tuning *t, const Contest *c, int64_t samples) {
  for (int i = 0; i < 2; i++) {
    int64_t fit = (MOST_BYTES - fixed_bytes(t, c->schedule[i])) / c->schedule[i]->per_sample_bytes;
    if (fit < samples) samples = fit;
  }
  return samples < 1 ? 1 : samples;
}

static int64_t bytes_of(const Tuning *t, const Contest *c, int64_t samples) {
  int64_t most = 0;
  for (int i = 0; i < 2; i++) {
    int64_t bytes = c->schedule[i]->per_sample_bytes * samples + fixed_bytes(t, c->schedule[i]);
    if (bytes > most) most = bytes;
  }
  return most;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct Times { /* of both kernels, in each round; sorted in the end */
  double at[2][MOST_ROUNDS];
  int rounds; /* at least 1 */
} Times;

static int by_length(const void *pa, const void *pb) {
  double a = *(const double *)pa, b = *(const double *)pb;
  return (a > b) - (a < b);
}

/* In turns, so that both have the same share of whatever else goes on. */
static void run_contest(const Contest *c, const sg_run *run, Times *times) {
  double start = seconds();
  for (int r = 0; r < WARM_ROUNDS && seconds() - start < MOST_SECONDS / 3; r++)
    for (int i = 0; i < 2; i++) c->function[i](run);
  times->rounds = 0;
  do {
    for (int i = 0; i < 2; i++) {
      double begin = seconds();
      c->function[i](run);
      times->at[i][times->rounds] = seconds() - begin;
    }
  } while (++times->rounds < MOST_ROUNDS && seconds() - start < MOST_SECONDS);
  for (int i = 0; i < 2; i++) qsort(times->at[i], (size_t)times->rounds, sizeof(double), by_length);
}

/* By the shortest time, and by what it takes most often too: where the machine has other work, a thread that happens to
 * be left alone once is luck and not the kernel's merit. */
static bool other_wins(const Times *t) {
  int middle = t->rounds / 2;
  return t->at[1][0] * CLEARLY < t->at[0][0] && t->at[1][middle] * CLEARLY < t->at[0][middle];
}

static void time_choice(Tuning *t, KernelChoice *choice, const Contest *c) {
  choice->timed_samples = samples_of(t, c, choice->samples);
  /* Small numbers, and each time anew: sums that a kernel adds to would grow. */
  int64_t floats = bytes_of(t, c, choice->timed_samples) / 4;
  for (int64_t i = 0; i < floats; i++) t->memory[i] = (float)(i % 7) * 0.01f;
  Times times;
  run_contest(c, &(sg_run){.arena = t->memory, .n = choice->timed_samples, .threads = t->threads}, &times);
  choice->usual_seconds = times.at[0][0];
  choice->other_seconds = times.at[1][0];
  choice->taken = other_wins(&times) ? choice->other : choice->usual;
}

static bool load_all(Tuning *t, const char **error) {
  bool done = true;
  for (int64_t i = 0; i < t->jobs; i++) {
    TuneJob *job = &t->job[i];
    const char *symbol = arena_printf(t->arena, "%s_network", job_name(t->arena, job));
    const void *network = NULL;
    job->jit = jit_load(t->arena, job->object, symbol, &network, error);
    job->network = network;
    done &= job->jit != NULL;
  }
  return done;
}

static bool time_all(Tuning *t, const char **error) {
  KernelChoice *choice = t->choices->list.at;
  size_t count = t->choices->list.count;
  for (size_t i = 0; i < count; i++) {
    Contest c = contest(t, i);
    int64_t bytes = bytes_of(t, &c, samples_of(t, &c, choice[i].samples));
    if (bytes > t->bytes) t->bytes = bytes;
  }
  t->memory = sg_pages_new(t->bytes); /* in huge pages, as a program's */
  if (!t->memory) {
    *error = arena_printf(t->arena, "no memory for the %lld bytes of a convolution", (long long)t->bytes);
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    Contest c = contest(t, i);
    time_choice(t, &choice[i], &c);
  }
  sg_pages_free(t->memory);
  return true;
}

bool tune_kernels(Arena *arena, KernelChoices *choices, const TuneOptions *o) {
  Tuning t = {.arena = arena, .choices = choices, .o = o};
  const char *error = NULL;
  if (choices->list.count == 0) return true;
  t.threads = tune_threads_start(o->threads ? o->threads : sg_threads());
  compile_all(&t);
  bool done = load_all(&t, &error) && time_all(&t, &error);
  for (int64_t i = 0; i < t.jobs; i++) jit_unload(t.job[i].jit);
  tune_threads_end();
  if (!done) fprintf(stderr, "surgeryc: --tune: %s\n", error);
  return done;
}
