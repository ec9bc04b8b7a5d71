/* runtime/kernels/blas.c and runtime/base/threads.c: linear layers against loops in double, with OpenBLAS and
 * without, the choice of its kernels, and the division of work items over threads. */
#include "tests/kernels/support.h"
#include "runtime/abi.h"
#include "runtime/kernels/blas.h"
#include "runtime/surgery.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- linear ---- */

typedef struct Layer {
  int64_t m;
  LinearParams k;
  double *x, *w, *b, *dy;
} Layer;

static double activated(double v, const LinearParams *k) { return k->activation == ACT_RELU && v < 0 ? 0 : v; }

static void check_forward(int64_t n, const Layer *l) {
  const LinearParams *k = &l->k;
  int64_t ys = l->m * k->out;
  double *before = k->accumulate ? new_random(ys, -1, 1) : new_doubles(ys), *want = new_doubles(ys);
  float *y = k->accumulate ? as_floats(before, ys) : new_floats(ys);
  sg_linear(OPERANDS(linear, .x = as_floats(l->x, l->m * k->in), .w = as_floats(l->w, k->out * k->in),
                     .bias = k->has_bias ? as_floats(l->b, k->out) : NULL, .y = y),
            n, sg_threads(), k);
  for (int64_t i = 0; i < ys; i++) {
    double sum = k->has_bias ? l->b[i % k->out] : 0;
    for (int64_t j = 0; j < k->in; j++) sum += l->x[i / k->out * k->in + j] * l->w[i % k->out * k->in + j];
    want[i] = activated(sum, k) + before[i];
  }
  check_close("linear", from_floats(y, ys), want, ys, 2e-6); /* 6.0e-7 */
}

static void check_gradients(int64_t n, const Layer *l) {
  const LinearParams *k = &l->k;
  int64_t xs = l->m * k->in, ws = k->in * k->out;
  double *dx0 = new_random(xs, -1, 1), *dw0 = new_random(ws, -1, 1), *db0 = new_random(k->out, -1, 1);
  float *dx = as_floats(dx0, xs), *dw = as_floats(dw0, ws), *db = as_floats(db0, k->out);
  if (!k->accumulate) {
    dx = new_floats(xs), dw = new_floats(ws), db = new_floats(k->out);
    dx0 = new_doubles(xs), dw0 = new_doubles(ws), db0 = new_doubles(k->out);
  }
  float *x = as_floats(l->x, xs), *w = as_floats(l->w, ws), *dy = as_floats(l->dy, l->m * k->out);
  sg_linear_grad_input(OPERANDS(linear_grad_input, .dy = dy, .w = w, .dx = dx), n, sg_threads(), k);
  sg_linear_grad_weight(OPERANDS(linear_grad_weight, .x = x, .dy = dy, .dw = dw), n, sg_threads(), k);
  sg_linear_grad_bias(OPERANDS(linear_grad_bias, .dy = dy, .db = db), n, sg_threads(), k);
  for (int64_t i = 0; i < l->m; i++)
    for (int64_t o = 0; o < k->out; o++) {
      double g = l->dy[i * k->out + o];
      db0[o] += g;
      for (int64_t j = 0; j < k->in; j++) {
        dx0[i * k->in + j] += g * l->w[o * k->in + j];
        dw0[o * k->in + j] += g * l->x[i * k->in + j];
      }
    }
  check_close("linear_grad_input", from_floats(dx, xs), dx0, xs, 2e-6);        /* 6.9e-7 */
  check_close("linear_grad_weight", from_floats(dw, ws), dw0, ws, 2e-6);       /* 4.1e-7 */
  check_close("linear_grad_bias", from_floats(db, k->out), db0, k->out, 2e-6); /* 5.9e-8 */
}

