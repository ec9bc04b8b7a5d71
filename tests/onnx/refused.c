/* Models that break one rule each, and the code and words that each must get. A row builds on a small good
 * network (conv, relu, flatten, gemm) or on an empty model; the good network itself is imported first. */
#include "tests/onnx/build.h"

typedef struct Case {
  const char *name;
  void (*build)(Build *b);
  const char *code, *part, *other; /* both must be in the messages; other may be NULL */
} Case;

/* x (N, 1, 4, 4) → conv → relu → flatten → gemm → y (N, 3) */
static void good(Build *b) {
  build_input(b, "x", "? 1 4 4");
  build_output(b, "y", "? 3");
  build_tensor(b, "conv.weight", "2 1 3 3");
  build_tensor(b, "conv.bias", "2");
  build_tensor(b, "fc.weight", "3 8");
  build_tensor(b, "fc.bias", "3");
  build_node(b, "Conv", "/conv/Conv", "x conv.weight conv.bias", "1");
  build_node(b, "Relu", "/Relu", "1", "2");
  build_node(b, "Flatten", "/Flatten", "2", "3");
  with_int(b, build_node(b, "Gemm", "/fc/Gemm", "3 fc.weight fc.bias", "y"), "transB", 1);
}

/* One node between x and y. */
static Onnx__NodeProto *one(Build *b, const char *in, const char *type, const char *inputs) {
  build_input(b, "x", in);
  build_output(b, "y", "");
  b->outputs.at[0]->type = NULL;
  return build_node(b, type, "only", inputs, "y");
}

static Onnx__NodeProto *conv(Build *b) {
  build_tensor(b, "w", "2 1 3 3");
  return one(b, "1 1 8 8", "Conv", "x w");
}

/* ---- operators and attributes ---- */

