/* `surgeryc explain`: the page of one message, or the list of all. The pages are rows of base/codes.def. */
#include "compiler/driver/driver.h"

static void list_codes(void) {
  for (int code = 0; code < DIAG_COUNT; code++)
    printf("%s  %s\n", diag_code_name((DiagCode)code), diag_code_title((DiagCode)code));
}

ExitStatus command_explain(Session *s, const Options *o) {
  DiagCode code;
  if (!o->script) {
    list_codes();
    return EXIT_DONE;
  }
  if (!diag_code_parse(o->script, &code)) {
    fprintf(stderr, "surgeryc: there is no message %s; surgeryc explain lists them\n", o->script);
    return EXIT_USAGE;
  }
  printf("%s: %s\n\n%s", diag_code_name(code), diag_code_title(code), diag_code_page(code));
  return EXIT_DONE;
}
