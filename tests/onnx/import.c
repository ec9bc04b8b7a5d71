/* Forms of ONNX files that PyTorch does not write today: flat and missing names, matrices as (in, out),
 * biases as Add, values in typed fields, weights in Constant nodes, older and newer opsets. Each is built
 * here, imported, and its graph compared as text; weights are read back and compared in value. */
#include "tests/onnx/build.h"
#include "compiler/script/script.h"

/* The network without its parameters, as graph_dump() prints it; the caller frees. */
static char *dump(const Imported *i) {
  char *text;
  size_t length;
  FILE *out = open_memstream(&text, &length);
  assert_non_null(out);
  graph_dump(i->graph, out);
  fclose(out);
  return text;
}

/* Each of `lines` must stand in the dump, in that order. */
static Imported imports(Build *b, const char *const *lines) {
  Imported i = import_file(build_write(b, "net.onnx"));
  build_end(b);
  if (!i.graph) fail_msg("refused: %s", i.messages);
  char *text = dump(&i);
  const char *at = text;
  for (; *lines; lines++) {
    at = strstr(at, *lines);
    if (!at) fail_msg("'%s' is not there, or not in its place:\n%s", *lines, text);
    at += strlen(*lines);
  }
  free(text);
  return i;
}
#define IMPORTS(b, ...) imports((b), (const char *const[]){__VA_ARGS__, NULL})

