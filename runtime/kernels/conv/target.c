/* What the convolution templates know of the target: one constant. As bitcode this file exists twice, wide and
 * (SGK_NARROW) narrow; natively it is that of the machine it is compiled for. */
#include "runtime/kernels/conv/conv.h"

#ifndef SGK_PLANS
#if defined(__AVX512F__) && !defined(SGK_NARROW)
const int64_t sgk_wide_vectors = 1;
#else
const int64_t sgk_wide_vectors = 0;
#endif
#endif
