/* Runs one script of tests/lang/ and compares what the compiler says with what the script's comments expect,
 * on the line they stand on. Usage: lang_test SCRIPT.surgery DATA. The directives, several may stand on a line,
 * each behind its #:
 *
 *   error[E0201]: text    a message of that code on this line whose text contains `text`, which may be left out;
 *   warning[W0201]: text  every message must be expected, and every expected one must come
 *
 *   note[N0201]: text
 *
 *   help: text            the message before it on this line has a help, note or label that contains `text`
 *
 *   output (N, 10)        the whole network: the shape of its first output, or of its input
 *
 *   output low (N, 64)    of the output of that name; `gone` instead of a shape: there is none
 *
 *   input (N, 3, 224, 224)
 *
 *   parameters 5130       elements of all parameters; of those that are trained
 *
 *   trainable 5130
 *
 *   layer fc (N, 10)      what a node's value looks like; `gone` instead of a shape: it is not there
 *
 *   order a b c           the live nodes with these names come in this order, each fed by the one before
 *
 *   values fc.bias [2] 5  numbers of a parameter behind the last edit, from place 2 on (without it, from 0)
 *
 *   weights NAME=FILE     as --weights; @ in FILE stands for the folder of the test's data
 *
 *   folder DIR            as --weights DIR
 *
 *   define NAME=VALUE     as -D
 *
 * A comment that begins with a capital letter is prose. Any other word is an error: no test passes by a slip.
 */
#include "compiler/weights/weights.h"
#include "compiler/script/script.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

typedef struct Expected {
  int line;
  bool diagnostic, seen;
  char code[8];
  const char *text;
} Expected;

typedef struct Test {
  Session s;
  const char *path, *data;
  VEC(Expected) expected;
  int failures;
} Test;