static void unknown_operators(Build *b) {
  good(b);
  b->nodes.at[1]->op_type = "Mish";
  b->nodes.at[2]->op_type = "Einsum";
  build_node(b, "Mish", "/more", "y", "z");
  b->outputs.at[0]->name = "z";
}
static void other_domain(Build *b) {
  good(b);
  b->nodes.at[1]->domain = "com.microsoft";
}
static void bare_erf(Build *b) { one(b, "1 4", "Erf", "x"); }
static void transpose_flow(Build *b) { with_ints(b, one(b, "1 4 4", "Transpose", "x"), "perm", "0 2 1"); }
static void asymmetric(Build *b) { with_ints(b, conv(b), "pads", "0 0 1 1"); }
static void same_upper(Build *b) { with_ints(b, with_text(b, conv(b), "auto_pad", "SAME_UPPER"), "strides", "2 2"); }
static void odd_auto_pad(Build *b) { with_text(b, conv(b), "auto_pad", "MIRROR"); }
static void both_pads(Build *b) { with_ints(b, with_text(b, conv(b), "auto_pad", "SAME_UPPER"), "pads", "1 1 1 1"); }
static void negative_pads(Build *b) { with_ints(b, conv(b), "pads", "-1 -1 -1 -1"); }
static void huge_stride(Build *b) { with_ints(b, conv(b), "strides", "9223372036854775807 1"); }
static void zero_stride(Build *b) { with_ints(b, conv(b), "strides", "0 1"); }
static void three_strides(Build *b) { with_ints(b, conv(b), "strides", "1 1 1"); }
static void many_ints(Build *b) { with_ints(b, conv(b), "pads", "1 1 1 1 1 1 1 1 1 1"); }
static void unknown_attribute(Build *b) { with_int(b, conv(b), "quantum", 1); }
static void attribute_twice(Build *b) { with_int(b, with_int(b, conv(b), "group", 1), "group", 1); }
static void attribute_type(Build *b) { with_float(b, conv(b), "group", 1); }
static void kernel_differs(Build *b) { with_ints(b, conv(b), "kernel_shape", "5 5"); }
static void bad_group(Build *b) { with_int(b, conv(b), "group", 3); }
static void huge_group(Build *b) { with_int(b, conv(b), "group", INT64_MAX); }
static void zero_group(Build *b) { with_int(b, conv(b), "group", 0); }
static void conv_1d(Build *b) {
  build_tensor(b, "w", "2 1 3");
  one(b, "1 1 8", "Conv", "x w");
}
static void no_kernel_shape(Build *b) { one(b, "1 1 8 8", "MaxPool", "x"); }
static void storage_order(Build *b) {
  with_int(b, with_ints(b, one(b, "1 1 8 8", "MaxPool", "x"), "kernel_shape", "2 2"), "storage_order", 1);
}
static void huge_window(Build *b) { with_ints(b, one(b, "1 1 8 8", "MaxPool", "x"), "kernel_shape", "9 9"); }
static void transposed_input(Build *b) {
  good(b);
  with_int(b, b->nodes.at[3], "transA", 1);
}
static void alpha(Build *b) {
  good(b);
  with_float(b, b->nodes.at[3], "alpha", 2);
}
static void nan_alpha(Build *b) { with_float(b, one(b, "1 4", "LeakyRelu", "x"), "alpha", strtod("nan", NULL)); }
static void clip(Build *b) {
  build_number(b, "low", -1);
  build_number(b, "high", 1);
  one(b, "1 4", "Clip", "x low high");
}
static void flatten_axis(Build *b) { with_int(b, one(b, "1 2 3", "Flatten", "x"), "axis", 2); }
static void flatten_all(Build *b) { with_int(b, one(b, "1 2 3", "Flatten", "x"), "axis", 0); }
static void reshape(Build *b) {
  build_ints(b, "to", "0 2 8");
  one(b, "1 4 4", "Reshape", "x to");
}
static void reshape_mixes(Build *b) {
  build_ints(b, "to", "-1 8");
  one(b, "? 4 4", "Reshape", "x to");
}
static void add_constant(Build *b) {
  build_tensor(b, "c", "4");
  one(b, "1 4", "Add", "x c");
}
static void softmax_old(Build *b) {
  b->opset.version = 11;
  with_int(b, one(b, "1 2 3 3", "Softmax", "x"), "axis", 1);
}
static void softmax_batch(Build *b) { with_int(b, one(b, "1 2", "Softmax", "x"), "axis", 0); }
static void softmax_axis(Build *b) { with_int(b, one(b, "1 2", "Softmax", "x"), "axis", 7); }
static void concat_batch(Build *b) { with_int(b, one(b, "1 2", "Concat", "x x"), "axis", 0); }
static void mean_batch(Build *b) { with_ints(b, one(b, "1 2", "ReduceMean", "x"), "axes", "0"); }
static void mean_all(Build *b) { one(b, "1 2", "ReduceMean", "x"); }
static void dropout(Build *b) {
  build_number(b, "p", 1.5);
  one(b, "1 2", "Dropout", "x p");
}
static void pad_then_relu(Build *b) {
  build_ints(b, "pads", "0 0 1 1 0 0 1 1");
  build_input(b, "x", "1 1 4 4");
  build_output(b, "y", "1 1 6 6");
  build_node(b, "Pad", "pad", "x pads", "1");
  build_node(b, "Relu", "relu", "1", "y");
}
static void pad_is_last(Build *b) {
  build_ints(b, "pads", "0 0 1 1 0 0 1 1");
  build_input(b, "x", "1 1 4 4");
  build_output(b, "y", "1 1 6 6");
  build_node(b, "Relu", "relu", "x", "1");
  build_node(b, "Pad", "pad", "1 pads", "y");
}
static void pad_mode(Build *b) {
  build_ints(b, "pads", "0 0 1 1 0 0 1 1");
  with_text(b, one(b, "1 1 4 4", "Pad", "x pads"), "mode", "reflect");
}
static void mask_used(Build *b) {
  build_input(b, "x", "1 4");
  build_output(b, "y", "1 4");
  build_node(b, "Dropout", "drop", "x", "1 mask");
  build_node(b, "Add", "sum", "1 mask", "y");
}
static void too_few_inputs(Build *b) { one(b, "1 4", "MatMul", "x"); }
static void too_many_inputs(Build *b) { one(b, "1 4", "Relu", "x x"); }
static void cast(Build *b) { with_int(b, one(b, "1 4", "Cast", "x"), "to", TYPE_INT64); }
static void constant_text(Build *b) {
  build_input(b, "x", "1 4");
  build_output(b, "y", "1 4");
  with_text(b, build_node(b, "Constant", "k", "", "c"), "value_string", "hello");
  build_node(b, "Reshape", "r", "x c", "y");
}

/* ---- weights ---- */

