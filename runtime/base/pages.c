/* Large memory straight from the system: already zero, so that nobody clears it once more, and in huge pages where
 * there are any: a program that runs once would spend more time on page faults than on reading its weights. */
#include "runtime/base/pages.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)4096)

/* Lies before each block. */
typedef struct Head {
  _Alignas(64) void *start;
  size_t mapped; /* bytes from start; 0: it came from malloc */
} Head;

static void *after_head(Head head, char *memory) {
  *((Head *)(void *)memory - 1) = head;
  return memory;
}

/* The kernel aligns mappings to huge pages by itself in newer versions only. */
static void *map(size_t size) {
  size_t whole = size + HUGE_PAGE + PAGE;
  char *start = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  size_t past = (size_t)((uintptr_t)(start + PAGE) % HUGE_PAGE), before = past ? HUGE_PAGE - past : 0;
  if (before) munmap(start, before);
  start += before, whole -= before;
  if (whole > PAGE + size) munmap(start + PAGE + size, whole - PAGE - size);
  madvise(start + PAGE, size, MADV_HUGEPAGE); /* a wish */
  return after_head((Head){start, PAGE + size}, start + PAGE);
}

void *sg_pages_new(int64_t bytes) {
  if (bytes < 0 || (uint64_t)bytes > SIZE_MAX / 4) return NULL;
  size_t size = ((size_t)bytes + 64 + PAGE - 1) / PAGE * PAGE;
  if (size >= HUGE_PAGE) return map(size);
  void *start = NULL;
  if (posix_memalign(&start, 64, sizeof(Head) + size)) return NULL;
  memset(start, 0, sizeof(Head) + size);
  return after_head((Head){start, 0}, (char *)start + sizeof(Head));
}

void sg_pages_free(void *memory) {
  if (!memory) return;
  Head head = *((Head *)memory - 1);
  if (head.mapped) munmap(head.start, head.mapped);
  else free(head.start);
}
