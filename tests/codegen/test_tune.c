/* --tune's timing by itself: code of the generator runs in this process, for every kind of call. Which kernel wins is
 * not judged. */
#include "tests/codegen/tests.h"
#include "compiler/codegen/tune.h"

static void add_choice(KernelChoices *choices, KernelId usual, KernelId other, int64_t samples, const void *k) {
  KernelChoice c = {
      .usual = usual, .other = other, .taken = usual, .word_count = kernel_info(usual)->words, .samples = samples};
  memcpy(c.word, k, (size_t)c.word_count * 8);
  vec_push(choices->arena, &choices->list, c);
}

static Conv2dParams convolution(int64_t channels, int64_t size) {
  return (Conv2dParams){.groups = 1,
                        .ic = channels,
                        .ih = size,
                        .iw = size,
                        .oc = channels,
                        .oh = size,
                        .ow = size,
                        .kh = 3,
                        .kw = 3,
                        .stride_h = 1,
                        .stride_w = 1,
                        .pad_h = 1,
                        .pad_w = 1,
                        .dil_h = 1,
                        .dil_w = 1,
                        .input_dil_h = 1,
                        .input_dil_w = 1};
}

/* More choices than are compiled in one module; with each buffer that a call may have, and the parts of a gradient. */
static KernelChoices all_kinds(Arena *arena) {
  KernelChoices choices = {.arena = arena};
  Conv2dParams k = convolution(20, 9);
  add_choice(&choices, KERNEL_conv2d_wino, KERNEL_conv2d, 1, &k);
  k.has_bias = k.has_residual = 1;
  k.activation = ACT_RELU;
  add_choice(&choices, KERNEL_conv2d_wino, KERNEL_conv2d, 3, &k);
  k = convolution(16, 13);
  k.input_dil_h = k.input_dil_w = 2, k.ih = k.iw = 7, k.accumulate = 1;
  add_choice(&choices, KERNEL_conv2d, KERNEL_conv2d_wino, 2, &k);
  k = convolution(3, 30);
  k.nchw_x = k.has_bias = 1, k.stride_h = k.stride_w = 2, k.oc = 17, k.oh = k.ow = 15;
  add_choice(&choices, KERNEL_conv2d, KERNEL_conv2d_stem, 2, &k);
  Conv2dGradWeightParams g = {.groups = 1,
                              .ic = 16,
                              .ih = 12,
                              .iw = 12,
                              .oc = 32,
                              .oh = 12,
                              .ow = 12,
                              .kh = 3,
                              .kw = 3,
                              .stride_h = 1,
                              .stride_w = 1,
                              .pad_h = 1,
                              .pad_w = 1,
                              .dil_h = 1,
                              .dil_w = 1};
  add_choice(&choices, KERNEL_conv2d_grad_weight_wino, KERNEL_conv2d_grad_weight, 4, &g);
  g.accumulate = 1;
  add_choice(&choices, KERNEL_conv2d_grad_weight, KERNEL_conv2d_grad_weight_wino, 4, &g);
  return choices;
}

void test_tune_times_all(void **state) {
  Fixture *f = *state;
  for (int threads = 1; threads <= 3; threads++) {
    KernelChoices choices = all_kinds(f->arena);
    TuneOptions options = {
        .cpu = threads == 1 ? "native" : NULL, .opt_level = threads == 3 ? 0 : 3, .threads = threads};
    assert_true(tune_kernels(f->arena, &choices, &options));
    for (size_t i = 0; i < choices.list.count; i++) {
      const KernelChoice *c = &choices.list.at[i];
      assert_int_equal(c->timed_samples, c->samples);
      assert_true(c->usual_seconds > 0 && c->usual_seconds < 10 && c->other_seconds > 0 && c->other_seconds < 10);
      assert_true(c->taken == c->usual || (c->taken == c->other && c->other_seconds < c->usual_seconds));
    }
  }
  KernelChoices none = {.arena = f->arena};
  assert_true(tune_kernels(f->arena, &none, &(TuneOptions){.opt_level = 3}));
}

/* A batch that no memory would hold is timed by a part of it. */
void test_tune_of_huge_batches(void **state) {
  Fixture *f = *state;
  KernelChoices choices = {.arena = f->arena};
  Conv2dParams k = convolution(1, 1);
  add_choice(&choices, KERNEL_conv2d, KERNEL_conv2d_wino, INT64_MAX, &k);
  assert_true(tune_kernels(f->arena, &choices, &(TuneOptions){.opt_level = 1, .threads = 2}));
  assert_true(choices.list.at[0].timed_samples > 1000 && choices.list.at[0].timed_samples < 100000000);
}

void test_tune_cpus(void **state) {
  Fixture *f = *state;
  CodegenTarget host;
  const char *error;
  assert_true(codegen_target(f->arena, NULL, 3, &host, &error));
  codegen_target_dispose(&host);
  assert_null(tune_cpu_error(f->arena, NULL));
  assert_null(tune_cpu_error(f->arena, "native"));
  assert_null(tune_cpu_error(f->arena, "no such CPU")); /* codegen_levels() says so */
  assert_non_null(strstr(tune_cpu_error(f->arena, "x86-64"), host.cpu));
  assert_non_null(tune_cpu_error(f->arena, "native,x86-64"));
}
