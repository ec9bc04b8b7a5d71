/* Every kernel but the convolutions at ResNet-18's sizes: milliseconds, and GB/s of what a call must read and
 * write once (GFLOP/s for the linear layers), beside the machine's copy of a large buffer. The templates run
 * as kernel_native holds them, without constants, on the runtime's threads: `bench_ops [batch [filter]]`.
 * Nothing passes or fails here. */
#include "compiler/kernels/kernels.h"
#include "runtime/abi.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef union Constants {
  Pool2dK pool;
  AdaptivePoolK adaptive;
  BatchNormK norm;
  ElementwiseK element;
  DropoutK dropout;
  LayoutK layout;
  CatK cat;
  MeanK mean;
  CrossEntropyK entropy;
  RegressionK regression;
  BinaryK binary;
  LinearK linear;
} Constants;

typedef struct Case {
  const char *shape;
  KernelId kernel;
  Constants k;
  int64_t floats[MAX_CALL_BUFFERS]; /* of each buffer, for one sample; negative: for the whole call */
} Case;

#define PLANE(c, hw) ((int64_t)BLOCKS(c) * LANES * (hw))
#define NORM(c_, hw_, act)                                                                                   \
  {                                                                                                          \
    .norm = {.c = c_, .hw = hw_, .affine = 1, .activation = act, .eps = 1e-5, .momentum = 0.1 }              \
  }
#define NORM_CASES(c, h)                                                                                     \
  {#c " x " #h "^2",                                                                                         \
   KERNEL_batchnorm_stats,                                                                                   \
   NORM(c, h * h, ACT_NONE),                                                                                 \
   {PLANE(c, h * h), -c, -c, -c, -c, -2}},                                                                   \
      {#c " x " #h "^2, relu",                                                                               \
       KERNEL_batchnorm_apply,                                                                               \
       NORM(c, h * h, ACT_RELU),                                                                             \
       {PLANE(c, h * h), -c, -c, -c, -c, 0, PLANE(c, h * h)}},                                               \
      {#c " x " #h "^2, relu",                                                                               \
       KERNEL_batchnorm_grad_sums,                                                                           \
       NORM(c, h * h, ACT_RELU),                                                                             \
       {PLANE(c, h * h), PLANE(c, h * h), PLANE(c, h * h), -c, -c, -2 * c}},                                 \
  {                                                                                                          \
#c " x " #h "^2, relu", KERNEL_batchnorm_grad_input, NORM(c, h *h, ACT_RELU), {                          \
      PLANE(c, h *h), PLANE(c, h *h), PLANE(c, h *h), -c, -c, -c, -2 * c, PLANE(c, h *h)                     \
    }                                                                                                        \
  }
#define ELEMENT(c_, hw_, act)                                                                                \
  {                                                                                                          \
    .element = {.count = PLANE(c_, hw_), .c = c_, .hw = hw_, .activation = act }                             \
  }
#define A PLANE(64, 3136)
#define MAX_POOL                                                                                             \
  {                                                                                                          \
    .pool = {                                                                                                \
      .c = 64,                                                                                               \
      .ih = 112,                                                                                             \
      .iw = 112,                                                                                             \
      .oh = 56,                                                                                              \
      .ow = 56,                                                                                              \
      .kh = 3,                                                                                               \
      .kw = 3,                                                                                               \
      .stride_h = 2,                                                                                         \
      .stride_w = 2,                                                                                         \
      .pad_h = 1,                                                                                            \
      .pad_w = 1,                                                                                            \
      .dil_h = 1,                                                                                            \
      .dil_w = 1                                                                                             \
    }                                                                                                        \
  }
#define LINEAR(in_, out_)                                                                                    \
  {                                                                                                          \
    .linear = {.rows = 1, .in = in_, .out = out_, .has_bias = 1 }                                            \
  }

