/* Every mistake in cases/: runs `surgeryc check NAME.surgery` and compares what it says with NAME.txt; then reads the
 * same as JSON, and applies each fix in it to a copy of the script, which must compile after that.
 *
 *   messages_test SURGERYC CASES FOLDER [--update|--fixes] [NAME…]
 *
 * FOLDER is a copy of CASES with the weight files that the scripts name; the compiler runs there. --update writes the
 * goldens; read the diff before committing it. --fixes is for scripts of other tests, which have no goldens of their
 * own: only that each fix leaves fewer errors. What a case needs beyond its script stands in its first line:
 *
 *   #! args: -D clases=5     arguments for the compiler
 *   #! then: E0402           after a fix this error comes to light, which the fix cannot cure
 *                            (in the scripts of other tests, on any line: # Then: E0402)
 *   #! advice                a "did you mean" that names no fix
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "runtime/base/recipe.h"

enum { MOST_ARGS = 16 };

typedef struct Text {
  char *at;
  size_t length;
} Text;

typedef struct Case {
  char name[128], file[160];
  char args[256], then[64]; /* of its first line */
  bool advice;
  Text script;
} Case;

static const char *surgeryc, *cases;
static bool update, fixes_only;
static int failures, fixes_applied;

static void fail(const Case *c, const char *what, const char *more) {
  fprintf(stderr, "%s: %s%s%s\n", c->name, what, more ? ":\n" : "", more ? more : "");
  failures++;
}

/* ---- files and processes ---- */

static Text read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  Text text = {NULL, 0};
  if (!file) return text;
  size_t got, capacity = 1 << 16;
  text.at = malloc(capacity + 1);
  while ((got = fread(text.at + text.length, 1, capacity - text.length, file)) > 0) {
    text.length += got;
    if (text.length == capacity) text.at = realloc(text.at, (capacity *= 2) + 1);
  }
  text.at[text.length] = 0;
  fclose(file);
  return text;
}

static void write_file(const char *path, const char *at, size_t length) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(at, 1, length, file) != length || fclose(file) != 0) {
    perror(path);
    exit(1);
  }
}