static void test_linear(void **state) {
  static const int64_t sizes[][4] = {/* n, rows, in, out */
                                     {3, 1, 5, 7},     {1, 1, 1, 1},     {1, 1, 512, 129}, {16, 1, 512, 10},
                                     {5, 1, 300, 230}, {2, 9, 20, 33},   {0, 1, 5, 7},     {4, 1, 1, 70},
                                     {70, 1, 9, 1},    {1, 1, 70000, 1}, {2, 1, 1, 70000}, {3, 1, 0, 4}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int bits = 0; bits < 8; bits++) {
      const int64_t *s = sizes[i];
      Layer l = {s[0] * s[1],
                 {.rows = s[1],
                  .in = s[2],
                  .out = s[3],
                  .has_bias = bits & 1,
                  .activation = bits & 2 ? ACT_RELU : ACT_NONE,
                  .accumulate = bits >> 2},
                 0,
                 0,
                 0,
                 0};
      l.x = new_random(l.m * s[2], -1, 1.1);
      l.w = new_random(s[3] * s[2], -1, 1.1);
      l.b = new_random(s[3], -1, 1);
      l.dy = new_random(l.m * s[3], -1, 1.1);
      check_forward(s[0], &l);
      if (!(bits & 3)) check_gradients(s[0], &l);
      free_buffers();
    }
}

/* ---- OpenBLAS, which is loaded by the first product ---- */

static bool is_mapped(void) {
  char line[512];
  bool mapped = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  assert_non_null(maps);
  while (fgets(line, sizeof line, maps)) mapped |= strstr(line, "openblas") != NULL;
  fclose(maps);
  return mapped;
}

static void multiply(int64_t m, int64_t n, int64_t k) {
  float *x = as_floats(new_random(m * k, -1, 1), m * k), *w = as_floats(new_random(k * n, -1, 1), k * n),
        *y = new_floats(m * n);
  blas_product(sg_threads(), m, n, k, (Matrix){x, k, 1}, (Matrix){w, n, 1}, false, y, n);
  for (int64_t i = 0; i < m * n; i += 1 + m * n / 97) {
    double sum = 0;
    for (int64_t t = 0; t < k; t++) sum += (double)x[i / n * k + t] * w[t * n + i % n];
    assert_true(fabs(y[i] - sum) < 1e-4 * (1 + fabs(sum))); /* measured 2e-6 */
  }
  free_buffers();
}

