/* "did you mean 'blocks.surgery'?" for files. */
#ifndef SURGERY_BASE_NEAREST_FILE_H
#define SURGERY_BASE_NEAREST_FILE_H
#include "compiler/base/diag.h"

/* `path` is not there: the nearest name in its folder, written as `given` is (its own folder in front). NULL when none
 * is near. */
const char *nearest_file(Arena *arena, const char *path, const char *given);
#endif
