/* See call.h. */
#include "tests/kernels/call.h"

typedef void Template(const void *b, int64_t n, int64_t begin, int64_t end, void *scratch, const void *k);
#define CALL_TEMPLATE(name)                                                                                            \
  static void call_##name(const void *b, int64_t n, int64_t begin, int64_t end, void *scratch, const void *k) {        \
    sgk_##name(b, n, begin, end, scratch, k);                                                                          \
  }
#define CALL_RUNTIME(name) enum { call_##name = 0 };
#define KERNEL(name, params, kind, ...) CALL_##kind(name)
#include "runtime/kernels/kernels.def"
static Template *const templates[KERNEL_COUNT] = {
#define KERNEL(name, ...) [KERNEL_##name] = call_##name,
#include "runtime/kernels/kernels.def"
};

void call_template(KernelId kernel, const void *operands, int64_t n, int64_t begin, int64_t end, void *scratch,
                   const void *k) {
  templates[kernel](operands, n, begin, end, scratch, k);
}