/* Runs the compiler; what it says on stderr into `said`. Its exit status, or -1 when it crashed. */
static int run(const Case *c, const char *args, bool json, Text *said) {
  char copy[256], *argv[MOST_ARGS + 6], *rest = copy, *word;
  int n = 0;
  argv[n++] = (char *)surgeryc;
  argv[n++] = "check";
  if (json) argv[n++] = "--diagnostics=json";
  snprintf(copy, sizeof copy, "%s", args);
  while (n < MOST_ARGS && (word = strsep(&rest, " ")))
    if (*word) argv[n++] = word;
  argv[n++] = (char *)c->file;
  argv[n] = NULL;
  fflush(stderr);
  pid_t child = fork();
  if (child == 0) {
    if (!freopen("said", "wb", stderr) || !freopen("out", "wb", stdout)) _exit(127);
    execv(surgeryc, argv);
    _exit(127);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) exit(1);
  Text out = read_file("out");
  if (out.length) fail(c, "something on stdout", out.at);
  free(out.at);
  *said = read_file("said");
  return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

/* ---- the messages as JSON ---- */

static bool is_place(const json_t *object, bool may_be_null) {
  static const char *const fields[] = {"line", "column", "end_line", "end_column", "begin", "end"};
  const json_t *file = json_object_get(object, "file");
  if (json_is_null(file)) return may_be_null;
  bool good = json_is_string(file);
  for (size_t i = 0; i < 6; i++) {
    const json_t *value = json_object_get(object, fields[i]);
    good = good && json_is_integer(value) && json_integer_value(value) >= (i < 4 ? 1 : 0);
  }
  return good &&
         json_integer_value(json_object_get(object, "begin")) <= json_integer_value(json_object_get(object, "end"));
}

static bool is_list(const json_t *list, bool places) {
  size_t i;
  json_t *item;
  bool good = json_is_array(list);
  json_array_foreach(list, i, item) {
    good =
        good && (places ? json_is_object(item) && is_place(item, true) && json_is_string(json_object_get(item, "text"))
                        : json_is_string(item));
  }
  return good;
}

static json_t *read_messages(const Case *c, const char *args, int *status) {
  Text said;
  json_error_t error;
  *status = run(c, args, true, &said);
  json_t *all = json_loadb(said.at, said.length, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_array(all)) fail(c, "this is no array of messages", said.at);
  size_t i;
  json_t *d;
  json_array_foreach(all, i, d) {
    bool good = json_is_string(json_object_get(d, "code")) && json_is_string(json_object_get(d, "severity")) &&
                json_is_string(json_object_get(d, "message")) && is_place(d, true) &&
                is_list(json_object_get(d, "labels"), true) && is_list(json_object_get(d, "help"), false) &&
                is_list(json_object_get(d, "notes"), false) && is_list(json_object_get(d, "fixes"), true);
    if (!good) fail(c, "a message lacks a field, or has one of another kind", said.at);
  }
  free(said.at);
  return all;
}

static const char *code_of(const json_t *d) { return json_string_value(json_object_get(d, "code")); }
static bool is_error(const json_t *d) {
  return strcmp(json_string_value(json_object_get(d, "severity")), "error") == 0;
}

/* Errors, but those of the codes in `excused`. */
static size_t count_errors(const json_t *all, const char *excused) {
  size_t i, count = 0;
  json_t *d;
  json_array_foreach(all, i, d) count += is_error(d) && !(*excused && strstr(excused, code_of(d)));
  return count;
}

/* ---- fixes ---- */

/* "did you mean", and "Linear(128, 10)" at the start of a help, promise what a fix must hold. */
static bool promises_fix(const json_t *d) {
  size_t i;
  json_t *help;
  json_array_foreach(json_object_get(d, "help"), i,
                     help) if (strstr(json_string_value(help), "did you mean") ||
                               strncmp(json_string_value(help), "Linear(", 7) == 0) return true;
  return false;
}

static Text apply(Text from, const json_t *fix, size_t shift) {
  const char *text = json_string_value(json_object_get(fix, "text"));
  size_t begin = (size_t)json_integer_value(json_object_get(fix, "begin")) - shift,
         end = (size_t)json_integer_value(json_object_get(fix, "end")) - shift, length = strlen(text);
  Text to = {NULL, from.length - (end - begin) + length};
  if (begin > end || end > from.length) return to;
  to.at = malloc(to.length + 1);
  memcpy(to.at, from.at, begin);
  memcpy(to.at + begin, text, length);
  memcpy(to.at + begin + length, from.at + end, from.length - end);
  to.at[to.length] = 0;
  return to;
}

static void check_fixed(const Case *c, const json_t *all, const json_t *d, const char *args, const char *text) {
  int status;
  json_t *after = read_messages(c, args, &status);
  size_t before = count_errors(all, c->then), left = count_errors(after, c->then);
  bool cured = fixes_only ? left + is_error(d) <= before : left == before - is_error(d);
  if (!cured || status < 0) {
    Text said;
    run(c, args, false, &said);
    fprintf(stderr, "---- fixed:\n%s\n----\n", text);
    fail(c, "the fix does not cure it", said.at);
    free(said.at);
  }
  json_decref(after);
  fixes_applied++;
}

static void try_fix(const Case *c, const json_t *all, const json_t *d, const json_t *fix) {
  const char *file = json_string_value(json_object_get(fix, "file"));
  if (!file) {
    fail(c, "a fix without a place", NULL);
    return;
  }
  if (strcmp(file, "<command line>") == 0) {
    Text fixed = apply((Text){(char *)c->args, strlen(c->args)}, fix, 0);
    if (fixed.at) check_fixed(c, all, d, fixed.at, fixed.at);
    free(fixed.at);
    return;
  }
  Text original = read_file(file), fixed = apply(original, fix, 0);
  if (!fixed.at) {
    fail(c, "a fix outside its file", file);
    return;
  }
  write_file(file, fixed.at, fixed.length);
  check_fixed(c, all, d, c->args, fixed.at);
  write_file(file, original.at, original.length);
  free(original.at);
  free(fixed.at);
}

/* The first fix of each message, all at once, as an editor applies them: fewer errors as well. */
static void try_all_fixes(const Case *c, const json_t *all) {
  enum { MOST = 64 };
  const json_t *fixes[MOST], *fix;
  size_t count = 0, i, k;
  json_t *d;
  json_array_foreach(all, i, d) {
    fix = json_array_get(json_object_get(d, "fixes"), 0);
    const char *file = json_string_value(json_object_get(fix, "file"));
    if (!fix || !file || strcmp(file, c->file) != 0 || !is_error(d) || count == MOST) continue;
    int64_t begin = json_integer_value(json_object_get(fix, "begin"));
    for (k = count++; k > 0 && json_integer_value(json_object_get(fixes[k - 1], "begin")) < begin; k--)
      fixes[k] = fixes[k - 1];
    fixes[k] = fix; /* the last in the file first, so that the places of the others stay */
  }
  if (count < 2) return;
  Text fixed = {strdup(c->script.at), c->script.length};
  int64_t limit = (int64_t)fixed.length;
  for (i = 0; i < count; i++) {
    if (json_integer_value(json_object_get(fixes[i], "end")) > limit) continue; /* over one that is applied */
    Text next = apply(fixed, fixes[i], 0);
    free(fixed.at);
    fixed = next;
    limit = json_integer_value(json_object_get(fixes[i], "begin"));
  }
  write_file(c->file, fixed.at, fixed.length);
  int status;
  json_t *after = read_messages(c, c->args, &status);
  if (count_errors(after, c->then) >= count_errors(all, c->then))
    fail(c, "all fixes together do not cure it", fixed.at);
  write_file(c->file, c->script.at, c->script.length);
  json_decref(after);
  free(fixed.at);
}

static void try_fixes(const Case *c, const json_t *all) {
  size_t i, k;
  json_t *d, *fix;
  json_array_foreach(all, i, d) {
    json_t *fixes = json_object_get(d, "fixes");
    if (promises_fix(d) && json_array_size(fixes) == 0 && !c->advice)
      fail(c, "a suggestion that no fix goes with", code_of(d));
    json_array_foreach(fixes, k, fix) try_fix(c, all, d, fix);
  }
  try_all_fixes(c, all);
}

/* ---- one case ---- */

static void read_case(Case *c, const char *name) {
  memset(c, 0, sizeof *c);
  snprintf(c->name, sizeof c->name, "%s", name);
  snprintf(c->file, sizeof c->file, "%s.surgery", name);
  c->script = read_file(c->file);
  if (!c->script.at) {
    perror(c->file);
    exit(1);
  }
  const char *excused = fixes_only ? strstr(c->script.at, "# Then: ") : NULL;
  if (excused) snprintf(c->then, sizeof c->then, "%.*s", (int)strcspn(excused + 8, "\n"), excused + 8);
  if (fixes_only || strncmp(c->script.at, "#! ", 3) != 0) return;
  const char *at = c->script.at + 3, *end = strchr(at, '\n');
  int length = end ? (int)(end - at) : (int)strlen(at);
  if (strncmp(at, "args: ", 6) == 0) snprintf(c->args, sizeof c->args, "%.*s", length - 6, at + 6);
  else if (strncmp(at, "then: ", 6) == 0) snprintf(c->then, sizeof c->then, "%.*s", length - 6, at + 6);
  else if (strncmp(at, "advice", 6) == 0) c->advice = true;
  else fail(c, "the first line says nothing that is known", NULL);
}

/* In the goldens {schedules} are the names of all rows of train.def, as a message lists them: one more changes none. */
static void fold_names(Text *said, TrainRows rows, int first, const char *word) {
  char names[1000] = "";
  for (int i = first; i < rows.count; i++) {
    if (i > first) strcat(names, ", ");
    strncat(names, rows.at[i].name, sizeof names - strlen(names) - 3);
  }
  char *at = strstr(said->at, names), *rest = at ? at + strlen(names) : NULL;
  if (!at || (*rest != '\n' && *rest)) return;
  memmove(at + strlen(word), rest, strlen(rest) + 1); /* the word is shorter */
  memcpy(at, word, strlen(word));
  said->length -= strlen(names) - strlen(word);
}

static void check_text(const Case *c, Text *said) {
  char path[1024];
  fold_names(said, schedule_rows, 1, "{schedules}");
  fold_names(said, augment_rows, 0, "{augmentations}");
  snprintf(path, sizeof path, "%s/%s.txt", cases, c->name);
  if (update) {
    write_file(path, said->at, said->length);
    return;
  }
  Text golden = read_file(path);
  if (!golden.at || golden.length != said->length || memcmp(golden.at, said->at, said->length) != 0)
    fail(c, "the message is another one now", said->at);
  free(golden.at);
}

/* The text form against its golden. */
static void check_messages(const Case *c, int *status) {
  Text said;
  *status = run(c, c->args, false, &said);
  if (*status != 0 && *status != 1) fail(c, "this is no exit status for a wrong script", said.at);
  if (said.length == 0) fail(c, "no message", NULL);
  if (memchr(said.at, '\033', said.length)) fail(c, "colours where no terminal is", NULL);
  check_text(c, &said);
  free(said.at);
}

static void run_case(const char *name) {
  Case c;
  int status = 0, json_status;
  read_case(&c, name);
  if (!fixes_only) check_messages(&c, &status);
  json_t *all = read_messages(&c, c.args, &json_status);
  if (!fixes_only && json_status != status) fail(&c, "another exit status with --diagnostics=json", NULL);
  if ((count_errors(all, "") > 0) != (json_status == 1)) fail(&c, "errors and exit status do not agree", NULL);
  if (json_is_array(all)) try_fixes(&c, all);
  json_decref(all);
  free(c.script.at);
}
static int is_script(const struct dirent *entry) {
  const char *dot = strrchr(entry->d_name, '.');
  return dot && strcmp(dot, ".surgery") == 0 && strcmp(entry->d_name, "blocks.surgery") != 0;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  surgeryc = argv[1];
  cases = argv[2];
  if (chdir(argv[3]) != 0) {
    perror(argv[3]);
    return 1;
  }
  int first = 4, count = 0;
  if (first < argc && strcmp(argv[first], "--update") == 0) update = true, first++;
  if (first < argc && strcmp(argv[first], "--fixes") == 0) fixes_only = true, first++;
  for (int i = first; i < argc; i++, count++) run_case(argv[i]);
  if (first == argc) {
    struct dirent **scripts;
    int found = scandir(".", &scripts, is_script, alphasort);
    for (int i = 0; i < found; i++, count++) {
      char name[256];
      snprintf(name, sizeof name, "%.*s", (int)(strrchr(scripts[i]->d_name, '.') - scripts[i]->d_name),
               scripts[i]->d_name);
      run_case(name);
      free(scripts[i]);
    }
    free(scripts);
    if (found < (fixes_only ? 1 : 80)) fprintf(stderr, "only %d cases\n", found), failures++;
  }
  printf("%d mistakes, %d fixes applied, %d failures\n", count, fixes_applied, failures);
  return failures != 0;
}
