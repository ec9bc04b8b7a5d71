/* The operators' table and the graph's own functions. */
#include "front_test.h"

static const ArgInfo *arg_of(OpId op, const char *name) {
  for (const ArgInfo *arg = op_info(op)->args; arg->name; arg++)
    if (streq(arg->name, name)) return arg;
  return NULL;
}

static void table(void **state) {
  assert_int_equal(op_find("Conv2d", true), OP_Conv2d);
  assert_int_equal(op_find("Conv2d", false), OP_NONE);
  assert_int_equal(op_find("relu", false), OP_relu);
  assert_int_equal(op_find("nix", true), OP_NONE);
  assert_true(arg_of(OP_Conv2d, "in_channels")->hole && !arg_of(OP_Conv2d, "in_channels")->fallback);
  assert_true(!arg_of(OP_Conv2d, "kernel_size")->hole && !arg_of(OP_Conv2d, "kernel_size")->fallback);
  assert_string_equal(arg_of(OP_MaxPool2d, "stride")->fallback, "none");
  assert_string_equal(arg_of(OP_GELU, "approximate")->fallback, "\"none\"");
  assert_int_equal(arg_of(OP_mean, "dim")->offset, offsetof(OpArgs, mean.dim));
  assert_int_equal(arg_of(OP_Softmax, "dim")->offset, offsetof(OpArgs, Softmax.dim));
  assert_int_equal(op_info(OP_cat)->inputs, INPUTS_MANY);
  assert_int_equal(op_info(OP_add)->inputs, 2);
  assert_int_equal(op_info(OP_Dropout)->batch, BATCH_NOISE);
  assert_int_equal(op_info(OP_BatchNorm2d)->batch, BATCH_STATISTICS);
  const ParamInfo *bn = op_info(OP_BatchNorm2d)->params;
  assert_string_equal(bn[4].name, "num_batches_tracked");
  assert_true(bn[4].is_buffer && bn[4].dtype == DTYPE_I64 && bn[4].present_offset == SIZE_MAX);
  assert_int_equal(bn[0].present_offset, offsetof(OpArgs, BatchNorm2d.affine));
  assert_null(bn[5].name);
}

static void names(void **state) {
  Arena *arena = arena_create();
  Graph *g = graph_create(arena, "test");
  ModuleId layer = graph_add_module(g, 0, "layer", "Block", OP_NONE, SPAN_NONE);
  ModuleId conv = graph_add_module(g, layer, "conv", "Conv2d", OP_Conv2d, SPAN_NONE);
  g->modules.at[conv].args.Conv2d.bias = false;
  graph_add_params(g, conv);
  assert_string_equal(g->modules.at[conv].name, "layer.conv");
  assert_int_equal(g->params.count, 1); /* without bias */
  assert_string_equal(g->params.at[0].name, "layer.conv.weight");
  assert_true(module_within(g, conv, layer) && module_within(g, conv, 0) && !module_within(g, layer, conv));
  const char *wanted[] = {"relu", "relu_1", "relu_2", "relu_1_1"};
  const char *asked[] = {"relu", "relu", "relu", "relu_1"};
  for (int i = 0; i < 4; i++) {
    NodeId node = graph_add_node(g, OP_relu, NO_ID, 0, asked[i], SPAN_NONE);
    assert_string_equal(g->nodes.at[node].name, wanted[i]);
  }
  assert_int_equal(graph_find_module(g, "layer.conv"), conv);
  g->modules.at[conv].alive = false;
  assert_int_equal(graph_find_module(g, "layer.conv"), NO_ID);
  assert_int_equal(graph_state_dict(g, arena, true).count, 0);
  arena_destroy(arena);
}

static void shapes(void **state) {
  Arena *arena = arena_create();
  Shape map = {.rank = 3, .dim = {512, 7, 7}}, none = {.rank = -1}, scalar = {.rank = 0};
  assert_string_equal(shape_text(arena, &map), "(N, 512, 7, 7)");
  assert_string_equal(shape_text_plain(arena, &map), "[512, 7, 7]");
  assert_string_equal(shape_text(arena, &none), "(?)");
  assert_string_equal(shape_text(arena, &scalar), "(N,)");
  assert_string_equal(shape_text_plain(arena, &scalar), "[]");
  assert_int_equal(shape_count(&map), 512 * 49);
  assert_int_equal(shape_count(&scalar), 1);
  assert_true(shape_equal(&map, &map) && !shape_equal(&map, &scalar));
  arena_destroy(arena);
}

static void dump(void **state) {
  Run r =
      accepted("model Net() { c = Conv2d(4, 8, (1, 3), bias=false); forward x { return relu(c(x)).mean([2, 3]) } }\n"
               "take Net from random\ninput image(4, 8, 8)\n");
  char *text;
  size_t length;
  FILE *out = open_memstream(&text, &length);
  graph_dump(r.script.graph, out);
  fclose(out);
  const char *lines[] = {
      "input (N, 4, 8, 8)",          "c = Conv2d(input, in_channels=4, out_channels=8, kernel_size=1x3",
      "relu = relu(c) (N, 8, 8, 6)", "mean = mean(relu, dim=[2,3], keepdim=false) (N, 8)",
      "output output = mean",        "parameter c.weight [8, 4, 1, 3]"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    if (!strstr(text, lines[i])) fail_msg("no '%s' in\n%s", lines[i], text);
  free(text);
  run_end(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(names), cmocka_unit_test(shapes),
                                     cmocka_unit_test(dump)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
