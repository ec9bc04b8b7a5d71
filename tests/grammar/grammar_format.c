/* surgeryc fmt's layout.
 *   grammar_format GOLDENS ROOT           every GOLDENS/NAME.surgery formatted is GOLDENS/NAME.golden; every script
 *                                         below ROOT that parses keeps its tree, words and comments, and is not
 *                                         changed a second time
 *   grammar_format --update GOLDENS ROOT  rewrites the goldens; read the diff before it is committed */
#include "grammar/ast.h"
#include <ftw.h>
#include <stdlib.h>

static int scripts, failed;

static void fail(const char *path, const char *what) {
  fprintf(stderr, "%s: %s\n", path, what);
  failed++;
}

/* ---- one text ---- */

static char *tree_of(Arena *arena, const char *text, size_t length) {
  Sources sources = {.arena = arena};
  Diags diags = {.arena = arena, .sources = &sources};
  int source = sources_add_text(&sources, "text", text, length);
  char *dump = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&dump, &size);
  ast_dump(parse(arena, &diags, &sources, (uint32_t)source), out);
  fclose(out);
  if (diags.errors == 0) return dump;
  free(dump);
  return NULL;
}

static const char *format(Arena *arena, const char *text, size_t length, size_t *formatted) {
  Sources sources = {.arena = arena};
  Diags diags = {.arena = arena, .sources = &sources};
  int source = sources_add_text(&sources, "text", text, length);
  return format_script(arena, &diags, &sources, (uint32_t)source, formatted);
}

/* What is not layout: all but blanks, newlines, and the signs that formatting puts between statements. */
static char *substance(Arena *arena, const char *text, size_t length) {
  char *kept = arena_alloc(arena, length + 1), *out = kept;
  for (size_t i = 0; i < length; i++)
    if (text[i] && !strchr(" \t\r\n\f\v;\\", text[i])) *out++ = text[i];
  return kept;
}

/* The comments alone, each on a line of its own. No string of the scripts holds a #, but for what a test checks here.
 */
static char *comments(Arena *arena, const char *text, size_t length) {
  char *kept = arena_alloc(arena, length + 2), *out = kept;
  bool inside = false, quoted = false;
  for (size_t i = 0; i <= length; i++) {
    if (i == length || text[i] == '\n') {
      while (inside && out > kept && strchr(" \t\r", out[-1])) out--;
      if (inside) *out++ = '\n';
      inside = quoted = false;
    }
    if (text[i] == '"' && !inside && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (text[i] == '#' && !quoted) inside = true;
    if (inside) *out++ = text[i];
  }
  return kept;
}

static void check_layout(const char *path, const char *text, size_t length) {
  if (strpbrk(text, "\t\r")) {
    /* only within a comment or a string may one be left */
    for (const char *at = text; (at = strpbrk(at, "\t\r")); at++)
      if (at == text || at[-1] == '\n' || at[1] == '\n') fail(path, "a tab or a carriage return is left");
  }
  if (length && text[length - 1] != '\n') fail(path, "no newline at the end");
  if (length && text[0] == '\n') fail(path, "an empty line at the start");
  if (strstr(text, " \n")) fail(path, "blanks at the end of a line");
  if (strstr(text, "\n\n\n")) fail(path, "two empty lines");
  if (length > 1 && strcmp(text + length - 2, "\n\n") == 0) fail(path, "an empty line at the end");
}

/* False when it does not parse. */
static bool check_script(const char *path, const char *text, size_t length) {
  Arena *arena = arena_create();
  char *tree = tree_of(arena, text, length);
  size_t first = 0, second = 0;
  if (!tree) {
    if (format(arena, text, length, &first)) fail(path, "formatted though it has mistakes");
    arena_destroy(arena);
    return false;
  }
  const char *once = format(arena, text, length, &first), *twice = once ? format(arena, once, first, &second) : NULL;
  if (!once || !twice) {
    fail(path, once ? "cannot be formatted twice" : "cannot be formatted");
  } else {
    char *after = tree_of(arena, once, first);
    if (!after || strcmp(tree, after) != 0) fail(path, "another tree");
    if (first != second || memcmp(once, twice, first) != 0) fail(path, "changed a second time");
    size_t mark = length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    bool same_text = strcmp(comments(arena, text + mark, length - mark), comments(arena, once, first)) == 0;
    if (!same_text) fail(path, "another comment");
    if (strlen(substance(arena, text + mark, length - mark)) != strlen(substance(arena, once, first)))
      fail(path, "lost or gained characters");
    check_layout(path, once, first);
    free(after);
  }
  free(tree);
  arena_destroy(arena);
  return true;
}

/* ---- files ---- */

static char *read_text(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = NULL;
  *length = 0;
  for (size_t got = 1; got; *length += got) {
    text = realloc(text, *length + 65536 + 1);
    got = fread(text + *length, 1, 65536, file);
  }
  text[*length] = '\0';
  fclose(file);
  return text;
}

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  const char *base = path + ftw->base;
  if (type == FTW_D && ftw->level > 0 && (strncmp(base, "build", 5) == 0 || *base == '.')) return FTW_SKIP_SUBTREE;
  if (type != FTW_F || !ends_with(path, ".surgery")) return FTW_CONTINUE;
  size_t length;
  char *text = read_text(path, &length);
  if (!text) fail_environment("%s", path);
  scripts += check_script(path, text, length);
  free(text);
  return FTW_CONTINUE;
}

static bool update;
static int goldens;

static void check_golden(const char *path, const char *text, size_t length) {
  Arena *arena = arena_create();
  char golden[4096];
  size_t got_length = 0, wanted_length = 0;
  snprintf(golden, sizeof golden, "%.*s.golden", (int)(strlen(path) - strlen(".surgery")), path);
  const char *got = format(arena, text, length, &got_length);
  char *wanted = update ? NULL : read_text(golden, &wanted_length);
  goldens++;
  if (!got) {
    fail(path, "cannot be formatted");
  } else if (update) {
    FILE *out = fopen(golden, "wb");
    if (!out || fwrite(got, 1, got_length, out) != got_length || fclose(out)) fail_environment("%s", golden);
  } else if (!wanted || wanted_length != got_length || memcmp(wanted, got, got_length) != 0) {
    fail(path, "differs from its golden; it is formatted as");
    fputs(got, stderr);
  }
  free(wanted);
  arena_destroy(arena);
}

static int visit_golden(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  if (type != FTW_F || !ends_with(path, ".surgery")) return FTW_CONTINUE;
  size_t length;
  char *text = read_text(path, &length);
  if (!text) fail_environment("%s", path);
  check_golden(path, text, length);
  free(text);
  return FTW_CONTINUE;
}

int main(int argc, char **argv) {
  update = argc > 1 && strcmp(argv[1], "--update") == 0;
  if (argc - update != 3) return 2;
  nftw(argv[1 + update], visit_golden, 16, FTW_PHYS | FTW_ACTIONRETVAL);
  nftw(argv[2 + update], visit, 16, FTW_PHYS | FTW_ACTIONRETVAL);
  printf("%d goldens, %d scripts, %d failures\n", goldens, scripts, failed);
  return failed || goldens < 3 || scripts < 100;
}