/* In a process of its own: with so much room for addresses beyond what it has now, or -1: without a limit. */
static int in_child(int (*what)(void), long room) {
  int status = 0;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%ld", &pages) != 1) _exit(99);
    fclose(statm);
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)room;
    if (room >= 0 && setrlimit(RLIMIT_AS, &(struct rlimit){most, most})) _exit(98);
    alarm(60);
    _exit(what());
  }
  assert_true(child > 0 && waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static int without(void) {
  surgery_set_threads(2);
  multiply(40, 300, 70);
  multiply(1, 300, 300);
  float a[] = {1, 2, 3, 4, 5, 6}, c[4] = {1, 1, 1, 1};
  sg_gemm(1, 0, 2, 2, 3, 2, a, 2, a, 2, 1, c, 2);
  if (c[0] != 71 || c[1] != 89 || c[2] != 89 || c[3] != 113) return 2;
  return is_mapped() || strcmp(blas_name(), "none") != 0;
}

/* Where there is no room for it, which it would ask for again and again: by loops. */
static void test_no_room(void **state) {
#ifdef __SANITIZE_ADDRESS__
  skip(); /* takes all addresses */
#endif
  assert_false(is_mapped()); /* no product yet */
  assert_int_equal(in_child(without, 100l << 20), 0);
}

/* Nothing less than AVX-512 where there is AVX-512; what the user chose stays; the environment is as it was. */
static int with_core(void) {
  const char *set = getenv("OPENBLAS_CORETYPE");
  multiply(40, 300, 70);
  const char *name = blas_name(), *now = getenv("OPENBLAS_CORETYPE");
  if (!is_mapped() || strcmp(name, "none") == 0) return 1;
  if (set) return !now || strcmp(now, "Haswell") != 0 || !strstr(name, "Haswell");
  return now || strstr(name, "Haswell") || strstr(name, "Zen") || strstr(name, "Sandybridge") ||
         strstr(name, "Prescott");
}

static void test_core(void **state) {
  const char *set = getenv("OPENBLAS_CORETYPE");
  if (set || !__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
      !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl")) {
    print_message("skipped: needs AVX-512, and OPENBLAS_CORETYPE not to be set\n");
    skip();
  }
  assert_int_equal(in_child(with_core, -1), 0);
  setenv("OPENBLAS_CORETYPE", "Haswell", 1);
  assert_int_equal(in_child(with_core, -1), 0);
  unsetenv("OPENBLAS_CORETYPE");
}

/* ---- threads ---- */

static void mark(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  int32_t *visits = buf[0];
  assert_true(begin < end);
  for (int64_t i = begin; i < end; i++) visits[i] += (int32_t)n;
  if (!scratch) return;
  int64_t *own = scratch; /* its thread's alone: what it holds of this call, and its calls */
  assert_true(begin == 0 || own[0] == 0 || own[0] == n);
  own[0] = n;
  own[1]++;
}
static void check_units(int64_t units, int threads) {
  int32_t visits[1000] = {0};
  int64_t *scratch = new_buffer(256 * 64), used = 0, calls = 0;
  memset(scratch, 0, 256 * 64);
  for (int64_t t = 0; t < 256; t++) scratch[t * 8] = -1; /* as an earlier call left it */
  sg_parallel(mark, (void *[]){visits}, 3, units, threads, scratch, 64);
  for (int64_t i = 0; i < 1000; i++) assert_int_equal(visits[i], i < units ? 3 : 0);
  for (int64_t t = 0; t < 256; t++) used += scratch[t * 8 + 1] != 0, calls += scratch[t * 8 + 1];
  /* A thread takes several shares, as long as there are units left. */
  assert_true(used <= threads && calls >= used && calls <= units && (units > 0) == (used > 0));
}
static void test_parallel(void **state) {
  int before = surgery_threads();
  const int64_t units[] = {0, 1, 2, 3, 7, 64, 999};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    for (int threads = 1; threads <= 5; threads++) check_units(units[i], threads);
  surgery_set_threads(100000);
  assert_int_equal(surgery_threads(), 256);
  surgery_set_threads(0);
  assert_true(surgery_threads() >= 1);
  surgery_set_threads(before);
}

/* Units whose work itself calls sg_parallel. */
static void outer(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  for (int64_t i = begin; i < end; i++) sg_parallel(mark, (void *[]){(int32_t *)buf[0] + 10 * i}, n, 10, 4, NULL, 0);
}
static void test_nested(void **state) {
  int before = surgery_threads();
  int32_t visits[200] = {0};
  surgery_set_threads(4);
  sg_parallel(outer, (void *[]){visits}, 1, 20, 4, NULL, 0);
  for (int i = 0; i < 200; i++) assert_int_equal(visits[i], 1);
  surgery_set_threads(before);
}

/* Many callers at once, each with its own units, and more threads than there are CPUs. */
static void *call_again(void *unused) {
  for (int i = 0; i < 300; i++) {
    int32_t visits[200] = {0};
    sg_parallel(mark, (void *[]){visits}, 2, 200, sg_threads(), NULL, 0);
    for (int k = 0; k < 200; k++)
      if (visits[k] != 2) return "a unit was not done once";
  }
  return NULL;
}
static void test_callers(void **state) {
  int before = surgery_threads();
  pthread_t thread[6];
  surgery_set_threads(5);
  for (int i = 0; i < 6; i++) assert_int_equal(pthread_create(&thread[i], NULL, call_again, NULL), 0);
  for (int i = 0; i < 6; i++) {
    void *wrong;
    pthread_join(thread[i], &wrong);
    assert_null(wrong);
  }
  surgery_set_threads(before);
}

/* Forked while there are threads, and from a thread of its own: the child starts others. */
static int parallel_in_child(void) { return call_again(NULL) != NULL; }
static void test_fork(void **state) {
  int before = surgery_threads();
  surgery_set_threads(3);
  assert_null(call_again(NULL));
  for (int i = 0; i < 20; i++) assert_int_equal(in_child(parallel_in_child, -1), 0);
  assert_null(call_again(NULL));
  surgery_set_threads(before);
}

/* Threads that wait sleep: half a second without work costs no CPU time. */
static void test_sleep(void **state) {
  int before = surgery_threads();
  surgery_set_threads(4);
  assert_null(call_again(NULL));
  usleep(20000);
  clock_t used = clock();
  usleep(500000);
  assert_true(clock() - used < CLOCKS_PER_SEC / 20);
  surgery_set_threads(before);
}

int main(void) {
  static const struct CMUnitTest tests[] = {TEST(test_no_room),  TEST(test_core),   TEST(test_linear),
                                            TEST(test_parallel), TEST(test_nested), TEST(test_callers),
                                            TEST(test_fork),     TEST(test_sleep)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  print_errors();
  return failed != 0;
}
