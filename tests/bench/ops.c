/* The operators of ops.def, one by one: bench_ops CASES [--threads N] [--check] [PART OF A NAME]. Each case (ops.txt,
 * in the form of tests/ops/cases) is a small network; what is timed is each call that the compiler plans for the
 * operator in its name: the forward one in evaluation, what training does otherwise, and each gradient, specialised as
 * in a program, alone and again and again. Printed: milliseconds, and the share of what the machine can do at most on
 * as many threads: GFLOP/s of its fused multiply-adds, or GB/s of a copy that moves as many bytes as the call must read
 * and write once, whichever limit the call is nearer to. Winograd's method needs fewer operations than are counted, and
 * what is only read moves faster than a copy: both may be above 100 %. --check times nothing: it says which rows of
 * ops.def have no case, no forward call, or no gradient. Nothing passes or fails by its speed. */
#include "tests/bench/specialised.h"
#include "compiler/plan/plan.h"
#include "compiler/script/script.h"
#include "runtime/abi.h"
#include "runtime/surgery.h"
#include "tests/ops/cases.h"
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

/* What generated code calls and this program does not: taken along by the linker, and seen by what is loaded. */
#define KERNEL(name, params, kind, ...) KEEP_##kind(name)
#define KEEP_TEMPLATE(name)
#define KEEP_RUNTIME(name) (void (*)(void)) sg_##name,
extern void (*const runtime_functions[])(void);
void (*const runtime_functions[])(void) = {
#include "runtime/kernels/kernels.def"
};

/* Of each row the functions that lower it and its gradient, by name. */
static const struct {
  const char *lower, *gradient;
} rules[OP_COUNT] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, ...) [OP_##NAME] = {#LOWER, #GRAD},
#include "grammar/ops.def"
#undef OP
};
static bool computes(OpId op) {
  return !streq(rules[op].lower, "lower_flatten") && !streq(rules[op].lower, "lower_identity");
}

static struct {
  bool forward, gradient;
} seen[OP_COUNT];

/* ---- a case, planned ---- */

typedef struct Network {
  Arena *arena;
  const Case *c;
  const Graph *g;
  Plan *plan;
  OpId op; /* OP_NONE: of the loss */
} Network;

/* "Conv2d-3x3-64" is a case of Conv2d, "loss-mse" one of the loss. */
static OpId subject(const Case *c) {
  const char *name = must_print("%.*s", (int)strcspn(c->name, "-"), c->name);
  OpId op = op_find(name, true);
  if (op == OP_NONE) op = op_find(name, false);
  if (op == OP_NONE && !streq(name, "loss")) die("%s: its name begins with no operator", c->name);
  return op;
}

static Network plan_case(const Case *c) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  Script script;
  if (!run_script_text(s, c->name, case_script(c), &script)) {
    diag_print_text(&s->diags, stderr, false);
    die("%s: has errors", c->name);
  }
  return (Network){arena, c, script.graph, make_plan(arena, script.graph, script.train), subject(c)};
}

/* Layers of the operator that only stand before the one in question are called otherwise than `c`. */
static bool is_subject(const Network *net, const Call *call) {
  if (net->op == OP_NONE) return streq(call->role, "loss");
  if (call->node == NO_ID || streq(call->role, "layout")) return false;
  const Node *node = &net->g->nodes.at[call->node];
  return node->op == net->op && (node->module == NO_ID || streq(node->name, "c"));
}
static bool is_gradient(const Call *call) { return strncmp(call->role, "grad", 4) == 0; }

/* ---- one call, as a program of its own ---- */

/* Bytes of the tensor that begins at this place, the places of all tensors of the space given. */
static int64_t extent(const int64_t *place, size_t count, int64_t total, int64_t at) {
  int64_t end = total;
  for (size_t i = 0; i < count; i++)
    if (place[i] > at && place[i] < end) end = place[i];
  return end - at;
}

