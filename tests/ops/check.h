/* What a case is held to; see check.c. Called by main.c and dropout.c. */
#ifndef SURGERY_TESTS_OPS_CHECK_H
#define SURGERY_TESTS_OPS_CHECK_H
#include "tests/ops/net.h"

typedef enum ErrorKind {
  ERROR_FORWARD,
  ERROR_LOSS,
  ERROR_GRADIENT,
  ERROR_STATISTICS,
  ERROR_BATCHES,
  ERROR_DIFFERENCES,
  ERROR_KINDS
} ErrorKind;

/* A measured error: when it is above its kind's tolerance, or NaN, one line says where and it counts as a failure. */
void check_error(const Net *net, ErrorKind kind, const char *where, double error);
/* All of it against PyTorch's numbers (make_goldens.py tells their order). */
void check_case(Net *net, const float *golden, int64_t golden_count);
/* The gradient against central differences of the compiled loss, along random directions. */
void check_differences(Net *net, const Batch *b);
/* The worst errors so far beside their tolerances; returns the number of failures. */
int check_report(void);
extern int check_failures;
#endif
