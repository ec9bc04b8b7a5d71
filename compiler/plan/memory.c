/* The memory plan: each arena buffer lives from the first call that uses it to the last, and gets the lowest
 * offset at which nothing that lives at the same time is in its way; large buffers first. Buffers whose size grows
 * with the batch and fixed ones are planned apart, since their order in memory must not depend on n.
 * Works on plain records only; tests/analysis checks it without a network. */
#include "compiler/plan/plan.h"
#include <stdlib.h>

#ifndef SURGERY_REDZONE /* bytes that belong to nobody behind each buffer, poisoned by the code of a sanitized build   \
                         */
#define SURGERY_REDZONE 0
#endif

static void find_lifetimes(Program *s) {
  for (size_t i = 0; i < s->buffers.count; i++) s->buffers.at[i].first = s->buffers.at[i].last = -1;
  for (size_t c = 0; c < s->calls.count; c++) {
    const Call *call = &s->calls.at[c];
    for (int k = 0; k < call->buf_count; k++) {
      if (call->buf[k] == NO_ID) continue;
      Buffer *b = &s->buffers.at[call->buf[k]];
      if (b->first < 0) b->first = (int)c;
      b->last = b->kept ? (int)s->calls.count - 1 : (int)c;
    }
  }
}

static bool overlap_in_time(const Buffer *a, const Buffer *b) { return a->first <= b->last && b->first <= a->last; }

static int by_size(const void *pa, const void *pb) {
  const Buffer *a = *(Buffer *const *)pa, *b = *(Buffer *const *)pb;
  if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
  return a->first != b->first ? (a->first > b->first) - (a->first < b->first) : (a > b) - (a < b);
}

/* Into a list that is ordered by offset. */
static void insert_by_offset(Buffer **list, size_t *count, Buffer *b) {
  size_t low = 0, high = *count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (list[middle]->offset < b->offset) low = middle + 1;
    else high = middle;
  }
  memmove(list + low + 1, list + low, (*count - low) * sizeof *list);
  list[low] = b;
  ++*count;
}

/* Places the buffers of one kind; returns the bytes that they need together. */
static int64_t place(Arena *arena, Program *s, bool per_sample) {
  Buffer **all = arena_array(arena, Buffer *, s->buffers.count + 1);
  Buffer **placed = arena_array(arena, Buffer *, s->buffers.count + 1);
  size_t count = 0, placed_count = 0;
  for (size_t i = 0; i < s->buffers.count; i++) {
    Buffer *b = &s->buffers.at[i];
    if (b->space == SPACE_ARENA && b->per_sample == per_sample && b->first >= 0) all[count++] = b;
  }
  qsort(all, count, sizeof *all, by_size);
  int64_t total = 0;
  for (size_t i = 0; i < count; i++) {
    int64_t at = 0;
    for (size_t k = 0; k < placed_count && placed[k]->offset < at + all[i]->bytes + SURGERY_REDZONE; k++) {
      int64_t end = placed[k]->offset + placed[k]->bytes + SURGERY_REDZONE;
      if (end > at && overlap_in_time(placed[k], all[i])) at = end;
    }
    all[i]->offset = at;
    insert_by_offset(placed, &placed_count, all[i]);
    if (at + all[i]->bytes + SURGERY_REDZONE > total) total = at + all[i]->bytes + SURGERY_REDZONE;
  }
  return total;
}

void plan_memory(Arena *arena, Program *s) {
  find_lifetimes(s);
  s->per_sample_bytes = place(arena, s, true);
  s->fixed_bytes = place(arena, s, false);
  s->scratch_bytes = 0;
  for (size_t c = 0; c < s->calls.count; c++)
    if (s->calls.at[c].plan.scratch_bytes > s->scratch_bytes) s->scratch_bytes = s->calls.at[c].plan.scratch_bytes;
  s->scratch_bytes = round_up_64(s->scratch_bytes);
}

static void check_pair(const Program *s, const Buffer *a, const Buffer *b) {
  if (a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes)
    BUG("%s: %s and %s share memory while both live", s->name, a->name, b->name);
}

static int by_first(const void *pa, const void *pb) {
  const Buffer *a = *(Buffer *const *)pa, *b = *(Buffer *const *)pb;
  return (a->first > b->first) - (a->first < b->first);
}

/* From call to call: who lives, ordered by offset, so that a newcomer meets its neighbours alone. */
static void check_apart(const Program *s, bool per_sample) {
  Arena *scratch = arena_create();
  Buffer **all = arena_array(scratch, Buffer *, s->buffers.count + 1),
         **living = arena_array(scratch, Buffer *, s->buffers.count + 1);
  size_t count = 0, living_count = 0;
  for (size_t i = 0; i < s->buffers.count; i++) {
    Buffer *b = &s->buffers.at[i];
    if (b->space == SPACE_ARENA && b->per_sample == per_sample && b->first >= 0) all[count++] = b;
  }
  qsort(all, count, sizeof *all, by_first);
  for (size_t i = 0; i < count; i++) {
    size_t kept = 0, at;
    for (size_t k = 0; k < living_count; k++)
      if (living[k]->last >= all[i]->first) living[kept++] = living[k];
    living_count = kept;
    insert_by_offset(living, &living_count, all[i]);
    for (at = 0; living[at] != all[i];) at++;
    if (at > 0) check_pair(s, living[at - 1], all[i]);
    if (at + 1 < living_count) check_pair(s, all[i], living[at + 1]);
  }
  arena_destroy(scratch);
}

void program_check(const Plan *plan, const Program *s) {
  bool *written = calloc(s->buffers.count + 1, sizeof *written);
  if (!written) fail_environment("no memory to check the schedule");
  for (size_t c = 0; c < s->calls.count; c++) {
    const Call *call = &s->calls.at[c];
    const KernelInfo *info = kernel_info(call->kernel);
    for (int k = 0; k < call->buf_count; k++) {
      bool arena = call->buf[k] != NO_ID && s->buffers.at[call->buf[k]].space == SPACE_ARENA;
      const Operand *operand = &info->operands[k];
      if (call->buf[k] == NO_ID && operand->required)
        BUG("%s: call %zu (%s) is missing its operand %s", s->name, c, info->name, operand->name);
      if (arena && operand->access == OPERAND_IN && !written[call->buf[k]])
        BUG("%s: call %zu (%s) reads %s before it is written", s->name, c, info->name,
            s->buffers.at[call->buf[k]].name);
    }
    for (int k = 0; k < call->buf_count; k++)
      if (call->buf[k] != NO_ID) written[call->buf[k]] = true;
  }
  free(written);
  check_apart(s, true);
  check_apart(s, false);
}