static int64_t packed_extent(const Plan *plan, int64_t at) {
  int64_t end = plan->packed_bytes;
  for (size_t i = 0; i < plan->pack.buffers.count; i++) {
    const Buffer *b = &plan->pack.buffers.at[i];
    if (b->space == SPACE_PACKED && b->offset > at && b->offset < end) end = b->offset;
  }
  return end - at;
}

static int64_t value_bytes(const Network *net, ValueId v) { return shape_count(&net->g->values.at[v].shape) * 4; }

static int64_t buffer_bytes(const Network *net, const Buffer *b) {
  int64_t n = net->c->n, outputs = n * value_bytes(net, net->g->outputs.at[0].value);
  switch (b->space) {
  case SPACE_ARENA: return b->per_sample ? b->bytes * n : b->bytes;
  case SPACE_WEIGHTS:
    return extent(net->plan->weight_offset.at, net->plan->weight_offset.count, net->plan->weights_bytes, b->offset);
  case SPACE_GRADS:
    return extent(net->plan->grad_offset.at, net->plan->grad_offset.count, net->plan->grads_bytes, b->offset);
  case SPACE_PACKED: return packed_extent(net->plan, b->offset);
  case SPACE_INPUT: return n * value_bytes(net, net->g->input_value);
  case SPACE_OUTPUT:
  case SPACE_TARGET: return outputs; /* of classes less, which does not matter beside the logits */
  default: return 0;
  }
}

/* What the call must read and write once. */
static int64_t moved_bytes(const Network *net, const Program *s, const Call *call) {
  int64_t total = 0, least = INT64_MAX, table = 0;
  for (int i = 0; i < call->buf_count; i++) {
    if (call->buf[i] == NO_ID) continue;
    int64_t bytes = buffer_bytes(net, &s->buffers.at[call->buf[i]]);
    total += bytes;
    if (i < 2 && bytes < least) least = bytes;
    if (i == 1) table = bytes;
  }
  switch (call->kernel) {
  case KERNEL_cat_copy:
  case KERNEL_cat_grad: return 2 * least; /* its part of the other */
  case KERNEL_embedding:                  /* of its table the rows that it takes */
    return total - table + buffer_bytes(net, &s->buffers.at[call->buf[2]]);
  default: return total;
  }
}

/* The schedule with this call alone, over the same memory. */
static const sg_network *specialise(const Network *net, const Program *from, const Call *call,
                                    const CodegenTarget *target) {
  static int number;
  Plan *plan = arena_new(net->arena, Plan);
  *plan = (Plan){.graph = graph_create(net->arena, "bench"), .forward = *from};
  plan->first = plan, plan->trained = plan->graph;
  plan->forward.name = "forward";
  Call *alone = arena_new(net->arena, Call);
  *alone = *call;
  alone->node = NO_ID; /* of another graph */
  plan->forward.calls.at = alone, plan->forward.calls.count = 1;
  LLVMContextRef context = LLVMContextCreate();
  CodegenOptions options = {.name = arena_printf(net->arena, "bench%d", number++), .manifest = "{}"};
  LLVMModuleRef module = codegen_module(context, net->arena, plan, target, &options);
  codegen_optimise(module, target);
  void *code = bench_load(codegen_emit(module, target, LLVMObjectFile));
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  return dlsym(code, arena_printf(net->arena, "%s_network", options.name));
}

typedef struct Memory {
  char *at;
  int64_t bytes;
} Memory;

static Memory memory(int64_t bytes) {
  Memory m = {aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64), bytes};
  if (!m.at) fail_environment("no memory for %lld bytes", (long long)bytes);
  return m;
}

/* Positive numbers of everyday size, so that no run meets denormals. */
static void fill(Memory m) {
  static float pattern[16384];
  for (int i = 0; !pattern[16383] && i < 16384; i++) pattern[i] = 0.25f + (float)(i * 7 % 23) * 0.03f;
  for (int64_t at = 0; at < m.bytes; at += (int64_t)sizeof pattern)
    memcpy(m.at + at, pattern,
           (size_t)(m.bytes - at < (int64_t)sizeof pattern ? m.bytes - at : (int64_t)sizeof pattern));
}

