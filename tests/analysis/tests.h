/* The unit tests of the analysis; each returns the number of failures. Called by main.c. */
#ifndef SURGERY_TESTS_ANALYSIS_H
#define SURGERY_TESTS_ANALYSIS_H
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

int test_memory(void);
int test_pruning(void);
int test_choices(void);
extern const char *plans_folder; /* where the scripts are */
#endif
