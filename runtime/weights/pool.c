/* Memory for what is built from one file: see pool.h. */
#include "runtime/weights/pool.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct PoolBlock {
  struct PoolBlock *next;
  size_t size;
  _Alignas(16) unsigned char bytes[];
} PoolBlock;

enum { BLOCK = 1 << 14 };

void *pool_alloc(Pool *pool, size_t size) {
  if (size > SIZE_MAX / 4) return NULL;
  size = (size + 15) & ~(size_t)15;
  if (size > pool->left || !pool->blocks) {
    size_t room = size > BLOCK ? size : BLOCK;
    pool->over = pool->limit && (pool->used > pool->limit || room > pool->limit - pool->used);
    if (pool->over) return NULL;
    PoolBlock *block = calloc(1, sizeof *block + room);
    if (!block) return NULL;
    block->size = room;
    pool->used += room;
    if (size > BLOCK && pool->blocks) { /* large ones go after it, so that the open block is not lost */
      block->next = pool->blocks->next;
      pool->blocks->next = block;
      return block->bytes;
    }
    block->next = pool->blocks;
    pool->blocks = block;
    pool->left = room;
  }
  unsigned char *at = pool->blocks->bytes + (pool->blocks->size - pool->left);
  pool->left -= size;
  return at;
}

void *pool_array(Pool *pool, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  return pool_alloc(pool, bytes);
}

char *pool_strndup(Pool *pool, const char *text, size_t length) {
  char *copy = length < SIZE_MAX / 4 ? pool_alloc(pool, length + 1) : NULL;
  if (copy) memcpy(copy, text, length);
  return copy;
}

char *pool_printf(Pool *pool, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  char *text = length < 0 ? NULL : pool_alloc(pool, (size_t)length + 1);
  if (text) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  va_end(args);
  return text;
}

void *pool_grow(Pool *pool, const void *old, size_t old_count, size_t new_count, size_t size) {
  void *grown = pool_array(pool, new_count, size);
  if (grown && old_count) memcpy(grown, old, old_count * size);
  return grown;
}

void pool_free(Pool *pool) {
  for (PoolBlock *block = pool->blocks, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  *pool = (Pool){.limit = pool->limit};
}
