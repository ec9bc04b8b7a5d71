/* The one pool of threads: OpenMP's, which OpenBLAS uses too. Divides the work units of a call; knows nothing
 * of what they do. Called by generated code for every kernel. */
#include "runtime/abi.h"
#include "runtime/surgery.h"
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define MAX_THREADS 256

static atomic_int chosen_threads; /* 0: not chosen yet */

static int limit(long threads) {
  return threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : (int)threads;
}

/* OMP_NUM_THREADS may be a list, one number for each level of nesting: the first counts. */
static int default_threads(void) {
  const char *text = getenv("OMP_NUM_THREADS");
  if (text) {
    long threads = strtol(text, NULL, 10);
    if (threads > 0) return limit(threads);
  }
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) return limit(CPU_COUNT(&cpus));
  return limit(omp_get_num_procs()); /* more CPUs than a cpu_set_t holds */
}

int sg_threads(void) {
  int threads = atomic_load_explicit(&chosen_threads, memory_order_relaxed);
  if (threads) return threads;
  threads = default_threads();
  int none = 0;
  /* another thread may have chosen meanwhile, on purpose: its choice stands */
  return atomic_compare_exchange_strong(&chosen_threads, &none, threads) ? threads : none;
}

int surgery_threads(void) {
  return sg_threads();
}

/* Below 1: back to the default. */
void surgery_set_threads(int threads) {
  atomic_store(&chosen_threads, threads < 1 ? default_threads() : limit(threads));
}

/* A thread's share of a call's units: [next, end). Each has its own part of them, so that of a network's next layer it takes
 * the pixels that it wrote in this one. */
typedef struct Share {
  _Alignas(64) _Atomic int64_t next;
  int64_t end;
} Share;

/* Some of what is left of a share: less and less, so that threads which other programs slow down do not keep the rest waiting;
 * never very few, since units that follow each other share work. */
static bool take_units(Share *share, int64_t least, int64_t *begin, int64_t *end) {
  int64_t at = atomic_load_explicit(&share->next, memory_order_relaxed), take;
  do {
    int64_t left = share->end - at;
    if (left <= 0) return false;
    take = left / 2;
    if (take < least) take = left < least ? left : least;
  } while (!atomic_compare_exchange_weak_explicit(&share->next, &at, at + take, memory_order_relaxed, memory_order_relaxed));
  *begin = at, *end = at + take;
  return true;
}

void sg_parallel(sg_task *task, void *const *buf, int64_t n, int64_t units, void *scratch,
                 int64_t scratch_bytes) {
  if (units <= 0) return;
  int threads = sg_threads();
  if (units == 1 || threads == 1 ||
      omp_in_parallel()) { /* within a region the pool is taken: no second one */
    task(buf, n, 0, units, scratch);
    return;
  }
  const int64_t least = units / (16 * threads) + 1;
  Share shares[MAX_THREADS];
  for (int t = 0; t < threads; t++) {
    atomic_init(&shares[t].next, units * t / threads);
    shares[t].end = units * (t + 1) / threads;
  }
  /* Always all threads, though there be fewer units: libgomp ends threads when a region asks for fewer. */
#pragma omp parallel num_threads(threads)
  {
    const int self = omp_get_thread_num();
    void *own = scratch ? (char *)scratch + self * scratch_bytes : NULL;
    int64_t begin, end;
    if (own) *(int64_t *)own = 0; /* kernels.h: nothing of this call is held there */
    for (int t = 0; t < threads; t++) { /* first its own share, then what others have not begun */
      Share *share = &shares[(self + t) % threads];
      while (take_units(share, least, &begin, &end)) task(buf, n, begin, end, own);
    }
  }
}
