/* Constants: arithmetic as Python's with overflow reported, names, lists, loops, and the limits on all of them. */
#include "front_test.h"

/* Evaluates one expression; false when it is refused. */
static bool value_of(Session *s, const char *text, Const *out) {
  int source = sources_add_text(&s->sources, "test", text, strlen(text));
  Expr *expr = parse_expression(s->arena, &s->diags, &s->sources, (uint32_t)source, 0);
  return expr && eval_const(s, NULL, expr, out);
}

static void integers(void **state) {
  static const struct {
    const char *text;
    int64_t value;
  } cases[] = {{"1 + 2 * 3", 7},
               {"-7 // 2", -4},
               {"-7 % 3", 2},
               {"7 % -3", -2},
               {"(2 - 5) * 4", -12},
               {"12M", 12000000},
               {"3k", 3000},
               {"[4, 5, 6][-1]", 6},
               {"len([1, 2] + [3])", 3},
               {"max(3, 9, 4)", 9},
               {"min([3, 9, 4])", 3},
               {"int(7 / 2)", 3},
               {"[[1, 2], [3]][0][1]", 2},
               {"0 or 5", 5},
               {"3 and 4", 4},
               {"9223372036854775807 - 1", INT64_MAX - 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Session *s = session_create();
    Const c;
    if (!value_of(s, cases[i].text, &c)) fail_msg("%s was refused", cases[i].text);
    if (c.kind != CONST_INT || c.integer != cases[i].value)
      fail_msg("%s gave %lld", cases[i].text, (long long)c.integer);
    arena_destroy(s->arena);
  }
}

static void truths(void **state) {
  static const char *const yes[] = {"1 < 2",         "2 <= 2",           "1 == 1.0",
                                    "\"a\" < \"b\"", "not false",        "[1, [2]] == [1, [2]]",
                                    "1 != 2",        "true and 1 < 2",   "\"a\" + \"b\" == \"ab\"",
                                    "6 / 4 == 1.5",  "Linear == Linear", "Linear != Conv2d"};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
    Session *s = session_create();
    Const c;
    if (!value_of(s, yes[i], &c)) fail_msg("%s was refused", yes[i]);
    if (c.kind != CONST_BOOL || !c.integer) fail_msg("%s is not true", yes[i]);
    arena_destroy(s->arena);
  }
}

static void refusals(void **state) {
  static const Refusal table[] = {
      {"let n = 9223372036854775807 + 1", "E0105", "too large"},
      {"let n = -9223372036854775807 - 2", "E0105", "too large"},
      {"let n = 4611686018427387904 * 2", "E0105", "too large"},
      {"let n = (-9223372036854775807 - 1) // -1", "E0105", "too large"},
      {"let n = 1e308 * 10", "E0105", "finite"},
      {"let n = 1 / 0", "E0106", "division by zero"},
      {"let n = 1 // 0", "E0106", "division by zero"},
      {"let n = 1 % 0", "E0106", "division by zero"},
      {"let n = 1.5 / 0.0", "E0106", "division by zero"},
      {"let n = 1 + \"a\"", "E0104", "an integer and a text"},
      {"let n = -\"a\"", "E0104", "'-' does not work on a text"},
      {"let n = [1] < [2]", "E0104", "a list and a list"},
      {"let n = [1, 2][2]", "E0107", "no element 2 of 2"},
      {"let n = [1, 2][-3]", "E0107", "no element -3 of 2"},
      {"let n = 5[0]", "E0104", "cannot be indexed"},
      {"let n = [1][\"a\"]", "E0104", "must be an integer"},
      {"let width = 3\nlet n = widht", "E0101", "did you mean 'width'"},
      {"let n = len(5)", "E0104", "len() does not work"},
      {"let n = int(\"5\")", "E0104", "int() does not work"},
      {"let n = min([])", "E0104", "of nothing"},
      {"if x > 1 { let y = 1 }", "E0101", "there is no 'x'"},
      {"for i in 5 { let y = 1 }", "E0104", "over a range or a list"},
      {"for i in 0..\"a\" { let y = 1 }", "E0104", "a range runs over integers"},
      {"for a, b in [(1, 2), (1, 2, 3)] { let y = a }", "E0104", "names 2 values"},
  };
  REFUSE_ALL(table);
}

/* None of these may run long, grow without bound or overflow the stack. */
static void hostile(void **state) {
  static const Refusal table[] = {
      {"for i in 0..1000000 { let x = i }", "E0119", "at most 100000"},
      {"for i in -9223372036854775807..9223372036854775807 { let x = i }", "E0119", "at most 100000"},
      {"for i in 0..100000 { for j in 0..100000 { let x = j } }", "E0119", "too much at compile time"},
      {"let s = \"abc\"\nfor i in 0..64 { let s = s + s }", "E0105", "a text of"},
      {"let s = [1]\nfor i in 0..64 { let s = s + s }", "E0119", "too much at compile time"},
      {"let a = [1]\nlet b = [1]\nfor i in 0..40 { let a = [a, a]\nlet b = [b, b] }\nlet same = a == b", "E0126",
       "takes no network"},
      {"let a = [1]\nfor i in 0..90000 { let a = [a] }\nlet n = a + 1", "E0104", "a list and an integer"},
  };
  REFUSE_ALL(table);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(integers), cmocka_unit_test(truths), cmocka_unit_test(refusals),
                                     cmocka_unit_test(hostile)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
