/* The one pool of threads: OpenMP's, which OpenBLAS uses too. Divides the work units of a call; knows nothing
 * of what they do. Called by generated code for every kernel. */
#include "runtime/abi.h"
#include "runtime/shares.h"
#include "runtime/surgery.h"
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MAX_THREADS 256

static atomic_int chosen_threads; /* 0: not chosen yet */

static int limit(long threads) {
  return threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : (int)threads;
}

int sg_cpus(void) {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) return limit(CPU_COUNT(&cpus));
  return limit(omp_get_num_procs()); /* more CPUs than a cpu_set_t holds */
}

/* OMP_NUM_THREADS may be a list, one number for each level of nesting: the first counts. */
static int default_threads(void) {
  const char *text = getenv("OMP_NUM_THREADS");
  if (text) {
    long threads = strtol(text, NULL, 10);
    if (threads > 0) return limit(threads);
  }
  return sg_cpus();
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

void sg_parallel(sg_task *task, void *const *buf, int64_t n, int64_t units, void *scratch,
                 int64_t scratch_bytes) {
  if (units <= 0) return;
  int threads = sg_threads();
  if (units == 1 || threads == 1 ||
      omp_in_parallel()) { /* within a region the pool is taken: no second one */
    task(buf, n, 0, units, scratch);
    return;
  }
  Share shares[MAX_THREADS];
  share_units(shares, threads, units);
  /* Always all threads, though there be fewer units: libgomp ends threads when a region asks for fewer. */
#pragma omp parallel num_threads(threads)
  {
    const int self = omp_get_thread_num();
    do_units(shares, threads, units, self, task, buf, n, scratch ? (char *)scratch + self * scratch_bytes : NULL);
  }
}
