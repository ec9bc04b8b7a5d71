/* The kernel templates as one LLVM bitcode module, embedded at build time. Codegen parses it, adds a wrapper
 * with constants for each call and lets the optimiser specialise. Nothing here may be changed in place. */
#ifndef SURGERY_BITCODE_H
#define SURGERY_BITCODE_H
#include <stddef.h>
extern const unsigned char kernels_bc[];
extern const size_t kernels_bc_size; /* in bytes; one 0 byte follows the module */
#endif
