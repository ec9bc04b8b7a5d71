/* What is frozen leaves no trace in the step: judged by a walk of this file's own over the network, for every call of
 * the planned schedules. And where the frozen prefix ends. */
#include "tests/analysis/tests.h"
#include "compiler/plan/plan.h"
#include "compiler/script/script.h"

typedef struct Planned {
  Session *s;
  const Graph *g;
  const Plan *plan;
} Planned;

static Planned plan_script(const char *name) {
  Arena *arena = arena_create();
  Planned p = {.s = arena_new(arena, Session)};
  p.s->arena = p.s->sources.arena = p.s->diags.arena = arena;
  p.s->diags.sources = &p.s->sources;
  Script script;
  if (!run_script(p.s, arena_printf(arena, "%s/%s.surgery", plans_folder, name), &script)) {
    diag_print_text(&p.s->diags, stderr, false);
    fail_msg("%s has errors", name);
  }
  p.g = script.graph;
  p.plan = make_plan(arena, script.graph, script.train);
  const Program *all[] = {&p.plan->pack, &p.plan->forward, &p.plan->prefix, &p.plan->tail, &p.plan->step};
  for (int i = 0; i < 5; i++)
    if (all[i]->present) program_check(p.plan, all[i]);
  return p;
}

static bool trains(const Graph *g, NodeId n) {
  if (g->nodes.at[n].module == NO_ID) return false;
  const Module *m = &g->modules.at[g->nodes.at[n].module];
  for (size_t i = 0; i < m->params.count; i++)
    if (g->params.at[m->params.at[i]].trainable) return true;
  return false;
}

/* Whether something trainable lies above the value: then its gradient is of use. */
static bool depends_on_training(const Graph *g, ValueId v) {
  NodeId n = g->values.at[v].producer;
  if (n == NO_ID) return false;
  if (trains(g, n)) return true;
  for (size_t i = 0; i < g->nodes.at[n].inputs.count; i++)
    if (depends_on_training(g, g->nodes.at[n].inputs.at[i])) return true;
  return false;
}

static bool is_gradient(const Call *c) { return strncmp(c->role, "grad", 4) == 0; }

/* A call for a gradient belongs to a node that trains, or whose inputs (or the other side of a sum that was fused into
 * it) depend on training; one that is not the node's own input's is for its own parameters. */
static void judge_call(const Planned *p, const Call *c, int64_t *written) {
  const char *name = p->g->nodes.at[c->node].name;
  bool input = streq(c->role, "grad_input");
  bool below = false;
  for (size_t i = 0; i < p->g->nodes.at[c->node].inputs.count; i++)
    below |= depends_on_training(p->g, p->g->nodes.at[c->node].inputs.at[i]);
  if (input && !below) fail_msg("%s: a gradient of its input that nobody wants", name);
  if (!input && !below && !trains(p->g, c->node)) fail_msg("%s: %s, and nothing there is trained", name, c->role);
  for (int k = 0; k < c->buf_count; k++) {
    if (c->buf[k] == NO_ID || p->plan->step.buffers.at[c->buf[k]].space != SPACE_GRADS) continue;
    int64_t offset = p->plan->step.buffers.at[c->buf[k]].offset;
    bool own = false;
    const Module *m = &p->g->modules.at[p->g->nodes.at[c->node].module];
    for (size_t i = 0; i < m->params.count; i++) {
      ParamId param = m->params.at[i];
      own |= p->g->params.at[param].trainable && p->plan->grad_offset.at[param] == offset;
    }
    if (!own) fail_msg("%s: writes a gradient that is not of its trainable parameters", name);
    ++*written;
  }
}

static int64_t trainable_tensors(const Graph *g) {
  int64_t count = 0;
  for (size_t i = 0; i < g->params.count; i++)
    count += g->params.at[i].trainable && g->modules.at[g->params.at[i].module].alive;
  return count;
}

static void no_gradient_for_what_is_frozen(void **state) {
  static const char *const names[] = {"flagship",       "half-frozen",   "parameters-of", "all-trained",
                                      "frozen-between", "frozen-branch", "all-frozen"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    Planned p = plan_script(names[i]);
    const Program *evaluation[] = {&p.plan->pack, &p.plan->forward, &p.plan->prefix, &p.plan->tail};
    for (int f = 0; f < 4; f++)
      for (size_t c = 0; c < evaluation[f]->calls.count; c++)
        if (is_gradient(&evaluation[f]->calls.at[c])) fail_msg("%s: a gradient in %s", names[i], evaluation[f]->name);
    int64_t written = 0;
    for (size_t c = 0; c < p.plan->step.calls.count; c++)
      if (is_gradient(&p.plan->step.calls.at[c])) judge_call(&p, &p.plan->step.calls.at[c], &written);
    /* No parameter is in two nodes of these networks: each gradient is written once. */
    assert_int_equal(written, trainable_tensors(p.g));
    arena_destroy(p.s->arena);
  }
}

static const char *frontier_of(const Planned *p) {
  Trainability t = analyse_trainability(p->g);
  return t.frozen_boundary == NO_ID ? "none" : p->g->nodes.at[p->g->values.at[t.frozen_boundary].producer].name;
}

static void expect_frontier(const char *name, const char *wanted, bool prefix, bool step) {
  Planned p = plan_script(name);
  assert_string_equal(frontier_of(&p), wanted);
  assert_int_equal(p.plan->prefix.present, prefix);
  assert_int_equal(p.plan->tail.present, prefix);
  assert_int_equal(p.plan->step.present, step);
  assert_int_equal(p.plan->features_bytes > 0, prefix);
  arena_destroy(p.s->arena);
}

static void the_prefix_ends_before_what_moves(void **state) {
  expect_frontier("flagship", "flatten", true, true);
  expect_frontier("half-frozen", "pool", true, true);
  expect_frontier("parameters-of", "conv1", true, true); /* what is behind it moves */
  expect_frontier("all-trained", "none", false, true);
  expect_frontier("frozen-between", "none", false, true);
  expect_frontier("frozen-branch", "none", false, true); /* the image goes on beside the branch */
  expect_frontier("all-frozen", "none", false, false);
}

/* 64-byte places without overlap, for the state dict and for the gradients. */
static void tensors_have_places_of_their_own(void **state) {
  Planned p = plan_script("frozen-between");
  int64_t weights = 0, grads = 0;
  ParamList all = graph_state_dict(p.g, p.s->arena, true);
  for (size_t i = 0; i < all.count; i++) {
    const Param *param = &p.g->params.at[all.at[i]];
    int64_t bytes = shape_count(&param->shape) * (param->shape.dtype == DTYPE_I64 ? 8 : 4),
            padded = (bytes + 63) / 64 * 64;
    assert_int_equal(p.plan->weight_offset.at[all.at[i]], weights);
    assert_int_equal(p.plan->grad_offset.at[all.at[i]], param->trainable ? grads : -1);
    weights += padded;
    if (param->trainable) grads += padded;
  }
  assert_int_equal(p.plan->weights_bytes, weights);
  assert_int_equal(p.plan->grads_bytes, grads);
  arena_destroy(p.s->arena);
}

int test_pruning(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_gradient_for_what_is_frozen),
      cmocka_unit_test(the_prefix_ends_before_what_moves),
      cmocka_unit_test(tensors_have_places_of_their_own),
  };
  return cmocka_run_group_tests_name("pruning", tests, NULL, NULL);
}