static const Case cases[] = {
    {"64 x 112^2, 3/2", KERNEL_maxpool2d, MAX_POOL, {PLANE(64, 12544), A}},
    {"64 x 112^2, 3/2", KERNEL_maxpool2d_grad, MAX_POOL, {PLANE(64, 12544), A, PLANE(64, 12544)}},
    {"64 x 112^2, 3/2", KERNEL_avgpool2d, MAX_POOL, {PLANE(64, 12544), A}},
    {"64 x 112^2, 3/2", KERNEL_avgpool2d_grad, MAX_POOL, {A, PLANE(64, 12544)}},
    {"512 x 7^2 to 1", KERNEL_adaptive_avgpool2d, {.adaptive = {512, 7, 7, 1, 1, 0}}, {PLANE(512, 49), 512}},
    {"512 x 7^2 to 1",
     KERNEL_adaptive_avgpool2d_grad,
     {.adaptive = {512, 7, 7, 1, 1, 0}},
     {512, PLANE(512, 49)}},
    NORM_CASES(64, 112),
    NORM_CASES(64, 56),
    NORM_CASES(512, 7),
    {"64 x 56^2, relu", KERNEL_activation, ELEMENT(64, 3136, ACT_RELU), {A, A}},
    {"64 x 56^2, sigmoid", KERNEL_activation, ELEMENT(64, 3136, ACT_SIGMOID), {A, A}},
    {"64 x 56^2, tanh", KERNEL_activation, ELEMENT(64, 3136, ACT_TANH), {A, A}},
    {"64 x 56^2, gelu", KERNEL_activation, ELEMENT(64, 3136, ACT_GELU), {A, A}},
    {"64 x 56^2, relu", KERNEL_activation_grad, ELEMENT(64, 3136, ACT_RELU), {0, A, A, A}},
    {"64 x 56^2, gelu", KERNEL_activation_grad, ELEMENT(64, 3136, ACT_GELU), {A, 0, A, A}},
    {"64 x 56^2, relu", KERNEL_add, ELEMENT(64, 3136, ACT_RELU), {A, A, A}},
    {"64 x 56^2", KERNEL_copy, ELEMENT(64, 3136, ACT_NONE), {A, A}},
    {"64 x 56^2", KERNEL_dropout, {.dropout = {.count = A, .layer = 1, .p = 0.5}}, {A, -4, A}},
    {"3 x 224^2", KERNEL_to_blocked, {.layout = {3, 224, 224, 0}}, {3 * 50176, PLANE(3, 50176)}},
    {"64 x 56^2", KERNEL_to_blocked, {.layout = {64, 56, 56, 0}}, {A, A}},
    {"64 x 56^2", KERNEL_to_plain, {.layout = {64, 56, 56, 0}}, {A, A}},
    {"64 into 128, 56^2",
     KERNEL_cat_copy,
     {.cat = {.c = 64, .to = 64, .total = 128, .hw = 3136}},
     {A, 2 * A}},
    {"64 of 128, 56^2", KERNEL_cat_grad, {.cat = {.c = 64, .to = 64, .total = 128, .hw = 3136}}, {2 * A, A}},
    {"(49, 512)", KERNEL_mean, {.mean = {1, 49, 512, 0}}, {49 * 512, 512}},
    {"(49, 512)", KERNEL_mean_grad, {.mean = {1, 49, 512, 0}}, {512, 49 * 512}},
    {"1000", KERNEL_softmax, {.mean = {1, 1000, 1, 0}}, {1000, 1000}},
    {"1000", KERNEL_softmax_grad, {.mean = {1, 1000, 1, 0}}, {1000, 1000, 1000}},
    {"1000", KERNEL_cross_entropy, {.entropy = {1000, 1, 0, 0}}, {1000, 1, 0, -1, 1000}},
    {"1000", KERNEL_mse, {.regression = {1000}}, {1000, 1000, -1, 1000}},
    {"1000", KERNEL_l1, {.regression = {1000}}, {1000, 1000, -1, 1000}},
    {"1000", KERNEL_bce_with_logits, {.binary = {1000, 1, 0}}, {1000, 1000, 0, -1, 1000}},
    {"512 to 1000", KERNEL_linear, LINEAR(512, 1000), {512, -512000, -1000, 1000}},
    {"512 to 1000", KERNEL_linear_grad_input, LINEAR(512, 1000), {1000, -512000, 512}},
    {"512 to 1000", KERNEL_linear_grad_weight, LINEAR(512, 1000), {512, 1000, -512000}},
    {"512 to 1000", KERNEL_linear_grad_bias, LINEAR(512, 1000), {1000, -1000}},
    {"4096 to 4096", KERNEL_linear, LINEAR(4096, 4096), {4096, -(4096 << 12), -4096, 4096}}};

