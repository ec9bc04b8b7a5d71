/* Whether the tables of cases cover what there is: every row of grammar/ops.def is in a case, gradients flow through
 * it, each of its arguments is given somewhere, each of its parameters is trained in one case and frozen in another;
 * and every kernel is called by some network. Expands ops.def and kernels.def, so that a new row without a case fails.
 *
 *   ops_coverage CASES.txt…
 */
#include "compiler/plan/plan.h"
#include "compiler/script/script.h"
#include "tests/ops/cases.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_ARGS = 8 };
typedef struct Seen {
  int cases, gradients;
  bool argument[MAX_ARGS], trained[MAX_ROLES], frozen[MAX_ROLES];
} Seen;
static Seen seen[OP_COUNT];
static bool called[KERNEL_COUNT];

static void see_node(const Graph *g, const Trainability *t, const Node *n) {
  Seen *s = &seen[n->op];
  s->cases++;
  for (size_t i = 0; i < n->inputs.count; i++) s->gradients += t->needs_grad[n->inputs.at[i]];
  const OpArgs *args = node_args(g, (NodeId)(n - g->nodes.at));
  for (int i = 0; op_info(n->op)->args[i].name; i++) s->argument[i] |= args->arg_span[i].end != 0;
  if (n->module == NO_ID) return;
  const Module *m = &g->modules.at[n->module];
  for (size_t i = 0; i < m->params.count; i++) {
    const Param *p = &g->params.at[m->params.at[i]];
    *(p->trainable ? &s->trained[p->role] : &s->frozen[p->role]) = true;
  }
}

static void see_case(const Case *c) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  char path[] = "/tmp/ops-coverage-XXXXXX", *text = case_script(c);
  int fd = mkstemp(path);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) die("%s: cannot be written", path);
  close(fd);
  Script script;
  bool good = run_script(s, path, &script);
  unlink(path);
  if (!good) {
    diag_print_text(&s->diags, stderr, false);
    die("%s: has errors", c->name);
  }
  const Graph *g = script.graph;
  Plan *plan = make_plan(arena, script.graph, script.train);
  plan_inspect(plan);
  Trainability t = analyse_trainability(g);
  for (size_t i = 0; i < g->nodes.count; i++)
    if (t.used[i]) see_node(g, &t, &g->nodes.at[i]);
  const Program *all[] = {&plan->pack, &plan->forward, &plan->prefix, &plan->tail, &plan->step, &plan->inspect};
  for (int i = 0; i < 6; i++)
    for (size_t k = 0; k < all[i]->calls.count; k++) called[all[i]->calls.at[k].kernel] = true;
  arena_destroy(arena);
}

static int lacks(const char *op, const char *what, const char *name) {
  printf("grammar/ops.def: %s%s%s %s\n", op, *name ? "'s " : "", name, what);
  return 1;
}

/* What works on token numbers has no gradient to them. */
static const bool of_integers[OP_COUNT] = {
#define OP(NAME, KIND, inputs, ARGS, PARAMS, SHAPE, LOWER, GRAD, ...)                                                  \
  [OP_##NAME] = sizeof #GRAD == sizeof "no_gradient",
#include "grammar/ops.def"
#undef OP
};

/* Prints what the row lacks; returns how much. */
static int judge_row(OpId op) {
  const OpInfo *info = op_info(op);
  const Seen *s = &seen[op];
  if (!s->cases) return lacks(info->name, "has no case in tests/ops/cases", "");
  int bad =
      s->gradients || of_integers[op] ? 0 : lacks(info->name, "has no case in which a gradient flows through it", "");
  for (int i = 0; info->args[i].name; i++)
    if (!s->argument[i]) bad += lacks(info->name, "is given in no case", info->args[i].name);
  for (int i = 0; info->params[i].name; i++) {
    if (info->params[i].is_buffer) continue;
    if (!s->trained[i]) bad += lacks(info->name, "is trained in no case", info->params[i].name);
    if (!s->frozen[i]) bad += lacks(info->name, "is frozen in no case", info->params[i].name);
  }
  return bad;
}

int main(int argc, char **argv) {
  int cases = 0, bad = 0;
  for (int i = 1; i < argc; i++) {
    CaseTable table = cases_read(argv[i]);
    for (int k = 0; k < table.count; k++) see_case(&table.at[k]);
    cases += table.count;
  }
#define OP(NAME, ...) bad += judge_row(OP_##NAME);
#include "grammar/ops.def"
#undef OP
  for (int i = 0; i < KERNEL_COUNT; i++) {
    if (called[i]) continue;
    printf("runtime/kernels/kernels.def: %s is called by no case in tests/ops/cases\n", kernel_info((KernelId)i)->name);
    bad++;
  }
  printf("%d cases, %d rows of ops.def, %d kernels; %d without a case\n", cases, OP_COUNT - 1, KERNEL_COUNT, bad);
  return bad > 0;
}
