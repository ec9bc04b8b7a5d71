/* The threads: how many there are, and how a call's work units are divided over them. Knows nothing of what
 * the units do. Called by generated code for every kernel that is worth more than one thread, and by the rest
 * of the runtime.
 *
 * The caller works too and waits for no thread that has not begun: on a machine that is busy with other
 * things it does the units by itself, and loses what waking the others took. Threads without work spin for as
 * long as it takes from one call to the next, and sleep then. */
#include "runtime/abi.h"
#include "runtime/base/shares.h"
#include "runtime/surgery.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 256
#define SPIN_NANOSECONDS 200000 /* from a call to the next, and for the last units of one: mostly less */

/* ---- how many ---- */

static atomic_int chosen_threads; /* of the process, by surgery_set_threads; 0: not chosen yet */
/* A fact about the thread, no parameter of a call: within a task the pool's threads are taken already, and whoever
 * wrote the task need not know. */
static _Thread_local bool in_task;

static int limit(int64_t threads) { return threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : (int)threads; }

int sg_cpus(void) {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) return limit(CPU_COUNT(&cpus));
  return limit(sysconf(_SC_NPROCESSORS_ONLN)); /* more CPUs than a cpu_set_t holds */
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
  /* another thread may have chosen meanwhile, on purpose: its choice stays */
  return atomic_compare_exchange_strong(&chosen_threads, &none, threads) ? threads : none;
}

int surgery_threads(void) { return sg_threads(); }

/* Below 1: back to the default. */
void surgery_set_threads(int threads) {
  atomic_store(&chosen_threads, threads < 1 ? default_threads() : limit(threads));
}

/* ---- the pool ---- */

/* One call; it lies on the caller's stack. */
typedef struct Job {
  sg_task *task;
  void *const *buf;
  int64_t n, units, scratch_bytes;
  char *scratch;
  Share *shares;
  int threads, joined; /* joined: of them, the caller among them; the pool's lock */
  atomic_int working;  /* of those that joined, the caller apart; ASLEEP: the caller waits for them */
  struct Job *next;
} Job;
#define ASLEEP (1 << 30)

/* The one pool of the process. */
static struct Pool {
  pthread_mutex_t lock; /* for what follows, the atomic ones apart */
  Job *jobs;            /* that take threads */
  int started;
  atomic_int posted;   /* jobs so far: idle threads look at it, or sleep on it */
  atomic_int sleeping; /* threads */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void futex_wait(atomic_int *at, int value) { syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void futex_wake(atomic_int *at, int threads) {
  syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pause_briefly(void) {
#ifdef __x86_64__
  for (int i = 0; i < 16; i++) __builtin_ia32_pause();
#endif
}

/* Whether *at is another value before it is time to sleep. */
static bool spin_while(atomic_int *at, int value) {
  if (atomic_load_explicit(at, memory_order_acquire) != value) return true;
  for (int64_t end = nanoseconds() + SPIN_NANOSECONDS; nanoseconds() < end; pause_briefly())
    if (atomic_load_explicit(at, memory_order_acquire) != value) return true;
  return false;
}

static void do_share(Job *job, int self) {
  in_task = true;
  do_units(job->shares, job->threads, job->units, self, job->task, job->buf, job->n,
           job->scratch ? job->scratch + self * job->scratch_bytes : NULL);
  in_task = false;
}

/* A job that takes one thread more, and which of its threads this one is now; NULL: there is none. */
static Job *join_job(int *self) {
  pthread_mutex_lock(&pool.lock);
  Job *job = pool.jobs;
  while (job && job->joined == job->threads) job = job->next;
  if (job) {
    *self = job->joined++;
    atomic_fetch_add_explicit(&job->working, 1, memory_order_relaxed);
  }
  pthread_mutex_unlock(&pool.lock);
  return job;
}

static void *help(void *unused) {
  for (;;) {
    int posted = atomic_load_explicit(&pool.posted, memory_order_acquire), self;
    for (Job *job; (job = join_job(&self));) {
      do_share(job, self);
      /* the caller may be gone from here on: only its address is used */
      atomic_int *working = &job->working;
      if (atomic_fetch_sub_explicit(working, 1, memory_order_release) == ASLEEP + 1) futex_wake(working, 1);
    }
    if (spin_while(&pool.posted, posted)) continue;
    atomic_fetch_add(&pool.sleeping, 1);
    while (atomic_load(&pool.posted) == posted) futex_wait(&pool.posted, posted);
    atomic_fetch_sub(&pool.sleeping, 1);
  }
  return unused;
}

/* A forked process has the thread that forked, and none of the others: it starts its own when it needs them.
 */
static void before_fork(void) { pthread_mutex_lock(&pool.lock); }
static void in_parent(void) { pthread_mutex_unlock(&pool.lock); }
static void in_child(void) { pool = (struct Pool){.lock = PTHREAD_MUTEX_INITIALIZER}; }
static void follow_forks(void) { pthread_atfork(before_fork, in_parent, in_child); }

/* Where the system has no more threads, there are fewer. Signals stay with the program's own. The lock is
 * held. */
static void start(int threads) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (pool.started >= threads) return;
  pthread_once(&once, follow_forks);
  sigset_t all, old;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  for (pthread_t thread; pool.started < threads && pthread_create(&thread, &detached, help, NULL) == 0;) pool.started++;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&detached);
}

static void post(Job *job) {
  pthread_mutex_lock(&pool.lock);
  start(job->threads - 1);
  job->next = pool.jobs;
  pool.jobs = job;
  pthread_mutex_unlock(&pool.lock);
  atomic_fetch_add(&pool.posted, 1);
  if (atomic_load(&pool.sleeping)) futex_wake(&pool.posted, job->threads - 1);
}

/* From here on nobody joins; those who did are waited for. */
static void finish(Job *job) {
  pthread_mutex_lock(&pool.lock);
  Job **at = &pool.jobs;
  while (*at != job) at = &(*at)->next;
  *at = job->next;
  pthread_mutex_unlock(&pool.lock);
  for (int working; (working = atomic_load_explicit(&job->working, memory_order_acquire)) & ~ASLEEP;) {
    if (!(working & ASLEEP)) {
      if (spin_while(&job->working, working)) continue;
      if (!atomic_compare_exchange_strong(&job->working, &working, working | ASLEEP)) continue;
    }
    futex_wait(&job->working, working | ASLEEP);
  }
}

void sg_parallel(sg_task *task, void *const *buf, int64_t n, int64_t units, int64_t most, void *scratch,
                 int64_t scratch_bytes) {
  if (units <= 0) return;
  int threads = limit(most < units ? most : units);
  if (threads == 1 || in_task) { /* within a task the threads are taken */
    task(buf, n, 0, units, scratch);
    return;
  }
  Share shares[threads]; /* a caller may have a small stack */
  share_units(shares, threads, units);
  Job job = {.task = task,
             .buf = buf,
             .n = n,
             .units = units,
             .scratch_bytes = scratch_bytes,
             .scratch = scratch,
             .shares = shares,
             .threads = threads,
             .joined = 1};
  post(&job);
  do_share(&job, 0);
  finish(&job);
}
