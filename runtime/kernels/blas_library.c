/* Loads OpenBLAS when the first product needs it: a program that computes none, for --help or a message, runs
 * where it cannot be loaded, and one that does still computes, more slowly. Its constructor and its calls map
 * some hundred megabytes of addresses, and ask again for ever where the system refuses (ulimit -v): so the
 * system is asked first. It always takes one thread, the caller's: the threads are ours (threads.c), and
 * OpenMP's would not outlive a fork. Called by blas.c and nobody else. */
#include "runtime/kernels/blas.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOAD_BYTES ((size_t)512 << 20) /* what 0.3.21 maps: 300 MB when it is loaded, and 130 MB for the first call */
#define CALL_BYTES ((size_t)256 << 20) /* for each further call at the same time: 130 MB */

/* The library that the process has loaded: written once, by load(). */
static struct {
  BlasLibrary calls;
  char *(*config)(void), *(*core)(void);
  int (*parallel)(void);
  void (*set_threads)(int); /* for the whole process */
  int (*omp_threads)(void); /* these two, of the build with OpenMP: for one thread */
  void (*omp_set_threads)(int);
  void (*choose_core)(void), (*forget_core)(void); /* absent in builds for one CPU */
  char **environment; /* the new one of choose_core(), reachable, so that no checker takes it for lost */
  bool there;
} blas;

static atomic_int calls, most_calls; /* of the process at the same time: now, and ever */

static bool has_room(size_t bytes) {
  void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return false;
  munmap(room, bytes);
  return true;
}

/* ---- which of its kernels ---- */

/* OpenBLAS takes CPUs newer than itself for older ones, at half the speed where there is AVX-512. */
static bool is_less_than_avx512(const char *core) {
  static const char *const less[] = {"Haswell",    "Zen",       "Sandybridge", "Nehalem",  "Excavator", "Steamroller",
                                     "Piledriver", "Bulldozer", "Barcelona",   "Prescott", "Core2"};
  for (size_t i = 0; i < sizeof less / sizeof *less; i++)
    if (strcmp(core, less[i]) == 0) return true;
  return false;
}

static bool has_avx512(void) {
#ifdef __x86_64__
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

/* Has it choose again, in an environment with OPENBLAS_CORETYPE. Other threads may be reading the
 * environment, so that setenv is no way: they see the old list or the new one, and both stay as they are (the
 * new one for good: some kilobytes, once). */
static void choose_core(const char *variable) {
  extern char **environ;
  char **before = environ;
  size_t count = 0;
  while (before && before[count]) count++;
  char **list = calloc(count + 2, sizeof *list), *copy = strdup(variable);
  if (!list || !copy) {
    free(list), free(copy);
    return;
  }
  if (count) memcpy(list, before, count * sizeof *list);
  list[count] = copy;
  environ = blas.environment = list;
  blas.forget_core();
  blas.choose_core();
  if (environ == list) environ = before; /* child processes choose for themselves */
}

static void mend_core(void) {
  if (!blas.core || !blas.choose_core || !blas.forget_core || getenv("OPENBLAS_CORETYPE"))
    return; /* the user's choice stays */
  if (has_avx512() && is_less_than_avx512(blas.core())) choose_core("OPENBLAS_CORETYPE=SkylakeX");
}

/* ---- loading ---- */

static void find(void *library, const char *name, void *function) {
  void *at = dlsym(library, name);
  memcpy(function, &at, sizeof at);
}

static void find_functions(void *library) {
  find(library, "cblas_sgemm", &blas.calls.sgemm);
  find(library, "cblas_sgemv", &blas.calls.sgemv);
  find(library, "openblas_get_config", &blas.config);
  find(library, "openblas_get_corename", &blas.core);
  find(library, "openblas_get_parallel", &blas.parallel);
  find(library, "openblas_set_num_threads", &blas.set_threads);
  find(library, "gotoblas_dynamic_init", &blas.choose_core);
  find(library, "gotoblas_dynamic_quit", &blas.forget_core);
  enum { BY_OPENMP = 2 };
  if (!blas.parallel || blas.parallel() != BY_OPENMP) return;
  find(library, "omp_get_max_threads", &blas.omp_threads);
  find(library, "omp_set_num_threads", &blas.omp_set_threads);
}

/* The one that the process has loaded, since two would take each other's functions; else the one that Surgery
 * was built with; else the system's. */
static void load(void) {
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  bool ours = !library;
  if (ours && !has_room(LOAD_BYTES)) return;
  static const char *const names[] = {SURGERY_OPENBLAS, "libopenblas.so.0", "libopenblas.so"};
  for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
    library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  find_functions(library);
  if (!blas.calls.sgemm || !blas.calls.sgemv) return;
  if (ours) {
    mend_core();
    if (!blas.omp_set_threads && blas.set_threads) blas.set_threads(1);
  }
  atomic_store(&most_calls, 1);
  blas.there = true;
}

static bool is_loaded(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  return blas.there;
}

const BlasLibrary *blas_begin(BlasCall *call) {
  if (!is_loaded()) return NULL;
  int now = atomic_fetch_add(&calls, 1) + 1;
  if (now > atomic_load(&most_calls)) {
    if (!has_room(CALL_BYTES)) {
      atomic_fetch_sub(&calls, 1);
      return NULL;
    }
    atomic_store(&most_calls, now);
  }
  call->callers_threads = blas.omp_set_threads ? blas.omp_threads() : 1;
  if (call->callers_threads != 1) blas.omp_set_threads(1);
  return &blas.calls;
}

void blas_end(const BlasCall *call) {
  if (call->callers_threads != 1) blas.omp_set_threads(call->callers_threads);
  atomic_fetch_sub(&calls, 1);
}

const char *blas_name(void) { return is_loaded() && blas.config ? blas.config() : "none"; }