static void expect_values(Imported *i, const char *name, const float *want, int64_t count) {
  int64_t have;
  const float *got = param_values(i, name, &have);
  assert_int_equal(have, count);
  for (int64_t k = 0; k < count; k++)
    if (got[k] != want[k]) fail_msg("%s[%lld] is %g, not %g", name, (long long)k, (double)got[k], (double)want[k]);
}
#define VALUES(i, name, ...)                                                                                           \
  expect_values((i), (name), (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

/* ---- names ---- */

static void flat_names(void **state) { /* PyTorch before 1.13 */
  Build *b = build_begin();
  build_input(b, "input", "1 3 8 8");
  build_output(b, "out", "1 4");
  build_tensor(b, "features.0.weight", "4 3 3 3");
  build_tensor(b, "features.0.bias", "4");
  with_ints(b, build_node(b, "Conv", "Conv_0", "input features.0.weight features.0.bias", "5"), "pads", "1 1 1 1");
  build_node(b, "Relu", "Relu_1", "5", "6");
  build_node(b, "GlobalAveragePool", "GlobalAveragePool_2", "6", "7");
  build_node(b, "Add", "Add_3", "7 7", "8");
  build_node(b, "Flatten", "Flatten_4", "8", "out");
  Imported i = IMPORTS(b, "features.0 = Conv2d(input, ", "padding=1", "Relu_1 = ReLU(features.0",
                       "GlobalAveragePool_2 = AdaptiveAvgPool2d(Relu_1", "Add_3 = add(", "Flatten_4 = Flatten(Add_3",
                       "parameter features.0.weight", "parameter features.0.bias");
  assert_string_equal(i.graph->modules.at[graph_find_module(i.graph, "features")].type, "Sequential");
  assert_int_equal(i.graph->input.kind, INPUT_IMAGE);
  import_end(&i);
}

static void no_names(void **state) {
  Build *b = build_begin();
  build_input(b, "x", "? 6");
  build_output(b, "y", "? 4");
  build_tensor(b, "w1", "5 6");
  build_tensor(b, "w2", "4 5");
  with_int(b, build_node(b, "Gemm", "", "x w1", "a"), "transB", 1);
  build_node(b, "Relu", "", "a", "b");
  build_node(b, "Relu", "", "b", "c");
  with_int(b, build_node(b, "Gemm", "", "c w2", "y"), "transB", 1);
  Imported i = IMPORTS(b, "gemm = Linear(input, in_features=6, out_features=5, bias=false)", "relu = ReLU(gemm",
                       "relu_1 = ReLU(relu", "gemm_1 = Linear(relu_1", "parameter gemm.weight [5, 6]",
                       "parameter gemm_1.weight [4, 5]");
  assert_int_equal(i.graph->input.kind, INPUT_TENSOR);
  import_end(&i);
}

static void odd_names(void **state) { /* of no use as identifiers, or of layers inside layers */
  Build *b = build_begin();
  build_input(b, "x", "1 2 2 2");
  build_output(b, "y", "1 2 2 2");
  build_tensor(b, "a.weight", "2 2 1 1");
  build_tensor(b, "a.b.weight", "2 2 1 1");
  build_tensor(b, "we/ird:0", "2 2 1 1");
  build_node(b, "Conv", "", "x a.weight", "1");
  build_node(b, "Conv", "", "1 a.b.weight", "2");
  build_node(b, "Conv", "model/block 1/Conv2D;x", "2 we/ird:0", "3");
  build_node(b, "Relu", "17", "3", "4");
  build_node(b, "Relu", "1x", "4", "y");
  Imported i = IMPORTS(b, "\na = Conv2d(", "a_b = Conv2d(", "model.block_1 = Conv2d(", "17 = ReLU(", "_1x = ReLU(");
  import_end(&i);
}

static void shared_weight(void **state) { /* one layer where all agrees, two and a warning where it does not */
  Build *b = build_begin();
  build_input(b, "x", "1 2 4 4");
  build_output(b, "y", "1 2 4 4");
  build_tensor(b, "c.weight", "2 2 3 3");
  with_ints(b, build_node(b, "Conv", "", "x c.weight", "1"), "pads", "1 1 1 1");
  with_ints(b, build_node(b, "Conv", "", "1 c.weight", "2"), "pads", "1 1 1 1");
  with_ints(b, with_ints(b, build_node(b, "Conv", "", "2 c.weight", "y"), "pads", "2 2 2 2"), "dilations", "2 2");
  Imported i = IMPORTS(b, "c = Conv2d(input", "c_1 = Conv2d(c,", "c_1_1 = Conv2d(c_1", "parameter c.weight",
                       "parameter c_1.weight");
  assert_non_null(strstr(i.messages, "W0601"));
  assert_int_equal(i.graph->modules.count, 3); /* the root and two layers */
  import_end(&i);
}

/* ---- weights ---- */

static void matrices(void **state) {
  Build *b = build_begin();
  build_input(b, "x", "? 2");
  build_output(b, "y", "? 3");
  build_tensor(b, "w1", "2 3");
  build_tensor(b, "b1", "1 3");
  build_tensor(b, "w2", "3 3");
  build_tensor(b, "b2", "3");
  build_tensor(b, "w3", "3 3");
  build_node(b, "MatMul", "one", "x w1", "1"); /* (in, out), and a bias of shape (1, out) */
  build_node(b, "Add", "plus", "b1 1", "2");
  build_node(b, "Gemm", "two", "2 w2 b2", "3"); /* transB = 0 */
  with_ints(b, build_node(b, "Transpose", "t", "w3", "w3t"), "perm", "1 0");
  build_node(b, "MatMul", "three", "3 w3t", "y"); /* as PyTorch writes a Linear of (N, T, C) without folding */
  Imported i =
      IMPORTS(b, "one = Linear(input, in_features=2, out_features=3, bias=true)", "two = Linear(one, in_features=3",
              "three = Linear(two, in_features=3, out_features=3, bias=false)", "output output = three");
  VALUES(&i, "one.weight", 0, 3, 1, 4, 2, 5);
  VALUES(&i, "one.bias", 0, 1, 2);
  VALUES(&i, "two.weight", 0, 3, 6, 1, 4, 7, 2, 5, 8);
  VALUES(&i, "three.weight", 0, 1, 2, 3, 4, 5, 6, 7, 8);
  import_end(&i);
}

static void bias_behind(void **state) { /* tf2onnx adds a Conv's bias by a node of its own */
  Build *b = build_begin();
  build_input(b, "x", "1 1 2 2");
  build_output(b, "y", "1 2 2 2");
  build_tensor(b, "w", "2 1 1 1");
  build_tensor(b, "b", "1 2 1 1");
  build_node(b, "Conv", "c", "x w", "1");
  build_node(b, "Add", "a", "1 b", "y");
  Imported i = IMPORTS(b, "c = Conv2d(input", "bias=true)", "output output = c");
  VALUES(&i, "c.bias", 0, 1);
  import_end(&i);
}

static void typed_fields(void **state) {
  static float f32[] = {1.5f, -2, 3, 4};
  static double f64[] = {0.25, -8};
  static int32_t half[] = {0x3c00, 0xc000};
  static int64_t shape[] = {0, -1};
  Build *b = build_begin();
  build_input(b, "x", "? 2 1 1");
  build_output(b, "y", "? 2");
  Onnx__TensorProto *w = build_tensor(b, "fc.weight", "2 2"), *bias = build_tensor(b, "fc.bias", "2"),
                    *to = build_tensor(b, "to", "2"), *w2 = build_tensor(b, "gc.bias", "2");
  w->has_raw_data = bias->has_raw_data = to->has_raw_data = w2->has_raw_data = 0;
  w->float_data = f32;
  w->n_float_data = 4;
  bias->data_type = TYPE_DOUBLE;
  bias->double_data = f64;
  bias->n_double_data = 2;
  to->data_type = TYPE_INT64;
  to->int64_data = shape;
  to->n_int64_data = 2;
  w2->data_type = TYPE_HALF;
  w2->int32_data = half;
  w2->n_int32_data = 2;
  build_node(b, "Reshape", "flat", "x to", "1");
  with_int(b, build_node(b, "Gemm", "fc", "1 fc.weight fc.bias", "2"), "transB", 1);
  with_tensor(b, build_node(b, "Constant", "k", "", "w3"), "value", build_values(b, "", TYPE_FLOAT, "2 2"));
  with_int(b, build_node(b, "Gemm", "gc", "2 w3 gc.bias", "y"), "transB", 1); /* a weight in a Constant node */
  Imported i = IMPORTS(b, "flat = Flatten(input, start_dim=1", "fc = Linear(flat", "gc = Linear(fc");
  VALUES(&i, "fc.weight", 1.5f, -2, 3, 4);
  VALUES(&i, "fc.bias", 0.25f, -8);
  VALUES(&i, "gc.bias", 1, -2);
  VALUES(&i, "gc.weight", 0, 1, 2, 3);
  assert_non_null(strstr(i.messages, "N0403"));
  import_end(&i);
}

/* ---- operators in their other forms ---- */

static void paddings(void **state) {
  Build *b = build_begin();
  build_input(b, "x", "1 1 9 9");
  build_output(b, "y", "");
  b->outputs.at[0]->type = NULL; /* the output's shape need not be stated */
  build_tensor(b, "w", "1 1 3 3");
  build_tensor(b, "v", "1 1 3 3");
  build_tensor(b, "u", "1 1 3 3");
  build_ints(b, "pads", "0 0 1 2 0 0 1 2");
  with_text(b, build_node(b, "Conv", "a", "x w", "1"), "auto_pad", "SAME_UPPER");
  with_text(b, build_node(b, "Conv", "b", "1 v", "2"), "auto_pad", "VALID");
  with_text(b, build_node(b, "Pad", "p", "2 pads", "3"), "mode", "constant");
  with_ints(b, build_node(b, "Conv", "c", "3 u", "4"), "pads", "1 0 1 0");
  with_ints(b, build_node(b, "AveragePool", "d", "4", "5"), "kernel_shape", "2 2");
  with_ints(b, with_ints(b, build_node(b, "AveragePool", "e", "5", "6"), "kernel_shape", "2 2"), "pads", "1 1 1 1");
  with_int(
      b,
      with_ints(b, with_ints(b, build_node(b, "AveragePool", "f", "6", "y"), "kernel_shape", "2 2"), "pads", "1 1 1 1"),
      "count_include_pad", 1);
  Imported i = IMPORTS(b, "a = Conv2d(", "padding=1,", "b = Conv2d(", "padding=0,", "c = Conv2d(", "padding=2,",
                       "d = AvgPool2d(c, kernel_size=2, stride=1, padding=0", "e = AvgPool2d(", "padding=1",
                       "count_include_pad=false", "f = AvgPool2d(", "count_include_pad=true");
  import_end(&i);
}

static void small_operators(void **state) {
  Build *b = build_begin();
  build_input(b, "x", "4 2 3 3"); /* a batch of a fixed size is still the batch */
  build_output(b, "y", "4 2");
  build_number(b, "zero", 0);
  build_number(b, "six", 6);
  build_number(b, "ratio", 0.1);
  build_ints(b, "axes", "2 3");
  build_node(b, "Identity", "i", "x", "1");
  build_node(b, "Clip", "c", "1 zero six", "2");
  build_node(b, "Clip", "d", "2 zero", "3");
  build_node(b, "LeakyRelu", "l", "3", "4");
  build_node(b, "Sum", "s", "4 3 2", "5");
  build_node(b, "Dropout", "p", "5 ratio", "6 mask");
  with_int(b, build_node(b, "Cast", "k", "6", "7"), "to", TYPE_FLOAT);
  with_int(b, build_node(b, "Softmax", "m", "7", "8"), "axis", -3);
  with_ints(b, with_int(b, build_node(b, "ReduceMean", "r", "8", "9"), "keepdims", 1), "axes", "-1 -2");
  build_node(b, "Squeeze", "q", "9 axes", "y");
  build_node(b, "NoSuchOperator", "unused", "x", "nobody"); /* what the output does not need is not looked at */
  Imported i = IMPORTS(b, "i = Identity(input", "c = ReLU6(i", "d = ReLU(c", "l = LeakyReLU(d, negative_slope=0.01",
                       "s = add(l, d)", "s_1 = add(s, c)", "p = Dropout(s_1, p=0.1", "m = Softmax(p, dim=1)",
                       "r = mean(m, dim=[3,2], keepdim=true)", "q = Flatten(r");
  import_end(&i);
}

static void newer_opset(void **state) { /* axes as an input, Gelu as an operator */
  Build *b = build_begin();
  b->opset.version = 20;
  build_input(b, "x", "1 2 3 3");
  build_output(b, "y", "1 2");
  build_ints(b, "axes", "2 3");
  with_text(b, build_node(b, "Gelu", "g", "x", "1"), "approximate", "tanh");
  with_int(b, build_node(b, "ReduceMean", "r", "1 axes", "y"), "keepdims", 0);
  Imported i = IMPORTS(b, "g = GELU(input, approximate=\"tanh\")", "r = mean(g, dim=[2,3], keepdim=false) (N, 2)");
  import_end(&i);
}

static void older_opset(void **state) { /* attributes that became inputs later */
  Build *b = build_begin();
  b->opset.version = 8;
  build_input(b, "x", "1 2 3 3");
  build_input(b, "bn.weight", "2"); /* initializers among the inputs */
  build_output(b, "y", "1 18");
  for (int k = 0; k < 4; k++)
    build_tensor(b, (const char *[]){"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}[k], "2");
  with_int(
      b,
      with_float(b, build_node(b, "BatchNormalization", "n", "x bn.weight bn.bias bn.running_mean bn.running_var", "1"),
                 "momentum", 0.99),
      "spatial", 1);
  with_float(b, with_float(b, build_node(b, "Clip", "c", "1", "2"), "min", 0), "max", 6);
  with_float(b, build_node(b, "Dropout", "d", "2", "3"), "ratio", 0.75);
  build_node(b, "Flatten", "f", "3", "4");
  build_node(b, "Softmax", "s", "4", "y"); /* axis 1 by default */
  Imported i = IMPORTS(b, "bn = BatchNorm2d(input, num_features=2, eps=1e-05, momentum=0.01", "c = ReLU6(",
                       "d = Dropout(c, p=0.75", "s = Softmax(f, dim=1)", "buffer bn.running_var",
                       "buffer bn.num_batches_tracked");
  VALUES(&i, "bn.running_var", 0, 1);
  import_end(&i);
}

static void computed_shapes(void **state) { /* x.view(x.size(0), -1) and x.view(-1, 18) */
  Build *b = build_begin();
  build_input(b, "x", "? 2 3 3");
  build_output(b, "y", "? 18");
  build_ints(b, "rest", "-1");
  build_ints(b, "all", "-1 18");
  build_node(b, "Shape", "", "x", "shape");
  with_int(b, build_node(b, "Constant", "", "", "first"), "value_int", 0);
  build_node(b, "Gather", "", "shape first", "n");
  with_ints(b, build_node(b, "Constant", "", "", "axes"), "value_ints", "0");
  build_node(b, "Unsqueeze", "", "n axes", "n1");
  with_int(b, build_node(b, "Concat", "", "n1 rest", "to"), "axis", 0);
  build_node(b, "Reshape", "a", "x to", "1");
  build_node(b, "Reshape", "b", "1 all", "y");
  Imported i = IMPORTS(b, "a = Flatten(input, start_dim=1, end_dim=-1) (N, 18)", "b = Flatten(a");
  import_end(&i);
}

static void gelu_forms(void **state) {
  Build *b = build_begin();
  build_input(b, "x", "? 4");
  build_output(b, "y", "? 4");
  build_number(b, "root", 1.41421356237);
  build_number(b, "inverse", 0.70710678118);
  build_number(b, "one", 1);
  build_number(b, "half", 0.5);
  build_node(b, "Div", "", "x root", "1"); /* x * (1 + erf(x / sqrt 2)) * 0.5 */
  build_node(b, "Erf", "", "1", "2");
  build_node(b, "Add", "", "2 one", "3");
  build_node(b, "Mul", "", "x 3", "4");
  build_node(b, "Mul", "first", "4 half", "z");
  build_node(b, "Mul", "", "z half", "5"); /* (x * 0.5) * (1 + erf(x * sqrt 0.5)) */
  build_node(b, "Mul", "", "inverse z", "6");
  build_node(b, "Erf", "", "6", "7");
  build_node(b, "Add", "", "one 7", "8");
  build_node(b, "Mul", "second", "5 8", "y");
  Imported i = IMPORTS(b, "first = GELU(input, approximate=\"none\")", "second = GELU(first", "output output = second");
  import_end(&i);
}

static void open_sizes(void **state) { /* the script's `input` states them, before the take or behind it */
  Build *b = build_begin();
  build_input(b, "x", "? 3 ? ?");
  build_output(b, "y", "? 3 ? ?");
  build_node(b, "Relu", "r", "x", "y");
  Imported i = import_file(build_write(b, "open.onnx"));
  assert_non_null(i.graph);
  assert_int_equal(i.graph->input.shape.rank, -1);
  import_end(&i);
  static const char *const scripts[] = {"input image(3, 5, 7)\ntake \"open.onnx\"\n",
                                        "take \"open.onnx\"\ninput image(3, 5, 7)\n"};
  for (int k = 0; k < 2; k++) {
    Session s = {.arena = b->arena};
    Script script;
    s.sources.arena = s.diags.arena = b->arena;
    s.diags.sources = &s.sources;
    const char *path = scratch("open.surgery");
    write_bytes(path, scripts[k], strlen(scripts[k]));
    if (!run_script(&s, path, &script)) {
      diag_print_text(&s.diags, stderr, false);
      fail_msg("script %d is refused", k);
    }
    const Shape *out = &script.graph->values.at[script.graph->outputs.at[0].value].shape;
    assert_true(out->rank == 3 && out->dim[1] == 5 && out->dim[2] == 7);
    weights_close(script.graph);
  }
  build_end(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(flat_names),    cmocka_unit_test(no_names),    cmocka_unit_test(odd_names),
      cmocka_unit_test(shared_weight), cmocka_unit_test(matrices),    cmocka_unit_test(bias_behind),
      cmocka_unit_test(typed_fields),  cmocka_unit_test(paddings),    cmocka_unit_test(small_operators),
      cmocka_unit_test(newer_opset),   cmocka_unit_test(older_opset), cmocka_unit_test(computed_shapes),
      cmocka_unit_test(gelu_forms),    cmocka_unit_test(open_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
