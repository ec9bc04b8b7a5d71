/* The passes, in the order in which they run: one row each. --stop-after, --dump, --time-passes and their
 * help come from here. What the passes collected about the script is printed once, behind the last of them.
 */
#include "compiler/driver/driver.h"
#include "compiler/weights/weights.h"
#include <errno.h>
#include <time.h>

/* Syntax alone: reported here only when the compilation stops here, since `edit` reads the script again with
 * its includes. */
static ExitStatus run_parse(Compilation *c) {
  if (!streq(c->o->stop_after, "parse") && !streq(c->o->dump, "parse")) return EXIT_DONE;
  int source = sources_add_file(&c->s->sources, c->o->script);
  if (source < 0) fail_environment("%s: %s", c->o->script, strerror(errno));
  c->syntax = parse(c->s->arena, &c->s->diags, &c->s->sources, (uint32_t)source);
  return c->s->diags.errors == 0 ? EXIT_DONE : EXIT_WRONG_INPUT;
}
static void dump_parse(Compilation *c) { ast_dump(c->syntax, stdout); }

static ExitStatus run_edit(Compilation *c) {
  return run_script(c->s, c->o->script, &c->script) || may_go_on(c->s, c->o) ? EXIT_DONE : EXIT_WRONG_INPUT;
}
static void dump_edit(Compilation *c) { graph_dump(c->script.graph, stdout); }

static ExitStatus run_plan(Compilation *c) {
  c->choices.arena = c->s->arena;
  c->plan = make_plan_with(c->s->arena, c->script.graph, c->script.train, &c->choices);
  return EXIT_DONE;
}
static void dump_plan(Compilation *c) {
  ProgramList all = plan_programs(c->s->arena, c->plan);
  for (size_t i = 0; i < all.count; i++) program_dump(c->plan, all.at[i], stdout);
}
static void check_plan(Compilation *c) { graph_check(c->script.graph); }

static ExitStatus run_emit(Compilation *c) {
  if (c->emit.kind == EMIT_EXE) plan_inspect(c->plan);
  return emit_output(c->s, c->plan, &c->emit) ? EXIT_DONE : EXIT_ENVIRONMENT;
}
static void dump_emit(Compilation *c) { printf("%s\n", c->emit.output); }

typedef struct Pass {
  const char *name, *help;
  ExitStatus (*run)(Compilation *c); /* not EXIT_DONE: it said why, in a diagnostic or on stderr */
  void (*dump)(Compilation *c);
  void (*check)(Compilation *c); /* the invariants behind it; may be NULL */
} Pass;

static const Pass passes[] = {
    {"parse", "the syntax tree", run_parse, dump_parse, NULL},
    {"edit", "the network after the last edit, with shapes", run_edit, dump_edit, NULL},
    {"plan", "the kernel calls of each function and their memory", run_plan, dump_plan, check_plan},
    {"tune", "the calls that several kernels can do, and which does; with --tune, what each takes", run_tune, dump_tune,
     check_plan},
    {"weights", "the tensors and where their values come from", write_weights, dump_weights, NULL},
    {"emit", "the name of the file that was written", run_emit, dump_emit, NULL},
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

static ExitStatus run_pass(Compilation *c, const Pass *pass) {
  double start = seconds();
  ExitStatus status = pass->run(c);
  if (c->o->time_passes) fprintf(stderr, "%-8s %7.3f s\n", pass->name, seconds() - start);
  if (status == EXIT_DONE && !may_go_on(c->s, c->o)) status = EXIT_WRONG_INPUT;
  if (status != EXIT_DONE) return status;
  if (pass->check) pass->check(c);
  if (streq(c->o->dump, pass->name)) pass->dump(c);
  return EXIT_DONE;
}

ExitStatus run_passes(Compilation *c, const char *last) {
  ExitStatus status = EXIT_DONE;
  while (c->passes_done < PASS_COUNT && status == EXIT_DONE) {
    const Pass *pass = &passes[c->passes_done++];
    status = run_pass(c, pass);
    if (streq(last, pass->name) || streq(c->o->stop_after, pass->name)) break;
  }
  if (c->script.graph) weights_close(c->script.graph);
  if (!c->report_later) report(c->s, c->o);
  return status;
}
