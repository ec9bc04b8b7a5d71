/* runtime/blas.c and runtime/threads.c: linear layers against loops in double, the choice of OpenBLAS's
 * kernels, and the division of units over threads. */
#include "tests/kernels/other_support.h"
#include "runtime/abi.h"
#include "runtime/surgery.h"
#include <omp.h>

TEST_KERNEL(linear);
TEST_KERNEL(linear_grad_input);
TEST_KERNEL(linear_grad_weight);
TEST_KERNEL(linear_grad_bias);

/* ---- linear ---- */

typedef struct Layer {
  int64_t m;
  LinearK k;
  double *x, *w, *b, *dy;
} Layer;

static double activated(double v, const LinearK *k) {
  return k->activation == ACT_RELU && v < 0 ? 0 : v;
}

static void check_forward(int64_t n, const Layer *l) {
  const LinearK *k = &l->k;
  int64_t ys = l->m * k->out;
  double *before = k->accumulate ? new_random(ys, -1, 1) : new_doubles(ys), *want = new_doubles(ys);
  float *y = k->accumulate ? as_floats(before, ys) : new_floats(ys);
  sgr_linear((void *[]){as_floats(l->x, l->m * k->in), as_floats(l->w, k->out * k->in),
                        k->has_bias ? as_floats(l->b, k->out) : NULL, y},
             n, k);
  for (int64_t i = 0; i < ys; i++) {
    double sum = k->has_bias ? l->b[i % k->out] : 0;
    for (int64_t j = 0; j < k->in; j++) sum += l->x[i / k->out * k->in + j] * l->w[i % k->out * k->in + j];
    want[i] = activated(sum, k) + before[i];
  }
  check_close("linear", from_floats(y, ys), want, ys, 2e-6); /* 6.0e-7 */
}

static void check_gradients(int64_t n, const Layer *l) {
  const LinearK *k = &l->k;
  int64_t xs = l->m * k->in, ws = k->in * k->out;
  double *dx0 = new_random(xs, -1, 1), *dw0 = new_random(ws, -1, 1), *db0 = new_random(k->out, -1, 1);
  float *dx = as_floats(dx0, xs), *dw = as_floats(dw0, ws), *db = as_floats(db0, k->out);
  if (!k->accumulate) {
    dx = new_floats(xs), dw = new_floats(ws), db = new_floats(k->out);
    dx0 = new_doubles(xs), dw0 = new_doubles(ws), db0 = new_doubles(k->out);
  }
  float *x = as_floats(l->x, xs), *w = as_floats(l->w, ws), *dy = as_floats(l->dy, l->m * k->out);
  sgr_linear_grad_input((void *[]){dy, w, dx}, n, k);
  sgr_linear_grad_weight((void *[]){x, dy, dw}, n, k);
  sgr_linear_grad_bias((void *[]){dy, db}, n, k);
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

/* ---- OpenBLAS's kernels ---- */

char *openblas_get_corename(void);
void gotoblas_dynamic_init(void) __attribute__((weak));
void gotoblas_dynamic_quit(void) __attribute__((weak));
void sgr_choose_blas_core(void);

static void choose_by_variable(const char *core) {
  setenv("OPENBLAS_CORETYPE", core, 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
}

/* This machine's OpenBLAS may know its CPU; so it is made to take it for less, as it does with a younger one.
 * Runs first, before there are other threads. */
static void test_core(void **state) {
  if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit || !__builtin_cpu_supports("avx512f") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl")) {
    print_message("skipped: needs AVX-512 and an OpenBLAS for several CPUs\n");
    skip();
  }
  const char *set = getenv("OPENBLAS_CORETYPE");
  char before[64];
  snprintf(before, sizeof before, "%s", set ? set : openblas_get_corename());
  choose_by_variable("Haswell");
  sgr_choose_blas_core();
  assert_string_equal(openblas_get_corename(), "Haswell"); /* the user's choice stands */
  unsetenv("OPENBLAS_CORETYPE");
  sgr_choose_blas_core();
  assert_string_equal(openblas_get_corename(), "SkylakeX");
  assert_null(getenv("OPENBLAS_CORETYPE"));
  choose_by_variable(before);
  if (!set) unsetenv("OPENBLAS_CORETYPE");
}

/* Our constructor has run before main: nothing less than AVX-512 where there is AVX-512. */
static void test_core_at_start(void **state) {
  if (getenv("OPENBLAS_CORETYPE") || !__builtin_cpu_supports("avx512f") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl"))
    skip();
  const char *core = openblas_get_corename();
  assert_true(strcmp(core, "Haswell") != 0 && strcmp(core, "Zen") != 0 && strcmp(core, "Sandybridge") != 0);
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
  surgery_set_threads(threads);
  sg_parallel(mark, (void *[]){visits}, 3, units, scratch, 64);
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
  for (int64_t i = begin; i < end; i++)
    sg_parallel(mark, (void *[]){(int32_t *)buf[0] + 10 * i}, n, 10, NULL, 0);
}
static void test_nested(void **state) {
  int before = surgery_threads();
  int32_t visits[200] = {0};
  surgery_set_threads(4);
  sg_parallel(outer, (void *[]){visits}, 1, 20, NULL, 0);
  for (int i = 0; i < 200; i++) assert_int_equal(visits[i], 1);
  surgery_set_threads(before);
}

/* The caller's own OpenMP setting is as before after a call. */
static void test_caller_threads(void **state) {
  int before = surgery_threads(), mine = omp_get_max_threads();
  LinearK k = {.rows = 1, .in = 64, .out = 64};
  float *x = as_floats(new_random(64 * 64, -1, 1), 64 * 64), *y = new_floats(64 * 64);
  surgery_set_threads(3);
  sgr_linear((void *[]){x, x, NULL, y}, 64, &k);
  assert_int_equal(omp_get_max_threads(), mine);
  surgery_set_threads(before);
}

int main(void) {
  static const struct CMUnitTest tests[] = {TEST(test_core_at_start), TEST(test_core),
                                            TEST(test_linear),        TEST(test_parallel),
                                            TEST(test_nested),        TEST(test_caller_threads)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  print_errors();
  return failed != 0;
}
