/* The compiler's arenas: where no memory is left the process ends with status 3 and one line on stderr. */
#ifndef SURGERY_BASE_ARENA_H
#define SURGERY_BASE_ARENA_H
#include "runtime/base/arena.h"

Arena *arena_create(void);
#endif
