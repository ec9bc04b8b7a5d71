/* The number of threads of one call, as the runtime's own parts see it; abi.h has what generated code calls.
 */
#ifndef SURGERY_THREADS_H
#define SURGERY_THREADS_H
#include <stdint.h>

/* Until threads_release the calling thread's calls take sg_threads() threads as it is now, and `most` of them
 * at most, whatever surgery_set_threads is told meanwhile: memory is planned for that number. Returns what
 * threads_release needs. */
int threads_hold(int64_t most);
void threads_release(int before);
#endif
