/* compiler/base: arenas, sources, suggestions, diagnostics as text and as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "compiler/base/diag.h"
#include "runtime/base/map.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Fixture {
  Arena *arena;
  Sources sources;
  Diags diags;
} Fixture;

static int set_up(void **state) {
  Fixture *f = calloc(1, sizeof *f);
  f->arena = arena_create();
  f->sources.arena = f->arena;
  f->diags = (Diags){.arena = f->arena, .sources = &f->sources};
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  Fixture *f = *state;
  arena_destroy(f->arena);
  free(f);
  return 0;
}

/* The place of `part` in the source's text. */
static Span span_of(Fixture *f, int source, const char *part) {
  const Source *s = &f->sources.files.at[source];
  const char *at = memmem(s->text, s->length, part, strlen(part));
  assert_non_null(at);
  uint32_t begin = (uint32_t)(at - s->text);
  return (Span){(uint32_t)source, begin, begin + (uint32_t)strlen(part)};
}

static char *printed(Fixture *f, bool json, bool color) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  json ? diag_print_json(&f->diags, out) : diag_print_text(&f->diags, out, color);
  fclose(out);
  char *copy = arena_strndup(f->arena, text, size);
  free(text);
  return copy;
}

static int add(Fixture *f, const char *path, const char *text) {
  return sources_add_text(&f->sources, path, text, strlen(text));
}

static void arena_is_zero_and_aligned(void **state) {
  Fixture *f = *state;
  static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, 100000, 3 << 20, 7};
  for (int round = 0; round < 20; round++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      unsigned char *memory = arena_alloc(f->arena, sizes[i]);
      assert_int_equal((uintptr_t)memory % 16, 0);
      for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(memory[k], 0);
      memset(memory, 0xAB, sizes[i]);
    }
}

static void vectors_keep_their_values(void **state) {
  Fixture *f = *state;
  VEC(int) v = {0};
  for (int i = 0; i < 10000; i++) vec_push(f->arena, &v, i * 3);
  assert_int_equal(v.count, 10000);
  for (int i = 0; i < 10000; i++) assert_int_equal(v.at[i], i * 3);
}

static void positions_count_code_points(void **state) {
  Fixture *f = *state;
  int source = add(f, "x", "ab\n\xC3\xA4\xC3\xB6x\n");
  int line, column;
  source_position(&f->sources.files.at[source], 0, &line, &column);
  assert_int_equal(line, 1), assert_int_equal(column, 1);
  source_position(&f->sources.files.at[source], 7, &line, &column); /* the x behind two umlauts */
  assert_int_equal(line, 2), assert_int_equal(column, 3);
  source_position(&f->sources.files.at[source], 1000, &line, &column); /* past the end: the end */
  assert_int_equal(line, 3), assert_int_equal(column, 1);
}

static void files_are_read_whole(void **state) {
  Fixture *f = *state;
  char path[] = "/tmp/surgery-base-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "a\0b", 3), 3);
  close(fd);
  int source = sources_add_file(&f->sources, path);
  assert_true(source >= 0);
  assert_int_equal(f->sources.files.at[source].length, 3);
  assert_memory_equal(f->sources.files.at[source].text, "a\0b", 4);
  assert_int_equal(truncate(path, (64 << 20) + 1), 0);
  assert_int_equal(sources_add_file(&f->sources, path), -1);
  assert_int_equal(errno, EFBIG);
  unlink(path);
  assert_int_equal(sources_add_file(&f->sources, path), -1);
  assert_int_equal(errno, ENOENT);
  assert_int_equal(sources_add_file(&f->sources, "/tmp"), -1);
  assert_int_equal(errno, EISDIR);
}

