/* Memory of one open weight file: freed all at once, bounded by a limit that follows from the file's size.
 * Unlike the compiler's arenas an allocation may fail: NULL, never an exit. Used only by the readers. */
#ifndef SURGERY_WEIGHTS_POOL_H
#define SURGERY_WEIGHTS_POOL_H
#include <stdbool.h>
#include <stddef.h>

typedef struct Pool {
  struct PoolBlock *blocks;
  size_t left;        /* bytes free in the newest block */
  size_t used, limit; /* bytes from malloc; 0: no limit */
  bool over;          /* the last NULL was the limit's doing, not the machine's */
} Pool;

void *pool_alloc(Pool *pool, size_t size); /* zeroed, 16-byte aligned; NULL past the limit or without memory */
void *pool_array(Pool *pool, size_t count, size_t size);
char *pool_strndup(Pool *pool, const char *text, size_t length);
char *pool_printf(Pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A larger copy of an array; the old one stays until the pool goes. */
void *pool_grow(Pool *pool, const void *old, size_t old_count, size_t new_count, size_t size);
void pool_free(Pool *pool);
#endif
