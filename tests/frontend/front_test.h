/* Shared by the tests of the frontend: a session, scripts from text, and what they reported. */
#ifndef FRONT_TEST_H
#define FRONT_TEST_H
#include "compiler/script/script.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct Run {
  Session *s;
  Script script;
  bool good;
  char *messages; /* everything reported, as text */
  size_t errors;
} Run;

static inline Session *session_create(void) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  return s;
}

static char test_folder_name[] = "/tmp/surgery-front-XXXXXX";

static inline int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at) {
  return remove(path);
}
static inline void remove_test_folder(void) { nftw(test_folder_name, remove_entry, 8, FTW_DEPTH | FTW_PHYS); }

static inline const char *test_folder(void) {
  static bool made;
  if (!made) {
    assert_non_null(mkdtemp(test_folder_name));
    atexit(remove_test_folder);
  }
  made = true;
  return test_folder_name;
}

static inline const char *test_path(const char *name) {
  static char path[4][256];
  static int next;
  char *out = path[next++ % 4];
  snprintf(out, sizeof path[0], "%s/%s", test_folder(), name);
  return out;
}

static inline void write_file(const char *name, const char *text) {
  FILE *f = fopen(test_path(name), "w");
  assert_non_null(f);
  fputs(text, f);
  assert_int_equal(fclose(f), 0);
}

/* Runs a script in a session that may already hold -D and -I. */
static inline Run run_in(Session *s, const char *text) {
  Run r = {.s = s};
  size_t length;
  write_file("test.surgery", text);
  r.good = run_script(s, test_path("test.surgery"), &r.script);
  r.errors = s->diags.errors;
  FILE *out = open_memstream(&r.messages, &length);
  assert_non_null(out);
  diag_print_text(&s->diags, out, false);
  fclose(out);
  return r;
}

static inline Run run_text(const char *text) { return run_in(session_create(), text); }

static inline void run_end(Run *r) {
  free(r->messages);
  arena_destroy(r->s->arena);
}

/* Runs a script that must be refused with this code and this part of the message. */
static inline void refused(const char *script, const char *code, const char *part) {
  Run r = run_text(script);
  if (r.good || !strstr(r.messages, code) || !strstr(r.messages, part))
    fail_msg("script:\n%s\nwanted %s … %s\nbut it was %s:\n%s", script, code, part, r.good ? "accepted" : "refused",
             r.messages);
  run_end(&r);
}

/* Runs a script that must be accepted. */
static inline Run accepted(const char *script) {
  Run r = run_text(script);
  if (!r.good) fail_msg("script:\n%s\nwas refused:\n%s", script, r.messages);
  return r;
}

typedef struct Refusal {
  const char *script, *code, *part;
} Refusal;
#define REFUSE_ALL(table)                                                                                              \
  for (size_t i_ = 0; i_ < sizeof(table) / sizeof *(table); i_++)                                                      \
  refused((table)[i_].script, (table)[i_].code, (table)[i_].part)
#endif
