/* Scripts that nobody should write: each must end in good time, with messages or without, and never in a
 * crash. Also what cannot be a golden: places, the expression parser, random damage to real scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "grammar/ast.h"
#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { SECONDS = 20 }; /* of processor time; about 0.6 s is measured for the largest, twelve times that under ASan */

typedef struct Outcome {
  Arena *arena;
  Sources sources;
  Diags diags;
  Stmt *script;
  size_t statements;
} Outcome;

/* Walks the whole tree as a pass would, so that a tree too high for recursion shows here. */
static size_t count_stmts(const Stmt *s) {
  size_t count = 0;
  for (; s; s = s->next) {
    assert_in_range(s->depth, 1, AST_MAX_DEPTH);
    count += 1 + count_stmts(s->body) + count_stmts(s->other);
  }
  return count;
}

static void outcome_of(Outcome *o, const char *text, size_t length) {
  *o = (Outcome){.arena = arena_create()};
  o->sources.arena = o->arena;
  o->diags = (Diags){.arena = o->arena, .sources = &o->sources};
  int source = sources_add_text(&o->sources, "script", text, length);
  assert_true(source >= 0);
  clock_t start = clock();
  o->script = parse(o->arena, &o->diags, &o->sources, (uint32_t)source);
  FILE *null = fopen("/dev/null", "w");
  ast_dump(o->script, null);
  size_t errors = o->diags.errors;
  o->statements = count_stmts(o->script);
  for (size_t i = 0; i < o->diags.all.count; i++) { /* a good place: inside the text */
    assert_in_range(o->diags.all.at[i]->span.begin, 0, length);
    assert_in_range(o->diags.all.at[i]->span.end, o->diags.all.at[i]->span.begin, length);
  }
  VEC(Diag *) kept = {0};
  for (size_t i = 0; i < o->diags.all.count; i++) vec_push(o->arena, &kept, o->diags.all.at[i]);
  diag_print_text(&o->diags, null, true);
  for (size_t i = 0; i < kept.count; i++) o->diags.all.at[i] = kept.at[i];
  o->diags.all.count = kept.count;
  diag_print_json(&o->diags, null);
  for (size_t i = 0; i < kept.count; i++) o->diags.all.at[i] = kept.at[i];
  o->diags.all.count = kept.count;
  fclose(null);
  assert_int_equal(errors, o->diags.errors);
  assert_true((double)(clock() - start) / CLOCKS_PER_SEC < SECONDS);
}

static void done(Outcome *o) { arena_destroy(o->arena); }

/* `before`, then `count` times `unit`, then `after`; `length` gets the size. */
static char *repeated(const char *before, const char *unit, size_t count, const char *after, size_t *length) {
  size_t a = strlen(before), b = strlen(unit), c = strlen(after);
  char *text = malloc(a + b * count + c + 1);
  memcpy(text, before, a);
  for (size_t i = 0; i < count; i++) memcpy(text + a + i * b, unit, b);
  memcpy(text + a + b * count, after, c + 1);
  *length = a + b * count + c;
  return text;
}

typedef struct Repeated {
  const char *before, *unit;
  size_t count;
  const char *after;
  const char *code;  /* of the first message in source order of reporting; NULL: no message */
  size_t messages;   /* 0: any number */
  size_t statements; /* SIZE_MAX: any number */
} Repeated;

