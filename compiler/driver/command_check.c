/* `surgeryc check`: everything that is checked before code is generated, of one script or several; the exit status
 * is the answer. Each script is judged by itself. */
#include "compiler/driver/driver.h"
#include <errno.h>

static ExitStatus check(Session *s, Options *o, const char *script, bool json) {
  if (sources_add_file(&s->sources, script) < 0) { /* the others are checked all the same */
    fprintf(stderr, "surgeryc: %s: %s\n", script, strerror(errno));
    return EXIT_ENVIRONMENT;
  }
  s->dependencies.count = s->diags.errors = s->diags.warnings = 0; /* the one before has been judged */
  o->script = script;
  Compilation c = {.s = s, .o = o, .report_later = json};
  return run_passes(&c, "plan");
}

ExitStatus command_check(Session *s, const Options *o) {
  Options one = *o;                          /* with one script after the other */
  bool json = streq(o->diagnostics, "json"); /* one array for all */
  ExitStatus worst = check(s, &one, o->script, json);
  for (size_t i = 0; i < o->rest.count; i++) {
    ExitStatus status = check(s, &one, o->rest.at[i], json);
    if (status > worst) worst = status;
  }
  if (json) report(s, o);
  return worst;
}
