/* The convolution kernels alone, on one thread, specialised by constants as the compiler does it (the
 * templates are included and called with a constant K): GFLOP/s and the share of the core's measured peak,
 * which is taken before and after each case, since clocks move. `bench_conv_kernels [case …]`; not a test,
 * nothing passes or fails here. Every result is compared with the same template without constants. */
#include "runtime/kernels/conv/target.c"
#include "runtime/kernels/conv/direct.c"
#include "runtime/kernels/conv/grad_weight.c"
#define sum_taps depthwise_sum_taps
#include "runtime/kernels/conv/depthwise.c"
#undef sum_taps
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void Function(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch);

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* GFLOP/s of multiply-adds that depend on nothing but themselves; as many chains as registers hold. */
#ifdef __AVX512F__
enum { CHAINS = 24 };
#else
enum { CHAINS = 6 };
#endif
static double measured_peak(void) {
  static volatile float sink;
  v16 a[CHAINS], scale = (v16){0} + 0.999f, shift = (v16){0} + 1e-3f;
  double best = 1e9;
  for (int i = 0; i < CHAINS; i++) a[i] = (v16){0} + (float)i;
  for (int round = 0; round < 8; round++) {
    double start = now();
    NO_UNROLL
    for (long r = 0; r < 200000; r++) UNROLL
    for (int i = 0; i < CHAINS; i++) a[i] = a[i] * scale + shift;
    best = fmin(best, now() - start);
  }
  for (int i = 0; i < CHAINS; i++) sink += a[i][0];
  return 2e5 * CHAINS * 2 * LANES / best * 1e-9;
}

static float *floats(int64_t count) {
  float *x = aligned_alloc(64, (size_t)(count / LANES + 2) * 64);
  if (!x) abort();
  for (int64_t i = 0; i < count; i++) x[i] = (float)(i * 7 % 13 - 6) * 0.01f;
  return x;
}

typedef struct Case {
  const char *name;
  Function *specialised, *general;
  CallPlan plan;
  int64_t counts[5]; /* floats of each buffer for one image; negative: fixed */
  int out;           /* which of them is written */
} Case;

static void measure(const Case *c, int64_t n) {
  void *buf[5];
  int64_t count[5], units = c->plan.items_per_sample * n + c->plan.items_fixed;
  for (int i = 0; i < 5; i++) buf[i] = floats(count[i] = c->counts[i] < 0 ? -c->counts[i] : c->counts[i] * n);
  void *scratch = floats(c->plan.scratch_bytes / 4);
  double peak = measured_peak(), best = 1e9, start = now();
  for (int i = 0; i < 200 && (i < 3 || now() - start < 0.25); i++) {
    double t = now();
    c->specialised(buf, n, 0, units, scratch);
    best = fmin(best, now() - t);
  }
  peak = fmax(peak, measured_peak());
  float *got = buf[c->out], *want = floats(count[c->out]);
  double worst = 0, largest = 1e-30;
  buf[c->out] = want;
  c->general(buf, n, 0, units, scratch);
  for (int64_t i = 0; i < count[c->out]; i++) {
    worst = fmax(worst, fabs((double)got[i] - want[i]));
    largest = fmax(largest, fabs((double)want[i]));
  }
  double speed = c->plan.flops_per_sample * (double)n / best * 1e-9;
  printf("%-38s %3d %10.3f %8.1f %6.0f %5.1f%% %7.0f %8.0f %9.1e\n", c->name, (int)n, best * 1e3, speed, peak,
         speed / peak * 100, (double)units, (double)c->plan.scratch_bytes / 1024, worst / largest);
  fflush(stdout);
  buf[c->out] = got;
  for (int i = 0; i < 5; i++) free(buf[i]);
  free(want);
  free(scratch);
}

static int blocked(int64_t c) { return (int)BLOCKS(c) * LANES; }

#define DEFINE(id, K, kernel, ...)                                                                                     \
  static const K k_##id = {__VA_ARGS__};                                                                               \
  __attribute__((flatten)) static void fast_##id(void *const *buf, int64_t n, int64_t begin, int64_t end,              \
                                                 void *scratch) {                                                      \
    sgk_##kernel((const void *)buf, n, begin, end, scratch, &k_##id);                                                  \
  }                                                                                                                    \
  static void slow_##id(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {                      \
    static const void *volatile hidden; /* the optimiser may not look through */                                       \
    hidden = &k_##id;                                                                                                  \
    sgk_##kernel((const void *)buf, n, begin, end, scratch, hidden);                                                   \
  }
/* in, out channels, input and output side, kernel, stride, padding */
#define SIZES(a, b, in, out, kernel, stride, pad)                                                                      \
  .ic = a, .oc = b, .ih = in, .iw = in, .oh = out, .ow = out, .kh = kernel, .kw = kernel, .stride_h = stride,          \
  .stride_w = stride, .pad_h = pad, .pad_w = pad, .dil_h = 1, .dil_w = 1
