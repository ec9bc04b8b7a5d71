/* Arguments of layers and models: every way to get one wrong has its message, and the right ones arrive. */
#include "front_test.h"

#define NET(layer) "model Net() { a = " layer " }\ntake Net() from random\ninput image(4, 32, 32)\n"

static void refusals(void **state) {
  static const Refusal table[] = {
      {NET("Conv2d(4, 4, 3, strid=2)"), "E0108", "did you mean 'stride'"},
      {NET("Conv2d(4, 4, 3, strid=2)"), "E0108", "did you mean 'stride'?"},
      {NET("ReLU(true, 1)"), "E0109", "at most 1 argument"},
      {NET("Sigmoid(1)"), "E0109", "at most 0 arguments"},
      {NET("Conv2d(in_channels=4, 4, 3)"), "E0015", "after a named one"},
      {NET("Conv2d(4)"), "E0110", "'out_channels', 'kernel_size'"},
      {NET("Conv2d(4, 4, 3, out_channels=4)"), "E0111", "'out_channels' twice"},
      {NET("Conv2d(4, 4, 3, stride=1, stride=2)"), "E0016", "'stride' is given twice"},
      {NET("Conv2d(4, 4, \"3\")"), "E0112", "kernel_size must be an integer or two"},
      {NET("Conv2d(4, 4, (3, 3, 3))"), "E0112", "kernel_size must be an integer or two"},
      {NET("Conv2d(4, 4.0, 3)"), "E0112", "'//' divides integers"},
      {NET("Conv2d(4, 8 / 2, 3)"), "E0112", "out_channels must be an integer, not 4"},
      {NET("Conv2d(4, 4, 3, bias=1)"), "E0112", "bias must be true or false"},
      {NET("Conv2d(4, _, 3)"), "E0112", "cannot be inferred"},
      {NET("Conv2d(4, none, 3)"), "E0112", "not none"},
      {NET("MaxPool2d(none)"), "E0112", "not none"},
      {NET("Conv2d(4, 0, 3)"), "E0113", "out_channels must be at least 1, not 0"},
      {NET("Conv2d(4, -4, 3)"), "E0113", "not -4"},
      {NET("Conv2d(4, 4, 0)"), "E0113", "kernel_size must be at least 1, not 0"},
      {NET("Conv2d(4, 4, 3, stride=0)"), "E0113", "stride"},
      {NET("Conv2d(4, 4, 3, padding=-1)"), "E0113", "padding must be at least 0"},
      {NET("Conv2d(4, 3000000000, 3)"), "E0113", "2147483647"},
      {NET("Conv2d(2000000000, 2000000000, 3)"), "E0113", "at most 2^40"},
      {NET("Linear(2000000000, 2000000000)"), "E0113", "at most 2^40"},
      {NET("Conv2d(4, 6, 3, groups=4)"), "E0113", "groups=4 does not divide out_channels=6"},
      {NET("Conv2d(6, 4, 3, groups=4)"), "E0113", "groups=4 does not divide in_channels=6"},
      {NET("Conv2d(4, 4, 3, stride=2, padding=\"same\")"), "E0113", "stride of 1 and an odd kernel"},
      {NET("Conv2d(4, 4, 4, padding=\"same\")"), "E0113", "stride of 1 and an odd kernel"},
      {NET("Conv2d(4, 4, 3, padding=\"some\")"), "E0112", "\"same\" or \"valid\""},
      {NET("Dropout(1.5)"), "E0113", "between 0 and 1, not 1.5"},
      {NET("BatchNorm2d(4, eps=\"a\")"), "E0112", "eps must be a number"},
      {NET("GELU(approximate=\"fast\")"), "E0112", "\"none\" or \"tanh\""},
      {NET("Softmax(dim=9)"), "E0113", "between -8 and 7"},
      {NET("Conv3d(4, 4, 3)"), "E0129", "torch.nn's Conv3d is not in this version"},
      {NET("relu()"), "E0103", "did you mean 'ReLU'?"},
      {NET("3"), "E0122", "not a layer"},
      {"model Net(width) { a = Conv2d(4, width, 3) }\ntake Net() from random\n", "E0110",
       "Net is missing the argument 'width'"},
      {"model Net(width) { a = Conv2d(4, width, 3) }\ntake Net(1, 2) from random\n", "E0109", "Net takes at most 1"},
      {"model Net(width) { a = Conv2d(4, width, 3) }\ntake Net(widht=2) from random\n", "E0108",
       "did you mean 'width'"},
      {"model Net(a, a) { b = ReLU() }\n", "E0114", "two arguments 'a'"},
  };
  REFUSE_ALL(table);
}

static const OpArgs *args_of(const Run *r, const char *name) {
  ModuleId id = graph_find_module(r->script.graph, name);
  assert_int_not_equal(id, NO_ID);
  return &r->script.graph->modules.at[id].args;
}

static void values(void **state) {
  Run r = accepted("model Net() {\n"
                   "  a = Conv2d(4, 8, (3, 5), padding=\"same\", dilation=2, bias=false)\n"
                   "  b = Conv2d(_, 8, kernel_size=1, groups=2)\n"
                   "  c = MaxPool2d(2)\n"
                   "  d = AvgPool2d((2, 4), stride=(1, 2), ceil_mode=true)\n"
                   "  e = LeakyReLU(0.25)\n"
                   "  f = GELU()\n"
                   "}\ntake Net() from random\ninput image(4, 32, 32)\n");
  const OpArgs *a = args_of(&r, "a");
  assert_int_equal(a->Conv2d.kernel_size[0], 3);
  assert_int_equal(a->Conv2d.kernel_size[1], 5);
  assert_int_equal(a->Conv2d.padding[0], 2);
  assert_int_equal(a->Conv2d.padding[1], 4);
  assert_int_equal(a->Conv2d.stride[1], 1);
  assert_false(a->Conv2d.bias);
  assert_true(a->arg_span[1].end > a->arg_span[1].begin); /* where out_channels stands */
  assert_int_equal(a->arg_span[3].end, 0);                /* stride was left out */
  assert_int_equal(args_of(&r, "b")->Conv2d.groups, 2);
  assert_true(args_of(&r, "b")->Conv2d.bias);
  assert_int_equal(args_of(&r, "b")->Conv2d.in_channels, 8); /* inferred */
  assert_int_equal(args_of(&r, "d")->AvgPool2d.kernel_size[1], 4);
  assert_int_equal(args_of(&r, "d")->AvgPool2d.stride[0], 1);
  assert_true(args_of(&r, "d")->AvgPool2d.ceil_mode);
  assert_true(args_of(&r, "d")->AvgPool2d.count_include_pad);
  assert_true(args_of(&r, "e")->LeakyReLU.negative_slope == 0.25);
  assert_string_equal(args_of(&r, "f")->GELU.approximate, "none");
  run_end(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(refusals), cmocka_unit_test(values)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
