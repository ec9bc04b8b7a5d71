/* Regions of tensors, `fc.weight[:, :10]`: their shapes, and copies out of and into row-major elements. */
#include "compiler/weights/weights.h"
#include <inttypes.h>

Shape region_shape(const Region *region, DType dtype) {
  Shape shape = {.rank = 0, .dtype = dtype};
  for (int i = 0; i < region->rank; i++)
    if (!region->drop[i]) shape.dim[shape.rank++] = region->end[i] - region->begin[i];
  return shape;
}

bool region_within(const Region *region, const Shape *shape) {
  if (region->rank != shape->rank) return false;
  for (int i = 0; i < region->rank; i++)
    if (region->end[i] > shape->dim[i]) return false;
  return true;
}

const char *region_text(Arena *arena, const char *name, const Region *region) {
  if (!region) return name;
  const char *text = arena_printf(arena, "%s[", name);
  for (int i = 0; i < region->rank; i++) {
    const char *comma = i ? ", " : "";
    text = region->drop[i]
               ? arena_printf(arena, "%s%s%" PRId64, text, comma, region->begin[i])
               : arena_printf(arena, "%s%s%" PRId64 ":%" PRId64, text, comma, region->begin[i], region->end[i]);
  }
  return arena_printf(arena, "%s]", text);
}

/* ---- copying ---- */

/* Row by row: `index` counts through all dimensions but the last, which is contiguous in both. */
static void copy_rows(char *tensor, const Shape *shape, const Region *region, size_t size, char *part, bool gather) {
  int64_t index[MAX_SHAPE_RANK];
  int last = region->rank - 1;
  if (last < 0) {
    memcpy(gather ? part : tensor, gather ? tensor : part, size);
    return;
  }
  size_t row = (size_t)(region->end[last] - region->begin[last]) * size;
  memcpy(index, region->begin, sizeof index);
  for (;;) {
    int64_t at = 0;
    for (int i = 0; i < last; i++) at = (at + index[i]) * shape->dim[i + 1];
    char *here = tensor + (size_t)(at + region->begin[last]) * size;
    memcpy(gather ? part : here, gather ? here : part, row);
    part += row;
    int axis = last - 1;
    for (; axis >= 0 && ++index[axis] == region->end[axis]; axis--) index[axis] = region->begin[axis];
    if (axis < 0) return;
  }
}

void region_gather(const void *tensor, const Shape *shape, const Region *region, size_t size, void *part) {
  ASSERT(region_within(region, shape));
  copy_rows((char *)(uintptr_t)tensor, shape, region, size, part, true);
}

void region_scatter(void *tensor, const Shape *shape, const Region *region, size_t size, const void *part) {
  ASSERT(region_within(region, shape));
  copy_rows(tensor, shape, region, size, (char *)(uintptr_t)part, false);
}

/* ---- picking ---- */
