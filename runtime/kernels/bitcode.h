/* The kernel templates as LLVM bitcode, embedded at build time. Codegen parses it, adds a wrapper
 * with constants for each call and lets the optimiser specialise. Nothing here may be changed in place. */
#ifndef SURGERY_BITCODE_H
#define SURGERY_BITCODE_H
#include <stddef.h>
extern const unsigned char kernels_bc[];
extern const size_t kernels_bc_size; /* in bytes; one 0 byte follows the module */
/* The same with smaller tiles, for targets without AVX-512: 16 vector registers of 8 floats or fewer. */
extern const unsigned char kernels_bc_narrow[];
extern const size_t kernels_bc_narrow_size;
#endif
