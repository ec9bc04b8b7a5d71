/* `surgeryc plan`: what a script comes to, as a table on stdout: layers with shapes and parameters, totals,
 * FLOPs, and the exact memory of forward and train. */
#include "compiler/driver/driver.h"
#include "runtime/surgery.h"

/* 11176512 → "11,176,512" */
static const char *grouped(Arena *arena, int64_t number) {
  char digits[32], out[48];
  int length = snprintf(digits, sizeof digits, "%lld", (long long)number), k = 0;
  for (int i = 0; i < length; i++) {
    out[k++] = digits[i];
    if (digits[i] != '-' && i + 1 < length && (length - 1 - i) % 3 == 0) out[k++] = ',';
  }
  return arena_strndup(arena, out, (size_t)k);
}

typedef struct Totals {
  int64_t all, trainable;
} Totals;

static Totals count_module(const Graph *g, ModuleId m) {
  Totals t = {0, 0};
  const Module *module = &g->modules.at[m];
  for (size_t i = 0; i < module->params.count; i++) {
    const Param *p = &g->params.at[module->params.at[i]];
    if (p->is_buffer) continue;
    t.all += shape_count(&p->shape);
    if (p->trainable) t.trainable += shape_count(&p->shape);
  }
  return t;
}

static const char *frozen_text(const Graph *g, const Node *n, Totals t) {
  bool frozen = n->module != NO_ID && g->modules.at[n->module].frozen;
  if (t.all == 0) return frozen && op_info(n->op)->batch != BATCH_SAME ? "frozen" : "";
  if (t.trainable == t.all) return "trained";
  if (t.trainable > 0) return "partly frozen";
  return frozen || op_info(n->op)->batch == BATCH_SAME ? "frozen" : "frozen parameters, moving statistics";
}

static void print_layers(Session *s, const Graph *g) {
  printf("%-28s %-18s %-22s %12s  %s\n", "layer", "type", "output", "parameters", "");
  bool *seen = arena_array(s->arena, bool, g->modules.count + 1);
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = &g->nodes.at[g->order.at[i]];
    if (!n->alive) continue;
    Totals t = {0, 0};
    if (n->module != NO_ID && !seen[n->module]) {
      t = count_module(g, n->module);
      seen[n->module] = true;
    }
    const char *type = n->module != NO_ID ? g->modules.at[n->module].type : op_info(n->op)->name;
    printf("%-28s %-18s %-22s %12s  %s\n", n->name, type,
           shape_text(s->arena, &g->values.at[n->output].shape), t.all ? grouped(s->arena, t.all) : "",
           frozen_text(g, n, t));
  }
}

static void print_memory(Session *s, const Schedule *f) {
  int64_t one = f->per_sample_bytes, rest = f->fixed_bytes;
  printf("  %-8s %s bytes a sample + %s + %s a thread; 16 samples on %d threads: %s\n", f->name,
         grouped(s->arena, one), grouped(s->arena, rest), grouped(s->arena, f->scratch_bytes),
         surgery_threads(), grouped(s->arena, 16 * one + rest + surgery_threads() * f->scratch_bytes));
}

ExitStatus command_plan(Session *s, const Options *o) {
  Compilation c = {.s = s, .o = o};
  ExitStatus status = run_passes(&c, "plan");
  if (status != EXIT_DONE || !c.plan) return status; /* no plan: --stop-after */
  const Graph *g = c.script.graph;
  const Plan *p = c.plan;
  print_layers(s, g);
  Totals t = {0, 0};
  ParamList all = graph_state_dict(g, s->arena, false);
  for (size_t i = 0; i < all.count; i++) {
    const Param *param = &g->params.at[all.at[i]];
    t.all += shape_count(&param->shape);
    if (param->trainable) t.trainable += shape_count(&param->shape);
  }
  double flops = 0;
  for (size_t i = 0; i < p->forward.calls.count; i++) flops += p->forward.calls.at[i].plan.flops_per_sample;
  printf("\ninput       %s\n", shape_text(s->arena, &g->input.shape));
  for (size_t i = 0; i < g->outputs.count; i++)
    printf("%-11s %s\n", g->outputs.at[i].name,
           shape_text(s->arena, &g->values.at[g->outputs.at[i].value].shape));
  printf("parameters  %s: %s trained, %s frozen\n", grouped(s->arena, t.all), grouped(s->arena, t.trainable),
         grouped(s->arena, t.all - t.trainable));
  printf("forward     %.2f GFLOP a sample, %zu kernel calls\n", flops * 1e-9, p->forward.calls.count);
  if (p->prefix.present)
    printf("prefix      frozen up to %s: %s, run once for each image where preprocessing is deterministic\n",
           g->nodes.at[g->order.at[analyse_trainability(g).frontier_position]].name,
           shape_text(s->arena, &p->features));
  printf("memory      weights %s bytes, packed %s, gradients %s\n", grouped(s->arena, p->weights_bytes),
         grouped(s->arena, p->packed_bytes), grouped(s->arena, p->grads_bytes));
  print_memory(s, &p->forward);
  if (p->prefix.present) print_memory(s, &p->prefix);
  if (p->tail.present) print_memory(s, &p->tail);
  if (p->step.present) print_memory(s, &p->step);
  return EXIT_DONE;
}