static void fill_integers(Memory m, int64_t below) {
  int32_t *to = (int32_t *)(void *)m.at;
  for (int64_t i = 0; i < m.bytes / 4; i++) to[i] = (int32_t)(i * 7919 % below);
}

/* The best of some runs, in seconds; the arena holds fresh numbers each time, as what is computed in place would fade.
 */
static double time_call(const Network *net, const Program *s, const Call *call, const CodegenTarget *target) {
  const Plan *p = net->plan;
  int64_t n = net->c->n, outputs = n * value_bytes(net, net->g->outputs.at[0].value);
  Memory all[] = {memory(p->weights_bytes),
                  memory(p->packed_bytes),
                  memory(p->grads_bytes),
                  memory(outputs),
                  memory(outputs),
                  memory(n * value_bytes(net, net->g->input_value)),
                  memory(s->per_sample_bytes * n + s->fixed_bytes + s->scratch_bytes * sg_threads())};
  Memory *arena = &all[6];
  for (int i = 0; i < 7; i++) fill(all[i]);
  if (net->c->vocabulary) fill_integers(all[5], net->c->vocabulary);
  if (call->kernel == KERNEL_cross_entropy)
    fill_integers(all[4], net->g->values.at[net->g->outputs.at[0].value].shape.dim[0]);
  const uint64_t rng[2] = {1, 2};
  float loss;
  sg_run run = {.weights = all[0].at,
                .packed = all[1].at,
                .grads = all[2].at,
                .arena = arena->at,
                .n = n,
                .x = all[5].at,
                .y = {all[3].at},
                .target = all[4].at,
                .loss = &loss,
                .rng = rng,
                .threads = sg_threads()};
  const sg_network *code = specialise(net, s, call, target);
  double best = INFINITY, spent = 0;
  for (int round = 0; round < 50 && (round < 3 || spent < 0.2); round++) {
    fill(*arena);
    double start = bench_now();
    code->forward(&run);
    double seconds = bench_now() - start;
    spent += seconds;
    if (seconds < best) best = seconds;
  }
  for (int i = 0; i < 7; i++) free(all[i].at);
  return best;
}

/* ---- what the machine can do ---- */

enum { PIECE = 1 << 16 }; /* of a copy: bytes for a unit */
static void copy_pieces(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  memcpy((char *)buf[1] + begin * PIECE, (const char *)buf[0] + begin * PIECE, (size_t)(end - begin) * PIECE);
}

/* GB/s, read and written, of a copy that moves as many bytes; in the caches where they fit. */
static double copy_rate(int64_t bytes) {
  int64_t units = bytes / 2 / PIECE + 1, size = units * PIECE;
  Memory from = memory(size), to = memory(size);
  void *buf[] = {from.at, to.at};
  double best = INFINITY;
  fill(from), fill(to);
  for (double spent = 0, seconds; spent < 0.05; spent += seconds) {
    double start = bench_now();
    sg_parallel(copy_pieces, buf, 1, units, sg_threads(), NULL, 0);
    seconds = bench_now() - start;
    best = fmin(best, seconds);
  }
  free(from.at), free(to.at);
  return 2e-9 * (double)size / best;
}

/* ---- the table ---- */

static void bench_call(const Network *net, const Program *s, const Call *call, const CodegenTarget *target,
                       double peak) {
  double seconds = time_call(net, s, call, target);
  int64_t bytes = moved_bytes(net, s, call);
  double flops = call->plan.flops_per_sample * (double)net->c->n / seconds * 1e-9,
         moved = (double)bytes / seconds * 1e-9;
  double of_peak = 100 * flops / peak, of_copy = 100 * moved / copy_rate(bytes);
  bool computes_most = of_peak > of_copy;
  bool differs = s == &net->plan->step && (streq(call->role, "forward") || streq(call->role, "statistics"));
  printf("%-37s %4lld  %-20s %-23s %9.3f ms %8.1f %-7s %5.0f %% of %s\n", net->c->name, (long long)net->c->n,
         differs ? arena_printf(net->arena, "%s, training", call->role) : call->role, kernel_info(call->kernel)->name,
         seconds * 1e3, computes_most ? flops : moved, computes_most ? "GFLOP/s" : "GB/s", fmax(of_peak, of_copy),
         computes_most ? "peak" : "copy");
  fflush(stdout);
}

