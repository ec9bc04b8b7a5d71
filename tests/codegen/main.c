/* The test program: fixtures and the list of tests. */
#include "tests/codegen/tests.h"
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int setup(void **state) {
  Fixture *f = calloc(1, sizeof *f);
  strcpy(f->folder, "/tmp/surgery-codegen-XXXXXX");
  if (!f || !mkdtemp(f->folder) || chdir(f->folder)) return -1;
  f->arena = arena_create();
  f->session.arena = f->arena;
  f->plan = tiny_plan(f->arena);
  *state = f;
  return 0;
}

static void remove_tree(const char *path) {
  DIR *dir = opendir(path);
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    char name[512];
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    if (unlink(name)) remove_tree(name);
  }
  if (dir) closedir(dir);
  rmdir(path);
}

int teardown(void **state) {
  Fixture *f = *state;
  if (chdir("/")) return -1;
  remove_tree(f->folder);
  arena_destroy(f->arena);
  free(f);
  return 0;
}

EmitOptions options(const char *output, EmitKind kind) {
  return (EmitOptions){
      .output = output, .kind = kind, .opt_level = 2, .script_name = "tiny.surgery", .runtime_dir = RUNTIME_DIR};
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

const char *listing(Fixture *f) {
  const char *names[64];
  size_t count = 0;
  DIR *dir = opendir(".");
  for (struct dirent *entry; dir && count < 64 && (entry = readdir(dir));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      names[count++] = arena_strdup(f->arena, entry->d_name);
  closedir(dir);
  qsort(names, count, sizeof *names, by_name);
  const char *text = "";
  for (size_t i = 0; i < count; i++) text = arena_printf(f->arena, "%s%s%s", text, i ? " " : "", names[i]);
  return text;
}

int run(const char *const *argv) {
  pid_t pid;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  int reason = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (reason || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_identifiers),     TEST(test_cpu_names),         TEST(test_specialised_for_cpus),
      TEST(test_cpu_levels),      TEST(test_level_symbols),     TEST(test_symbols),
      TEST(test_manifest),        TEST(test_runs_as_reference), TEST(test_embedded),
      TEST(test_header_compiles), TEST(test_static_library),    TEST(test_program),
      TEST(test_text_parses),     TEST(test_odd_names),         TEST(test_depfile),
      TEST(test_unwritable),      TEST(test_full_disk),         TEST(test_no_compiler),
      TEST(test_signals),         TEST(test_tune_times_all),    TEST(test_tune_of_huge_batches),
      TEST(test_tune_cpus),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