/* ---- calling by name ---- */

static const void *constants; /* of the call in progress: sg_task has no place for them */
#define CALL_TEMPLATE(name, K)                                                                               \
  static void task_##name(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {          \
    sgk_##name(buf, n, begin, end, scratch, (const K *)constants);                                           \
  }
#define CALL_RUNTIME(name, K)                                                                                \
  static void task_##name(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {          \
    sgr_##name(buf, n, (const K *)constants);                                                                \
  }
#define KERNEL(name, K, kind, buffers) CALL_##kind(name, K)
#include "compiler/kernels/kernels.def"
#undef KERNEL
static sg_task *const tasks[KERNEL_COUNT] = {
#define KERNEL(name, K, kind, buffers) [KERNEL_##name] = task_##name,
#include "compiler/kernels/kernels.def"
#undef KERNEL
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *floats(int64_t count) {
  float *at = aligned_alloc(64, (size_t)(count + 15) / 16 * 64);
  if (!at) {
    fprintf(stderr, "bench_ops: no memory\n");
    exit(3);
  }
  for (int64_t i = 0; i < count; i++) at[i] = (float)(i * 7 % 23 - 11) * 0.1f;
  return at;
}

static void run(const Case *c, void *const *buf, int64_t n) {
  const KernelInfo *info = kernel_info(c->kernel);
  CallPlan plan;
  constants = &c->k;
  if (!info->is_template) {
    tasks[c->kernel](buf, n, 0, 1, NULL);
    return;
  }
  info->plan(&c->k, &plan);
  sg_parallel(tasks[c->kernel], buf, n, plan.units_per_sample * n + plan.units_fixed, NULL, 0);
}

/* The best of several rounds, in seconds. */
static double time_case(const Case *c, void *const *buf, int64_t n) {
  double best = INFINITY, spent = 0;
  for (int round = 0; round < 50 && spent < 0.3; round++) {
    double start = now();
    run(c, buf, n);
    double seconds = now() - start;
    spent += seconds;
    if (seconds < best) best = seconds;
  }
  return best;
}

static void bench(const Case *c, int64_t n) {
  void *buf[MAX_CALL_BUFFERS] = {0};
  int64_t total = 0;
  for (int i = 0; i < MAX_CALL_BUFFERS; i++) {
    int64_t count = c->floats[i] < 0 ? -c->floats[i] : c->floats[i] * n;
    if (count) buf[i] = floats(count);
    total += count;
  }
  if (c->kernel == KERNEL_cross_entropy) memset(buf[1], 0, (size_t)n * sizeof(int32_t));
  if (c->kernel == KERNEL_cat_copy || c->kernel == KERNEL_cat_grad)
    total /= 3, total *= 2; /* only its half */
  double seconds = time_case(c, buf, n);
  const KernelInfo *info = kernel_info(c->kernel);
  CallPlan plan;
  info->plan(&c->k, &plan);
  printf("%-24s %-20s %9.4f ms %8.1f GB/s", info->name, c->shape, seconds * 1e3,
         (double)total * 4e-9 / seconds);
  if (!info->is_template) printf(" %8.1f GFLOP/s", plan.flops_per_sample * (double)n * 1e-9 / seconds);
  putchar('\n');
  fflush(stdout);
  for (int i = 0; i < MAX_CALL_BUFFERS; i++) free(buf[i]);
}

int main(int argc, char **argv) {
  int64_t n = argc > 1 ? strtoll(argv[1], NULL, 10) : 16;
  if (n < 1 || n > 4096) {
    fprintf(stderr, "usage: bench_ops [batch [part of a kernel's name]]\n");
    return 2;
  }
  static const Case big_copy = {
      "256 MB", KERNEL_copy, {.element = {.count = 1 << 25}}, {-(1 << 25), -(1 << 25)}};
  printf("batch %lld, %d threads\n", (long long)n, sg_threads());
  bench(&big_copy, 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (argc < 3 || strstr(kernel_info(cases[i].kernel)->name, argv[2])) bench(&cases[i], n);
  return 0;
}
