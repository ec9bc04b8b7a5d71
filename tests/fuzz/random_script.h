/* Random scripts that are mostly right: a network of operators on each other, frozen parts, edits, training. From the
 * rows of ops.def, with each operator's own shape rule to choose what flows into it; so a new operator takes part
 * without a line here. Called by graphs.c. */
#ifndef SURGERY_TESTS_RANDOM_SCRIPT_H
#define SURGERY_TESTS_RANDOM_SCRIPT_H
#include "compiler/lang/lang.h"

typedef struct Random {
  uint64_t state;
} Random;

/* In the session's arena; the same text for the same seed. */
const char *random_script(Session *s, uint64_t seed);
#endif
