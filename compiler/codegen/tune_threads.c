/* sg_parallel for timing: it divides the units just as the runtime does, but the caller waits for all of its threads,
 * so that what is timed is the same number of them each time. They spin for some ten microseconds, as long as it takes
 * from one call to the next, and sleep then. Called by tune.c and by the code that it times. */
#include "compiler/codegen/tune.h"
#include "runtime/base/shares.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

enum { MOST_THREADS = 256, SPINS = 1000 };

static struct Team {
  int threads; /* the caller is one of them */
  pthread_t thread[MOST_THREADS];
  sem_t go[MOST_THREADS], done;
  bool over;
  /* the call */
  sg_task *task;
  void *const *buf;
  int64_t n, units, scratch_bytes;
  char *scratch;
  Share shares[MOST_THREADS];
} team;

static void wait_for(sem_t *semaphore) {
  for (int i = 0; i < SPINS; i++) {
    if (sem_trywait(semaphore) == 0) return;
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
  }
  while (sem_wait(semaphore) && errno == EINTR) continue;
}

static void do_share(int self) {
  do_units(team.shares, team.threads, team.units, self, team.task, team.buf, team.n,
           team.scratch ? team.scratch + self * team.scratch_bytes : NULL);
}

static void *help(void *argument) {
  int self = (int)(intptr_t)argument;
  for (;;) {
    wait_for(&team.go[self]);
    if (team.over) return NULL;
    do_share(self);
    sem_post(&team.done);
  }
}

void tune_parallel(sg_task *task, void *const *buf, int64_t n, int64_t units, int64_t threads, void *scratch,
                   int64_t scratch_bytes) {
  if (units <= 0) return;
  if (units == 1 || team.threads == 1) {
    task(buf, n, 0, units, scratch);
    return;
  }
  team.task = task, team.buf = buf, team.n = n, team.units = units, team.scratch = scratch,
  team.scratch_bytes = scratch_bytes;
  share_units(team.shares, team.threads, units);
  for (int t = 1; t < team.threads; t++) sem_post(&team.go[t]);
  do_share(0);
  for (int t = 1; t < team.threads; t++) wait_for(&team.done);
}

/* Signals stay with the main thread. */
int tune_threads_start(int threads) {
  sigset_t all, old;
  if (threads > MOST_THREADS) threads = MOST_THREADS;
  team.over = false;
  sem_init(&team.done, 0, 0);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  for (team.threads = 1; team.threads < threads; team.threads++) {
    int self = team.threads;
    sem_init(&team.go[self], 0, 0);
    if (pthread_create(&team.thread[self], NULL, help, (void *)(intptr_t)self)) break;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return team.threads;
}

void tune_threads_end(void) {
  team.over = true;
  for (int t = 1; t < team.threads; t++) sem_post(&team.go[t]);
  for (int t = 1; t < team.threads; t++) {
    pthread_join(team.thread[t], NULL);
    sem_destroy(&team.go[t]);
  }
  sem_destroy(&team.done);
}
