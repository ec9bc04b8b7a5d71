/* The table of --dump=tune. The timing itself is codegen/tune.c's. */
#include "compiler/codegen/tune.h"
#include "compiler/driver/driver.h"
#include "compiler/driver/table.h"
#include <unistd.h>

static bool is_gradient(const KernelChoice *k) {
  return k->usual == KERNEL_conv2d_grad_weight || k->usual == KERNEL_conv2d_grad_weight_wino;
}

/* "3x3/2 (64, 56, 56) → (128, 28, 28)": what the call does; a gradient of the input goes the other way than its layer,
 * and spreads its input where that has a stride. */
static const char *call_text(Arena *arena, const KernelChoice *c) {
  Conv2dParams k = {.input_dil_h = 1};
  if (is_gradient(c)) {
    const Conv2dGradWeightParams *g = (const Conv2dGradWeightParams *)c->word;
    k.ic = g->ic, k.ih = g->ih, k.iw = g->iw, k.oc = g->oc, k.oh = g->oh, k.ow = g->ow;
    k.kh = g->kh, k.kw = g->kw, k.stride_h = g->stride_h;
  } else {
    memcpy(&k, c->word, sizeof k);
  }
  const char *stride = k.stride_h > 1      ? arena_printf(arena, "/%lld", (long long)k.stride_h)
                       : k.input_dil_h > 1 ? arena_printf(arena, "*%lld", (long long)k.input_dil_h)
                                           : "";
  return arena_printf(arena, "%lldx%lld%s (%lld, %lld, %lld) → (%lld, %lld, %lld)", (long long)k.kh, (long long)k.kw,
                      stride, (long long)k.ic, (long long)k.ih, (long long)k.iw, (long long)k.oc, (long long)k.oh,
                      (long long)k.ow);
}

static const char *method_name(KernelId kernel) {
  switch (kernel) {
  case KERNEL_conv2d_wino:
  case KERNEL_conv2d_grad_weight_wino: return "winograd";
  case KERNEL_conv2d_stem: return "stem";
  default: return "direct";
  }
}

static const char *seconds_text(Arena *arena, const KernelChoice *c, const char *method) {
  bool usual = streq(method_name(c->usual), method), other = streq(method_name(c->other), method);
  if (!usual && !other) return "";
  return c->timed_samples == 0 ? "-" : arena_printf(arena, "%.3f", (usual ? c->usual_seconds : c->other_seconds) * 1e3);
}

void dump_tune(Compilation *c) {
  Arena *arena = c->s->arena;
  Table table = {.arena = arena, .columns = 8, .right = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6};
  table_row(&table, PAINT_HEAD, "convolution", "", "n", "calls", "direct ms", "winograd ms", "stem ms", "kernel");
  for (size_t i = 0; i < c->choices.list.count; i++) {
    const KernelChoice *k = &c->choices.list.at[i];
    const char *taken = method_name(k->taken), *usual = method_name(k->usual);
    int64_t n = k->timed_samples ? k->timed_samples : k->samples;
    table_row(&table, PAINT_NONE, k->call, call_text(arena, k), arena_printf(arena, "%lld", (long long)n),
              arena_printf(arena, "%d", k->calls), seconds_text(arena, k, "direct"), seconds_text(arena, k, "winograd"),
              seconds_text(arena, k, "stem"),
              k->taken == k->usual ? taken : arena_printf(arena, "%s, not %s", taken, usual));
  }
  table_print(&table, stdout, use_color(c->o, STDOUT_FILENO));
}
