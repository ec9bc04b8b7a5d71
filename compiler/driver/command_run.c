/* `surgeryc run`: the script's program, built into the cache unless it is there, in the place of this process.
 * The script is read and checked each time, which takes some hundredths of a second, so that its messages come each
 * time and the cache knows what it depends on. Where the programs are kept is cache.c's business. */
#include "compiler/driver/driver.h"
#include "compiler/driver/cache.h"
#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* Does not return when it succeeds. */
static ExitStatus run_the_program(Session *s, const Options *o, const char *path) {
  VEC(char *) argv = {0};
  vec_push(s->arena, &argv, (char *)path);
  for (size_t i = 0; i < o->rest.count; i++) vec_push(s->arena, &argv, (char *)o->rest.at[i]);
  vec_push(s->arena, &argv, NULL);
  fflush(NULL);
  signal(SIGXFSZ, SIG_DFL); /* main() ignores it for us alone */
  execv(path, argv.at);
  fprintf(stderr, "surgeryc: cannot run '%s': %s\n", path, strerror(errno));
  return EXIT_ENVIRONMENT;
}

/* Under the entry's lock, so that of two that want the same program one builds it. */
static ExitStatus build_entry(Compilation *c, CacheEntry *entry) {
  if (!cache_lock(c->s->arena, entry)) return EXIT_ENVIRONMENT;
  bool there = entry->complete && c->script.graph->saves.count == 0; /* the other one has built it meanwhile */
  ExitStatus status = EXIT_DONE;
  if (there) {
    report(c->s, c->o);
  } else if (!cache_clear(c->s->arena, entry)) {
    status = EXIT_ENVIRONMENT;
  } else {
    c->report_later = false;
    status = run_passes(c, NULL);
    /* what has changed while it was read is built again next time */
    if (status == EXIT_DONE && streq(entry->key, cache_key(c)) && !cache_finish(c->s->arena, entry))
      status = EXIT_ENVIRONMENT;
  }
  cache_unlock(entry);
  return status;
}

ExitStatus command_run(Session *s, const Options *o) {
  if (o->before_dashes > 1) {
    fprintf(stderr, "surgeryc: what is meant for the program stands behind --: surgeryc run %s -- %s\n", o->script,
            o->rest.at[0]);
    return EXIT_USAGE;
  }
  if (o->clear_cache && !cache_remove_all(s->arena)) return EXIT_ENVIRONMENT;
  if (!o->script) return EXIT_DONE; /* --clear-cache alone */
  const char *wrong_cpu = cpu_error(s, o);
  if (wrong_cpu) {
    fprintf(stderr, "surgeryc: %s\n", wrong_cpu);
    return EXIT_USAGE;
  }
  Compilation c = {.s = s, .o = o, .report_later = true};
  ExitStatus status = run_passes(&c, "edit");
  CacheEntry entry = CACHE_ENTRY_NONE;
  const char *name = default_output(s, o, EMIT_EXE);
  if (status == EXIT_DONE && !cache_find(s->arena, &entry, cache_key(&c), name)) status = EXIT_ENVIRONMENT;
  /* the files of a `save` are written whenever the script is built, so it is */
  bool reuse = status == EXIT_DONE && entry.complete && c.script.graph->saves.count == 0;
  if (status != EXIT_DONE || reuse) report(s, o);
  if (status != EXIT_DONE) return status;
  c.emit = (EmitOptions){.output = entry.program,
                         .kind = EMIT_EXE,
                         .cpu = o->cpu,
                         .opt_level = o->opt_level,
                         .script_name = file_name(o->script)};
  if (!reuse) status = build_entry(&c, &entry);
  return status == EXIT_DONE ? run_the_program(s, o, entry.program) : status;
}
