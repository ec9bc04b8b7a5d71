/* A graph's drawing: its text through Graphviz's program to a file that appears whole or not at all. Knows nothing of
 * networks. Called by the driver. */
#include "compiler/emit/emit.h"

const char *drawing_kind(const char *path) {
  static const char *const kinds[] = {"svg", "dot", "png", "pdf"};
  const char *dot = path ? strrchr(path, '.') : NULL;
  for (size_t i = 0; dot && i < sizeof kinds / sizeof *kinds; i++)
    if (streq(dot + 1, kinds[i])) return kinds[i];
  return NULL;
}

/* Through Graphviz where the kind is not its own text. */
static ExitStatus draw(Session *s, const char *kind, const char *text, const char *path) {
  size_t count = strlen(text);
  if (!streq(kind, "dot")) {
    const char *argv[] = {"dot", arena_printf(s->arena, "-T%s", kind), NULL};
    text = run_filter(s->arena, argv, text, &count, "drawing the network",
                      "Graphviz (on Debian: apt install graphviz); a .dot file is written without it");
    if (!text) return EXIT_ENVIRONMENT;
  }
  return outfile_whole(s->arena, path, text, count) ? EXIT_DONE : EXIT_ENVIRONMENT;
}

static bool write_dependencies(Session *s, OutFile *file, const char *target) {
  const char *text = depfile_text(s, &target, 1);
  return outfile_write(file, text, strlen(text)) && outfile_commit(file);
}

ExitStatus write_drawing(Session *s, const char *text, const char *path, const char *depfile, const char *target) {
  const char *kind = drawing_kind(path);
  if (!kind) {
    emit_complain("%s: a picture's name ends in .svg, .dot, .png or .pdf", path);
    return EXIT_USAGE;
  }
  if (would_overwrite_input(s, path) || would_overwrite_input(s, depfile)) return EXIT_USAGE;
  OutFile dependencies = OUTFILE_NONE;
  outfile_watch_signals(true);
  bool ready = !depfile || outfile_create(s->arena, &dependencies, depfile);
  ExitStatus status = ready ? draw(s, kind, text, path) : EXIT_ENVIRONMENT;
  if (status == EXIT_DONE && depfile && !write_dependencies(s, &dependencies, target ? target : path))
    status = EXIT_ENVIRONMENT;
  outfile_discard(&dependencies);
  outfile_watch_signals(false);
  return status;
}