static void the_example_of_the_language_page(void **state) {
  Fixture *f = *state;
  int source = add(f, "heads.surgery", "take resnet18[0:3]\nfreeze all\nreplace fc with Linear(512, 10)\n");
  Diag *diag = diag_report(&f->diags, DIAG_E0001, span_of(f, source, "512"),
                           "Linear expects %d input features but %d flow in", 512, 128);
  diag_caret(&f->diags, diag, "wants %d", 512);
  diag_label(&f->diags, diag, span_of(f, source, "resnet18[0:3]"),
             "ends with layer2: (N, 128, 28, 28), pooled to (N, 128)");
  diag_help(&f->diags, diag, "Linear(128, 10), or Linear(_, 10) to have it inferred");
  assert_string_equal(printed(f, false, false),
                      "heads.surgery:3:24: error[E0001]: Linear expects 512 input features but 128 flow in\n"
                      "  3 | replace fc with Linear(512, 10)\n"
                      "    |                        ^^^ wants 512\n"
                      "  1 | take resnet18[0:3]\n"
                      "    |      ------------- ends with layer2: (N, 128, 28, 28), pooled to (N, 128)\n"
                      "  help: Linear(128, 10), or Linear(_, 10) to have it inferred\n");
  assert_int_equal(f->diags.errors, 1);
  assert_string_equal(printed(f, false, false), ""); /* printed once */
}

static void marks_stand_under_tabs_and_wide_letters(void **state) {
  Fixture *f = *state;
  int source = add(f, "x", "\tlabels \"\xE7\x8C\xAB\", x1\r\n");
  diag_report(&f->diags, DIAG_E0002, span_of(f, source, "x1"), "m");
  assert_string_equal(printed(f, false, false), "x:1:14: error[E0002]: m\n"
                                                "  1 |     labels \"\xE7\x8C\xAB\", x1\n"
                                                "    |                  ^^\n");
}

static void labels_on_the_same_line_and_in_other_files(void **state) {
  Fixture *f = *state;
  int a = add(f, "a", "\n\n\n\n\n\n\n\n\none two\n"), b = add(f, "b", "three");
  Diag *diag = diag_report(&f->diags, DIAG_E0002, span_of(f, a, "two"), "m");
  diag_label(&f->diags, diag, span_of(f, a, "one"), "here");
  diag_label(&f->diags, diag, span_of(f, b, "three"), "there");
  diag_label(&f->diags, diag, SPAN_NONE, "nowhere");
  diag_note(&f->diags, diag, "n");
  assert_string_equal(printed(f, false, false), "a:10:5: error[E0002]: m\n"
                                                "  10 | one two\n"
                                                "     |     ^^^\n"
                                                "     | --- here\n"
                                                "    --> b:1:1\n"
                                                "   1 | three\n"
                                                "     | ----- there\n"
                                                "  note: nowhere\n"
                                                "  note: n\n");
}

static void hostile_bytes_are_not_printed(void **state) {
  Fixture *f = *state;
  int source = sources_add_text(&f->sources, "p\033[2J", "a\0\033[31m\xFF z", 10);
  diag_report(&f->diags, DIAG_E0003, span_of(f, source, "z"), "m \033[0m %s", "\xFF");
  diag_report(&f->diags, DIAG_E0003, (Span){(uint32_t)source, 10, 10}, "at the end");
  diag_report(&f->diags, DIAG_E0003, (Span){(uint32_t)source, 4000000, 4000000000}, "outside");
  const char *text = printed(f, false, false);
  assert_null(strchr(text, '\033'));
  assert_null(strchr(text, '\xFF'));
  assert_non_null(strstr(text, "outside"));
}

static void long_lines_are_cut(void **state) {
  Fixture *f = *state;
  size_t size = 5 << 20;
  char *text = malloc(size);
  memset(text, 'x', size);
  memcpy(text + size / 2, "HERE", 4);
  int source = sources_add_text(&f->sources, "long", text, size);
  free(text);
  diag_report(&f->diags, DIAG_E0002, span_of(f, source, "HERE"), "m");
  char *out = printed(f, false, false);
  char *shown = strstr(out, "HERE"), *carets = strstr(out, "^^^^\n");
  assert_non_null(shown), assert_non_null(carets);
  /* The carets stand under the word, in the line after it. */
  char *newline = strchr(shown, '\n');
  assert_true(newline < carets);
  assert_int_equal(shown - (strchr(out, '\n') + 1), carets - (newline + 1));
  diag_report(&f->diags, DIAG_E0002, (Span){(uint32_t)source, 0, (uint32_t)size}, "all of it");
  assert_non_null(strstr(out, "..."));
  for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n")) assert_true(strlen(line) < 120);
  out = printed(f, false, false);
  for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n")) assert_true(strlen(line) < 120);
}

