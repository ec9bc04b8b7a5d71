/* Declared models: layers and their names, loops, conditions, models as arguments, recursion, forwards, stages. */
#include "front_test.h"

#define INPUT "\ninput image(4, 8, 8)\n"

/* The names of all alive nodes in forward order, joined by spaces. */
static const char *node_names(const Run *r) {
  const char *text = "";
  for (size_t i = 0; i < r->script.graph->order.count; i++) {
    const Node *node = &r->script.graph->nodes.at[r->script.graph->order.at[i]];
    if (node->alive) text = arena_printf(r->s->arena, "%s%s%s", text, *text ? " " : "", node->name);
  }
  return text;
}

static const char *state_keys(const Run *r) {
  const char *text = "";
  ParamList params = graph_state_dict(r->script.graph, r->s->arena, true);
  for (size_t i = 0; i < params.count; i++)
    text = arena_printf(r->s->arena, "%s%s%s", text, *text ? " " : "", r->script.graph->params.at[params.at[i]].name);
  return text;
}

typedef struct Shown {
  const char *script, *nodes, *keys;
} Shown;

static void shapes_of_models(void **state) {
  static const Shown table[] = {
      {"model Net() { Conv2d(4, 4, 1); ReLU() }\ntake Net() from random" INPUT, "0 1", "0.weight 0.bias"},
      {"model Net() { a = ReLU(); Conv2d(4, 4, 1, bias=false) }\ntake Net() from random" INPUT, "a 1", "1.weight"},
      {"model Net() { for i in 0..3 { \"conv{i}\" = Conv2d(4, 4, 1, bias=false) } }\ntake Net from random" INPUT,
       "conv0 conv1 conv2", "conv0.weight conv1.weight conv2.weight"},
      {"model Net() { for a, b in [(1, 2), (3, 4)] { \"x{a}_{b + 1}\" = ReLU() } }\ntake Net from random" INPUT,
       "x1_3 x3_5", ""},
      {"model Net() { let c = 4; for w in [5, 6] { Conv2d(c, w, 1, bias=false); let c = w } }\ntake Net from "
       "random" INPUT,
       "0 1", "0.weight 1.weight"},
      {"take Sequential(pool = AdaptiveAvgPool2d(1), Flatten(), Linear(_, 2, bias=false)) from random" INPUT,
       "pool 1 2", "2.weight"},
      {"model B(c) { conv = Conv2d(c, c, 1, bias=false) }\nmodel Net(block, n) { for i in 0..n { block(4) } }\n"
       "take Net(B, 2) from random" INPUT,
       "0.conv 1.conv", "0.conv.weight 1.conv.weight"},
      {"model Net(act) { a = act; b = act }\ntake Net(LeakyReLU(0.5)) from random" INPUT, "a b", ""},
      {"model Net(act) { a = act(); b = act(true) }\ntake Net(ReLU) from random" INPUT, "a b", ""},
      {"model Net() { let w = 4; let c = Conv2d(w, 6, 1, bias=false); let w = 9; a = c }\ntake Net from random" INPUT,
       "a", "a.weight"},
      {"model Base(c, k = c // 2) { a = Conv2d(4, k, 1, bias=false) }\nmodel Net(n = 8) = Base(n)\ntake Net from "
       "random" INPUT,
       "a", "a.weight"},
      {"model Net() { act = ReLU(); forward x { return act(act(act(x))) } }\ntake Net from random" INPUT,
       "act act_1 act_2", ""},
      {"model Net() { forward x { y = relu(x); return relu(y + x) } }\ntake Net from random" INPUT, "relu add relu_1",
       ""},
      {"model B() { forward x { return relu(x) + x } }\nmodel Net() { b = B(); forward x { return b(b(x)) } }\ntake "
       "Net from random" INPUT,
       "b.relu b.add b.relu_1 b.add_1", ""},
      {"model B() { forward x, y { return x + y } }\nmodel Net() { b = B(); forward x { return b(x, relu(x)) } }\ntake "
       "Net from random" INPUT,
       "relu b.add", ""},
      {"model Net(extra) { a = ReLU(); if extra { down = ReLU() }\n forward x { x = a(x)\n if down { x = down(x) }\n "
       "return x } }\n"
       "take Net(true) from random" INPUT,
       "a down", ""},
      {"model Net(extra) { a = ReLU(); if extra { down = ReLU() }\n forward x { x = a(x)\n if down { x = down(x) }\n "
       "return x } }\n"
       "take Net(false) from random" INPUT,
       "a", ""},
      {"model Net() { layers = Sequential(ReLU(), Tanh()); forward x { return layers.1(layers[0](x)) } }\ntake Net "
       "from random" INPUT,
       "layers.0 layers.1", ""},
      {"model Net() { forward x { ys = [x, relu(x)]\n return flatten(cat(ys, 1), 1) } }\ntake Net from random" INPUT,
       "relu cat flatten", ""},
      {"model Net() { forward x { for i in 0..3 { x = relu(x) }\n return x.mean([2, 3]) } }\ntake Net from "
       "random" INPUT,
       "relu relu_1 relu_2 mean", ""},
      {"model Net(s) { forward x { let t = 2 * s; x *= s; x = t * x + -x\n return mul(x / 4, -1).mul(3) } }\ntake "
       "Net(0.5) from random" INPUT,
       "mul mul_1 neg add truediv mul_2 mul_3", ""},
      {"model Tree(n) { a = ReLU(); if n > 0 { next = Tree(n - 1) } }\ntake Tree(2) from random" INPUT,
       "a next.a next.next.a", ""},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    Run r = accepted(table[i].script);
    if (strcmp(node_names(&r), table[i].nodes) != 0 || strcmp(state_keys(&r), table[i].keys) != 0)
      fail_msg("%s\nnodes '%s', keys '%s'", table[i].script, node_names(&r), state_keys(&r));
    graph_check(r.script.graph);
    run_end(&r);
  }
}

