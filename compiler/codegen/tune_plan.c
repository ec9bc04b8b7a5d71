/* The calls of --tune as a plan made by hand, which the code generator takes for a network's: each call is the step of
 * a phase of its own, so that it has a function of its own and a memory of its own size. Called by tune.c. */
#include "compiler/codegen/tune.h"

static BufferId add_buffer(Arena *arena, Program *s, const char *name, int64_t floats, bool per_sample) {
  int64_t bytes = round_up_64(floats * 4);
  vec_push(arena, &s->buffers, (Buffer){.name = name, .space = SPACE_ARENA, .per_sample = per_sample, .bytes = bytes});
  return (BufferId)s->buffers.count - 1;
}

static void add_call(Arena *arena, Program *s, KernelId kernel, const void *k, const BufferId *buf, int count) {
  const KernelInfo *info = kernel_info(kernel);
  Call call = {.kernel = kernel, .buf_count = count, .word_count = info->words, .node = NO_ID, .role = "tune"};
  memcpy(call.word, k, (size_t)info->words * 8);
  memcpy(call.buf, buf, (size_t)count * sizeof *buf);
  info->plan(k, &call.plan);
  vec_push(arena, &s->calls, call);
}

/* conv2d and what can do its calls. None of them has groups. */
static void add_convolution(Arena *arena, Program *s, KernelId kernel, const Conv2dParams *k) {
  int64_t in = k->nchw_x ? k->ic : BLOCKS(k->ic) * LANES, out = BLOCKS(k->oc) * LANES,
          y = nchw16c_count(k->oc, k->oh * k->ow);
  BufferId buf[] = {
      add_buffer(arena, s, "x", in * k->ih * k->iw, true), add_buffer(arena, s, "w", out * in * k->kh * k->kw, false),
      k->has_bias ? add_buffer(arena, s, "bias", out, false) : NO_ID,
      k->has_residual ? add_buffer(arena, s, "residual", y, true) : NO_ID, add_buffer(arena, s, "y", y, true)};
  add_call(arena, s, kernel, k, buf, 5);
}

/* Of the weights, and the sum of its partial sums where there are several. */
static void add_gradient(Arena *arena, Program *s, KernelId kernel, const Conv2dGradWeightParams *k) {
  GradWeightSumParams sum = {
      .count = k->oc * k->ic * k->kh * k->kw, .splits = kernel_plan(kernel, k).splits, .accumulate = k->accumulate};
  BufferId dw = add_buffer(arena, s, "dw", sum.count, false);
  BufferId partial = sum.splits == 1 ? dw : add_buffer(arena, s, "partial", sum.splits * sum.count, false);
  BufferId buf[] = {
      add_buffer(arena, s, "x", k->nchw_x ? k->ic * k->ih * k->iw : nchw16c_count(k->ic, k->ih * k->iw), true),
      add_buffer(arena, s, "dy", nchw16c_count(k->oc, k->oh * k->ow), true), partial};
  add_call(arena, s, kernel, k, buf, 3);
  if (partial != dw) add_call(arena, s, KERNEL_conv2d_grad_weight_sum, &sum, (BufferId[]){partial, dw}, 2);
}

void tune_add_call(Arena *arena, Program *s, KernelId kernel, const void *k) {
  switch (kernel) {
  case KERNEL_conv2d:
  case KERNEL_conv2d_wino:
  case KERNEL_conv2d_stem: add_convolution(arena, s, kernel, k); break;
  case KERNEL_conv2d_grad_weight:
  case KERNEL_conv2d_grad_weight_wino: add_gradient(arena, s, kernel, k); break;
  default: BUG("%s cannot be tuned", kernel_info(kernel)->name);
  }
}

static Plan *plan_of_call(Arena *arena, const KernelChoice *c, KernelId kernel) {
  Plan *plan = arena_new(arena, Plan);
  Program *s = &plan->step;
  plan->prefix.name = plan->tail.name = s->name = "call";
  s->present = true;
  tune_add_call(arena, s, kernel, c->word);
  plan_memory(arena, s);
  return plan;
}

Plan *tune_plan(Arena *arena, const KernelChoices *choices, size_t first, size_t every) {
  Plan *plan = arena_new(arena, Plan);
  plan->first = plan;
  for (size_t i = first; i < choices->list.count; i += every) {
    const KernelChoice *c = &choices->list.at[i];
    vec_push(arena, &plan->later, plan_of_call(arena, c, c->usual));
    vec_push(arena, &plan->later, plan_of_call(arena, c, c->other));
  }
  return plan;
}
