/* Random networks through the whole compiler but LLVM: read, edited, their shapes inferred, lowered to kernel calls
 * with and without gradients, with the other kernel of each choice, every plan checked. A script may be refused; it may
 * not end the process or hang it.
 *
 *   fuzz_graphs [COUNT [SEED]]     runs the scripts SEED … SEED + COUNT - 1; the one that fails is printed
 *   fuzz_graphs print SEED         prints one
 */
#include "compiler/plan/plan.h"
#include "compiler/script/script.h"
#include "tests/fuzz/random_script.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECONDS = 20 }; /* for one script, which takes a millisecond */

static const char *running; /* NULL: all went well */
static uint64_t running_seed;

static void tell(void) {
  if (!running) return;
  fprintf(stderr, "fuzz_graphs: the script of seed %" PRIu64 " ended the compiler:\n%s", running_seed, running);
  running = NULL;
}

static void on_signal(int number) {
  tell();
  signal(number, SIG_DFL);
  raise(number);
}

/* The built-in networks are read once. */
static Scope *zoo(Sources *sources) {
  static Session *base;
  if (!base) {
    Arena *arena = arena_create();
    base = arena_new(arena, Session);
    base->arena = base->sources.arena = base->diags.arena = arena;
    base->diags.sources = &base->sources;
    zoo_scope(base);
  }
  Arena *own = sources->arena;
  *sources = base->sources;
  sources->arena = own;
  vec_reserve(own, &sources->files, sources->files.capacity + 1); /* a copy of the list */
  return base->zoo;
}

static void plan_all(Session *s, const Script *script, FILE *null) {
  KernelChoices choices = {.arena = s->arena};
  Plan *plan = make_plan_with(s->arena, script->graph, script->train, &choices);
  plan_inspect(plan);
  graph_check(script->graph);
  ProgramList all = plan_programs(s->arena, plan);
  for (size_t i = 0; i < all.count; i++) program_dump(plan, all.at[i], null);
  for (size_t i = 0; i < choices.list.count; i++) choices.list.at[i].taken = choices.list.at[i].other;
  if (choices.list.count > 0) make_plan_with(s->arena, script->graph, script->train, &choices);
}

/* True where the script was accepted. */
static bool run_one(uint64_t seed, bool *ops) {
  static FILE *null;
  if (!null && !(null = fopen("/dev/null", "w"))) abort();
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  s->zoo = zoo(&s->sources);
  running_seed = seed;
  running = "(while it was made)\n";
  running = random_script(s, seed);
  alarm(SECONDS);
  Script script;
  bool good = run_script_text(s, "random", running, &script);
  if (good != (s->diags.errors == 0)) abort();
  if (script.graph) graph_check(script.graph);
  if (good) plan_all(s, &script, null);
  for (size_t i = 0; good && i < script.graph->nodes.count; i++)
    ops[script.graph->nodes.at[i].op] |= script.graph->nodes.at[i].alive;
  diag_print_text(&s->diags, null, true);
  alarm(0);
  running = NULL;
  arena_destroy(arena);
  return good;
}

static int print_one(uint64_t seed) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  fputs(random_script(s, seed), stdout);
  arena_destroy(arena);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && streq(argv[1], "print")) return print_one(strtoull(argv[2], NULL, 10));
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000, seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1,
           good = 0;
  static const int signals[] = {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL, SIGALRM};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], on_signal);
  atexit(tell); /* BUG() ends with exit(70) */
  bool ops[OP_COUNT] = {false};
  for (uint64_t i = 0; i < count; i++) good += run_one(seed + i, ops);
  printf("%" PRIu64 " scripts, %" PRIu64 " accepted\n", count, good);
  int missing = 0;
  for (int op = OP_NONE + 1; op < OP_COUNT && count >= 2000; op++)
    if (!ops[op]) printf("%s is in none of them\n", op_info((OpId)op)->name), missing++;
  if (count >= 2000 && good < count / 4) printf("too few of them are right\n"), missing++;
  return missing > 0;
}
