/* Edits one after the other, compared with dumps of the graph in golden/. UPDATE=1 in the environment
 * rewrites them; read the difference before it is kept. */
#include "tests/edit/script.h"
#include "compiler/ops/shape.h"

#define TINY                                                                                                           \
  "model Block(c) {\n  conv = Conv2d(c, c, 3, padding=1)\n  act = ReLU()\n"                                            \
  "  forward x {\n    y = act(conv(x))\n    return act(y + x)\n  }\n}\n"                                               \
  "model Net() {\n  stem = Conv2d(1, 4, 3)\n  one = Block(4)\n  two = Block(4)\n  pool = "                             \
  "AdaptiveAvgPool2d(1)\n"                                                                                             \
  "  fc = Linear(4, 3)\n  stages stem, one, two\n  forward x {\n"                                                      \
  "    return fc(flatten(pool(two(one(stem(x)))), 1))\n  }\n}\n"                                                       \
  "input image(1, 8, 8) { }\n"

static char *dump(const Graph *g) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  graph_dump(g, out);
  fclose(out);
  return text;
}

static char *read_golden(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = calloc(1, 1 << 20);
  size_t count = fread(text, 1, (1 << 20) - 1, file);
  text[count] = 0;
  fclose(file);
  return text;
}

static void golden(const char *name, const char *edits) {
  Session *s = test_session();
  char *got = dump(test_graph(s, arena_printf(s->arena, TINY "%s\n", edits)));
  const char *path = arena_printf(s->arena, "%s/%s.txt", GOLDEN, name);
  if (getenv("UPDATE")) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(got, file);
    fclose(file);
  }
  char *wanted = read_golden(path);
  if (!wanted) fail_msg("%s is missing: run with UPDATE=1", path);
  assert_string_equal(got, wanted);
  free(got);
  free(wanted);
  test_end(s);
}

static void test_take(void **state) { golden("take", "take Net from random"); }
static void test_slice(void **state) { golden("slice", "take Net[1:2] from random"); }
static void test_reattach(void **state) {
  golden("reattach", "take Net[0:2] from random; freeze all; replace fc with Linear(_, 5)");
}
static void test_replace(void **state) {
  golden("replace", "take Net from random; replace every ReLU with Tanh(); replace two with Conv2d(4, 4, 1)");
}
static void test_remove(void **state) { golden("remove", "take Net from random; remove one; remove two.act_1"); }
static void test_insert(void **state) {
  golden("insert",
         "take Net from random; insert drop = Dropout(0.5) after stem; insert BatchNorm2d(_) before one.conv\n"
         "append Sequential(ReLU(), Linear(3, 2)); prepend Identity()");
}
static void test_rename(void **state) {
  golden("rename", "take Net from random; freeze two; rename two to last; rename last.act to tanh");
}

/* A relu that follows itself: both calls are replaced, in order, by calls of the new layer. */
static void test_called_twice(void **state) {
  Session *s = test_session();
  Graph *g = test_graph(s, "model M() {\n a = ReLU()\n b = Linear(4, 4)\n forward x {\n return a(a(b(x)))\n }\n}\n"
                           "input tensor(4)\ntake M from random\nreplace a with Tanh()\n");
  NodeId first = graph_find_node(g, "a"), second = graph_find_node(g, "a_1");
  assert_true(first != NO_ID && second != NO_ID);
  assert_int_equal(g->nodes.at[first].module, g->nodes.at[second].module);
  assert_int_equal(g->nodes.at[second].inputs.at[0], g->nodes.at[first].output);
  assert_int_equal(g->outputs.at[0].value, g->nodes.at[second].output);
  test_end(s);
}

/* A container that forward runs through twice keeps two calls of the one new layer. */
static void test_container_twice(void **state) {
  Session *s = test_session();
  Graph *g = test_graph(s, "model B() {\n p = Linear(4, 4)\n q = ReLU()\n}\n"
                           "model M() {\n b = B()\n m = Tanh()\n forward x {\n return b(m(b(x)))\n }\n}\n"
                           "input tensor(4)\ntake M from random\nreplace b with Linear(4, 4)\n");
  NodeId first = graph_find_node(g, "b"), second = graph_find_node(g, "b_1");
  assert_true(first != NO_ID && second != NO_ID);
  assert_int_equal(g->nodes.at[first].module, g->nodes.at[second].module);
  assert_int_equal(g->nodes.at[graph_find_node(g, "m")].inputs.at[0], g->nodes.at[first].output);
  test_end(s);
}

