/* Scripts that no person would write: random bytes, ten megabytes, nesting ten thousand deep, selectors made
 * to be slow. Each must get an answer, in time, without a crash. */
#include "tests/edit/script.h"
#include <time.h>

typedef struct Text {
  char *at;
  size_t length, room;
} Text;

static void add(Text *t, const char *more, size_t length) {
  if (t->length + length > t->room) {
    t->room = (t->length + length) * 2;
    t->at = realloc(t->at, t->room);
    assert_non_null(t->at);
  }
  memcpy(t->at + t->length, more, length);
  t->length += length;
}

static void repeat(Text *t, const char *more, size_t times) {
  for (size_t i = 0; i < times; i++) add(t, more, strlen(more));
}

/* Runs it; the number of errors. At most `seconds`, a sanitizer's slowness included. */
static size_t answer(Text *t, double seconds) {
  Session *s = test_session();
  Script script;
  clock_t begin = clock();
  test_run_bytes(s, t->at, t->length, &script);
  double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
  size_t errors = s->diags.errors;
  test_end(s);
  free(t->at);
  *t = (Text){0};
  if (took > seconds) fail_msg("it took %.1f s", took);
  return errors;
}

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static void test_random_bytes(void **state) {
  uint32_t random = 1;
  for (int k = 0; k < 100; k++) {
    Text t = {0};
    for (uint32_t i = 0, n = next_random(&random) % 3000 + 1; i < n; i++) {
      char c = (char)next_random(&random);
      add(&t, &c, 1);
    }
    assert_true(answer(&t, 20) > 0);
  }
}

/* Words of the language in random order: deeper than random bytes come. */
static void test_random_words(void **state) {
  static const char *const words[] = {"take ",
                                      "resnet18",
                                      "lenet",
                                      "[0:2]",
                                      "from random",
                                      "\n",
                                      ";",
                                      "freeze ",
                                      "all ",
                                      "replace ",
                                      "with ",
                                      "Linear(_, 3)",
                                      "remove ",
                                      "fc",
                                      "conv1",
                                      "..",
                                      "layer1",
                                      "every Conv2d",
                                      ", ",
                                      "except ",
                                      "insert ",
                                      "after ",
                                      "before ",
                                      "append ",
                                      "prepend ",
                                      "ReLU()",
                                      "Sequential(",
                                      ")",
                                      "expect ",
                                      "output ",
                                      "(N, 10)",
                                      "children[1:]",
                                      "parameters[:3]",
                                      "head",
                                      "backbone",
                                      "**.bn*",
                                      "/conv/",
                                      "[",
                                      "]",
                                      "{",
                                      "}",
                                      "input image(1, 28, 28) { }",
                                      "train { epochs 1 }",
                                      "rename ",
                                      "to ",
                                      "0",
                                      "x",
                                      "="};
  uint32_t random = 7;
  for (int k = 0; k < 300; k++) {
    Text t = {0};
    if (k % 2) repeat(&t, "take lenet from random\n", 1);
    for (uint32_t i = 0, n = next_random(&random) % 60; i < n; i++) {
      repeat(&t, words[next_random(&random) % (sizeof words / sizeof *words)], 1);
      if (next_random(&random) % 4 == 0) repeat(&t, "\n", 1);
    }
    add(&t, "\n", 1);
    answer(&t, 20);
  }
}

static void test_ten_megabytes(void **state) {
  Text t = {0};
  repeat(&t, "take lenet from random\n", 1);
  repeat(&t, "freeze conv1, conv2\n", 20000);
  repeat(&t, "# a comment that makes the script long, as a generator might write it\n", 140000);
  assert_true(t.length > 9000000);
  assert_int_equal(answer(&t, 60), 0);
  repeat(&t, "x", 10000000);
  assert_true(answer(&t, 60) > 0);
}

static void test_nesting(void **state) {
  Text t = {0};
  repeat(&t, "take lenet from random\nappend ", 1);
  repeat(&t, "Sequential(", 10000);
  repeat(&t, ")", 10000);
  add(&t, "\n", 1);
  assert_true(answer(&t, 20) > 0);
  repeat(&t, "let a = ", 1);
  repeat(&t, "(", 10000);
  assert_true(answer(&t, 20) > 0);
  repeat(&t, "take lenet from random\nfreeze ", 1);
  repeat(&t, "every Conv2d in ", 10000);
  repeat(&t, "all\n", 1);
  assert_true(answer(&t, 20) > 0);
  repeat(&t, "take lenet from random\nfreeze all", 1);
  repeat(&t, " except conv1", 10000);
  assert_true(answer(&t, 20) > 0);
}

static void test_selectors(void **state) {
  Text t = {0};
  repeat(&t, "take resnet18 from random\nfreeze conv1", 1);
  repeat(&t, ", conv1", 100000);
  assert_true(answer(&t, 60) > 0); /* too many parts */
  repeat(&t, "take resnet18 from random\nfreeze conv1", 1);
  repeat(&t, ", layer1", 9000);
  assert_int_equal(answer(&t, 60), 0);
  repeat(&t, "take resnet18 from random\nfreeze ", 1);
  repeat(&t, "*a", 500);
  assert_true(answer(&t, 60) > 0);
  repeat(&t, "take resnet18 from random\nfreeze ", 1);
  repeat(&t, "{a,b,c,d}", 110);
  assert_true(answer(&t, 60) > 0);
  repeat(&t, "take resnet18 from random\nfreeze /", 1);
  repeat(&t, "(a*)*", 100);
  repeat(&t, "b/\nfreeze /(((a{9}){9}){9}){9}/\nfreeze /", 1);
  repeat(&t, "(", 500);
  repeat(&t, "/\n", 1);
  assert_true(answer(&t, 60) > 0);
  repeat(&t, "take resnet18 from random\nfreeze ", 1);
  repeat(&t, "a", 1000000);
  assert_true(answer(&t, 60) > 0);
  repeat(&t, "take resnet18[99999999999999999999] from random\n", 1);
  assert_true(answer(&t, 60) > 0);
  repeat(&t, "take resnet18 from random\nfreeze [-9223372036854775807:9223372036854775807]\n", 1);
  assert_true(answer(&t, 60) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_random_words),
                                     cmocka_unit_test(test_ten_megabytes), cmocka_unit_test(test_nesting),
                                     cmocka_unit_test(test_selectors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
