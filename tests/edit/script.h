/* Runs a script that stands in the test itself. Each call uses a session and files of its own. */
#ifndef SURGERY_TEST_SCRIPT_H
#define SURGERY_TEST_SCRIPT_H
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "compiler/weights/weights.h"
#include "compiler/script/script.h"

static inline Session *test_session(void) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  return s;
}

/* False when the script has errors; the graph's invariants are checked in either case. */
static inline bool test_run_bytes(Session *s, const void *text, size_t length, Script *out) {
  char path[] = "script-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  FILE *file = fdopen(fd, "wb");
  assert_int_equal(fwrite(text, 1, length, file), length);
  assert_int_equal(fclose(file), 0);
  bool ok = run_script(s, path, out);
  unlink(path);
  if (out->graph) graph_check(out->graph);
  assert_int_equal(ok, s->diags.errors == 0);
  return ok;
}

static inline bool test_run(Session *s, const char *text, Script *out) {
  return test_run_bytes(s, text, strlen(text), out);
}

static inline Graph *test_graph(Session *s, const char *text) {
  Script script;
  if (!test_run(s, text, &script)) {
    diag_print_text(&s->diags, stderr, false);
    fail_msg("the script has errors");
  }
  return script.graph;
}

static inline void test_end(Session *s) { arena_destroy(s->arena); }
#endif