static const Repeated cases[] = {
    /* large and right */
    {"", "freeze all\n", 1000000, "", NULL, 0, 1000000},
    {"train {", "batch 16; epochs 3\n", 300000, "}", NULL, 0, 600001},
    {"freeze a", ",a", 1000000, "\nfreeze b", NULL, 0, 2},
    {"x = f(", "1,", 1000000, ")", NULL, 0, 1},
    {"labels ", "\"a\",\n", 300000, "\"b\"", NULL, 0, 1},
    {"freeze a,", "\n# x", 1000000, "\nb", NULL, 0, 1},
    {"", " ", 10000000, "freeze all", NULL, 0, 1},
    {"freeze ", "a", 10000000, "", NULL, 0, 1},
    {"", "\n", 3000000, "", NULL, 0, 0},
    /* large and wrong */
    {"", "freze all\n", 1000000, "", "E0001", 1001, 0},
    {"", "}\n", 1000000, "", "E0004", 1001, 0},
    {"", "let k = (1\n", 300000, "", "E0005", 0, SIZE_MAX},
    {"freze ", "a.b ", 2000000, "\nfreeze all", "E0001", 1, 1},
    /* deep: one message, and what follows is read */
    {"let k = ", "(", 10000, "\nfreeze all", "E0008", 1, 1},
    {"let k = ", "[", 10000, "\nfreeze all", "E0008", 1, 1},
    {"", "if a {\n", 10000, "", "E0008", 0, SIZE_MAX},
    {"", "([{", 5000, "", "E0005", 0, SIZE_MAX},
    {"let k = ", "-", 100000, "1\nfreeze all", "E0008", 1, 1},
    {"let k = ", "not ", 100000, "1\nfreeze all", "E0008", 1, 1},
    {"let k = 1", "+1", 1000000, "\nfreeze all", "E0008", 1, 2},
    {"let k = f", "()", 300000, "\nfreeze all", "E0008", 1, 2},
    {"let k = f", ".a", 300000, "\nfreeze all", "E0008", 1, 2},
    {"let k = f", "[0]", 300000, "\nfreeze all", "E0008", 1, 2},
    {"freeze a", " except a", 300000, "\nfreeze all", "E0008", 1, 2},
    {"freeze a", "[0]", 300000, "\nfreeze all", "E0008", 1, 2},
    {"freeze ", "every A in ", 300000, "a\nfreeze all", "E0008", 1, SIZE_MAX},
    {"take a", "[0]", 300000, "\nfreeze all", "E0008", 1, 2},
    {"take a", ".b", 3000, "\nfreeze all", NULL, 0, 2},
    {"if a {}", " else if b {}", 1000, "\nfreeze all", "E0008", 1, SIZE_MAX},
    {"if a {}", " else if b {}", 100000, "\nfreeze all", "E0008", 1, SIZE_MAX},
    /* long words and open ends */
    {"let k = ", "9", 1000000, "", "E0007", 1, 0},
    {"", "\"", 3000001, "", "E0002", 0, SIZE_MAX},
    {"freeze ", "/", 3000001, "", "E0010", 1, 0},
    {"freeze ", "{a,", 1000000, "", "E0002", 1, 0},
    {"labels \"", "a", 10000000, "", "E0006", 1, 0},
    {"freeze /", "a", 10000000, "\nfreeze all", "E0010", 1, 1},
    {"let k = (\n", "input    and\n", 300000, "", "E0008", 0, SIZE_MAX},
    {"", "\xC2\xA0", 1000000, "", "E0003", 1, 0},
};

static void repeated_scripts(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const Repeated *c = &cases[i];
    size_t length;
    char *text = repeated(c->before, c->unit, c->count, c->after, &length);
    Outcome o;
    outcome_of(&o, text, length);
    const char *code = o.diags.all.count ? diag_code_name(o.diags.all.at[0]->code) : NULL;
    bool fine = streq(code, c->code) && (!c->messages || o.diags.errors == c->messages) &&
                (c->statements == SIZE_MAX || o.statements == c->statements);
    if (!fine)
      fail_msg("%s%s… x %zu: first %s, %zu messages, %zu statements", c->before, c->unit, c->count,
               code ? code : "none", o.diags.errors, o.statements);
    done(&o);
    free(text);
  }
}

static void nested_and_closed_again(void **state) {
  (void)state;
  size_t length, n = 10000;
  char *text = repeated("", "if a {\n", n, "", &length);
  text = realloc(text, length + 2 * n + 100);
  for (size_t i = 0; i < n; i++) memcpy(text + length + 2 * i, "}\n", 2);
  memcpy(text + length + 2 * n, "freeze all\nfreze all", 20);
  Outcome o;
  outcome_of(&o, text, length + 2 * n + 20);
  assert_int_equal(o.diags.errors, 2); /* too deep; and the last line, so the blocks were counted right */
  assert_int_equal(o.diags.all.at[0]->code, DIAG_E0008);
  assert_int_equal(o.diags.all.at[1]->code, DIAG_E0001);
  done(&o);
  free(text);
}

static uint64_t random_state = 88172645463325252u;
static uint32_t random_number(uint32_t below) {
  random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 32) % below;
}

static void random_bytes(void **state) {
  (void)state;
  static const char likely[] = "abc(){}[];,.\n \"/=+-*0123ef#_\\%<>!:?";
  size_t length = 10 << 20;
  char *text = malloc(length);
  for (size_t i = 0; i < length; i++) text[i] = (char)random_number(256);
  Outcome o;
  outcome_of(&o, text, length);
  assert_true(o.diags.errors > 0);
  done(&o);
  for (size_t i = 0; i < length; i++) text[i] = likely[random_number(sizeof likely)]; /* with the NUL */
  outcome_of(&o, text, length);
  assert_true(o.diags.errors > 0);
  done(&o);
  free(text);
}

