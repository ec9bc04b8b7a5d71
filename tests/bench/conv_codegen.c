/* conv_codegen [N [RUNS [CPU [NAME]]]]: the convolutions of ResNet-18, the 1x1 ones of ResNet-50, and their weights'
 * gradients, as the compiler specialises them, one thread: milliseconds, GFLOP/s and the share of this core's peak,
 * which a loop of fused multiply-adds made by the same code generator measures. Also what specialising costs. Needs cc
 * (to turn the object into something dlopen takes) and nothing else of the compiler. */
#include "tests/bench/specialised.h"
#include "compiler/codegen/tune.h"
#include "runtime/abi.h"
#include "runtime/base/pages.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Layer {
  const char *name;
  int64_t ic, ih, oc, kernel, stride, residual;
  KernelId id;
} Layer;
static const Layer layers[] = {
    {"conv1 7x7/2 3-64 224", 3, 224, 64, 7, 2, 0, KERNEL_conv2d},
    {"layer1 3x3 64 56", 64, 56, 64, 3, 1, 0, KERNEL_conv2d},
    {"layer1 3x3 64 56 +res", 64, 56, 64, 3, 1, 1, KERNEL_conv2d},
    {"layer2 3x3/2 64-128 56", 64, 56, 128, 3, 2, 0, KERNEL_conv2d},
    {"layer2 1x1/2 64-128 56", 64, 56, 128, 1, 2, 0, KERNEL_conv2d},
    {"layer2 3x3 128 28", 128, 28, 128, 3, 1, 0, KERNEL_conv2d},
    {"layer2 3x3 128 28 +res", 128, 28, 128, 3, 1, 1, KERNEL_conv2d},
    {"layer3 3x3/2 128-256 28", 128, 28, 256, 3, 2, 0, KERNEL_conv2d},
    {"layer3 1x1/2 128-256 28", 128, 28, 256, 1, 2, 0, KERNEL_conv2d},
    {"layer3 3x3 256 14", 256, 14, 256, 3, 1, 0, KERNEL_conv2d},
    {"layer3 3x3 256 14 +res", 256, 14, 256, 3, 1, 1, KERNEL_conv2d},
    {"layer4 3x3/2 256-512 14", 256, 14, 512, 3, 2, 0, KERNEL_conv2d},
    {"layer4 1x1/2 256-512 14", 256, 14, 512, 1, 2, 0, KERNEL_conv2d},
    {"layer4 3x3 512 7", 512, 7, 512, 3, 1, 0, KERNEL_conv2d},
    {"layer4 3x3 512 7 +res", 512, 7, 512, 3, 1, 1, KERNEL_conv2d},
    {"1x1 64-64 56", 64, 56, 64, 1, 1, 0, KERNEL_conv2d},
    {"1x1 64-256 56 +res", 64, 56, 256, 1, 1, 1, KERNEL_conv2d},
    {"1x1 256-64 56", 256, 56, 64, 1, 1, 0, KERNEL_conv2d},
    {"1x1 256-128 56", 256, 56, 128, 1, 1, 0, KERNEL_conv2d},
    {"1x1 128-512 28 +res", 128, 28, 512, 1, 1, 1, KERNEL_conv2d},
    {"1x1 512-128 28", 512, 28, 128, 1, 1, 0, KERNEL_conv2d},
    {"1x1/2 256-512 56", 256, 56, 512, 1, 2, 0, KERNEL_conv2d},
    {"1x1 512-256 28", 512, 28, 256, 1, 1, 0, KERNEL_conv2d},
    {"1x1 256-1024 14 +res", 256, 14, 1024, 1, 1, 1, KERNEL_conv2d},
    {"1x1 1024-256 14", 1024, 14, 256, 1, 1, 0, KERNEL_conv2d},
    {"1x1/2 512-1024 28", 512, 28, 1024, 1, 2, 0, KERNEL_conv2d},
    {"1x1 1024-512 14", 1024, 14, 512, 1, 1, 0, KERNEL_conv2d},
    {"1x1 512-2048 7 +res", 512, 7, 2048, 1, 1, 1, KERNEL_conv2d},
    {"1x1 2048-512 7", 2048, 7, 512, 1, 1, 0, KERNEL_conv2d},
    {"1x1/2 1024-2048 14", 1024, 14, 2048, 1, 2, 0, KERNEL_conv2d},
    {"conv1 winograd 7x7/2 224", 3, 224, 64, 7, 2, 0, KERNEL_conv2d_stem},
    {"layer1 winograd 64 56", 64, 56, 64, 3, 1, 0, KERNEL_conv2d_wino},
    {"layer2 winograd 128 28", 128, 28, 128, 3, 1, 0, KERNEL_conv2d_wino},
    {"layer3 winograd 256 14", 256, 14, 256, 3, 1, 0, KERNEL_conv2d_wino},
    {"layer4 winograd 512 7", 512, 7, 512, 3, 1, 0, KERNEL_conv2d_wino},
    {"layer2 winograd/2 64-128 56", 64, 56, 128, 3, 2, 0, KERNEL_conv2d_wino},
    {"layer3 winograd/2 128-256 28", 128, 28, 256, 3, 2, 0, KERNEL_conv2d_wino},
    {"layer4 winograd/2 256-512 14", 256, 14, 512, 3, 2, 0, KERNEL_conv2d_wino},
    {"layer2 dw/2 64-128 56", 64, 56, 128, 3, 2, 0, KERNEL_conv2d_grad_weight},
    {"layer2 dw winograd/2", 64, 56, 128, 3, 2, 0, KERNEL_conv2d_grad_weight_wino},
    {"layer4 dw/2 256-512 14", 256, 14, 512, 3, 2, 0, KERNEL_conv2d_grad_weight},
    {"layer4 dw winograd/2", 256, 14, 512, 3, 2, 0, KERNEL_conv2d_grad_weight_wino},
    {"layer1 dw 64 56", 64, 56, 64, 3, 1, 0, KERNEL_conv2d_grad_weight},
    {"layer1 dw winograd 64 56", 64, 56, 64, 3, 1, 0, KERNEL_conv2d_grad_weight_wino},
    {"layer2 dw 128 28", 128, 28, 128, 3, 1, 0, KERNEL_conv2d_grad_weight},
    {"layer2 dw winograd 128 28", 128, 28, 128, 3, 1, 0, KERNEL_conv2d_grad_weight_wino},
    {"layer3 dw 256 14", 256, 14, 256, 3, 1, 0, KERNEL_conv2d_grad_weight},
    {"layer3 dw winograd 256 14", 256, 14, 256, 3, 1, 0, KERNEL_conv2d_grad_weight_wino},
    {"layer4 dw 512 7", 512, 7, 512, 3, 1, 0, KERNEL_conv2d_grad_weight},
    {"layer4 dw winograd 512 7", 512, 7, 512, 3, 1, 0, KERNEL_conv2d_grad_weight_wino},
};
enum { LAYERS = sizeof layers / sizeof *layers };

