/* Globs and regular expressions over dotted names, and that no pattern takes long. */
#include "tests/edit/script.h"
#include "runtime/base/match.h"
#include <time.h>

static void check(const char *pattern, const char *name, bool fits) {
  const char *reason = NULL;
  Pattern *glob = pattern_compile(PATTERN_GLOB, pattern, &reason);
  assert_non_null(glob);
  for (int again = 0; again < 2; again++) /* a glob is used for many names */
    if (pattern_match(glob, name, &reason) != (fits ? MATCH_YES : MATCH_NO))
      fail_msg("%s %s %s", pattern, fits ? "does not match" : "matches", name);
  pattern_free(glob);
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

static void wrong(PatternKind kind, const char *pattern, const char *why) {
  const char *reason = NULL;
  assert_null(pattern_compile(kind, pattern, &reason));
  assert_non_null(reason);
  if (!strstr(reason, why)) fail_msg("'%s' is not in: %s", why, reason);
}

static void test_wrong(void **state) {
  char deep[100] = {0}, longer[GLOB_MAX_LENGTH + 2] = {0};
  memset(deep, '{', 20);
  memset(deep + 20, '}', 20);
  memset(longer, 'a', GLOB_MAX_LENGTH + 1);
  wrong(PATTERN_GLOB, "{a", "a '{' is not closed");
  wrong(PATTERN_GLOB, "a{b,{c}", "a '{' is not closed");
  wrong(PATTERN_GLOB, deep, "nested too deep");
  wrong(PATTERN_GLOB, longer, "longer than 1024");
  wrong(PATTERN_REGEX, "layer[1", "missing terminating ]");
  wrong(PATTERN_REGEX, "((a{99}){99}){99}", "too large");
  wrong(PATTERN_REGEX, "a\\C", "\\C is disabled");
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

/* A regular expression searches, and is stopped where it would take for ever. */
static void test_regex(void **state) {
  static const struct {
    const char *pattern, *name;
    MatchResult result;
  } cases[] = {
      {"conv", "layer1.0.conv1", MATCH_YES},
      {"^conv", "layer1.0.conv1", MATCH_NO},
      {"^fc\\.", "fc.weight", MATCH_YES},
      {"[[:digit:]]$", "layer1", MATCH_YES},
      {"e.*$", "a\ne", MATCH_YES},
      {"a$", "a\n", MATCH_NO},
      {"^.$", "\xc3\xa4", MATCH_YES}, /* characters, not bytes */
      {"b$",
       "\xff"
       "b",
       MATCH_YES}, /* in what is no UTF-8, too */
      {"(a)\\1", "baab", MATCH_YES},
      {"^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", MATCH_FAILED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *reason = NULL;
    Pattern *regex = pattern_compile(PATTERN_REGEX, cases[i].pattern, &reason);
    assert_non_null(regex);
    MatchResult got = pattern_match(regex, cases[i].name, &reason);
    if (got != cases[i].result) fail_msg("/%s/ and '%s': %d", cases[i].pattern, cases[i].name, got);
    if (got == MATCH_FAILED) assert_non_null(strstr(reason, "more than 200000 steps"));
    pattern_free(regex);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_wrong),
                                     cmocka_unit_test(test_time), cmocka_unit_test(test_regex)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