static const char *cases_folder;

/* Every case of cases/ with a few bytes removed, doubled, replaced, or cut off. */
static void damaged_scripts(void **state) {
  (void)state;
  DIR *folder = opendir(cases_folder);
  assert_non_null(folder);
  int scripts = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    char path[4096], text[32768], damaged[40000];
    const char *dot = strrchr(entry->d_name, '.');
    if (!dot || strcmp(dot, ".surgery") != 0) continue;
    snprintf(path, sizeof path, "%s/%s", cases_folder, entry->d_name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    scripts++;
    for (int round = 0; length && round < 60; round++) {
      size_t n = length;
      memcpy(damaged, text, n);
      for (uint32_t k = 1 + random_number(4); k > 0 && n > 1; k--) {
        size_t at = random_number((uint32_t)n);
        switch (random_number(5)) {
        case 0: memmove(damaged + at, damaged + at + 1, n - at - 1), n--; break;
        case 1: memmove(damaged + at + 1, damaged + at, n - at), n++; break;
        case 2: damaged[at] = "(){}[]\"/;\n,=.#\\ "[random_number(16)]; break;
        case 3: damaged[at] = (char)random_number(256); break;
        default: n = at + 1; break;
        }
      }
      Outcome o;
      outcome_of(&o, damaged, n);
      done(&o);
    }
  }
  closedir(folder);
  assert_true(scripts > 5);
}

static Expr *expression(Outcome *o, const char *text) {
  *o = (Outcome){.arena = arena_create()};
  o->sources.arena = o->arena;
  o->diags = (Diags){.arena = o->arena, .sources = &o->sources};
  int source = sources_add_text(&o->sources, "-D", text, strlen(text));
  return parse_expression(o->arena, &o->diags, &o->sources, (uint32_t)source, 0);
}

static void single_expressions(void **state) {
  (void)state;
  Outcome o;
  Expr *e = expression(&o, "10");
  assert_non_null(e);
  assert_int_equal(e->kind, EXPR_INT), assert_int_equal(e->integer, 10);
  done(&o);
  e = expression(&o, "[1, 2 * 3]\n");
  assert_int_equal(e->kind, EXPR_LIST);
  done(&o);
  static const char *const wrong[] = {"", "1 2", "1; 2", "(", "freeze all", "}", "\"a", "1 +", "x = 3", "\n\n"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    e = expression(&o, wrong[i]);
    if (e || o.diags.errors == 0) fail_msg("'%s' was taken for an expression", wrong[i]);
    done(&o);
  }
}

static void spans_are_byte_exact(void **state) {
  (void)state;
  static const char text[] = "freeze all;  replace layer4.0 with Linear(_, 10) # x\ntake a[0:5] from \"w\"";
  Outcome o;
  outcome_of(&o, text, strlen(text));
#define SPANS(span, part)                                                                                              \
  assert_memory_equal(text + (span).begin, part, (span).end - (span).begin),                                           \
      assert_int_equal((span).end - (span).begin, strlen(part))
  const Stmt *replace = o.script->next, *take = replace->next;
  SPANS(o.script->span, "freeze all");
  SPANS(replace->span, "replace layer4.0 with Linear(_, 10)");
  SPANS(replace->selector->span, "layer4.0");
  SPANS(replace->value->span, "Linear(_, 10)");
  SPANS(replace->value->args->value->span, "_");
  SPANS(take->donor->span, "a[0:5] from \"w\"");
  SPANS(take->donor->slice->span, "[0:5]");
  SPANS(take->donor->from_span, "\"w\"");
  done(&o);
}

int main(int argc, char **argv) {
  cases_folder = argc > 1 ? argv[1] : "cases";
  struct rlimit limit = {300, 300}; /* an endless loop must not take the machine with it */
  setrlimit(RLIMIT_CPU, &limit);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(repeated_scripts),   cmocka_unit_test(nested_and_closed_again),
      cmocka_unit_test(random_bytes),       cmocka_unit_test(damaged_scripts),
      cmocka_unit_test(single_expressions), cmocka_unit_test(spans_are_byte_exact),
  };
  return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
