/* Calling kernels by their names. */
#ifndef SURGERY_TESTS_KERNELS_CALL_H
#define SURGERY_TESTS_KERNELS_CALL_H
#include "runtime/kernels/kernels.h"
/* OPERANDS(add, .a = x, .b = x, .y = y): those that are not named are NULL. */
#define OPERANDS(kernel, ...) (&(kernel##_operands){__VA_ARGS__})
/* The work items [begin, end) of a template. operands: of this kernel, or of one that has the same. */
void call_template(KernelId kernel, const void *operands, int64_t n, int64_t begin, int64_t end, void *scratch,
                   const void *k);
#endif