static void weight_computed(Build *b) {
  good(b);
  b->nodes.at[3]->input[1] = "3";
}
static void weight_integer(Build *b) {
  good(b);
  b->tensors.at[2]->data_type = TYPE_INT32;
}
static void weight_rank(Build *b) {
  good(b);
  b->tensors.at[2]->n_dims = 1;
  b->tensors.at[2]->dims[0] = 24;
}
static void bias_length(Build *b) {
  good(b);
  b->tensors.at[1]->dims[0] = 1;
  b->tensors.at[1]->raw_data.len = 4;
}
static void weight_empty(Build *b) {
  good(b);
  b->tensors.at[0]->dims[0] = 0;
  b->tensors.at[0]->raw_data.len = 0;
}
static void channels(Build *b) {
  good(b);
  b->inputs.at[0]->type->tensor_type->shape->dim[1]->dim_value = 2;
}
static void bn_lengths(Build *b) {
  build_tensor(b, "w", "2");
  build_tensor(b, "m", "3");
  one(b, "1 2 4 4", "BatchNormalization", "x w w m w");
}

/* ---- tensors, as the weights reader sees them ---- */

static void size_too_small(Build *b) {
  good(b);
  b->tensors.at[2]->raw_data.len -= 4;
}
static void size_too_large(Build *b) {
  good(b);
  b->tensors.at[2]->dims[0] = 2;
}
static void size_overflow(Build *b) {
  good(b);
  b->tensors.at[2]->dims[0] = b->tensors.at[2]->dims[1] = INT64_C(1) << 40;
}
static void size_negative(Build *b) {
  good(b);
  b->tensors.at[2]->dims[0] = -3;
}
static void text_tensor(Build *b) {
  good(b);
  b->tensors.at[2]->data_type = TYPE_STRING;
}
static void new_type(Build *b) {
  good(b);
  b->tensors.at[2]->data_type = 99;
}
static void no_type(Build *b) {
  good(b);
  b->tensors.at[2]->has_data_type = 0;
}
static void two_kinds(Build *b) {
  static float values[24];
  good(b);
  b->tensors.at[2]->float_data = values;
  b->tensors.at[2]->n_float_data = 24;
}
static void wrong_field(Build *b) {
  static int64_t values[24];
  good(b);
  b->tensors.at[2]->has_raw_data = 0;
  b->tensors.at[2]->int64_data = values;
  b->tensors.at[2]->n_int64_data = 24;
}
static void too_few_values(Build *b) {
  static int32_t values[23];
  good(b);
  b->tensors.at[2]->has_raw_data = 0;
  b->tensors.at[2]->data_type = TYPE_HALF;
  b->tensors.at[2]->int32_data = values;
  b->tensors.at[2]->n_int32_data = 23;
}
static void too_many_values(Build *b) {
  static int32_t values[25];
  too_few_values(b);
  b->tensors.at[2]->int32_data = values;
  b->tensors.at[2]->n_int32_data = 25;
}
static void value_range(Build *b) {
  static int32_t values[24] = {1, 70000};
  too_few_values(b);
  b->tensors.at[2]->int32_data = values;
  b->tensors.at[2]->n_int32_data = 24;
}
static void tensor_twice(Build *b) {
  good(b);
  b->tensors.at[3]->name = b->tensors.at[2]->name;
}

/* ---- the graph ---- */

static void cycle(Build *b) {
  good(b);
  b->nodes.at[1]->input[0] = "3";
}
static void self_loop(Build *b) {
  good(b);
  b->nodes.at[1]->input[0] = "2";
}
static void missing_initializer(Build *b) {
  good(b);
  b->tensors.count--;
}
static void missing_value(Build *b) {
  good(b);
  b->nodes.at[2]->input[0] = "nowhere";
}
static void given_twice(Build *b) {
  good(b);
  b->nodes.at[2]->output[0] = "1";
}
static void two_inputs(Build *b) {
  good(b);
  build_input(b, "z", "1 4");
}
static void two_inputs_and_operators(Build *b) {
  two_inputs(b);
  b->nodes.at[1]->op_type = "Mish";
}
static void no_input(Build *b) {
  good(b);
  b->inputs.count = 0;
}
static void two_outputs(Build *b) {
  good(b);
  build_output(b, "2", "1 4");
}
static void no_output(Build *b) {
  good(b);
  b->outputs.count = 0;
}
static void unknown_output(Build *b) {
  good(b);
  b->outputs.at[0]->name = "nobody";
}
static void output_is_input(Build *b) {
  good(b);
  b->outputs.at[0]->name = "x";
}
static void output_is_weight(Build *b) {
  good(b);
  b->outputs.at[0]->name = "fc.bias";
}
static void output_shape(Build *b) {
  good(b);
  b->outputs.at[0]->type->tensor_type->shape->dim[1]->dim_value = 4;
}
static void node_without_type(Build *b) {
  good(b);
  b->nodes.at[1]->op_type = NULL;
}
static void node_without_output(Build *b) {
  good(b);
  b->nodes.at[1]->n_output = 0;
}
static void no_graph(Build *b) { b->model.graph = NULL; }
static void old_opset(Build *b) {
  good(b);
  b->opset.version = 6;
}
static void new_opset(Build *b) {
  good(b);
  b->opset.version = 1000;
}
static void no_opset(Build *b) {
  good(b);
  b->opset.domain = "ai.onnx.ml";
}