static double seconds[2 * LAYERS], fastest[2 * LAYERS]; /* of each call */
static int at_call;

/* CPU time: what specialising costs, whatever else the machine does. */
static double used(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Stands for the runtime's: one thread, and a clock around each call. */
__attribute__((visibility("default"))) void sg_parallel(sg_task *task, void *const *buf, int64_t n, int64_t units,
                                                        int64_t threads, void *scratch, int64_t scratch_bytes) {
  double t = bench_now();
  task(buf, n, 0, units, scratch);
  seconds[at_call++] = bench_now() - t;
}

static void add_layer(Arena *arena, Program *s, const Layer *l) {
  int64_t pad = l->kernel / 2, out = (l->ih - 1) / l->stride + 1;
  size_t first = s->calls.count;
  if (l->id == KERNEL_conv2d_grad_weight || l->id == KERNEL_conv2d_grad_weight_wino) {
    Conv2dGradWeightParams k = {.groups = 1,
                                .ic = l->ic,
                                .ih = l->ih,
                                .iw = l->ih,
                                .oc = l->oc,
                                .oh = out,
                                .ow = out,
                                .kh = l->kernel,
                                .kw = l->kernel,
                                .stride_h = l->stride,
                                .stride_w = l->stride,
                                .pad_h = pad,
                                .pad_w = pad,
                                .dil_h = 1,
                                .dil_w = 1};
    tune_add_call(arena, s, l->id, &k);
  } else {
    Conv2dParams k = {.groups = 1,
                      .ic = l->ic,
                      .ih = l->ih,
                      .iw = l->ih,
                      .oc = l->oc,
                      .oh = out,
                      .ow = out,
                      .kh = l->kernel,
                      .kw = l->kernel,
                      .stride_h = l->stride,
                      .stride_w = l->stride,
                      .pad_h = pad,
                      .pad_w = pad,
                      .dil_h = 1,
                      .dil_w = 1,
                      .input_dil_h = 1,
                      .input_dil_w = 1,
                      .nchw_x = l->ic < LANES,
                      .activation = ACT_RELU,
                      .has_bias = 1,
                      .has_residual = l->residual};
    tune_add_call(arena, s, l->id, &k);
  }
  for (size_t i = first; i < s->calls.count; i++)
    s->calls.at[i].role = i == first ? l->name : arena_printf(arena, "%s, sum", l->name);
}

/* Every buffer apart, so that no call finds in a cache what another one left there. */
static void place_buffers(Program *s) {
  for (size_t i = 0; i < s->buffers.count; i++) {
    Buffer *b = &s->buffers.at[i];
    int64_t *total = b->per_sample ? &s->per_sample_bytes : &s->fixed_bytes;
    b->offset = *total;
    *total += b->bytes;
  }
  for (size_t i = 0; i < s->calls.count; i++) {
    int64_t scratch = (s->calls.at[i].plan.scratch_bytes + 63) / 64 * 64;
    if (scratch > s->scratch_bytes) s->scratch_bytes = scratch;
  }
}

int main(int argc, char **argv) {
  int64_t n = argc > 1 ? atoll(argv[1]) : 1, runs = argc > 2 ? atoll(argv[2]) : 20;
  Arena *arena = arena_create();
  CodegenTarget target;
  const char *error;
  if (n < 1 || runs < 1 || !codegen_target(arena, argc > 3 && argv[3][0] ? argv[3] : NULL, 3, &target, &error)) {
    fprintf(stderr, "usage: conv_codegen [N [RUNS [CPU [NAME]]]]\n");
    return 2;
  }
  Plan plan = {.graph = graph_create(arena, "bench")};
  plan.forward = (Program){.name = "forward", .present = true};
  const char *only = argc > 4 ? argv[4] : "";
  Program *s = &plan.forward;
  for (int i = 0; i < LAYERS; i++)
    if (strstr(layers[i].name, only)) add_layer(arena, s, &layers[i]);
  place_buffers(s);
  int count = (int)s->calls.count;

  double t[4] = {used()};
  LLVMContextRef context = LLVMContextCreate();
  CodegenOptions options = {.name = "bench", .manifest = "{}"};
  LLVMModuleRef module = codegen_module(context, arena, &plan, &target, &options);
  t[1] = used();
  codegen_optimise(module, &target);
  t[2] = used();
  LLVMMemoryBufferRef object = codegen_emit(module, &target, LLVMObjectFile);
  t[3] = used();
  size_t object_bytes = LLVMGetBufferSize(object);
  void *code = bench_load(object);
  const sg_network *network = dlsym(code, "bench_network");

  size_t bytes = (size_t)(s->per_sample_bytes * n + s->fixed_bytes + s->scratch_bytes);
  float *memory = sg_pages_new((int64_t)bytes); /* in huge pages, as a program's */
  if (!memory) fail_environment("no memory for %zu bytes", bytes);
  for (size_t i = 0; i < bytes / 4; i++) memory[i] = (float)(i % 7) * 0.01f;
  sg_run run = {.arena = memory, .n = n, .threads = 1};
  for (int64_t r = 0; r < runs; r++) {
    at_call = 0;
    network->forward(&run);
    for (int i = 0; i < count; i++)
      if (r == 0 || seconds[i] < fastest[i]) fastest[i] = seconds[i];
  }
  double peak = bench_peak(arena, &target, 1), total = 0, flops = 0;
  printf("%s, n = %lld, one thread, best of %lld; peak %.1f GFLOP/s\n", target.cpu, (long long)n, (long long)runs,
         peak);
  for (int i = 0; i < count; i++) {
    double work = s->calls.at[i].plan.flops_per_sample * (double)n;
    printf("%-26s %8.3f ms  %6.1f GFLOP/s  %5.1f %%\n", s->calls.at[i].role, fastest[i] * 1e3, work / fastest[i] * 1e-9,
           work / fastest[i] * 1e-7 / peak);
    total += fastest[i];
    flops += work;
  }
  printf("%-26s %8.3f ms  %6.1f GFLOP/s  %5.1f %%\n", "all", total * 1e3, flops / total * 1e-9,
         flops / total * 1e-7 / peak);
  printf("specialising %d kernels: build %.0f ms, optimise %.0f ms, machine code %.0f ms of CPU; object %zu "
         "KB\n",
         count, (t[1] - t[0]) * 1e3, (t[2] - t[1]) * 1e3, (t[3] - t[2]) * 1e3, object_bytes / 1024);
  return 0;
}
