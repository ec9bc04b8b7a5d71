/* What the files of this test program share: setjmp-order includes of cmocka, a fresh folder for each test.
 */
#ifndef TESTS_CODEGEN_TESTS_H
#define TESTS_CODEGEN_TESTS_H
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "compiler/codegen/codegen.h"
#include "compiler/emit/emit.h"
#include "tests/codegen/tiny.h"

typedef struct Fixture {
  Arena *arena;
  Session session;
  Plan *plan;
  char folder[64]; /* the test's own, and its current one */
} Fixture;
int setup(void **state);
int teardown(void **state); /* removes the folder */

/* Options for an output of the tiny plan. */
EmitOptions options(const char *output, EmitKind kind);
/* Names in the current folder, hidden ones too, sorted and joined by spaces. */
const char *listing(Fixture *f);
/* Runs a program quietly; its exit status. */
int run(const char *const *argv);

/* test_module.c, test_files.c, test_failures.c, test_tune.c */
void test_specialised_for_cpus(void **state);
void test_symbols(void **state);
void test_cpu_names(void **state);
void test_cpu_levels(void **state);
void test_level_symbols(void **state);
void test_identifiers(void **state);
void test_runs_as_reference(void **state);
void test_embedded(void **state);
void test_header_compiles(void **state);
void test_static_library(void **state);
void test_program(void **state);
void test_text_parses(void **state);
void test_odd_names(void **state);
void test_depfile(void **state);
void test_manifest(void **state);
void test_unwritable(void **state);
void test_full_disk(void **state);
void test_no_compiler(void **state);
void test_signals(void **state);
void test_tune_times_all(void **state);
void test_tune_of_huge_batches(void **state);
void test_tune_cpus(void **state);
#endif
