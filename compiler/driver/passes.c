/* The passes: the way of a script, in the order in which it is gone, one row for each step. --stop-after, --dump,
 * --time-passes and their help come from here. What they found out about the script is printed once, after the last. */
#include "compiler/codegen/tune.h"
#include "compiler/driver/driver.h"
#include "compiler/weights/weights.h"
#include <time.h>

static ExitStatus input_status(bool good) { return good ? EXIT_DONE : EXIT_WRONG_INPUT; }

/* ---- the script ---- */

static ExitStatus run_parse(Compilation *c) { return input_status(script_parse(c->s, c->o->script, &c->script)); }
static ExitStatus run_statements(Compilation *c) { return input_status(script_statements(c->s, &c->script)); }
static ExitStatus run_settings(Compilation *c) { return input_status(script_settings(c->s, &c->script)); }
static ExitStatus run_shapes(Compilation *c) { return input_status(script_shapes(c->s, &c->script)); }

/* --inference-only, as `freeze all` after the last statement. */
static void freeze_whole(Graph *g) {
  for (size_t i = 0; i < g->params.count; i++) param_at(g, i)->trainable = false;
  for (size_t i = 0; i < g->modules.count; i++) module_at(g, i)->frozen = true;
}

static ExitStatus run_expects(Compilation *c) {
  bool good = script_expects(c->s, &c->script);
  if (c->o->inference_only && c->script.graph) freeze_whole(c->script.graph);
  return input_status(good);
}

static void dump_parse(Compilation *c) { ast_dump(c->script.syntax, stdout); }
static void dump_graph(Compilation *c) { graph_dump(c->script.graph, stdout); }
static void check_graph(Compilation *c) { graph_check(c->script.graph); }

/* ---- the plan ---- */

/* The train block, as far as it is compiled; NULL: the output does not train. */
static const TrainConfig *compiled_train(const Compilation *c) { return c->o->inference_only ? NULL : c->script.train; }

static ExitStatus run_phases(Compilation *c) {
  c->choices.arena = c->s->arena;
  c->plan = plan_phases(c->s->arena, c->script.graph, compiled_train(c), &c->choices);
  return EXIT_DONE;
}

static ExitStatus run_lower(Compilation *c) {
  plan_lower(c->plan);
  return EXIT_DONE;
}

static ExitStatus run_place(Compilation *c) {
  plan_place(c->plan);
  return EXIT_DONE;
}

static bool wants_tune(const Compilation *c) { return c->o->tune; }
static ExitStatus run_tune(Compilation *c) {
  TuneOptions options = {.cpu = c->o->cpu, .opt_level = c->o->opt_level, .threads = c->o->threads};
  if (!tune_kernels(c->s->arena, &c->choices, &options)) return EXIT_ENVIRONMENT;
  c->plan = make_plan_with(c->s->arena, c->script.graph, compiled_train(c), &c->choices);
  return EXIT_DONE;
}

static bool wants_inspect(const Compilation *c) { return c->emit.kind == EMIT_EXE; }
static ExitStatus run_inspect(Compilation *c) {
  plan_inspect(c->plan);
  plan_loss(c->plan);
  return EXIT_DONE;
}

static void dump_phases(Compilation *c) {
  for (size_t i = 0; i <= c->plan->later.count; i++) {
    const Plan *p = i ? c->plan->later.at[i - 1] : c->plan;
    const Trainability *t = &p->trainability;
    const char *end =
        t->boundary_position < 0 ? "nothing" : node_at(p->trained, p->trained->order.at[t->boundary_position])->name;
    printf("phase %zu: %lld parameters trained, %lld bytes of gradients, frozen up to %s\n", i + 1,
           (long long)t->trainable, (long long)p->grads_bytes, end);
  }
}

static void dump_calls(Compilation *c) {
  ProgramList all = plan_programs(c->s->arena, c->plan);
  for (size_t i = 0; i < all.count; i++)
    if (all.at[i]->present)
      printf("%s: %zu calls, %zu buffers\n", all.at[i]->name, all.at[i]->calls.count, all.at[i]->buffers.count);
}

static void dump_plan(Compilation *c) {
  ProgramList all = plan_programs(c->s->arena, c->plan);
  for (size_t i = 0; i < all.count; i++) program_dump(c->plan, all.at[i], stdout);
}
static void dump_inspect(Compilation *c) { program_dump(c->plan, &c->plan->inspect, stdout); }

static void check_plan(Compilation *c) {
  check_graph(c);
  plan_check(c->plan);
}

/* ---- the files ---- */

static ExitStatus run_files(Compilation *c) {
  c->emission = emit_begin(c->s, &c->script, c->plan, &c->emit);
  return c->emission ? emit_files(c->emission) : EXIT_ENVIRONMENT;
}

static bool wants_saves(const Compilation *c) { return c->script.graph->saves.count > 0; }
static bool wants_header(const Compilation *c) { return emit_header_path(c->s->arena, &c->emit) != NULL; }
static bool wants_depfile(const Compilation *c) { return c->emit.depfile != NULL; }

#define EMIT_STEP(step)                                                                                                \
  static ExitStatus run_##step(Compilation *c) { return emit_##step(c->emission); }
#define EMIT_DUMP(step)                                                                                                \
  static void dump_##step(Compilation *c) { emit_dump_##step(c->emission, stdout); }
