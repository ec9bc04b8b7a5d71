/* A picture's text through Graphviz's program into a file that appears whole or not at all. Knows nothing of
 * networks. */
#include "compiler/driver/show.h"

const char *picture_kind(const char *path) {
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

ExitStatus write_picture(Session *s, const Script *script, const char *given, const char *path) {
  const char *kind = picture_kind(path);
  if (!kind) {
    fprintf(stderr, "surgeryc: %s: a picture's name ends in .svg, .dot, .png or .pdf\n", path);
    return EXIT_USAGE;
  }
  if (would_overwrite_input(s, path)) return EXIT_USAGE;
  const char *text = picture_dot(s, script, given);
  outfile_watch_signals(true);
  ExitStatus status = draw(s, kind, text, path);
  outfile_watch_signals(false);
  return status;
}