#define FORWARD(id, name, plain, ...)                                                                                  \
  DEFINE(id, Conv2dParams, conv2d, .groups = 1, SIZES(__VA_ARGS__), .input_dil_h = 1, .input_dil_w = 1,                \
         .nchw_x = plain, .has_bias = 1, .activation = ACT_RELU)
/* of a convolution of b → a channels with that stride: x here is its dy */
#define INPUT(id, name, plain, a, b, in, out, kernel, stride, pad)                                                     \
  DEFINE(id, Conv2dParams, conv2d, .groups = 1, SIZES(a, b, in, out, kernel, 1, kernel - 1 - pad),                     \
         .input_dil_h = stride, .input_dil_w = stride)
#define WEIGHT(id, name, plain, ...)                                                                                   \
  DEFINE(id, Conv2dGradWeightParams, conv2d_grad_weight, .groups = 1, SIZES(__VA_ARGS__), .nchw_x = plain)
#define DEPTH(id, name, plain, a, ...)                                                                                 \
  DEFINE(id, Conv2dParams, depthwise, .groups = a, SIZES(a, __VA_ARGS__), .input_dil_h = 1, .input_dil_w = 1,          \
         .has_bias = 1, .activation = ACT_RELU6)
#define DEPTH_INPUT(id, name, plain, a, ...)                                                                           \
  DEFINE(id, Conv2dGradWeightParams, depthwise_grad_input, .groups = a, SIZES(a, __VA_ARGS__))
#define DEPTH_WEIGHT(id, name, plain, a, ...)                                                                          \
  DEFINE(id, Conv2dGradWeightParams, depthwise_grad_weight, .groups = a, SIZES(a, __VA_ARGS__))

#define CASES                                                                                                          \
  ROW(FORWARD, f1, "3x3 64 at 56", 0, 64, 64, 56, 56, 3, 1, 1)                                                         \
  ROW(FORWARD, f2, "3x3 128 at 28", 0, 128, 128, 28, 28, 3, 1, 1)                                                      \
  ROW(FORWARD, f3, "3x3 256 at 14", 0, 256, 256, 14, 14, 3, 1, 1)                                                      \
  ROW(FORWARD, f4, "3x3 512 at 7", 0, 512, 512, 7, 7, 3, 1, 1)                                                         \
  ROW(FORWARD, f5, "3x3 stride 2, 64-128 at 56", 0, 64, 128, 56, 28, 3, 2, 1)                                          \
  ROW(FORWARD, f6, "7x7 stride 2, stem, plain", 1, 3, 64, 224, 112, 7, 2, 3)                                           \
  ROW(FORWARD, f7, "3x3 stem of vgg, plain", 1, 3, 64, 224, 224, 3, 1, 1)                                              \
  ROW(FORWARD, f8, "1x1 64-256 at 56", 0, 64, 256, 56, 56, 1, 1, 0)                                                    \
  ROW(FORWARD, f9, "1x1 512-128 at 28", 0, 512, 128, 28, 28, 1, 1, 0)                                                  \
  ROW(FORWARD, f10, "1x1 1024-256 at 14", 0, 1024, 256, 14, 14, 1, 1, 0)                                               \
  ROW(FORWARD, f11, "1x1 512-2048 at 7", 0, 512, 2048, 7, 7, 1, 1, 0)                                                  \
  ROW(FORWARD, f12, "1x1 stride 2, 64-128 at 56", 0, 64, 128, 56, 28, 1, 2, 0)                                         \
  ROW(FORWARD, f13, "5x5 64-192 at 27", 0, 64, 192, 27, 27, 5, 1, 2)                                                   \
  ROW(INPUT, i1, "grad_input 3x3 64 at 56", 0, 64, 64, 56, 56, 3, 1, 1)                                                \
  ROW(INPUT, i2, "grad_input 3x3 stride 2, 64-128 at 56", 0, 128, 64, 28, 56, 3, 2, 1)                                 \
  ROW(INPUT, i3, "grad_input 1x1 stride 2, 64-128 at 56", 0, 128, 64, 28, 56, 1, 2, 0)                                 \
  ROW(WEIGHT, w1, "grad_weight 3x3 64 at 56", 0, 64, 64, 56, 56, 3, 1, 1)                                              \
  ROW(WEIGHT, w2, "grad_weight 3x3 128 at 28", 0, 128, 128, 28, 28, 3, 1, 1)                                           \
  ROW(WEIGHT, w3, "grad_weight 3x3 256 at 14", 0, 256, 256, 14, 14, 3, 1, 1)                                           \
  ROW(WEIGHT, w4, "grad_weight 3x3 512 at 7", 0, 512, 512, 7, 7, 3, 1, 1)                                              \
  ROW(WEIGHT, w5, "grad_weight 3x3 stride 2, 64-128 at 56", 0, 64, 128, 56, 28, 3, 2, 1)                               \
  ROW(WEIGHT, w6, "grad_weight 7x7 stride 2, stem, plain", 1, 3, 64, 224, 112, 7, 2, 3)                                \
  ROW(WEIGHT, w7, "grad_weight 1x1 64-256 at 56", 0, 64, 256, 56, 56, 1, 1, 0)                                         \
  ROW(WEIGHT, w8, "grad_weight 1x1 512-128 at 28", 0, 512, 128, 28, 28, 1, 1, 0)                                       \
  ROW(WEIGHT, w9, "grad_weight 1x1 512-2048 at 7", 0, 512, 2048, 7, 7, 1, 1, 0)                                        \
  ROW(DEPTH, d1, "depthwise 3x3 32 at 112", 0, 32, 32, 112, 112, 3, 1, 1)                                              \
  ROW(DEPTH, d2, "depthwise 3x3 stride 2, 144 at 56", 0, 144, 144, 56, 28, 3, 2, 1)                                    \
  ROW(DEPTH, d3, "depthwise 3x3 576 at 14", 0, 576, 576, 14, 14, 3, 1, 1)                                              \
  ROW(DEPTH_INPUT, e1, "depthwise grad_input 144 at 56", 0, 144, 144, 56, 56, 3, 1, 1)                                 \
  ROW(DEPTH_INPUT, e2, "depthwise grad_input, stride 2", 0, 144, 144, 56, 28, 3, 2, 1)                                 \
  ROW(DEPTH_WEIGHT, g1, "depthwise grad_weight 144 at 56", 0, 144, 144, 56, 56, 3, 1, 1)                               \
  ROW(DEPTH_WEIGHT, g2, "depthwise grad_weight, stride 2", 0, 144, 144, 56, 28, 3, 2, 1)

