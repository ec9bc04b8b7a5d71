/* Reads many tensors by all threads: cut into slices of about the same size, which go to their places in any order.
 * Which bytes lie where, read.c knows. */
#include "runtime/abi.h"
#include "runtime/weights/weights.h"

#include <pthread.h>
#include <stdlib.h>

enum { SLICE = 1 << 18 };           /* bytes in the file */
enum { WORTH_SHARING = 4 * SLICE }; /* below, waking the threads takes longer */

typedef struct Slice {
  size_t part;
  size_t first, count; /* values */
} Slice;

typedef struct Reading {
  const surgery_weights *w;
  const surgery_weights_part *parts;
  Slice *slices;
  pthread_mutex_t lock;
  int64_t failed; /* the first slice that failed; INT64_MAX: none */
  surgery_error why;
} Reading;

static size_t slice_values(const surgery_tensor *t) {
  size_t whole = (size_t)t->count;
  return weights_read_parts((const WeightTensor *)t) ? SLICE / surgery_dtype_size(t->dtype) : whole ? whole : 1;
}

static size_t slices_of(const surgery_tensor *t) {
  size_t values = slice_values(t);
  return ((size_t)t->count + values - 1) / values;
}

static void read_slices(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  Reading *r = buf[0];
  for (int64_t i = begin; i < end; i++) {
    const Slice *s = &r->slices[i];
    const surgery_weights_part *p = &r->parts[s->part];
    WeightTarget to = {.f32 = p->f32 ? p->f32 + s->first : NULL, .i64 = p->i64 ? p->i64 + s->first : NULL};
    surgery_error why;
    if (weights_read_part(r->w, (const WeightTensor *)p->tensor, to, s->first, s->count, &why) == 0) continue;
    pthread_mutex_lock(&r->lock);
    if (i < r->failed) r->failed = i, r->why = why;
    pthread_mutex_unlock(&r->lock);
  }
}

static int cut(Reading *r, size_t count, int64_t *slices, surgery_error *err) {
  size_t total = 0, at = 0;
  for (size_t i = 0; i < count; i++) total += slices_of(r->parts[i].tensor);
  if (!(r->slices = malloc((total + 1) * sizeof *r->slices)))
    return sg_fail_memory(err, r->w->files[0].path, total * sizeof *r->slices);
  for (size_t i = 0; i < count; i++) {
    const surgery_tensor *t = r->parts[i].tensor;
    size_t values = slice_values(t), whole = (size_t)t->count;
    for (size_t first = 0; first < whole; first += values)
      r->slices[at++] = (Slice){i, first, whole - first < values ? whole - first : values};
  }
  *slices = (int64_t)total;
  return 0;
}

int surgery_weights_read_all(surgery_weights *w, const surgery_weights_part *parts, size_t count, surgery_error *err) {
  Reading r = {.w = w, .parts = parts, .failed = INT64_MAX};
  int64_t slices = 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < count; i++) {
    if (weights_check_read(w, parts[i].tensor, parts[i].i64 != NULL, parts[i].count, err)) return -1;
    bytes += ((const WeightTensor *)parts[i].tensor)->span;
  }
  if (cut(&r, count, &slices, err)) return -1;
  pthread_mutex_init(&r.lock, NULL);
  void *const buf[] = {&r};
  if (bytes < WORTH_SHARING) read_slices(buf, 0, 0, slices, NULL);
  else sg_parallel(read_slices, buf, 0, slices, sg_threads(), NULL, 0);
  pthread_mutex_destroy(&r.lock);
  free(r.slices);
  if (r.failed == INT64_MAX) return 0;
  if (err) *err = r.why;
  return -1;
}