EMIT_DUMP(files)
EMIT_STEP(saves)
EMIT_DUMP(saves)
EMIT_STEP(weights)
EMIT_DUMP(weights)
EMIT_STEP(manifest)
EMIT_DUMP(manifest)
EMIT_STEP(code)
EMIT_DUMP(code)
EMIT_STEP(link)
EMIT_DUMP(output)
EMIT_STEP(header)
EMIT_DUMP(header)
EMIT_STEP(commit)
EMIT_STEP(depfile)
EMIT_DUMP(depfile)

static void dump_commit(Compilation *c) { printf("%s\n", c->emit.output); }

/* ---- the table ---- */

typedef struct Pass {
  const char *name, *help;
  ExitStatus (*run)(Compilation *c); /* not EXIT_DONE: it said why, in a diagnostic or on stderr */
  void (*dump)(Compilation *c);
  void (*check)(Compilation *c);        /* the invariants after it; may be NULL */
  bool (*wanted)(const Compilation *c); /* NULL: always */
  bool collects; /* the next pass runs although there are errors, so that all that is wrong is reported at once */
} Pass;

/* The columns: name, help, run, dump, check, wanted, collects. */
static const Pass passes[] = {
    {"parse", "the syntax tree", run_parse, dump_parse, NULL, NULL, true},
    {"statements", "the network after the last statement", run_statements, dump_graph, NULL, NULL, true},
    {"settings", "the same; the input and train blocks fit it", run_settings, dump_graph, NULL, NULL, true},
    {"shapes", "the same, with shapes", run_shapes, dump_graph, NULL, NULL, true},
    {"edit", "the network after the last edit, with shapes; what the script expects of it holds", run_expects,
     dump_graph, check_graph, NULL, false},
    {"phases", "what each phase of the training trains, and up to where all is frozen", run_phases, dump_phases, NULL,
     NULL, false},
    {"lower", "how many kernel calls and buffers each function has", run_lower, dump_calls, NULL, NULL, false},
    {"plan", "the kernel calls of each function and their memory", run_place, dump_plan, check_plan, NULL, false},
    {"tune", "the calls that several kernels can do, and which does; with --tune, what each takes", run_tune, dump_tune,
     check_plan, wants_tune, false},
    {"inspect", "the calls of a program's inspect, which keeps every value", run_inspect, dump_inspect, check_plan,
     wants_inspect, false},
    {"files", "the names of the files that will be written", run_files, dump_files, NULL, NULL, false},
    {"saves", "the tensors of the script's save statements", run_saves, dump_saves, NULL, wants_saves, false},
    {"weights", "the tensors and where their values come from", run_weights, dump_weights, NULL, NULL, false},
    {"manifest", "what the program knows of itself, as JSON", run_manifest, dump_manifest, NULL, NULL, false},
    {"code", "the modules of machine code", run_code, dump_code, NULL, NULL, false},
    {"link", "the size of the output", run_link, dump_output, NULL, NULL, false},
    {"header", "the C header", run_header, dump_header, NULL, wants_header, false},
    {"emit", "the name of the file that was written", run_commit, dump_commit, NULL, NULL, false},
    {"depfile", "the dependency file", run_depfile, dump_depfile, NULL, wants_depfile, false},
};
#define PASS_COUNT (sizeof passes / sizeof *passes)

const char *const *pass_names(size_t *count) {
  static const char *names[PASS_COUNT];
  for (size_t i = 0; i < PASS_COUNT; i++) names[i] = passes[i].name;
  *count = PASS_COUNT;
  return names;
}

void list_passes(FILE *out) {
  fputs("\npasses, and what --dump prints of each:\n", out);
  for (size_t i = 0; i < PASS_COUNT; i++) fprintf(out, "  %-10s %s\n", passes[i].name, passes[i].help);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nothing was collected that ends the compilation here. */
static ExitStatus status_of(const Compilation *c, ExitStatus status) {
  return status == EXIT_DONE && !may_go_on(c->s, c->o) ? EXIT_WRONG_INPUT : status;
}

static ExitStatus run_pass(Compilation *c, const Pass *pass, bool is_last) {
  bool dumped = streq(c->o->dump, pass->name);
  ExitStatus status = EXIT_DONE;
  if (!pass->wanted || pass->wanted(c)) {
    double start = seconds();
    status = pass->run(c);
    if (c->o->time_passes) fprintf(stderr, "%-10s %7.3f s\n", pass->name, seconds() - start);
    if (is_last || dumped || !pass->collects) status = status_of(c, status);
    if (status == EXIT_DONE && pass->check) pass->check(c);
  }
  if (status == EXIT_DONE && dumped) pass->dump(c);
  return status;
}

ExitStatus run_passes(Compilation *c, const char *last) {
  ExitStatus status = EXIT_DONE;
  for (bool is_last = false; c->passes_done < PASS_COUNT && status == EXIT_DONE && !is_last;) {
    const Pass *pass = &passes[c->passes_done++];
    is_last = streq(last, pass->name) || streq(c->o->stop_after, pass->name);
    status = run_pass(c, pass, is_last);
  }
  if (c->emission && status == EXIT_DONE) status = emit_commit(c->emission); /* of what --stop-after let be written */
  emit_end(c->emission);
  c->emission = NULL;
  if (c->script.graph) weights_close(c->script.graph);
  if (!c->report_later) report(c->s, c->o);
  return status;
}
