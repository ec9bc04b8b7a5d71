/* From cases to running code: each script goes through the whole compiler to an object file, as `surgeryc -c` would
 * make it; all are linked to one library, which is loaded. Called by main.c and dropout.c. */
#ifndef SURGERY_TESTS_OPS_COMPILE_H
#define SURGERY_TESTS_OPS_COMPILE_H
#include "runtime/abi.h"
#include "tests/ops/cases.h"

/* Works in `folder`, which is made where it is missing. code[i] is the network of case i, or NULL: it was not compiled,
 * and the reason is on stderr. Must come before any thread is started: it forks a process for each of `workers`. */
void compile_cases(const CaseTable *table, const char *folder, int workers, const sg_network **code);
#endif
