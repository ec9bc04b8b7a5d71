/* Globs over dotted names, and that no pattern takes long. */
#include "tests/edit/script.h"
#include "compiler/select/glob.h"
#include <time.h>

static void check(const char *pattern, const char *name, bool fits) {
  Arena *arena = arena_create();
  const char *reason = NULL;
  Glob *glob = glob_compile(arena, pattern, &reason);
  assert_non_null(glob);
  for (int again = 0; again < 2; again++) /* a glob is used for many names */
    if (glob_match(glob, name) != fits) fail_msg("%s %s %s", pattern, fits ? "does not match" : "matches", name);
  arena_destroy(arena);
}

static void test_forms(void **state) {
  static const struct {
    const char *pattern, *name;
    bool fits;
  } cases[] = {
      {"conv1", "conv1", true},
      {"conv1", "conv10", false},
      {"conv?", "conv1", true},
      {"conv?", "conv", false},
      {"conv?", "conv.", false},
      {"layer*", "layer1", true},
      {"layer*", "layer", true},
      {"layer*", "layer1.0", false},
      {"layer*.*.conv?", "layer3.0.conv2", true},
      {"layer*.*.conv?", "layer3.0.0.conv2", false},
      {"*.bn1", "bn1", false},
      {"**.bn1", "bn1", true},
      {"**.bn1", "layer1.0.bn1", true},
      {"**.bn*", "layer1.0.bn2.weight", false},
      {"**.bn1", "layer1.0.xbn1", false},
      {"a.**.z", "a.z", true},
      {"a.**.z", "a.b.c.z", true},
      {"a.**.z", "az", false},
      {"a.**", "a", true},
      {"a.**", "a.b.c", true},
      {"a.**", "ab", false},
      {"**", "", true},
      {"**", "a.b.c", true},
      {"a**", "a.b", true},
      {"{a,b}", "a", true},
      {"{a,b}", "b", true},
      {"{a,b}", "c", false},
      {"{a,b}", "", false},
      {"x{a,bc}y", "xbcy", true},
      {"x{a,bc}y", "xay", true},
      {"x{,a}y", "xy", true},
      {"{a,{b,c}d}", "cd", true},
      {"{a,{b,c}d}", "b", false},
      {"layer{1.0,2.1}.conv1", "layer2.1.conv1", true},
      {"{**.a,b}", "x.y.a", true},
      {"{a.**,b}", "a", true},
      {"", "", true},
      {"", "a", false},
      {"{}", "", true},
      {"a,b", "a,b", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(cases[i].pattern, cases[i].name, cases[i].fits);
}

static void wrong(const char *pattern) {
  Arena *arena = arena_create();
  const char *reason = NULL;
  assert_null(glob_compile(arena, pattern, &reason));
  assert_non_null(reason);
  arena_destroy(arena);
}

static void test_wrong(void **state) {
  char deep[100] = {0}, longer[GLOB_MAX_LENGTH + 2] = {0};
  memset(deep, '{', 20);
  memset(deep + 20, '}', 20);
  memset(longer, 'a', GLOB_MAX_LENGTH + 1);
  wrong("{a");
  wrong("a{b,{c}");
  wrong(deep);
  wrong(longer);
}

/* Patterns that take exponential time where a matcher backtracks or expands braces. */
static void test_time(void **state) {
  char stars[GLOB_MAX_LENGTH + 1] = {0}, braces[GLOB_MAX_LENGTH + 1] = {0}, name[2001] = {0};
  for (int i = 0; i + 2 < GLOB_MAX_LENGTH; i += 2) memcpy(stars + i, "a*", 2);
  for (int i = 0; i + 7 < GLOB_MAX_LENGTH; i += 6) memcpy(braces + i, "{a,aa}", 6);
  strcat(braces, "b");
  memset(name, 'a', 2000);
  name[1999] = 'c';
  clock_t begin = clock();
  check(stars, "b", false);
  check(stars, name, true);
  check(braces, name, false);
  name[1000] = '.';
  check(stars, name, false);
  assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_wrong),
                                     cmocka_unit_test(test_time)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
