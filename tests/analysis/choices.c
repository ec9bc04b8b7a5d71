/* Where several kernels can do a call: what the list of choices says is what the plan has, in the evaluation and in the
 * training each for itself, and a list that nobody has touched changes nothing. */
#include "tests/analysis/tests.h"
#include "compiler/plan/plan.h"
#include "compiler/script/script.h"
#include <stdlib.h>

typedef struct Fixture {
  Arena *arena;
  Script script;
  TrainConfig train;
  KernelChoices choices;
} Fixture;

static int load(void **state) {
  Arena *arena = arena_create();
  Fixture *f = arena_new(arena, Fixture);
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = f->arena = f->choices.arena = arena;
  s->diags.sources = &s->sources;
  f->train.all.recipe.batch = 128;
  *state = f;
  return !run_script(s, arena_printf(arena, "%s/all-trained.surgery", plans_folder), &f->script);
}

static int unload(void **state) {
  arena_destroy(((Fixture *)*state)->arena);
  return 0;
}

static const char *plan_text(const Fixture *f, const Plan *plan) {
  char *text = NULL;
  size_t length;
  FILE *out = open_memstream(&text, &length);
  ProgramList all = plan_programs(f->arena, plan);
  for (size_t i = 0; i < all.count; i++) program_dump(plan, all.at[i], out);
  fclose(out);
  const char *copy = arena_strdup(f->arena, text);
  free(text);
  return copy;
}

static int count_calls(const Program *s, KernelId kernel) {
  int count = 0;
  for (size_t i = 0; i < s->calls.count; i++) count += s->calls.at[i].kernel == kernel;
  return count;
}

static Plan *plan_with_choices(Fixture *f) { return make_plan_with(f->arena, f->script.graph, &f->train, &f->choices); }

static void an_untouched_list_changes_nothing(void **state) {
  Fixture *f = *state;
  const char *without = plan_text(f, make_plan(f->arena, f->script.graph, &f->train));
  assert_string_equal(plan_text(f, plan_with_choices(f)), without);
  size_t count = f->choices.list.count;
  assert_true(count > 0);
  assert_string_equal(plan_text(f, plan_with_choices(f)), without);
  assert_int_equal(f->choices.list.count, count);
}

/* The blocks' convolutions are of 8x8 pixels, and of 4x4 behind the pooling. They go by Winograd's method; of their
 * weights' gradients only those of the larger do. In the second plan all go the other way. */
static void the_list_is_obeyed(void **state) {
  Fixture *f = *state;
  Plan *usual = plan_with_choices(f);
  const char *text = plan_text(f, usual);
  for (size_t i = 0; i < f->choices.list.count; i++) f->choices.list.at[i].taken = f->choices.list.at[i].other;
  Plan *other = plan_with_choices(f);
  static const KernelId pairs[][2] = {{KERNEL_conv2d, KERNEL_conv2d_wino},
                                      {KERNEL_conv2d_grad_weight, KERNEL_conv2d_grad_weight_wino}};
  for (int p = 0; p < 2; p++) {
    int plain = 1; /* the first layer sees the image, where Winograd's method cannot be had */
    int direct = count_calls(&usual->step, pairs[p][0]) - plain, winograd = count_calls(&usual->step, pairs[p][1]);
    assert_true(winograd > 0 && (p == 0 ? direct == 0 : direct > 0));
    assert_int_equal(count_calls(&other->step, pairs[p][0]) - plain, winograd);
    assert_int_equal(count_calls(&other->step, pairs[p][1]), direct);
  }
  assert_int_equal(count_calls(&other->forward, KERNEL_conv2d_wino), count_calls(&usual->forward, KERNEL_conv2d) - 1);
  for (size_t i = 0; i < f->choices.list.count; i++) f->choices.list.at[i].taken = f->choices.list.at[i].usual;
  assert_string_equal(plan_text(f, plan_with_choices(f)), text);
}

/* One image and a batch are chosen for apart, and all calls with the same constants together. */
static void evaluation_and_training_are_apart(void **state) {
  Fixture *f = *state;
  Plan *usual = plan_with_choices(f);
  int calls = 0;
  for (size_t i = 0; i < f->choices.list.count; i++) {
    KernelChoice *c = &f->choices.list.at[i];
    assert_true(c->samples == 1 || c->samples == 128);
    if (c->samples == 1) c->taken = KERNEL_conv2d, calls += c->calls;
  }
  assert_int_equal(calls, 4);
  Plan *other = plan_with_choices(f);
  assert_int_equal(count_calls(&other->forward, KERNEL_conv2d_wino), 0);
  assert_int_equal(count_calls(&other->step, KERNEL_conv2d_wino), count_calls(&usual->step, KERNEL_conv2d_wino));
}

static void without_a_train_block_there_is_no_batch(void **state) {
  Fixture *f = *state;
  make_plan_with(f->arena, f->script.graph, NULL, &f->choices);
  assert_true(f->choices.list.count > 0);
  for (size_t i = 0; i < f->choices.list.count; i++) assert_int_equal(f->choices.list.at[i].samples, 1);
}

int test_choices(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_untouched_list_changes_nothing, load, unload),
      cmocka_unit_test_setup_teardown(the_list_is_obeyed, load, unload),
      cmocka_unit_test_setup_teardown(evaluation_and_training_are_apart, load, unload),
      cmocka_unit_test_setup_teardown(without_a_train_block_there_is_no_batch, load, unload),
  };
  return cmocka_run_group_tests_name("choices", tests, NULL, NULL);
}