static void fail(Test *t, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void fail(Test *t, int line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s:%d: ", t->path, line);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  t->failures++;
}

/* ---- reading the directives ---- */

static const char *skip_word(const char *text, const char *word) {
  size_t length = strlen(word);
  if (strncmp(text, word, length) != 0 || (text[length] != ' ' && text[length] != 0)) return NULL;
  return text[length] ? text + length + 1 : text + length;
}

static bool read_diagnostic(Test *t, const char *text, int line) {
  static const char *const kinds[] = {"error[", "warning[", "note["};
  for (int i = 0; i < 3; i++) {
    size_t length = strlen(kinds[i]);
    if (strncmp(text, kinds[i], length) != 0) continue;
    const char *end = strchr(text, ']');
    DiagCode code;
    Expected e = {.line = line, .diagnostic = true};
    if (!end || end - text - length >= sizeof e.code) break;
    memcpy(e.code, text + length, (size_t)(end - text) - length);
    if (!diag_code_parse(e.code, &code)) fail(t, line, "there is no code %s", e.code);
    e.text = end[1] == ':' ? end + 2 + (end[2] == ' ') : "";
    vec_push(t->s.arena, &t->expected, e);
    return true;
  }
  return false;
}

static void add_pair(Test *t, const char *text, int line, bool weights) {
  const char *equal = strchr(text, '=');
  if (!equal) {
    fail(t, line, "NAME=VALUE is missing");
    return;
  }
  NameValue pair = {arena_strndup(t->s.arena, text, (size_t)(equal - text)), arena_strdup(t->s.arena, equal + 1)};
  if (weights && equal[1] == '@') pair.value = arena_printf(t->s.arena, "%s%s", t->data, equal + 2);
  if (weights) vec_push(t->s.arena, &t->s.weights, pair);
  else vec_push(t->s.arena, &t->s.defines, pair);
}

static void read_directive(Test *t, const char *text, int line) {
  static const char *const later[] = {"help:",     "output", "input", "parameters",
                                      "trainable", "layer",  "order", "values"};
  const char *rest;
  if (!*text || isupper((unsigned char)*text) || read_diagnostic(t, text, line)) return;
  if ((rest = skip_word(text, "weights"))) {
    add_pair(t, rest, line, true);
    return;
  }
  if ((rest = skip_word(text, "folder"))) {
    vec_push(t->s.arena, &t->s.weights,
             (NameValue){NULL, arena_printf(t->s.arena, "%s%s", t->data, rest + (*rest == '@'))});
    return;
  }
  if ((rest = skip_word(text, "define"))) {
    add_pair(t, rest, line, false);
    return;
  }
  for (size_t i = 0; i < sizeof later / sizeof *later; i++)
    if (skip_word(text, later[i])) {
      vec_push(t->s.arena, &t->expected, (Expected){.line = line, .text = text});
      return;
    }
  fail(t, line, "unknown directive '%s'", text);
}

/* Comments of one line, split at " # "; a # inside quotes is none. */
static void read_line(Test *t, const char *from, const char *end, int line) {
  bool quoted = false;
  const char *hash = from;
  for (; hash < end && (quoted || *hash != '#'); hash++)
    if (*hash == '"') quoted = !quoted;
  while (hash < end) {
    const char *begin = hash + 1, *stop = begin;
    while (stop < end && !(stop[0] == ' ' && stop + 2 < end && stop[1] == '#' && stop[2] == ' ')) stop++;
    const char *next = stop < end ? stop + 1 : end;
    while (begin < stop && *begin == ' ') begin++;
    while (stop > begin && isspace((unsigned char)stop[-1])) stop--;
    read_directive(t, arena_strndup(t->s.arena, begin, (size_t)(stop - begin)), line);
    hash = next;
  }
}

static bool read_directives(Test *t) {
  FILE *file = fopen(t->path, "rb");
  if (!file) return false;
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  for (int number = 1; (length = getline(&line, &room, file)) >= 0; number++) read_line(t, line, line + length, number);
  free(line);
  fclose(file);
  return true;
}

/* ---- the messages ---- */

static int line_of(Test *t, const Diag *d) {
  int line = 1, column;
  if (d->span.source == 0) source_position(&t->s.sources.files.at[0], d->span.begin, &line, &column);
  return line;
}

static bool says(const Diag *d, const char *text) {
  for (size_t i = 0; i < d->help.count; i++)
    if (strstr(d->help.at[i], text)) return true;
  for (size_t i = 0; i < d->notes.count; i++)
    if (strstr(d->notes.at[i], text)) return true;
  for (size_t i = 0; i < d->labels.count; i++)
    if (strstr(d->labels.at[i].text, text)) return true;
  return d->caret_text && strstr(d->caret_text, text);
}

static void match_message(Test *t, const Diag *d) {
  int line = line_of(t, d);
  for (size_t i = 0; i < t->expected.count; i++) {
    Expected *e = &t->expected.at[i];
    if (!e->diagnostic || e->seen || e->line != line || strcmp(e->code, diag_code_name(d->code)) != 0) continue;
    if (!strstr(d->message, e->text)) continue;
    e->seen = true;
    for (size_t k = i + 1; k < t->expected.count && t->expected.at[k].line == line && !t->expected.at[k].diagnostic;
         k++) {
      const char *help = skip_word(t->expected.at[k].text, "help:");
      if (help && !says(d, help)) fail(t, line, "%s lacks the help '%s'", e->code, help);
    }
    return;
  }
  fail(t, line, "unexpected %s: %s", diag_code_name(d->code), d->message);
}

/* ---- the network ---- */

static void same_text(Test *t, int line, const char *what, const char *wanted, const char *got) {
  if (!streq(wanted, got)) fail(t, line, "%s: expected %s, got %s", what, wanted, got);
}

static const char *count_params(Test *t, const Graph *g, bool trainable) {
  ParamList params = graph_state_dict(g, t->s.arena, false);
  int64_t count = 0;
  for (size_t i = 0; i < params.count; i++)
    if (!trainable || g->params.at[params.at[i]].trainable) count += shape_count(&g->params.at[params.at[i]].shape);
  return arena_printf(t->s.arena, "%" PRId64, count);
}

static void check_layer(Test *t, const Graph *g, int line, const char *text) {
  const char *space = strchr(text, ' ');
  if (!space) {
    fail(t, line, "layer NAME SHAPE");
    return;
  }
  const char *name = arena_strndup(t->s.arena, text, (size_t)(space - text));
  NodeId node = graph_find_node(g, name);
  const char *got = node == NO_ID ? "gone" : shape_text(t->s.arena, &g->values.at[g->nodes.at[node].output].shape);
  same_text(t, line, name, space + 1, got);
}

static void check_order(Test *t, const Graph *g, int line, const char *text) {
  NodeId before = NO_ID;
  while (*text) {
    size_t length = strcspn(text, " ");
    const char *name = arena_strndup(t->s.arena, text, length);
    NodeId node = graph_find_node(g, name);
    text += length + (text[length] == ' ');
    if (node == NO_ID) {
      fail(t, line, "there is no node %s", name);
      return;
    }
    bool fed = before == NO_ID;
    for (size_t i = 0; i < g->nodes.at[node].inputs.count && !fed; i++)
      fed = g->values.at[g->nodes.at[node].inputs.at[i]].producer == before;
    if (!fed) fail(t, line, "%s is not fed by %s", name, g->nodes.at[before].name);
    before = node;
  }
}

/* NAME [FIRST] NUMBER…: the tensor's numbers from place FIRST on. */
static void check_values(Test *t, const Script *script, int line, const char *text) {
  const Graph *g = script->graph;
  size_t length = strcspn(text, " ");
  const char *name = arena_strndup(t->s.arena, text, length);
  ParamList all = graph_state_dict(g, t->s.arena, true);
  ParamId found = NO_ID;
  for (size_t i = 0; i < all.count; i++)
    if (streq(g->params.at[all.at[i]].name, name)) found = all.at[i];
  if (found == NO_ID || g->params.at[found].shape.dtype != DTYPE_F32) {
    fail(t, line, "there are no numbers %s", name);
    return;
  }
  int64_t count = shape_count(&g->params.at[found].shape), at = 0;
  float *numbers = arena_alloc(t->s.arena, (size_t)count * sizeof *numbers);
  surgery_error err = {0};
  if (!weights_fill(&t->s, g, script->train, found, numbers, &err)) fail(t, line, "%s", err.message);
  text += length;
  if (strncmp(text, " [", 2) == 0) at = strtoll(text + 2, (char **)&text, 10), text++;
  for (; *text; at++) {
    double wanted = strtod(text, (char **)&text);
    if (at >= count || (double)numbers[at] != wanted) {
      fail(t, line, "%s[%" PRId64 "]: expected %g, got %g", name, at, wanted, at < count ? (double)numbers[at] : 0);
      return;
    }
  }
}

/* SHAPE of the first output, or NAME SHAPE of any; `gone` instead of a shape: there is none of that name. */
static void check_output(Test *t, const Graph *g, int line, const char *text) {
  const char *space = *text == '(' ? NULL : strchr(text, ' '), *name = "output", *got = "gone";
  if (space) name = arena_strndup(t->s.arena, text, (size_t)(space - text));
  for (size_t i = g->outputs.count; i-- > 0;)
    if (i == 0 ? !space || streq(g->outputs.at[i].name, name) : space && streq(g->outputs.at[i].name, name))
      got = shape_text(t->s.arena, &g->values.at[g->outputs.at[i].value].shape);
  same_text(t, line, name, space ? space + 1 : text, got);
}

static void check_network(Test *t, const Script *script, bool good) {
  const Graph *g = script->graph;
  for (size_t i = 0; i < t->expected.count; i++) {
    const Expected *e = &t->expected.at[i];
    const char *rest;
    if (e->diagnostic || skip_word(e->text, "help:")) continue;
    if (!good) fail(t, e->line, "the script has errors, so that '%s' cannot be checked", e->text);
    else if ((rest = skip_word(e->text, "output"))) check_output(t, g, e->line, rest);
    else if ((rest = skip_word(e->text, "input")))
      same_text(t, e->line, "input", rest, shape_text(t->s.arena, &g->input.shape));
    else if ((rest = skip_word(e->text, "parameters")))
      same_text(t, e->line, "parameters", rest, count_params(t, g, false));
    else if ((rest = skip_word(e->text, "trainable")))
      same_text(t, e->line, "trainable", rest, count_params(t, g, true));
    else if ((rest = skip_word(e->text, "layer"))) check_layer(t, g, e->line, rest);
    else if ((rest = skip_word(e->text, "order"))) check_order(t, g, e->line, rest);
    else if ((rest = skip_word(e->text, "values"))) check_values(t, script, e->line, rest);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s SCRIPT.surgery [DATA]\n", argv[0]);
    return 2;
  }
  Arena *arena = arena_create();
  Test *t = arena_new(arena, Test);
  t->path = argv[1];
  t->data = argc > 2 ? argv[2] : ".";
  t->s.arena = t->s.sources.arena = t->s.diags.arena = arena;
  t->s.diags.sources = &t->s.sources;
  if (!read_directives(t)) {
    perror(t->path);
    return 1;
  }
  Script script;
  bool good = run_script(&t->s, t->path, &script);
  if (script.graph) graph_check(script.graph);
  if (good != (t->s.diags.errors == 0)) fail(t, 1, "run_script returns %d with %zu errors", good, t->s.diags.errors);
  for (size_t i = 0; i < t->s.diags.all.count; i++) match_message(t, t->s.diags.all.at[i]);
  for (size_t i = 0; i < t->expected.count; i++)
    if (t->expected.at[i].diagnostic && !t->expected.at[i].seen)
      fail(t, t->expected.at[i].line, "%s was expected: %s", t->expected.at[i].code, t->expected.at[i].text);
  check_network(t, &script, good);
  if (t->failures) diag_print_text(&t->s.diags, stderr, false);
  if (script.graph) weights_close(script.graph);
  int failures = t->failures;
  arena_destroy(arena);
  return failures > 0;
}