#define ROW(kind, id, ...) kind(id, __VA_ARGS__)
CASES
#undef ROW

#define X_COUNT(k) ((k)->nchw_x ? (k)->ic : blocked((k)->ic)) * (k)->ih *(k)->iw
#define Y_COUNT(k) blocked((k)->oc) * (k)->oh *(k)->ow
#define W_COUNT(k) -(blocked((k)->oc) * blocked((k)->ic / (k)->groups) * (k)->kh * (k)->kw)
#define BUFFERS_FORWARD(k, p)                                                                                          \
  fill_plan_conv2d(k, &c.plan), (Case){.counts = {X_COUNT(k), W_COUNT(k), -blocked((k)->oc), 1, Y_COUNT(k)}, .out = 4}
#define BUFFERS_INPUT BUFFERS_FORWARD
#define BUFFERS_WEIGHT(k, p)                                                                                           \
  fill_plan_conv2d_grad_weight(k, &c.plan), (Case){.counts = {X_COUNT(k), Y_COUNT(k), W_COUNT(k), 1, 1}, .out = 2}
#define BUFFERS_DEPTH(k, p)                                                                                            \
  fill_plan_depthwise(k, &c.plan),                                                                                     \
      (Case){.counts = {X_COUNT(k), W_COUNT(k), -blocked((k)->oc), 1, Y_COUNT(k)}, .out = 4}
#define BUFFERS_DEPTH_INPUT(k, p)                                                                                      \
  fill_plan_depthwise_grad_input(k, &c.plan), (Case){.counts = {Y_COUNT(k), W_COUNT(k), X_COUNT(k), 1, 1}, .out = 2}
#define BUFFERS_DEPTH_WEIGHT(k, p)                                                                                     \
  fill_plan_depthwise_grad_weight(k, &c.plan), (Case){.counts = {X_COUNT(k), Y_COUNT(k), W_COUNT(k), 1, 1}, .out = 2}

static int wanted(int argc, char **argv, const char *id, const char *name) {
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], id) || strstr(name, argv[i])) return 1;
  return argc == 1;
}

int main(int argc, char **argv) {
  printf("%-38s %3s %10s %8s %6s %6s %7s %8s %9s\n", "kernel, one thread", "n", "ms", "GFLOP/s", "peak", "share",
         "units", "scratch K", "against general");
#define ROW(kind, id, name_, ...)                                                                                      \
  if (wanted(argc, argv, #id, name_))                                                                                  \
    for (int64_t n = 1; n <= 8; n *= 8) {                                                                              \
      Case c = {0}, d = (BUFFERS_##kind(&k_##id, c));                                                                  \
      d.plan = c.plan, d.name = name_, d.specialised = fast_##id, d.general = slow_##id;                               \
      measure(&d, n);                                                                                                  \
    }
  CASES
#undef ROW
  return 0;
}
