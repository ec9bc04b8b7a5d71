/* Whole scripts: includes, param and -D, the order of statements, and what a script must have. */
#include "front_test.h"

static void includes(void **state) {
  assert_true(mkdir(test_path("sub"), 0777) == 0 || access(test_path("sub"), F_OK) == 0);
  write_file("sub/inner.surgery", "let width = 6\n");
  write_file("sub/blocks.surgery", "include \"inner.surgery\"\nmodel Net() { a = Conv2d(4, width, 1) }\n");
  Run r = accepted(
      "include \"sub/blocks.surgery\"\ninclude \"sub/inner.surgery\"\ntake Net from random\ninput image(4, 8, 8)\n"
      "expect output (N, 6, 8, 8)\n");
  assert_int_equal(r.s->dependencies.count, 3); /* each file once */
  run_end(&r);
  Session *s = session_create();
  vec_push(s->arena, &s->include_dirs, test_path("sub"));
  r = run_in(s, "include \"blocks.surgery\"\ntake Net from random\ninput image(4, 8, 8)\n");
  if (!r.good) fail_msg("%s", r.messages);
  run_end(&r);
}

static void include_refusals(void **state) {
  write_file("loop_a.surgery", "include \"loop_b.surgery\"\n");
  write_file("loop_b.surgery", "include \"loop_a.surgery\"\n");
  refused("include \"loop_a.surgery\"\n", "E0118", "includes itself");
  refused("include \"test.surgery\"\n", "E0118", "includes itself");
  refused("include \"missing.surgery\"\n", "E0117", "looked for");
  refused("include \".\"\n", "E0117", "cannot be read");
  write_file("broken.surgery", "freze all\n");
  refused("include \"broken.surgery\"\ntake lenet from random\n", "E0001", "broken.surgery:1:1");
  for (int i = 0; i < 60; i++) {
    char name[32], text[64];
    snprintf(name, sizeof name, "deep%d.surgery", i);
    snprintf(text, sizeof text, "include \"deep%d.surgery\"\n", i + 1);
    write_file(name, text);
  }
  refused("include \"deep0.surgery\"\n", "E0118", "more than 50 deep");
}

static Run defined(const char *script, const char *name, const char *value) {
  Session *s = session_create();
  vec_push(s->arena, &s->defines, (NameValue){name, value});
  return run_in(s, script);
}

#define PARAMS                                                                                                         \
  "param classes = 10\nparam rate = 0.5\nparam kind = \"a\"\nparam big = false\n"                                      \
  "if kind == \"b\" { let classes = 7 }\nif big { let classes = 8 }\nif rate == 3.0 { let classes = 9 }\n"             \
  "take mlp(classes) from random\n"

static void defines(void **state) {
  static const struct {
    const char *name, *value;
    int64_t classes;
  } good[] = {{"classes", "12", 12}, {"classes", "2 * 3", 6}, {"kind", "b", 7}, {"kind", "\"b\"", 7},
              {"big", "true", 8},    {"big", "1", 8},         {"rate", "3", 9}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    Run r = defined(PARAMS, good[i].name, good[i].value);
    if (!r.good) fail_msg("-D %s=%s\n%s", good[i].name, good[i].value, r.messages);
    const Shape *out = &r.script.graph->values.at[r.script.graph->outputs.at[0].value].shape;
    assert_int_equal(out->dim[0], good[i].classes);
    run_end(&r);
  }
  static const struct {
    const char *name, *value, *code, *part;
  } bad[] = {{"clases", "12", "E0115", "did you mean 'classes'"},
             {"classes", "\"many\"", "E0116", "the param 'classes' is an integer"},
             {"classes", "1.5", "E0116", "the param 'classes' is an integer"},
             {"classes", "1 +", "error", "-D classes=1 +"},
             {"big", "3", "E0116", "true or false"},
             {"rate", "nix", "E0116", "nix"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    Run r = defined(PARAMS, bad[i].name, bad[i].value);
    if (r.good || !strstr(r.messages, bad[i].code) || !strstr(r.messages, bad[i].part))
      fail_msg("-D %s=%s\n%s", bad[i].name, bad[i].value, r.messages);
    run_end(&r);
  }
}

static void refusals(void **state) {
  static const Refusal table[] = {
      {"", "E0126", "takes no network"},
      {"# nothing\n", "E0126", "take resnet18"},
      {"let a = 1\n", "E0126", "takes no network"},
      {"take lenet from random\ntake lenet from random\n", "E0212", "take"},
      {"conv = Conv2d(3, 8, 3)\n", "E0121", "in a model it declares a layer"},
      {"return 3\n", "E0", "return"},
      {"param a = 1\nparam a = 2\n", "E0114", "the param 'a' is declared twice"},
      {"take lenet from random\nreplace fc3 with Linaer(84, 2)\n", "E0103", "did you mean 'Linear'"},
      {"take lenet from random\nreplace fc3 with Linear(84, 2, baias=false)\n", "E0108", "did you mean 'bias'"},
  };
  REFUSE_ALL(table);
}

/* Independent mistakes are all reported in one run; what follows from one is not. */
static void all_at_once(void **state) {
  Run r = run_text("take lenet from random\nlet a = 1 / 0\nreplace fc3 with Linaer(84, 2)\ntrain { epoch 3 }\n");
  assert_false(r.good);
  assert_int_equal(r.errors, 3);
  run_end(&r);
  r = run_text("take lenett from random\nfreeze all\nreplace fc with Linear(3, 4)\nexpect output (N, 3)\n");
  assert_false(r.good);
  assert_int_equal(r.errors, 1);
  run_end(&r);
  r = run_text("let a 1\ntake lenet from random\nlet b = a\n");
  assert_false(r.good);
  assert_int_equal(r.errors, 1);
  run_end(&r);
}

static void loops_of_edits(void **state) {
  Run r = accepted("take lenet from random\nfor i in 0..3 { append Linear(_, 10 + i) }\nif true { freeze conv1 }\n"
                   "expect output (N, 12)\n");
  run_end(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(includes),    cmocka_unit_test(include_refusals),
                                     cmocka_unit_test(defines),     cmocka_unit_test(refusals),
                                     cmocka_unit_test(all_at_once), cmocka_unit_test(loops_of_edits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
