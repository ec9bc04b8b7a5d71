/* `surgeryc SCRIPT`: sets the passes up and runs them all. */
#include "compiler/codegen/tune.h"
#include "compiler/driver/show.h"
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

/* All that a build writes is a target: the output, its header, its weights, the files of saves. */
static bool write_depfile(Compilation *c) {
  VEC(const char *) targets = {0};
  Arena *a = c->s->arena;
  const char *beside[] = {emit_header_path(a, &c->emit), c->emit.weights_file ? weights_beside(c) : NULL};
  vec_push(a, &targets, c->emit.output);
  for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
    if (beside[i]) vec_push(a, &targets, beside[i]);
  for (size_t i = 0; i < c->saves.count; i++) vec_push(a, &targets, c->script.graph->saves.at[i]->path);
  const char *text = depfile_text(c->s, targets.at, targets.count);
  return outfile_write(&c->depfile_out, text, strlen(text)) && outfile_commit(&c->depfile_out);
}

/* The passes under the eye of the signal handler; what they made gets its names only when all have succeeded.
 */
ExitStatus build_whole(Compilation *c) {
  outfile_watch_signals(true);
  bool wanted = c->depfile && !c->o->stop_after;
  ExitStatus status = EXIT_ENVIRONMENT;
  if (!wanted || outfile_create(c->s->arena, &c->depfile_out, c->depfile)) status = run_passes(c, NULL);
  if (c->o->embed_weights) outfile_discard(&c->weights); /* it is in the output */
  if (status == EXIT_DONE && (!outfile_commit(&c->weights) || !commit_saves(c))) status = EXIT_ENVIRONMENT;
  if (status == EXIT_DONE && wanted && !write_depfile(c)) status = EXIT_ENVIRONMENT;
  outfile_discard(&c->weights);
  outfile_discard(&c->depfile_out);
  discard_saves(c);
  outfile_watch_signals(false);
  return status;
}

const char *cpu_error(Session *s, const Options *o) {
  const char *wrong = emit_cpu_error(s->arena, o->cpu);
  return wrong || !o->tune ? wrong : tune_cpu_error(s->arena, o->cpu);
}

/* Sets c->depfile; says so when it would be the output itself. */
static bool name_depfile(Compilation *c, const char *output) {
  if (!c->o->write_depfile) return true;
  c->depfile = c->o->depfile ? c->o->depfile : arena_printf(c->s->arena, "%s.d", output);
  if (!streq(c->depfile, output)) return true;
  fprintf(stderr, "surgeryc: %s would be both the output and its dependency file\n", output);
  return false;
}

/* --emit=graph: the edited network's picture in a file, or as Graphviz's text on stdout. */
static ExitStatus build_graph(Compilation *c) {
  const char *output = c->o->output;
  if (output && !picture_kind(output)) {
    fprintf(stderr, "surgeryc: -o %s: with --emit=graph its suffix is .svg, .dot, .png or .pdf\n", output);
    return EXIT_USAGE;
  }
  if (!output && c->o->write_depfile) {
    fputs("surgeryc: a dependency file is of an output: with --emit=graph it wants -o\n", stderr);
    return EXIT_USAGE;
  }
  if (!name_depfile(c, output)) return EXIT_USAGE;
  ExitStatus status = run_passes(c, "edit");
  if (status != EXIT_DONE || !c->script.graph) return status;
  if (!output) {
    fputs(picture_dot(c->s, &c->script, c->o->script), stdout);
    return EXIT_DONE;
  }
  if (would_overwrite_input(c->s, c->depfile)) return EXIT_USAGE;
  c->emit = (EmitOptions){.output = output, .kind = EMIT_EXE};
  if (c->depfile && !outfile_create(c->s->arena, &c->depfile_out, c->depfile)) return EXIT_ENVIRONMENT;
  status = write_picture(c->s, &c->script, c->o->script, output);
  if (status == EXIT_DONE && c->depfile && !write_depfile(c)) status = EXIT_ENVIRONMENT;
  outfile_discard(&c->depfile_out);
  return status;
}

ExitStatus command_build(Session *s, const Options *o) {
  Compilation c = {.s = s, .o = o, .weights = OUTFILE_NONE, .depfile_out = OUTFILE_NONE};
  if (streq(o->emit, "graph") || (!o->emit && picture_kind(o->output))) return build_graph(&c);
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
                         .weights_path = o->weights_path};
  if (o->embed_weights && o->weights_path) {
    fputs(
        "surgeryc: --weights-path names a file, and --embed-weights puts the weights into the output: one of the two\n",
        stderr);
    return EXIT_USAGE;
  }
  if (!name_depfile(&c, output)) return EXIT_USAGE;
  const char *wrong_cpu = cpu_error(s, o);
  if (wrong_cpu) {
    fprintf(stderr, "surgeryc: %s\n", wrong_cpu);
    return EXIT_USAGE;
  }
  return build_whole(&c);
}