static void fifty_and_a_count_in_source_order(void **state) {
  Fixture *f = *state;
  int source = add(f, "x",
                   "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r "
                   "s t u v w x y z");
  for (uint32_t i = 60; i > 0; i--) diag_report(&f->diags, DIAG_E0002, (Span){(uint32_t)source, i, i + 1}, "m%u", i);
  char *text = printed(f, false, false);
  assert_true(strncmp(text, "x:1:2: error[E0002]: m1\n", 24) == 0);
  assert_non_null(strstr(text, "m50\n"));
  assert_null(strstr(text, "m51\n"));
  assert_non_null(strstr(text, "surgeryc: and 10 more errors that are not shown\n"));
}

static void colors_only_when_asked(void **state) {
  Fixture *f = *state;
  int source = add(f, "x", "abc");
  diag_report(&f->diags, DIAG_E0002, (Span){(uint32_t)source, 0, 1}, "m");
  assert_non_null(strstr(printed(f, false, true), "\033[1;31merror"));
}

static void json_has_all_fields(void **state) {
  Fixture *f = *state;
  int source = add(f, "x.surgery", "freze all\nfoo");
  Diag *diag = diag_report(&f->diags, DIAG_E0001, span_of(f, source, "freze"), "bad \xFF \"word\"");
  diag_caret(&f->diags, diag, "c");
  diag_label(&f->diags, diag, span_of(f, source, "foo"), "label");
  diag_help(&f->diags, diag, "did you mean 'freeze'?");
  diag_note(&f->diags, diag, "n");
  diag_report(&f->diags, DIAG_E0002, SPAN_NONE, "no place");
  json_t *all = json_loads(printed(f, true, false), 0, NULL);
  assert_int_equal(json_array_size(all), 2);
  const char *code, *severity, *message, *file, *caret, *label, *help, *note;
  int line, column, end_line, end_column, label_line;
  assert_int_equal(json_unpack(json_array_get(all, 0),
                               "{s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:s,s:[{s:s,s:i}],s:[s],s:[s]}", "code", &code,
                               "severity", &severity, "message", &message, "file", &file, "line", &line, "column",
                               &column, "end_line", &end_line, "end_column", &end_column, "caret", &caret, "labels",
                               "text", &label, "line", &label_line, "help", &help, "notes", &note),
                   0);
  assert_string_equal(code, "E0001"), assert_string_equal(severity, "error");
  assert_string_equal(message, "bad \xEF\xBF\xBD \"word\""), assert_string_equal(file, "x.surgery");
  assert_int_equal(line, 1), assert_int_equal(column, 1), assert_int_equal(end_line, 1),
      assert_int_equal(end_column, 6);
  assert_string_equal(label, "label"), assert_int_equal(label_line, 2);
  assert_string_equal(help, "did you mean 'freeze'?"), assert_string_equal(note, "n"), assert_string_equal(caret, "c");
  assert_true(json_is_null(json_object_get(json_array_get(all, 1), "line")));
  json_decref(all);
  json_t *none = json_loads(printed(f, true, false), 0, NULL);
  assert_true(json_is_array(none));
  assert_int_equal(json_array_size(none), 0);
  json_decref(none);
}