/* ---- the input ---- */

static void input_tokens(Build *b) {
  good(b);
  b->inputs.at[0]->type->tensor_type->elem_type = TYPE_INT64;
}
static void input_shapeless(Build *b) {
  good(b);
  b->inputs.at[0]->type->tensor_type->shape = NULL;
}
static void input_flat(Build *b) { one(b, "4", "Relu", "x"); }
static void input_deep(Build *b) { one(b, "1 2 2 2 2 2 2 2", "Relu", "x"); }
static void input_huge(Build *b) { one(b, "1 65536 65536 2", "Relu", "x"); }

static const Case cases[] = {
#include "tests/onnx/refused.def"
};

static void test_good(void **state) {
  Build *b = build_begin();
  good(b);
  Imported i = import_file(build_write(b, "good.onnx"));
  if (!i.graph) fail_msg("%s", i.messages);
  assert_string_equal(i.messages, "");
  import_end(&i);
  build_end(b);
}

static void test_refused(void **state) {
  int failures = 0;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const Case *c = &cases[k];
    Build *b = build_begin();
    c->build(b);
    Imported i = import_file(build_write(b, "bad.onnx"));
    bool right = !i.graph && strstr(i.messages, c->code) && strstr(i.messages, c->part) &&
                 (!c->other || strstr(i.messages, c->other));
    if (!right)
      print_error("%s: wanted %s … %s\n  got %s\n", c->name, c->code, c->part, i.graph ? "(accepted)" : i.messages);
    failures += !right;
    import_end(&i);
    build_end(b);
  }
  assert_int_equal(failures, 0);
}

/* Every mistake of a file is reported in one run. */
static void test_several(void **state) {
  Build *b = build_begin();
  good(b);
  with_ints(b, b->nodes.at[0], "strides", "0 0");
  with_int(b, b->nodes.at[3], "transA", 1);
  build_tensor(b, "w", "2 1 3 3");
  with_int(b, build_node(b, "Conv", "second", "x w", "8"), "group", 9);
  build_node(b, "Flatten", "flat", "8", "9");
  with_int(b, build_node(b, "Concat", "join", "y 9", "z"), "axis", 1);
  b->outputs.at[0]->name = "z";
  Imported i = import_file(build_write(b, "bad.onnx"));
  assert_null(i.graph);
  assert_int_equal(i.s->diags.errors, 2); /* the Gemm behind the broken Conv is not judged */
  assert_non_null(strstr(i.messages, "strides must lie"));
  assert_non_null(strstr(i.messages, "group must lie"));
  import_end(&i);
  build_end(b);
}

/* A file of tiny messages must not take memory out of all proportion, nor one of nested ones the stack. */
static void test_hostile(void **state) {
  enum { SIZE = 1 << 22 };
  unsigned char *bytes = calloc(1, SIZE);
  assert_non_null(bytes);
  unsigned char head[] = {0x08, 7, 0x3a, 0, 0, 0, 0}; /* ir_version; a graph over all that follows */
  size_t body = SIZE - sizeof head;
  for (int k = 0; k < 4; k++) head[3 + k] = (unsigned char)((body >> (7 * k) & 127) | (k < 3 ? 128 : 0));
  memcpy(bytes, head, sizeof head);
  for (size_t k = sizeof head; k + 1 < SIZE; k += 2) bytes[k] = 0x0a; /* empty nodes */
  write_bytes(scratch("nodes.onnx"), bytes, SIZE);
  Imported i = import_file(scratch("nodes.onnx"));
  assert_null(i.graph);
  import_end(&i);
  /* Attributes with graphs in them (field 6), each inside the one before. */
  for (size_t at = sizeof head; at + 5 < SIZE; at += 5) {
    size_t left = SIZE - at - 5;
    bytes[at] = 0x32;
    for (int k = 0; k < 4; k++) bytes[at + 1 + k] = (unsigned char)((left >> (7 * k) & 127) | (k < 3 ? 128 : 0));
  }
  write_bytes(scratch("nest.onnx"), bytes, SIZE);
  i = import_file(scratch("nest.onnx"));
  assert_null(i.graph);
  import_end(&i);
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_refused),
                                     cmocka_unit_test(test_several), cmocka_unit_test(test_hostile)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
