/* Memory for what is large and lives long: weights, packed weights, arenas. */
#ifndef SURGERY_PAGES_H
#define SURGERY_PAGES_H
#include <stdint.h>

/* At least `bytes` zeroes, on a 64-byte boundary; NULL: no memory, or a negative number. What is never touched takes no
 * memory, and the system is asked for huge pages. */
void *sg_pages_new(int64_t bytes);
void sg_pages_free(void *memory); /* NULL is fine */
#endif
