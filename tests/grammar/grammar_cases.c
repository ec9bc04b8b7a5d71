/* Parses every cases/NAME.surgery and compares the tree and the messages with cases/NAME.golden.
 *   grammar_cases FOLDER            exit status 1 when one differs; the first differing line is shown
 *   grammar_cases --update FOLDER   rewrites the goldens; read the diff before it is committed */
#include "grammar/ast.h"
#include <dirent.h>
#include <stdlib.h>

static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = NULL;
  size_t size = 0, length = 0;
  for (size_t got = 1; got; length += got) {
    text = realloc(text, (size = length + 65536) + 1);
    got = fread(text + length, 1, size - length, file);
  }
  text[length] = '\0';
  fclose(file);
  return text;
}

/* The tree, then a line of dashes and the messages when there are any. */
static char *outcome(const char *path, const char *name) {
  Arena *arena = arena_create();
  Sources sources = {.arena = arena};
  Diags diags = {.arena = arena, .sources = &sources};
  int source = sources_add_file(&sources, path);
  if (source < 0) fail_environment("%s", path);
  sources.files.at[source].path = name; /* a golden must not depend on where the tree lies */
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  ast_dump(parse(arena, &diags, &sources, (uint32_t)source), out);
  if (diags.all.count) fputs("--------\n", out);
  diag_print_text(&diags, out, false);
  fclose(out);
  arena_destroy(arena);
  return text;
}

static void show_difference(const char *name, const char *golden, const char *got) {
  int line = 1;
  const char *a = golden, *b = got;
  while (*a && *b) {
    size_t x = strcspn(a, "\n"), y = strcspn(b, "\n");
    if (x != y || memcmp(a, b, x) != 0) break;
    a += x + (a[x] != 0), b += y + (b[y] != 0), line++;
  }
  fprintf(stderr, "%s.golden:%d: differs\n  expected: %.*s\n  got:      %.*s\n", name, line, (int)strcspn(a, "\n"), a,
          (int)strcspn(b, "\n"), b);
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv) {
  bool update = argc == 3 && strcmp(argv[1], "--update") == 0;
  const char *folder = argv[argc - 1];
  struct dirent **entries;
  int count = argc < 2 ? -1 : scandir(folder, &entries, NULL, compare_names), cases = 0, failed = 0;
  for (int i = 0; i < count; free(entries[i++])) {
    const char *dot = strrchr(entries[i]->d_name, '.');
    if (!dot || strcmp(dot, ".surgery") != 0) continue;
    int length = (int)(dot - entries[i]->d_name);
    char script[4096], golden[4096], name[512];
    snprintf(script, sizeof script, "%s/%s", folder, entries[i]->d_name);
    snprintf(golden, sizeof golden, "%s/%.*s.golden", folder, length, entries[i]->d_name);
    snprintf(name, sizeof name, "%.*s", length, entries[i]->d_name);
    char *got = outcome(script, entries[i]->d_name), *wanted = read_text(golden);
    cases++;
    if (update) {
      FILE *out = fopen(golden, "wb");
      if (!out || fputs(got, out) == EOF || fclose(out) == EOF) fail_environment("%s", golden);
    } else if (!wanted) {
      fprintf(stderr, "%s.golden is missing\n", name), failed++;
    } else if (strcmp(wanted, got) != 0) {
      show_difference(name, wanted, got), failed++;
    }
    free(got), free(wanted);
  }
  if (count >= 0) free(entries);
  printf("%d cases, %d differ\n", cases, failed);
  return failed || cases == 0;
}