static void refusals(void **state) {
  static const Refusal table[] = {
      {"take Nett() from random\nmodel Net() { a = ReLU() }", "E0102", "there is no network 'Nett'"},
      {"take resnet81 from random", "E0102", "did you mean 'resnet"},
      {"take ReLU() from random", "E0128", "is a layer, not a network"},
      {"take \"model.onnx\"", "E0401", "model.onnx"},
      {"model Net() { }\ntake Net from random", "E0128", "no layers"},
      {"model Net() { a = ReLU(); a = ReLU() }\ntake Net from random", "E0114", "'a' is declared twice"},
      {"model Net() { a = ReLU() }\nmodel Net() { a = ReLU() }", "E0114", "the model 'Net' is declared twice"},
      {"model Net() { \"a.{1}\" = ReLU() }\ntake Net from random", "E0124", "'a.1' cannot name a layer"},
      {"model Net() { \"a{1\" = ReLU() }\ntake Net from random", "E0124", "a '}' is missing"},
      {"model Net() { \"a{[1]}\" = ReLU() }\ntake Net from random", "E0124", "made of a list"},
      {"model Net() { a = ReLU(); freeze all }\ntake Net from random", "E0121", "'freeze' is not allowed in a model"},
      {"model Net() { forward x { return x + 1 } }\ntake Net from random", "E0104",
       "a value of the network and an integer"},
      {"model Net() { forward x { return x - x } }\ntake Net from random", "E0104",
       "the difference of two values is written a + -b"},
      {"model Net() { forward x { return 1 - x } }\ntake Net from random", "E0104", "only two values can be added"},
      {"model Net() { forward x { return x * x } }\ntake Net from random", "E0104", "two values can only be added"},
      {"model Net() { forward x { return 2 / x } }\ntake Net from random", "E0104",
       "multiplied or divided by a number"},
      {"model Net() { forward x { return x * true } }\ntake Net from random", "E0104",
       "a value of the network and true or false"},
      {"model Net() { forward x { return x / 0 } }\ntake Net from random", "E0106",
       "a value of the network / 0: division by zero"},
      {"model Net(s) { forward x { return x / s } }\ntake Net(0.0) from random", "E0106", "division by zero"},
      {"model Net() { forward x { return x * 1e39 } }\ntake Net from random", "E0105", "multiplying by 1e+39"},
      {"model Net() { forward x { return x / 1e-300 } }\ntake Net from random", "E0105", "dividing by 1e-300"},
      {"model Net() { forward x { return mul(x, 1e39) } }\ntake Net from random", "E0113", "at most 3.40282e+38"},
      {"model Net() { forward x { return mul(x, x) } }\ntake Net from random", "E0112",
       "other must be a number, not a value of the network"},
      {"model Net() { a = ReLU(); forward x { y = a(x) } }\ntake Net from random", "E0123", "returns nothing"},
      {"model Net() { a = ReLU(); forward x { a(x)\n return x } }\ntake Net from random", "E0123", "used nowhere"},
      {"model Net() { a = ReLU(); forward x { return a } }\ntake Net from random", "E0123", "not a layer"},
      {"model Net() { a = ReLU(); forward x { return aa(x) } }\ntake Net from random", "E0103", "did you mean 'a'"},
      {"model Net() { a = ReLU(); forward x { return rleu(x) } }\ntake Net from random", "E0103",
       "did you mean 'relu'"},
      {"model Net() { a = ReLU(); forward x { return ReLU()(x) } }\ntake Net from random", "E0122",
       "it does not make them"},
      {"model Net() { a = ReLU(); forward x { return a(x, x) } }\ntake Net from random", "E0122",
       "takes 1 value, 2 are given"},
      {"model Net() { a = ReLU(); forward x { return a(3) } }\ntake Net from random", "E0122", "not an integer"},
      {"model Net() { a = ReLU(); forward x { return x(a) } }\ntake Net from random", "E0122", "cannot be called"},
      {"model Net() { forward x { return flatten() } }\ntake Net from random", "E0110", "works on 1 value"},
      {"model Net() { forward x { return cat(x, 1) } }\ntake Net from random", "E0122", "a list of values"},
      {"model Net() { forward x { return cat([], 1) } }\ntake Net from random", "E0122", "a list of values"},
      {"model Net() { forward x { return cat([x, 1], 1) } }\ntake Net from random", "E0122", "a list of values"},
      {"model Net() { forward x { return flatten(x, start_dm=1) } }\ntake Net from random", "E0108",
       "did you mean 'start_dim'"},
      {"model Net() { forward x { if x { x = relu(x) }\n return x } }\ntake Net from random", "E0104",
       "not known when the script is compiled"},
      {"model Net() { forward x, y, z { return x + y } }\ntake Net from random", "E0150", "has 3 inputs, x, y and z"},
      {"model Net() { input tensor(4, 4)\n forward x, y { return x + y } }\ntake Net from random", "E0150",
       "has 2 inputs, x and y"},
      {"model Net() { a = Sequential(ReLU()); forward x { return a.1(x) } }\ntake Net from random", "E0101",
       "has no layer '1'"},
      {"model Net() { if false { a = ReLU() }\n forward x { return a(x) } }\ntake Net from random", "E0122",
       "was not built here"},
      {"model B() { a = Conv2d(4, 0, 1) }\nmodel Net() { b = B() }\ntake Net from random", "E0113",
       "while building 'B' here"},
      {"model Net() { a = ReLU(); b = Tanh(); stages b, a }\ntake Net from random" INPUT, "E0125",
       "does not end after"},
      {"model Net() { a = ReLU(); b = Tanh(); stages c }\ntake Net from random" INPUT, "E02", "c"},
  };
  REFUSE_ALL(table);
}

