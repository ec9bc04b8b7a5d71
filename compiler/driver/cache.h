/* The programs that `surgeryc run` keeps: $XDG_CACHE_HOME/surgery, or ~/.cache/surgery, has a folder for each, called
 * by its key, with the program and its weights. KEY.complete beside it is made last; KEY.lock is held while it is
 * built. */
#ifndef SURGERY_DRIVER_CACHE_H
#define SURGERY_DRIVER_CACHE_H
#include "compiler/driver/driver.h"

typedef struct CacheEntry {
  const char *key, *folder, *program; /* paths; the folder may not be there yet */
  bool complete;                      /* the program can be used */
  int lock;                           /* a descriptor, or -1 */
} CacheEntry;
#define CACHE_ENTRY_NONE ((CacheEntry){.lock = -1})

/* The content hash, in hexadecimal, of all that the program depends on: the texts of script and includes, the weights'
 * paths, sizes and times, the options, the machine's CPU, and the compiler itself. After the pass `edit`. */
const char *cache_key(const Compilation *c);
/* Makes the cache's folder; an entry that is complete counts as used today. False with a line on stderr. */
bool cache_find(Arena *arena, CacheEntry *entry, const char *key, const char *program);
/* Waits for others that build the same; entry->complete is up to date then. False with a line on stderr. */
bool cache_lock(Arena *arena, CacheEntry *entry);
void cache_unlock(CacheEntry *entry);
/* An empty folder to build in: what a build that was ended left behind is removed. False with a line on stderr. */
bool cache_clear(Arena *arena, CacheEntry *entry);
/* The entry is complete. Others are removed: those that nobody has used for a month, and of the rest those used the
 * longest ago while all together take more than 4 GiB ($SURGERY_CACHE_SIZE, in bytes). False with a line on stderr. */
bool cache_finish(Arena *arena, CacheEntry *entry);
/* All entries that nobody is building. False with a line on stderr. */
bool cache_remove_all(Arena *arena);
#endif
