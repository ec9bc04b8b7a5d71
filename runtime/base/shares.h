/* How the threads of a pool divide the work units of a call: each begins with a share of its own, and then takes of
 * what others have not begun. Used by threads.c, and by the compiler where it times kernels
 * (compiler/codegen/tune_threads.c). */
#ifndef SURGERY_SHARES_H
#define SURGERY_SHARES_H
#include "runtime/abi.h"
#include <stdatomic.h>
#include <stdbool.h>

/* A thread's share of a call's units: [next, end). Each has its own part of them, so that of a network's next layer it
 * takes the pixels that it wrote in this one. */
typedef struct Share {
  _Alignas(64) _Atomic int64_t next;
  int64_t end;
} Share;

/* Some of what is left of a share: less and less, so that threads which other programs slow down do not keep the rest
 * waiting; never very few, since units that follow each other share work. */
static inline bool take_units(Share *share, int64_t least, int64_t *begin, int64_t *end) {
  int64_t at = atomic_load_explicit(&share->next, memory_order_relaxed), take;
  do {
    int64_t left = share->end - at;
    if (left <= 0) return false;
    take = left / 2;
    if (take < least) take = left < least ? left : least;
  } while (
      !atomic_compare_exchange_weak_explicit(&share->next, &at, at + take, memory_order_relaxed, memory_order_relaxed));
  *begin = at, *end = at + take;
  return true;
}

static inline void share_units(Share *shares, int threads, int64_t units) {
  for (int t = 0; t < threads; t++) {
    atomic_init(&shares[t].next, units * t / threads);
    shares[t].end = units * (t + 1) / threads;
  }
}

/* What thread `self` of so many does; own: its scratch, or NULL. */
static inline void do_units(Share *shares, int threads, int64_t units, int self, sg_task *task, void *const *buf,
                            int64_t n, void *own) {
  const int64_t least = units / (16 * threads) + 1;
  int64_t begin, end;
  if (own) *(int64_t *)own = 0;       /* kernels.h: nothing of this call is held there */
  for (int t = 0; t < threads; t++) { /* first its own share, then what others have not begun */
    Share *share = &shares[(self + t) % threads];
    while (take_units(share, least, &begin, &end)) task(buf, n, begin, end, own);
  }
}
#endif
