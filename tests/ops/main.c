/* Every operator through the whole compiler: script → object → run. One process for each group of cases:
 *
 *   ops_test CASES.txt GOLDENS.safetensors FOLDER [NAME]   all cases of the table, or one
 *   ops_test dropout FOLDER                                dropout.c
 */
#include "tests/ops/check.h"
#include "tests/ops/compile.h"
#include "tests/ops/dropout.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *running = "nothing yet";

static void on_crash(int signal) {
  char text[256];
  int length = snprintf(text, sizeof text, "tests/ops: signal %d in case %s\n", signal, running);
  if (write(2, text, (size_t)length) != length) _exit(3);
  _exit(2);
}

static void watch_crashes(void) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  for (int i = 0; i < 5; i++) signal(signals[i], on_crash);
}

static void keep_one(CaseTable *table, const char *name) {
  for (int i = 0; i < table->count; i++)
    if (strcmp(table->at[i].name, name) == 0) {
      table->at[0] = table->at[i];
      table->count = 1;
      return;
    }
  die("there is no case '%s'", name);
}

static float *golden_of(surgery_weights *goldens, const Case *c, int64_t *count) {
  surgery_error err = {0};
  const surgery_tensor *t = surgery_weights_find(goldens, c->name);
  if (!t) die("%s: no golden; run make_goldens.py", c->name);
  float *values = must_alloc(t->count * 4);
  if (surgery_weights_read(goldens, t, values, t->count, &err) != 0) die("%s: %s", c->name, err.message);
  *count = t->count;
  return values;
}

static int run_table(CaseTable *table, const char *golden_path, const char *folder) {
  surgery_error err = {0};
  const sg_network **code = must_alloc((int64_t)sizeof *code * table->count);
  compile_cases(table, folder, 2, code);
  surgery_weights *goldens = surgery_weights_open(golden_path, &err);
  if (!goldens) die("%s", err.message);
  int missing = 0;
  for (int i = 0; i < table->count; i++) {
    int64_t count;
    float *golden = golden_of(goldens, &table->at[i], &count);
    missing += !code[i];
    if (!code[i]) continue;
    running = table->at[i].name;
    Net net = net_open_case(&table->at[i], code[i]);
    check_case(&net, golden, count);
    guard_free(&net, "the weights", net.weights);
    guard_free(&net, "the packed weights", net.packed);
    guard_free(&net, "the gradients", net.grads);
    free(golden);
  }
  surgery_weights_close(goldens);
  int failures = check_report();
  printf("%d cases, %d not compiled, %d failures\n", table->count, missing, failures);
  return missing > 0 || failures > 0;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc == 3 && strcmp(argv[1], "dropout") == 0) {
    watch_crashes();
    running = "dropout";
    return check_dropout(argv[2]);
  }
  if (argc != 4 && argc != 5)
    die("usage: ops_test CASES.txt GOLDENS.safetensors FOLDER [NAME], or ops_test dropout FOLDER");
  CaseTable table = cases_read(argv[1]);
  if (argc == 5) keep_one(&table, argv[4]);
  watch_crashes();
  surgery_set_threads(2);
  return run_table(&table, argv[2], argv[3]);
}