/* Where the calls touch, no one can tell one from the other. */
static void test_container_twice_adjacent(void **state) {
  Session *s = test_session();
  Script script;
  assert_false(test_run(s,
                        "model B() {\n p = Linear(4, 4)\n q = ReLU()\n}\n"
                        "model M() {\n b = B()\n forward x {\n return b(b(x))\n }\n}\n"
                        "input tensor(4)\ntake M from random\nreplace b with Linear(4, 4)\n",
                        &script));
  assert_int_equal(s->diags.all.at[0]->code, DIAG_E0216);
  test_end(s);
}

/* After an edit that fails, the network is what it was, and the next edit works on it. */
static void test_failed_edit_changes_nothing(void **state) {
  static const char *const wrong[] = {"replace one with Conv2d(4)",
                                      "replace one.act with Nonsense()",
                                      "insert x = Conv2d(4) after stem",
                                      "append Sequential(ReLU(), Linear())",
                                      "prepend Nothing()",
                                      "replace all with ReLU()",
                                      "remove one.add",
                                      "rename one to two",
                                      "replace fc with Block()"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    Session *s = test_session(), *t = test_session();
    Script script;
    assert_false(test_run(s, arena_printf(s->arena, TINY "take Net from random\n%s\n", wrong[i]), &script));
    assert_non_null(script.graph);
    assert_true(infer_shapes(s, script.graph));
    Graph *fresh = test_graph(t, TINY "take Net from random\n");
    char *got = dump(script.graph), *wanted = dump(fresh);
    assert_string_equal(got, wanted);
    free(got);
    free(wanted);
    test_end(s);
    test_end(t);
  }
}

/* Every pair of edits leaves a graph that holds its invariants (test_run checks them). */
static void test_pairs(void **state) {
  static const char *const edits[] = {"remove one",
                                      "remove one.act",
                                      "remove fc",
                                      "remove pool",
                                      "replace one with Identity()",
                                      "replace fc with Linear(_, 2)",
                                      "replace one.act with Tanh()",
                                      "replace every ReLU with Sequential(Tanh(), Tanh())",
                                      "insert Dropout(0.1) after one",
                                      "insert Dropout(0.1) before one",
                                      "insert Tanh() after every ReLU",
                                      "append ReLU()",
                                      "prepend ReLU()",
                                      "rename one to uno",
                                      "remove every ReLU",
                                      "remove flatten",
                                      "replace flatten with Flatten()",
                                      "remove head",
                                      "freeze all",
                                      "unfreeze one",
                                      "replace two.add with ReLU()",
                                      "init all with zeros()",
                                      "adapt stem to channels 2",
                                      "replace two with Sequential()"};
  enum { COUNT = sizeof edits / sizeof *edits };
  static const char *const takes[] = {"Net", "Net[0:2]", "Net[1:3]"};
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < COUNT * COUNT; i++) {
      Session *s = test_session();
      Script script;
      test_run(
          s, arena_printf(s->arena, TINY "take %s from random\n%s\n%s\n", takes[k], edits[i / COUNT], edits[i % COUNT]),
          &script);
      test_end(s);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_take),
                                     cmocka_unit_test(test_slice),
                                     cmocka_unit_test(test_reattach),
                                     cmocka_unit_test(test_replace),
                                     cmocka_unit_test(test_remove),
                                     cmocka_unit_test(test_insert),
                                     cmocka_unit_test(test_rename),
                                     cmocka_unit_test(test_called_twice),
                                     cmocka_unit_test(test_container_twice),
                                     cmocka_unit_test(test_container_twice_adjacent),
                                     cmocka_unit_test(test_failed_edit_changes_nothing),
                                     cmocka_unit_test(test_pairs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
