/* What the convolution templates know of the target: one constant, which codegen may set otherwise before it optimises.
 * Here it is that of the machine this file is compiled for (the bitcode: AVX-512). */
#include "compiler/kernels/conv_vec.h"

#ifdef __AVX512F__
const int64_t sgk_wide_vectors = 1;
#else
const int64_t sgk_wide_vectors = 0;
#endif
