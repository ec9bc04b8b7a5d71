/* The passes, in the order in which they run: one row each. --stop-after, --dump and --time-passes come from here. */
#include "compiler/driver/driver.h"
#include <errno.h>
#include <time.h>

/* Syntax alone: reported here only when the compilation stops here, since `edit` reads the script again with
 * its includes. */
static bool run_parse(Compilation *c) {
  if (!streq(c->o->stop_after, "parse") && !streq(c->o->dump, "parse")) return true;
  int source = sources_add_file(&c->s->sources, c->o->script);
  if (source < 0) fail_environment("%s: %s", c->o->script, strerror(errno));
  Stmt *first = parse(c->s->arena, &c->s->diags, &c->s->sources, (uint32_t)source);
  if (streq(c->o->dump, "parse")) ast_dump(first, stdout);
  return c->s->diags.errors == 0;
}

static bool run_edit(Compilation *c) { return run_script(c->s, c->o->script, &c->script); }
static void dump_edit(Compilation *c) { graph_dump(c->script.graph, stdout); }

static bool run_plan(Compilation *c) {
  c->plan = make_plan(c->s->arena, c->script.graph, c->script.train);
  return true;
}
static void dump_plan(Compilation *c) {
  const Plan *p = c->plan;
  const Schedule *all[] = {&p->pack, &p->forward, &p->prefix, &p->tail, &p->step};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) schedule_dump(p, all[i], stdout);
}
static void check_plan(Compilation *c) { graph_check(c->script.graph); }

static bool run_emit(Compilation *c) { return emit_output(c->s, c->plan, &c->emit); }

typedef struct Pass {
  const char *name;
  bool (*run)(Compilation *c);   /* false: it said why */
  void (*dump)(Compilation *c);  /* may be NULL */
  void (*check)(Compilation *c); /* the invariants behind it; may be NULL */
  bool environment;              /* its failures are the environment's */
} Pass;

static const Pass passes[] = {
    {"parse", run_parse, NULL, NULL, false},
    {"edit", run_edit, dump_edit, NULL, false},
    {"plan", run_plan, dump_plan, check_plan, false},
    {"weights", write_weights, NULL, NULL, true},
    {"emit", run_emit, NULL, NULL, true},
};
#define PASS_COUNT (sizeof passes / sizeof *passes)

bool pass_exists(const char *name) {
  for (size_t i = 0; i < PASS_COUNT; i++)
    if (streq(name, passes[i].name)) return true;
  return false;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

ExitStatus run_passes(Compilation *c, const char *last) {
  for (size_t i = 0; i < PASS_COUNT; i++) {
    double start = seconds();
    bool done = passes[i].run(c);
    if (c->o->time_passes) fprintf(stderr, "%-8s %7.3f s\n", passes[i].name, seconds() - start);
    if (!report(c->s, c->o)) return EXIT_WRONG_INPUT;
    if (!done) return passes[i].environment ? EXIT_ENVIRONMENT : EXIT_WRONG_INPUT;
    if (passes[i].check) passes[i].check(c);
    if (passes[i].dump && streq(c->o->dump, passes[i].name)) passes[i].dump(c);
    if (streq(last, passes[i].name) || streq(c->o->stop_after, passes[i].name)) break;
  }
  return EXIT_DONE;
}