static void suggestions(void **state) {
  (void)state;
  static const char *const names[] = {"freeze", "unfreeze", "layer3", "layer4", "fc", "conv1", "layer4.1.conv2"};
  static const struct {
    const char *wrong, *near;
  } cases[] = {{"freze", "freeze"},   {"Freeze", "freeze"}, {"frezee", "freeze"}, {"layr4", "layer4"},
               {"layer44", "layer4"}, {"cf", "fc"},         {"con1", "conv1"},    {"layer4.1.cnov2", "layer4.1.conv2"},
               {"zebra", NULL},       {"x", NULL},          {"", NULL},           {"q1", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *got = nearest_name(cases[i].wrong, names, sizeof names / sizeof *names);
    if (!cases[i].near) assert_null(got);
    else assert_non_null(got), assert_string_equal(got, cases[i].near);
  }
  char *huge = malloc(1 << 20);
  memset(huge, 'a', (1 << 20) - 1);
  huge[(1 << 20) - 1] = '\0';
  assert_null(nearest_name(huge, names, 7));
  const char *const odd[] = {NULL, "", huge};
  assert_null(nearest_name("fc", odd, 3));
  free(huge);
}

static void every_code_has_a_page(void **state) {
  (void)state;
  for (int i = 0; i < DIAG_COUNT; i++) {
    DiagCode code;
    assert_true(diag_code_parse(diag_code_name(i), &code));
    assert_int_equal(code, i);
    assert_true(strlen(diag_code_title(i)) > 5);
    assert_true(strlen(diag_code_page(i)) > 40);
  }
  DiagCode code;
  assert_false(diag_code_parse("E9999", &code));
  assert_null(diag_code_name(DIAG_COUNT));
}

static int exit_status_of(void (*function)(void)) {
  pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(99);
    function();
    _exit(98);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
static void environment_fails(void) { errno = ENOSPC, fail_environment("writing %s", "x"); }
static void a_bug(void) {
  Sources sources = {.arena = arena_create()};
  sources_add_text(&sources, "x", "freeze all", 10);
  bug_compiling(&sources, (Span){0, 0, 10});
  ASSERT(sources.files.count == 2);
}
static void the_two_other_failures(void **state) {
  (void)state;
  assert_int_equal(exit_status_of(environment_fails), 3);
  assert_int_equal(exit_status_of(a_bug), 70);
}

/* Keys stay found as the map grows; one that was never added is not found. */
static void maps_keep_their_keys(void **state) {
  Fixture *f = *state;
  enum { KEYS = 1000 };
  Map map = {0};
  assert_null(map_find_text(&map, "a"));
  for (int32_t i = 0; i < KEYS; i++) {
    MapEntry *entry = map_add_text(f->arena, &map, arena_printf(f->arena, "layer%d.weight", i));
    assert_int_equal(entry->value, -1);
    entry->value = i;
  }
  assert_int_equal(map.count, KEYS);
  for (int32_t i = 0; i < KEYS; i++) {
    const char *key = arena_printf(f->arena, "layer%d.weight", i);
    assert_int_equal(map_find_text(&map, key)->value, i);
    assert_int_equal(map_add_text(f->arena, &map, key)->value, i);
    assert_null(map_find(&map, key, strlen(key) - 1));
  }
  assert_int_equal(map.count, KEYS);
  assert_null(map_find_text(&map, ""));
  map_add(f->arena, &map, "a\0b", 3)->value = 7;
  assert_null(map_find_text(&map, "a"));
  assert_int_equal(map_find(&map, "a\0b", 3)->value, 7);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(arena_is_zero_and_aligned),
      TEST(vectors_keep_their_values),
      TEST(maps_keep_their_keys),
      TEST(positions_count_code_points),
      TEST(files_are_read_whole),
      TEST(the_example_of_the_language_page),
      TEST(marks_stand_under_tabs_and_wide_letters),
      TEST(labels_on_the_same_line_and_in_other_files),
      TEST(hostile_bytes_are_not_printed),
      TEST(long_lines_are_cut),
      TEST(fifty_and_a_count_in_source_order),
      TEST(colors_only_when_asked),
      TEST(json_has_all_fields),
      TEST(suggestions),
      TEST(every_code_has_a_page),
      TEST(the_two_other_failures),
  };
  return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
