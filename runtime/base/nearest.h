/* "did you mean 'layer4'?" */
#ifndef SURGERY_BASE_NEAREST_H
#define SURGERY_BASE_NEAREST_H
#include <stddef.h>

/* The nearest of `names` to `wrong` by edit distance, or NULL when nothing is near enough to offer. */
const char *nearest_name(const char *wrong, const char *const *names, size_t count);
#endif
