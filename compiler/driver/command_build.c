/* `surgeryc SCRIPT`: sets the passes up and runs them all. */
#include "compiler/codegen/tune.h"
#include "compiler/driver/show/show.h"
#include "compiler/weights/weights.h"
#include <stdlib.h>
#include <unistd.h>

static EmitKind kind_of(const Options *o) {
  static const struct {
    const char *name, *suffix;
    EmitKind kind;
  } kinds[] = {
      {"exe", NULL, EMIT_EXE},        {"obj", ".o", EMIT_OBJ},    {"static", ".a", EMIT_STATIC},
      {"shared", ".so", EMIT_SHARED}, {"llvm", ".ll", EMIT_LLVM}, {"asm", ".s", EMIT_ASM},
  };
  size_t length = o->output ? strlen(o->output) : 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (o->emit && streq(o->emit, kinds[i].name)) return kinds[i].kind;
    size_t n = kinds[i].suffix ? strlen(kinds[i].suffix) : 0;
    if (!o->emit && n && length > n && streq(o->output + length - n, kinds[i].suffix)) return kinds[i].kind;
  }
  return EMIT_EXE;
}

const char *file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* Without -o: the script's name, with the kind's suffix, in the working directory, as compilers do. */
const char *default_output(Session *s, const Options *o, EmitKind kind) {
  static const char *const suffix[] = {[EMIT_EXE] = "",       [EMIT_OBJ] = ".o",   [EMIT_STATIC] = ".a",
                                       [EMIT_SHARED] = ".so", [EMIT_LLVM] = ".ll", [EMIT_ASM] = ".s"};
  const char *base = file_name(o->script), *dot = strrchr(base, '.');
  size_t length = dot && dot != base ? (size_t)(dot - base) : strlen(base);
  /* A script without a suffix must not be written over by its program. */
  const char *end = kind == EMIT_EXE && !(dot && dot != base) ? ".out" : suffix[kind];
  return arena_printf(s->arena, "%.*s%s", (int)length, base, end);
}

const char *cpu_error(Session *s, const Options *o) {
  const char *wrong = emit_cpu_error(s->arena, o->cpu);
  return wrong || !o->tune ? wrong : tune_cpu_error(s->arena, o->cpu);
}

/* *depfile: the dependency file that is to be written, or NULL. False, said so: it would be the output itself. */
static bool name_depfile(Session *s, const Options *o, const char *output, const char **depfile) {
  *depfile = NULL;
  if (!o->write_depfile) return true;
  const char *path = o->depfile ? o->depfile : arena_printf(s->arena, "%s.d", output);
  if (!o->stop_after) *depfile = path;
  if (!streq(path, output)) return true;
  fprintf(stderr, "surgeryc: %s would be both the output and its dependency file\n", output);
  return false;
}

/* --emit=graph: the edited network's picture in a file, or as Graphviz's text on stdout. */
static ExitStatus build_graph(Compilation *c) {
  const char *output = c->o->output;
  if (output && !drawing_kind(output)) {
    fprintf(stderr, "surgeryc: -o %s: with --emit=graph its suffix is .svg, .dot, .png or .pdf\n", output);
    return EXIT_USAGE;
  }
  if (!output && c->o->write_depfile) {
    fputs("surgeryc: a dependency file is of an output: with --emit=graph it wants -o\n", stderr);
    return EXIT_USAGE;
  }
  const char *depfile;
  if (!name_depfile(c->s, c->o, output, &depfile)) return EXIT_USAGE;
  ExitStatus status = run_passes(c, "edit");
  if (status != EXIT_DONE || !c->script.graph) return status;
  const char *text = dot_text(c->s, &c->script, c->o->script);
  if (output) return write_drawing(c->s, text, output, depfile, c->o->depfile_target);
  fputs(text, stdout);
  return EXIT_DONE;
}

ExitStatus command_build(Session *s, const Options *o) {
  Compilation c = {.s = s, .o = o};
  if (streq(o->emit, "graph") || (!o->emit && drawing_kind(o->output))) return build_graph(&c);
  EmitKind kind = kind_of(o);
  const char *output = o->output ? o->output : default_output(s, o, kind);
  c.emit = (EmitOptions){.output = output,
                         .name = o->name,
                         .kind = kind,
                         .cpu = o->cpu,
                         .opt_level = o->opt_level,
                         .threads = o->threads,
                         .time_passes = o->time_passes,
                         .script_name = file_name(o->script),
                         .weights_path = o->weights_path,
                         .depfile_target = o->depfile_target,
                         .keep_unchanged = o->keep_unchanged,
                         .embed_weights = o->embed_weights};
  if (o->embed_weights && o->weights_path) {
    fputs(
        "surgeryc: --weights-path names a file, and --embed-weights puts the weights into the output: one of the two\n",
        stderr);
    return EXIT_USAGE;
  }
  if (!name_depfile(s, o, output, &c.emit.depfile)) return EXIT_USAGE;
  const char *wrong_cpu = cpu_error(s, o);
  if (wrong_cpu) {
    fprintf(stderr, "surgeryc: %s\n", wrong_cpu);
    return EXIT_USAGE;
  }
  return run_passes(&c, NULL);
}
