/* A failure of the compiler ends the work that met it, and not the server: bugs that it finds, the signals of those
 * that it does not, an environment that fails; also one within another. */
#include "compiler/driver/lsp/analysis.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static void meet_bug(void *user) { BUG("planted"); }
static void fail_with_memory(void *user) { fail_environment("planted"); }
static void meet_signal(void *user) { raise(*(int *)user); }
static void do_nothing(void *user) { *(int *)user = 1; }

static int recurse(volatile char *above, int depth) {
  volatile char here[4096];
  here[depth % 4096] = (char)(above[0] + 1);
  return depth < 0 ? 0 : recurse(here, depth + 1) + here[depth % 4096];
}
static void overflow_stack(void *user) {
  char first[1] = {0};
  *(int *)user = recurse(first, 0);
}

static void fails(void (*work)(void *user), void *user, const char *part) {
  const char *why = NULL;
  assert_false(guarded(work, user, &why));
  assert_non_null(why);
  if (!strstr(why, part)) fail_msg("'%s' does not say '%s'", why, part);
}

static void test_failures(void **state) {
  fails(meet_bug, NULL, "this is a bug in surgeryc");
  fails(meet_bug, NULL, "planted");
  fails(fail_with_memory, NULL, "planted");
}

static void test_signals(void **state) {
#if defined(__SANITIZE_ADDRESS__) /* it has the signals */
  (void)meet_signal, (void)overflow_stack;
  skip();
#endif
  guard_signals(); /* cmocka has put its own handlers in their place */
  int number = SIGSEGV, result = 0;
  fails(meet_signal, &number, "signal 11");
  number = SIGABRT;
  fails(meet_signal, &number, "signal 6");
  fails(overflow_stack, &result, "signal 11");
  fails(overflow_stack, &result, "signal 11"); /* and again */
}

static void inner(void *user) {
  const char *why;
  assert_false(guarded(meet_bug, NULL, &why));
  *(int *)user += 1; /* the outer work goes on */
  BUG("outer");
}

static void test_nested(void **state) {
  int count = 0, done = 0;
  const char *why = NULL;
  fails(inner, &count, "outer");
  assert_int_equal(count, 1);
  assert_true(guarded(do_nothing, &done, &why));
  assert_int_equal(done, 1);
}

int main(void) {
  guard_signals();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_failures), cmocka_unit_test(test_signals),
                                     cmocka_unit_test(test_nested)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
