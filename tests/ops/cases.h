/* The table of cases, cases/GROUP.txt: one small network a row, its fields separated by '|':
 *   name | input without the batch (7 < 11: seven tokens below 11; mask behind it: and a mask) | n | layers | forward |
 * freeze and unfreeze | loss (MSE where left out) The layers and the forward are those of a model in the language and,
 * read by make_goldens.py, Python. Names are unique in their file. Here is only the table; what is done with a case is
 * in compile.c, check.c and coverage.c. */
#ifndef SURGERY_TESTS_OPS_CASES_H
#define SURGERY_TESTS_OPS_CASES_H
#include <stdint.h>

#define CASE_MAX_RANK 6
typedef struct Case {
  const char *name;
  int rank;
  int64_t dim[CASE_MAX_RANK]; /* of the input, without the batch */
  int64_t n;
  const char *layers, *forward, *edits, *loss; /* "" where left out */
  const char *symbol;                          /* the name as a C identifier: case_NAME */
  int64_t vocabulary;                          /* of an input of tokens; else 0 */
  int mask;                                    /* the forward has a second value */
} Case;

typedef struct CaseTable {
  Case *at;
  int count;
} CaseTable;

/* Ends the process with one line where the file is wrong. What it returns is never freed. */
CaseTable cases_read(const char *path);
/* The whole script, as a user would write it. */
char *case_script(const Case *c);
/* One line on stderr, then the process ends with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Never NULL. */
void *must_alloc(int64_t bytes);
char *must_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
