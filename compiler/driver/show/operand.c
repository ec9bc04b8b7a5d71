/* What the words NAME|SCRIPT|FILE of a command line mean: a network or a weight file. The name of a built-in
 * network comes first, since a program that was built from one often has its name; ./NAME is the file. A file
 * is judged by its content. Weights of networks are not looked at. Called by show and diff. */
#include "compiler/driver/show/show.h"
#include "compiler/weights/weights.h"
#include "runtime/weights/formats.h"
#include <errno.h>
#include <sys/stat.h>

static bool ends_with(const char *text, const char *suffix) {
  size_t n = strlen(text), k = strlen(suffix);
  return n > k && streq(text + n - k, suffix);
}

/* As far as anybody can tell from the first bytes. */
static bool is_text_file(const char *path) {
  char head[4096];
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  size_t have = fread(head, 1, sizeof head, file);
  fclose(file);
  for (size_t i = 0; i < have; i++)
    if ((unsigned char)head[i] < ' ' && !strchr("\t\n\r\f", head[i] ? head[i] : 'x')) return false;
  return true;
}

static ExitStatus open_network(Session *s, const char *given, const char *text, CommandOperand *out) {
  size_t errors = s->diags.errors;
  bool good = text ? run_script_text(s, "<argument>", text, &out->script) : run_script(s, given, &out->script);
  if (out->script.graph) weights_close(out->script.graph); /* of an ONNX file */
  return good && s->diags.errors == errors ? EXIT_DONE : EXIT_WRONG_INPUT;
}

/* The network of an ONNX file where it can be taken, else its tensors. */
static ExitStatus open_onnx(Session *s, const char *given, CommandOperand *out) {
  size_t count = s->diags.all.count, errors = s->diags.errors, warnings = s->diags.warnings;
  if (!strpbrk(given, "\"\\\n") &&
      open_network(s, given, arena_printf(s->arena, "take \"%s\"", given), out) == EXIT_DONE) {
    surgery_weights_close(out->weights);
    out->weights = NULL;
    return EXIT_DONE;
  }
  const char *why = "its name cannot stand in a script", *which = NULL;
  if (s->diags.all.count > count) {
    const Diag *first = s->diags.all.at[count];
    why = first->message;
    if (first->notes.count) which = first->notes.at[0];
  }
  fprintf(stderr, "surgeryc: note: %s: the network cannot be taken, its tensors are shown: %s%s%s\n", given, why,
          which ? ": " : "", which ? which : "");
  s->diags.all.count = count;
  s->diags.errors = errors;
  s->diags.warnings = warnings;
  out->script = (Script){0};
  return EXIT_DONE;
}

static ExitStatus open_file(Session *s, const char *given, CommandOperand *out) {
  surgery_error err = {0};
  if (!ends_with(given, ".surgery")) {
    out->weights = surgery_weights_open(given, &err);
    if (out->weights) {
      vec_push(s->arena, &s->dependencies, given);
      const char *note = surgery_weights_note(out->weights);
      return note && strncmp(note, "onnx", 4) == 0 ? open_onnx(s, given, out) : EXIT_DONE;
    }
    if (err.status == SURGERY_ENVIRONMENT || weights_format_of_name(given) || !is_text_file(given))
      return weights_failed(&err);
  }
  out->is_script = true;
  return open_network(s, given, NULL, out);
}

static bool is_built_in(Session *s, const char *name) { return scope_get(zoo_scope(s), name) != NULL; }

ExitStatus operand_open(Session *s, const char *given, CommandOperand *out) {
  *out = (CommandOperand){.given = given};
  s->no_weights = true;
  struct stat st;
  bool built_in = is_built_in(s, given);
  if (!built_in && stat(given, &st) == 0) {
    if (S_ISDIR(st.st_mode)) fail_environment("%s: %s", given, strerror(EISDIR));
    if (S_ISREG(st.st_mode)) return open_file(s, given, out);
    out->is_script = true;
    return open_network(s, given, NULL, out);
  }
  bool path = !strpbrk(given, "[(\"; ") &&
              (strchr(given, '/') || ends_with(given, ".surgery") || weights_format_of_name(given));
  if (!built_in && path) fail_environment("%s: %s", given, strerror(errno));
  return open_network(s, given, arena_printf(s->arena, "take %s", given), out);
}

void operand_close(CommandOperand *operand) {
  if (operand->weights) surgery_weights_close(operand->weights);
  operand->weights = NULL;
}
