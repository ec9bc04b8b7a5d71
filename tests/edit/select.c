/* What selectors pick, name by name: select_resolve on a resnet18, as the rest of the compiler sees it. The
 * selector under test is the one of a `remove` statement, which the parser reads. */
#include "tests/edit/script.h"
#include "compiler/select/select.h"

static Graph *whole, *sliced;
static Session *session;

static const Selector *parse_selector(const char *text) {
  const char *line = arena_printf(session->arena, "remove %s\n", text);
  int source = sources_add_text(&session->sources, "selector", line, strlen(line));
  const Stmt *stmt = parse(session->arena, &session->diags, &session->sources, (uint32_t)source);
  assert_non_null(stmt);
  assert_int_equal(stmt->kind, STMT_REMOVE);
  return stmt->selector;
}

static Selection resolve(const Graph *g, const char *text) {
  Selection out;
  if (!select_resolve(session, g, zoo_scope(session), parse_selector(text), false, &out)) {
    diag_print_text(&session->diags, stderr, false);
    fail_msg("%s is not resolved", text);
  }
  return out;
}

static void counts(const char *text, size_t modules, size_t nodes, size_t params, bool only_params) {
  Selection s = resolve(whole, text);
  if (s.modules.count != modules || s.nodes.count != nodes || s.params.count != params || s.only_params != only_params)
    fail_msg("%s: %zu modules, %zu nodes, %zu params, only_params %d", text, s.modules.count, s.nodes.count,
             s.params.count, s.only_params);
}

/* 122 tensors in the state dict, 62 of them parameters. */
static void test_counts(void **state) {
  counts("all", 67, 69, 122, false);
  counts("fc", 1, 1, 2, false);
  counts("layer4", 16, 16, 30, false);
  counts("fc.weight", 0, 0, 1, true);
  counts("bn1.running_mean", 0, 0, 1, true);
  counts("layer1.0.add", 0, 1, 0, false);
  counts("layer1.0.relu_1", 0, 1, 0, false);
  counts("layer1.0.relu", 1, 2, 0, false);
  counts("every Conv2d", 20, 20, 20, false);
  counts("every BatchNorm2d", 20, 20, 100, false);
  counts("every BasicBlock", 57, 62, 114, false);
  counts("every add", 0, 8, 0, false);
  counts("every Conv2d in layer4", 5, 5, 5, false);
  counts("**.weight", 0, 0, 41, true);
  counts("**.downsample", 9, 6, 18, false);
  counts("parameters[:10]", 0, 0, 10, true);
  counts("parameters[-5:]", 0, 0, 5, true);
  counts("fc, parameters[0]", 1, 1, 3, false);
  counts("head", 2, 3, 2, false);
  counts("[0]", 4, 4, 6, false);
  counts("[-1]", 16, 16, 30, false);
  counts("children[4]", 13, 14, 24, false);
  counts("layer1[0]", 6, 7, 12, false);
  counts("conv1..maxpool", 4, 4, 6, false);
  counts("all except fc", 66, 68, 120, false);
  counts("layer1 except layer1.0", 6, 7, 12, false);
  counts("/^layer[12]/", 13 + 16, 14 + 16, 24 + 30, false);
  counts("/\\.bias$/", 0, 0, 21, true);
}

static void test_order(void **state) {
  Selection s = resolve(whole, "fc, conv1, layer1.0.add");
  assert_string_equal(whole->nodes.at[s.nodes.at[0]].name, "conv1");
  assert_string_equal(whole->nodes.at[s.nodes.at[1]].name, "layer1.0.add");
  assert_string_equal(whole->nodes.at[s.nodes.at[2]].name, "fc");
  assert_string_equal(whole->params.at[s.params.at[0]].name, "conv1.weight");
  assert_string_equal(whole->params.at[s.params.at[1]].name, "fc.weight");
  s = resolve(whole, "parameters[1:3]");
  assert_string_equal(whole->params.at[s.params.at[0]].name, "bn1.weight");
  assert_string_equal(whole->params.at[s.params.at[1]].name, "bn1.bias");
}

static Picked units(const Graph *g, const char *text, bool with_cut) {
  Picked p;
  assert_true(select_units(session, g, zoo_scope(session), parse_selector(text), with_cut, session->arena, &p));
  return p;
}

static void test_units(void **state) {
  Picked p = units(whole, "layer?.0.conv1", false);
  assert_int_equal(p.units.count, 4);
  p = units(whole, "layer1, layer1", false); /* none twice */
  assert_int_equal(p.units.count, 1);
  p = units(whole, "/layer4/", false); /* the container, not what is in it */
  assert_int_equal(p.units.count, 1);
  assert_string_equal(p.units.at[0].name, "layer4");
  p = units(whole, "[4]", false); /* a stage that is a container */
  assert_string_equal(whole->modules.at[p.units.at[0].module].name, "layer4");
  p = units(whole, "[0]", false); /* and one that is none */
  assert_int_equal(p.units.at[0].module, NO_ID);
  assert_int_equal(p.units.at[0].nodes.count, 4);
}

static void test_cut_layers(void **state) {
  Picked p = units(sliced, "fc", true);
  assert_int_equal(p.units.count, 1);
  assert_true(p.units.at[0].cut);
  Selection out;
  size_t errors = session->diags.errors;
  assert_false(select_resolve(session, sliced, zoo_scope(session), parse_selector("fc"), false, &out));
  assert_int_equal(session->diags.errors, errors + 1);
  counts("layer2", 16, 16, 30, false);
  assert_int_equal(resolve(sliced, "all").params.count, 60);
}

int main(void) {
  session = test_session();
  whole = test_graph(session, "take resnet18 from random\n");
  sliced = test_graph(session, "take resnet18[0:3] from random\n");
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_order),
                                     cmocka_unit_test(test_units), cmocka_unit_test(test_cut_layers)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_end(session);
  return failed;
}