/* Endless or exploding models end with a message, not with the stack or the memory. */
static void hostile(void **state) {
  static const Refusal table[] = {
      {"model Tree(n) { left = Tree(n + 1) }\ntake Tree(0) from random", "E0120", "nested more than 100 deep"},
      {"model A() { b = B() }\nmodel B() { a = A() }\ntake A from random", "E0120", "nested more than 100 deep"},
      {"model A() = B()\nmodel B() = A()\ntake A from random", "E0120", "nested more than 100 deep"},
      {"model Tree(n) { if n > 0 { a = Tree(n - 1); b = Tree(n - 1) } else { ReLU() } }\ntake Tree(60) from random",
       "E0119", "too large"},
      {"model Deep(n) { if n > 0 { a = Deep(n - 1)\n forward x { return a(a(x)) } } else { ReLU() } }\ntake Deep(60) "
       "from random",
       "E0119", "too large"},
      {"model Net() { for i in 0..100000 { ReLU() } }\ntake Net from random", "E0119", "10000 layers"},
      {"model Net() { forward x { for i in 0..100000 { x = relu(x) }\n return x } }\ntake Net from random", "E0119",
       "10000 layers"},
  };
  REFUSE_ALL(table);
}

static void stages(void **state) {
  Run r = accepted("model Net() { a = ReLU(); b = Tanh(); c = ReLU(); d = Flatten(); stages ab = a..b, c }\ntake Net "
                   "from random" INPUT);
  const Graph *g = r.script.graph;
  static const int wanted[] = {0, 0, 1, NO_ID};
  assert_int_equal(g->stages.count, 2);
  assert_string_equal(g->stages.at[0].name, "ab");
  assert_string_equal(g->stages.at[1].name, "c");
  for (size_t i = 0; i < 4; i++) assert_int_equal(g->nodes.at[g->order.at[i]].stage, wanted[i]);
  run_end(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(shapes_of_models), cmocka_unit_test(refusals),
                                     cmocka_unit_test(hostile), cmocka_unit_test(stages)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