static bool same_call(const Call *a, const Call *b) {
  return a->kernel == b->kernel && streq(a->role, b->role) && memcmp(a->word, b->word, sizeof a->word) == 0;
}
/* Whether one of the first calls of the schedule is the same, for the subject too. */
static bool is_among(const Network *net, const Call *call, const Program *s, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (same_call(call, &s->calls.at[i]) && is_subject(net, &s->calls.at[i])) return true;
  return false;
}

/* The calls of the subject in this schedule but those that evaluation has too, each kind once. */
static void bench_schedule(const Network *net, const Program *s, const CodegenTarget *target, double peak) {
  const Program *before = &net->plan->forward;
  for (size_t i = 0; s->present && i < s->calls.count; i++) {
    const Call *call = &s->calls.at[i];
    if (!is_subject(net, call) || is_among(net, call, s, i)) continue;
    if (s != before && is_among(net, call, before, before->calls.count)) continue;
    if (is_gradient(call)) seen[net->op].gradient = true;
    else seen[net->op].forward = true;
    if (target) bench_call(net, s, call, target, peak);
  }
}

/* target NULL: only to see what there is. */
static void bench_case(const Case *c, const CodegenTarget *target, double peak) {
  Network net = plan_case(c);
  bench_schedule(&net, &net.plan->forward, target, peak);
  bench_schedule(&net, &net.plan->step, target, peak);
  arena_destroy(net.arena);
}

/* Prints what the rows lack; returns how much. */
static int check(void) {
  int bad = 0;
  for (OpId op = OP_NONE + 1; op < OP_COUNT; op++) {
    bool trains = !streq(rules[op].gradient, "no_gradient") || op_info(op)->params[0].name;
    if (!computes(op)) continue;
    if (!seen[op].forward) bad++, printf("grammar/ops.def: %s has no forward call in the bench\n", op_info(op)->name);
    if (trains && !seen[op].gradient)
      bad++, printf("grammar/ops.def: %s has no gradient in the bench\n", op_info(op)->name);
  }
  printf("%d rows of ops.def; %d forward calls or gradients are not timed\n", OP_COUNT - 1, bad);
  return bad;
}

static _Noreturn void usage(void) {
  fputs("usage: bench_ops CASES.txt [--threads N] [--check] [PART OF A CASE'S NAME]\n", stderr);
  exit(2);
}

int main(int argc, char **argv) {
  bool only_check = false;
  const char *path = NULL, *part = "";
  for (int i = 1; i < argc; i++) {
    if (streq(argv[i], "--check")) only_check = true;
    else if (streq(argv[i], "--threads") && i + 1 < argc && atoi(argv[i + 1]) > 0) surgery_set_threads(atoi(argv[++i]));
    else if (*argv[i] == '-') usage();
    else if (!path) path = argv[i];
    else part = argv[i];
  }
  if (!path) usage();
  CaseTable table = cases_read(path);
  Arena *arena = arena_create();
  CodegenTarget target;
  const char *error;
  double peak = 0;
  if (!only_check) {
    if (!codegen_target(arena, NULL, 3, &target, &error)) die("%s", error);
    peak = bench_peak(arena, &target, sg_threads());
    printf("%s, %d threads; peak %.0f GFLOP/s, copies of 256 MB %.1f GB/s\n", target.cpu, sg_threads(), peak,
           copy_rate(256 << 20));
  }
  for (int i = 0; i < table.count; i++)
    if (strstr(table.at[i].name, part)) bench_case(&table.at[i], only_check ? NULL : &target, peak);
  return only_check && check() ? 1 : 0;
}
