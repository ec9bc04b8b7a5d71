/* A place in a text: a file and a byte span; line and column exist only when something is printed. */
#ifndef SURGERY_BASE_SPAN_H
#define SURGERY_BASE_SPAN_H
#include <stdint.h>

typedef struct Span {
  uint32_t source;     /* index into the compiler's Sources; SPAN_NONE.source where there is no place */
  uint32_t begin, end; /* bytes, half open */
} Span;
#define SPAN_NO_SOURCE UINT32_MAX
#define SPAN_NONE ((Span){SPAN_NO_SOURCE, 0, 0})
static inline Span span_join(Span a, Span b) {
  if (a.source == SPAN_NO_SOURCE) return b;
  if (b.source != a.source) return a;
  return (Span){a.source, a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}
#endif
