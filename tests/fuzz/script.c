/* Fuzzing of scripts. PARSE_ONLY: text → tree or messages; without it the whole front end, constants,
 * built-in networks, edits, shapes, as `surgeryc check` runs it, under a bound of steps. No weights are
 * found: the environment that run.sh gives names no folder with any. */
#include "compiler/script/script.h"
#include "compiler/lang/lang.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of the two million steps a script has, so that one run stays in milliseconds. */
enum { STEPS = 20000 };

static void report(Diags *diags) {
  static FILE *null;
  if (!null && !(null = fopen("/dev/null", "w"))) abort();
  diag_print_text(diags, null, true);
}

static void parse_only(Session *s, const uint8_t *data, size_t size) {
  int source = sources_add_text(&s->sources, "script", (const char *)data, size);
  if (source < 0) abort();
  Stmt *script = parse(s->arena, &s->diags, &s->sources, (uint32_t)source);
  static FILE *null;
  if (!null && !(null = fopen("/dev/null", "w"))) abort();
  ast_dump(script, null);
}

/* The built-in networks are parsed once, not for each input: half of the time would go there. */
static void share_zoo(Session *s) {
  static Session *base;
  if (!base) {
    Arena *arena = arena_create();
    base = arena_new(arena, Session);
    base->arena = base->sources.arena = base->diags.arena = arena;
    base->diags.sources = &base->sources;
    zoo_scope(base);
  }
  s->zoo = base->zoo;
  s->sources = base->sources;
  s->sources.arena = s->arena;
  vec_reserve(s->arena, &s->sources.files, s->sources.files.capacity + 1); /* a copy of the list */
}

static void run_whole(Session *s, const uint8_t *data, size_t size) {
  static int fd = -1;
  char path[64];
  if (fd < 0) fd = memfd_create("script", 0);
  if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  share_zoo(s);
  s->steps = MAX_STEPS - STEPS;
  Script script;
  bool good = run_script(s, path, &script);
  if (good != (s->diags.errors == 0)) abort();
  if (script.graph) graph_check(script.graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
#ifdef PARSE_ONLY
  parse_only(s, data, size);
#else
  run_whole(s, data, size);
#endif
  report(&s->diags);
  arena_destroy(arena);
  return 0;
}
